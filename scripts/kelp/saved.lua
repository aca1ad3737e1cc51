-- Connectors from a saved answer of Upstash's list call: the service has ended, so a file is what
-- most people have of it. They are connectors like those that a verb returns, but have no target.
local raw = require "kelp.raw"
local json = raw.json

local saved = {}

--- True for a text that means a file and not a target: with a "/" in it, or ending in ".json".
function saved.is_path(text)
  return text:find("/", 1, true) ~= nil or text:find("%.json$") ~= nil
end

local function field(entry, key, kind)
  local value = entry[key]
  if value == nil or value == json.null or value == "" then return nil end
  return type(value) == kind and value or nil
end

local function type_of(class)
  if class:find("Sink", 1, true) then return "sink" end
  if class:find("Source", 1, true) or class:find("^io%.debezium%.") then return "source" end
  return nil
end

local function tasks_of(entry)
  local tasks = {}
  for position, task in ipairs(field(entry, "tasks", "table") or {}) do
    if type(task) ~= "table" then return tasks end
    tasks[position] = { id = field(task, "id", "number"),
                        state = (field(task, "state", "string") or "unknown"):lower(),
                        error = field(task, "trace", "string") }
  end
  return tasks
end

-- `state` is what the service made of the connector, `connector_state` what its worker says; a
-- failure in the first is the last word.
local function state_of(entry)
  local state = (field(entry, "state", "string") or "unknown"):lower()
  if state == "failed" then return state end
  return (field(entry, "connector_state", "string") or state):lower()
end

local function record_of(entry, complain)
  if type(entry) ~= "table" then complain "is not an object" end
  local name, properties = field(entry, "name", "string"), field(entry, "properties", "table")
  if not name then complain "has no name" end
  if not properties or #properties > 0 then complain(("('%s') has no properties"):format(name)) end
  raw.receive(properties)
  for _, key in ipairs { "encoded_username", "user_password", "properties_encrypted" } do
    local value = field(entry, key, "string")
    if value then raw.hide(value, key) end
  end
  local class = field(entry, "connector_class", "string") or properties["connector.class"]
  if not class then
    complain(("('%s') has neither connector_class nor a property connector.class"):format(name))
  end
  return setmetatable({
    name = name, id = field(entry, "connector_id", "string"), class = class, type = type_of(class),
    state = state_of(entry), error = field(entry, "state_error_message", "string"),
    tasks = tasks_of(entry), topics = field(entry, "topics", "table"),
    created = field(entry, "creation_time", "number"), config = properties,
  }, raw.connector_metatable)
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
    complain("%s: not an array of connectors, as Upstash's list call answers", path)
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
