-- Offsets, validate, plugins, translate and tasks, on the targets that have them. Run by run.lua.
local kelp = require "kelp"
local lu = require "luaunit"
local support = require "support"

local BIG = 9007199254740993 -- no double holds it

local function reply(status, value)
  return { status = status, headers = { ["Content-Type"] = "application/json" },
           body = type(value) == "string" and value or kelp.json.encode(value) }
end

local function refusal(status, message)
  return reply(status, { error_code = status, message = message })
end

local function lines(server)
  local list = {}
  for i, request in ipairs(server:asked()) do
    list[i] = request.method .. " " .. request.path:gsub("^.*/connectors", "/connectors")
  end
  return list
end

local VERSION = { status = 200, body = '{"version":"4.1.0"}' }

local fast = { poll = 0.01, timeout = 20 }

-- ---- Kafka Connect: at once ----

local function stopped(target)
  local c = support.at_hand(target, "a")
  c.state = "stopped"
  return c
end

TestConnectOffsets = {}

function TestConnectOffsets:setUp()
  self.sim = support.simulator()
  self.sim:reset()
  self.target = self.sim:connect_target()
end

function TestConnectOffsets:test_they_are_read_exactly()
  lu.assertEquals(self.target:offsets "access-log-source", { { offset = {
    position = 1712907333000001 }, partition = { filename = "/var/log/shop/access.log" } } })
  lu.assertEquals(math.type(self.target:offsets("access-log-source")[1].offset.position),
    "integer")
  lu.assertEquals(self.target:offsets "audit-file-sink", {})
end

function TestConnectOffsets:test_they_are_changed_only_of_what_is_stopped()
  local list = { { partition = { kafka_topic = "orders", kafka_partition = 0 },
                   offset = { kafka_offset = BIG } } }
  for _, verb in ipairs { "alter_offsets", "reset_offsets" } do
    local problem = support.raises("conflict", self.target[verb], self.target,
      "orders-to-lost-disk", verb == "alter_offsets" and list or nil)
    lu.assertStrContains(problem.message, "stop it first")
  end
  lu.assertEquals(self.sim:effects(), {})
  self.target:stop "orders-to-lost-disk"
  lu.assertStrContains(self.target:alter_offsets("orders-to-lost-disk", list), "altered")
  lu.assertEquals(self.target:offsets "orders-to-lost-disk", list)
  list[1].offset = kelp.null
  self.target:alter_offsets("orders-to-lost-disk", list)
  lu.assertEquals(self.target:offsets "orders-to-lost-disk", {})
  lu.assertStrContains(self.target:reset_offsets "orders-to-lost-disk", "reset")
end

function TestConnectOffsets:test_the_bodies()
  local list = { { partition = { filename = "x" }, offset = { position = BIG } } }
  local server = support.scripted { VERSION, reply(200, '{"message":"done"}'), reply(200, '{}') }
  local target = server:connect_target()
  lu.assertEquals(target:alter_offsets(stopped(target), list), "done")
  lu.assertTrue(target:reset_offsets(stopped(target)))
  local asked = server:asked()
  lu.assertEquals(table.remove(asked, 1).path, "/connect/")
  lu.assertEquals(asked[1].method .. " " .. asked[1].path, "PATCH /connect/connectors/a/offsets")
  lu.assertEquals(asked[1].body, '{"offsets":[{"offset":{"position":' .. BIG
    .. '},"partition":{"filename":"x"}}]}')
  lu.assertEquals(asked[2].method .. " " .. asked[2].path, "DELETE /connect/connectors/a/offsets")
  lu.assertEquals(asked[2].body, "")
end

function TestConnectOffsets:test_what_the_connector_does_not_take_is_no_riddle()
  self.target:stop "access-log-source"
  local problem = support.raises("server", self.target.alter_offsets, self.target,
    "access-log-source", { { partition = { filename = "x" }, offset = { position = "y" } } })
  lu.assertEquals(problem.status, 500)
  lu.assertStrContains(problem.message, "'position'")
  -- One whose time was up may yet be carried out.
  local server = support.scripted { VERSION, refusal(500, "Request timed out"),
    reply(200, '{"offsets":[{"partition":{"filename":"x"},"offset":{"position":5}}]}') }
  local target = server:connect_target()
  support.raises("unknown_outcome", target.reset_offsets, target, stopped(target))
end

function TestConnectOffsets:test_a_lost_answer_is_made_up_for()
  local server = support.scripted { VERSION, refusal(500, "it broke"),
    reply(200, '{"offsets":[{"partition":{"filename":"x"},"offset":{"position":5}}]}') }
  local target = server:connect_target()
  lu.assertTrue(target:alter_offsets(stopped(target),
    { { partition = { filename = "x" }, offset = { position = 5 } } }))
  lu.assertEquals(lines(server), { "GET /connect/", "PATCH /connectors/a/offsets", "GET /connectors/a/offsets" })
