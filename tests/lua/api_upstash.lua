-- The verbs on Upstash Kafka: ids behind names, the flat update body that merges, answers without
-- properties, and the 200 that is a failure. Run by run.lua.
local kelp = require "kelp"
local lu = require "luaunit"
local reconcile = require "kelp.reconcile"
local support = require "support"

local CLUSTER = support.upstash_cluster
local MONGO = "com.mongodb.kafka.connect.MongoSourceConnector"

local function source(changes)
  local config = { ["connector.class"] = MONGO, database = "shop",
                   ["connection.uri"] = "mongodb://shop:not-a-real-password@db.example/" }
  for key, value in pairs(changes or {}) do config[key] = value end
  return config
end

local function json_reply(status, value)
  return { status = status, headers = { ["Content-Type"] = "application/json" },
           body = type(value) == "string" and value or kelp.json.encode(value) }
end

local function stored(sim, name)
  for _, c in ipairs(sim:state().upstash[CLUSTER]) do
    if c.name == name then return c end
  end
end

TestUpstash = {}

function TestUpstash:setUp()
  self.sim = support.simulator()
  self.sim:reset()
  self.target = self.sim:upstash_target()
end

function TestUpstash:verbs(name)
  local verbs = {}
  for _, effect in ipairs(self.sim:effects()) do
    if effect.name == name then verbs[#verbs + 1] = effect.verb end
  end
  return table.concat(verbs, " ")
end

-- Puts two connectors of that name there.
function TestUpstash:make_twins(name)
  local state = { upstash = { [CLUSTER] = {
    { connector_id = "twin-b", name = name, state = "running", properties = source() },
    { connector_id = "twin-a", name = name, state = "running", properties = source() },
    { connector_id = "only", name = "only", state = "running", properties = source() },
  } } }
  self.sim:reset(state)
end

function TestUpstash:test_list_is_one_request()
  local made, list = self.sim:requests_of(self.target.list, self.target)
  lu.assertEquals(made, { ["GET /connectors/{cluster}"] = 1 })
  local names = {}
  for i, c in ipairs(list) do names[i] = c.name end
  lu.assertEquals(names, { "catalog-mongo-source", "customers-cdc", "events-to-s3",
    "reviews-to-search" })
end

function TestUpstash:test_a_listed_connector_has_all_fields()
  local c = self.target:list { name = "catalog*" }[1]
  lu.assertEquals(c.id, "431ec970-b59d-4b00-95fe-5f3abcc52c2f")
  lu.assertEquals(c.class, MONGO)
  lu.assertEquals(c.type, "source")
  lu.assertEquals(c.state, "running")
  lu.assertEquals(c.created, 1684369147)
  lu.assertNil(c.error)
  lu.assertEquals(c.tasks[1].state, "running")
  lu.assertEquals(c.details.cluster_id, CLUSTER)
  lu.assertIs(c.target, self.target)
  lu.assertEquals(self.target:get("events-to-s3").topics, { "events" })
end

function TestUpstash:test_booleans_and_numbers_in_properties_become_strings()
  local c = self.target:get "catalog-mongo-source"
  lu.assertEquals(c.config["publish.full.document.only"], "true")
  lu.assertEquals(c.config["poll.max.batch.size"], "1000")
  local server = support.scripted { json_reply(200, {
    { connector_id = "1", name = "a", connector_class = MONGO, state = "running", properties = {
      big = 9007199254740993, float = 0.5, nothing = kelp.null, yes = true,
      list = kelp.json.array { "a", 1 } } },
  }) }
  lu.assertEquals(server:upstash_target():list()[1].config,
    { big = "9007199254740993", float = "0.5", yes = "true", list = '["a",1]' })
end

function TestUpstash:test_get_by_name_is_one_list()
  local made, c = self.sim:requests_of(self.target.get, self.target, "customers-cdc")
  lu.assertEquals(made, { ["GET /connectors/{cluster}"] = 1 })
  lu.assertEquals(c.id, "8c1f0a52-6b1e-4d7e-9a0c-3f7d2b9e6a14")
end

function TestUpstash:test_get_by_connector_asks_by_id()
  local c = self.target:get "customers-cdc"
  local made, again = self.sim:requests_of(c.get, c)
  lu.assertEquals(made, { ["GET /connector/{id}"] = 1 })
  lu.assertEquals(again.name, "customers-cdc")
end

function TestUpstash:test_an_absent_name()
  local problem = support.raises("not_found", self.target.get, self.target, "nothing")
  lu.assertStrContains(problem.message, "nothing")
  lu.assertNil(self.target:find "nothing")
  for _, verb in ipairs { "pause", "resume", "restart", "delete", "wait" } do
    problem = support.raises("not_found", self.target[verb], self.target, "nothing")
    lu.assertEquals(problem.connector, "nothing")
    lu.assertEquals(problem.sent, "no")
  end
  support.raises("not_found", self.target.update, self.target, "nothing", { a = "b" })
end

function TestUpstash:test_an_ambiguous_name_is_refused_with_both_ids()
  self:make_twins "twin"
  local function refused(verb, ...)
    local problem = support.raises("conflict", self.target[verb], self.target, "twin", ...)
    lu.assertEquals(problem.ids, { "twin-a", "twin-b" })
    lu.assertStrContains(problem.message, "twin-a, twin-b")
    lu.assertEquals(problem.sent, "no")
  end
  refused "get"
  refused "pause"
  refused "resume"
  refused "restart"
  refused "delete"
  refused "wait"
  refused("update", { a = "b" })
  refused("put", source())
  lu.assertEquals(self.sim:effects(), {})
end

function TestUpstash:test_a_connector_names_one_of_two_twins()
  self:make_twins "twin"
  local twins = self.target:list { name = "twin" }
  lu.assertEquals({ twins[1].id, twins[2].id }, { "twin-a", "twin-b" })
  twins[2]:pause()
  local effects = self.sim:effects()
  lu.assertEquals(#effects, 1)
  lu.assertEquals(effects[1].id, "twin-b")
end

function TestUpstash:test_a_connector_of_another_target_is_looked_up_by_name()
  local other = self.sim:confluent_target():get "orders-to-s3"
  support.raises("not_found", self.target.pause, self.target, other)
end

function TestUpstash:test_create()
  local made, c = self.sim:requests_of(self.target.create, self.target, "new", source())
  lu.assertEquals(made, { ["POST /connector"] = 1, ["GET /connectors/{cluster}"] = 1 })
  lu.assertEquals(c.name, "new")
  lu.assertEquals(c.class, MONGO)
  lu.assertEquals(c.state, "pending")
  lu.assertEquals(#c.id, 36)
  lu.assertNil(c.config) -- the answer comes without properties
  lu.assertEquals(stored(self.sim, "new").properties, source())
  lu.assertEquals(c:wait({ poll = 0.01, timeout = 10 }).state, "running")
end

function TestUpstash:test_create_sends_name_cluster_and_properties()
  local server = support.scripted {
    json_reply(200, "[]"),
    json_reply(200, { connector_id = "1", name = "new", state = "pending" }),
  }
  server:upstash_target():create("new", source { ["tasks.max"] = 2, flag = false })
  local asked = server:asked()
  lu.assertEquals(asked[2].method .. " " .. asked[2].path, "POST /upstash/v2/kafka/connector")
  lu.assertEquals(asked[2].headers["content-type"], "application/json")
  lu.assertEquals(kelp.json.decode(asked[2].body), { name = "new", cluster_id = CLUSTER,
    properties = source { ["tasks.max"] = "2", flag = "false" } })
end

function TestUpstash:test_create_never_makes_a_second_one()
  local problem = support.raises("exists", self.target.create, self.target, "customers-cdc",
    source())
  lu.assertStrContains(problem.message, "8c1f0a52-6b1e-4d7e-9a0c-3f7d2b9e6a14")
  lu.assertEquals(self.sim:effects(), {})
end

function TestUpstash:test_update_sends_only_the_changes_as_a_flat_object()
  local server = support.scripted {
    json_reply(200, { { connector_id = "id/1", name = "orders", state = "running" } }),
    json_reply(200, { connector_id = "id/1", name = "orders", state = "running" }),
  }
  server:upstash_target { email = "somebody@example.com" }
    :update("orders", { ["flush.size"] = 5000, flag = true })
  local asked = server:asked()
  lu.assertEquals(asked[2].method .. " " .. asked[2].path,
    "POST /upstash/v2/kafka/update-connector/id%2F1")
  lu.assertEquals(asked[2].body, '{"flag":"true","flush.size":"5000"}')
  lu.assertEquals(asked[2].headers.authorization,
    "Basic c29tZWJvZHlAZXhhbXBsZS5jb206bm90LWEtcmVhbC11cHN0YXNoLWtleQ==")
end

-- What was made of the last update's changes serves again only for the same changes.
function TestUpstash:test_each_update_sends_its_own_changes()
  local path = support.write(support.path "token", "not-a-real-token")
  assert(os.execute("chmod 600 " .. support.quote(path)))
  local token = kelp.secret { file = path }
  local changes = { a = "1", b = "2" }
  local same = { b = "2", a = "1" }
  local sent = {
    { changes, '{"a":"1","b":"2"}' }, { changes, '{"a":"1","b":"2"}' },
    { same, '{"a":"1","b":"2"}' },
    { { a = "1" }, '{"a":"1"}' }, { { a = "1", b = "2" }, '{"a":"1","b":"2"}' },
    { { a = "1", b = "2", c = "3" }, '{"a":"1","b":"2","c":"3"}' },
    { { a = 1, b = true }, '{"a":"1","b":"true"}' }, { { a = 1, b = true }, '{"a":"1","b":"true"}' },
    { { a = "1", c = "true" }, '{"a":"1","c":"true"}' },
    { { a = token }, '{"a":"not-a-real-token"}' }, { { a = token }, '{"a":"not-a-real-token"}' },
    { { a = "not-a-real" }, '{"a":"not-a-real"}' },
  }
  local replies = {}
  for i = 1, #sent + 2 do
    local c = { connector_id = "id1", name = "orders", state = "running" }
    replies[i] = json_reply(200, i == 1 and { c } or c)
  end
  local server = support.scripted(replies)
  local target = server:upstash_target { email = "somebody@example.com" }
  local connector = target:get "orders"
  for _, case in ipairs(sent) do target:update(connector, case[1]) end
  changes.a, changes.b = "2", nil
  target:update(connector, changes)
  local asked = server:asked()
  for i, case in ipairs(sent) do lu.assertEquals(asked[i + 1].body, case[2], i) end
  lu.assertEquals(asked[#sent + 2].body, '{"a":"2"}')
  support.raises("masked", target.update, target, connector, { a = "****" })
  support.raises("masked", target.update, target, connector, { a = "****" })
  support.raises("unsupported", target.update, target, connector, { a = kelp.null })
  support.raises("unsupported", target.update, target, connector, { a = kelp.null })
end

function TestUpstash:test_update_merges()
  local c = self.target:get "catalog-mongo-source"
  local made, answer = self.sim:requests_of(c.update, c, { collection = "reviews", limit = 10 })
  lu.assertEquals(made, { ["POST /update-connector/{id}"] = 1 })
  lu.assertEquals(answer.name, "catalog-mongo-source")
  lu.assertNil(answer.config)
  local now = stored(self.sim, "catalog-mongo-source").properties
  lu.assertEquals(now.collection, "reviews")
  lu.assertEquals(now.limit, "10")
  lu.assertEquals(now.database, "catalog")
  lu.assertEquals(self:verbs "catalog-mongo-source", "update")
end

function TestUpstash:test_a_bad_config_is_a_200_that_says_failed()
  local c = self.target:update("catalog-mongo-source", { ["connection.uri"] = "connection-uri" })
  lu.assertEquals(c.state, "failed")
  lu.assertStrContains(c.error, "Invalid value connection-uri for configuration connection.uri")
  local problem = support.raises("conflict", self.target.wait, self.target, "catalog-mongo-source",
    { grace = 0 })
  lu.assertStrContains(problem.message, "The connection string is invalid")
end

function TestUpstash:test_a_key_cannot_be_removed()
  local made, problem = self.sim:requests_of(support.raises, "unsupported", self.target.update,
    self.target, "catalog-mongo-source", { collection = kelp.null, database = "x" })
  lu.assertEquals(made, {})
  lu.assertStrContains(problem.message, "collection")
  lu.assertFalse(require("kelp.abilities").of(self.target).remove_keys)
end

function TestUpstash:test_put_updates_when_nothing_is_to_be_removed()
  local now = self.target:get("catalog-mongo-source").config
  now.collection = "reviews"
  local made = self.sim:requests_of(self.target.put, self.target, "catalog-mongo-source", now)
  lu.assertEquals(made, { ["GET /connectors/{cluster}"] = 1, ["POST /update-connector/{id}"] = 1 })
  lu.assertEquals(stored(self.sim, "catalog-mongo-source").properties.collection, "reviews")
end

function TestUpstash:test_put_refuses_what_would_leave_keys_behind()
  local problem = support.raises("unsupported", self.target.put, self.target,
    "catalog-mongo-source", source())
  lu.assertEquals(problem.keys,
    { "collection", "poll.max.batch.size", "publish.full.document.only", "topic.prefix" })
  lu.assertStrContains(problem.message, "topic.prefix")
  lu.assertEquals(self.sim:effects(), {})
end

function TestUpstash:test_put_creates_what_is_not_there()
  lu.assertEquals(self.target:put("new", source()).name, "new")
  lu.assertEquals(self:verbs "new", "create")
end

function TestUpstash:test_lifecycle_answers_the_json_string_ok()
  local c = self.target:get "customers-cdc"
  local made = self.sim:requests_of(function()
    lu.assertTrue(c:pause())
    lu.assertEquals(c:get().state, "paused")
    lu.assertTrue(c:resume())
    lu.assertEquals(c:get().state, "running")
    lu.assertTrue(c:restart())
    lu.assertTrue(c:delete())
  end)
  lu.assertEquals(made, { ["POST /connector/{id}/pause"] = 1, ["POST /connector/{id}/start"] = 1,
    ["POST /connector/{id}/restart"] = 1, ["DELETE /connector/{id}"] = 1,
    ["GET /connector/{id}"] = 2 })
  lu.assertEquals(self:verbs "customers-cdc", "pause resume restart delete")
end

function TestUpstash:test_verbs_by_name_look_the_id_up()
  local made = self.sim:requests_of(self.target.restart, self.target, "customers-cdc")
  lu.assertEquals(made, { ["GET /connectors/{cluster}"] = 1, ["POST /connector/{id}/restart"] = 1 })
end

function TestUpstash:test_an_error_by_id_names_the_connector()
  local c = self.target:get "customers-cdc"
  c:delete()
  local problem = support.raises("not_found", c.pause, c)
  lu.assertEquals(problem.connector, "customers-cdc")
  lu.assertEquals(problem.id, c.id)
  lu.assertEquals(problem.message, "connector not found") -- the body is plain text
end

function TestUpstash:test_masks_are_never_sent()
  local made, problem = self.sim:requests_of(support.raises, "masked", self.target.create,
    self.target, "new", source { ["connection.uri"] = "****************" })
  lu.assertEquals(problem.keys, { "connection.uri" })
  lu.assertNil(made["POST /connector"])
end

function TestUpstash:test_refusals()
  local wrong = self.sim:upstash_target { email = "wrong-key" }
  local problem = support.raises("unauthorized", wrong.list, wrong)
  lu.assertEquals(problem.message, "Unauthorized")
  local elsewhere = self.sim:upstash_target { cluster = "none" }
  problem = support.raises("not_found", elsewhere.list, elsewhere)
  lu.assertEquals(problem.message, "cluster not found")
end

function TestUpstash:test_what_it_does_not_offer_is_refused_before_any_request()
  local made = self.sim:requests_of(function()
    for _, verb in ipairs { "stop", "tasks", "validate", "plugins", "translate", "offsets",
                            "alter_offsets", "reset_offsets" } do
      lu.assertEquals(support.raises("unsupported", self.target[verb], self.target, "x").sent, "no")
    end
    support.raises("unsupported", self.target.restart, self.target, "x", { tasks = "all" })
  end)
  lu.assertEquals(made, {})
  lu.assertTrue(require("kelp.abilities").of(self.target).address_by_id)
  lu.assertTrue(require("kelp.abilities").of(self.target).merge)
end

function TestUpstash:test_an_answer_of_another_shape_is_a_protocol_error()
  local server = support.scripted {
    json_reply(200, '{"connectors":[]}'), json_reply(200, "[1]"), json_reply(200, '[{"name":"a"}]'),
    json_reply(200, "[{"), { status = 200, body = "" }, json_reply(200, "null"),
    json_reply(200, '[{"connector_id":1,"name":"a"}]'),
  }
  local target = server:upstash_target()
  for _ = 1, 7 do
    local problem = support.raises("protocol", target.list, target)
    lu.assertEquals(problem.status, 200)
    lu.assertEquals(problem.sent, "yes")
  end
  lu.assertEquals(#server:asked(), 7)
end

function TestUpstash:test_a_write_with_an_unreadable_answer_has_an_unknown_outcome()
  local server = support.scripted {
    json_reply(200, "[]"), { status = 200, body = "<html>welcome to this hotel</html>" },
  }
  local target = server:upstash_target()
  local problem = support.raises("unknown_outcome", target.create, target, "new", source())
  lu.assertEquals(problem.connector, "new")
  lu.assertFalse(problem.retryable)
  -- What stays ambiguous is looked at once more when the run ends: here now.
  support.scripted { json_reply(200, "[]") }
  lu.assertEquals(reconcile.audit(), 0)
  lu.assertEquals(#server:asked(), 1)
end
