-- undo_steps: what has to be done to undo a run: for each of its writes, the inverse or why there is
-- none. Connectors are only looked at here.

local raw = require "kelp.raw"
local abilities = require "kelp.abilities"
local pages = require "kelp.pages"
local kelp = require "kelp"
local inverse = require "kelp.inverse"
local place = require "kelp.place"
local secret_sources = require "kelp.secret_sources"

local undo_steps = {}

-- ---- where ----

local function fail(message, ...)
  error(raw.error("journal", message:format(...), { sent = "no" }), 0)
end

-- The target of a place as the journal has it: one of those that the user named, else that of the
-- settings here.
local function target_of(text, named, targets)
  if targets[text] then return targets[text] end
  local target
  for _, one in ipairs(named) do
    if raw.place(one) == text then target = one end
  end
  local recorded = place.decode(text)
  target = target or place.target(recorded)
  if raw.place(target) ~= text then
    fail("the run wrote to %s, and the settings here lead to %s; nothing was sent (--target names "
      .. "one of the targets file)", place.label(recorded, true),
      place.label(place.decode(raw.place(target)), true))
  end
  targets[text] = target
  return target
end

local function by_name(target)
  local connectors = {}
  for _, c in ipairs(pages.list(target)) do
    connectors[c.name] = connectors[c.name] and { several = true } or c
  end
  return connectors
end

-- ---- what ----

-- The states of operations that are to be undone, or may have to be.
local undoable = { done = true, undo_intent = true, undo_conflict = true, intent = true,
                   unknown = true }

--- The run's operations that are to be undone, the latest first; `glob` is for their connectors.
function undo_steps.operations(glob)
  local list, op = {}, raw.journal_previous()
  while op do
    if undoable[op.state] and op.connector
        and (not glob or raw.glob_matches(glob, op.connector)) then
      list[#list + 1] = op
    end
    op = raw.journal_previous(op.op)
  end
  return list
end

--- Tells the connector of an operation apart from those of other names and places.
function undo_steps.connector_of(op)
  return op.place .. "\n" .. op.connector
end

-- The secret that the run itself named for that key of the connector. A journal outside the state folder does
-- not choose which of this user's secrets are read.
local function named_secret(op, key, context)
  if not context.own then return nil end
  for _, other in ipairs(context.operations) do
    local request = inverse.recorded(other).request
    local label = request and type(request[key]) == "table" and request[key]["$secret"]
    if label and other.connector == op.connector then
      local source = label:find "^/" and "file" or "env"
      local ok, secret = pcall(kelp.secret, { [source] = label })
      if ok then return secret end
    end
  end
end

-- The value of a secret that has to be sent, or nil: told on the command line, or else, unless the
-- value from before the run is meant (`is_old`), named by the run itself or by the target.
local function secret_for(op, key, context, is_old)
  local told = context.values[key]
  if told then
    context.used[key] = true
    return told
  end
  if is_old then return nil end
  return named_secret(op, key, context)
    or secret_sources.value(context.targets[op.place], op.connector, key)
end

local NEEDED <const> = "it must be sent again and is not known (--set %s=env:NAME, secrets of "
  .. "the target%s)"

-- Old values of secrets that are told do away with what would be lost.
local function restore_secrets(step, op, context)
  local rest = {}
  for _, one in ipairs(step.lost or {}) do
    local value = one.is_secret and secret_for(op, one.key, context, true)
    if value then step.secrets[one.key] = value else rest[#rest + 1] = one end
  end
  step.lost = rest
  if step.action == "nothing" and step.changes and next(step.secrets) then
    step.action, step.why = "update", nil
  end
end

-- The keys of masked values that an update of the whole config has to send again.
local function masked_keys(step, now)
  local keys = {}
  for key, value in pairs(now.config) do
    if raw.is_mask(value) and step.changes[key] == nil and not step.secrets[key] then
      keys[#keys + 1] = key
    end
  end
  table.sort(keys)
  return keys
end

-- The secrets of a step, by key: old ones that it restores, and those that must be sent again. All
-- that are missing are named; without them nothing of the step can be done.
local function supply(step, now, can, op, context)
  step.secrets = {}
  restore_secrets(step, op, context)
  local needs, is_update = step.needs or {}, step.action == "update"
  if is_update and not can.merge and can.masks and not context.keep_masked then
    needs = masked_keys(step, now)
  end
  local missing = {}
  for _, key in ipairs(needs) do
    local value = secret_for(op, key, context)
    if value then step.secrets[key] = value
    else missing[#missing + 1] = { key = key,
      why = NEEDED:format(key, is_update and ", or --keep-masked" or "") } end
  end
  if #missing == 0 then return step end
  local is_missing = {}
  for _, one in ipairs(missing) do is_missing[one.key] = true end
  for _, one in ipairs(step.lost) do
    if not is_missing[one.key] then missing[#missing + 1] = one end
  end
  return { action = "nothing", why = "a secret is missing", lost = missing, blocks = true }
end

--- What undoes the operation, given the connector as it is `now` (nil: absent): see inverse.of;
--- with `secrets` by key. A secret that is missing is in `lost`.
function undo_steps.inverse(op, now, can, context)
  return supply(inverse.of(op, now, can), now, can, op, context)
end

-- The operations of each connector together, latest first.
local function chains_of(list)
  local chains, by_connector = {}, {}
  for _, op in ipairs(list) do
    local id = undo_steps.connector_of(op)
    local chain = by_connector[id]
    if not chain then
      chain = { place = op.place, connector = op.connector, ops = {} }
      by_connector[id] = chain
      chains[#chains + 1] = chain
    end
    table.insert(chain.ops, op)
  end
  return chains
end

local function is_unknown(op)
  return op.state == "intent" or op.state == "unknown"
end

-- A connector that the run made is deleted as it is, whatever else was done to it.
local function steps_of_made(chain, now)
  local steps, first = {}, chain.ops[#chain.ops]
  if is_unknown(first) then
    for i, op in ipairs(chain.ops) do
      steps[i] = inverse.unknown(first)
      steps[i].op = op
    end
    return steps
  end
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
      why = step.action == "conflict" and "the connector is not deleted"
        or "it goes with its connector" }
  end
  return steps
end

local function steps_of_chain(chain, now, can, context)
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
      local why = "a later change of it is not undone"
      step = { action = "nothing", why = why, lost = { { why = why } }, blocks = true }
    else
      step = undo_steps.inverse(op, now, can, context)
    end
    step.op = op
    blocked = step.action == "conflict" or step.blocks
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

--- The steps that undo the operations, in the order in which they are carried out; each place is
--- looked at once. `context`: operations; named, the targets that the user named; values, secrets by
--- key; used, set of those keys that were needed; keep_masked, masks may be sent back; own, whether
--- the journal is of this user's own runs. A step is what undo_steps.inverse returns, with
--- its `op` and `target`; `goes_with`, the step that deletes its connector; or
--- `guard`, the last operation of a connector that is deleted.
function undo_steps.of(context)
  local steps, connectors, targets = {}, {}, {}
  context.targets = targets
  for _, chain in ipairs(chains_of(context.operations)) do
    local target = target_of(chain.place, context.named, targets)
    connectors[chain.place] = connectors[chain.place] or by_name(target)
    local now = connectors[chain.place][chain.connector]
    for _, step in ipairs(steps_of_chain(chain, now, abilities.of(target), context)) do
      step.target = target
      steps[#steps + 1] = step
    end
  end
  table.sort(steps, by_turn)
  return steps
end

return undo_steps
