-- put: the config becomes exactly this, or the connector is made.

local raw = require "kelp.raw"
local abilities = require "kelp.abilities"
local preparation = require "kelp.preparation"
local reconcile = require "kelp.reconcile"
local write = require "kelp.write"

local verb = {}

-- What is there of that name, or nil: for the record of a put.
local function pre_image_of(w)
  if not write.wants_pre_image() then return nil end
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

-- Where there is no such request: a create, or an update of all keys.
local function create_or_update(w)
  local current = preparation.pick(w.target, "put", w.name)
  local made_it = w.ambiguous and not (w.found and w.found.pre_image)
  if not current or made_it then return write.carry_out(w, reconcile.create) end
  w.members = keys_that_go(w, current.config)
  w.pre_image, w.id = current, current.id
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
  w.pre_image = pre_image_of(w)
  return write.carry_out(w, reconcile.config, "put")
end

return verb
