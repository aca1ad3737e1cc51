-- operation: puts the verbs on targets, and those about one connector on connectors. A primitive in
-- C is one request; what takes several, and judgement about what it is safe to send, is in the
-- modules that are named here. Which verbs there are, and where, is in bindings/verbs.def.

local raw = require "kelp.raw"
local preparation = require "kelp.preparation"
local providers = require "kelp.providers"

local operation = {}
local verb = {}

local function add(module)
  for name, call in pairs(module) do verb[name] = call end
end

for _, name in ipairs { "read", "create", "update", "put", "restart", "state", "delete" } do
  add(require("kelp.verbs." .. name))
end
for _, name in ipairs { "offsets", "validate" } do add(require("kelp." .. name).verbs) end
-- It takes what it shares with the others as an argument.
local shared = setmetatable({ get = verb.get }, { __index = preparation })
add(require("kelp.wait").verbs(shared))

-- The same for the connector, in place of its target and name.
local function method_of_connector(name)
  return function(connector, ...)
    local target = rawget(connector, "target")
    if not target then raw.misuse(name .. ": this connector belongs to no target") end
    return verb[name](target, connector, ...)
  end
end

--- Installs every public verb of verbs.def.
function operation.install()
  local methods = raw.target_metatable.methods
  local of_connector = raw.connector_metatable.__index
  local on_target, on_connector = {}, {}
  for _, row in ipairs(raw.verbs) do
    local name = row.name
    if row.on_target then
      methods[name] = assert(verb[name], name)
      on_target[#on_target + 1] = name
    end
    if row.on_connector then
      on_connector[#on_connector + 1] = name
      of_connector[name] = method_of_connector(name)
    end
  end
  -- `tasks` is a field of a record.
  of_connector.tasks = nil
  for _, field in ipairs { "can", "provider", "label", "base_url" } do
    on_target[#on_target + 1] = field
  end
  local is_named = {}
  for _, provider in ipairs(providers.list) do
    for _, place in ipairs(provider.places) do
      if not is_named[place.name] then on_target[#on_target + 1] = place.name end
      is_named[place.name] = true
    end
  end
  raw.target_metatable.__completions = on_target
  raw.connector_metatable.__completions = on_connector
end

return operation
