-- Error objects: what each shape of a provider's refusal becomes, the fields, and the one line
-- that a person reads. Run by run.lua.
local kelp = require "kelp"
local lu = require "luaunit"
local raw = require "kelp.raw"
local support = require "support"

TestErrors = {}

-- Reads a connector against one scripted reply, and returns the error.
local function refused(status, body, headers)
  local server = support.scripted { { status = status, body = body, headers = headers } }
  local target = server:confluent_target()
  local ok, problem = pcall(target.get, target, "orders")
  lu.assertFalse(ok)
  lu.assertTrue(kelp.is_error(problem))
  return problem
end

function TestErrors:test_every_shape_of_body()
  local shapes = {
    { '{"errors":[{"id":"r1","status":"400","code":"bad","title":"T","detail":"the detail"}]}',
      "the detail", "bad", "r1" },
    { '{"errors":[{"status":"400","title":"only a title"}]}', "only a title" },
    { '{"errors":[{"detail":"the detail","resolution":"try this"}]}', "the detail (try this)" },
    { '{"error":{"code":40001,"message":"nested"}}', "nested", 40001 },
    { '{"error":{"error_code":40002,"message":"nested too"}}', "nested too", 40002 },
    { '{"error_code":40003,"message":"flat"}', "flat", 40003 },
    { '{"code":40004,"message":"flat too"}', "flat too", 40004 },
    { '{"error":"a text"}', "a text" },
    { '{"message":"alone"}', "alone" },
    { '"a JSON string"', "a JSON string" },
    { "plain text\n", "plain text" },
  }
  for _, shape in ipairs(shapes) do
    local problem = refused(400, shape[1])
    lu.assertEquals(problem.kind, "invalid", shape[1])
    lu.assertEquals(problem.message, shape[2], shape[1])
    lu.assertEquals(problem.code, shape[3], shape[1])
    lu.assertEquals(problem.request_id, shape[4], shape[1])
    lu.assertEquals(problem.status, 400)
  end
end

