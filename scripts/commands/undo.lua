-- kelp undo: takes back what a run has done, the last first. Each connector is only touched while
-- it still is what the run left; what cannot be restored is said before anything is sent.
local argparse = require "argparse"
local kelp = require "kelp"
local raw = require "kelp.raw"
local pages = require "kelp.pages"
local providers = require "kelp.providers"
local inverse = require "kelp.inverse"
local write = require "kelp.write"
local plan = require "kelp.plan"

local parser = argparse("kelp undo", "Takes back what a run has done, the last first.")
parser:argument("run", "The run: its id, the beginning of it, or last.")
parser:option("--only", "Only connectors whose name matches this Lua pattern."):argname "PATTERN"
parser:option("--target", "A target of the targets file that the run wrote to."):argname "NAME"
  :count "*"
parser:option("--set", "A secret that has to be sent again: KEY=env:NAME or KEY=file:PATH.")
  :argname "KEY=SOURCE":count "*"
parser:epilog "With --plan: shows what would be done."

local function usage(message)
  io.stderr:write("kelp undo: ", message, "\n", parser:get_usage(), "\n")
  return 2
end

local function fail(message, ...)
  error(raw.error("journal", message:format(...), { sent = "no" }), 0)
end

local function secrets_of(texts)
  local values = {}
  for _, text in ipairs(texts) do
    local key, source, argument = text:match "^([^=%s]+)=(%l+):(.+)$"
    if source ~= "env" and source ~= "file" then
      return nil, "--set takes KEY=env:NAME or KEY=file:PATH"
    end
    local ok, secret = pcall(kelp.secret, { [source] = argument })
    if not ok then return nil, ("--set %s: %s"):format(key, tostring(secret)) end
    values[key] = secret
  end
  return values
end

-- ---- where ----

-- A target for a place as the journal names it. Where requests go, and with which credentials, is
-- for this machine's settings to say, never for the journal.
local function from_environment(where)
  local name, text = where:match "^(%S+) (%S+)"
  local provider, options = providers.by_name[name], {}
  if not provider then fail("the journal names a place that is not known: %s", where) end
  local values = text:gmatch "[^/]+"
  for _, place in ipairs(provider.places) do options[place.name] = values() end
  return kelp[name](options)
end

local function target_of(where, named, cache)
  if cache[where] then return cache[where] end
  local target
  for _, one in ipairs(named) do
    if raw.place(one) == where then target = one end
  end
  target = target or from_environment(where)
  if raw.place(target) ~= where then
    fail("the run wrote to %s, and the settings here lead to %s; nothing was sent (--target names "
      .. "one of the targets file)", where, raw.place(target))
  end
  cache[where] = target
  return target
end

-- ---- what ----

local undone = { done = true, undo_intent = true, undo_conflict = true, intent = true,
                 unknown = true }

