-- jobs: the script that kelp runs in the simulation: carries out the items of a plan in one of
-- many ways, and keeps a record of what kelp said about each write.

local kelp = require "kelp"
local raw = require "kelp.raw"

local job = kelp.json.decode((...))
local record = { ops = {}, reports = {}, ended = false }

-- For the judge, who asks when everything is over, however it ended.
function simulation_record() return kelp.json.encode(record) end

local credentials = {
  confluent = { environment = "env-sim", cluster = "lkc-sim", api_key = "simulated-key",
                api_secret = "not-a-real-secret", base_url = "https://sim.example/confluent" },
  upstash = { cluster = "cluster-sim", email = "somebody@example.com",
              api_key = "not-a-real-key", base_url = "https://sim.example/upstash/v2/kafka" },
  connect = { url = "https://sim.example/connect", username = "somebody",
              password = "not-a-real-password-2" },
}

local targets = {}
for _, provider in ipairs(job.providers) do
  local options = credentials[provider]
  for _, name in ipairs { "visibility_delay", "timeout", "connect_timeout", "attempts", "concurrency" } do
    options[name] = job.target[name]
  end
  targets[provider] = kelp[provider](options)
end

local function config_for(item, step)
  local config = { marker = step.marker, kept = "yes" }
  if item.target == "confluent" then
    config["connector.class"] = "DatagenSource"
    config["kafka.auth.mode"], config["kafka.service.account.id"] = "SERVICE_ACCOUNT", "sa-sim001"
  elseif item.target == "connect" then
    config["connector.class"], config.topics = "FileStreamSink", "lines"
  else
    config["connector.class"] = "com.example.Sink"
  end
  if step.secret then config["sasl.password"] = "not-a-real-password" end
  return config
end

local calls = {}

function calls.create(t, item, step) return t:create(item.name, config_for(item, step)) end
calls.create_exists = calls.create

function calls.put(t, item, step, c) return t:put(c or item.name, config_for(item, step)) end

-- The config of old connectors holds no secret, so nothing is masked until one was put there.
function calls.update(t, item, step, c)
  local changes = { marker = step.marker }
  if step.secret or item.secret then changes["sasl.password"] = "not-a-real-password" end
  return t:update(c or item.name, changes)
end

function calls.restart(t, item, _, c) return t:restart(c or item.name) end
function calls.restart_once(t, item, _, c)
  return t:restart(c or item.name, { at_most_once = true })
end
function calls.pause(t, item, _, c) return t:pause(c or item.name) end
function calls.resume(t, item, _, c) return t:resume(c or item.name) end
function calls.delete(t, item, _, c) return t:delete(c or item.name) end
function calls.get(t, item) return t:get(item.name) end
function calls.list(t) return #t:list() end
function calls.wait(t, item, _, c) return t:wait(c or item.name, { timeout = 120 }) end

