-- inverse: what undoes one recorded write. Pure functions over what was recorded (pre-image,
-- request, result) and the connector as it is now; nothing is sent here.

local raw = require "kelp.raw"
local connector = require "kelp.record"

local inverse = {}

-- A value that the journal or the provider does not tell.
local function is_hidden(value)
  return type(value) == "table" or raw.is_mask(value)
end

local function comparable(key, a, b)
  return not raw.is_injected(key) and not is_hidden(a) and not is_hidden(b)
    and not raw.is_secret_key(key, a) and not raw.is_secret_key(key, b)
end

-- True when the two configs are the same as far as both can be seen.
local function same_config(a, b)
  a, b = a or {}, b or {}
  for key, value in pairs(a) do
    if b[key] == nil and not raw.is_injected(key) then return false end
    if b[key] ~= nil and comparable(key, value, b[key]) and value ~= b[key] then return false end
  end
  for key in pairs(b) do
    if a[key] == nil and not raw.is_injected(key) then return false end
  end
  return true
end

local function decode(text)
  local value = text and raw.json.decode(text)
  return type(value) == "table" and value or nil
end

--- What an operation of the journal says: { pre_image, result, request } as tables or nil.
function inverse.recorded(op)
  return { pre_image = decode(op.pre_image), result = decode(op.result),
    request = decode(op.request) }
end

-- The config that a write left: what its result showed over what was asked for; nil when the
-- provider did not show it all.
local function config_left(op, recorded)
  local shown = recorded.result and recorded.result.config
  if not shown and op.verb == "update" then return nil end
  local config = {}
  for _, part in ipairs { recorded.request or {}, shown or {} } do
    for key, value in pairs(part) do
      if value ~= raw.json.null and key:sub(1, 1) ~= "$" then config[key] = value end
    end
  end
  return config
end

local function conflict(why, ...) return { action = "conflict", why = why:format(...) } end
local function nothing(why) return { action = "nothing", why = why } end

-- What cannot be undone at all.
local function lost(why) return { action = "nothing", why = why, lost = { { why = why } } } end

local SECRET <const> = "the old value was a secret and is not recorded (--set KEY=SOURCE, or "
  .. "secrets of the target)"

