-- kelp undo: undoes what a run has done, the last first. Each connector is only touched while
-- it still is what the run left; what cannot be restored is said before anything is sent.
local argparse = require "argparse"
local kelp = require "kelp"
local print_document = require "kelp.document"
local raw = require "kelp.raw"
local abilities = require "kelp.abilities"
local selection = require "kelp.selection"
local pages = require "kelp.pages"
local providers = require "kelp.providers"
local inverse = require "kelp.inverse"
local undo_steps = require "kelp.undo_steps"
local write = require "kelp.write"
local plan = require "kelp.plan"

local parser = argparse("kelp undo", "Undoes what a run has done, the last first.")
parser:argument("run", "The run: its id, the beginning of it, or last.")
parser:option("--only", "Only connectors whose name matches this glob, such as orders-*.")
  :argname "GLOB"
parser:option("--target", "A target of the targets file that the run wrote to."):argname "NAME"
  :count "*"
parser:option("--set", "A secret that has to be sent again: KEY=env:NAME or KEY=file:PATH.")
  :argname "KEY=SOURCE":count "*"
parser:epilog "With --plan: shows what would be done."

local function usage(message)
  io.stderr:write("kelp undo: ", message, "\n", parser:get_usage(), "\n")
  return 2
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
      raw.log("warning", ("%s is not undone: %s"):format(op.key, step.why))
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
  else again = inverse.of(op, now, abilities.of(target)) end
  if again.action ~= step.action and again.action ~= "nothing" then
    mark(step, "undo_conflict", again.why)
    raw.log("warning", ("%s is not undone: %s"):format(op.key, again.why or "it has changed"))
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
local function undo(step)
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

-- Carries the steps out; after one that was not, the earlier ones of its connector are not either.
local function undo_all(steps)
  local counts = { undone = 0, conflict = 0, failed = 0, nothing = 0 }
  local stopped = {}
  for _, step in ipairs(steps) do
    local id = undo_steps.connector_of(step.op)
    step.result = stopped[id] and not step.goes_with and "conflict" or undo(step)
    stopped[id] = stopped[id] or step.result == "conflict" or step.result == "failed"
    counts[step.result] = counts[step.result] + 1
  end
  return counts
end

local function run(options, values)
  local own = raw.journal_take(options.run)
  local named = {}
  for i, name in ipairs(options.target) do named[i] = kelp.target(name) end
  local steps = undo_steps.of { operations = undo_steps.operations(options.only), named = named,
    values = values, own = own }
  tell(steps, kelp.settings.plan)
  if kelp.settings.plan then return 0 end
  local counts = undo_all(steps)
  if kelp.settings.output == "json" then
    print_document { run = raw.journal_id(), undone = counts.undone,
      conflicts = counts.conflict, failed = counts.failed }
  else
    print(("%d undone, %d not undone, %d failed"):format(counts.undone, counts.conflict,
      counts.failed))
  end
  return counts.conflict + counts.failed > 0 and 1 or 0
end

local function main(...)
  local ok, options = parser:pparse { ... }
  if not ok then return usage(options) end
  local fault = options.only and selection.glob_fault(options.only)
  if fault then return usage("--only: " .. fault) end
  local values, why = secrets_of(options.set)
  if not values then return usage(why) end
  return run(options, values)
end

return main(...)
