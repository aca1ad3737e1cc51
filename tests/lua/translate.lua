-- Tests of translate.managed and of the tables of scripts/translate: every fixture connector, and the
-- values at which other converters go wrong. Runs under kelp and under plain lua5.4.
local here = (arg and arg[0] or ""):match("^(.*)/[^/]*$") or "."
local root = here .. "/../.."
local has_kelp, kelp = pcall(require, "kelp")
if not has_kelp then package.path = root .. "/scripts/?.lua;" .. package.path end

local lu = require "luaunit"
local json = has_kelp and kelp.json or require "cjson"
local translate = require "translate.managed"

local MONGO_SOURCE = "com.mongodb.kafka.connect.MongoSourceConnector"
local MONGO_SINK = "com.mongodb.kafka.connect.MongoSinkConnector"
local POSTGRES = "io.debezium.connector.postgresql.PostgresConnector"
local MYSQL = "io.debezium.connector.mysql.MySqlConnector"
local SNOWFLAKE = "com.snowflake.kafka.connector.SnowflakeSinkConnector"
local JSON_CONVERTER = "org.apache.kafka.connect.json.JsonConverter"
local STRING_CONVERTER = "org.apache.kafka.connect.storage.StringConverter"

local function fixture()
  local file = assert(io.open(root .. "/tests/fixtures/upstash-connectors.json"))
  local text = file:read "a"
  file:close()
  return json.decode(text)
end

local function fixture_named(name)
  for _, connector in ipairs(fixture()) do
    if connector.name == name then
      return { name = name, class = connector.connector_class, config = connector.properties }
    end
  end
  error("no fixture " .. name)
end

