-- bulk: the same verb for many connectors with kelp.each, as a job does, and its report as JSON.
-- Ends as the report says.
local kelp = require "kelp"
local show = require "show"

local file = assert(io.open(arg[1], "rb"))
local spec = kelp.json.decode(file:read "a")
file:close()

local target = kelp[spec.provider](spec.target)
local names = {}
for i = 1, spec.count do names[i] = ("faulty-%03d"):format(i) end

local report = kelp.each(names, function(name)
  if spec.verb == "create" then return target:create(name, spec.config) end
  return target[spec.verb](target, spec.verb ~= "list" and name or nil)
end, { concurrency = spec.concurrency, progress = false })

local kinds = {}
for _, failure in ipairs(report.errors) do
  kinds[failure.kind] = (kinds[failure.kind] or 0) + 1
end
show.results({}, { done = report.done, failed = report.failed, unknown = report.unknown,
                   skipped = report.skipped, kinds = kinds })
report:assert()
