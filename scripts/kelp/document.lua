-- document: the one JSON document that a command prints under --output json. Under --plan it is a
-- part of the plan's document.

local raw = require "kelp.raw"
local settings = require "kelp.settings"

--- Prints the value, or hands it to the plan.
return function(value)
  if settings.plan then
    require("kelp.plan").set_document(value)
  else
    print(raw.json.encode(value))
  end
end
