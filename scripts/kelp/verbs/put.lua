-- put: the config becomes exactly this, or the connector is made.

local raw = require "kelp.raw"
local abilities = require "kelp.abilities"
local preparation = require "kelp.preparation"
local reconcile = require "kelp.reconcile"
local write = require "kelp.write"

local verb = {}

-- What is there of that name, or nil.
local function pre_image_of(w, connector)
  if preparation.is_known(w.target, "put", connector) then return connector end
  local ok, c = pcall(preparation.read, w.target, "get", w.name, nil, { verb = "put" })
  if ok then return c end
  if raw.is_error(c) and c.kind == "not_found" then return nil end
  error(c, 0)
end

-- The keys that go, beside what is set. Where keys cannot be removed, a config that has more
-- cannot become this one.
local function keys_that_go(w, config)
  local extra = {}
  for key in pairs(config or {}) do
    if w.config[key] == nil and not raw.is_injected(key) then extra[key] = true end
  end
  if not next(extra) then return nil end
  if abilities.of(w.target).remove_keys then
    for key in pairs(extra) do extra[key] = raw.json.null end
    return extra
  end
  local keys = preparation.sorted_keys(extra)
  preparation.refuse(w.target, "unsupported", "put", w.name,
    ("a key cannot be removed there, and the connector has more than the new config: %s")
      :format(table.concat(keys, ", ")), { keys = keys })
end

-- True when the connector's config is the one that is put. `w.id` is its address.
local function is_unchanged(w, connector)
  local set = {}
  for key, value in pairs(w.config) do
    if not raw.is_injected(key) then set[key] = value end
  end
  return preparation.is_unchanged(w, connector, function(c)
    local config, extra = c.config or {}, {}
    if set.name and not config.name then config.name = c.name end
    for key in pairs(config) do
      if set[key] == nil and not raw.is_injected(key) and key ~= "name" then extra[key] = true end
    end
    return preparation.has_all(config, set, extra)
  end)
end

-- Where there is no such request: a create, or an update of all keys.
local function create_or_update(w)
  local current = preparation.pick(w.target, "put", w.name)
  local made_it = w.ambiguous and not (w.found and w.found.pre_image)
  if not current or made_it then return write.carry_out(w, reconcile.create) end
  w.pre_image, w.id = current, current.id
  if is_unchanged(w) then return write.leave(w, current) end
  w.members = keys_that_go(w, current.config)
  return preparation.named(w.id, w.name, write.carry_out, w, reconcile.config, "update")
end

local known = { key = true }

function verb.put(target, connector, config, options)
  preparation.check_config("put", config)
  options = preparation.check_options("put", options, known)
  local name = preparation.name_of("put", connector)
  config = preparation.unwrapped("put", name, config)
  config = preparation.config(target, "put", name, config)
  local w, recorded = write.new(target, "put", name, config, options.key)
  if recorded then return recorded end
  w.config = config
  if not abilities.of(target).put then return create_or_update(w) end
  w.pre_image = pre_image_of(w, connector)
  if is_unchanged(w, connector) then return write.leave(w, w.pre_image) end
  return write.carry_out(w, reconcile.config, "put")
end

return verb
