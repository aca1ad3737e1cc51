-- Tests of the commands list and migrate, as a user calls them: kelp as a process of its own
-- against `kelp sim` in another. Run by kelp: kelp tests/lua/migrate.lua
local kelp = require "kelp"
local lu = require "luaunit"

-- The program that runs this test is the one under test: the first word of its command line.
local program
for position = -1, -64, -1 do program = arg[position] or program end
local root = (arg[0]:match("^(.*)/[^/]*$") or ".") .. "/../.."
local fixture_path = root .. "/tests/fixtures/upstash-connectors.json"

local UPSTASH_CLUSTER = "7568431c-88d5-4409-a808-2167f22a7133"
local KAFKA = "--set kafka.api.key=env:TEST_KAFKA_KEY --set kafka.api.secret=env:TEST_KAFKA_SECRET"

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

local function sh(...)
  assert(os.execute(table.concat({ ... }, " ")))
end

local folder = os.tmpname()
sh("rm -f", quote(folder), "&& mkdir -m 700", quote(folder))

-- The simulator of the running test: its addresses and the pipe that keeps it alive.
local simulator

local function start_simulator(state)
  local pipe = folder .. "/pipe"
  sh("rm -f", quote(pipe), "&& mkfifo -m 600", quote(pipe))
  local state_path = write(folder .. "/state.json", kelp.json.encode(state))
  local process = io.popen(("%s sim --port 0 --exit-on-eof --provisioning 0.05 --state %s >%s")
    :format(quote(program), quote(state_path), quote(pipe)), "w")
  local out = assert(io.open(pipe, "r"))
  local line = assert(out:read "l", "the simulator did not start")
  simulator = { process = process, out = out, state_path = state_path,
                address = kelp.json.decode(line) }
end

-- Ends the simulator and returns the state that it saved.
local function stop_simulator()
  local ended = simulator
  simulator = nil
  lu.assertTrue(ended.process:close())
  ended.out:close()
  return kelp.json.decode(read(ended.state_path))
end

local function empty_world(upstash)
  return {
    confluent = { ["env-sim/lkc-sim"] = {} },
    upstash = { [UPSTASH_CLUSTER] = upstash and kelp.json.array(upstash) or nil },
  }
end

