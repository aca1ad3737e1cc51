-- plan: what --plan does in place of sending: each write is shown as what it would change, and
-- later reads of the same run see it as if it were done. Reads are real.

local raw = require "kelp.raw"
local settings = require "kelp.settings"
local show = require "kelp.show"

local plan = {}

-- The writes that would change something, in their order: { target, verb, connector, changes }.
local steps = {}

-- By place: what reads see differently: name -> { record } or { gone = true }.
local worlds = {}

local function world_of(target)
  local place = target.label .. "\n" .. target.base_url
  worlds[place] = worlds[place] or {}
  return worlds[place]
end

local function copy(record, target)
  local result = {}
  for key, value in pairs(record) do result[key] = value end
  if result.config then
    result.config = {}
    for key, value in pairs(record.config) do result.config[key] = value end
  end
  result.target = target
  return setmetatable(result, raw.connector_metatable)
end

-- The planned entry of a name or an id, and the name.
local function planned(target, at)
  local world = world_of(target)
  if world[at] then return world[at], at end
  for name, entry in pairs(world) do
    if entry.record and entry.record.id == at or entry.id == at then return entry, name end
  end
end

local function list(target)
  local result, world = {}, world_of(target)
  local seen = {}
  for _, c in ipairs(raw.exchange(target, "list")) do
    local entry = world[c.name]
    seen[c.name] = true
    if not entry then
      result[#result + 1] = c
    elseif entry.record then
      result[#result + 1] = copy(entry.record, target)
    end
  end
  for name, entry in pairs(world) do
    if entry.record and not seen[name] then result[#result + 1] = copy(entry.record, target) end
  end
  return result
end

--- As raw.exchange for verbs that read, with the plan's changes in what it returns.
function plan.read(target, verb, at, ...)
  if verb == "list" then return list(target) end
  local entry, name = planned(target, at)
  if not entry or (verb ~= "get" and verb ~= "status") then
    return raw.exchange(target, verb, at, ...)
  end
  if entry.gone then
    error(raw.error("not_found", "it would be deleted by then", { target = target.label,
      provider = target.provider, verb = verb, connector = name, sent = "no" }), 0)
  end
  return copy(entry.record, target)
end

-- ---- what changes ----

local function is_secret(value)
  return value ~= nil and type(value) ~= "string"
end

-- "old → new" of one key, or nil when nothing about it would change, as far as can be seen.
local function change(key, old, new)
  if old == new or raw.is_injected(key) or key == "name" then return nil end
  if raw.is_mask(old) and (new == nil or raw.is_mask(new)) then return nil end
  local hidden = is_secret(new) or (old and raw.is_secret_key(key, old))
    or (new and raw.is_secret_key(key, new))
  local function text(value)
    if value == nil then return nil end
    if is_secret(value) then return tostring(value) end
    if hidden then return "<secret>" end
    return show.line(value)
  end
  return { key = key, old = text(old), new = text(new), secret = hidden or nil }
end

local function differences(old, new)
  local keys, changes = {}, {}
  for key in pairs(old) do keys[key] = true end
  for key in pairs(new) do keys[key] = true end
  for key in pairs(keys) do
    changes[#changes + 1] = change(key, old[key], new[key])
  end
  table.sort(changes, function(a, b) return a.key < b.key end)
  return changes
end

local function merged(config, changes)
  local result = {}
  for key, value in pairs(config or {}) do result[key] = value end
  for key, value in pairs(changes) do
    if value == raw.json.null then value = nil end
    result[key] = value
  end
  return result
end

-- What the connector's config would be.
local function config_after(entry, before)
  local old = before and before.config or {}
  if entry.verb == "update" and not entry.config then return merged(old, entry.request or {}) end
  local new = raw.normalise(entry.config or entry.request or {})
  for key, value in pairs(old) do
    if new[key] == nil and raw.is_injected(key) then new[key] = value end
  end
  return new
end

local state_after = { restart = "running", pause = "paused", resume = "running", stop = "stopped" }

local writes_config = { create = true, update = true, put = true }

local function record_after(entry, before)
  local record = before and copy(before, entry.target) or { name = entry.name, tasks = {} }
  if state_after[entry.verb] then
    record.state = state_after[entry.verb]
  elseif writes_config[entry.verb] then
    record.config = config_after(entry, before)
    record.class = record.config["connector.class"] or record.class
    if not before then
      record.state = entry.request["$state"] or "running"
      record.id = entry.target.can.address_by_id and "planned " .. entry.name or nil
    end
  end
  return record
end

-- Where a create starts, for a person.
local function starts_of(request)
  local state, offsets = request["$state"], request["$offsets"]
  local notes = {}
  if state then notes[#notes + 1] = "state: " .. state end
  if offsets then notes[#notes + 1] = "offsets: " .. offsets end
  return #notes > 0 and notes or nil
end

-- ---- showing ----

local sign = { create = "+", delete = "-", update = "~", restart = "^", pause = "~", resume = "~",
               stop = "~", alter_offsets = "~", reset_offsets = "~" }

local function lines_of(step)
  local lines = { ("%s %s %s on %s"):format(sign[step.action] or "~", step.action, step.connector,
    step.target) }
  for _, c in ipairs(step.changes or {}) do
    local old, new = c.old, c.new
    if step.action == "create" then
      lines[#lines + 1] = ("    %s = %s"):format(c.key, new)
    elseif old and new then
      lines[#lines + 1] = ("    %s: %s → %s"):format(c.key, old, new)
    elseif new then
      lines[#lines + 1] = ("    %s: (not set) → %s"):format(c.key, new)
    else
      lines[#lines + 1] = ("    %s: %s → (removed)"):format(c.key, old)
    end
  end
  for _, note in ipairs(step.notes or {}) do lines[#lines + 1] = "    " .. show.line(note) end
  return lines
end

local function add(step)
  steps[#steps + 1] = step
  if settings.output == "json" then return end
  raw.write(1, table.concat(lines_of(step), "\n") .. "\n")
end

--- In place of a write: takes it into the plan. `before`: the connector as reads show it, or nil.
--- Returns what the verb would return.
function plan.note(entry, before)
  local target, world = entry.target, world_of(entry.target)
  local step = { target = target.label, verb = entry.verb, connector = entry.name }
  if entry.verb == "delete" then
    step.action = "delete"
    world[entry.name] = { gone = true, id = before and before.id }
    add(step)
    return true
  end
  local after = record_after(entry, before)
  if writes_config[entry.verb] then
    step.action = before and "update" or "create"
    step.changes = raw.json.array(differences(before and before.config or {}, after.config))
    step.notes = starts_of(entry.request)
    if before and #step.changes == 0 then return copy(before, target) end
    world[entry.name] = { record = after }
    add(step)
    return copy(after, target)
  end
  step.action = entry.verb
  if state_after[entry.verb] then
    if before and before.state == after.state and entry.verb ~= "restart" then return true end
    world[entry.name] = { record = after }
  else
    step.changes = raw.json.array(differences({}, entry.request or {}))
  end
  add(step)
  return true
end

--- Something that a step of another kind would change, for what is no connector's config.
function plan.add(step)
  add(step)
end

--- The end of a plan: says how many changes there are, and returns that number.
function plan.finish()
  if settings.output == "json" then
    raw.write(1, raw.json.encode { plan = raw.json.array(steps), changes = #steps } .. "\n")
    return #steps
  end
  local counts, order = {}, {}
  for _, step in ipairs(steps) do
    if not counts[step.action] then order[#order + 1] = step.action end
    counts[step.action] = (counts[step.action] or 0) + 1
  end
  local parts = {}
  for i, action in ipairs(order) do parts[i] = ("%d to %s"):format(counts[action], action) end
  raw.write(1, #steps == 0 and "plan: nothing would change\n"
    or "plan: " .. table.concat(parts, ", ") .. "; nothing was sent\n")
  return #steps
end

return plan
