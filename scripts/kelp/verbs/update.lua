-- update: some keys change and the others stay, in one request where the provider can merge.

local raw = require "kelp.raw"
local abilities = require "kelp.abilities"
local preparation = require "kelp.preparation"
local reconcile = require "kelp.reconcile"
local write = require "kelp.write"

local verb = {}
local refuse, sorted_keys = preparation.refuse, preparation.sorted_keys

-- Splits changes into what to set and what to remove (kelp.null).
local function split(changes)
  local set, removed = {}, {}
  for key, value in pairs(changes) do
    if value == raw.json.null then removed[key] = true else set[key] = value end
  end
  return set, removed
end

-- The config that is to be written when only these keys change: what the provider adds itself is
-- left out, and no mask goes back by accident.
local function overlay(w, config, set, removed)
  local result, masked = {}, {}
  for key, value in pairs(config) do
    if not raw.is_injected(key) and not removed[key] then
      result[key] = value
      if set[key] == nil and raw.is_mask(value) then masked[key] = true end
    end
  end
  for key, value in pairs(set) do result[key] = value end
  if next(masked) then
    result = preparation.unmasked(w.target, w.name, result)
    for key in pairs(masked) do
      if not raw.is_mask(result[key]) then masked[key] = nil end
    end
  end
  if next(masked) and not w.keep_masked then
    local keys = sorted_keys(masked)
    refuse(w.target, "masked", "update", w.name,
      ("the provider shows only asterisks for these keys, and an update sends the whole config: "
        .. "supply them, name where they come from in the target's option secrets, or say "
        .. "keep_masked = true: %s"):format(table.concat(keys, ", ")),
      { keys = keys })
  end
  return result
end

-- What no provider takes, or not this one.
local function check_changes(target, name, changes, removed)
  if next(removed) and not abilities.of(target).remove_keys then
    refuse(target, "unsupported", "update", name,
      ("a key cannot be removed there: %s"):format(table.concat(sorted_keys(removed), ", ")))
  end
  if removed.name or removed["connector.class"] then
    refuse(target, "invalid", "update", name, "name and connector.class cannot be removed")
  end
  if not next(changes) then
    refuse(target, "invalid", "update", name, "there is nothing to change: the table is empty")
  end
end

-- Reads the config and writes it with the changes in it.
local function replace(w, current, set, removed)
  w.id, w.members = w.name, nil
  w.config = overlay(w, current.config or {}, set, removed)
end

-- Changes these keys in one request. Where the worker turns out to be too old for it, the target's
-- updates read and replace from then on.
local function merge(w, set, removed)
  local ok, result = pcall(reconcile.config, w, "update")
  if ok then return result end
  local target = w.target
  local status = raw.is_error(result) and result.status
  -- The worker does not know the method, or somebody on the way does not let it pass.
  local lacks = status == 404 or status == 405 or status == 501 or status == 403 and result.not_json
  if not (lacks and abilities.of(target).put) then error(result, 0) end
  local current = raw.exchange(target, "get", w.name, nil, { verb = "update" })
  abilities.of(target).merge = false
  replace(w, current, set, removed)
  return reconcile.config(w, "put")
end

-- JSON nulls for the keys that go, beside what is set.
local function nulls_for(removed)
  local members = {}
  for key in pairs(removed) do members[key] = raw.json.null end
  return members
end

local NOTHING <const> = {}

local function is_unchanged(w, connector, set, removed)
  return preparation.is_unchanged(w, connector, function(c)
    return preparation.has_all(c.config or NOTHING, set, removed)
  end)
end

local known = { keep_masked = true, key = true }

function verb.update(target, connector, changes, options)
  preparation.check_config("update", changes)
  options = preparation.check_options("update", options, known)
  local name, merges = preparation.name_of("update", connector), abilities.of(target).merge
  changes = preparation.unwrapped("update", name, changes)
  local keep_masked = preparation.keeps_masked(target, options.keep_masked)
  local request, has_null = preparation.changes(target, name, changes,
    keep_masked and not merges)
  local set, removed = request, NOTHING
  if has_null then set, removed = split(request) end
  check_changes(target, name, request, removed)
  local w, recorded = write.new(target, "update", name, request, options.key)
  if recorded then return recorded end
  w.keep_masked = keep_masked
  if merges then
    w.pre_image, w.id = preparation.current(target, "update", connector)
    if is_unchanged(w, connector, set, removed) then return write.leave(w, w.pre_image) end
    w.config, w.members = set, has_null and nulls_for(removed) or nil
    return preparation.named(w.id, name, write.carry_out, w, merge, set, removed)
  end
  w.pre_image = preparation.read(target, "get", name, nil, { verb = "update" })
  if is_unchanged(w, nil, set, removed) then return write.leave(w, w.pre_image) end
  replace(w, w.pre_image, set, removed)
  return write.carry_out(w, reconcile.config, "put")
end

return verb
