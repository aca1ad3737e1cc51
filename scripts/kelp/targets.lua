-- targets: how a target comes about: from options, by name from the targets
-- file, or, under --sim, on the built-in simulator.

local raw = require "kelp.raw"
local settings = require "kelp.settings"

local targets = {}

-- What is wrong with a file or an environment is no fault of the script's code.
local function fail(message, ...)
  error(raw.error("invalid", message:format(...), { sent = "no" }), 0)
end

-- What the simulator's example world has; credentials that open nothing else.
local simulated = {
  confluent = {
    address = "base_url", base = "/confluent",
    places = { environment = "env-sim", cluster = "lkc-sim" },
    credentials = { api_key = "simulated-key", api_secret = "simulated-secret" },
  },
  upstash = {
    address = "base_url", base = "/upstash/v2/kafka",
    places = { cluster = "7568431c-88d5-4409-a808-2167f22a7133" },
    credentials = { email = "somebody@example.com", api_key = "simulated-api-key" },
  },
  connect = {
    address = "url", base = "/connect", places = {},
    credentials = { username = "simulated-user", password = "simulated-password" },
  },
}

-- Where kelp.target looks for the places of a provider that no file describes.
local variables = {
  confluent = { { "environment", "CONFLUENT_ENVIRONMENT_ID", "KAFKA_ENV_ID" },
                { "cluster", "KAFKA_CLUSTER_ID", "KAFKA_ID" } },
  upstash = { { "cluster", "UPSTASH_KAFKA_CLUSTER_ID" } },
  connect = {}, -- its address is all, and looked up where targets are made
}

local function copy(options)
  local result = {}
  for key, value in pairs(options) do result[key] = value end
  return result
end

-- Under --sim nothing leaves this machine, whatever the options say.
local function simulate(provider, options)
  local defaults = simulated[provider]
  options = copy(options)
  for key, value in pairs(defaults.places) do options[key] = options[key] or value end
  for key, value in pairs(defaults.credentials) do options[key] = value end
  for _, key in ipairs { "token", "ca_file", "cert_file", "key_file", "key_password", "proxy" } do
    options[key] = nil
  end
  options[defaults.address] = settings.sim .. defaults.base
  return options
end

local function make(provider, options)
  if settings.sim and (options == nil or type(options) == "table") then
    options = simulate(provider, options or {})
  end
  if type(options) == "table" then
    options = copy(options)
    for _, name in ipairs { "timeout", "concurrency", "rate" } do
      if options[name] == nil then options[name] = settings[name] end
    end
  end
  local target = raw.target(provider, options)
  local fields, can = raw.describe(target)
  can.find, can.wait = true, true
  fields.can = can
  return target
end

function targets.confluent(options) return make("confluent", options) end
function targets.upstash(options) return make("upstash", options) end
function targets.connect(options) return make("connect", options == nil and {} or options) end

-- $XDG_CONFIG_HOME/kelp/targets.lua
local function file_path()
  local base = os.getenv "XDG_CONFIG_HOME"
  if not base or base == "" then
    local home = os.getenv "HOME"
    if not home or home == "" then return nil end
    base = home .. "/.config"
  end
  return base .. "/kelp/targets.lua"
end

-- The file is a table; env, file and command are the only functions in it.
local function read_file(path)
  local text, why = raw.read_private(path)
  if not text then
    if why:find("No such file", 1, true) then return {} end
    fail("the targets file %s", why)
  end
  local sources = {
    env = function(name) return raw.secret { env = name } end,
    file = function(name) return raw.secret { file = name } end,
    command = function(line) return raw.secret { command = line } end,
  }
  -- Every entry is evaluated, so a source is only asked when its target is used.
  local lazy = {}
  for name, ask in pairs(sources) do
    lazy[name] = function(argument)
      if type(argument) ~= "string" then
        fail("%s: %s needs a string", path, name)
      end
      return setmetatable({}, { ask = function() return ask(argument) end })
    end
  end
  if not text:find("^%s*return%f[%W]") and text:find("^%s*{") then text = "return " .. text end
  local chunk, message = load(text, "@" .. path, "t", lazy)
  if not chunk then fail("the targets file cannot be read: %s", message) end
  local ran, result = pcall(chunk)
  if not ran then
    if raw.is_error(result) then error(result, 0) end
    fail("the targets file cannot be read: %s", tostring(result))
  end
  if type(result) ~= "table" then
    fail("the targets file %s must return a table of targets by name", path)
  end
  return result
end

-- As make, for a target that a file or the environment describes: what is wrong with it is
-- said of them, without the way through the code that asked for it.
local function make_described(name, provider, options)
  local ok, result = pcall(make, provider, options)
  if ok then return result end
  local misuse = type(result) == "string" and result:match("kelp%." .. provider .. ": (.*)$")
  if misuse then fail("target '%s': %s", name, misuse) end
  error(result, 0)
end

local function from_entry(path, name, entry)
  if type(entry) ~= "table" then
    fail("%s: target '%s' must be a table", path, name)
  end
  local options = {}
  for key, value in pairs(entry) do
    local meta = type(value) == "table" and getmetatable(value)
    options[key] = meta and meta.ask and meta.ask() or value
  end
  local provider = options.provider
  options.provider = nil
  if type(provider) ~= "string" or not simulated[provider] then
    fail("%s: target '%s': provider must be 'confluent', 'upstash' or 'connect'", path, name)
  end
  return make_described(name, provider, options)
end

local function from_environment(provider)
  local options = {}
  for _, variable in ipairs(variables[provider]) do
    local option = variable[1]
    for i = 2, #variable do
      local value = os.getenv(variable[i])
      if value and value ~= "" and not settings.sim then
        options[option] = value
        break
      end
    end
    if not options[option] and not settings.sim then
      fail("target '%s': set %s, or describe it in %s", provider, variable[2],
        file_path() or "the targets file")
    end
  end
  return make_described(provider, provider, options)
end

function targets.named(name)
  if type(name) ~= "string" then
    raw.misuse("kelp.target: a name expected, got " .. type(name))
  end
  local path = file_path()
  local entries = path and read_file(path) or {}
  if entries[name] ~= nil then return from_entry(path, name, entries[name]) end
  if simulated[name] then return from_environment(name) end
  local known = {}
  for key in pairs(entries) do known[#known + 1] = tostring(key) end
  table.sort(known)
  fail("there is no target '%s' in %s%s", name, path or "the targets file",
    #known > 0 and " (it has: " .. table.concat(known, ", ") .. ")"
    or "; 'confluent', 'upstash' and 'connect' name the ones from the environment")
end

return targets