end

function TestConnectOffsets:test_bad_lists_are_named_before_any_request()
  local good = { partition = { a = 1 }, offset = { b = 2 } }
  local made = self.sim:requests_of(function()
    for words, list in pairs {
      ["a list of"] = {}, ["got string"] = "x", ["the key 'offsets'"] = { good, offsets = 1 },
      ["offset 2: not a table"] = { good, 5 },
      ["offset 1: partition must be"] = { { partition = {}, offset = { b = 2 } } },
      ["offset 1: offset must be"] = { { partition = { a = 1 } } },
      ["offset 2: unknown member 'ofset'"] = { good, { partition = { a = 1 }, ofset = 5 } },
    } do
      support.misuse(words, self.target.alter_offsets, self.target, "access-log-source", list)
    end
    support.misuse("timeout must be", self.target.reset_offsets, self.target, "a",
      { timeout = -1 })
    support.misuse("unknown option 'x'", self.target.offsets, self.target, "a", { x = 1 })
  end)
  lu.assertEquals(made, { ["GET /"] = 1 }) -- for the version
end

-- ---- Confluent Cloud: asked for, and done later ----

TestConfluentOffsets = {}

function TestConfluentOffsets:setUp()
  self.sim = support.simulator()
  self.sim:reset()
  self.target = self.sim:confluent_target()
end

local function request_status(phase, more)
  local answer = { request = { type = "PATCH", requested_at = "2026-01-01T00:00:00Z",
    offsets = { { partition = { server = "a" }, offset = { lsn = BIG } } } },
    status = { phase = phase, message = "as it is" } }
  for key, value in pairs(more or {}) do answer.request[key] = value end
  return reply(200, answer)
end

local wanted = { { partition = { server = "a" }, offset = { lsn = BIG } } }
local none = refusal(404, "resource not found")

function TestConfluentOffsets:test_read_alter_reset()
  local before = self.target:offsets "inventory-cdc"
  lu.assertEquals(before[1].offset.ts_usec, 1712907333000000)
  before[1].offset.lsn = BIG
  local made = self.sim:requests_of(self.target.alter_offsets, self.target, "inventory-cdc", before,
    fast)
  lu.assertEquals(made["POST /connectors/{name}/offsets/request"], 1)
  lu.assertEquals(self.target:offsets("inventory-cdc")[1].offset.lsn, BIG)
  self.target:reset_offsets("inventory-cdc", fast)
  lu.assertEquals(self.target:offsets "inventory-cdc", {})
  local verbs = {}
  for i, effect in ipairs(self.sim:effects()) do verbs[i] = effect.verb end
  lu.assertEquals(verbs, { "alter_offsets", "reset_offsets" })
end

function TestConfluentOffsets:test_a_request_is_followed_to_its_end()
  local server = support.scripted { none, reply(202, "{}"), request_status "PENDING_VALIDATION",
                                    request_status "PENDING", request_status "APPLIED" }
  local target = server:confluent_target()
  lu.assertEquals(target:alter_offsets(stopped(target), wanted, fast), "as it is")
  lu.assertEquals(lines(server), { "GET /connectors/a/offsets/request/status",
    "POST /connectors/a/offsets/request", "GET /connectors/a/offsets/request/status",
    "GET /connectors/a/offsets/request/status", "GET /connectors/a/offsets/request/status" })
  lu.assertEquals(kelp.json.decode(server:asked()[2].body), { type = "PATCH", offsets = wanted })
end

function TestConfluentOffsets:test_its_failure_is_an_error()
  local server = support.scripted { none, reply(202, "{}"), request_status "FAILED" }
  local target = server:confluent_target()
  local problem = support.raises("conflict", target.alter_offsets, target, stopped(target), wanted, fast)
  lu.assertStrContains(problem.message, "could not be carried out: as it is")
end

function TestConfluentOffsets:test_it_is_not_waited_for_for_ever()
  local replies = { none, reply(202, "{}") }
  for i = 3, 100 do replies[i] = request_status "PENDING" end
  local server = support.scripted(replies)
  local target = server:confluent_target()
  local problem = support.raises("timeout", target.alter_offsets, target, stopped(target), wanted,
    { poll = 0.01, timeout = 0.05 })
  lu.assertStrContains(problem.message, "it was asked for and is PENDING")
  lu.assertEquals(problem.sent, "yes")
end