function TestErrors:test_bodies_that_say_nothing_useful()
  for _, body in ipairs { "", "{}", "[]", "null", "[[[[", '{"error":null}', '{"errors":[]}',
                          '{"errors":[1]}', '{"message":""}', '{"message":[1]}', "17",
                          '{"error":{"error":{"error":{}}}}' } do
    local problem = refused(400, body)
    lu.assertEquals(problem.kind, "invalid", body)
    lu.assertNotEquals(problem.message, "", body)
    lu.assertEquals(type(problem.message), "string", body)
  end
  lu.assertStrContains(refused(400, "<html><body>x</body></html>").message, "web page")
  local long = refused(400, ("é"):rep(5000)).message
  lu.assertTrue(#long < 500)
end

function TestErrors:test_status_to_kind()
  local kinds = {
    [400] = "invalid", [401] = "unauthorized", [402] = "forbidden", [403] = "forbidden",
    [405] = "unsupported", [422] = "invalid", [429] = "rate_limited",
    [500] = "server", [502] = "server", [503] = "server", [301] = "protocol", [302] = "protocol",
  }
  for status, kind in pairs(kinds) do
    lu.assertEquals(refused(status, "", { ["Retry-After"] = "7" }).kind, kind, "status " .. status)
  end
  lu.assertEquals(refused(404, '{"error_code":404,"message":"no"}').kind, "not_found")
end

function TestErrors:test_a_404_that_is_not_the_providers_is_no_answer()
  for _, body in ipairs { "", "{}", "plain text", "<html>Not Found</html>", '{"status":404,"error":"Not Found"}' } do
    lu.assertEquals(refused(404, body).kind, "protocol", body)
  end
end

function TestErrors:test_a_write_that_a_failing_server_got_may_have_been_done()
  for _, status in ipairs { 500, 502, 503, 504 } do
    local server = support.scripted { { status = status, headers = { ["Retry-After"] = "7" } } }
    local target = server:confluent_target()
    local problem = support.raises("unknown_outcome", target.pause, target,
      support.at_hand(target, "orders"))
    lu.assertEquals(problem.status, status)
    lu.assertEquals(#server:asked(), 1)
  end
end

function TestErrors:test_reads_are_repeated_while_the_server_fails()
  local server = support.scripted { { status = 503 }, { status = 502 }, { status = 200, body = "{}" } }
  local target = server:confluent_target { attempts = 3, deadline = 60 }
  lu.assertEquals(target:list(), {})
  lu.assertEquals(#server:asked(), 3)
  server = support.scripted { { status = 503 }, { status = 503 }, { status = 200, body = "{}" } }
  target = server:confluent_target { attempts = 2, deadline = 60 }
  lu.assertEquals(support.raises("server", target.list, target).attempts, 2)
  lu.assertEquals(#server:asked(), 2)
end

function TestErrors:test_exists_is_told_from_the_message()
  local server = support.scripted {
    { status = 409, body = '{"error_code":409,"message":"Connector a already exists"}' },
    { status = 400, body = '{"error":{"code":400,"message":"Connector a Already Exists"}}' },
    { status = 400, body = '{"error":{"code":400,"message":"no topics"}}' },
  }
  local target = server:confluent_target()
  for _, kind in ipairs { "exists", "exists", "invalid" } do
    support.raises(kind, target.create, target, "a", { x = "y" })
  end
end

function TestErrors:test_a_redirect_is_never_followed()
  local server = support.scripted {}
  local problem = refused(302, "", { Location = server.url .. "/elsewhere" })
  lu.assertEquals(problem.kind, "protocol")
  lu.assertStrContains(problem.message, "redirect")
  lu.assertEquals(#server:asked(), 1)
end

function TestErrors:test_rate_limits_are_surfaced()
  -- The target's deadline is one second: less than the pause that the server asks for.
  local problem = refused(429, "", { ["Retry-After"] = "7", ["X-RateLimit-Limit"] = "5",
    ["X-RateLimit-Remaining"] = "0", ["X-RateLimit-Reset"] = "3" })
  lu.assertEquals(problem.kind, "rate_limited")
  lu.assertEquals(problem.status, 429)
  lu.assertEquals(problem.retry_after, 7)
  lu.assertEquals(problem.rate_limit, { limit = 5, remaining = 0, reset = 3 })
  lu.assertTrue(problem.retryable)
  -- Reset is relative seconds, and counts when there is nothing else.
  problem = refused(429, "", { ["X-RateLimit-Reset"] = "30", ["X-RateLimit-Remaining"] = "0" })
  lu.assertNil(problem.retry_after)
  lu.assertEquals(problem.rate_limit, { remaining = 0, reset = 30 })
end

function TestErrors:test_a_pause_that_the_server_asks_for_is_made()
  local server = support.scripted { { status = 429, headers = { ["Retry-After"] = "1" } },
                                    { status = 202 } }
  local target = server:confluent_target { deadline = 60 }
  local start = raw.now()
  lu.assertTrue(target:restart(support.at_hand(target, "orders")))
  local seconds = raw.now() - start
  lu.assertTrue(seconds >= 1 and seconds < 20, seconds)
  lu.assertEquals(#server:asked(), 2)
end

function TestErrors:test_a_server_that_lets_one_request_a_second_through()
  local sim = support.start "--rate 1"
  local result = support.kelp({ "-e", [[
    local target = kelp.confluent { environment = "env-sim", cluster = "lkc-sim" }
    for _ = 1, 5 do target:restart "orders-to-s3" end]] }, { env = {
      CONFLUENT_CLOUD_REST_ENDPOINT = sim.confluent, CONFLUENT_CLOUD_API_KEY = "KEY",
      CONFLUENT_CLOUD_API_SECRET = "not-a-real-api-secret" } })
  lu.assertEquals(result.code, 0, result.err)
  lu.assertEquals(#sim:effects(), 5)
end

function TestErrors:test_fields()
  local server = support.scripted { { status = 404, headers = { ["X-Request-Id"] = "req-17" },
    body = '{"error_code":40401,"message":"resource not found"}' } }
  local target = server:confluent_target()
  local line = debug.getinfo(1, "l").currentline + 1
  local ok, problem = pcall(function() target:get("orders") end)
  lu.assertFalse(ok)
  lu.assertStrContains(problem.where, "api_errors.lua:" .. line)
  problem.where = nil
  lu.assertEquals(getmetatable(problem).__tostring and "yes", "yes")
  lu.assertEquals(setmetatable(problem, nil), {
    kind = "not_found", message = "resource not found", status = 404, code = 40401,
    provider = "confluent", target = "confluent env-sim/lkc-sim", connector = "orders",
    verb = "get", request_id = "req-17", attempts = 1, sent = "yes", outcome = "refused", retryable = false,
  })
end

-- A verb that takes several requests fails as what it was called, whichever of them failed.
function TestErrors:test_the_verb_is_the_one_that_was_called()
  local sim = support.start()
  for _, target in ipairs { sim:confluent_target(), sim:upstash_target(), sim:connect_target() } do
    for _, verb in ipairs { "get", "update", "restart", "pause", "resume", "delete" } do
      local problem = support.raises("not_found", target[verb], target, "absent",
        verb == "update" and { a = "b" } or nil)
      lu.assertEquals({ problem.verb, problem.connector }, { verb, "absent" }, target.label)
    end
  end
  -- The worker that does not know PATCH is asked for the config, and is gone by then.
  local old = support.scripted { { status = 405, body = "" },
    { status = 404, body = '{"error_code":404,"message":"Connector c not found"}' } }
  local problem = support.raises("not_found", function()
    local target = old:connect_target()
    target:update(support.at_hand(target, "c"), { a = "b" })
  end)
  lu.assertEquals(problem.verb, "update")
end

function TestErrors:test_tostring_is_one_readable_line()
  local problem = refused(404, '{"error_code":40401,"message":"resource not found"}',
    { ["X-Request-Id"] = "req-17" })
  lu.assertEquals(tostring(problem), "get orders on confluent env-sim/lkc-sim: not_found: "
    .. "resource not found (HTTP 404, code 40401, request req-17)")
  lu.assertEquals(("%s"):format(problem), tostring(problem))
  problem = refused(404, '{"message":"first line\\n\\tat second line\\r\\n"}')
  lu.assertStrMatches(tostring(problem), "[^\n\r\t]+")
  lu.assertStrContains(tostring(problem), "second line")
end

function TestErrors:test_tostring_obeys_no_server()
  local text = tostring(refused(404, '{"message":"\\u001b[2J\\u0007\\u009b cleared"}',
    { ["X-Request-Id"] = "id" }))
  lu.assertNil(text:find "[\27\7]")
  lu.assertNil(text:find "\u{9b}")
  lu.assertStrContains(text, "cleared")
end

function TestErrors:test_is_error()
  local problem = refused(404, '{"error_code":404,"message":"no"}')
  lu.assertTrue(kelp.is_error(problem))
  lu.assertTrue(kelp.is_error(problem, "not_found"))
  lu.assertFalse(kelp.is_error(problem, "server"))
  for _, value in ipairs { "text", {}, { kind = "not_found" }, 1 } do
    lu.assertFalse(kelp.is_error(value))
  end
  lu.assertFalse(kelp.is_error(nil))
end

function TestErrors:test_nobody_listens()
  local sim = support.start ""
  local target = sim:confluent_target()
  sim:stop()
  local problem = support.raises("network", target.restart, target,
    support.at_hand(target, "orders"))
  lu.assertEquals(problem.sent, "no")
  lu.assertTrue(problem.retryable)
  lu.assertNil(problem.status)
end

function TestErrors:test_a_slow_answer()
  local sim = support.start "--latency 60000"
  local target = sim:confluent_target { timeout = 0.2, attempts = 1 }
  local problem = support.raises("unknown_outcome", target.pause, target,
      support.at_hand(target, "orders"))
  lu.assertEquals(problem.cause, "timeout")
  lu.assertEquals(problem.sent, "maybe")
  lu.assertFalse(problem.retryable)
  lu.assertStrContains(problem.message, "may have been carried out")
  sim:stop()
end

function TestErrors:test_an_empty_answer_where_one_is_due()
  local server = support.scripted { { status = 200 }, { status = 404 }, { status = 200, body = "not json" },
                                    { status = 404 } }
  local target = server:confluent_target()
  for _ = 1, 2 do
    local problem = support.raises("unknown_outcome", target.put, target,
      support.at_hand(target, "new"), { a = "b" })
    lu.assertEquals(problem.status, 200)
  end
end
