-- pause, resume and stop: the verbs that set a state.

local raw = require "kelp.raw"
local preparation = require "kelp.preparation"
local reconcile = require "kelp.reconcile"
local record = require "kelp.record"
local write = require "kelp.write"

local verb = {}

local known = { key = true }

local function set_state(name, target, connector, options)
  options = preparation.check_options(name, options, known)
  local of = preparation.name_of(name, connector)
  preparation.need(target, name, of)
  local w, recorded = write.new(target, name, of, nil, options.key)
  if recorded then return recorded end
  w.pre_image, w.id = preparation.current(target, name, connector)
  local wanted = raw.verbs[name].state
  if preparation.is_unchanged(w, connector, function(c) return record.own_state(c) == wanted end) then
    return write.leave(w, true)
  end
  return preparation.named(w.id, of, write.carry_out, w, reconcile.state, name)
end

for _, row in ipairs(raw.verbs) do
  if row.public and row.inverse == "state" then
    verb[row.name] = function(...) return set_state(row.name, ...) end
  end
end

return verb