function TestConfluentOffsets:test_somebody_elses_request_is_not_taken_for_ours()
  local server = support.scripted { none, reply(202, "{}"),
                                    request_status("APPLIED", { type = "DELETE" }) }
  local target = server:confluent_target()
  local problem = support.raises("conflict", target.alter_offsets, target, stopped(target), wanted, fast)
  lu.assertStrContains(problem.message, "another request")
end

function TestConfluentOffsets:test_one_at_a_time()
  local server = support.scripted { none, refusal(409,
    "An alter offset request for connector a is already in progress") }
  local target = server:confluent_target()
  local problem = support.raises("conflict", target.alter_offsets, target, stopped(target), wanted, fast)
  lu.assertStrContains(problem.message, "already in progress")
  lu.assertEquals(#server:asked(), 2)
end

function TestConfluentOffsets:test_a_lost_answer_is_looked_for_and_not_sent_again()
  local lost = { status = 502, body = "bad gateway" }
  local server = support.scripted { none, lost, request_status "PENDING",
                                    request_status "APPLIED" }
  local target = server:confluent_target { attempts = 4, deadline = 60, visibility_delay = 0.01 }
  target:alter_offsets(stopped(target), wanted, fast)
  local posts = 0
  for _, line in ipairs(lines(server)) do
    if line:find "^POST" then posts = posts + 1 end
  end
  lu.assertEquals(posts, 1)
  -- The same request of an hour ago is not this one.
  local old = request_status "APPLIED"
  server = support.scripted { old, lost, old, old, reply(202, "{}"),
    request_status("APPLIED", { requested_at = "2026-01-01T01:00:00Z" }) }
  local target = server:confluent_target { attempts = 4, deadline = 60, visibility_delay = 0.01 }
  target:alter_offsets(stopped(target), wanted,
    fast)
  posts = 0
  for _, line in ipairs(lines(server)) do
    if line:find "^POST" then posts = posts + 1 end
  end
  lu.assertEquals(posts, 2)
end

function TestConfluentOffsets:test_create_begins_at_offsets()
  local server = support.scripted { reply(201, { name = "a", config = { name = "a" } }) }
  server:confluent_target():create("a", { ["connector.class"] = "S3_SINK" }, { offsets = wanted })
  local body = kelp.json.decode(server:asked()[1].body)
  lu.assertEquals(body.offsets, wanted)
  lu.assertEquals(body.config, { name = "a", ["connector.class"] = "S3_SINK" })
  support.misuse("offset cannot be null", self.target.create, self.target, "b", {},
    { offsets = { { partition = { a = 1 }, offset = kelp.null } } })
end

function TestConfluentOffsets:test_upstash_has_none()
  local target = self.sim:upstash_target()
  support.raises("unsupported", target.create, target, "b", { ["connector.class"] = "x" },
    { offsets = wanted })
  support.raises("unsupported", target.create, target, "b", { ["connector.class"] = "x" },
    { state = "paused" })
end

-- ---- configs and plugins ----

TestValidate = {}

function TestValidate:setUp()
  self.sim = support.simulator()
  self.sim:reset()
  self.connect, self.confluent = self.sim:connect_target(), self.sim:confluent_target()
end

function TestValidate:test_a_good_config()
  local config = { ["connector.class"] = "FileStreamSource", topic = "a", ["tasks.max"] = 2 }
  local made, result = self.sim:requests_of(self.connect.validate, self.connect, config)
  lu.assertEquals(made, { ["GET /connector-plugins"] = 1,
    ["PUT /connector-plugins/{plugin}/config/validate"] = 1 })
  made = self.sim:requests_of(self.connect.validate, self.connect, config) -- they are known then
  lu.assertEquals(made, { ["PUT /connector-plugins/{plugin}/config/validate"] = 1 })
  lu.assertTrue(result.ok)
  lu.assertEquals(result.errors, {})
  lu.assertEquals(tostring(result), "valid")
  lu.assertIs(result:assert(), result)
  lu.assertEquals(result.keys.topic.type, "STRING")
  lu.assertTrue(result.keys.topic.required)
  lu.assertEquals(result.keys["batch.size"].default, "2000")
  lu.assertEquals(self.sim:effects(), {})
end

function TestValidate:test_errors_by_key()
  local result = self.connect:validate { ["connector.class"] = "FileStreamSource",
                                         ["tasks.max"] = "zero" }
  lu.assertFalse(result.ok)
  lu.assertEquals(result.errors, {
    topic = { 'Missing required configuration "topic" which has no default value.' },
    ["tasks.max"] = { "Invalid value zero for configuration tasks.max: Not a number of type INT",
      "Invalid value null for configuration tasks.max: Value must be non-null" },
  })
  lu.assertStrContains(tostring(result), "invalid, 3 errors:\n  tasks.max: Invalid value zero")
  local problem = support.raises("invalid", result.assert, result)
  lu.assertEquals(problem.errors, result.errors)
  lu.assertEquals(tostring(self.connect:validate { ["connector.class"] = "FileStreamSource" }),
    'invalid: topic: Missing required configuration "topic" which has no default value.')
end

function TestValidate:test_a_plugin_that_is_not_there()
  for _, target in ipairs { self.connect, self.confluent } do
    local result = target:validate { ["connector.class"] = "NoSuch" }
    lu.assertEquals(result.errors,
      { ["connector.class"] = { "there is no plugin 'NoSuch' there" } })
  end
  lu.assertEquals(self.connect:validate({ topic = "a" }).errors,
    { ["connector.class"] = { "it is missing" } })
end

function TestValidate:test_passwords_are_secrets_from_then_on()
  local result = support.kelp { "--no-journal", "-e", ([[
    local kelp = require "kelp"
    local t = kelp.connect { url = "%s" }
    local key, is_secret = "ssl.truststore.certificates", require "kelp.raw".is_secret_key
    print("before", (is_secret(key)))
    local v = t:validate { ["connector.class"] = "MirrorHeartbeatConnector",
      ["source.cluster.alias"] = "a", [key] = "not-a-real-chain" }
    print(v.ok, table.concat(v.secrets, " "))
    print("after", (is_secret(key)))
    print("not-a-real-chain")]]):format(self.sim.connect) }
  lu.assertEquals(result.err, "")
  lu.assertStrContains(result.out, "ssl.keystore.certificate.chain ssl.keystore.key")
  lu.assertStrContains(result.out, "before\tfalse\n")
  lu.assertStrContains(result.out, "after\ttrue\n")
  lu.assertNil(result.out:find("not-a-real-chain", 1, true))
end

function TestValidate:test_values_that_no_config_can_hold()
  local made = self.sim:requests_of(support.raises, "invalid", self.connect.validate, self.connect,
    { ["connector.class"] = "FileStreamSource", topic = { a = 1 } })
  lu.assertEquals(made, {})
  support.raises("masked", self.confluent.validate, self.confluent,
    { ["connector.class"] = "S3_SINK", ["kafka.api.secret"] = "****" })
  support.misuse("a config table expected", self.connect.validate, self.connect, "x")
end

function TestValidate:test_confluent_validates()
  local result = self.confluent:validate { ["connector.class"] = "S3_SINK", topics = "a" }
  lu.assertFalse(result.ok)
  lu.assertStrContains(result.errors["kafka.api.key"][1], "Missing required configuration")
  lu.assertEquals(result.keys["kafka.api.secret"].type, "PASSWORD")
end

function TestValidate:test_plugins()
  local list = self.connect:plugins()
  lu.assertEquals(#list, 5)
  lu.assertEquals(list[1], { class = "org.apache.kafka.connect.file.FileStreamSinkConnector",
                             type = "sink", version = "4.3.1" })
  local classes = {}
  for _, plugin in ipairs(self.confluent:plugins()) do classes[plugin.class] = plugin.type end
  lu.assertEquals(classes.S3_SINK, "sink")
  local server = support.scripted { reply(200, "{}"), reply(200, '[{"type":"sink"}]') }
  local target = server:connect_target()
  support.raises("protocol", target.plugins, target)
  support.raises("protocol", target.plugins, target)
end

function TestValidate:test_translate()
  local result = self.confluent:translate("PostgresSink", {
    ["connector.class"] = "io.confluent.connect.jdbc.JdbcSinkConnector", topics = "a",
    ["value.converter"] = "org.apache.kafka.connect.json.JsonConverter",
    ["connection.password"] = "not-a-real-password",
  })
  lu.assertEquals(result.config, { ["connector.class"] = "PostgresSink", topics = "a",
                                   ["connection.password"] = "not-a-real-password" })
  lu.assertEquals(result.warnings[1].field, "value.converter")
  lu.assertTrue(#result.errors > 0)
  support.misuse("a plugin's name expected", self.confluent.translate, self.confluent, {})
end

function TestValidate:test_tasks()
  for _, case in ipairs { { self.connect, "access-log-source", "topic", "access-log" },
                          { self.confluent, "orders-to-s3", "topics", "orders" } } do
    local made, tasks = self.sim:requests_of(case[1].tasks, case[1], case[2])
    lu.assertEquals(made, { ["GET /connectors/{name}/tasks"] = 1,
                            ["GET /connectors/{name}/status"] = 1 })
    lu.assertEquals(tasks[1].id, 0)
    lu.assertEquals(tasks[1].state, "running")
    lu.assertEquals(tasks[1].config[case[3]], case[4])
    lu.assertEquals(tasks[2] and tasks[2].id, case[1] == self.confluent and 1 or nil)
  end
end
