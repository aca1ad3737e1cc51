-- plan: what --plan does in place of sending: each write is shown as what it would change, and
-- later reads of the same run see it as if it were done. Reads are real.

local raw = require "kelp.raw"
local known_keys = require "kelp.known_keys"
local abilities = require "kelp.abilities"
local pages = require "kelp.pages"
local connector = require "kelp.record"
local settings = require "kelp.settings"
local show = require "kelp.show"

local plan = {}

-- The writes that would change something, in their order: { target, verb, connector, changes }.
local steps = {}

-- What a command has to say as JSON, or nil.
local document

-- By place: what reads see differently: name -> { record } or { gone = true }.
local planned_of = {}

local function planned_on(target)
  local place = raw.place(target)
  planned_of[place] = planned_of[place] or {}
  return planned_of[place]
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

-- What is planned for a name or an id, and the name.
local function find_planned(target, id)
  local planned = planned_on(target)
  if planned[id] then return planned[id], id end
  for name, after in pairs(planned) do
    if after.record and after.record.id == id or after.id == id then return after, name end
  end
end

local function list(target)
  local result, planned = {}, planned_on(target)
  local seen = {}
  for _, c in ipairs(pages.list(target)) do
    local after = planned[c.name]
    seen[c.name] = true
    if not after then
      result[#result + 1] = c
    elseif after.record then
      result[#result + 1] = copy(after.record, target)
    end
  end
  for name, after in pairs(planned) do
    if after.record and not seen[name] then result[#result + 1] = copy(after.record, target) end
  end
  return result
end

--- The connector of that name as the plan would leave it; nil when it leaves it as it is.
function plan.planned(target, name)
  local after = planned_on(target)[name]
  if not after then return nil end
  if after.record then return copy(after.record, target) end
  return plan.read(target, "status", name) -- raises: it would be deleted by then
end

--- As raw.exchange for verbs that read, with the plan's changes in what it returns.
function plan.read(target, verb, id, ...)
  if verb == "list" then return list(target) end
  local after, name = find_planned(target, id)
  if not after or (verb ~= "get" and verb ~= "status") then
    return raw.exchange(target, verb, id, ...)
  end
  if after.gone then
    error(raw.error("not_found", "it would be deleted by then", { target = target.label,
      provider = target.provider, verb = verb, connector = name, sent = "no" }), 0)
  end
  return copy(after.record, target)
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

-- The config that the connector would have.
local function config_after(w)
  local old, result = w.pre_image and w.pre_image.config or {}, {}
  if w.verb == "update" then
    for key, value in pairs(old) do result[key] = value end
    for key, value in pairs(w.request) do
      if value == raw.json.null then value = nil end
      result[key] = value
    end
    return result
  end
  for key, value in pairs(w.config) do result[key] = value end
  for key, value in pairs(old) do
    if result[key] == nil and raw.is_injected(key) then result[key] = value end
  end
  return result
end

local function writes_config(verb)
  local effect = raw.verbs[verb].effect
  return effect == "create" or raw.verbs[verb].inverse == "config"
end

local function record_after(w)
  local before = w.pre_image
  local record = before and copy(before, w.target) or { name = w.name, tasks = {} }
  if raw.verbs[w.verb].state then
    record.state = raw.verbs[w.verb].state
    record.details = nil -- the state of before would stand there
  elseif writes_config(w.verb) then
    record.config = config_after(w)
    record.class = record.config["connector.class"] or record.class
    if not before then
      record.state = w.request["$state"] or "running"
      record.id = abilities.of(w.target).address_by_id and "planned " .. w.name or nil
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

-- Where it starts, and the keys that are new and that the plugin does not define.
local function notes_of(w, before, after, changes)
  local notes, new = starts_of(w.request) or {}, {}
  for _, c in ipairs(changes) do
    if c.new ~= nil and not (before and (before.config or {})[c.key]) then new[#new + 1] = c.key end
  end
  for _, note in ipairs(#new > 0 and known_keys.notes(w.target, after.class, new) or {}) do
    notes[#notes + 1] = note
  end
  return #notes > 0 and notes or nil
end

-- ---- showing ----

local function lines_of(step)
  local row = raw.verbs[step.action]
  local lines = { ("%s %s %s on %s"):format(row and row.sign or "~", step.action, step.connector,
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

-- A write of a config: it is a create where there is none yet, else an update.
local function note_config(w, step)
  local target, before, after = w.target, w.pre_image, record_after(w)
  step.action = before and "update" or "create"
  step.changes = raw.json.array(differences(before and before.config or {}, after.config))
  step.notes = notes_of(w, before, after, step.changes)
  if before and #step.changes == 0 then return copy(before, target) end
  planned_on(target)[w.name] = { record = after }
  add(step)
  return copy(after, target)
end

--- In place of a write: takes it into the plan. Returns what the verb would return.
function plan.note(w)
  local target, before = w.target, w.pre_image
  local step = { target = target.label, verb = w.verb, connector = w.name, action = w.verb }
  local row = raw.verbs[w.verb]
  if writes_config(w.verb) then return note_config(w, step) end
  if row.effect == "delete" then
    planned_on(target)[w.name] = { gone = true, id = before and before.id }
  elseif row.state then
    if before and connector.own_state(before) == row.state and row.effect == "state" then return true end
    planned_on(target)[w.name] = { record = record_after(w) }
  else
    step.changes = raw.json.array(differences({}, w.request or {}))
  end
  add(step)
  return true
end

--- Something that a step of another kind would change, for what is no connector's config.
function plan.add(step)
  add(step)
end

--- What a command would print as its JSON: a part of the plan's one document.
function plan.set_document(value)
  document = value
end

--- The end of a plan: says how many changes there are, and returns that number.
function plan.finish()
  if settings.output == "json" then
    raw.write(1, raw.json.encode { plan = raw.json.array(steps), changes = #steps, result = document } .. "\n")
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

if settings.plan then raw.at_end("plan", plan.finish) end

return plan
