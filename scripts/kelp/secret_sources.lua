-- secret_sources: where the secrets of a target's connectors come from: its options `secrets` and
-- `keep_masked`. Providers that show masks in place of secrets take whole configs, so that whoever
-- changes a config has to supply them again; the target says once from where:
--   secrets = { ["kafka.api.secret"] = SOURCE,
--               { connectors = "orders-*", ["connection.password"] = SOURCE } }
-- SOURCE is a kelp.secret, or a promise of one (promise, below), which is kept when it is needed.

local raw = require "kelp.raw"
local providers = require "kelp.providers"

local secret_sources = {}

-- target -> { keys = { [key] = source }, entries = { { connectors, keys } }, keep_masked }
local by_target = setmetatable({}, { __mode = "k" })

local Promise = {}

--- A source that calls ask() for its value, at most once.
function secret_sources.promise(ask)
  return setmetatable({ ask = ask }, Promise)
end

--- True for a promise, which options other than `secrets` have to keep at once.
function secret_sources.is_promise(value)
  return type(value) == "table" and getmetatable(value) == Promise
end

--- The value of a source.
function secret_sources.open(source)
  if not secret_sources.is_promise(source) then return source end
  if source.value == nil then source.value = source.ask() end
  return source.value
end

-- ---- the options ----

local function is_source(value)
  return secret_sources.is_promise(value)
    or type(value) == "userdata" and getmetatable(value) == "kelp.secret"
end

local function check_source(where, key, value)
  if is_source(value) then return value end
  raw.misuse(("%s: secrets: %s must be a kelp.secret (in the targets file env, file or command), "
    .. "got %s"):format(where, key, type(value)))
end

-- { connectors = GLOB, [key] = source, … }
local function read_entry(where, number, entry)
  local name = ("%s: secrets[%d]"):format(where, number)
  if type(entry) ~= "table" or is_source(entry) then
    raw.misuse(name .. " must be a table { connectors = \"name-*\", [key] = source }")
  end
  local glob = entry.connectors
  if type(glob) ~= "string" then raw.misuse(name .. ": connectors must be a glob of names") end
  local fault = raw.glob_fault(glob)
  if fault then raw.misuse(("%s: connectors '%s': %s"):format(name, glob, fault)) end
  local keys = {}
  for key, value in pairs(entry) do
    if type(key) ~= "string" then raw.misuse(name .. ": every source needs the name of its key") end
    if key ~= "connectors" then keys[key] = check_source(name:gsub(": secrets", "", 1), key, value) end
  end
  if not next(keys) then raw.misuse(name .. " has no key with a source") end
  return { connectors = glob, keys = keys }
end

local function read_secrets(where, secrets)
  local sources = { keys = {}, entries = {} }
  if type(secrets) ~= "table" or is_source(secrets) then
    raw.misuse(where .. ": secrets must be a table of sources by config key")
  end
  for key, value in pairs(secrets) do
    if key == "connectors" then
      raw.misuse(where .. ": secrets: connectors goes into a table of its own, { connectors = … }")
    elseif type(key) == "string" then
      sources.keys[key] = check_source(where, key, value)
    elseif math.type(key) ~= "integer" or key < 1 or key > #secrets then
      raw.misuse(("%s: secrets: %s is no config key"):format(where, tostring(key)))
    end
  end
  for i, entry in ipairs(secrets) do sources.entries[i] = read_entry(where, i, entry) end
  return sources
end

-- Under --sim no secret of the user's is asked for: what the simulator takes stands in for each.
local function simulated(sources, provider)
  local stand_in = secret_sources.promise(function() return "simulated-secret" end)
  for _, key in ipairs(provider.simulated_secrets) do
    sources.keys[key] = sources.keys[key] or stand_in
  end
  for key in pairs(sources.keys) do sources.keys[key] = stand_in end
  for _, entry in ipairs(sources.entries) do
    for key in pairs(entry.keys) do entry.keys[key] = stand_in end
  end
end

--- Takes both options out of `options` (a table, changed); returns what they say, for `keep`.
function secret_sources.take(provider, options, is_simulated)
  local where = "kelp." .. provider.name
  local sources = read_secrets(where, options.secrets == nil and {} or options.secrets)
  if options.keep_masked ~= nil and type(options.keep_masked) ~= "boolean" then
    raw.misuse(where .. ": keep_masked must be true or false")
  end
  sources.keep_masked = options.keep_masked
  options.secrets, options.keep_masked = nil, nil
  if is_simulated then simulated(sources, provider) end
  return sources
end

--- Makes them those of the target.
function secret_sources.keep(target, sources)
  by_target[target] = sources
end

-- ---- what they supply ----

local function source_for(sources, name, key)
  for _, entry in ipairs(sources.entries) do
    if entry.keys[key] and raw.glob_matches(entry.connectors, name) then return entry.keys[key] end
  end
  return sources.keys[key]
end

--- The value of that key of that connector, nil when no source is named for it. A source that gives
--- none is an error that names the key.
function secret_sources.value(target, name, key)
  local sources = by_target[target]
  local source = sources and source_for(sources, name, key)
  if not source then return nil end
  local ok, value = pcall(secret_sources.open, source)
  if ok then return value end
  if raw.is_error(value) then error(value, 0) end
  error(raw.error("invalid", ("the target's secrets: %s: %s"):format(key,
    (tostring(value):gsub("^.-kelp%.secret: ", ""))), { target = target.label,
    provider = target.provider, connector = name, sent = "no" }), 0)
end

-- The keys that a whole config should have: those of the entries for this connector, and those that
-- the provider itself asks for.
local function each_wanted(target, sources, name, config, want)
  for _, entry in ipairs(sources.entries) do
    if raw.glob_matches(entry.connectors, name) then
      for key in pairs(entry.keys) do want(key) end
    end
  end
  local provider = providers.by_name[target.provider]
  local mode = provider.cluster_mode
  if mode and config[mode.key] ~= nil and config[mode.key] ~= mode.value then return end
  for _, key in ipairs(provider.cluster_keys) do
    if sources.keys[key] then want(key) end
  end
end

--- The config with values in place of masks, as far as the target has sources for them; `is_whole`:
--- and with the keys that are missing in it. A copy when something is filled in.
function secret_sources.fill(target, name, config, is_whole)
  local sources = by_target[target]
  if not sources or not next(sources.keys) and #sources.entries == 0 then return config end
  local filled
  local function supply(key)
    local value = secret_sources.value(target, name, key)
    if value == nil then return end
    if not filled then
      filled = {}
      for k, v in pairs(config) do filled[k] = v end
    end
    filled[key] = value
  end
  for key, value in pairs(config) do
    if type(key) == "string" and raw.is_mask(value) then supply(key) end
  end
  if is_whole then
    each_wanted(target, sources, name, config, function(key)
      if config[key] == nil and not (filled and filled[key] ~= nil) then supply(key) end
    end)
  end
  return filled or config
end

--- Whether masks are sent back: what the verb's options say, else the target's.
function secret_sources.keeps_masked(target, option)
  if option ~= nil then return option end
  local sources = by_target[target]
  return sources and sources.keep_masked
end

return secret_sources
