-- abilities: what a target can do. `can` is for scripts: the verbs, each true or false, read-only.
-- What requests the provider has, and how they behave, is for the modules beside this one. Some of it
-- depends on the server's version (provider.h): the server is asked for it once for a target, when
-- something that depends on it is wanted. A server that does not tell is taken to be new enough: what
-- it lacks is an error of its own then.

local raw = require "kelp.raw"
local providers = require "kelp.providers"

local abilities = {}

local internal = setmetatable({}, { __mode = "k" })

-- ---- the server's version ----

-- By target: { version = text, or false when the server does not tell; waiting = { task … } while
-- one of them asks }.
local told = setmetatable({}, { __mode = "k" })

local function is_cancelled(failure)
  return raw.is_error(failure) and (failure.kind == "cancelled" or failure.cause == "cancelled")
end

-- Nothing is kept of a failure without a response: the next one may come through.
local function ask(target, state)
  local ok, response = pcall(raw.exchange, target, "version")
  if not ok then
    if is_cancelled(response) or not raw.is_error(response) then error(response, 0) end
    raw.log("info", ("%s does not tell its version: %s"):format(target.label, response.message))
    if response.status then state.version = false end
    return
  end
  local version = response.version
  state.version = type(version) == "string" and version:find "^%d+%.%d+" and version or false
end

-- The server's version, or false. Of several tasks that want it, one asks.
local function version_of(target)
  local state = told[target] or {}
  told[target] = state
  while state.waiting do
    table.insert(state.waiting, raw.current())
    raw.park()
  end
  if state.version == nil then
    state.waiting = {}
    local _ <close> = setmetatable({}, { __close = function()
      local waiting = state.waiting
      state.waiting = nil
      for _, task in ipairs(waiting) do raw.wake(task) end
    end })
    ask(target, state)
  end
  return state.version
end

-- Whether that version has what came with another one.
local function has(version, since)
  if not version then return true end
  local major, minor = version:match "^(%d+)%.(%d+)"
  local needs_major, needs_minor = since:match "^(%d+)%.(%d+)"
  major, needs_major = tonumber(major), tonumber(needs_major)
  return major > needs_major or major == needs_major and tonumber(minor) >= tonumber(needs_minor)
end

-- What describes a target, with what depends on a version looked up when it is read.
local function with_versions(held, provider, described)
  local since = {}
  for name, version in pairs(providers.by_name[provider].abilities) do
    if described[name] then since[name], described[name] = version, nil end
  end
  return setmetatable(described, { __index = function(_, name)
    return since[name] and has(version_of(held.target), since[name]) or nil
  end })
end

--- Why the target lacks something that its provider offers in other versions, for a message; nil
--- when the version is not the reason.
function abilities.reason(target, name)
  local since, state = providers.by_name[target.provider].abilities[name], told[target]
  if not since or not state or has(state.version, since) then return nil end
  return ("the server's version is %s, and %s came with %s"):format(state.version,
    name:gsub("_", " "), since)
end

-- ---- what a target can do ----

--- For kelp's own modules: requests by name, and merge, remove_keys, masks, … (raw.describe). What
--- turns out to be otherwise is set there.
function abilities.of(target)
  return internal[target]
end

-- The verbs that are made of other requests, where there is no such request.
local made_of = {
  find = { "get" },
  wait = { "status" },
  update = { "get", "put" },
  put = { "list", "create", "update" },
}

local function has_all(requests, names)
  if not names then return false end
  for _, name in ipairs(names) do
    if not requests[name] then return false end
  end
  return true
end

--- Whether the verb works on that target; nil for what is no verb.
function abilities.offers(target, verb)
  local row = raw.verbs[verb]
  if not row or not row.public or not row.on_target then return nil end
  local requests = internal[target]
  return requests[verb] == true or has_all(requests, made_of[verb])
end

local function next_verb(can, verb)
  local past = verb == nil
  for _, row in ipairs(raw.verbs) do
    if past and can[row.name] ~= nil then return row.name, can[row.name] end
    past = past or row.name == verb
  end
end

--- What target.can is, for a target that raw.describe has described.
function abilities.can(target, described)
  -- The target holds what this returns: a strong reference back would be a circle that the weak
  -- table above cannot tell from a use.
  local held = setmetatable({ target = target }, { __mode = "v" })
  internal[target] = with_versions(held, target.provider, described)
  return setmetatable({}, {
    __index = function(_, verb) return abilities.offers(held.target, verb) end,
    __newindex = function(_, verb)
      raw.misuse(("target.can is read-only, and '%s' cannot be set"):format(tostring(verb)))
    end,
    __pairs = function(can) return next_verb, can, nil end,
    __metatable = false,
  })
end

return abilities
