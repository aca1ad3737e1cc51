-- judge: compares what kelp said with what the providers know, after a run: the invariants.
-- Each fault that it finds is a line "I2: …"; a run without any is a good one.

local judge = {}

local writes = {
  create = { create = true }, create_exists = { create = true },
  update = { update = true, put = true }, put = { put = true, create = true, update = true },
  restart = { restart = true }, restart_once = { restart = true }, pause = { pause = true },
  resume = { resume = true }, delete = { delete = true },
}

local marked = { create = true, create_exists = true, update = true, put = true }

local function key_of(provider, name, verb) return provider .. " " .. name .. " " .. verb end

-- Effects by the marker in their config, and by connector and verb.
local function index(effects)
  local by_marker, by_key = {}, {}
  local function add(map, key, e)
    map[key] = map[key] or {}
    table.insert(map[key], e)
  end
  for _, e in ipairs(effects) do
    local marker = e.after and math.tointeger(tonumber(e.after:match('"marker":"(%d+)"')))
    if e.verb == "create" or e.verb == "update" or e.verb == "put" then
      add(by_marker, marker or -1, e)
    end
    add(by_key, key_of(e.provider, e.name, e.verb), e)
  end
  return by_marker, by_key
end

local function effects_of(op, by_marker, by_key)
  if marked[op.verb] then return by_marker[op.marker] or {} end
  local found = {}
  for verb in pairs(writes[op.verb]) do
    for _, e in ipairs(by_key[key_of(op.target, op.name, verb)] or {}) do
      found[#found + 1] = e
    end
  end
  return found
end

local function shown(op)
  return ("%s %s on %s (marker %d): %s%s%s"):format(op.verb, op.name, op.target, op.marker,
    op.status, op.kind and " " .. op.kind or "",
    op.message and " (" .. op.message .. ", sent " .. tostring(op.sent) .. ", http "
      .. tostring(op.http) .. ", cause " .. tostring(op.cause) .. ")" or "")
end

-- Whether the run said of this write, on its way out, that nobody knows whether it was done. What
-- an interrupt or a cancellation cuts short has no other way to be told.
local function named(run, op)
  local names = { op.name, "id-of-" .. op.name }
  for _, e in ipairs(run.effects) do
    if e.provider == op.target and e.name == op.name then names[#names + 1] = e.id end
  end
  for verb in pairs(writes[op.verb]) do
    for _, name in ipairs(names) do
      local line = ("%s %s on %s"):format(verb, name, op.target)
      local _, at = run.log:find(line, 1, true)
      if at and run.log:find("^[^\n]*not known", at) then return true end
    end
  end
  return false
end

-- A server's own 500, twice in the same words, is a refusal: that it was carried out all the same
-- can only be missed when it shows later than settling lasts.
local function refused_late(run, op)
  return op.kind == "server" and op.http == 500
    and run.plan.delay > 2 * run.plan.target.visibility_delay
end

-- The way there has made a copy of the request, and the reply to the copy, a 429, is the one that
-- came: "not processed", says the server of it. Only a cancelled wait for the next try shows it.
local function answered_for_a_copy(run, op, effect)
  if run.plan.weather.twice == 0 or op.kind ~= "cancelled" or op.http ~= 429 then return false end
  for _, send in ipairs(run.sends) do
    if send.status == 429 and send.path:find("/" .. op.name .. "/" .. effect.verb, 1, true)
      and send.started <= effect.time and effect.time <= send.ended then
      return true
    end
  end
  return false
end

-- I1: what was reported done is there. I2: what is there was reported done or unknown.
local function check_ops(run, say)
  local by_marker, by_key = index(run.effects)
  local owned = {}
  for _, op in ipairs(run.record.ops) do
    if writes[op.verb] then
      local found = effects_of(op, by_marker, by_key)
      for _, e in ipairs(found) do
        owned[e] = true
        if e.verb ~= "delete" and not e.after:find('"kept":"yes"', 1, true) then
          say("I1", "%s: the key that it was to keep is gone", shown(op))
        end
      end
      if op.status == "done" and #found == 0 then
        say("I1", "%s, but nothing of it is there", shown(op))
      elseif op.status ~= "done" and op.status ~= "unknown" and #found > 0
        and not refused_late(run, op) and not answered_for_a_copy(run, op, found[1])
        and not (op.kind == "cancelled" and named(run, op)) then
        say("I2", "%s, but it was carried out %d times, first at %.3f", shown(op), #found,
          found[1].time)
      end
      if op.verb == "restart_once" and #found > 1 then
        say("I3", "%s: at most once, and restarted %d times", shown(op), #found)
      end
      if op.status == "error" then say("I8", "%s: no error of kelp's", shown(op)) end
    end
  end
  for _, e in ipairs(run.effects) do
    if not owned[e] then
      say("I2", "%s %s on %s at %.3f was asked for by nobody", e.verb, e.name, e.provider, e.time)
    end
  end
  return by_key
end

-- When the audit of that provider asked for its list: a slow response shows what was there then.
local function audit_of(run, provider)
  for i = #run.sends, 1, -1 do
    local send = run.sends[i]
    if send.method == "GET" and send.path:find("/" .. provider .. "/", 1, true) then
      return math.min(send.started, run.audited_at)
    end
  end
  return run.audited_at
end

-- I3: one create for each name. A second one is excused only where it could not be seen in time:
-- it showed later than settling lasts, and was named or showed after the last look of all.
local function check_creates(run, by_key, say)
  local unknown = {}
  for _, op in ipairs(run.record.ops) do
    if op.status == "unknown" then unknown[op.target .. " " .. op.name] = true end
  end
  local late = run.plan.delay > 2 * run.plan.target.visibility_delay
  for key, list in pairs(by_key) do
    local created = 0
    for _, e in ipairs(list) do
      if not e.before and (e.verb == "create" or e.verb == "put") then created = created + 1 end
    end
    if created > 1 then
      local provider, name = list[1].provider, list[1].name
      local told = unknown[provider .. " " .. name]
        or run.log:find("named '" .. name .. "' exist", 1, true) ~= nil
        or run.log:find("could not be audited", 1, true) ~= nil
      local last = list[#list].time
      local unseen = last + run.plan.world.lag > audit_of(run, provider)
      for _, e in ipairs(by_key[key_of(provider, name, "delete")] or {}) do
        if provider ~= "upstash" and e.time > last then told = true end -- it is gone again
      end
      if not (late and (told or unseen)) then
        say("I3", "%s was made %d times, at %.3f and %.3f", key, created, list[1].time,
          list[#list].time)
      end
    end
  end
end

-- I7: the counts of the reports and the exit code are true.
local function check_report(run, say)
  local failed, unknown, cut_short = 0, 0, 0
  for _, op in ipairs(run.record.ops) do
    local told = op.cause == "cancelled" and named(run, op)
    if op.status == "unknown" then
      if told then cut_short = cut_short + 1 else unknown = unknown + 1 end
    end
    if op.status ~= "done" then failed = failed + 1 end
  end
  local driver, items = run.plan.job.driver, #run.plan.job.items
  local reports = run.record.reports
  if driver == "each" or driver == "map" or driver == "wrap" or driver == "iterator" then
    local r = reports[1]
    if r then
      local bad = {}
      for _, op in ipairs(run.record.ops) do
        -- What a job that has stopped ended before it was sent counts as not started.
        local unstarted = r.stopped and op.status == "failed" and op.kind == "cancelled"
        if op.status ~= "done" and not unstarted then bad[op.item] = op.status end
      end
      local f, u = 0, 0
      for _, status in pairs(bad) do
        if status == "unknown" then u = u + 1 else f = f + 1 end
      end
      if r.failed ~= f or r.unknown ~= u then
        say("I7", "the report says %d failed and %d unknown, the calls %d and %d", r.failed,
          r.unknown, f, u)
      end
      if driver ~= "iterator" and r.done + r.failed + r.unknown + r.skipped ~= items then
        say("I7", "the report's counts make %d items of %d",
          r.done + r.failed + r.unknown + r.skipped, items)
      end
      if r.skipped > 0 and not r.stopped then say("I7", "items were left out without a stop") end
    elseif not run.interrupted then
      say("I7", "%s returned no report", driver)
    end
  end
  local code = run.code
  local audited = run.log:find("seemed lost", 1, true) or run.log:find("audited", 1, true)
  if run.interrupted and code ~= 130 then
    say("I7", "interrupted, but the exit code is %d", code)
  elseif run.interrupted then
    return
  elseif code == 130 then
    say("I7", "exit code 130 without an interrupt")
  elseif driver == "cancel_job" then
    return -- what the script cancels, it has chosen not to hear of
  elseif code == 0 and (failed > 0 and driver ~= "cancel" or unknown > 0) then
    say("I7", "exit code 0, but %d calls failed and %d are unknown", failed, unknown)
  elseif unknown > 0 and code ~= 4 then
    say("I7", "exit code %d, but %d calls are unknown", code, unknown)
  elseif code == 4 and unknown + cut_short == 0 and not audited then
    say("I7", "exit code 4, but nothing is unknown")
  elseif code == 1 and failed == 0 then
    say("I7", "exit code 1, but nothing failed: %s", run.log)
  end
end

-- I8: nothing is left behind.
local function check_rest(run, say)
  if run.overrun then say("I8", "%s", run.overrun) end
  for what, n in pairs(run.left) do
    if n ~= 0 then say("I8", "%d %s are left", n, what) end
  end
  if not run.record.ended and run.code == 0 then say("I8", "the script ended half way") end
end

-- Whether the answer leaves open that it was done, or says that it was: a 409 of the models is a
-- rebalance, or that it is there already.
local function counts(send)
  return send.sent ~= "no" and send.status ~= 429 and send.status ~= 409
end

-- I9: no write is sent more often than it may be tried. A write is told by the marker in its
-- config, or by method and path: each connector is restarted, paused, resumed and deleted once.
local function check_sends(run, say)
  local sent, once = {}, {}
  for _, op in ipairs(run.record.ops) do
    if op.verb == "restart_once" then once[op.name] = true end
  end
  for _, send in ipairs(run.sends) do
    if send.method ~= "GET" and counts(send) then
      local key = send.marker or send.method .. " " .. send.path
      sent[key] = (sent[key] or 0) + 1
    end
  end
  for key, n in pairs(sent) do
    local name = key:match("[/-]([^/-]+)/restart$")
    local allowed = name and once[name] and 1 or run.plan.target.attempts
    if n > allowed then
      say("I9", "write %s was sent %d times, and %d are allowed", key, n, allowed)
    end
  end
end

-- A rejected credential stops the run: what was under way may still ask once or twice.
local function check_revoked(run, say)
  local first, after = nil, 0
  for _, send in ipairs(run.sends) do
    if send.status == 401 and (not first or send.ended < first) then first = send.ended end
  end
  if not first then return end
  for _, send in ipairs(run.sends) do
    if send.started > first then after = after + 1 end
  end
  local driver = run.plan.job.driver
  if driver == "async" or driver == "cancel" then return end -- all of it is under way at once
  local under_way = driver == "mixed" and 2 * run.plan.job.concurrency + 1
    or run.plan.job.concurrency
  if after > 3 * under_way then
    say("401", "%d requests were begun after the credential was rejected", after)
  end
  if run.code == 0 and driver ~= "cancel_job" then say("401", "exit code 0") end
end

local enough = 500 -- requests, to have learned a rate from and to be 2 % of

-- Refusals for the rate stay rare where it is steady. Upstash tells its limit by refusing only, so
-- what was under way when the first refusal came is not counted there.
local function check_rate(run, say)
  if not run.plan.steady then return end
  local all, refused, told_at = {}, {}, { confluent = -1 }
  for _, send in ipairs(run.sends) do -- in the order in which they ended
    local provider = send.path:match("^/(%a+)/")
    all[provider] = (all[provider] or 0) + 1
    refused[provider] = refused[provider] or 0
    if send.status == 429 then
      told_at[provider] = told_at[provider] or send.ended
      if send.started > told_at[provider] then refused[provider] = refused[provider] + 1 end
    end
  end
  for provider, n in pairs(all) do
    if n >= enough and refused[provider] > 0.02 * n then
      say("429", "%d of %d requests to %s were refused for the rate, with a steady limit of %d/s",
        refused[provider], n, provider, run.plan.world.rate)
    end
  end
end

local deadline = 900 -- seconds, after which nothing is tried again

-- Where nothing goes wrong that kelp cannot set right, everything must be done.
local function check_done(run, say)
  for _, op in ipairs(run.record.ops) do
    local expected = op.verb == "create_exists" and "exists"
    -- A write that was under way when its task was cancelled ends with the answer that it gets.
    if run.plan.job.driver:find("^cancel") and (op.kind == "cancelled" or op.cause == "cancelled"
        or op.outcome == "rejected") then
      expected = op.kind
    elseif op.kind == "rate_limited" and op.ended - op.at > 0.9 * deadline then
      expected = op.kind
    end
    if expected and op.kind ~= expected or not expected and op.status ~= "done" then
      say("done", "%s, in a run of class %s", shown(op), run.plan.class)
    end
  end
end

-- The journal of a run that kept one: what is done there is there, what is there is done or
-- unknown there, and what the script was told is what it says.
local function check_journal(run, say)
  if not run.journal then return end
  local by_marker, states = index(run.effects), {}
  for verb, state, marker in run.journal:gmatch "(%S+) (%S+) (%d+)\n" do
    marker = math.tointeger(marker)
    states[marker] = state
    if marker > 0 and state == "done" and not by_marker[marker] then
      say("I1", "%s of marker %d is done in the journal, and nothing of it is there", verb, marker)
    end
    if state == "intent" or state == "planned" then
      say("I2", "%s of marker %d has no outcome in the journal", verb, marker)
    end
  end
  for marker, effects in pairs(by_marker) do
    local state = states[marker]
    if marker > 0 and state ~= "done" and state ~= "unknown" then
      say("I2", "%s of marker %d was carried out, and is %s in the journal", effects[1].verb, marker,
        state or "not")
    end
  end
  for _, op in ipairs(run.record.ops) do
    if op.status == "done" and marked[op.verb] and states[op.marker] ~= "done" then
      say("I2", "%s, and is %s in the journal", shown(op), states[op.marker] or "not")
    end
  end
end

local settled = { calm = true, rate = true, throttle = true }

-- run: plan, record (what jobs.lua kept), effects (the providers' truth), sends (every request as
-- the transport saw it), code, log (what was written to standard error), audited_at, left (what
-- was left behind, by name), overrun, interrupted.
function judge.faults(run)
  local faults = {}
  local function say(invariant, message, ...)
    faults[#faults + 1] = invariant .. ": " .. message:format(...)
  end
  local by_key = check_ops(run, say)
  check_creates(run, by_key, say)
  check_report(run, say)
  check_rest(run, say)
  check_sends(run, say)
  check_rate(run, say)
  check_journal(run, say)
  if run.plan.class == "revoked" then check_revoked(run, say) end
  if settled[run.plan.class] then check_done(run, say) end
  return faults
end

return judge
