-- create.

local raw = require "kelp.raw"
local abilities = require "kelp.abilities"
local offsets = require "kelp.offsets"
local preparation = require "kelp.preparation"
local settings = require "kelp.settings"
local write = require "kelp.write"

local verb = {}

-- What is recorded of a create: where it starts is part of what is asked for.
local function with_start(config, options)
  if not options.offsets and not options.state then return config end
  local request = {}
  for key, value in pairs(config) do request[key] = value end
  request["$state"] = options.state
  request["$offsets"] = options.offsets and raw.json.encode(options.offsets) or nil
  return request
end

-- Names are not documented to be unique where connectors go by id, so the provider cannot be
-- trusted to refuse a second one; and a plan sends nothing that could be refused.
local function check_is_new(w)
  if not (abilities.of(w.target).address_by_id or settings.plan) or w.ambiguous then return end
  local found = preparation.with_name(w.target, w.name)[1]
  if found then
    preparation.refuse(w.target, "exists", "create", w.name,
      ("a connector '%s' exists already%s"):format(w.name,
        abilities.of(w.target).address_by_id and (" (id %s)"):format(found.id) or ""), { id = found.id })
  end
end

local known = { key = true, offsets = true, state = true }

function verb.create(target, name, config, options)
  if type(name) ~= "string" then
    raw.misuse(("create: a name expected, got %s"):format(type(name)))
  end
  preparation.check_config("create", config)
  options = preparation.check_options("create", options, known)
  raw.check_name(name)
  local start = offsets.check_start(target, name, options)
  config = preparation.unwrapped("create", name, config)
  config = preparation.config(target, "create", name, config)
  local w, recorded = write.new(target, "create", name, with_start(config, options), options.key)
  if recorded then return recorded end
  w.config = config
  check_is_new(w)
  return write.carry_out(w, offsets.create, start, options.state)
end

return verb
