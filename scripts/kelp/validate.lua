-- validate: what can be asked about configs and connectors without changing anything: which plugins
-- there are, what they make of a config, its translation to a managed one, and a connector's tasks.

local raw = require "kelp.raw"
local preparation = require "kelp.preparation"

local validate = {}

-- A name that a config has to have to be judged, when the caller has given none.
local STAND_IN = "validate"

local result_methods = {}
local result_metatable = { __index = result_methods, __name = "kelp.validation" }

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

function result_metatable.__tostring(result)
  if result.ok then return "valid" end
  local lines = {}
  for _, key in ipairs(sorted_keys(result.errors)) do
    for _, message in ipairs(result.errors[key]) do
      lines[#lines + 1] = ("%s: %s"):format(key, message)
    end
  end
  if #lines == 1 then return "invalid: " .. lines[1] end
  return ("invalid, %d errors:\n  %s"):format(#lines, table.concat(lines, "\n  "))
end

--- Raises an `invalid` error object with `errors` unless the config is valid; returns the result.
function result_methods.assert(result)
  if result.ok then return result end
  error(raw.error("invalid", (tostring(result):gsub("^invalid[:,] ", "")),
    { verb = "validate", target = result.target.label, provider = result.target.provider,
      errors = result.errors, sent = "yes" }), 0)
end

local function new_result(target)
  return setmetatable({ ok = true, errors = {}, keys = {}, secrets = {}, target = target },
    result_metatable)
end

local function add_error(result, key, message)
  result.ok = false
  result.errors[key] = result.errors[key] or {}
  table.insert(result.errors[key], message)
end

local function list_of(value) return type(value) == "table" and value or {} end

local function text_of(value)
  if type(value) == "string" then return value end
  return value ~= nil and value ~= raw.json.null and tostring(value) or nil
end

-- From now on the values of such keys are secrets, those of this config included.
local function learn_secret(result, key, config)
  table.insert(result.secrets, key)
  raw.secret_key_add(key)
  if type(config[key]) == "string" then raw.receive { [key] = config[key] } end
end

-- {configs: [{definition: {name, type, required, …}, value: {name, errors, …}}], error_count}
local function read_validation(target, answer, config)
  local result, told = new_result(target), 0
  for _, entry in ipairs(list_of(answer.configs)) do
    local definition, value = list_of(entry.definition), list_of(entry.value)
    local key = text_of(value.name) or text_of(definition.name)
    if key then
      result.keys[key] = {
        type = text_of(definition.type), required = definition.required == true,
        default = text_of(definition.default_value), group = text_of(definition.group),
        documentation = text_of(definition.documentation),
        importance = text_of(definition.importance),
        recommended = list_of(value.recommended_values), visible = value.visible ~= false,
      }
      for _, message in ipairs(list_of(value.errors)) do
        add_error(result, key, tostring(message))
        told = told + 1
      end
      if definition.type == "PASSWORD" then learn_secret(result, key, config) end
    end
  end
  table.sort(result.secrets)
  if type(answer.error_count) == "number" and answer.error_count > told then
    add_error(result, "connector.class", ("%d errors, of which the provider names %d"):format(
      answer.error_count, told))
  end
  return result
end

-- A plugin that is not there is no failure to validate, but what the config has wrong.
local function lacks_plugin(failure)
  return raw.is_error(failure) and failure.kind == "not_found"
end

-- The classes that a target has, by every name that one may be given: in full, or by its last word,
-- with or without "Connector".
local known = setmetatable({}, { __mode = "k" })

local function ask_for_plugins(target)
  local names = {}
  for _, plugin in ipairs(raw.exchange(target, "plugins")) do
    local full = type(plugin) == "table" and plugin.class
    if type(full) == "string" then
      local last = full:match "[^.]*$"
      names[full], names[last], names[last:gsub("Connector$", "")] = true, true, true
    end
  end
  known[target] = names
  return names
end

-- A worker answers 500 for a class that it has not got, as it does for what may pass, so it is not
-- asked about one. One that is not known may have come since.
local function has_plugin(target, class)
  return known[target] and known[target][class] or ask_for_plugins(target)[class] == true
end

local function copy(config)
  local result = {}
  for key, value in pairs(config) do result[key] = value end
  return result
end

-- Two answers, one with the states and one with the configs.
local function merged_tasks(configs, states)
  local by_id, tasks = {}, {}
  for _, state in ipairs(states) do by_id[state.id] = state end
  for i, entry in ipairs(configs) do
    local state = by_id[entry.id] or { id = entry.id, state = "unassigned" }
    by_id[entry.id] = nil
    state.config = entry.config
    tasks[i] = state
  end
  for _, state in pairs(by_id) do tasks[#tasks + 1] = state end
  table.sort(tasks, function(a, b) return (a.id or -1) < (b.id or -1) end)
  return tasks
end

-- ---- the verbs ----

local verb = {}
validate.verbs = verb

-- An array of { id, state, error, worker, config }, by id.
function verb.tasks(target, connector, options)
  preparation.need(target, "tasks")
  preparation.check_options("tasks", options, {})
  local name = preparation.name_of("tasks", connector)
  local configs = raw.exchange(target, "tasks", name)
  return merged_tasks(configs, raw.exchange(target, "status", name).tasks or {})
end

-- { ok, errors = { KEY = { message, … } }, secrets = { KEY, … }, keys = { KEY = { type, required,
-- default, … } } }; as a text, the errors.
function verb.validate(target, config, options)
  preparation.need(target, "validate")
  preparation.check_config("validate", config)
  options = preparation.check_options("validate", options, { name = true, keep_masked = true })
  config = copy(config)
  config.name = options.name or config.name or STAND_IN
  local class = config["connector.class"]
  if type(class) ~= "string" then
    local result = new_result(target)
    add_error(result, "connector.class", class == nil and "it is missing" or "it is not a text")
    return result
  end
  preparation.normalise(target, "validate", nil, config)
  if not has_plugin(target, class) then
    local result = new_result(target)
    add_error(result, "connector.class", ("there is no plugin '%s' there"):format(class))
    return result
  end
  local ok, answer = pcall(raw.exchange, target, "validate", nil, config,
    { plugin = class, keep_masked = options.keep_masked })
  if ok then return read_validation(target, answer, config) end
  if not lacks_plugin(answer) then error(answer, 0) end
  local result = new_result(target)
  add_error(result, "connector.class", ("there is no plugin '%s' there"):format(class))
  return result
end

-- An array of { class, type, version }, by class.
function verb.plugins(target, options)
  preparation.need(target, "plugins")
  preparation.check_options("plugins", options, {})
  local list = raw.exchange(target, "plugins")
  for i, plugin in ipairs(list) do
    if type(plugin) ~= "table" or type(plugin.class) ~= "string" then
      error(raw.error("protocol", ("unexpected response: plugin %d has no class"):format(i),
        { target = target.label, provider = target.provider, verb = "plugins" }), 0)
    end
  end
  table.sort(list, function(a, b) return a.class < b.class end)
  return list
end

-- { config, warnings = { { field, message } }, errors = { … } }: what the provider makes of a
-- self-managed connector's config for its managed plugin.
function verb.translate(target, plugin, config, options)
  preparation.need(target, "translate")
  if type(plugin) ~= "string" then
    raw.misuse(("translate: a plugin's name expected, got %s"):format(type(plugin)))
  end
  preparation.check_config("translate", config)
  preparation.check_options("translate", options, {})
  preparation.normalise(target, "translate", nil, config)
  local answer = raw.exchange(target, "translate", nil, config, { plugin = plugin })
  if type(answer.config) ~= "table" then
    error(raw.error("protocol", "unexpected response: a translation without a config",
      { target = target.label, provider = target.provider, verb = "translate" }), 0)
  end
  return { config = answer.config, warnings = list_of(answer.warnings),
           errors = list_of(answer.errors) }
end

return validate
