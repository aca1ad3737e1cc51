-- list, get and find.

local raw = require "kelp.raw"
local abilities = require "kelp.abilities"
local preparation = require "kelp.preparation"
local selection = require "kelp.selection"
local record = require "kelp.record"
local write = require "kelp.write"

local verb = {}

local function matcher(filter)
  if filter == nil then return nil, {} end
  preparation.check_options("list", filter, selection.fields)
  local field, why = selection.fault(filter)
  if field then raw.misuse(("list: %s: %s"):format(field, why)) end
  return selection.matcher(filter)
end

-- A class that no connector has is one that is installed, or none at all.
local function is_installed(target, wanted)
  if not abilities.offers(target, "plugins") then return false end
  local ok, plugins = pcall(target.plugins, target)
  if not ok then return false end
  for _, plugin in ipairs(plugins) do
    if selection.class_matches(wanted, plugin.class) then return true end
  end
  return false
end

local function check_class(target, wanted, classes)
  local why = selection.class_fault(wanted, classes)
  if why and not is_installed(target, wanted) then
    preparation.refuse(target, "invalid", "list", nil, why)
  end
end

-- A script's own function may do anything, ask the provider too: it sees the records of a
-- list that is complete.
local function chosen(list, choose)
  local kept = {}
  for _, c in ipairs(list) do
    if choose(c) then kept[#kept + 1] = c end
  end
  return kept
end

local function by_name(a, b)
  if a.name ~= b.name then return a.name < b.name end
  return (a.id or "") < (b.id or "")
end

function verb.list(target, filter)
  local choose = type(filter) == "function" and filter or nil
  local match, classes = matcher(not choose and filter or nil)
  if write.resumed() then
    local wanted = match or function() return true end
    match = function(c)
      raw.journal_saw(target, c.name)
      return wanted(c)
    end
  end
  local list = preparation.listed(target, match)
  if choose then list = chosen(list, choose) end
  if #list == 0 and not choose and filter then check_class(target, filter.class, classes) end
  table.sort(list, by_name)
  return list
end

function verb.get(target, connector)
  local name = preparation.name_of("get", connector)
  local read = preparation.read
  if write.resumed() then raw.journal_saw(target, name) end
  if abilities.of(target).address_by_id then
    if preparation.is_at_hand(target, connector) then
      return preparation.exchange(target, "get", connector.id, name)
    end
    return preparation.pick_one(target, "get", name)
  end
  local c = read(target, "get", name)
  local ok, status = pcall(read, target, "status", name)
  if not ok then
    if not preparation.is_unassigned(target, status) then error(status, 0) end
    c.state = "unassigned"
    return c
  end
  return record.with_status(c, status)
end

function verb.find(target, connector)
  local ok, result = pcall(verb.get, target, connector)
  if ok then return result end
  if raw.is_error(result) and result.kind == "not_found" then return nil end
  error(result, 0)
end

return verb
