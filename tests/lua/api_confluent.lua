-- The verbs on Confluent Cloud: the requests that each one makes, and every quirk of the service
-- that a caller must not meet. Run by run.lua.
local kelp = require "kelp"
local lu = require "luaunit"
local support = require "support"

local MASK = ("*"):rep(16)
local CONNECTORS = "/connect/v1/environments/env-sim/clusters/lkc-sim/connectors"

local function sink(changes)
  local config = {
    ["connector.class"] = "S3_SINK", topics = "orders", ["kafka.api.key"] = "NOTAREALKEY00003",
    ["kafka.api.secret"] = "not-a-real-kafka-secret", ["tasks.max"] = 1,
  }
  for key, value in pairs(changes or {}) do config[key] = value end
  return config
end

local function json_reply(status, value)
  return { status = status, headers = { ["Content-Type"] = "application/json" },
           body = type(value) == "string" and value or kelp.json.encode(value) }
end

-- The stored config, secrets in clear.
local function stored(sim, name)
  return sim:state().confluent["env-sim/lkc-sim"][name]
end

TestConfluent = {}

function TestConfluent:setUp()
  self.sim = support.simulator()
  self.sim:reset()
  self.target = self.sim:confluent_target()
end

-- The effects on that connector since the reset, as "verb verb …".
function TestConfluent:verbs(name)
  local verbs = {}
  for _, effect in ipairs(self.sim:effects()) do
    if effect.name == name then verbs[#verbs + 1] = effect.verb end
  end
  return table.concat(verbs, " ")
end

function TestConfluent:test_list_is_one_request()
  local made, list = self.sim:requests_of(self.target.list, self.target)
  lu.assertEquals(made, { ["GET /connectors"] = 1 })
  local names = {}
  for i, c in ipairs(list) do names[i] = c.name end
  lu.assertEquals(names, { "clicks-to-snowflake", "inventory-cdc", "orders-to-s3",
    "payments-sink", "search-index" })
end

function TestConfluent:test_a_listed_connector_has_all_fields()
  local c = self.target:list { name = "orders*" }[1]
  lu.assertTrue(kelp.is_connector(c))
  lu.assertEquals(c.id, "lcc-s1m001")
  lu.assertEquals(c.class, "S3_SINK")
  lu.assertEquals(c.type, "sink")
  lu.assertEquals(c.state, "running")
  lu.assertNil(c.error)
  lu.assertEquals(#c.tasks, 2)
  lu.assertEquals(c.tasks[2].id, 1)
  lu.assertEquals(c.tasks[2].state, "running")
  lu.assertEquals(c.config["flush.size"], "1000")
  lu.assertEquals(c.config["kafka.api.secret"], MASK)
  lu.assertIs(c.target, self.target)
  lu.assertEquals(tostring(c), "connector orders-to-s3 (S3_SINK, running)")
end

function TestConfluent:test_a_failed_connector_says_why()
  local c = self.target:list { state = "FAILED" }[1]
  lu.assertEquals(c.name, "payments-sink")
  lu.assertStrContains(c.error, "password authentication failed")
  lu.assertEquals(c.tasks[1].state, "failed")
end

function TestConfluent:test_get_reads_connector_and_status()
  local made, c = self.sim:requests_of(self.target.get, self.target, "search-index")
  lu.assertEquals(made,
    { ["GET /connectors/{name}"] = 1, ["GET /connectors/{name}/status"] = 1 })
  lu.assertEquals(c.state, "paused")
  lu.assertEquals(c.class, "ElasticsearchSinkV2")
  lu.assertEquals(c.config["connection.password"], MASK)
end

function TestConfluent:test_get_takes_a_connector()
  local c = self.target:list { name = "orders*" }[1]
  lu.assertEquals(self.target:get(c).name, "orders-to-s3")
end

function TestConfluent:test_get_of_nothing_is_not_found_and_find_is_nil()
  local problem = support.raises("not_found", self.target.get, self.target, "nothing")
  lu.assertEquals(problem.status, 404)
  lu.assertEquals(problem.connector, "nothing")
  lu.assertNil(self.target:find "nothing")
  lu.assertEquals(self.target:find("orders-to-s3").name, "orders-to-s3")
end

function TestConfluent:test_find_raises_what_is_not_an_absence()
  support.raises("unauthorized", self.sim:confluent_target { api_key = "wrong-key" }.find,
    self.sim:confluent_target { api_key = "wrong-key" }, "orders-to-s3")
end

function TestConfluent:test_create()
  local made, c = self.sim:requests_of(self.target.create, self.target, "new", sink())
  lu.assertEquals(made, { ["POST /connectors"] = 1 })
  lu.assertEquals(c.name, "new")
  lu.assertEquals(c.class, "S3_SINK")
  lu.assertEquals(self:verbs "new", "create")
  lu.assertEquals(stored(self.sim, "new").config, {
    ["connector.class"] = "S3_SINK", name = "new", topics = "orders", ["tasks.max"] = "1",
    ["kafka.api.key"] = "NOTAREALKEY00003", ["kafka.api.secret"] = "not-a-real-kafka-secret",
  })
end

function TestConfluent:test_create_sends_name_and_config()
  local server = support.scripted { json_reply(201, { name = "new", config = { name = "new" } }) }
  local config = sink { ["flush.size"] = 5000, ratio = 0.25, whole = 2.0, flag = true,
                        list = { "a", "b", 3 } }
  server:confluent_target():create("new", config)
  local asked = server:asked()
  lu.assertEquals(#asked, 1)
  lu.assertEquals(asked[1].method .. " " .. asked[1].path, "POST /confluent" .. CONNECTORS)
  lu.assertEquals(kelp.json.decode(asked[1].body), { name = "new", config = sink {
    name = "new", ["tasks.max"] = "1", ["flush.size"] = "5000", ratio = "0.25", whole = "2",
    flag = "true", list = "a,b,3",
  } })
  lu.assertEquals(config.name, nil) -- the caller's table is the caller's
end

function TestConfluent:test_create_never_overwrites()
  local problem = support.raises("exists", self.target.create, self.target, "orders-to-s3", sink())
  lu.assertEquals(problem.status, 409)
  lu.assertEquals(self:verbs "orders-to-s3", "")
end

function TestConfluent:test_create_refuses_another_name_in_the_config()
  local made = self.sim:requests_of(support.raises, "invalid", self.target.create, self.target,
    "new", sink { name = "other" })
  lu.assertEquals(made, {})
end

function TestConfluent:test_create_refuses_masks()
  local made, problem = self.sim:requests_of(support.raises, "masked", self.target.create,
    self.target, "new", sink { ["kafka.api.secret"] = MASK, ["aws.secret.access.key"] = "**" })
  lu.assertEquals(made, {})
  lu.assertEquals(problem.keys, { "aws.secret.access.key", "kafka.api.secret" })
  lu.assertStrContains(problem.message, "aws.secret.access.key, kafka.api.secret")
end

function TestConfluent:test_one_asterisk_is_a_wildcard_and_no_mask()
  self.target:create("new", sink { topics = "*" })
  lu.assertEquals(stored(self.sim, "new").config.topics, "*")
end

function TestConfluent:test_create_with_a_bad_config_is_invalid()
  local problem = support.raises("invalid", self.target.create, self.target, "new",
    sink { ["tasks.max"] = "none" })
  lu.assertEquals(problem.status, 400)
  lu.assertStrContains(problem.message, "tasks.max")
  problem = support.raises("invalid", self.target.create, self.target, "new",
    sink { ["connector.class"] = "NoSuchSink" })
  lu.assertEquals(problem.status, 500)
  lu.assertEquals(problem.code, 500)
  lu.assertStrContains(problem.message, "Failed to find any class")
  lu.assertEquals(self:verbs "new", "")
end

function TestConfluent:test_update_reads_overlays_and_replaces()
  local server = support.scripted {
    json_reply(200, { name = "orders", type = "sink", tasks = kelp.json.array {}, config = {
      name = "orders", ["connector.class"] = "S3_SINK", ["flush.size"] = "1000", topics = "orders",
      ["time.interval"] = "HOURLY", ["cloud.environment"] = "prod", ["cloud.provider"] = "aws",
      ["kafka.endpoint"] = "SASL_SSL://example:9092", ["kafka.region"] = "us-west-2",
      ["kafka.dedicated"] = "false", ["connector.crn"] = "crn://x", ["valid.kafka.api.key"] = "true",
      ["kafka.max.partition.validation.disable"] = "false", ["kafka.user.id"] = "u-1",
      ["schema.registry.url"] = "https://example", ["config.internal.anything"] = "1",
      ["confluent.custom.plugin.type"] = "CUSTOM", ["confluent.resource.connector.tier"] = "x",
    } }),
    json_reply(200, { name = "orders", config = { name = "orders" }, tasks = kelp.json.array {} }),
  }
  server:confluent_target():update("orders",
    { ["flush.size"] = 5000, ["time.interval"] = kelp.null, ["new.key"] = true })
  local asked = server:asked()
  lu.assertEquals(#asked, 2)
  lu.assertEquals(asked[1].method .. " " .. asked[1].path, "GET /confluent" .. CONNECTORS .. "/orders")
  lu.assertEquals(asked[2].method .. " " .. asked[2].path,
    "PUT /confluent" .. CONNECTORS .. "/orders/config")
  lu.assertEquals(kelp.json.decode(asked[2].body), {
    name = "orders", ["connector.class"] = "S3_SINK", ["flush.size"] = "5000", topics = "orders",
    ["new.key"] = "true",
  })
end

function TestConfluent:test_update_refuses_masks_that_are_left()
  local made, problem = self.sim:requests_of(support.raises, "masked", self.target.update,
    self.target, "orders-to-s3", { ["flush.size"] = 5000, ["kafka.api.key"] = "NOTAREALKEY00004" })
  lu.assertEquals(made, { ["GET /connectors/{name}"] = 1 })
  lu.assertEquals(problem.keys,
    { "aws.access.key.id", "aws.secret.access.key", "kafka.api.secret" })
  for _, key in ipairs(problem.keys) do lu.assertStrContains(problem.message, key) end
  lu.assertEquals(problem.sent, "no")
  lu.assertEquals(self:verbs "orders-to-s3", "")
end

function TestConfluent:test_update_with_the_masked_keys_supplied()
  self.target:update("orders-to-s3", {
    ["flush.size"] = 5000, ["kafka.api.key"] = "NOTAREALKEY00004",
    ["kafka.api.secret"] = "not-a-real-secret-2", ["aws.access.key.id"] = "NOTAREALACCESSKEY2",
    ["aws.secret.access.key"] = "not-a-real-aws-secret-2",
  })
  lu.assertEquals(self:verbs "orders-to-s3", "put")
  local config = stored(self.sim, "orders-to-s3").config
  lu.assertEquals(config["flush.size"], "5000")
  lu.assertEquals(config["kafka.api.secret"], "not-a-real-secret-2")
  lu.assertEquals(config["time.interval"], "HOURLY")
end

function TestConfluent:test_update_keeps_masked_when_told_to()
  self.target:update("orders-to-s3", { ["flush.size"] = 5000 }, { keep_masked = true })
  local config = stored(self.sim, "orders-to-s3").config
  lu.assertEquals(config["flush.size"], "5000")
  lu.assertEquals(config["kafka.api.secret"], "not-a-real-kafka-secret")
end

function TestConfluent:test_update_removes_keys_with_null()
  self.target:update("orders-to-s3", { ["time.interval"] = kelp.null }, { keep_masked = true })
  lu.assertNil(stored(self.sim, "orders-to-s3").config["time.interval"])
  for _, key in ipairs { "name", "connector.class" } do
    local made = self.sim:requests_of(support.raises, "invalid", self.target.update, self.target,
      "orders-to-s3", { [key] = kelp.null })
    lu.assertEquals(made, {})
  end
end

function TestConfluent:test_update_of_nothing_is_refused()
  local made = self.sim:requests_of(support.raises, "invalid", self.target.update, self.target,
    "orders-to-s3", {})
  lu.assertEquals(made, {})
end

function TestConfluent:test_update_of_an_absent_connector()
  support.raises("not_found", self.target.update, self.target, "nothing", { a = "b" })
  lu.assertEquals(self.sim:effects(), {})
end

function TestConfluent:test_an_accepted_update_can_fail_later()
  local c = self.target:update("inventory-cdc", { ["tasks.max"] = "none" }, { keep_masked = true })
  lu.assertEquals(c.name, "inventory-cdc")
  local problem = support.raises("invalid", self.target.wait, self.target, "inventory-cdc",
    { grace = 0 })
  lu.assertStrContains(problem.message, "its last update was rejected")
  lu.assertStrContains(problem.message, "Unable to validate configuration")
  local now = self.target:get "inventory-cdc"
  lu.assertEquals(now.state, "failed")
  lu.assertStrContains(now.error, "Unable to validate configuration")
  lu.assertEquals(now.config["tasks.max"], "1")
end

function TestConfluent:test_put_replaces_the_whole_config()
  local made = self.sim:requests_of(self.target.put, self.target, "orders-to-s3", sink())
  lu.assertEquals(made, { ["GET /connectors/{name}"] = 1, ["PUT /connectors/{name}/config"] = 1 })
  lu.assertEquals(stored(self.sim, "orders-to-s3").config, sink { name = "orders-to-s3",
    ["tasks.max"] = "1" })
end

function TestConfluent:test_put_creates_what_is_not_there()
  local c = self.target:put("new", sink())
  lu.assertEquals(c.name, "new")
  lu.assertEquals(self:verbs "new", "put")
end

function TestConfluent:test_put_refuses_masks_and_another_name()
  local made = self.sim:requests_of(function()
    support.raises("masked", self.target.put, self.target, "new",
      sink { ["kafka.api.secret"] = MASK })
    support.raises("invalid", self.target.put, self.target, "new", sink { name = "other" })
  end)
  lu.assertEquals(made, {})
end

function TestConfluent:test_delete_answers_error_null()
  local made, done = self.sim:requests_of(self.target.delete, self.target, "orders-to-s3")
  lu.assertEquals(made, { ["DELETE /connectors/{name}"] = 1 })
  lu.assertTrue(done)
  lu.assertEquals(self:verbs "orders-to-s3", "delete")
  support.raises("not_found", self.target.delete, self.target, "orders-to-s3")
end

function TestConfluent:test_an_error_in_a_200_is_an_error()
  local server = support.scripted {
    json_reply(200, '{"error":{"code":500,"message":"it did not work"}}'),
    json_reply(200, '{"error":"it did not work either"}'),
    json_reply(200, '{"error":null}'),
  }
  local target = server:confluent_target()
  local problem = support.raises("server", target.pause, target, "orders")
  lu.assertEquals(problem.message, "it did not work")
  lu.assertEquals(problem.status, 200)
  problem = support.raises("server", target.pause, target, "orders")
  lu.assertEquals(problem.message, "it did not work either")
  lu.assertTrue(target:delete "orders")
end

function TestConfluent:test_pause_and_resume_answer_202_without_a_body()
  local made = self.sim:requests_of(function()
    lu.assertTrue(self.target:pause "orders-to-s3")
    lu.assertEquals(self.target:get("orders-to-s3").state, "paused")
    lu.assertTrue(self.target:resume "orders-to-s3")
    lu.assertEquals(self.target:get("orders-to-s3").state, "running")
  end)
  lu.assertEquals(made["PUT /connectors/{name}/pause"], 1)
  lu.assertEquals(made["PUT /connectors/{name}/resume"], 1)
  lu.assertEquals(self:verbs "orders-to-s3", "pause resume")
end

function TestConfluent:test_restart()
  local made, done = self.sim:requests_of(self.target.restart, self.target, "orders-to-s3")
  lu.assertEquals(made, { ["GET /connectors/{name}/status"] = 1,
    ["POST /connectors/{name}/restart"] = 1 })
  lu.assertTrue(done)
end

function TestConfluent:test_restart_of_what_is_paused_or_provisioning_is_a_conflict()
  local url = "/_simulator/connectors/confluent/env-sim/lkc-sim/orders-to-s3/state"
  self.sim:control("POST", url, '{"state":"PROVISIONING"}')
  for _, name in ipairs { "search-index", "orders-to-s3" } do
    local problem = support.raises("conflict", self.target.restart, self.target, name)
    lu.assertEquals(problem.status, 400)
    lu.assertStrContains(problem.message, "provisioning or paused")
    lu.assertFalse(problem.retryable)
  end
  lu.assertEquals(self.sim:effects(), {})
end

function TestConfluent:test_restart_of_a_failed_connector_is_sent()
  lu.assertTrue(self.target:restart "payments-sink")
  lu.assertEquals(self:verbs "payments-sink", "restart")
end

function TestConfluent:test_basic_and_bearer_authentication()
  local answer = json_reply(200, "{}")
  local server = support.scripted { answer, answer }
  server:confluent_target { api_key = "NAME", api_secret = "pass:word" }:list()
  server:confluent_target { token = "not-a-real-token" }:list()
  local asked = server:asked()
  lu.assertEquals(asked[1].headers.authorization, "Basic TkFNRTpwYXNzOndvcmQ=")
  lu.assertEquals(asked[2].headers.authorization, "Bearer not-a-real-token")
  lu.assertEquals(asked[1].path .. "?" .. asked[1].query,
    "/confluent" .. CONNECTORS .. "?expand=info,status,id")
end

function TestConfluent:test_bearer_works_and_expires()
  lu.assertEquals(#self.sim:confluent_target { token = "not-a-real-token" }:list(), 5)
  local expired = self.sim:confluent_target { token = "expired-token" }
  local problem = support.raises("unauthorized", expired.list, expired)
  lu.assertStrContains(problem.message, "expired")
end

function TestConfluent:test_gateway_refusals()
  local wrong = self.sim:confluent_target { api_key = "wrong-key" }
  local problem = support.raises("unauthorized", wrong.list, wrong)
  lu.assertEquals(problem.status, 401)
  lu.assertEquals(problem.code, "unauthorized")
  lu.assertEquals(#problem.request_id, 32)
  lu.assertEquals(problem.message, "Invalid or missing API key")
  local forbidden = self.sim:confluent_target { environment = "env-forbidden" }
  problem = support.raises("forbidden", forbidden.list, forbidden)
  lu.assertEquals(problem.status, 403)
  local elsewhere = self.sim:confluent_target { cluster = "lkc-none" }
  problem = support.raises("not_found", elsewhere.list, elsewhere)
  lu.assertEquals(problem.message, "account not found")
end

function TestConfluent:test_what_it_does_not_offer_is_refused_before_any_request()
  local made = self.sim:requests_of(function()
    local problem = support.raises("unsupported", self.target.stop, self.target, "orders-to-s3")
    lu.assertEquals(problem.sent, "no")
    lu.assertEquals(problem.verb, "stop")
    for _, state in ipairs { "paused", "stopped" } do
      support.raises("unsupported", self.target.create, self.target, "new", sink(),
        { state = state })
    end
    for _, tasks in ipairs { "all", "failed", 0 } do
      support.raises("unsupported", self.target.restart, self.target, "orders-to-s3",
        { tasks = tasks })
    end
  end)
  lu.assertEquals(made, {})
  lu.assertFalse(self.target.can.stop)
  lu.assertFalse(require("kelp.abilities").of(self.target).restart_tasks)
  lu.assertTrue(self.target.can.restart)
  lu.assertTrue(require("kelp.abilities").of(self.target).remove_keys)
  lu.assertTrue(self.target.can.wait)
end

function TestConfluent:test_a_connector_has_the_verbs_as_methods()
  local c = self.target:list { name = "orders*" }[1]
  lu.assertEquals(c:get().name, "orders-to-s3")
  c:update({ ["flush.size"] = 7 }, { keep_masked = true })
  c:pause()
  c:wait { state = "paused", poll = 0.01, timeout = 10 }
  c:resume()
  c:wait { poll = 0.01, timeout = 10 }
  c:restart()
  c:put(sink())
  c:delete()
  lu.assertEquals(self:verbs "orders-to-s3", "put pause resume restart put delete")
  support.raises("unsupported", c.stop, c)
  lu.assertEquals(type(c.tasks), "table") -- the field, not the verb
end

function TestConfluent:test_filters()
  local function names(filter)
    local result = {}
    for i, c in ipairs(self.target:list(filter)) do result[i] = c.name end
    return table.concat(result, " ")
  end
  lu.assertEquals(names { state = "paused" }, "search-index")
  lu.assertEquals(names { state = "PAUSED" }, "search-index")
  lu.assertEquals(names { class = "S3_SINK" }, "orders-to-s3")
  lu.assertEquals(names { type = "source" }, "inventory-cdc")
  lu.assertEquals(names { name = "[oi]*" }, "inventory-cdc orders-to-s3")
  lu.assertEquals(names { type = "sink", state = "running" }, "clicks-to-snowflake orders-to-s3")
  lu.assertEquals(names(function(c) return #c.tasks > 1 end), "clicks-to-snowflake orders-to-s3")
  lu.assertEquals(names(function(c) return self.target:get(c).state == "paused" end),
    "search-index") -- it may wait
  lu.assertEquals(names {}, names())
  support.misuse("unknown option 'status'", self.target.list, self.target, { status = "x" })
  support.misuse("state: a string expected, got number", self.target.list, self.target, { state = 1 })
  support.misuse("a '[' without its ']'", self.target.list, self.target, { name = "[" })
  support.misuse("table of options expected", self.target.list, self.target, "orders")
end

function TestConfluent:test_fields_of_a_target()
  lu.assertEquals(self.target.provider, "confluent")
  lu.assertEquals(self.target.environment, "env-sim")
  lu.assertEquals(self.target.cluster, "lkc-sim")
  lu.assertEquals(self.target.base_url, self.sim.confluent)
  lu.assertEquals(self.target.label, "confluent env-sim/lkc-sim")
  lu.assertEquals(tostring(self.target), "target confluent env-sim/lkc-sim")
  lu.assertNil(self.target.api_secret)
  support.misuse("cannot be set", function() self.target.cluster = "x" end)
end
