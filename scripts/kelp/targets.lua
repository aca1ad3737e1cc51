-- targets: how a target comes about: from options, by name from the targets
-- file, or, under --sim, on the built-in simulator.

local raw = require "kelp.raw"
local abilities = require "kelp.abilities"
local settings = require "kelp.settings"
local providers = require "kelp.providers"
local selection = require "kelp.selection"
local secret_sources = require "kelp.secret_sources"

local targets = {}

-- What is wrong with a file or an environment is no fault of the script's code.
local function fail(message, ...)
  error(raw.error("invalid", message:format(...), { sent = "no" }), 0)
end

local function copy(options)
  local result = {}
  for key, value in pairs(options) do result[key] = value end
  return result
end

-- Under --sim nothing leaves this machine, whatever the options say.
local function simulate(provider, options)
  options = copy(options)
  for _, place in ipairs(provider.places) do
    options[place.name] = options[place.name] or place.simulated
  end
  for _, credential in ipairs(provider.credentials) do
    options[credential.option] = credential.simulated
  end
  for _, key in ipairs { "ca_file", "cert_file", "key_file", "key_password", "proxy" } do
    options[key] = nil
  end
  options[provider.address] = settings.sim .. provider.simulator_path
  return options
end

-- Where the address is all that there is to say, the environment may say it.
local function needs_options(provider)
  return provider.places[1] ~= nil
end

--- The target of a provider (one of providers.list) that kelp.NAME(options) is.
function targets.make(provider, options)
  if options == nil and not needs_options(provider) then options = {} end
  if settings.sim and (options == nil or type(options) == "table") then
    options = simulate(provider, options or {})
  end
  local sources
  if type(options) == "table" then
    options = copy(options)
    sources = secret_sources.take(provider, options, settings.sim)
    for _, name in ipairs { "timeout", "concurrency", "rate" } do
      if options[name] == nil then options[name] = settings[name] end
    end
  end
  local target = raw.target(provider.name, options)
  local fields, described = raw.describe(target)
  fields.can = abilities.can(target, described)
  secret_sources.keep(target, sources)
  return target
end

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

-- A command is run once, in however many places the file names it.
local outputs = {}

local function output_of(line)
  outputs[line] = outputs[line] or raw.secret { command = line }
  return outputs[line]
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
    command = output_of,
  }
  -- Every entry is evaluated, so a source is only asked when its target is used.
  local lazy = {}
  for name, ask in pairs(sources) do
    lazy[name] = function(argument)
      if type(argument) ~= "string" then
        fail("%s: %s needs a string", path, name)
      end
      return secret_sources.promise(function() return ask(argument) end)
    end
  end
  if text:sub(1, 3) == "\u{feff}" then text = text:sub(4) end -- a byte order mark, as in scripts
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

-- As targets.make, for a target that a file or the environment describes: what is wrong with it is
-- said of them, without the way through the code that asked for it.
local function make_described(name, provider, options)
  local ok, result = pcall(targets.make, provider, options)
  if ok then return result end
  local misuse = type(result) == "string" and result:match("kelp%." .. provider.name .. ": (.*)$")
  if misuse then fail("target '%s': %s", name, misuse) end
  error(result, 0)
end

-- What a source of the file gives; that it gives nothing is said of the file, in one line.
local function ask(path, name, key, source)
  local ok, value = pcall(secret_sources.open, source)
  if ok then return value end
  if raw.is_error(value) and value.kind == "cancelled" then error(value, 0) end
  local why = raw.is_error(value) and value.message or tostring(value)
  fail("%s: target '%s': %s: %s", path, name, tostring(key), (why:gsub("\n.*", "")))
end

local function from_entry(path, name, entry)
  if type(entry) ~= "table" then
    fail("%s: target '%s' must be a table", path, name)
  end
  local options = {}
  for key, value in pairs(entry) do
    options[key] = secret_sources.is_promise(value) and ask(path, name, key, value) or value
  end
  local provider = providers.by_name[options.provider]
  options.provider = nil
  if not provider then
    fail("%s: target '%s': provider must be %s", path, name, providers.names())
  end
  return make_described(name, provider, options)
end

local function from_environment(provider)
  local options = {}
  for _, place in ipairs(settings.sim and {} or provider.places) do
    for _, variable in ipairs(place.variables) do
      local value = os.getenv(variable)
      if value and value ~= "" then
        options[place.name] = value
        break
      end
    end
    if not options[place.name] then
      fail("target '%s': set %s, or describe it in %s", provider.name, place.variables[1],
        file_path() or "the targets file")
    end
  end
  return make_described(provider.name, provider, options)
end

function targets.named(name)
  if type(name) ~= "string" then
    raw.misuse("kelp.target: a name expected, got " .. type(name))
  end
  local path = file_path()
  local entries = path and read_file(path) or {}
  if entries[name] ~= nil then return from_entry(path, name, entries[name]) end
  if providers.by_name[name] then return from_environment(providers.by_name[name]) end
  local known, words = {}, {}
  for key in pairs(entries) do known[#known + 1] = tostring(key) end
  table.sort(known)
  table.move(known, 1, #known, 1, words)
  for _, provider in ipairs(providers.list) do words[#words + 1] = provider.name end
  fail("there is no target '%s' in %s%s%s", name, path or "the targets file",
    selection.did_you_mean(name, words), #known > 0 and " (it has: " .. table.concat(known, ", ") .. ")"
    or ("; %s name the ones from the environment"):format(providers.names "and"))
end

return targets