-- The notes for a key, as "what" joined by blanks.
local function whats(result, key)
  local found = {}
  for _, note in ipairs(result.notes) do
    if note.key == key then found[#found + 1] = note.what end
  end
  return table.concat(found, " ")
end

local function need(result, key)
  for _, item in ipairs(result.needs) do
    if item.key == key then return item end
  end
  return nil
end

local function need_keys(result)
  local keys = {}
  for _, item in ipairs(result.needs) do keys[#keys + 1] = item.key end
  table.sort(keys)
  return keys
end

local function with(base, changes)
  local config = {}
  for key, value in pairs(base) do config[key] = value end
  for key, value in pairs(changes) do config[key] = value end
  return config
end

local function minimal(class)
  local configs = {
    [MONGO_SOURCE] = { ["connection.uri"] = "mongodb+srv://u:not-a-real-password@c.example/",
                       ["value.converter"] = STRING_CONVERTER },
    [MONGO_SINK] = { ["connection.uri"] = "mongodb://u:not-a-real-password@h.example:27017",
                     database = "d", topics = "t", ["value.converter"] = JSON_CONVERTER },
    [POSTGRES] = { ["database.hostname"] = "h.example", ["database.user"] = "u",
                   ["database.password"] = "not-a-real-password", ["database.dbname"] = "d",
                   ["database.server.name"] = "shop", ["plugin.name"] = "pgoutput",
                   ["value.converter"] = JSON_CONVERTER },
    [MYSQL] = { ["database.hostname"] = "h.example", ["database.user"] = "u",
                ["database.password"] = "not-a-real-password", ["database.server.name"] = "shop",
                ["value.converter"] = JSON_CONVERTER },
    [SNOWFLAKE] = { topics = "t", ["snowflake.url.name"] = "a.example",
                    ["snowflake.user.name"] = "U",
                    ["snowflake.private.key"] = "bm90LWEtcmVhbC1rZXk=",
                    ["snowflake.database.name"] = "D", ["snowflake.schema.name"] = "S",
                    ["value.converter"] = JSON_CONVERTER },
  }
  return configs[class]
end

local function run(class, changes)
  return translate.connector {
    class = class, name = "one", config = with(minimal(class), changes or {}),
  }
end

local only_kafka = { "kafka.api.key", "kafka.api.secret" }

TestFixture = {}

function TestFixture.test_it_is_a_list_response_of_the_twelve_classes()
  local classes = {}
  local states = {}
  for _, connector in ipairs(fixture()) do
    for _, field in ipairs { "connector_id", "name", "customer_id", "cluster_id", "creation_time",
                             "deletion_time", "state", "state_error_message", "connector_state",
                             "tasks", "topics", "connector_class", "properties",
                             "encoded_username", "TTL" } do
      lu.assertNotNil(connector[field], field)
    end
    classes[connector.connector_class] = connector.properties["connector.class"]
    states[connector.state] = connector.state_error_message
    local keys = 0
    for _ in pairs(connector.properties) do keys = keys + 1 end
    lu.assertTrue(keys >= 8 and keys <= 40, connector.name)
  end
  local count = 0
  for class, inner in pairs(classes) do
    lu.assertEquals(inner, class)
    count = count + 1
  end
  lu.assertEquals(count, 12)
  lu.assertStrContains(states.failed, "aws.s3.bucket.name")
  lu.assertNotNil(states.paused)
end

function TestFixture.test_five_are_translated_and_lack_only_the_kafka_login()
  local done = {}
  for _, connector in ipairs(fixture()) do
    local result, why = translate.connector {
      class = connector.connector_class, name = connector.name, config = connector.properties,
    }
    if result then
      done[result.class] = connector.name
      lu.assertEquals(need_keys(result), only_kafka, connector.name)
      for key, value in pairs(result.config) do lu.assertIsString(value, key) end
      for _, note in ipairs(result.notes) do lu.assertNotEquals(note.what, "unknown", note.key) end
    else
      lu.assertEquals(why, "no translation for class " .. connector.connector_class)
    end
  end
  lu.assertEquals(done, {
    MongoDbAtlasSource = "catalog-changes", MongoDbAtlasSink = "orders-to-mongo",
    PostgresCdcSourceV2 = "orders-postgres-cdc", MySqlCdcSourceV2 = "payments-mysql-cdc",
    SnowflakeSink = "events-to-snowflake",
  })
end

function TestFixture.test_mongodb_source()
  local result = translate.connector(fixture_named "catalog-changes")
  lu.assertEquals(result.config, {
    ["connector.class"] = "MongoDbAtlasSource",
    ["mongodb.instance.type"] = "MONGODB_ATLAS",
    ["connection.host"] = "Catalog-Cluster0.mongo.example",
    ["connection.user"] = "Catalog_Reader",
    ["connection.password"] = "not-a-real-Password%2Fmongo",
    ["tasks.max"] = "1", database = "Catalog", collection = "products", ["topic.prefix"] = "mongo",
    ["output.key.format"] = "STRING", ["output.data.format"] = "STRING",
    ["key.converter.schemas.enable"] = "false", ["value.converter.schemas.enable"] = "false",
    ["output.json.format"] = "SimplifiedJson", ["change.stream.full.document"] = "updateLookup",
    ["publish.full.document.only"] = "true", ["startup.mode"] = "latest",
    pipeline = '[{"$match": {"operationType": {"$in": ["insert", "update", "replace"]}}}]',
    ["poll.await.time.ms"] = "5000", ["poll.max.batch.size"] = "1000",
    ["mongo.errors.tolerance"] = "none",
  })
  lu.assertEquals(whats(result, "connection.uri"), "changed dropped")
  lu.assertEquals(whats(result, "mongo.errors.log.enable"), "dropped")
end

function TestFixture.test_mongodb_sink()
  local result = translate.connector(fixture_named "orders-to-mongo")
  lu.assertEquals(result.config, {
    ["connector.class"] = "MongoDbAtlasSink",
    ["mongodb.instance.type"] = "MONGODB_SELF_MANAGED",
    ["connection.host"] = "mongo-a.shop.example:27017,mongo-b.shop.example:27017"
      .. "/?replicaSet=shop&authSource=admin",
    ["connection.user"] = "orders_writer", ["connection.password"] = "not-a-real-password-mongo",
    ["tasks.max"] = "2", topics = "orders,order-items", database = "shop", collection = "orders",
    ["input.key.format"] = "STRING", ["input.data.format"] = "JSON",
    ["value.converter.schemas.enable"] = "false",
    ["doc.id.strategy"] = "ProvidedInValueStrategy",
    ["doc.id.strategy.overwrite.existing"] = "true",
    ["write.strategy"] = "ReplaceOneBusinessKeyStrategy", ["max.batch.size"] = "500",
    ["max.num.retries"] = "3", ["delete.on.null.values"] = "false",
    ["errors.tolerance"] = "all", ["errors.deadletterqueue.topic.name"] = "dlq-orders-to-mongo",
    transforms = "stamp", ["transforms.stamp.timestamp.field"] = "ingested_at",
    ["transforms.stamp.type"] = "org.apache.kafka.connect.transforms.InsertField$Value",
  })
end

function TestFixture.test_debezium_postgres()
  local result = translate.connector(fixture_named "orders-postgres-cdc")
  lu.assertEquals(result.config, {
    ["connector.class"] = "PostgresCdcSourceV2", ["tasks.max"] = "1",
    ["database.hostname"] = "orders-db.shop.example", ["database.port"] = "5432",
    ["database.user"] = "cdc_reader", ["database.password"] = "not-a-real-password-postgres",
    ["database.dbname"] = "orders", ["database.sslmode"] = "disable", ["topic.prefix"] = "shop",
    ["schema.include.list"] = "public",
    ["table.include.list"] = "public.orders,public.order_items,public.customers",
    ["slot.name"] = "shop_orders", ["slot.max.retries"] = "6", ["slot.retry.delay.ms"] = "10000",
    ["publication.name"] = "shop_publication", ["publication.autocreate.mode"] = "filtered",
    ["snapshot.mode"] = "initial", ["output.key.format"] = "JSON", ["output.data.format"] = "JSON",
    ["value.converter.schemas.enable"] = "false", ["decimal.handling.mode"] = "string",
    ["tombstones.on.delete"] = "true", ["heartbeat.interval.ms"] = "30000",
    ["max.batch.size"] = "2048", ["schema.name.adjustment.mode"] = "avro",
    ["topic.heartbeat.prefix"] = "__debezium-heartbeat", ["topic.transaction"] = "transaction",
    transforms = "unwrap",
    ["transforms.unwrap.type"] = "io.debezium.transforms.ExtractNewRecordState",
    ["transforms.unwrap.drop.tombstones"] = "false",
    ["transforms.unwrap.delete.handling.mode"] = "rewrite",
  })
  lu.assertEquals(whats(result, "max.queue.size"), "unsupported")
  lu.assertEquals(whats(result, "database.sslmode"), "defaulted")
end

function TestFixture.test_debezium_mysql()
  local result = translate.connector(fixture_named "payments-mysql-cdc")
  lu.assertEquals(result.config, {
    ["connector.class"] = "MySqlCdcSourceV2", ["tasks.max"] = "1",
    ["database.hostname"] = "payments-db.flaky.example", ["database.port"] = "3340",
    ["database.user"] = "cdc_reader", ["database.password"] = "not-a-real-password-mysql",
    ["database.ssl.mode"] = "disabled", ["topic.prefix"] = "payments",
    ["database.include.list"] = "payments",
    ["table.include.list"] = "payments.invoices,payments.refunds",
    ["output.key.format"] = "JSON", ["output.data.format"] = "JSON",
    ["value.converter.schemas.enable"] = "true", ["include.schema.changes"] = "false",
    ["snapshot.mode"] = "when_needed", ["snapshot.locking.mode"] = "minimal",
    ["bigint.unsigned.handling.mode"] = "long", ["poll.interval.ms"] = "500",
    ["schema.name.adjustment.mode"] = "avro", ["skipped.operations"] = "none",
    ["event.converting.failure.handling.mode"] = "fail",
    ["topic.heartbeat.prefix"] = "__debezium-heartbeat", ["topic.transaction"] = "transaction",
  })
end

function TestFixture.test_snowflake()
  local old = fixture_named "events-to-snowflake"
  local result = translate.connector(old)
  lu.assertEquals(result.config, {
    ["connector.class"] = "SnowflakeSink", ["tasks.max"] = "1", topics = "events",
    ["snowflake.url.name"] = "https://shop-account.snowflake.example:443",
    ["snowflake.user.name"] = "KAFKA_LOADER",
    ["snowflake.private.key"] = old.config["snowflake.private.key"],
    ["snowflake.database.name"] = "kafka_db", ["snowflake.schema.name"] = "public",
    ["snowflake.role.name"] = "KAFKA_LOADER_ROLE",
    ["snowflake.topic2table.map"] = "events:EVENTS_RAW",
    ["snowflake.ingestion.method"] = "SNOWPIPE",
    ["input.key.format"] = "STRING", ["input.data.format"] = "STRING",
    ["value.converter.schemas.enable"] = "false", ["errors.tolerance"] = "none",
    ["buffer.count.records"] = "10000", ["buffer.flush.time"] = "60",
    ["behavior.on.null.values"] = "IGNORE",
  })
end

function TestFixture.test_no_secret_is_in_a_note_or_reason()
  local function text_of(result, why)
    local parts = { why or "" }
    for _, list in ipairs { result and result.notes or {}, result and result.needs or {} } do
      for _, item in ipairs(list) do parts[#parts + 1] = item.key .. " " .. (item.why or "") end
    end
    return table.concat(parts, "\n")
  end
  local secret = "not-a-real"
  for _, connector in ipairs(fixture()) do
    local text = text_of(translate.connector {
      class = connector.connector_class, config = connector.properties,
    })
    lu.assertNotStrContains(text, secret)
    lu.assertNotStrContains(text, "bm90LWEtcmVhbC")
  end
  for _, uri in ipairs {
    "not-a-real-scheme://u:not-a-real-password@h.example", "not-a-real-uri",
    "mongodb+srv://u:not-a-real/password@h.example/", "mongodb+srv://u:pass?not-a-real@h.example/",
    "mongodb://u:p@h.example/?not-a-real-option", "mongodb://u:p@/not-a-real",
    "mongodb://not a real",
    "mongodb+srv://u:p@not-a-real.example:27017/", "mongodb://u:p@h.example/?x=not-a-real@",
  } do
    local result, why = run(MONGO_SOURCE, { ["connection.uri"] = uri })
    lu.assertNil(result, uri)
    lu.assertNotStrContains(text_of(result, why), secret, uri)
  end
  local _, why = run(SNOWFLAKE, { ["snowflake.private.key"] = "not-a-real key!" })
  lu.assertNotNil(why)
  lu.assertNotStrContains(why, secret)
  local mapped = run(MONGO_SINK, { ["document.id.strategy"] = "not-a-real-class" })
  lu.assertNotStrContains(text_of(mapped), secret)
end

TestValues = {}

function TestValues.test_scalars_become_the_strings_that_kafka_reads()
  local result = run(MYSQL, {
    ["poll.interval.ms"] = 500, ["max.batch.size"] = 2048.0,
    ["snapshot.delay.ms"] = 9007199254740993,
    ["tombstones.on.delete"] = true, ["include.query"] = false, ["connect.timeout.ms"] = 0.5,
  })
  lu.assertEquals(result.config["poll.interval.ms"], "500")
  lu.assertEquals(result.config["max.batch.size"], "2048")
  lu.assertEquals(result.config["snapshot.delay.ms"], "9007199254740993")
  lu.assertEquals(result.config["tombstones.on.delete"], "true")
  lu.assertEquals(result.config["include.query"], "false")
  lu.assertEquals(result.config["connect.timeout.ms"], "0.5")
end

function TestValues.test_lists_nulls_and_what_has_no_form()
  local result = run(MYSQL,
    { ["table.include.list"] = { "a.b", "a.c" }, ["snapshot.mode"] = json.null })
  lu.assertEquals(result.config["table.include.list"], "a.b,a.c")
  lu.assertNil(result.config["snapshot.mode"])
  lu.assertEquals(whats(result, "snapshot.mode"), "dropped")
  local _, why = run(MYSQL, { ["table.include.list"] = { a = 1 } })
  lu.assertEquals(why, "the value of table.include.list is an object")
  _, why = run(MYSQL, { ["table.include.list"] = { "a,b" } })
  lu.assertEquals(why, "the value of table.include.list is a list with a comma in an element")
  _, why = run(MYSQL, { ["poll.interval.ms"] = 0 / 0 })
  lu.assertEquals(why, "the value of poll.interval.ms is not a finite number")
end

function TestValues.test_a_key_that_no_rule_knows_is_left_out_and_reported()
  for _, class in ipairs { MONGO_SOURCE, MONGO_SINK, POSTGRES, MYSQL, SNOWFLAKE } do
    local result = run(class, { ["database.hostnam"] = "typo", ["transform"] = "x" })
    lu.assertNil(result.config["database.hostnam"])
    lu.assertNil(result.config["transform"])
    lu.assertEquals(whats(result, "database.hostnam"), "unknown")
    lu.assertEquals(whats(result, "transform"), "unknown")
  end
end

function TestValues.test_masks_are_needs()
  local result = run(MYSQL, { ["database.password"] = "****************" })
  lu.assertNil(result.config["database.password"])
  lu.assertEquals(need(result, "database.password").why, "the saved value is masked")
  result = run(MONGO_SINK, { ["connection.uri"] = "********" })
  lu.assertEquals(need_keys(result), { "connection.host", "connection.password", "connection.user",
    "kafka.api.key", "kafka.api.secret", "mongodb.instance.type" })
  result = run(SNOWFLAKE, { ["snowflake.topic2table.map"] = "*" })
  lu.assertEquals(result.config["snowflake.topic2table.map"], "*")
end

function TestValues.test_the_input_is_not_changed()
  local old = fixture_named "orders-postgres-cdc"
  local before = json.decode(json.encode(old))
  translate.connector(old)
  lu.assertEquals(json.decode(json.encode(old)), before)
end

TestMongoUri = {}

local function uri(text, extra)
  local changes = with(extra or {}, { ["connection.uri"] = text })
  local result, why = run(MONGO_SINK, changes)
  if not result then return nil, why end
  local c = result.config
  return { c["mongodb.instance.type"], c["connection.user"], c["connection.password"],
           c["connection.host"] }, result
end

function TestMongoUri.test_case_and_percent_encoding_are_kept()
  lu.assertEquals(uri "mongodb+srv://User%40Corp:PaSs%40Word%3A@Cluster0.AbC.example/MyDb?w=1",
    { "MONGODB_ATLAS", "User%40Corp", "PaSs%40Word%3A", "Cluster0.AbC.example" })
end

function TestMongoUri.test_self_managed_keeps_ports_and_options()
  lu.assertEquals(uri "mongodb://u:p@a.example:27017,b.example:27018/?replicaSet=rs0&tls=true",
    { "MONGODB_SELF_MANAGED", "u", "p",
      "a.example:27017,b.example:27018/?replicaSet=rs0&tls=true" })
  lu.assertEquals(uri "mongodb://u:p@[2001:db8::1]:27017",
    { "MONGODB_SELF_MANAGED", "u", "p", "[2001:db8::1]:27017" })
  lu.assertEquals(uri "mongodb://u:p@h.example?tls=true",
    { "MONGODB_SELF_MANAGED", "u", "p", "h.example/?tls=true" })
end

function TestMongoUri.test_database_in_the_path_is_where_the_user_lives()
  lu.assertEquals(uri "mongodb://u:p@h.example/Shop",
    { "MONGODB_SELF_MANAGED", "u", "p", "h.example/?authSource=Shop" })
  lu.assertEquals(uri "mongodb://u:p@h.example/Shop?authSource=admin",
    { "MONGODB_SELF_MANAGED", "u", "p", "h.example/?authSource=admin" })
  local _, result = uri "mongodb+srv://u:p@h.example/?authSource=Shop"
  lu.assertStrContains(whats(result, "connection.uri"), "check")
end

function TestMongoUri.test_secrets_among_the_options_do_not_get_into_the_host()
  local parts, result = uri
    "mongodb://u:p@h.example/?tls=true&tlsCertificateKeyFilePassword=not-a-real-password"
  lu.assertEquals(parts[4], "h.example/?tls=true")
  lu.assertEquals(whats(result, "connection.uri"), "changed dropped")
end

function TestMongoUri.test_references_are_not_split_and_not_sent()
  local parts, result = uri "mongodb+srv://${file:/run/a:user}:${file:/run/a@b:key}@h.example/"
  lu.assertEquals(parts[4], "h.example")
  lu.assertNil(parts[2])
  lu.assertNil(parts[3])
  lu.assertNotNil(need(result, "connection.user"))
  lu.assertNotNil(need(result, "connection.password"))
end

function TestMongoUri.test_without_login_the_user_is_asked()
  local parts, result = uri "mongodb://h.example:27017"
  lu.assertEquals(parts[4], "h.example:27017")
  lu.assertEquals(need_keys(result),
    { "connection.password", "connection.user", "kafka.api.key", "kafka.api.secret" })
end

function TestMongoUri.test_refusals_name_the_fault()
  for text, fault in pairs {
    ["connection-uri-update"] = "does not begin with",
    ["MONGODB://h.example"] = "does not begin with",
    ["mongodb+srv://u:p@a.example,b.example/"] = "more than one host",
    ["mongodb+srv://u:p@a.example:27017/"] = "a port",
    ["mongodb://u:p/w@h.example/"] = "%2F",
    ["mongodb://u:p@/"] = "no host",
    ["mongodb://u:p@h.example/?tls"] = "name=value",
    ["mongodb://CN=c@h.example/?authMechanism=MONGODB-X509"] = "certificate",
  } do
    local parts, why = uri(text)
    lu.assertNil(parts, text)
    lu.assertStrContains(why, fault)
    lu.assertStrContains(why, "connection.uri ")
  end
end

TestFormats = {}

function TestFormats.test_json_with_schemas_stays_json()
  local result = run(MYSQL, { ["value.converter.schemas.enable"] = true })
  lu.assertEquals(result.config["output.data.format"], "JSON")
  lu.assertEquals(result.config["value.converter.schemas.enable"], "true")
end

function TestFormats.test_json_converter_writes_schemas_when_unset()
  local result = run(MYSQL)
  lu.assertEquals(result.config["value.converter.schemas.enable"], "true")
  lu.assertEquals(whats(result, "value.converter.schemas.enable"), "defaulted")
  result = run(MONGO_SOURCE)
  lu.assertNil(result.config["value.converter.schemas.enable"])
end

function TestFormats.test_the_user_chooses_when_no_converter_fits()
  for _, value in ipairs { STRING_CONVERTER,
                           "org.apache.kafka.connect.converters.ByteArrayConverter",
                           "example.OwnConverter" } do
    local result = run(MYSQL, { ["value.converter"] = value })
    lu.assertStrContains(need(result, "output.data.format").why, "AVRO, JSON_SR, PROTOBUF, JSON")
  end
  local result = translate.connector { class = MONGO_SOURCE,
    config = { ["connection.uri"] = "mongodb+srv://u:p@h.example/" } }
  lu.assertStrContains(need(result, "output.data.format").why, "BSON")
  lu.assertEquals(whats(result, "output.key.format"), "check")
end

function TestFormats.test_bytes_are_bson_for_mongodb_and_bytes_elsewhere()
  local bytes = "org.apache.kafka.connect.converters.ByteArrayConverter"
  local mongo = run(MONGO_SINK, { ["value.converter"] = bytes, ["key.converter"] = bytes })
  lu.assertEquals(mongo.config["input.data.format"], "BSON")
  lu.assertEquals(mongo.config["input.key.format"], "BYTES")
  local snowflake = run(SNOWFLAKE, { ["value.converter"] = bytes })
  lu.assertEquals(snowflake.config["input.data.format"], "BYTES")
end

function TestFormats.test_snowflakes_own_converters()
  local own = "com.snowflake.kafka.connector.records.Snowflake"
  local function format(name)
    return run(SNOWFLAKE, { ["value.converter"] = own .. name })
  end
  lu.assertEquals(format("JsonConverter").config["input.data.format"], "JSON")
  lu.assertEquals(format("AvroConverter").config["input.data.format"], "AVRO")
  lu.assertNotNil(need(format "AvroConverterWithoutSchemaRegistry", "input.data.format"))
end

function TestFormats.test_mongodb_source_formats_have_to_agree()
  local result = run(MONGO_SOURCE, { ["output.format.value"] = "json" })
  lu.assertEquals(result.config["output.data.format"], "STRING")
  result = run(MONGO_SOURCE, { ["output.format.value"] = "bson" })
  lu.assertNil(result.config["output.data.format"])
  lu.assertStrContains(need(result, "output.data.format").why, "different record formats")
  result = run(MONGO_SOURCE,
    { ["output.format.value"] = "schema", ["value.converter"] = JSON_CONVERTER })
  lu.assertEquals(result.config["output.data.format"], "JSON")
end

TestRules = {}

function TestRules.test_an_explicit_value_wins_over_an_older_key()
  local result = run(MONGO_SOURCE, { ["copy.existing"] = true, ["startup.mode"] = "timestamp" })
  lu.assertEquals(result.config["startup.mode"], "timestamp")
  lu.assertStrContains(whats(result, "copy.existing"), "dropped")
  lu.assertEquals(run(MONGO_SOURCE, { ["copy.existing"] = true }).config["startup.mode"],
    "copy_existing")
end

function TestRules.test_defaults_never_replace_what_was_set()
  local set = {
    ["database.port"] = 6432, ["database.sslmode"] = "verify-full", ["slot.max.retries"] = 9,
    ["slot.retry.delay.ms"] = 1, ["schema.name.adjustment.mode"] = "none",
    ["heartbeat.topics.prefix"] = "beat", ["transaction.topic"] = "shop.tx",
  }
  local config = run(POSTGRES, set).config
  lu.assertEquals(config["database.port"], "6432")
  lu.assertEquals(config["database.sslmode"], "verify-full")
  lu.assertEquals(config["slot.max.retries"], "9")
  lu.assertEquals(config["slot.retry.delay.ms"], "1")
  lu.assertEquals(config["schema.name.adjustment.mode"], "none")
  lu.assertEquals(config["topic.heartbeat.prefix"], "beat")
  lu.assertEquals(config["topic.transaction"], "tx")
  config = run(MYSQL, { ["include.schema.changes"] = false, ["skipped.operations"] = "t",
                        ["event.deserialization.failure.handling.mode"] = "skip" }).config
  lu.assertEquals(config["include.schema.changes"], "false")
  lu.assertEquals(config["skipped.operations"], "t")
  lu.assertEquals(config["event.converting.failure.handling.mode"], "skip")
  lu.assertEquals(run(MYSQL).config["include.schema.changes"], "true")
  lu.assertEquals(run(MYSQL).config["database.port"], "3306")
  config = run(SNOWFLAKE, { ["errors.tolerance"] = "all" }).config
  lu.assertEquals(config["errors.tolerance"], "all")
end

function TestRules.test_a_slot_of_another_plugin_is_not_taken_over()
  for _, plugin in ipairs { json.null, "decoderbufs", "wal2json" } do
    local result = run(POSTGRES, { ["plugin.name"] = plugin, ["slot.name"] = "old_slot" })
    lu.assertNil(result.config["slot.name"])
    lu.assertEquals(whats(result, "slot.name"), "dropped")
    lu.assertStrContains(need(result, "slot.name").why, "pgoutput")
  end
  lu.assertEquals(need_keys(run(POSTGRES)), only_kafka)
  local result = run(POSTGRES, { ["slot.name"] = "old_slot" })
  lu.assertEquals(result.config["slot.name"], "old_slot")
  lu.assertNil(result.config["plugin.name"])
  lu.assertEquals(need_keys(result), only_kafka)
end

function TestRules.test_what_confluent_fixes_is_reported()
  local result = run(MONGO_SOURCE, { ["tasks.max"] = 4 })
  lu.assertEquals(result.config["tasks.max"], "1")
  lu.assertEquals(whats(result, "tasks.max"), "changed")
end

function TestRules.test_snapshot_modes()
  lu.assertEquals(run(POSTGRES, { ["snapshot.mode"] = "never" }).config["snapshot.mode"], "no_data")
  for _, mode in ipairs { "always", "exported", "custom" } do
    lu.assertNotNil(need(run(POSTGRES, { ["snapshot.mode"] = mode }), "snapshot.mode"), mode)
  end
end

function TestRules.test_transaction_topics()
  local function topic(value) return run(MYSQL, { ["transaction.topic"] = value }) end
  lu.assertEquals(topic("${database.server.name}.transaction").config["topic.transaction"],
    "transaction")
  lu.assertNotNil(need(topic "shop.", "topic.transaction"))
  local result = topic "elsewhere"
  lu.assertNil(result.config["topic.transaction"])
  lu.assertNotNil(need(result, "topic.transaction"))
end

function TestRules.test_masked_columns_are_not_moved_in_clear()
  for _, class in ipairs { POSTGRES, MYSQL } do
    for _, key in ipairs { "column.mask.with.12.chars", "column.truncate.to.20.chars",
                           "column.mask.hash.SHA-256.with.salt.x" } do
      local result, why = run(class, { [key] = "public.people.email" })
      lu.assertNil(result)
      lu.assertStrContains(why, key)
    end
  end
end

function TestRules.test_transforms_and_predicates()
  local result = run(MYSQL, {
    transforms = "a,b,c", predicates = "p",
    ["transforms.a.type"] = "org.apache.kafka.connect.transforms.ReplaceField$Value",
    ["transforms.a.exclude"] = "x",
    ["transforms.b.type"] = "io.debezium.connector.mysql.transforms.ReadToInsertEvent",
    ["transforms.c.type"] = "example.Own",
    ["predicates.p.type"] = "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone",
  })
  lu.assertEquals(result.config["transforms"], "a,b,c")
  lu.assertEquals(result.config["transforms.a.exclude"], "x")
  lu.assertEquals(whats(result, "transforms.a.type"), "")
  lu.assertNil(result.config["transforms.b.type"])
  lu.assertNotNil(need(result, "transforms.b.type"))
  lu.assertEquals(result.config["transforms.c.type"], "example.Own")
  lu.assertEquals(whats(result, "transforms.c.type"), "check")
  lu.assertNotNil(result.config["predicates.p.type"])
end

function TestRules.test_private_key_loses_its_frame()
  local dashes = "-----"
  local function frame(kind, body)
    return dashes .. "BEGIN " .. kind .. dashes .. "\n" .. body .. "\n" .. dashes .. "END " .. kind
      .. dashes .. "\n"
  end
  local function key(text, extra)
    return run(SNOWFLAKE, with(extra or {}, { ["snowflake.private.key"] = text }))
  end
  lu.assertEquals(key(frame("PRIVATE KEY", "bm90\nYS1y\r\nZWFs")).config["snowflake.private.key"],
    "bm90YS1yZWFs")
  local result = key(frame("ENCRYPTED PRIVATE KEY", "bm90YS1y"))
  lu.assertEquals(result.config["snowflake.private.key"], "bm90YS1y")
  lu.assertNotNil(need(result, "snowflake.private.key.passphrase"))
  result = key(frame("ENCRYPTED PRIVATE KEY", "bm90YS1y"),
    { ["snowflake.private.key.passphrase"] = "not-a-real-passphrase" })
  lu.assertEquals(need_keys(result), only_kafka)
  local _, why = key(frame("RSA PRIVATE KEY", "bm90YS1y"))
  lu.assertStrContains(why, "PKCS#8")
end

function TestRules.test_a_name_in_the_config_is_no_setting()
  local result = run(MYSQL, { name = "one" })
  lu.assertNil(result.config.name)
  lu.assertEquals(whats(result, "name"), "")
end

function TestRules.test_a_sink_needs_topics()
  local result = run(SNOWFLAKE, { topics = json.null })
  lu.assertNotNil(need(result, "topics"))
  result = run(SNOWFLAKE, { topics = json.null, ["topics.regex"] = "events.*" })
  lu.assertNil(need(result, "topics"))
end

TestClasses = {}

function TestClasses.test_the_class_may_be_in_the_config()
  local config = with(minimal(MYSQL), { ["connector.class"] = MYSQL })
  lu.assertEquals(translate.connector({ config = config }).class, "MySqlCdcSourceV2")
  local result, why = translate.connector { config = minimal(MYSQL) }
  lu.assertNil(result)
  lu.assertEquals(why, "no connector class is given")
  result, why = translate.connector { class = "example.Unknown", config = {} }
  lu.assertNil(result)
  lu.assertEquals(why, "no translation for class example.Unknown")
end

-- A second copy of the module over tables of the test's own.
local function with_tables(tables, body)
  local saved = { package.loaded["translate.index"], package.loaded["translate.managed"] }
  local names = {}
  for position, entry in ipairs(tables) do
    names[position] = "test_table_" .. position
    package.loaded["translate." .. names[position]] = entry
  end
  package.loaded["translate.index"] = names
  package.loaded["translate.managed"] = nil
  local ok, why = pcall(function() body(require "translate.managed") end)
  for _, name in ipairs(names) do package.loaded["translate." .. name] = nil end
  package.loaded["translate.index"], package.loaded["translate.managed"] = saved[1], saved[2]
  if not ok then error(why, 0) end
end

function TestClasses.test_when_chooses_among_tables_of_one_class()
  local function entry(to, prefix)
    return { from = "x.Jdbc", to = to, kind = "source", formats = { value = "JSON" },
             when = { key = "connection.url", prefix = prefix }, rules = {} }
  end
  local none = entry(nil, "jdbc:sqlite:")
  none.why = "there is no managed connector for SQLite"
  with_tables({ entry("PostgresSource", "jdbc:postgresql:"), entry("MySqlSource", "jdbc:mysql:"),
                none }, function(own)
    local function to(url)
      local result, why = own.connector { class = "x.Jdbc", config = { ["connection.url"] = url } }
      return result and result.class or why
    end
    lu.assertEquals(to "jdbc:postgresql://h/d", "PostgresSource")
    lu.assertEquals(to "jdbc:mysql://h/d", "MySqlSource")
    lu.assertEquals(to "jdbc:sqlite:x", "there is no managed connector for SQLite")
    lu.assertEquals(to "jdbc:oracle:x", "no managed connector fits this config of x.Jdbc")
  end)
end

function TestClasses.test_a_faulty_table_is_refused()
  local function entry(rules)
    return { from = "x.Y", to = "Z", kind = "sink", formats = { value = "JSON" }, rules = rules }
  end
  for fault, rules in pairs {
    ["unknown field"] = { { copy = "a", whenn = {} } },
    ["two actions"] = { { copy = "a", drop = "b" } },
    ["without an action"] = { { why = "a" } },
    ["two translation rules for a"] = { { copy = "a" }, { drop = "b a" } },
    ["unknown function"] = { { split = "a", with = "nothing" } },
  } do
    with_tables({ entry(rules) }, function(own)
      lu.assertErrorMsgContains(fault, own.connector, { class = "x.Y", config = {} })
    end)
  end
end

TestSupply = {}

local function open_keys(values)
  local config, open = translate.supply(run(MYSQL), values)
  local keys = {}
  for position, item in ipairs(open) do keys[position] = item.key end
  return keys, config
end

function TestSupply.test_api_key_pair_or_service_account()
  lu.assertEquals(open_keys {}, only_kafka)
  lu.assertEquals(open_keys { ["kafka.api.key"] = "k" }, { "kafka.api.secret" })
  local keys, config = open_keys { ["kafka.api.key"] = "k", ["kafka.api.secret"] = "s" }
  lu.assertEquals(keys, {})
  lu.assertEquals(config["kafka.auth.mode"], "KAFKA_API_KEY")
  lu.assertEquals(config["kafka.api.secret"], "s")
  keys, config = open_keys { ["kafka.service.account.id"] = "sa-1" }
  lu.assertEquals(keys, {})
  lu.assertEquals(config["kafka.auth.mode"], "SERVICE_ACCOUNT")
end

function TestSupply.test_both_logins_ask_which()
  local both = { ["kafka.api.key"] = "k", ["kafka.api.secret"] = "s",
                 ["kafka.service.account.id"] = "sa-1" }
  lu.assertEquals(open_keys(both), { "kafka.auth.mode" })
  both["kafka.auth.mode"] = "SERVICE_ACCOUNT"
  lu.assertEquals(open_keys(both), {})
end

function TestSupply.test_values_of_the_user_win()
  local _, config = open_keys { ["tasks.max"] = "4" }
  lu.assertEquals(config["tasks.max"], "4")
end

TestCopy = {}

function TestCopy.test_within_a_provider_masks_are_needs_and_injected_keys_stay_behind()
  local result = translate.copy({ name = "one", class = "S3_SINK", config = {
    name = "one", ["flush.size"] = "1000", ["cloud.provider"] = "aws",
    ["aws.secret.access.key"] = "****************",
  } }, function(key) return key == "cloud.provider" end)
  lu.assertEquals(result.config, { ["flush.size"] = "1000" })
  lu.assertEquals(need_keys(result), { "aws.secret.access.key" })
  lu.assertEquals(whats(result, "cloud.provider"), "dropped")
end

os.exit(lu.LuaUnit.run())
