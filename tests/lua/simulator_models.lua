-- The provider models of scripts/simulator as pure functions: quirk by quirk, in virtual time.
-- Runs under plain lua5.4 with scripts/?.lua in package.path (and any JSON codec), or under kelp.

local lu = require "luaunit"

local router = require "simulator.router"
local text = require "simulator.text"

-- kelp's codec where it is, else lua-cjson.
local json
do
  local ok, kelp = pcall(require, "kelp")
  json = ok and kelp.json or require "cjson"
end

local cluster = "7568431c-88d5-4409-a808-2167f22a7133"
local confluent = "/confluent/connect/v1/environments/env-sim/clusters/lkc-sim/"
local upstash = "/upstash/v2/kafka/"
local credential = "Basic " .. text.base64_encode("someone:not-a-real-password")

local function new(options)
  options = options or {}
  options.json = json
  options.providers = { "confluent", "connect", "upstash" }
  options.provisioning = options.provisioning or 10
  return router.new(options)
end

local function call(w, method, path, body, authorization)
  local bare, query = path:match("^([^?]*)%??(.*)$")
  if type(body) == "table" then body = json.encode(body) end
  local headers = { ["content-type"] = "application/json" }
  if authorization ~= "" then headers.authorization = authorization or credential end
  local reply = router.handle(w, {
    method = method, path = bare, query = query, headers = headers, body = body or "",
  })
  lu.assertEquals(type(reply.body), "string")
  local decoded
  if (reply.headers["Content-Type"] or ""):find("json") then decoded = json.decode(reply.body) end
  return reply.status, decoded, reply
end

local function effects(w)
  local _, list = call(w, "GET", "/_simulator/effects")
  return list
end

local function s3(name, changes)
  local config = {
    ["connector.class"] = "S3_SINK", name = name, topics = "orders", ["kafka.api.key"] = "K",
    ["kafka.api.secret"] = "not-a-real-secret", ["tasks.max"] = "2",
  }
  for key, value in pairs(changes or {}) do config[key] = value end
  return config
end

local function state_of(w, name)
  local _, status = call(w, "GET", confluent .. "connectors/" .. name .. "/status")
  return status.connector.state, status
end

local function masked_put(w, name, changes)
  local _, config = call(w, "GET", confluent .. "connectors/" .. name .. "/config")
  for key, value in pairs(changes) do config[key] = value end
  return call(w, "PUT", confluent .. "connectors/" .. name .. "/config", config)
end

-- The stored config, which only a saved state shows.
local function stored(w, name)
  local _, state = call(w, "GET", "/_simulator/state")
  return state.confluent["env-sim/lkc-sim"][name].config
end

TestConfluent = {}

function TestConfluent:test_list_gives_sorted_names()
  local status, names = call(new(), "GET", confluent .. "connectors")
  lu.assertEquals(status, 200)
  lu.assertEquals(names, {
    "clicks-to-snowflake", "inventory-cdc", "orders-to-s3", "payments-sink", "search-index",
  })
end

function TestConfluent:test_an_empty_list_is_an_array_and_an_empty_map_an_object()
  local w = new { state = { confluent = { ["env-sim/lkc-sim"] = {} } } }
  local _, _, reply = call(w, "GET", confluent .. "connectors")
  lu.assertEquals(reply.body, "[]")
  _, _, reply = call(w, "GET", confluent .. "connectors?expand=info")
  lu.assertEquals(reply.body, "{}")
end

function TestConfluent:test_expand_as_comma_list_and_repeated()
  local w = new()
  for _, query in ipairs { "expand=info,status,id", "expand=info%2Cstatus%2Cid",
    "expand=info&expand=status&expand=id" } do
    local status, map = call(w, "GET", confluent .. "connectors?" .. query)
    lu.assertEquals(status, 200)
    local entry = map["payments-sink"]
    lu.assertEquals(entry.info.name, "payments-sink")
    lu.assertEquals(entry.info.type, "sink")
    lu.assertEquals(entry.status.connector.state, "FAILED")
    lu.assertStrContains(entry.status.connector.trace, "password authentication failed")
    lu.assertEquals(entry.status.tasks[1].state, "USER_ACTIONABLE_ERROR")
    lu.assertStrContains(entry.status.tasks[1].msg, "password authentication failed")
    lu.assertEquals(entry.id.id, "lcc-s1m003")
  end
  local _, map = call(w, "GET", confluent .. "connectors?expand=status")
  lu.assertNil(map["payments-sink"].info)
  lu.assertNil(map["payments-sink"].id)
  local _, names = call(w, "GET", confluent .. "connectors?expand=nothing")
  lu.assertEquals(names[1], "clicks-to-snowflake")
end

function TestConfluent:test_configs_are_masked_and_have_injected_keys()
  local w = new()
  local _, info = call(w, "GET", confluent .. "connectors/inventory-cdc")
  local _, config = call(w, "GET", confluent .. "connectors/inventory-cdc/config")
  local _, map = call(w, "GET", confluent .. "connectors?expand=info")
  lu.assertEquals(config, info.config)
  lu.assertEquals(config, map["inventory-cdc"].info.config)
  for _, key in ipairs { "kafka.api.key", "kafka.api.secret", "database.password" } do
    lu.assertEquals(config[key], ("*"):rep(16))
  end
  lu.assertEquals(config["database.user"], "cdc")
  for _, key in ipairs { "cloud.environment", "cloud.provider", "kafka.endpoint", "kafka.region",
    "valid.kafka.api.key", "connector.crn" } do
    lu.assertIsString(config[key])
    lu.assertNotStrContains(config[key], "***")
  end