local function differing_keys(a, b)
  local keys = {}
  for key, value in pairs(a or {}) do
    if not raw.is_injected(key) and (b[key] == nil
        or comparable(key, value, b[key]) and value ~= b[key]) then
      keys[#keys + 1] = key
    end
  end
  for key in pairs(b or {}) do
    if a[key] == nil and not raw.is_injected(key) then keys[#keys + 1] = key end
  end
  table.sort(keys)
  return table.concat(keys, ", ")
end

-- Of the keys that an update set, those that are something else now, and not what they were in
-- `old` either (an undo that was broken off, or had to leave some, may have restored them).
local function changed_since(request, config, old)
  local keys = {}
  for key, value in pairs(request or {}) do
    local now = config[key]
    if value == raw.json.null then value = nil end
    local differs = (now == nil) ~= (value == nil)
      or now ~= nil and comparable(key, value, now) and value ~= now
    if differs and not (old and now == old[key]) then keys[#keys + 1] = key end
  end
  table.sort(keys)
  return table.concat(keys, ", ")
end

-- Why the connector is not the one that the run left, or nil.
local function is_not_ours(op, recorded, now)
  local result = recorded.result
  if not now then return "it is not there any more" end
  if result and result.id and now.id and result.id ~= now.id then
    return ("it was made anew by somebody (id %s, not %s)"):format(now.id, result.id)
  end
  local left, config = config_left(op, recorded), now.config or {}
  local keys = left and differing_keys(left, config) or changed_since(recorded.request, config,
    op.verb == "update" and recorded.pre_image and recorded.pre_image.config)
  if keys ~= "" then return "its config was changed since: " .. keys end
end

local function of_create(op, recorded, now)
  if not now then return nothing "it is gone already" end
  local why = is_not_ours(op, recorded, now)
  if why then return conflict("%s", why) end
  return { action = "delete", notes = { "its offsets go with it" } }
end

-- What one key needs to be as it was, into `step`: its value now, or as the run left it, is not the
-- one in `old`.
local function restore_key(step, key, old, asked, left, can)
  if step.same[key] then return end -- a secret that stayed
  if old == nil then
    if left == raw.json.null then return end -- it was not there before either
    if can.remove_keys then
      step.changes[key] = raw.json.null
    else
      table.insert(step.lost, { key = key, why = "it was added and cannot be removed there" })
    end
  elseif type(asked) == "table" or is_hidden(old) or raw.is_secret_key(key, old) then
    if asked ~= nil then
      table.insert(step.lost, { key = key, why = SECRET, is_secret = true })
    end
  elseif old ~= left then
    step.changes[key] = old
  end
end

-- What makes the config `old` again: of an update, of which only the keys that it set are recorded,
-- from what it asked for; else from the config now.
local function restored(op, old, asked, now, can, same_keys)
  local step = { action = "update", changes = {}, from = now.config, lost = {}, same = {} }
  for key in (same_keys or ""):gmatch "[^\n]+" do step.same[key] = true end
  local left = op.verb == "update" and asked or now.config or {}
  for key, value in pairs(left) do
    if not raw.is_injected(key) then restore_key(step, key, old[key], asked[key], value, can) end
  end
  for key, value in pairs(old) do
    if left[key] == nil and not raw.is_injected(key) then
      if is_hidden(value) then
        table.insert(step.lost, { key = key, why = SECRET, is_secret = true })
      else
        step.changes[key] = value
      end
    end
  end
  table.sort(step.lost, function(a, b) return a.key < b.key end)
  return step
end

-- Back to the config of the pre-image.
local function of_config(op, recorded, now, can)
  if not recorded.pre_image then return of_create(op, recorded, now) end
  local old = recorded.pre_image.config
  if not old then return conflict "what it was before is not recorded" end
  local why = is_not_ours(op, recorded, now)
  if why then
    if now and changed_since(old, now.config or {}) == "" then
      return nothing "it is as it was before"
    end
    return conflict("%s", why)
  end
  local step = restored(op, old, recorded.request or {}, now, can,
    recorded.pre_image.same_keys)
  if next(step.changes) then return step end
  return { action = "nothing", lost = step.lost, changes = {}, from = now.config,
    why = #step.lost > 0 and "it cannot be restored" or "nothing was changed" }
end

-- The state that a verb sets, by verb; and the verb that sets a state.
local sets, back = {}, {}
for _, row in ipairs(raw.verbs) do
  if row.inverse == "state" then sets[row.name], back[row.state] = row.state, row.name end
end

local function of_state(op, recorded, now)
  local was = recorded.pre_image and recorded.pre_image.state
  if not now then return conflict "it is not there any more" end
  local is = connector.own_state(now)
  if not was then return conflict "what state it was in before is not recorded" end
  if was == sets[op.verb] then return nothing "it was so before" end
  if not back[was] then return lost(("it was %s before, which no verb sets"):format(was)) end
  if is == was then return nothing "it is as it was before" end
  -- What fails or is being moved was still paused or resumed by the run.
  if back[is] and is ~= sets[op.verb] then return conflict("it is %s now", is) end
  return { action = back[was] }
end

-- Back to the offsets of the pre-image.
local function of_offsets(op, recorded, now, can)
  local old = recorded.pre_image and recorded.pre_image.offsets
  if not old then return lost "the old offsets are not recorded" end
  if not now then return conflict "it is not there any more" end
  local is = connector.own_state(now)
  if can.alters_when_stopped and is ~= "stopped" then
    return conflict("it is %s now, and its offsets can only be changed while it is stopped", is)
  end
  local list, is_old = raw.json.decode(old), {}
  if #list == 0 then return { action = "reset_offsets" } end
  local step = { action = "alter_offsets", offsets = list, lost = {} }
  for _, item in ipairs(list) do is_old[raw.json.encode(item.partition)] = true end
  local asked = recorded.request and recorded.request.offsets
  for _, item in ipairs(asked and raw.json.decode(asked) or {}) do
    if not is_old[raw.json.encode(item.partition)] then
      if can.alters_when_stopped then
        list[#list + 1] = { partition = item.partition, offset = raw.json.null }
      else
        step.lost[1] = { why = "an offset was added and cannot be removed there" }
      end
    end
  end
  return step
end

local function of_delete(op, recorded, now, can)
  local before = recorded.pre_image -- what was deleted
  if now and op.state == "undo_intent" and before and same_config(before.config, now.config) then
    local left = back[before.state] ~= "resume" and connector.own_state(now) ~= before.state
    return left and { action = back[before.state] } or nothing "it is there again"
  end
  if now then return conflict "a connector of that name is there again" end
  if not (before and before.config) then return conflict "what was deleted is not recorded" end
  local config, needs = {}, {}
  for key, value in pairs(before.config) do
    if raw.is_injected(key) then
      goto continue
    elseif is_hidden(value) then
      needs[#needs + 1] = key
    else
      config[key] = value
    end
    ::continue::
  end
  table.sort(needs)
  local offsets = before.offsets and raw.json.decode(before.offsets)
  local can_begin = can.initial_offsets or can.initial_state and can.alter_offsets
  local has_lost = not offsets and can.offsets or offsets and #offsets > 0 and not can_begin
  local state = (before.state == "paused" or before.state == "stopped") and before.state or nil
  return { action = "create", config = config, needs = needs, state = state,
    offsets = not has_lost and offsets and #offsets > 0 and offsets or nil,
    lost = has_lost and { { why = "it is made anew and starts without its old offsets" } } or nil,
    notes = { "made anew: another id" } }
end

-- By the inverse that verbs.def names.
local compute_of = { delete = of_create, config = of_config, state = of_state, create = of_delete,
  offsets = of_offsets }

--- For an operation of which nobody knows whether it was done.
function inverse.unknown(op)
  local step = lost(("whether it was done is not known: resume the run (kelp --resume), or say what "
    .. "you found out (kelp runs resolve RUN %d done|refused)"):format(op.op))
  step.blocks = true
  return step
end

--- What undoes the operation, given the connector as it is `now` (nil: absent) and what its
--- target `can` do: { action, … }: "delete"; "update" with `changes` and the config
--- `from` which they lead back; "create" with `config`, the `offsets` to begin at, the `state` to leave it in (nil: running)
--- and the keys of secrets that it `needs`; "pause", "resume", "stop"; "alter_offsets" with
--- `offsets`, "reset_offsets"; "nothing" or "conflict" with `why`. `lost`: what it does not
--- restore: { why, key, is_secret: the old value of the key would do }; `notes` are for a plan.
--- `blocks`: what was done to the connector before it cannot be undone either.
function inverse.of(op, now, can)
  local recorded = inverse.recorded(op)
  if op.state == "intent" or op.state == "unknown" then
    return inverse.unknown(op)
  end
  local row = raw.verbs[op.verb]
  local compute = row and compute_of[row.inverse]
  if not compute then return lost(("a %s cannot be undone"):format(op.verb)) end
  local result = compute(op, recorded, now, can)
  -- What an undo that was broken off may have done already.
  if op.state == "undo_intent" and result.action == "conflict" and recorded.pre_image and now
      and same_config(recorded.pre_image.config, now.config) then
    return nothing "it is as it was before"
  end
  return result
end

--- True for an operation that made the connector.
function inverse.is_creation(op)
  return op.verb == "create" or (op.verb == "put" and not decode(op.pre_image))
end

--- What undoes all that a run did to a connector that it made itself: `last` is the latest of
--- the operations.
function inverse.of_whole(last, now)
  if not now then return nothing "it is not there any more" end
  local recorded = inverse.recorded(last)
  local why = not sets[last.verb] and last.verb ~= "restart" and is_not_ours(last, recorded, now)
  if why then return conflict("%s", why) end
  return { action = "delete", notes = { "its offsets go with it" } }
end

--- The connector as it will be once that inverse is carried out.
function inverse.after(op, step, now)
  if step.action == "delete" then return nil end
  if step.action == "nothing" then return now end
  local record = {}
  for key, value in pairs(now or { name = op.connector }) do record[key] = value end
  if step.action == "update" then
    record.config = {}
    for key, value in pairs(now.config) do record.config[key] = value end
    for key, value in pairs(step.changes) do
      record.config[key] = value ~= raw.json.null and value or nil
    end
  elseif step.action:find "offsets" then
    return now
  elseif step.action == "create" then
    record.config, record.state, record.id = step.config, step.state or "running", nil
  else
    record.state, record.details = sets[step.action], nil
  end
  return record
end

return inverse
