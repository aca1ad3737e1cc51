-- job.lua: a bulk job as somebody would write it: the steps of a JSON file, a bounded number at a
-- time. A step is { name, verbs }: each verb of it comes after the one before.
-- Arguments: FILE

local kelp = require "kelp"

local file = assert(io.open(arg[1], "rb"))
local spec = kelp.json.decode(file:read "a")
file:close()

local target = kelp[spec.provider](spec.target)
local secret = kelp.secret "SINK_SECRET"
spec.config["aws.secret.access.key"] = secret

local report = kelp.each(spec.steps, function(step)
  local connector = step.name
  for _, verb in ipairs(step.verbs) do
    if verb == "create" then
      connector = target:create(step.name, spec.config)
    elseif verb == "update" then
      target:update(connector, { ["batch.size"] = spec.marker,
        ["aws.secret.access.key"] = secret })
    else
      target[verb](target, connector)
    end
  end
end, { concurrency = spec.concurrency, progress = false })

print(report)
report:assert()
