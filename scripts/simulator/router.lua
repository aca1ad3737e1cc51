-- router: the simulator's entry: makes a world and answers requests for every provider in it.
-- Pure: router.handle(world, request) -> reply, with world.now set by the caller before each call.
--
-- request = { method, path (raw, percent-encoded), query (raw, "" when there is none), headers
-- (lower-case names), body (string) }; reply = { status, headers, body },
-- and with faults also connection and delay (see faults.lua).

local faults = require "simulator.faults"
local lag = require "simulator.lag"
local world = require "simulator.world"

local control = require "simulator.control"

local router = {}

-- The model of each provider is the module of its name beside this one.
local function models_of(names)
  local models = {}
  for _, name in ipairs(names) do models[name] = require("simulator." .. name) end
  return models
end

-- What all models have to show.
local function example_of(models)
  local state = {}
  for name, model in pairs(models) do state[name] = model.example end
  return state
end

-- options: as world.new, but providers is a list of names; state: a form as world.lua has it, or
-- nil for the example; lag: seconds that reads are behind; faults: a specification as faults.lua has it. Raises
-- a string when one of them is wrong.
function router.new(options)
  local models = models_of(options.providers)
  local w = world.new {
    json = options.json, providers = models, seed = options.seed, rate = options.rate,
    provisioning = options.provisioning, epoch = options.epoch, now = options.now,
  }
  local state = options.state or example_of(models)
  if options.lag and options.lag > 0 then
    local generator = w.generator
    w:load(state)
    w.lag = lag.new(options.lag, w.places)
    w.generator = generator -- so that what has no id yet gets the same one in both copies
  end
  w:load(state)
  if options.faults then w.faults = faults.new(options.faults, options.seed) end
  return w
end

-- As router.new, for a host that has the state as JSON text (nil: the example), and the faults as
-- a specification in one line or as JSON.
function router.open(json, options, state_text)
  options.json = json
  if options.faults and options.faults:find("^%s*{") then
    local ok, form = pcall(json.decode, options.faults)
    if not ok then error("the faults are not JSON: " .. tostring(form), 0) end
    options.faults = form
  end
  if state_text then
    local ok, state = pcall(json.decode, state_text)
    if not ok then error("the state is not JSON: " .. tostring(state), 0) end
    options.state = state
  end
  return router.new(options)
end

local function serve(w, request)
  local provider, path = request.path:match("^/([%w_]+)/(.*)$")
  local model = w.providers[provider]
  if model then return model.handle(w, path, request) end
  if provider == "_simulator" then return control.handle(w, path, request) end
  w:count_request(request.method, "(unknown)")
  return {
    status = 404, headers = { ["Content-Type"] = "text/plain" },
    body = "no provider is simulated at this path",
  }
end

local function is_control(request) return request.path:find("^/_simulator/") ~= nil end

local function lagging(w, request)
  if not w.lag then return serve(w, request) end
  return w.lag:handle(w, request, serve, is_control(request))
end

-- Carries out what was to be done by world.now and no request has been the occasion for yet.
function router.catch_up(w)
  if w.faults then w.faults:catch_up(w, lagging) end
end

function router.handle(w, request)
  router.catch_up(w)
  if not w.faults or is_control(request) then return lagging(w, request) end
  return w.faults:handle(w, request, lagging)
end

return router