local function operations(pattern)
  local list, op = {}, raw.journal_previous()
  while op do
    if undone[op.state] and op.connector and (not pattern or op.connector:find(pattern)) then
      list[#list + 1] = op
    end
    op = raw.journal_previous(op.op)
  end
  return list
end

local function by_name(target)
  local world = {}
  for _, c in ipairs(pages.list(target)) do
    world[c.name] = world[c.name] and { several = true } or c
  end
  return world
end

-- The secrets that an update of the whole config has to send again: told on the command line, or
-- named by the run.
local function supply(step, now, op, operations_of, values, own)
  local needs = step.needs or {}
  if step.action == "update" then
    for key, value in pairs(now.config) do
      if raw.is_mask(value) and step.changes[key] == nil then needs[#needs + 1] = key end
    end
  end
  step.secrets = {}
  for _, key in ipairs(needs) do
    local value = values[key]
    -- What lies elsewhere does not choose which of this user's secrets are read.
    for _, other in ipairs((value or not own) and {} or operations_of) do
      local request = inverse.recorded(other).request
      local label = request and type(request[key]) == "table" and request[key]["$secret"]
      if label and other.connector == op.connector then
        local source = label:find "^/" and "file" or "env"
        local ok, secret = pcall(kelp.secret, { [source] = label })
        if ok then value = secret break end
      end
    end
    if not value then
      return { action = "conflict", notes = step.notes,
        why = ("%s must be sent again and is not known: --set %s=env:NAME"):format(key, key) }
    end
    step.secrets[key] = value
  end
  return step
end

-- The operations of each connector together, latest first.
local function chains_of(list)
  local chains, by_id = {}, {}
  for _, op in ipairs(list) do
    local id = op.where .. "\n" .. op.connector
    local chain = by_id[id]
    if not chain then
      chain = { where = op.where, connector = op.connector, ops = {} }
      by_id[id] = chain
      chains[#chains + 1] = chain
    end
    table.insert(chain.ops, op)
  end
  return chains
end

-- A connector that the run made is deleted as it is, whatever else was done to it.
local function steps_of_made(chain, now)
  local steps, first = {}, chain.ops[#chain.ops]
  local last
  for _, op in ipairs(chain.ops) do
    if op.verb ~= "restart" and not last then last = op end
  end
  local step = inverse.of_whole(last, now)
  step.op, step.guard = first, last
  steps[1] = step
  for i = 1, #chain.ops - 1 do
    steps[#steps + 1] = { op = chain.ops[i], goes_with = step,
      action = step.action == "conflict" and "conflict" or "nothing",
      why = step.action == "conflict" and "the connector is not deleted" or "it goes with its connector" }
  end
  return steps
end

local function steps_of_chain(chain, now, can, list, values, own)
  if now and now.several then
    local steps = {}
    for i, op in ipairs(chain.ops) do
      steps[i] = { op = op, action = "conflict", why = "several connectors have that name" }
    end
    return steps
  end
  if inverse.is_creation(chain.ops[#chain.ops]) then return steps_of_made(chain, now) end
  local steps, blocked = {}, false
  for i, op in ipairs(chain.ops) do
    local step
    if blocked then
      step = { action = "conflict", why = "a later change of it is not taken back" }
    else
      step = inverse.of(op, now, can)
      local whole = step.action == "update" and not can.merge and can.masks
      if whole or step.action == "create" then step = supply(step, now, op, list, values, own) end
    end
    step.op = op
    blocked = step.action == "conflict"
    if not blocked then now = inverse.after(op, step, now) end
    steps[i] = step
  end
  return steps
end

-- The last write first. What goes with the deletion of its connector comes after that.
local function by_turn(a, b)
  local one, other = (a.goes_with or a).op.op, (b.goes_with or b).op.op
  if one ~= other then return one > other end
  if (a.goes_with == nil) ~= (b.goes_with == nil) then return a.goes_with == nil end
  return a.op.op > b.op.op
end

-- The steps, in the order in which they are carried out; each place is looked at once.
local function steps_of(list, named, values, own)
  local steps, worlds, cache = {}, {}, {}
  for _, chain in ipairs(chains_of(list)) do
    local target = target_of(chain.where, named, cache)
    worlds[chain.where] = worlds[chain.where] or by_name(target)
    local now = worlds[chain.where][chain.connector]
    for _, step in ipairs(steps_of_chain(chain, now, target.can, list, values, own)) do
      step.target = target
      steps[#steps + 1] = step
    end
  end
  table.sort(steps, by_turn)
  return steps
end

-- ---- showing ----

local function changes_of(step)
  local changes, config = {}, step.from or {}
  for key, value in pairs(step.changes or step.config or {}) do
    changes[#changes + 1] = { key = key,
      old = config[key] ~= nil and kelp.show.line(config[key]) or nil,
      new = value ~= raw.json.null and kelp.show.line(value) or nil }
  end
  table.sort(changes, function(a, b) return a.key < b.key end)
  return changes
end

local function tell(steps, verbose)
  for _, step in ipairs(steps) do
    local op = step.op
    if step.action == "conflict" then
      raw.log("warning", ("%s is not taken back: %s"):format(op.key, step.why))
    elseif step.action == "nothing" then
      raw.log(verbose and "notice" or "info", ("%s: nothing to do: %s"):format(op.key, step.why))
    elseif verbose then
      plan.add { target = step.target.label, verb = "undo", action = step.action,
        connector = op.connector, changes = changes_of(step), notes = step.notes, key = op.key }
    end
    for _, note in ipairs(step.action ~= "conflict" and not verbose and step.notes or {}) do
      raw.log("notice", ("%s: %s"):format(op.key, note))
    end
  end
end

-- ---- doing ----

local act = {}

function act.delete(target, now) return target:delete(now) end

function act.update(target, now, step)
  local changes = {}
  for key, value in pairs(step.changes) do changes[key] = value end
  for key, value in pairs(step.secrets or {}) do changes[key] = value end
  return target:update(now, changes)
end

function act.create(target, _, step)
  local config = {}
  for key, value in pairs(step.config) do config[key] = value end
  for key, value in pairs(step.secrets or {}) do config[key] = value end
  local made = target:create(step.op.connector, config)
  if step.state then target[step.state == "paused" and "pause" or "stop"](target, made) end
end

for _, verb in ipairs { "pause", "resume", "stop" } do
  act[verb] = function(target, now) return target[verb](target, now) end
end

local function mark(step, state, why)
  raw.journal_undo(step.op.op)
  raw.journal_end(step.op.op, state, nil, why)
end

-- Looks again, since time has passed, and sends the inverse.
local function carry_out(step)
  local op, target = step.op, step.target
  local now = target:find(op.connector)
  local again
  if step.guard then again = inverse.of_whole(step.guard, now)
  else again = inverse.of(op, now, target.can) end
  if again.action ~= step.action and again.action ~= "nothing" then
    mark(step, "undo_conflict", again.why)
    raw.log("warning", ("%s is not taken back: %s"):format(op.key, again.why or "it has changed"))
    return "conflict"
  end
  raw.journal_undo(op.op)
  if again.action ~= "nothing" then
    local ambiguous = op.state == "undo_intent"
    local ok, failure = pcall(write.undo, op.op, ambiguous, act[step.action], target, now, step)
    if not ok then
      local maybe = raw.is_error(failure)
        and (failure.kind == "unknown_outcome" or failure.sent == "maybe")
      if not maybe then raw.journal_end(op.op, "done", nil, tostring(failure)) end
      error(failure, 0)
    end
  end
  raw.journal_end(op.op, "undone")
  return "undone"
end

-- One step: "undone", "conflict", "failed" or "nothing".
local function take_back(step)
  local leader = step.goes_with
  if step.action == "conflict" or leader and leader.result ~= "undone"
      and leader.result ~= "nothing" then
    return "conflict"
  end
  if leader or step.action == "nothing" then
    if step.op.verb ~= "restart" or leader then mark(step, "undone") end
    return leader and leader.result or "nothing"
  end
  local ok, result = pcall(carry_out, step)
  if ok then return result end
  if not raw.is_error(result) or result.kind == "cancelled" or result.kind == "journal"
      or result.kind == "unauthorized" then
    error(result, 0)
  end
  raw.log("error", tostring(result))
  return "failed"
end

local function run(options, values)
  local own = raw.journal_take(options.run)
  local named = {}
  for i, name in ipairs(options.target) do named[i] = kelp.target(name) end
  local steps = steps_of(operations(options.only), named, values, own)
  tell(steps, kelp.settings.plan)
  if kelp.settings.plan then return 0 end
  local counts = { undone = 0, conflict = 0, failed = 0, nothing = 0 }
  local stopped = {}
  for _, step in ipairs(steps) do
    local id = step.op.where .. "\n" .. step.op.connector
    step.result = stopped[id] and not step.goes_with and "conflict" or take_back(step)
    stopped[id] = stopped[id] or step.result == "conflict" or step.result == "failed"
    counts[step.result] = counts[step.result] + 1
  end
  if kelp.settings.output == "json" then
    print(kelp.json.encode { run = raw.journal_id(), undone = counts.undone,
      conflicts = counts.conflict, failed = counts.failed })
  else
    print(("%d taken back, %d not taken back, %d failed"):format(counts.undone, counts.conflict,
      counts.failed))
  end
  return counts.conflict + counts.failed > 0 and 1 or 0
end

local function main(...)
  local ok, options = parser:pparse { ... }
  if not ok then return usage(options) end
  if options.only and not pcall(string.find, "", options.only) then
    return usage(("--only: '%s' is not a Lua pattern"):format(options.only))
  end
  local values, why = secrets_of(options.set)
  if not values then return usage(why) end
  return run(options, values)
end

return main(...)
