-- A server without a mind of its own: it answers what a test has told it to answer, in order, and
-- remembers what was asked. KELP_SCRIPTS=tests/lua/scripted makes `kelp sim` run it.
--
-- PUT /_scripted/replies takes an array of { status, headers, body }; GET /_scripted/requests
-- gives the requests since the last PUT as { method, path, query, headers, body }.
local router = {}

local function reply(status, body)
  return { status = status, headers = { ["Content-Type"] = "application/json" }, body = body }
end

local control = {
  ["PUT replies"] = function(server, request)
    server.replies, server.next, server.requests = server.json.decode(request.body), 1, {}
    return reply(204, "")
  end,
  ["GET requests"] = function(server)
    return reply(200, server.json.encode(server.json.array(server.requests)))
  end,
}

function router.open(json)
  return { json = json, replies = {}, next = 1, requests = {} }
end

function router.handle(server, request)
  local action = request.path:match("^/_scripted/(%w+)$")
  local handler = action and control[request.method .. " " .. action]
  if handler then return handler(server, request) end
  server.requests[#server.requests + 1] = {
    method = request.method, path = request.path, query = request.query,
    headers = request.headers, body = request.body,
  }
  local scripted = server.replies[server.next]
  if not scripted then return reply(500, '{"error":"the test has scripted no further reply"}') end
  server.next = server.next + 1
  return { status = scripted.status, headers = scripted.headers or {}, body = scripted.body or "" }
end

return router
