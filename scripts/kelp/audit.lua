-- audit: at the end of a run, one list for each target on which a create was ambiguous: a slow
-- server may have made a second connector after all.

local raw = require "kelp.raw"
local abilities = require "kelp.abilities"
local pages = require "kelp.pages"

local audit = {}

-- Creates that were ambiguous in this run:
-- target -> name -> { expected = how many there should be, deleted = { id = true } }.
local ambiguous = {}

--- An ambiguous create of that name.
function audit.note(target, name)
  ambiguous[target] = ambiguous[target] or {}
  ambiguous[target][name] = ambiguous[target][name] or { expected = 0, deleted = {} }
end

local function noted(target, name)
  return ambiguous[target] and ambiguous[target][name]
end

--- There is, or may be, one more of that name.
function audit.made(target, name)
  local one = noted(target, name)
  if one then one.expected = one.expected + 1 end
end

--- The one of that id is gone.
function audit.deleted(target, name, id)
  local one = noted(target, name)
  if one and not one.deleted[id] then
    one.deleted[id], one.expected = true, one.expected - 1
  end
end

-- The ids by name of connectors of which there are more than there should be, those left out that
-- this run has deleted.
local function surplus(target, names)
  local ids = {}
  for _, c in ipairs(pages.list(target)) do
    local one = names[c.name]
    -- By a name alone nobody can tell what was deleted from what was made after that.
    if one and not (abilities.of(target).address_by_id and one.deleted[c.id]) then
      ids[c.name] = ids[c.name] or {}
      table.insert(ids[c.name], c.id or c.name)
    end
  end
  for name, found in pairs(ids) do
    if #found <= names[name].expected then ids[name] = nil end
  end
  return ids
end

-- The same, for what a list shows for longer than it may show what was deleted.
local function lasting_surplus(target, names)
  local ids = surplus(target, names)
  if not next(ids) then return ids end
  raw.sleep(target.visibility_delay)
  return surplus(target, names)
end

-- Seconds that the audit of one target may take: a server that is gone by then is not
-- waited for as a write is.
local AUDIT_TIME = 60

local function within(seconds, f, ...)
  local task = raw.spawn(f, ...)
  local guard = raw.spawn(function()
    raw.sleep(seconds)
    raw.cancel(task)
  end)
  local results = table.pack(raw.join(task))
  raw.cancel(guard)
  raw.join(guard)
  return table.unpack(results, 1, 2)
end

-- For how many names of the target there are more than there should be.
local function audit_target(target, names)
  local ok, ids = within(AUDIT_TIME + target.visibility_delay, lasting_surplus, target, names)
  if not ok then
    raw.log("error", ("the ambiguous creates on %s could not be audited: %s")
      :format(target.label, tostring(ids)))
    return 1
  end
  local doubles = 0
  for name, found in pairs(ids) do
    doubles = doubles + 1
    raw.log("error", ("%s named '%s' %s on %s (ids %s): one was made by a request that "
      .. "seemed lost"):format(#found == 1 and "a connector" or #found .. " connectors", name,
      #found == 1 and "exists" or "exist", target.label, table.concat(found, ", ")))
  end
  return doubles
end

--- Says what there is too much of; nothing is deleted. Returns for how many names that is so.
function audit.run()
  local doubles, targets = 0, {}
  for target in pairs(ambiguous) do targets[#targets + 1] = target end
  table.sort(targets, function(a, b) return a.label < b.label end)
  for _, target in ipairs(targets) do
    doubles = doubles + audit_target(target, ambiguous[target])
  end
  ambiguous = {}
  return doubles
end

raw.at_end("audit", audit.run)

return audit
