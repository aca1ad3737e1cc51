-- effects: what a plan announces and what happened, in one form, so that they can be compared:
-- "ACTION NAME" for each write, and "KEY: OLD > NEW" for each key that changed.
local providers = require "providers"

local effects = {}

local function is_canary(value)
  for _, canary in pairs(providers.canaries) do
    if value == canary then return true end
  end
  return false
end

local function sorted(set)
  local list = {}
  for text in pairs(set) do list[#list + 1] = text end
  table.sort(list)
  return list
end

local writes_config = { create = true, update = true, put = true, patch = true }

--- The actions of the simulator's log of effects, in order. may_repeat: the same one twice is one.
function effects.done(log, null, may_repeat)
  local actions = {}
  for _, e in ipairs(log) do
    local action = e.verb:match "^restart" or e.verb
    if writes_config[action] then action = e.before == null and "create" or "update" end
    local text = action .. " " .. e.name
    if not (may_repeat and actions[#actions] == text) then actions[#actions + 1] = text end
  end
  return actions
end

--- The actions of a plan's document, in order.
function effects.planned(plan)
  local actions = {}
  for i, step in ipairs(plan.plan) do actions[i] = step.action .. " " .. step.connector end
  return actions
end

-- Hidden keys by connector, as the plan says them: "set", "replaced" or "removed".
local function hidden_of(plan)
  local hidden = {}
  for _, step in ipairs(plan.plan) do
    for _, c in ipairs(step.changes or {}) do
      if c.secret then
        hidden[step.connector .. " " .. c.key] = c.old and c.new and "replaced"
          or c.new and "set" or "removed"
      end
    end
  end
  return hidden
end

local function shown(value, hidden)
  if value == nil then return "" end
  return (hidden or is_canary(value)) and "<secret>" or value
end

--- The changes of configs that a plan's document announces, sorted.
function effects.planned_changes(plan)
  local set = {}
  for _, step in ipairs(plan.plan) do
    for _, c in ipairs(writes_config[step.action] and step.changes or {}) do
      set[("%s %s: %s > %s"):format(step.connector, c.key, shown(c.old, c.secret and c.old),
        shown(c.new, c.secret and c.new))] = true
    end
  end
  return sorted(set)
end

--- The changes of configs between two worlds, with what the plan hides hidden too. That a secret
--- is replaced by the same one, no plan can see: it counts as a change. What became of a connector
--- that was deleted is no change of its config.
function effects.changes(before, after, plan)
  local set, hidden = {}, hidden_of(plan)
  for name, c in pairs(after) do
    local old, keys = before[name] and before[name].config or {}, {}
    for key in pairs(old) do keys[key] = true end
    for key in pairs(c.config) do keys[key] = true end
    for key in pairs(keys) do
      local is_hidden = hidden[name .. " " .. key]
      if old[key] ~= c.config[key] or is_hidden == "replaced" then
        set[("%s %s: %s > %s"):format(name, key, shown(old[key], is_hidden),
          shown(c.config[key], is_hidden))] = true
      end
    end
  end
  return sorted(set)
end

return effects
