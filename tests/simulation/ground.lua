-- ground: the providers' side of a run, and all that is known about it: makes the world that a
-- seed asks for, answers what arrives, notes what was sent, and has the run judged.

local json, load_module = ...

local router = require "simulator.router"
local plan_of = load_module("plan.lua").of
local judge = load_module("judge.lua")

local ground = {}
local run

function ground.begin(seed)
  local plan = plan_of(seed)
  local options = {}
  for key, value in pairs(plan.world) do options[key] = value end
  options.json = json
  options.providers = { "confluent", "connect", "upstash" }
  run = { plan = plan, sends = {}, world = router.new(options) }
  table.sort(plan.rates, function(a, b) return a.at < b.at end)
  run.outage = plan.outage
  local w = plan.weather
  return json.encode(plan.job), w.latency, w.slow, w.slowest, w.twice, w.interrupt_at, w.latest,
    plan.class
end

local function adjust_rate(now)
  local next_rate = run.plan.rates[1]
  while next_rate and now >= 1000 + next_rate.at do
    run.world.rate = next_rate.rate
    table.remove(run.plan.rates, 1)
    next_rate = run.plan.rates[1]
  end
end

local outage_replies = {
  refuse = { status = 503, headers = {}, body = "", connection = "refuse" },
  lose = { status = 503, headers = {}, body = "", connection = "close" },
  ["503"] = { status = 503, headers = { ["Content-Type"] = "text/plain" }, body = "unavailable" },
}

local function headers_text(headers)
  local lines = {}
  for name, value in pairs(headers) do lines[#lines + 1] = name .. ": " .. value .. "\n" end
  table.sort(lines)
  return table.concat(lines)
end

-- Returns the status, the headers, the body, what becomes of the connection, and a delay.
function ground.answer(now, number, method, path, query, authorization, body)
  local w = run.world
  w.now = now
  adjust_rate(now)
  if run.plan.revoked_at and now >= 1000 + run.plan.revoked_at then
    authorization = "Basic d3Jvbmcta2V5Ong=" -- wrong-key, which the models know
  end
  local request = { method = method, path = path, query = query, body = body,
                    headers = { authorization = authorization } }
  local outage, reply = run.plan.outage, nil
  if outage and now >= 1000 + outage.from and now < 1000 + outage.to then
    reply = outage_replies[outage.kind]
    if not reply then
      reply = router.handle(w, request)
      reply.connection = "close"
    end
  else
    reply = router.handle(w, request)
  end
  return reply.status, headers_text(reply.headers), reply.body, reply.connection or "",
    reply.delay or 0
end

function ground.ended(number, method, path, started, ended, status, sent, body)
  run.sends[#run.sends + 1] = {
    number = number, method = method, path = path, started = started, ended = ended,
    status = status, sent = sent, marker = body:match('"marker":"(%d+)"'),
  }
end

-- The text of all faults, "" when there is none.
function ground.judge(now, record, code, log, audited_at, overrun, interrupted, tasks, exchanges,
                      queued, transfers, journal)
  local w = run.world
  w.now = now + 1e6
  router.catch_up(w)
  run.effects = w.effects
  run.record = record and json.decode(record) or { ops = {}, reports = {} }
  run.code, run.log, run.audited_at, run.overrun = code, log, audited_at, overrun
  run.interrupted, run.journal = interrupted, journal
  run.left = { tasks = tasks, calls = exchanges, exchanges = queued, transfers = transfers }
  return table.concat(judge.faults(run), "\n"), #run.sends, #run.effects
end

return ground