-- Runs kelp with these arguments; returns the exit code, standard output and standard error.
local function run(arguments, environment)
  local variables = {
    CONFLUENT_CLOUD_API_KEY = "not-a-real-cloud-key",
    CONFLUENT_CLOUD_API_SECRET = "not-a-real-cloud-secret",
    CONFLUENT_ENVIRONMENT_ID = "env-sim", KAFKA_CLUSTER_ID = "lkc-sim",
    UPSTASH_EMAIL = "owner@shop.example", UPSTASH_API_KEY = "not-a-real-upstash-key",
    UPSTASH_KAFKA_CLUSTER_ID = UPSTASH_CLUSTER, XDG_CONFIG_HOME = folder, HOME = folder,
    TEST_KAFKA_KEY = "NOTAREALKEY00002", TEST_KAFKA_SECRET = "not-a-real-kafka-secret-2",
  }
  if simulator then
    variables.CONFLUENT_CLOUD_REST_ENDPOINT = simulator.address.confluent
    variables.UPSTASH_API_URL = simulator.address.upstash
  end
  for key, value in pairs(environment or {}) do variables[key] = value end
  local words = { "env" }
  for key, value in pairs(variables) do words[#words + 1] = key .. "=" .. quote(value) end
  words[#words + 1] = ("%s %s >%s/out 2>%s/err </dev/null")
    :format(quote(program), arguments, quote(folder), quote(folder))
  local _, how, code = os.execute(table.concat(words, " "))
  lu.assertEquals(how, "exit")
  return code, read(folder .. "/out"), read(folder .. "/err")
end

local function migrate(arguments, environment)
  local code, out, err = run("--output json migrate --to confluent --grace 0.1 --timeout 20 "
    .. arguments, environment)
  if out == "" then return code, nil, err end
  local document = kelp.json.decode(out)
  local by_name = {}
  for _, result in ipairs(document.results) do by_name[result.name] = result end
  return code, by_name, err, document
end

local function effects_of(state, verb)
  local names = {}
  for _, effect in ipairs(state.effects or {}) do
    if effect.provider == "confluent" and effect.verb == verb then
      names[#names + 1] = effect.name
    end
  end
  table.sort(names)
  return names
end

local function listed(arguments)
  local code, out, err = run("--output json list " .. arguments)
  lu.assertEquals(code, 0, err)
  local by_name = {}
  for _, connector in ipairs(kelp.json.decode(out)) do by_name[connector.name] = connector end
  return by_name
end

-- A small Upstash connector that translates without questions.
local function snowflake(name, state)
  return {
    connector_id = "00000000-0000-4000-8000-" .. ("%012x"):format(#name), name = name,
    state = state or "running",
    connector_class = "com.snowflake.kafka.connector.SnowflakeSinkConnector",
    properties = {
      ["connector.class"] = "com.snowflake.kafka.connector.SnowflakeSinkConnector", topics = "t",
      ["snowflake.url.name"] = "a.snowflake.example", ["snowflake.user.name"] = "U",
      ["snowflake.private.key"] = "bm90LWEtcmVhbC1wcml2YXRlLWtleQ==",
      ["snowflake.database.name"] = "D", ["snowflake.schema.name"] = "S",
      ["value.converter"] = "org.apache.kafka.connect.storage.StringConverter",
    },
  }
end

local function saved(list)
  return write(folder .. "/saved.json", kelp.json.encode(kelp.json.array(list)))
end

local five = { "catalog-changes", "events-to-snowflake", "orders-postgres-cdc", "orders-to-mongo",
               "payments-mysql-cdc" }

TestMigrate = {}

function TestMigrate:setUp() start_simulator(empty_world()) end

function TestMigrate:tearDown()
  if simulator then stop_simulator() end
end

function TestMigrate:test_five_are_created_once_with_their_secrets_and_the_rest_is_reported()
  local code, results, err, document = migrate("--wait --restart-failed --from "
    .. quote(fixture_path) .. " " .. KAFKA)
  lu.assertEquals(code, 1, err)
  lu.assertEquals(document.summary, { running = 5, skipped = 7, created = 0, exists = 0, failed = 0,
    paused = 0, refused = 0, unknown = 0 })
  for _, name in ipairs(five) do lu.assertEquals(results[name].result, "running", name) end
  lu.assertTrue(results["payments-mysql-cdc"].restarted)
  lu.assertNil(results["orders-to-mongo"].restarted)
  lu.assertEquals(results["events-to-s3"].why,
    "no translation for class io.aiven.kafka.connect.s3.AivenKafkaConnectS3SinkConnector")
  lu.assertEquals(listed("confluent")["payments-mysql-cdc"].state, "running")

  local state = stop_simulator()
  lu.assertEquals(effects_of(state, "create"), five)
  lu.assertEquals(effects_of(state, "restart"), { "payments-mysql-cdc" })
  local made = state.confluent["env-sim/lkc-sim"]["catalog-changes"].config
  lu.assertEquals(made["connection.password"], "not-a-real-Password%2Fmongo")
  lu.assertEquals(made["kafka.api.secret"], "not-a-real-kafka-secret-2")
  lu.assertEquals(made["kafka.auth.mode"], "KAFKA_API_KEY")
  lu.assertEquals(made["connector.class"], "MongoDbAtlasSource")
end

function TestMigrate:test_no_secret_is_shown()
  for _, format in ipairs { "text", "json" } do
    local _, out, err = run("--output " .. format .. " migrate --to confluent --notes --from "
      .. quote(fixture_path) .. " " .. KAFKA)
    for _, text in ipairs { out, err } do
      lu.assertNotStrContains(text, "not-a-real")
      lu.assertNotStrContains(text, "NOTAREALKEY")
      lu.assertNotStrContains(text, "bm90LWEtcmVhbC")
    end
  end
end

-- The simulator takes any value for a host that does not answer, and says it in its trace.
function TestMigrate:test_a_password_out_of_a_uri_is_not_shown_when_the_service_repeats_it()
  local one = snowflake "one"
  one.connector_class = "com.mongodb.kafka.connect.MongoSinkConnector"
  one.properties = { topics = "t", database = "d",
    ["connection.uri"] = "mongodb://u:not-a-real-pw.unreachable.example@h.shop.example:27017/",
    ["value.converter"] = "org.apache.kafka.connect.storage.StringConverter" }
  local code, out, err = run("migrate --wait --grace 0.1 --to confluent --from "
    .. quote(saved { one }) .. " " .. KAFKA)
  lu.assertEquals(code, 1)
  lu.assertStrContains(out, "Unable to connect to")
  lu.assertNotStrContains(out .. err, "not-a-real-pw")
end

function TestMigrate:test_without_the_kafka_login_nothing_is_sent()
  local code, results = migrate("--from " .. quote(fixture_path))
  lu.assertEquals(code, 1)
  for _, name in ipairs(five) do
    lu.assertEquals(results[name].result, "refused")
    lu.assertEquals(results[name].missing, { "kafka.api.key", "kafka.api.secret" })
  end
  local _, out = run("migrate --to confluent --from " .. quote(fixture_path))
  lu.assertStrContains(out, "needs kafka.api.key and kafka.api.secret, or kafka.service.account.id")
  lu.assertEquals(effects_of(stop_simulator(), "create"), {})
end

function TestMigrate:test_a_service_account_is_enough()
  local code, results = migrate("--set kafka.service.account.id=sa-1 --from "
    .. quote(saved { snowflake "one" }))
  lu.assertEquals(code, 0)
  lu.assertEquals(results.one.result, "created")
  local config = stop_simulator().confluent["env-sim/lkc-sim"].one.config
  lu.assertEquals(config["kafka.auth.mode"], "SERVICE_ACCOUNT")
end

function TestMigrate:test_what_exists_is_left_as_it_is()
  local from = "--from " .. quote(saved { snowflake "one" }) .. " " .. KAFKA
  lu.assertEquals((migrate(from)), 0)
  local code, results = migrate(from .. " --set tasks.max=7")
  lu.assertEquals(code, 1)
  lu.assertEquals(results.one.result, "exists")
  local state = stop_simulator()
  lu.assertEquals(state.confluent["env-sim/lkc-sim"].one.config["tasks.max"], "1")
  lu.assertEquals(effects_of(state, "create"), { "one" })
end

function TestMigrate:test_only_and_set()
  local code, results = migrate("--only one --set tasks.max=3 --from "
    .. quote(saved { snowflake "one", snowflake "other" }) .. " " .. KAFKA)
  lu.assertEquals(code, 0)
  lu.assertNil(results.other)
  local made = stop_simulator().confluent["env-sim/lkc-sim"]
  lu.assertNil(made.other)
  lu.assertEquals(made.one.config["tasks.max"], "3")
end

function TestMigrate:test_a_paused_connector_is_paused_again()
  local code, results = migrate("--from " .. quote(saved { snowflake("one", "paused") }) .. " "
    .. KAFKA)
  lu.assertEquals(code, 0)
  lu.assertEquals(results.one.result, "paused")
  lu.assertEquals(listed("confluent").one.state, "paused")
end

function TestMigrate:test_a_failure_that_a_restart_does_not_heal()
  local broken = snowflake "one"
  broken.properties["snowflake.url.name"] = "db.unreachable.example"
  local code, results = migrate("--restart-failed --from "
    .. quote(saved { broken, snowflake "two" }) .. " " .. KAFKA)
  lu.assertEquals(code, 1)
  lu.assertEquals(results.one.result, "failed")
  lu.assertStrContains(results.one.why, "cannot be resolved")
  lu.assertTrue(results.one.restarted)
  lu.assertEquals(results.two.result, "running")
end

function TestMigrate:test_a_failure_is_not_restarted_unasked()
  local code, results = migrate("--wait --only '*mysql*' --from " .. quote(fixture_path) .. " "
    .. KAFKA)
  lu.assertEquals(code, 1)
  lu.assertEquals(results["payments-mysql-cdc"].result, "failed")
  lu.assertStrContains(results["payments-mysql-cdc"].why, "payments-db.flaky.example")
  lu.assertEquals(effects_of(stop_simulator(), "restart"), {})
end

function TestMigrate:test_a_refused_login_is_not_tried_again_and_again()
  local code, results = migrate("--from " .. quote(saved { snowflake "one", snowflake "three" })
    .. " " .. KAFKA, { CONFLUENT_CLOUD_API_KEY = "wrong-key" })
  lu.assertEquals(code, 1)
  lu.assertEquals(results.one.kind, "unauthorized")
  lu.assertEquals(results.three.why, "not tried: the login was refused")
end

function TestMigrate:test_two_of_one_name_are_refused()
  local code, results, _, document = migrate("--from "
    .. quote(saved { snowflake "one", snowflake "one" }) .. " " .. KAFKA)
  lu.assertEquals(code, 1)
  lu.assertEquals(document.summary.refused, 2)
  lu.assertStrContains(results.one.why, "two connectors")
  lu.assertEquals(effects_of(stop_simulator(), "create"), {})
end

function TestMigrate:test_what_is_left_out_is_said()
  local one = snowflake "one"
  one.properties["snowflake.frobnicate"] = "x"
  local code, out = run("migrate --to confluent --from " .. quote(saved { one }) .. " " .. KAFKA)
  lu.assertEquals(code, 0)
  lu.assertStrContains(out, "left out: snowflake.frobnicate")
  lu.assertStrContains(out, "1 created")
end

function TestMigrate:test_control_characters_of_a_name_do_not_reach_the_terminal()
  local code, out = run("migrate --to confluent --from "
    .. quote(saved { snowflake "one\27[31m" }) .. " " .. KAFKA)
  lu.assertEquals(code, 1)
  lu.assertNotStrContains(out, "\27")
  lu.assertStrContains(out, "failed")
end

TestLiveSource = {}

function TestLiveSource:tearDown()
  if simulator then stop_simulator() end
end

function TestLiveSource:test_from_a_live_upstash_cluster()
  start_simulator(empty_world(kelp.json.decode(read(fixture_path))))
  local code, results = migrate("--from upstash " .. KAFKA)
  lu.assertEquals(code, 1)
  for _, name in ipairs(five) do lu.assertEquals(results[name].result, "created", name) end
  local state = stop_simulator()
  lu.assertEquals(effects_of(state, "create"), five)
  local made = state.confluent["env-sim/lkc-sim"]["orders-postgres-cdc"].config
  lu.assertEquals(made["database.password"], "not-a-real-password-postgres")
end

function TestLiveSource:test_within_confluent_masks_have_to_be_supplied()
  local world = empty_world()
  world.confluent["env-old/lkc-old"] = { one = { config = {
    name = "one", ["connector.class"] = "SnowflakeSink", topics = "t", ["tasks.max"] = "1",
    ["kafka.auth.mode"] = "KAFKA_API_KEY", ["kafka.api.key"] = "NOTAREALKEY00001",
    ["kafka.api.secret"] = "not-a-real-kafka-secret", ["input.data.format"] = "JSON",
    ["snowflake.private.key"] = "not-a-real-private-key",
  } } }
  start_simulator(world)
  sh("mkdir -p", quote(folder .. "/kelp"))
  local targets = write(folder .. "/kelp/targets.lua", [[
    return { old = { provider = "confluent", environment = "env-old", cluster = "lkc-old",
                     api_key = env "CONFLUENT_CLOUD_API_KEY",
                     api_secret = env "CONFLUENT_CLOUD_API_SECRET",
                     base_url = "]] .. simulator.address.confluent .. [[" } }]])
  sh("chmod 600", quote(targets))
  local code, results, err = migrate("--from old " .. KAFKA)
  lu.assertEquals(code, 1, err)
  lu.assertEquals(results.one.missing, { "snowflake.private.key" })
  local dropped = {}
  for _, note in ipairs(results.one.notes) do dropped[note.key] = note.what end
  lu.assertEquals(dropped["cloud.provider"], "dropped")
  code, results = migrate("--from old --set snowflake.private.key=env:TEST_PRIVATE_KEY " .. KAFKA,
    { TEST_PRIVATE_KEY = "not-a-real-private-key-2" })
  lu.assertEquals(code, 0)
  lu.assertEquals(results.one.result, "created")
  local config = stop_simulator().confluent["env-sim/lkc-sim"].one.config
  lu.assertEquals(config["snowflake.private.key"], "not-a-real-private-key-2")
  lu.assertEquals(config["kafka.api.key"], "NOTAREALKEY00002")
  lu.assertEquals(config["input.data.format"], "JSON")
  os.remove(targets)
end

function TestLiveSource:test_the_same_place_is_no_destination()
  start_simulator(empty_world())
  local code, _, err = migrate("--from confluent " .. KAFKA)
  lu.assertEquals(code, 2)
  lu.assertStrContains(err, "the same place")
end

TestBadInput = {}

function TestBadInput:setUp() start_simulator(empty_world()) end

function TestBadInput:tearDown()
  if simulator then lu.assertEquals(effects_of(stop_simulator(), "create"), {}) end
end

function TestBadInput:test_files_name_themselves_and_the_entry()
  local good = kelp.json.encode(snowflake "one")
  for text, fault in pairs {
    ["{"] = "invalid JSON",
    ['{"error":"unauthorized"}'] = "not an array of connectors",
    ["3"] = "not an array of connectors",
    ["[" .. good .. ",7]"] = "entry 2 is not an object",
    ["[" .. good .. ',{"properties":{}}]'] = "entry 2 has no name",
    ["[" .. good .. ',{"name":"x"}]'] = "entry 2 ('x') has no properties",
    ["[" .. good .. ',{"name":"x","properties":[1]}]'] = "entry 2 ('x') has no properties",
    ["[" .. good .. ',{"name":"x","properties":{"a":"b"}}]'] = "entry 2 ('x') has neither",
  } do
    local path = write(folder .. "/bad.json", text)
    local code, results, err = migrate("--from " .. quote(path) .. " " .. KAFKA)
    lu.assertEquals(code, 1, text)
    lu.assertNil(results)
    lu.assertStrContains(err, path)
    lu.assertStrContains(err, fault)
    lu.assertNotStrContains(err, "traceback")
  end
end

function TestBadInput:test_a_missing_file()
  local code, _, err = migrate("--from ./nowhere.json " .. KAFKA)
  lu.assertEquals(code, 1)
  lu.assertStrContains(err, "./nowhere.json: No such file")
end

function TestBadInput:test_usage()
  local from = "--from " .. quote(saved { snowflake "one" }) .. " "
  for arguments, fault in pairs {
    [from .. "--set kafka.api.secret=not-a-real-secret"] = "must not be on the command line",
    [from .. "--set database.password=x"] = "must not be on the command line",
    [from .. "--set some.TOKEN=x"] = "must not be on the command line",
    [from .. "--set snowflake.private.key=x"] = "must not be on the command line",
    [from .. "--set nothing"] = "KEY=VALUE",
    [from .. "--set kafka.api.key=env:NOT_SET_ANYWHERE"] = "NOT_SET_ANYWHERE",
    [from .. "--set tasks.max=1 --set tasks.max=2"] = "twice",
    [from .. "--only '['"] = "without its ']'",
    [from .. "--timeout soon"] = "seconds",
    [from .. "--frobnicate"] = "frobnicate",
    [""] = "--from",
  } do
    local code, out, err = run("migrate --to confluent " .. arguments)
    lu.assertEquals(code, 2, arguments)
    lu.assertEquals(out, "")
    lu.assertStrContains(err, fault)
    lu.assertNotStrContains(err, "not-a-real-secret")
  end
end

TestList = {}

function TestList:setUp() start_simulator(empty_world(kelp.json.decode(read(fixture_path)))) end

function TestList:tearDown() stop_simulator() end

function TestList:test_a_file_and_the_cluster_that_it_came_from_list_alike()
  local from_file, live = listed("--file " .. quote(fixture_path)), listed "upstash"
  for name, connector in pairs(live) do
    for _, field in ipairs { "id", "class", "type", "state", "error" } do
      lu.assertEquals(from_file[name][field], connector[field], name .. " " .. field)
    end
  end
  for name in pairs(from_file) do lu.assertNotNil(live[name], name) end
end

function TestList:test_filters()
  for _, where in ipairs { "upstash", "--file " .. quote(fixture_path) } do
    local function names(arguments)
      local found = {}
      for name in pairs(listed(where .. " " .. arguments)) do found[#found + 1] = name end
      table.sort(found)
      return found
    end
    lu.assertEquals(names "--state failed", { "events-to-s3" })
    lu.assertEquals(names "--state PAUSED", { "order-webhooks" })
    lu.assertEquals(names "--type source --name *cdc",
      { "orders-postgres-cdc", "payments-mysql-cdc", "reviews-mongo-cdc" })
    lu.assertEquals(names "--class io.aiven.connect.jdbc.JdbcSinkConnector", { "events-jdbc-sink" })
    lu.assertEquals(names "--name nothing", {})
  end
end

function TestList:test_a_failure_in_a_file_is_the_last_word()
  local one, two = snowflake("one", "failed"), snowflake("two", "running")
  one.connector_state, two.connector_state = "running", "paused"
  local found = listed("--file " .. quote(saved { one, two }))
  lu.assertEquals(found.one.state, "failed")
  lu.assertEquals(found.two.state, "paused")
end

function TestList:test_text()
  local code, out = run("list upstash --state failed")
  lu.assertEquals(code, 0)
  lu.assertStrContains(out, "NAME")
  lu.assertStrContains(out, "events-to-s3")
  lu.assertNotStrContains(out, "not-a-real")
end

function TestList:test_nothing_is_an_empty_array()
  local code, out = run("--output json list confluent")
  lu.assertEquals(code, 0)
  lu.assertEquals(out, "[]\n")
end

function TestList:test_failures()
  local code, out, err = run("list nowhere")
  lu.assertEquals(code, 1)
  lu.assertEquals(out, "")
  lu.assertStrContains(err, "nowhere")
  code = run("list upstash", { UPSTASH_EMAIL = "wrong-key" })
  lu.assertEquals(code, 1)
  lu.assertEquals((run "list confluent --name '['"), 2)
  lu.assertEquals((run("list confluent --file " .. quote(fixture_path))), 2)
  lu.assertEquals((run "list --type both"), 2)
end

local failures = lu.LuaUnit.run()
sh("rm -rf", quote(folder))
os.exit(failures)
