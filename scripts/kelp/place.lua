-- place: where connectors live, as the journal has it (raw.place): shown, and made a target again.

local raw = require "kelp.raw"

local place = {}

--- The place of a JSON text of raw.place: { provider, base_url, options }.
function place.decode(text)
  local value = raw.json.decode(text)
  if type(value) ~= "table" or type(value.provider) ~= "string" or type(value.options) ~= "table" then
    error(raw.error("journal", "the journal names no place that could be read: " .. text,
      { sent = "no" }), 0)
  end
  return value
end

--- A place for a person. `is_whole`: with its address, also where options tell the place.
function place.label(value, is_whole)
  local values = {}
  for i, option in ipairs(value.options) do values[i] = option.value end
  if #values == 0 then return ("%s %s"):format(value.provider, value.base_url) end
  return ("%s %s%s"):format(value.provider, table.concat(values, "/"),
    is_whole and " at " .. value.base_url or "")
end

--- A target of that place. Where requests go, and with which credentials, is for this machine's
--- settings to say, never for the journal: its address is the caller's to compare.
function place.target(value)
  if not raw.is_provider(value.provider) then
    error(raw.error("journal", ("the journal names the provider '%s', which this kelp does not have")
      :format(value.provider), { sent = "no" }), 0)
  end
  local options = {}
  for _, option in ipairs(value.options) do options[option.name] = option.value end
  return require("kelp")[value.provider](options)
end

return place
