-- Connectors from a saved response to a provider's list call: of a service that has ended, a file
-- is what people have. They are connectors like those that a verb returns, but have no target.
local raw = require "kelp.raw"
local providers = require "kelp.providers"
local json = raw.json

local saved = {}

--- The provider whose lists are read: one of providers.list.
for _, provider in ipairs(providers.list) do
  if provider.saved_lists then saved.provider = saved.provider or provider end
end

--- True for a text that means a file and not a target: with a "/" in it, or ending in ".json".
function saved.is_path(text)
  return text:find("/", 1, true) ~= nil or text:find("%.json$") ~= nil
end

local function record_of(entry, complain)
  local member = saved.provider.config
  if type(entry) ~= "table" then complain "is not an object" end
  local name, config = entry.name, entry[member]
  if type(name) ~= "string" or name == "" then complain "has no name" end
  if type(config) ~= "table" or #config > 0 then
    complain(("('%s') has no %s"):format(name, member))
  end
  local class = saved.provider.class
  if type(entry[class]) ~= "string" and type(config["connector.class"]) ~= "string" then
    complain(("('%s') has neither %s nor the key connector.class"):format(name, class))
  end
  local ok, record = pcall(raw.read_listed, saved.provider.name, entry)
  if not ok then
    complain(("('%s'): %s"):format(name, tostring(record):gsub("^unexpected response: ", "")))
  end
  return record
end

--- The connectors of that file, sorted by name. Raises an `invalid` error that names the file, and
--- the entry in it.
function saved.read(path)
  local function complain(format, ...)
    local problem = raw.error("invalid", format:format(...))
    problem.where = nil -- the fault is in the file, not in a line of a script
    error(problem, 0)
  end
  local file, why = io.open(path, "rb")
  if not file then complain("cannot read %s", why) end
  local text, fault = file:read "a"
  file:close()
  if not text then complain("cannot read %s: %s", path, fault) end
  local ok, list = pcall(json.decode, text)
  if not ok then complain("%s: %s", path, list) end
  if type(list) ~= "table" or #list == 0 and next(list) ~= nil then
    complain("%s: not an array of connectors, as the list call of %s returns", path,
      saved.provider.title)
  end
  local records = {}
  for position, entry in ipairs(list) do
    records[position] = record_of(entry, function(what)
      complain("%s: entry %d %s", path, position, what)
    end)
  end
  table.sort(records, function(a, b)
    if a.name ~= b.name then return a.name < b.name end
    return (a.id or "") < (b.id or "")
  end)
  return records
end

return saved
