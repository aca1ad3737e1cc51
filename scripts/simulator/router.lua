-- router: the simulator's entry: makes a world and answers requests for every provider in it.
-- Pure: router.handle(world, request) -> reply, with world.now set by the caller before each call.
--
-- request = { method, path (raw, percent-encoded), query (raw, "" when there is none), headers
-- (lower-case names), body (string) }; reply = { status, headers, body }.

local world = require "simulator.world"

local providers = {
  confluent = require "simulator.confluent",
  upstash = require "simulator.upstash",
}
local control = require "simulator.control"

local router = {}

-- options: as world.new, without providers, and state: a form as world.lua has it, or nil for
-- the example. Raises a string when the state is wrong.
function router.new(options)
  local w = world.new {
    json = options.json, providers = providers, seed = options.seed, rate = options.rate,
    provisioning = options.provisioning, epoch = options.epoch, now = options.now,
  }
  w:load(options.state or require "simulator.example")
  return w
end

-- As router.new, for a host that has the state as JSON text (nil: the example).
function router.open(json, options, state_text)
  options.json = json
  if state_text then
    local ok, state = pcall(json.decode, state_text)
    if not ok then error("the state is not JSON: " .. tostring(state), 0) end
    options.state = state
  end
  return router.new(options)
end

function router.handle(w, request)
  local provider, path = request.path:match("^/([%w_]+)/(.*)$")
  local model = providers[provider]
  if model then return model.handle(w, path, request) end
  if provider == "_simulator" then return control.handle(w, path, request) end
  w:count_request(request.method, "(unknown)")
  return {
    status = 404, headers = { ["Content-Type"] = "text/plain" },
    body = "no provider is simulated at this path",
  }
end

return router
