-- known_keys: the config keys that a plugin defines, for a plan to mark those that it does not. Asked
-- for once for each class of a target, without the config: no value leaves for it.

local raw = require "kelp.raw"
local abilities = require "kelp.abilities"
local selection = require "kelp.selection"

local known_keys = {}

-- What a worker takes beside a plugin's own keys.
local passed_on = { "transforms.", "predicates.", "key.converter.", "value.converter.",
                    "header.converter.", "producer.override.", "consumer.override.",
                    "admin.override.", "topic.creation.", "errors.", "config.providers." }

local by_target = setmetatable({}, { __mode = "k" })

local function ask(target, class)
  local ok, judged = pcall(target.validate, target, { ["connector.class"] = class })
  local keys = ok and selection.words_of(judged.keys) or {}
  return #keys > 0 and keys or nil
end

-- The keys in their order, false when nobody can tell them.
local function keys_of(target, class)
  local of = by_target[target] or {}
  by_target[target] = of
  if of[class] == nil then of[class] = ask(target, class) or false end
  return of[class]
end

local function is_passed_on(key)
  for _, prefix in ipairs(passed_on) do
    if key:sub(1, #prefix) == prefix then return true end
  end
  return false
end

local function is_among(key, keys)
  for _, other in ipairs(keys) do
    if other == key then return true end
  end
  return false
end

--- Notes about those of the keys that the class does not define; none where it cannot be asked.
function known_keys.notes(target, class, keys)
  local notes = {}
  if type(class) ~= "string" or not abilities.offers(target, "validate") then return notes end
  for _, key in ipairs(keys) do
    local defined = not is_passed_on(key) and not raw.is_injected(key) and keys_of(target, class)
    if defined and not is_among(key, defined) then
      notes[#notes + 1] = ("%s: the plugin does not define this key%s"):format(key,
        selection.did_you_mean(key, defined))
    end
  end
  return notes
end

return known_keys
