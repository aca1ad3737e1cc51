-- delete.

local raw = require "kelp.raw"
local offsets = require "kelp.offsets"
local preparation = require "kelp.preparation"
local reconcile = require "kelp.reconcile"
local write = require "kelp.write"

local verb = {}

-- True when the connector is not the one that an earlier run meant: made anew since.
local function is_another(w, current)
  local before = w.found and w.found.pre_image and raw.json.decode(w.found.pre_image)
  return type(before) == "table" and before.id ~= nil and current ~= nil
    and current.id ~= nil and current.id ~= before.id
end

local function is_gone() return true end

local known = { key = true }

function verb.delete(target, connector, options)
  options = preparation.check_options("delete", options, known)
  local name = preparation.name_of("delete", connector)
  local w, recorded = write.new(target, "delete", name, nil, options.key)
  if recorded then return recorded end
  local ok, current, id = pcall(preparation.current, target, "delete", connector)
  if ok then
    w.pre_image, w.id = current and offsets.with_offsets("delete", target, current), id
  elseif not (w.ambiguous and raw.is_error(current) and current.kind == "not_found") then
    error(current, 0)
  end
  -- What an earlier run may have deleted, and is not there, is deleted.
  local gone = w.ambiguous and (not ok or is_another(w, current))
  return preparation.named(w.id, name, write.carry_out, w, gone and is_gone or reconcile.delete)
end

return verb
