-- The bulk job of bench.sh as a kelp script: kelp bench.lua URL. Updates all connectors, restarts
-- all, lists them and deletes all.
local kelp = require "kelp"

local target = kelp.connect { url = arg[1] }

local function each(fn)
  local report = kelp.each(target:list(), fn, { progress = false })
  if report.failed + report.unknown > 0 then error(tostring(report), 0) end
end

each(function(c) c:update { ["errors.tolerance"] = "all" } end)
each(function(c) c:restart() end)
for _, c in ipairs(target:list()) do
  assert(c.config["errors.tolerance"] == "all", c.name)
end
each(function(c) c:delete() end)
