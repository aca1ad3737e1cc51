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
parser:flag("--keep-masked", "Send the asterisks of secrets back where nothing else is known: the "
  .. "provider keeps what it has.")
parser:epilog "With --plan: shows what would be done."

local NAMES <const> = 5 -- connectors that a reason names

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

-- What will not be undone, by reason: { key, why, connectors }.
local function groups_of(steps)
  local groups, by_reason = {}, {}
  local function add(op, why, key)
    local id = (key or "") .. "\n" .. why
    local group = by_reason[id]
    if not group then
      group = { key = key, why = why, names = {}, seen = {} }
      by_reason[id] = group
      groups[#groups + 1] = group
    end
    if not group.seen[op.connector] then group.names[#group.names + 1] = op.connector end
    group.seen[op.connector] = true
  end
  for _, step in ipairs(steps) do
    if step.action == "conflict" and not step.goes_with then add(step.op, step.why) end
    for _, one in ipairs(step.lost or {}) do add(step.op, one.why, one.key) end
  end
  return groups
end

-- "database.password of 80 connectors (a, b, …): WHY"
local function text_of(group)
  local names = group.names
  local shown = table.concat(names, ", ", 1, math.min(#names, NAMES))
  local of = #names == 1 and names[1] or ("%d connectors (%s%s)"):format(#names, shown,
    #names > NAMES and ", …" or "")
  return ("%s%s: %s"):format(group.key and group.key .. " of " or "", of, group.why)
end

local function tell(steps, verbose)
  for _, group in ipairs(groups_of(steps)) do
    raw.log("warning", "not undone: " .. text_of(group))
  end
  for _, step in ipairs(steps) do
    local op = step.op
    if step.action == "nothing" and #(step.lost or {}) == 0 then
      raw.log(verbose and "notice" or "info", ("%s: nothing to do: %s"):format(op.key, step.why))
    elseif verbose and step.action ~= "nothing" and step.action ~= "conflict" then
      plan.add { target = step.target.label, verb = "undo", action = step.action,
        connector = op.connector, changes = changes_of(step), notes = step.notes, key = op.key }
      -- Made stopped, told where to begin, and started.
      local in_steps = step.action == "create" and step.offsets
        and not abilities.of(step.target).initial_offsets
      for _, action in ipairs(in_steps and { "alter_offsets", "resume" } or {}) do
        plan.add { target = step.target.label, verb = "undo", action = action,
          connector = op.connector, key = op.key }
      end
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
  return target:update(now, changes, { keep_masked = step.keep_masked })
end

function act.alter_offsets(target, now, step) return target:alter_offsets(now, step.offsets) end

function act.reset_offsets(target, now) return target:reset_offsets(now) end

function act.create(target, _, step)
  local config = {}
  for key, value in pairs(step.config) do config[key] = value end
  for key, value in pairs(step.secrets or {}) do config[key] = value end
  local made = target:create(step.op.connector, config, { offsets = step.offsets })
  if step.state then target[step.state == "paused" and "pause" or "stop"](target, made) end
end

for _, verb in ipairs { "pause", "resume", "stop" } do
  act[verb] = function(target, now) return target[verb](target, now) end
end

local function mark(step, state, why)
  raw.journal_undo(step.op.op)
  raw.journal_end(step.op.op, state, nil, why)
end

-- What undoes the step's operation now, since time has passed.
local function look_again(step, now, context)
  if step.guard then return inverse.of_whole(step.guard, now) end
  return undo_steps.inverse(step.op, now, abilities.of(step.target), context)
end

-- Sends the inverse. Returns "undone", "not_undone" or "conflict".
local function carry_out(step, context)
  local op, target = step.op, step.target
  local now = target:find(op.connector)
  local again = look_again(step, now, context)
  if again.action ~= step.action and (again.action ~= "nothing" or #(again.lost or {}) > 0) then
    mark(step, "undo_conflict", again.why)
    raw.log("warning", ("%s is not undone: %s"):format(op.key, again.why or "it has changed"))
    return "conflict"
  end
  raw.journal_undo(op.op)
  if again.action ~= "nothing" then
    step.keep_masked = context.keep_masked
    local ambiguous = op.state == "undo_intent"
    local ok, failure = pcall(write.undo, op.op, ambiguous, act[step.action], target, now, step)
    if not ok then
      local maybe = raw.is_error(failure)
        and (failure.kind == "unknown_outcome" or failure.sent == "maybe")
      if not maybe then raw.journal_end(op.op, "done", nil, tostring(failure)) end
      error(failure, 0)
    end
  end
  if #(step.lost or {}) == 0 then
    raw.journal_end(op.op, "undone")
    return "undone"
  end
  raw.journal_end(op.op, step.action == "create" and "undo_conflict" or "done", nil,
    "undone in part: " .. step.lost[1].why)
  return "not_undone"
end

-- One step: "undone", "not_undone" or "conflict".
local function undo(step, context)
  local leader = step.goes_with
  if step.action == "conflict" then return "conflict" end
  if leader and leader.result ~= "undone" then return leader.result end
  if leader or step.action == "nothing" then
    if #(step.lost or {}) > 0 then return "not_undone" end
    mark(step, "undone")
    return "undone"
  end
  local ok, result = pcall(carry_out, step, context)
  if ok then return result end
  if not raw.is_error(result) or result.kind == "cancelled" or result.kind == "journal"
      or result.kind == "unauthorized" then
    error(result, 0)
  end
  raw.log("error", tostring(result))
  step.blocks = true
  return "not_undone"
end

-- Carries the steps out; after one that was not, the earlier ones of its connector are not either.
-- Each counts once.
local function undo_all(steps, context)
  local counts = { undone = 0, not_undone = 0, conflict = 0 }
  local stopped = {}
  for _, step in ipairs(steps) do
    local id = undo_steps.connector_of(step.op)
    step.result = stopped[id] and not step.goes_with
      and (step.action == "conflict" and "conflict" or "not_undone") or undo(step, context)
    stopped[id] = stopped[id] or step.result == "conflict"
      or step.result == "not_undone" and step.blocks
    counts[step.result] = counts[step.result] + 1
  end
  return counts
end

local function tell_unused(context)
  for key in pairs(context.values) do
    if not context.used[key] then
      raw.log("warning", ("--set %s: nothing that is undone needs it"):format(key))
    end
  end
end

local function run(options, values)
  local own = raw.journal_take(options.run)
  local named = {}
  for i, name in ipairs(options.target) do named[i] = kelp.target(name) end
  local context = { operations = undo_steps.operations(options.only), named = named,
    values = values, used = {}, own = own, keep_masked = options.keep_masked }
  local steps = undo_steps.of(context)
  tell(steps, kelp.settings.plan)
  tell_unused(context)
  if kelp.settings.plan then return 0 end
  local counts = undo_all(steps, context)
  if kelp.settings.output == "json" then
    counts.run = raw.journal_id()
    print_document(counts)
  else
    print(("%d undone, %d not undone, %d conflict"):format(counts.undone, counts.not_undone,
      counts.conflict))
  end
  return counts.not_undone + counts.conflict > 0 and 1 or 0
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