end

function TestConfluent:test_create_comes_before_provisioning_and_shows_no_id()
  local w = new()
  local status, created, reply = call(w, "POST", confluent .. "connectors",
    { name = "new", config = s3("new", { password = "not-a-real-password" }) })
  lu.assertEquals(status, 201)
  lu.assertEquals(created.name, "new")
  lu.assertEquals(created.config.password, ("*"):rep(16))
  lu.assertStrContains(reply.body, '"tasks":[]')
  lu.assertNotStrContains(reply.body, "lcc-")
  lu.assertEquals(state_of(w, "new"), "PROVISIONING")
  w.now = 9.9
  lu.assertEquals(state_of(w, "new"), "PROVISIONING")
  w.now = 10
  local state, body = state_of(w, "new")
  lu.assertEquals(state, "RUNNING")
  lu.assertEquals(#body.tasks, 2)
  local _, map = call(w, "GET", confluent .. "connectors?expand=id")
  call(w, "PUT", confluent .. "connectors/newer/config", s3("newer"))
  local _, names = call(w, "GET", confluent .. "connectors")
  lu.assertEquals(#names, 7)
  lu.assertStrMatches(map.new.id.id, "lcc%-%w+")
end

function TestConfluent:test_duplicate_create_changes_nothing()
  local w = new()
  local status, body = call(w, "POST", confluent .. "connectors",
    { name = "orders-to-s3", config = s3("orders-to-s3", { topics = "other" }) })
  lu.assertEquals(status, 409)
  lu.assertEquals(body, { error_code = 409, message = "Connector orders-to-s3 already exists" })
  lu.assertEquals(stored(w, "orders-to-s3").topics, "orders")
  lu.assertEquals(#effects(w), 0)
end

function TestConfluent:test_refused_configs()
  local w = new()
  local path = confluent .. "connectors/orders-to-s3/config"
  local function refused(status, config)
    local got, body = call(w, "PUT", path, config)
    lu.assertEquals(got, status)
    return body
  end
  lu.assertEquals(refused(400, '{"a":').code, 400)
  lu.assertEquals(refused(400, '["a"]').code, 400)
  local body = refused(400, s3("orders-to-s3", { ["flush.size"] = 5000 }))
  lu.assertStrContains(body.error.message, "flush.size")
  body = refused(400, s3("another"))
  lu.assertStrContains(body.error.message, "doesn't match")
  local nameless = s3("orders-to-s3")
  nameless.name = nil
  refused(400, nameless)
  local keyless = s3("orders-to-s3")
  keyless["kafka.api.secret"] = nil
  lu.assertStrContains(refused(400, keyless).error.message, "kafka.api.secret")
  body = refused(500, s3("orders-to-s3", { ["connector.class"] = "Nonsense" }))
  lu.assertEquals(body, { error_code = 500, message = "Failed to find any class that implements "
    .. "Connector and which name matches io.confluent.connect.Nonsense" })
  lu.assertEquals(state_of(w, "orders-to-s3"), "RUNNING")
  lu.assertEquals(#effects(w), 0)
end

function TestConfluent:test_a_service_account_stands_in_for_a_key()
  local config = s3("new", { ["kafka.auth.mode"] = "SERVICE_ACCOUNT",
    ["kafka.service.account.id"] = "sa-000000" })
  config["kafka.api.key"], config["kafka.api.secret"] = nil, nil
  lu.assertEquals((call(new(), "POST", confluent .. "connectors",
    { name = "new", config = config })), 201)
end

function TestConfluent:test_put_creates_or_replaces()
  local w = new()
  lu.assertEquals((call(w, "PUT", confluent .. "connectors/new/config", s3("new"))), 200)
  lu.assertEquals(state_of(w, "new"), "PROVISIONING")
  w.now = 20
  local smaller = s3("new")
  smaller.topics = nil
  local status, body = call(w, "PUT", confluent .. "connectors/new/config", smaller)
  lu.assertEquals(status, 200)
  lu.assertNil(body.config.topics)
  lu.assertNil(stored(w, "new").topics)
end

function TestConfluent:test_masks_sent_back_keep_the_stored_secrets_and_injected_keys_are_dropped()
  local w = new()
  lu.assertEquals((masked_put(w, "inventory-cdc", { ["slot.name"] = "another" })), 200)
  local config = stored(w, "inventory-cdc")
  lu.assertEquals(config["kafka.api.secret"], "not-a-real-kafka-secret")
  lu.assertEquals(config["database.password"], "not-a-real-password")
  lu.assertEquals(config["slot.name"], "another")
  lu.assertNil(config["kafka.endpoint"])
  lu.assertNil(config["config.internal.simulator.region"])
  masked_put(w, "inventory-cdc", { ["database.password"] = "not-a-real-password-2" })
  lu.assertEquals(stored(w, "inventory-cdc")["database.password"], "not-a-real-password-2")
end

function TestConfluent:test_masks_in_a_create_mean_nothing_and_it_fails()
  local w = new()
  call(w, "POST", confluent .. "connectors",
    { name = "new", config = s3("new", { ["kafka.api.secret"] = ("*"):rep(16) }) })
  w.now = 10
  local state, body = state_of(w, "new")
  lu.assertEquals(state, "FAILED")
  lu.assertStrContains(body.connector.trace, "kafka.api.secret")
end

function TestConfluent:test_accepted_then_failed_update_keeps_the_old_config()
  local w = new()
  local status, body = masked_put(w, "orders-to-s3", { ["tasks.max"] = "many" })
  lu.assertEquals(status, 200)
  lu.assertEquals(body.config["tasks.max"], "many")
  local state, shown = state_of(w, "orders-to-s3")
  lu.assertEquals(state, "FAILED")
  lu.assertStrContains(shown.connector.trace, "Unable to validate configuration. If an update was "
    .. "made to the configuration, this means that the configuration was invalid, and the "
    .. "connector continues to operate on a previous configuration that passed validation. Errors:")
  lu.assertEquals(shown.tasks[1].state, "RUNNING")
  local _, config = call(w, "GET", confluent .. "connectors/orders-to-s3/config")
  lu.assertEquals(config["tasks.max"], "2")
  local list = effects(w)
  lu.assertEquals(#list, 1)
  lu.assertEquals(list[1].before, list[1].after)
  masked_put(w, "orders-to-s3", { ["tasks.max"] = "3" })
  w.now = 5
  lu.assertEquals(state_of(w, "orders-to-s3"), "RUNNING")
  for _, wrong in ipairs { "0", "-1", "1.5", "" } do
    masked_put(w, "orders-to-s3", { ["tasks.max"] = wrong })
    lu.assertEquals(state_of(w, "orders-to-s3"), "FAILED")
  end
end

function TestConfluent:test_pause_and_resume_are_asynchronous()
  local w = new()
  local status, _, reply = call(w, "PUT", confluent .. "connectors/orders-to-s3/pause")
  lu.assertEquals(status, 202)
  lu.assertEquals(reply.body, "")
  lu.assertNil(reply.headers["Content-Type"])
  lu.assertEquals(state_of(w, "orders-to-s3"), "RUNNING")
  w.now = 5
  lu.assertEquals(state_of(w, "orders-to-s3"), "PAUSED")
  lu.assertEquals((call(w, "PUT", confluent .. "connectors/orders-to-s3/resume")), 202)
  lu.assertEquals(state_of(w, "orders-to-s3"), "PAUSED")
  w.now = 10
  lu.assertEquals(state_of(w, "orders-to-s3"), "RUNNING")
end

function TestConfluent:test_paused_while_provisioning_never_runs()
  local w = new()
  call(w, "POST", confluent .. "connectors", { name = "new", config = s3("new") })
  call(w, "PUT", confluent .. "connectors/new/pause")
  w.now = 10
  lu.assertEquals(state_of(w, "new"), "PAUSED")
end

function TestConfluent:test_a_failed_connector_cannot_be_paused()
  local w = new()
  lu.assertEquals((call(w, "PUT", confluent .. "connectors/payments-sink/pause")), 202)
  w.now = 100
  lu.assertEquals(state_of(w, "payments-sink"), "FAILED")
end

function TestConfluent:test_restart_keeps_the_state_and_restarts_the_tasks()
  local w = new()
  local status, _, reply = call(w, "POST", confluent .. "connectors/orders-to-s3/restart")
  lu.assertEquals(status, 202)
  lu.assertEquals(reply.body, "")
  local state, body = state_of(w, "orders-to-s3")
  lu.assertEquals(state, "RUNNING")
  lu.assertEquals(body.tasks[1].state, "RESTARTING")
  w.now = 5
  state, body = state_of(w, "orders-to-s3")
  lu.assertEquals(state, "RUNNING")
  lu.assertEquals(body.tasks[1].state, "RUNNING")
end

function TestConfluent:test_restart_is_refused_while_provisioning_or_paused()
  local w = new()
  lu.assertEquals((call(w, "POST", confluent .. "connectors/search-index/restart")), 400)
  call(w, "POST", confluent .. "connectors", { name = "new", config = s3("new") })
  local status, body = call(w, "POST", confluent .. "connectors/new/restart")
  lu.assertEquals(status, 400)
  lu.assertStrContains(body.error.message, "PROVISIONING")
  lu.assertEquals(#effects(w), 1)
end

function TestConfluent:test_flaky_hosts_fail_once_and_unreachable_ones_always()
  local w = new()
  for _, kind in ipairs { "flaky", "unreachable" } do
    local config = s3(kind, { ["store.url"] = "https://db1." .. kind .. ".example:443/x" })
    call(w, "POST", confluent .. "connectors", { name = kind, config = config })
  end
  w.now = 10
  local state, body = state_of(w, "flaky")
  lu.assertEquals(state, "FAILED")
  lu.assertEquals(body.tasks[1].state, "SYSTEM_ERROR")
  lu.assertStrContains(body.connector.trace, "db1.flaky.example")
  state, body = state_of(w, "unreachable")
  lu.assertEquals(state, "FAILED")
  lu.assertEquals(body.tasks[1].state, "USER_ACTIONABLE_ERROR")
  call(w, "POST", confluent .. "connectors/flaky/restart")
  call(w, "POST", confluent .. "connectors/unreachable/restart")
  w.now = 15
  lu.assertEquals(state_of(w, "flaky"), "RUNNING")
  lu.assertEquals(state_of(w, "unreachable"), "FAILED")
end

function TestConfluent:test_delete()
  local w = new()
  local _, before = call(w, "GET", confluent .. "connectors")
  lu.assertEquals(#before, 5)
  local status, _, reply = call(w, "DELETE", confluent .. "connectors/orders-to-s3")
  lu.assertEquals(status, 200)
  lu.assertEquals(reply.body, '{"error":null}')
  lu.assertEquals((call(w, "DELETE", confluent .. "connectors/orders-to-s3")), 404)
  local _, names = call(w, "GET", confluent .. "connectors")
  lu.assertEquals(#names, 4)
end

function TestConfluent:test_the_shapes_of_not_found()
  local w = new()
  local _, body = call(w, "GET", confluent .. "connectors/none")
  lu.assertEquals(body, { error_code = 404, message = "resource not found" })
  _, body = call(w, "DELETE", confluent .. "connectors/none")
  lu.assertEquals(body, { error = { code = 404, message = "resource not found" } })
  _, body = call(w, "GET", confluent:gsub("lkc%-sim", "lkc-none") .. "connectors")
  lu.assertEquals(body, { error = { code = 404, message = "account not found" } })
  local status
  status, body = call(w, "GET", confluent .. "nothing")
  lu.assertEquals({ status, body.errors[1].status }, { 404, "404" })
  status = call(w, "PATCH", confluent .. "connectors/orders-to-s3/config", {})
  lu.assertEquals(status, 405)
  status = call(w, "GET", confluent .. "connectors//config")
  lu.assertEquals(status, 404)
end

function TestConfluent:test_names_are_percent_decoded_and_nothing_else()
  local w = new()
  local name = "a/b c+d%é..\"\\"
  local encoded = "a%2Fb%20c+d%25%C3%A9..%22%5C"
  lu.assertEquals((call(w, "PUT", confluent .. "connectors/" .. encoded .. "/config", s3(name))),
    200)
  local _, info = call(w, "GET", confluent .. "connectors/" .. encoded)
  lu.assertEquals(info.name, name)
  lu.assertEquals((call(w, "GET", confluent .. "connectors/%zz")), 400)
  lu.assertEquals((call(w, "GET", confluent .. "connectors/%ff")), 400)
end

function TestConfluent:test_who_may_ask()
  local w = new()
  local function status_for(authorization)
    local status, body, reply = call(w, "GET", confluent .. "connectors", nil, authorization)
    lu.assertIsString(reply.headers["X-Request-Id"])
    if status == 401 then
      lu.assertEquals(body.errors[1].status, "401")
      lu.assertIsString(body.errors[1].detail)
    end
    return status
  end
  lu.assertEquals(status_for(""), 401)
  lu.assertEquals(status_for("Basic " .. text.base64_encode("wrong-key:x")), 401)
  lu.assertEquals(status_for("Basic " .. text.base64_encode("nocolon")), 401)
  lu.assertEquals(status_for("Basic ###"), 401)
  lu.assertEquals(status_for("Digest x"), 401)
  lu.assertEquals(status_for("Bearer expired-token"), 401)
  lu.assertEquals(status_for("Bearer some-token"), 200)
  local status, body = call(w, "GET", confluent:gsub("env%-sim", "env-forbidden") .. "connectors")
  lu.assertEquals(status, 403)
  lu.assertEquals(body, { error = { code = 403, message = "Forbidden" } })
end

function TestConfluent:test_rate_limit()
  local w = new { rate = 2 }
  local function get(authorization)
    local status, _, reply = call(w, "GET", confluent .. "connectors", nil, authorization)
    return status, reply.headers
  end
  local status, headers = get()
  lu.assertEquals(status, 200)
  lu.assertEquals(headers["X-RateLimit-Limit"], "2")
  lu.assertEquals(headers["X-RateLimit-Remaining"], "1")
  lu.assertEquals(headers["X-RateLimit-Reset"], "1")
  lu.assertNil(headers["Retry-After"])
  get()
  status, headers = get()
  lu.assertEquals(status, 429)
  lu.assertEquals(headers["X-RateLimit-Remaining"], "0")
  lu.assertEquals(headers["Retry-After"], "1")
  lu.assertEquals((get("Bearer another")), 200)
  w.now = 0.5
  lu.assertEquals((get()), 200)
  lu.assertEquals((get()), 429)
  local slow = new { rate = 0.1 }
  call(slow, "GET", confluent .. "connectors")
  local _, _, reply = call(slow, "GET", confluent .. "connectors")
  lu.assertEquals(reply.headers["Retry-After"], "10")
  local _, _, free = call(new(), "GET", confluent .. "connectors")
  lu.assertNil(free.headers["X-RateLimit-Limit"])
end

function TestConfluent:test_a_limited_write_has_no_effect()
  local w = new { rate = 1 }
  call(w, "GET", confluent .. "connectors")
  lu.assertEquals((call(w, "DELETE", confluent .. "connectors/orders-to-s3")), 429)
  lu.assertEquals(#effects(w), 0)
end

function TestConfluent:test_plugins_and_validate()
  local w = new()
  local _, plugins = call(w, "GET", confluent .. "connector-plugins")
  local types = {}
  for _, plugin in ipairs(plugins) do types[plugin.class] = plugin.type end
  lu.assertEquals({ types.S3_SINK, types.PostgresCdcSourceV2 }, { "sink", "source" })
  local path = confluent .. "connector-plugins/S3_SINK/config/validate"
  local status, body = call(w, "PUT", path, { name = "x", ["tasks.max"] = "none" })
  lu.assertEquals(status, 200)
  local by_name = {}
  for _, entry in ipairs(body.configs) do by_name[entry.value.name] = entry end
  lu.assertEquals(by_name["aws.secret.access.key"].definition.type, "PASSWORD")
  lu.assertEquals(#by_name["s3.bucket.name"].value.errors, 1)
  lu.assertEquals(#by_name["tasks.max"].value.errors, 1)
  lu.assertEquals(#by_name.name.value.errors, 0)
  lu.assertTrue(body.error_count >= 7)
  local _, map = call(w, "GET", "/_simulator/state")
  _, body = call(w, "PUT", path, map.confluent["env-sim/lkc-sim"]["orders-to-s3"].config)
  lu.assertEquals(body.error_count, 0)
end

function TestConfluent:test_offsets_are_altered_later()
  local w = new()
  local path = confluent .. "connectors/inventory-cdc/offsets"
  local _, _, reply = call(w, "GET", path)
  lu.assertStrContains(reply.body, '"ts_usec":1712907333000000')
  local change = { type = "PATCH", offsets = {
    { partition = { server = "inventory" }, offset = { lsn = 7 } } } }
  lu.assertEquals((call(w, "POST", path .. "/request", change)), 202)
  lu.assertEquals((call(w, "POST", path .. "/request", change)), 409)
  local _, status = call(w, "GET", path .. "/request/status")
  lu.assertEquals(status.status.phase, "PENDING")
  w.now = 5
  _, status = call(w, "GET", path .. "/request/status")
  lu.assertEquals(status.status.phase, "APPLIED")
  local _, body = call(w, "GET", path)
  lu.assertEquals(#body.offsets, 1)
  lu.assertEquals(body.offsets[1].offset.lsn, 7)
  lu.assertEquals((call(w, "POST", path .. "/request", { type = "DELETE" })), 202)
  w.now = 10
  _, _, reply = call(w, "GET", path)
  lu.assertStrContains(reply.body, '"offsets":[]')
  lu.assertEquals((call(w, "POST", path .. "/request", { type = "PATCH" })), 400)
end

TestUpstash = {}

local mongo = "com.mongodb.kafka.connect.MongoSourceConnector"

local function list(w)
  local _, connectors = call(w, "GET", upstash .. "connectors/" .. cluster)
  return connectors
end

local function create(w, name, properties)
  return call(w, "POST", upstash .. "connector",
    { name = name, cluster_id = cluster, properties = properties })
end

function TestUpstash:test_list_has_clear_properties_of_their_own_type()
  local status, connectors, reply = call(new(), "GET", upstash .. "connectors/" .. cluster)
  lu.assertEquals(status, 200)
  lu.assertEquals(#connectors, 4)
  local first = connectors[1]
  lu.assertEquals(first.connector_id, "431ec970-b59d-4b00-95fe-5f3abcc52c2f")
  lu.assertEquals(first.state, "running")
  lu.assertStrContains(first.properties["connection.uri"], "not-a-real-password")
  lu.assertIsTrue(first.properties["publish.full.document.only"])
  lu.assertStrContains(reply.body, '"poll.max.batch.size":1000,')
  lu.assertEquals(first.creation_time, 1684369147)
  lu.assertEquals(first.TTL, 1684370947)
  lu.assertEquals(connectors[3].topics, { "events" })
  lu.assertEquals(connectors[4].state, "paused")
end

function TestUpstash:test_create_is_pending_without_properties()
  local w = new()
  local status, c, reply = create(w, "new", {
    ["connector.class"] = mongo, ["connection.uri"] = "mongodb://h.shop.example", topics = "a, b" })
  lu.assertEquals(status, 200)
  lu.assertEquals(c.state, "pending")
  lu.assertNil(c.properties)
  lu.assertStrContains(reply.body, '"tasks":[]')
  lu.assertStrMatches(c.connector_id, "%x+%-%x+%-4%x+%-[89ab]%x+%-%x+")
  lu.assertEquals(#c.connector_id, 36)
  for _, key in ipairs { "customer_id", "cluster_id", "creation_time", "deletion_time",
    "state_error_message", "connector_state", "connector_class", "encoded_username", "TTL" } do
    lu.assertNotNil(c[key], key)
  end
  lu.assertEquals(c.customer_id, "someone")
  lu.assertEquals(c.topics, { "a", "b" })
  w.now = 10
  local _, got = call(w, "GET", upstash .. "connector/" .. c.connector_id)
  lu.assertEquals(got.state, "running")
  lu.assertEquals(got.properties.topics, "a, b")
  lu.assertEquals(got.tasks[1].state, "RUNNING")
end

function TestUpstash:test_names_are_not_unique()
  local w = new()
  local _, a = create(w, "twin", { ["connector.class"] = "x" })
  local _, b = create(w, "twin", { ["connector.class"] = "x" })
  lu.assertNotEquals(a.connector_id, b.connector_id)
  lu.assertEquals(#list(w), 6)
end

function TestUpstash:test_bad_requests()
  local w = new()
  for _, body in ipairs { { cluster_id = cluster, properties = { a = "b" } },
    { name = "x", properties = { a = "b" } }, { name = "x", cluster_id = cluster },
    { name = "", cluster_id = cluster, properties = { a = "b" } } } do
    local status, answer = call(w, "POST", upstash .. "connector", body)
    lu.assertEquals(status, 400)
    lu.assertIsString(answer.error)
  end
  local status, decoded, reply = call(w, "POST", upstash .. "connector", "{")
  lu.assertEquals(status, 400)
  lu.assertNil(decoded)
  lu.assertStrContains(reply.headers["Content-Type"], "text/plain")
  lu.assertEquals(#effects(w), 0)
end

function TestUpstash:test_update_is_flat_and_merges()
  local w = new()
  local id = "b7a6c5d4-e3f2-4a1b-9c8d-7e6f5a4b3c2d"
  local status, c = call(w, "POST", upstash .. "update-connector/" .. id,
    { ["batch.size"] = 7, ["new.key"] = true })
  lu.assertEquals(status, 200)
  lu.assertNil(c.properties)
  local properties = list(w)[4].properties
  lu.assertEquals(properties["batch.size"], 7)
  lu.assertIsTrue(properties["new.key"])
  lu.assertEquals(properties["connection.username"], "kafka")
  local list_ = effects(w)
  lu.assertEquals({ list_[1].verb, list_[1].before["batch.size"], list_[1].after["batch.size"] },
    { "update", 100, 7 })
end

function TestUpstash:test_a_bad_uri_is_a_200_that_failed()
  local w = new()
  local id = "431ec970-b59d-4b00-95fe-5f3abcc52c2f"
  local status, c, reply = call(w, "POST", upstash .. "update-connector/" .. id,
    { ["connection.uri"] = "connection-uri-update" })
  lu.assertEquals(status, 200)
  lu.assertEquals(c.state, "failed")
  lu.assertEquals(c.state_error_message, "Connector configuration is invalid and contains the "
    .. "following 1 error(s):\nInvalid value connection-uri-update for configuration "
    .. "connection.uri: The connection string is invalid. Connection strings must start with "
    .. "either 'mongodb://' or 'mongodb+srv://\n")
  lu.assertEquals(c.connector_state, "")
  lu.assertStrContains(reply.body, '"tasks":[]')
  lu.assertEquals(list(w)[1].properties["connection.uri"], "connection-uri-update")
  call(w, "POST", upstash .. "update-connector/" .. id,
    { ["connection.uri"] = "mongodb://h.example" })
  w.now = 5
  lu.assertEquals(list(w)[1].state, "running")
  local _, bad = create(w, "bad", { ["connector.class"] = mongo, ["connection.uri"] = "x" })
  lu.assertEquals(bad.state, "pending")
  w.now = 15
  local _, got = call(w, "GET", upstash .. "connector/" .. bad.connector_id)
  lu.assertEquals(got.state, "failed")
end

function TestUpstash:test_actions_answer_ok()
  local w = new()
  local path = upstash .. "connector/431ec970-b59d-4b00-95fe-5f3abcc52c2f"
  local function ok(method, suffix)
    local status, decoded, reply = call(w, method, path .. suffix)
    lu.assertEquals({ status, decoded, reply.body }, { 200, "OK", '"OK"' })
  end
  ok("POST", "/pause")
  lu.assertEquals(list(w)[1].state, "paused")
  ok("POST", "/start")
  lu.assertEquals(list(w)[1].state, "running")
  ok("POST", "/restart")
  lu.assertEquals(list(w)[1].tasks[1].state, "RESTARTING")
  w.now = 5
  lu.assertEquals(list(w)[1].tasks[1].state, "RUNNING")
  ok("DELETE", "")
  lu.assertEquals(#list(w), 3)
  local verbs = {}
  for i, e in ipairs(effects(w)) do verbs[i] = e.verb end
  lu.assertEquals(verbs, { "pause", "resume", "restart", "delete" })
end

function TestUpstash:test_flaky_runs_after_a_restart()
  local w = new()
  local _, c = create(w, "f", { ["connector.class"] = "x", host = "a.flaky.example" })
  local path = upstash .. "connector/" .. c.connector_id
  w.now = 10
  local _, got = call(w, "GET", path)
  lu.assertEquals({ got.state, got.connector_state }, { "failed", "FAILED" })
  lu.assertStrContains(got.state_error_message, "a.flaky.example")
  call(w, "POST", path .. "/restart")
  w.now = 15
  _, got = call(w, "GET", path)
  lu.assertEquals(got.state, "running")
end

function TestUpstash:test_refusals()
  local w = new()
  local status, decoded, reply = call(w, "GET", upstash .. "connector/nobody")
  lu.assertEquals({ status, decoded }, { 404, nil })
  lu.assertStrContains(reply.headers["Content-Type"], "text/plain")
  lu.assertEquals((call(w, "GET", upstash .. "connectors/nowhere")), 404)
  lu.assertEquals((call(w, "PATCH", upstash .. "connector/nobody", {})), 405)
  local body
  status, body = call(w, "GET", upstash .. "connectors/" .. cluster, nil, "")
  lu.assertEquals(status, 401)
  lu.assertIsString(body.error)
  lu.assertEquals((call(w, "GET", upstash .. "connectors/" .. cluster, nil, "Bearer x")), 401)
  w = new { rate = 1 }
  list(w)
  status, _, reply = call(w, "GET", upstash .. "connectors/" .. cluster)
  lu.assertEquals(status, 429)
  lu.assertNil(reply.headers["Retry-After"])
end

TestWorld = {}

function TestWorld:test_effects_hold_no_secret()
  local w = new()
  call(w, "PUT", confluent .. "connectors/new/config",
    s3("new", { ["store.url"] = "https://u:not-a-real-canary@h/", password = "not-a-real-canary" }))
  call(w, "PUT", confluent .. "connectors/custom/config", {
    name = "custom", ["confluent.connector.type"] = "CUSTOM",
    ["confluent.custom.plugin.id"] = "ccp-000000", ["kafka.api.key"] = "not-a-real-canary",
    ["kafka.api.secret"] = "not-a-real-canary", ["my.secret"] = "not-a-real-canary" })
  create(w, "new", { ["connection.uri"] = "mongodb://u:not-a-real-canary@h/",
    ["x.secret"] = "not-a-real-canary" })
  local _, _, reply = call(w, "GET", "/_simulator/effects")
  lu.assertStrContains(reply.body, '"topics":"orders"')
  lu.assertNotStrContains(reply.body, "canary")
  -- What a custom plugin does not declare as sensitive comes back in clear.
  local _, config = call(w, "GET", confluent .. "connectors/custom/config")
  lu.assertEquals(config["my.secret"], "not-a-real-canary")
  lu.assertEquals(config["kafka.api.secret"], ("*"):rep(16))
end

function TestWorld:test_effects_are_numbered_and_can_be_asked_for_from_one_on()
  local w = new()
  w.now = 3
  call(w, "PUT", confluent .. "connectors/search-index/resume")
  call(w, "DELETE", confluent .. "connectors/search-index")
  local list_ = effects(w)
  lu.assertEquals({ list_[1].seq, list_[2].seq, list_[1].time }, { 1, 2, 3 })
  lu.assertEquals(list_[2].after, json.null)
  local _, later = call(w, "GET", "/_simulator/effects?after=1")
  lu.assertEquals(#later, 1)
  lu.assertEquals(later[1].verb, "delete")
  lu.assertEquals((call(w, "DELETE", "/_simulator/effects")), 204)
  lu.assertEquals(#effects(w), 0)
  call(w, "DELETE", confluent .. "connectors/payments-sink")
  lu.assertEquals(effects(w)[1].seq, 3)
end

function TestWorld:test_a_saved_state_is_the_same_world()
  local w = new()
  call(w, "POST", confluent .. "connectors", { name = "new", config = s3("new") })
  call(w, "POST", confluent .. "connectors/orders-to-s3/restart")
  create(w, "new", { ["connector.class"] = "x", ["a.number"] = 3 })
  local _, _, saved = call(w, "GET", "/_simulator/state")
  local copy = new { state = {} }
  lu.assertEquals((call(copy, "PUT", "/_simulator/state", saved.body)), 204)
  for _, world in ipairs { w, copy } do world.now = 12 end
  for _, path in ipairs { confluent .. "connectors?expand=info,status,id",
    upstash .. "connectors/" .. cluster, "/_simulator/effects", "/_simulator/state" } do
    local _, expected = call(w, "GET", path)
    local _, got = call(copy, "GET", path)
    lu.assertEquals(got, expected)
  end
  lu.assertEquals(state_of(copy, "new"), "RUNNING")
  local _, a = create(w, "again", { ["connector.class"] = "x" })
  local _, b = create(copy, "again", { ["connector.class"] = "x" })
  lu.assertEquals(a.connector_id, b.connector_id)
end

function TestWorld:test_seeding_from_list_responses_and_bare_configs()
  local w = new()
  local _, _, listed = call(w, "GET", upstash .. "connectors/" .. cluster)
  local _, _, expanded = call(w, "GET", confluent .. "connectors?expand=info,status,id")
  local body = '{"upstash":{"elsewhere":' .. listed.body .. '},"confluent":{"e/c":' .. expanded.body
    .. ',"e/bare":{"x":' .. json.encode(s3("x")) .. "}}}"
  lu.assertEquals((call(w, "PUT", "/_simulator/state", body)), 204)
  local _, got = call(w, "GET", upstash .. "connectors/elsewhere")
  lu.assertEquals(#got, 4)
  lu.assertEquals(got[1].properties, json.decode(listed.body)[1].properties)
  local path = "/confluent/connect/v1/environments/e/clusters/"
  local _, map = call(w, "GET", path .. "c/connectors?expand=info,status,id")
  lu.assertEquals(map["payments-sink"].status.connector.state, "FAILED")
  lu.assertEquals(map["search-index"].id.id, "lcc-s1m004")
  local _, info = call(w, "GET", path .. "bare/connectors/x")
  lu.assertEquals(info.config.topics, "orders")
end

function TestWorld:test_a_wrong_state_changes_nothing()
  local w = new()
  for _, body in ipairs { "{", '{"kafka":{}}', '{"upstash":{"c":[{"name":"x"}]}}',
    '{"confluent":{"no-slash":{}}}', '{"confluent":{"e/c":{"x":{"config":{"a":1}}}}}',
    '{"confluent":{"e/c":{"x":{"config":{"a":"1"},"state":"ODD"}}}}', '{"seed":"xyz"}' } do
    local status, answer = call(w, "PUT", "/_simulator/state", body)
    lu.assertEquals({ body, status }, { body, 400 })
    lu.assertIsString(answer.error)
  end
  local _, names = call(w, "GET", confluent .. "connectors")
  lu.assertEquals(#names, 5)
end

function TestWorld:test_states_can_be_forced()
  local w = new()
  for _, path in ipairs { "env-sim/lkc-sim", "env-sim%2Flkc-sim" } do
    local status = call(w, "POST", "/_simulator/connectors/confluent/" .. path
      .. "/orders-to-s3/state", { state = "FAILED", trace = "java.lang.Forced" })
    lu.assertEquals(status, 204)
    local state, body = state_of(w, "orders-to-s3")
    lu.assertEquals({ state, body.connector.trace }, { "FAILED", "java.lang.Forced" })
    call(w, "POST", confluent .. "connectors/orders-to-s3/restart")
    w.now = w.now + 10
    lu.assertEquals(state_of(w, "orders-to-s3"), "RUNNING")
  end
  call(w, "POST", "/_simulator/connectors/confluent/env-sim/lkc-sim/orders-to-s3/state",
    { state = "DEGRADED", trace = "half" })
  local state, body = state_of(w, "orders-to-s3")
  lu.assertEquals({ state, body.tasks[1].state, body.tasks[2].state },
    { "DEGRADED", "USER_ACTIONABLE_ERROR", "RUNNING" })
  local set = "/_simulator/connectors/upstash/" .. cluster .. "/catalog-mongo-source/state"
  lu.assertEquals((call(w, "POST", set, { state = "failed", trace = "t" })), 204)
  lu.assertEquals(list(w)[1].state_error_message, "t")
  lu.assertEquals((call(w, "POST", set, { state = "odd" })), 400)
  create(w, "twin", { ["connector.class"] = "x" })
  create(w, "twin", { ["connector.class"] = "x" })
  lu.assertEquals((call(w, "POST", "/_simulator/connectors/upstash/" .. cluster .. "/twin/state",
    { state = "failed" })), 409)
end

function TestWorld:test_requests_are_counted_by_pattern()
  local w = new()
  list(w)
  list(w)
  call(w, "GET", confluent .. "connectors/a")
  call(w, "GET", confluent .. "connectors/b")
  local _, counts = call(w, "GET", "/_simulator/requests")
  lu.assertEquals(counts["GET /upstash/v2/kafka/connectors/{cluster}"], 2)
  lu.assertEquals(counts["GET /confluent/connect/v1/environments/{environment}/clusters/{cluster}/"
    .. "connectors/{name}"], 2)
end

function TestWorld:test_equal_seeds_give_equal_worlds()
  local ids = {}
  for i, seed in ipairs { 5, 5, 6 } do
    local _, c = create(new { seed = seed }, "x", { ["connector.class"] = "x" })
    ids[i] = c.connector_id
  end
  lu.assertEquals(ids[1], ids[2])
  lu.assertNotEquals(ids[1], ids[3])
end

TestText = {}

function TestText:test_base64_both_ways()
  local examples = { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", ["\0\xff"] = "AP8=" }
  for plain, encoded in pairs(examples) do
    lu.assertEquals(text.base64_encode(plain), encoded)
    lu.assertEquals(text.base64_decode(encoded), plain)
  end
  lu.assertNil(text.base64_decode("Zg="))
  lu.assertNil(text.base64_decode("Z g="))
end

function TestText:test_dates()
  lu.assertEquals(text.date(0), "1970-01-01T00:00:00Z")
  lu.assertEquals(text.date(951782400), "2000-02-29T00:00:00Z")
  lu.assertEquals(text.date(1767225599), "2025-12-31T23:59:59Z")
  lu.assertEquals(text.date(4107542400), "2100-03-01T00:00:00Z")
end

os.exit(lu.LuaUnit.run())