local function carry_out(item, step, c)
  local op = { item = item.n, verb = step.verb, target = item.target, name = item.name,
               marker = step.marker, status = "started", at = raw.now() }
  record.ops[#record.ops + 1] = op
  local ok, result = pcall(calls[step.verb], targets[item.target], item, step, c)
  op.ended = raw.now()
  if ok then
    op.status = "done"
    if step.secret then item.secret = true end
    return result
  end
  if not kelp.is_error(result) then
    op.status, op.message = "error", tostring(result)
  else
    op.status = result.kind == "unknown_outcome" and "unknown" or "failed"
    op.kind, op.cause, op.sent, op.attempts = result.kind, result.cause, result.sent,
      result.attempts
    op.http, op.outcome, op.message = result.status, result.outcome, result.message
    op.paused = result.paused
  end
  error(result, 0)
end

local function run_item(item)
  local c
  for _, step in ipairs(item.steps) do
    local result = carry_out(item, step, item.by == "object" and c or nil)
    if kelp.is_connector(result) then c = result end
  end
  return item.n
end

local failures = {}

-- What stops a job stops the script; anything else is told at its end.
local function keep_report(report)
  record.reports[#record.reports + 1] = {
    done = report.done, failed = report.failed, unknown = report.unknown,
    skipped = report.skipped, errors = #report.errors, stopped = report.stopped ~= nil,
    text = tostring(report),
  }
  local ok, failure = pcall(report.assert, report)
  if not ok then failures[#failures + 1] = failure end
  if report.stopped then error(failure, 0) end
end

local function try(f, ...)
  local ok, failure = pcall(f, ...)
  if ok then return true end
  failures[#failures + 1] = failure
  if kelp.is_error(failure, "unauthorized") or failure.kind == "cancelled" then
    error(failure, 0)
  end
end

local options = { concurrency = job.concurrency }
local drivers = {}

function drivers.each(items) keep_report(kelp.each(items, run_item, options)) end

function drivers.iterator(items)
  local n = 0
  keep_report(kelp.each(function()
    n = n + 1
    if n % 7 == 0 then kelp.sleep(0.01) end
    return items[n]
  end, run_item, options))
end

function drivers.map(items)
  local numbers, report = kelp.map(items, run_item, options)
  for i = 1, #items do
    if numbers[i] ~= nil and numbers[i] ~= items[i].n then error("map mixes its results up", 0) end
  end
  keep_report(report)
end

function drivers.sequential(items)
  for _, item in ipairs(items) do try(run_item, item) end
end

local function start_all(items)
  local tasks = {}
  for i, item in ipairs(items) do tasks[i] = kelp.async(run_item, item) end
  return tasks
end

function drivers.async(items)
  for _, task in ipairs(start_all(items)) do try(task.await, task) end
end

-- Every third task is cancelled somewhere on its way. What it says then is no failure of the job.
function drivers.cancel(items)
  local tasks = start_all(items)
  for i = 1, #tasks, 3 do
    kelp.sleep(job.cancel_after / #tasks * 3)
    tasks[i]:cancel()
  end
  for i, task in ipairs(tasks) do
    local ok, failure = pcall(task.await, task)
    if not ok and not (i % 3 == 1 and kelp.is_error(failure, "cancelled")) then
      failures[#failures + 1] = failure
    end
  end
end

function drivers.cancel_job(items)
  local task = kelp.async(drivers.each, items)
  kelp.sleep(job.cancel_after)
  record.cancelled_at = raw.now()
  task:cancel()
  local ok, failure = pcall(task.await, task)
  record.cancel_ended_at = raw.now()
  if not ok and not kelp.is_error(failure, "cancelled") then failures[#failures + 1] = failure end
end

-- table.sort cannot be yielded across: each call runs the scheduler itself.
function drivers.sort(items)
  local ran = {}
  local function once(item)
    if ran[item.n] then return end
    ran[item.n] = true
    try(run_item, item)
  end
  table.sort(items, function(a, b)
    once(a)
    once(b)
    return a.n < b.n
  end)
end

function drivers.wrap(items)
  local small = { concurrency = math.min(job.concurrency, 8) }
  keep_report(kelp.each(items, function(item)
    return coroutine.wrap(run_item)(item)
  end, small))
end

function drivers.mixed(items)
  local groups = { {}, {}, {} }
  for i, item in ipairs(items) do table.insert(groups[i % 3 + 1], item) end
  local first = kelp.async(drivers.each, groups[1])
  local second = kelp.async(drivers.sequential, groups[2])
  drivers.map(groups[3])
  try(first.await, first)
  try(second.await, second)
end

local ran, stopped_by = pcall(drivers[job.driver], job.items)
if not ran then failures[#failures + 1] = stopped_by end
record.ended = true

-- As a careful script would end: with the worst that it was told.
for _, failure in ipairs(failures) do
  if kelp.is_error(failure, "unknown_outcome") then error(failure, 0) end
end
if failures[1] then error(failures[1], 0) end
