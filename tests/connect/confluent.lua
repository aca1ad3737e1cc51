-- Confluent Cloud's dialect on a real worker: through a gateway with TLS, HTTP/2, Basic
-- authentication and rate limits. Run by run.lua.
local kelp = require "kelp"
local ground = require "ground"
local lu = require "luaunit"
local support = require "support"

TestGateway = {}

function TestGateway:setUp()
  self.target = ground.gateway "good"
end

function TestGateway:tearDown()
  ground.clear(self.target)
end

function TestGateway:test_the_life_of_a_connector()
  local target, name, path = self.target, ground.name "life", ground.path "life"
  ground.append(path, "one\n")
  local created = target:create(name, ground.source("life", path))
  lu.assertEquals(created.name, name)
  lu.assertEquals(created.class, ground.source_class)
  lu.assertEquals(created.type, "source")
  lu.assertEquals(created.config["tasks.max"], "1")
  ground.wait(target, name, "running")

  local running = ground.until_runs(target, name, 1)
  lu.assertEquals(running.tasks[1].id, 0)
  local listed = target:list { name = "life*" }
  lu.assertEquals(#listed, 1)
  lu.assertEquals(listed[1].config, running.config)
  lu.assertEquals(listed[1].state, "running")

  local changed = target:update(name, { ["batch.size"] = 7 })
  lu.assertEquals(changed.config["batch.size"], "7")
  lu.assertEquals(target:get(name).config.file, path)
  target:update(name, { ["batch.size"] = kelp.null })
  lu.assertNil(target:get(name).config["batch.size"])
  target:put(name, ground.source("life", path, { ["batch.size"] = 8 }))
  lu.assertEquals(target:get(name).config["batch.size"], "8")

  target:pause(name)
  lu.assertEquals(ground.wait(target, name, "paused").state, "paused")
  target:resume(name)
  ground.until_runs(target, name, 1)
  target:restart(name)
  ground.until_runs(target, name, 1)
  target:delete(name)
  lu.assertNil(target:find(name))
  support.raises("not_found", target.delete, target, name)
end

function TestGateway:test_put_creates_too()
  local name = ground.name "put"
  self.target:put(name, ground.sink("put", ground.path "put"))
  lu.assertEquals(ground.until_runs(self.target, name, 1).type, "sink")
end

function TestGateway:test_create_does_not_overwrite()
  ground.check_create_does_not_overwrite(self.target)
end

function TestGateway:test_names_go_through_unharmed()
  local report = kelp.each({ "with space", "dot.dot..", "größe-日本", "a+b&c=d?e#f", "semi;colon",
                             "quote'\"" }, function(what)
    local name = ground.name(what)
    self.target:create(name, ground.sink("names", ground.path "names"))
    lu.assertEquals(ground.until_runs(self.target, name, 1).name, name)
    self.target:delete(name)
    lu.assertNil(self.target:find(name))
  end, { progress = false })
  lu.assertEquals(report.done, 6, tostring(report))
end

function TestGateway:test_a_failure_is_told_with_its_trace()
  local name = ground.name "failing"
  self.target:create(name, ground.sink("failing", ground.folder .. "/no/such/folder/file"))
  local failed = ground.until_true(function()
    local c = self.target:find(name)
    return c and c.error and c
  end, name .. " has failed")
  lu.assertStrContains(failed.error, "ConnectException")
  lu.assertStrContains(failed.error, "no/such/folder")
  lu.assertEquals(failed.tasks[1].state, "failed")
  local problem = support.raises("conflict", self.target.wait, self.target, name,
    { grace = 0, timeout = ground.patience })
  lu.assertStrContains(problem.message, "no/such/folder")
end

function TestGateway:test_what_is_wrong_is_told_by_its_kind()
  local target, sink = self.target, ground.sink("wrong", ground.path "wrong")
  support.raises("not_found", target.get, target, "nothing-of-that-name")
  support.raises("not_found", target.pause, target, "nothing-of-that-name")
  support.raises("not_found", target.restart, target, "nothing-of-that-name")
  local name = ground.name "invalid"
  local problem = support.raises("invalid", target.create, target, name,
    ground.sink("wrong", ground.path "wrong", { ["tasks.max"] = "many" }))
  lu.assertEquals(problem.status, 400)
  lu.assertStrContains(problem.message, "tasks.max")
  sink["connector.class"] = "com.example.Absent"
  problem = support.raises("invalid", target.create, target, name, sink)
  lu.assertStrContains(problem.message, "com.example.Absent")
  lu.assertNil(target:find(name))
end

function TestGateway:test_the_credentials_are_checked()
  local target = ground.gateway("good", { api_secret = "another-test-password" })
  local problem = support.raises("unauthorized", target.list, target)
  lu.assertEquals(problem.status, 401)
  lu.assertEquals(problem.message, "Invalid API key.")
end

function TestGateway:test_it_is_http_2_with_the_credentials_of_the_target()
  local name = ground.name "protocol"
  self.target:find(name)
  local seen
  for _, line in ipairs(ground.arrivals()) do
    if line:find(name, 1, true) then seen = line end
  end
  lu.assertStrMatches(seen, "%d+ HTTP/2%.0 connect%-test%-user 404 GET /connect/v1/environments/"
    .. "env%-real/clusters/lkc%-real/connectors/protocol%-%d+")
end

-- The gateway takes 200 requests a second and a burst of 40, and answers 429 above that.
function TestGateway:test_its_rate_limit_is_kept_without_a_failure()
  local items = {}
  for i = 1, 400 do items[i] = i end
  local before = #ground.arrivals()
  local report = kelp.each(items, function() self.target:find "nothing-of-that-name" end,
    { progress = false })
  lu.assertEquals(report.failed, 0)
  lu.assertEquals(report.done, #items)
  local limited, served = 0, 0
  local arrivals = ground.arrivals()
  for i = before + 1, #arrivals do
    if arrivals[i]:find " 429 " then limited = limited + 1 end
    if arrivals[i]:find " 404 GET " then served = served + 1 end
  end
  lu.assertTrue(limited > 0, "the limit was not reached: the test says nothing")
  lu.assertEquals(served, #items)
  lu.assertTrue(limited < #items / 4, ("%d were answered 429"):format(limited))
end

-- ---- who is not spoken to ----

TestDistrust = {}

-- A read and a write are refused with `tls`, and no request arrives at any of the servers.
local function refused(which, changes, why)
  local before = #ground.arrivals()
  local target = ground.gateway(which, changes)
  local problem = support.raises("tls", target.list, target)
  lu.assertEquals(problem.sent, "no")
  lu.assertStrContains(problem.message, why)
  problem = support.raises("tls", target.create, target, "never",
    ground.sink("never", ground.path "never"))
  lu.assertEquals(problem.sent, "no")
  lu.assertEquals(#ground.arrivals(), before)
end

function TestDistrust:test_another_host_in_the_certificate()
  refused("wrong_host", nil, "localhost")
end

function TestDistrust:test_an_expired_certificate()
  refused("expired", nil, "expired")
end

function TestDistrust:test_a_certificate_of_another_authority()
  refused("good", { ca_file = ground.folder .. "/stranger.pem" }, "issuer")
end

-- Whoever does come is in the log of these servers too: what the tests above do not find there
-- would be seen.
function TestDistrust:test_the_log_shows_who_comes()
  for _, which in ipairs { "wrong_host", "expired" } do
    local port = os.getenv("GATEWAY_" .. which:upper())
    local before = #ground.arrivals()
    assert(os.execute(("curl -q -sk --noproxy '*' -o %s -u %s https://localhost:%s/%s"):format(
      support.quote(support.path "answer"), "somebody:wrong", port, which)))
    local after = ground.arrivals()
    lu.assertEquals(#after, before + 1)
    lu.assertStrContains(after[#after], port .. " HTTP/2.0 somebody 404 GET /" .. which)
  end
end
