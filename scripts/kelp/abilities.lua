-- abilities: what a target can do. `can` is for scripts: the verbs, each true or false, read-only.
-- What requests the provider has, and how they behave, is for the modules beside this one.

local raw = require "kelp.raw"

local abilities = {}

local internal = setmetatable({}, { __mode = "k" })

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
  internal[target] = described
  -- The target holds what this returns: a strong reference back would be a circle that the weak
  -- table above cannot tell from a use.
  local held = setmetatable({ target = target }, { __mode = "v" })
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
