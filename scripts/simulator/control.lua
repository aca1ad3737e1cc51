-- control: the simulator's own endpoints under /_simulator/, which no provider has: the log of
-- effects, the whole state, forced connector states, and counts of the requests that came.

local lifecycle = require "simulator.lifecycle"
local routes = require "simulator.routes"
local text = require "simulator.text"

local format = string.format

local function reply(status, body)
  local kind = body ~= "" and "application/json" or nil
  return { status = status, headers = { ["Content-Type"] = kind }, body = body }
end

local function failure(w, status, message)
  return reply(status, '{"error":' .. w.write.quote(message) .. "}")
end

-- ?after=SEQ leaves out what is known already.
local function effects(w, request)
  local after = math.tointeger(tonumber(text.query_values(request.query, "after")[1] or 0))
  if not after then return failure(w, 400, "after: not an integer") end
  return reply(200, w:effects_text(after))
end

local function forget_effects(w)
  w:forget_effects()
  return reply(204, "")
end

local function get_state(w)
  return reply(200, w:save())
end

local function put_state(w, request)
  local ok, form = pcall(w.json.decode, request.body)
  if not ok then return failure(w, 400, tostring(form)) end
  local loaded, message = pcall(w.load, w, form)
  if not loaded then return failure(w, 400, tostring(message)) end
  return reply(204, "")
end

local function set_state(w, request, provider_name, cluster, name)
  local provider = w.providers[provider_name]
  if not provider then return failure(w, 404, "no provider " .. provider_name) end
  local place = w.places[provider_name][cluster]
  if not place then return failure(w, 404, "no cluster " .. cluster) end
  local c, count = provider.find(w, place, name)
  if not c then return failure(w, 404, "no connector " .. name) end
  if count > 1 then
    return failure(w, 409, format("%d connectors bear the name %s", count, name))
  end
  local body = w:decode_object(request.body)
  local phase = body and type(body.state) == "string" and body.state:lower()
  if phase == "pending" then phase = "provisioning" end
  if not phase or not lifecycle.phases[phase] then
    return failure(w, 400, "state: not one that a connector can have")
  end
  if body.trace ~= nil and type(body.trace) ~= "string" then
    return failure(w, 400, "trace: not a string")
  end
  lifecycle.set(c, phase, body.trace)
  c.invalid = nil
  return reply(204, "")
end

local function requests(w)
  return reply(200, w:requests_text())
end

-- PUT { "rate": N }: from now on; 0 is no limit.
local function put_rate(w, request)
  local body = w:decode_object(request.body)
  local rate = body and body.rate
  if type(rate) ~= "number" or not (rate >= 0 and rate < math.huge) then
    return failure(w, 400, "rate: not a number of requests a second")
  end
  w.rate = rate
  return reply(204, "")
end

local find_route = routes.compile("/_simulator/", {
  ["effects"] = { GET = effects, DELETE = forget_effects },
  ["state"] = { GET = get_state, PUT = put_state },
  ["requests"] = { GET = requests },
  ["rate"] = { PUT = put_rate },
  ["connectors/{provider}/{cluster}/{name}/state"] = { POST = set_state },
})

local control = {}

-- path is what follows "/_simulator/". A place of several segments may be written with "/" or %2F.
function control.handle(w, path, request)
  path = path:gsub("^(connectors/[^/]+/)(.+)(/[^/]+/state)$", function(before, place, after)
    return before .. place:gsub("/", "%%2F") .. after
  end)
  local handlers, _, first, second, third = find_route(path)
  if not handlers then return failure(w, 404, "no such control endpoint") end
  if not handlers[request.method] then return failure(w, 405, "method not allowed") end
  return handlers[request.method](w, request, first, second, third)
end

return control
