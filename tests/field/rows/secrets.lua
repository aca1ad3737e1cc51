-- D: secrets, seen and unseen.
local Field = require "field"
local CANARY = Field.CANARY

-- ---- structure stays ----

-- A connector whose password is a word that is everywhere.
local function with_password(t, word)
  return t:worker(([[connectors = { ["%s-sink"] = { config = {
    ["connector.class"] = "org.example.%s.PostgresConnector", topics = %q,
    ["database.password"] = %q, ["database.user"] = "postgres-user" } } }]])
    :format(word, word, word .. "-topic", word))
end

local function structure(word)
  return function(t)
    with_password(t, word)
    local r = t:kelp { "--output", "json", "list", "connect" }
    t:exited(r, 0)
    local list = t:json("output", r.out)
    local c = list and list[1] or {}
    t:equal("name", c.name, word .. "-sink")
    t:equal("class", c.class, "org.example." .. word .. ".PostgresConnector")
    t:equal("state", c.state, "running")
    local text = t:kelp { "list", "connect" }
    t:lacks("the table", text.out, "<secret")
    t:has("the table", text.out, word .. "-sink")
  end
end

local function config_structure(word)
  return function(t)
    with_password(t, word)
    local r = t:lua [[
local c = connect():list()[1]
print(kelp.json.encode(c.config))]]
    t:exited(r, 0)
    local config = t:json("output", r.out) or {}
    for _, key in ipairs { "connector.class", "topics", "database.user", "name" } do
      t:check(config[key] and not config[key]:find "secret", "%s is %s", key, config[key])
    end
    t:check(config["database.password"] and config["database.password"] ~= word,
      "the password is shown, or its key is gone: %s", config["database.password"])
    t:equal("topics", config.topics, word .. "-topic")
  end
end

local function messages(t)
  with_password(t, "connector")
  local r = t:lua [[
local target = connect()
target:list()
print(try(function() return target:get "absent-connector" end))
print(try(function() return target:update("connector-sink", { "x" }) end))]]
  t:lacks("output", r.out, "<secret")
  t:has("output", r.out, "absent-connector")
end

local function plan_structure(t)
  with_password(t, "postgres")
  local r = t:lua([[connect():update("postgres-sink", { ["database.user"] = "postgres-admin" })]],
    { options = { "--plan", "--output", "json" } })
  t:exited(r, 3)
  local plan = t:json("output", r.out)
  local write = plan and plan.plan[1] or {}
  t:equal("connector", write.connector, "postgres-sink")
  t:equal("new", write.changes and write.changes[1] and write.changes[1].new, "postgres-admin")
end

-- It can be worked with, too.
local function common_word_written(t)
  local s = with_password(t, "postgres")
  local r = t:lua [[
local target = connect()
local c = target:list()[1]
print(try(c.pause, c))
print(try(target.resume, target, "postgres-sink"))
print(try(target.update, target, "postgres-sink", { topics = "postgres" }))]]
  t:has("output", r.out, "ok\nok\nok\n")
  t:equal("writes sent", #s:writes(), 3)
  local shown = t:kelp { "runs", "show", "last" }
  t:has("runs show", shown.out, "postgres-sink")
  t:lacks("runs show", shown.out, "<secret")
end

local function from_environment(t)
  t:worker [[connectors = { ["postgres-sink"] = { config = { topics = "postgres" } } }]]
  local r = t:lua([[
local s = kelp.secret "A_SECRET"
local c = connect():list()[1]
print(kelp.json.encode { name = c.name, postgres = true, class = c.class })]],
    { env = { A_SECRET = "postgres" } })
  local record = t:json("output", r.out) or {}
  t:equal("name", record.name, "postgres-sink")
  t:equal("the key", record.postgres, true)
end

-- A secret is hidden where it is the value, whatever else it is.
local function long_one(t)
  t:worker(([[connectors = { orders = { config = { ["database.password"] = %q,
    ["connection.password"] = "connector" } } }]]):format(CANARY))
  local r = t:lua [[
local c = connect():list()[1]
print(c)
print(kelp.show.value(c.config))
print(kelp.json.encode(c.config))
print("in a text: " .. c.config["database.password"])
io.stderr:write(c.config["database.password"], "\n")]]
  t:exited(r, 0)
  t:lacks("standard output", r.out, CANARY)
  t:lacks("standard error", r.err, CANARY)
  t:lacks("standard output", r.out, "<secret <secret")
end

-- ---- keys ----

-- Typed PASSWORD by Confluent's own plugin definitions, and what is used as one.
local TYPED = [[
  activemq.password api.key.value api1.http.request.sensitive.headers aws.redshift.password
  aws.secret.access.key azblob.account.key azblob.sas.token azure.cosmos.account.key
  azure.cosmos.auth.aad.clientSecret azure.cosmos.throughputControl.account.key
  azure.cosmos.throughputControl.auth.aad.clientSecret azure.datalake.gen2.access.key
  azure.datalake.gen2.client.key azure.eventhubs.sas.key azure.loganalytics.shared.key
  azure.search.api.key azure.search.client.secret azure.servicebus.sas.key
  azure.sql.dw.password bearer.token connect.cosmos.master.key connection.password
  connection.private.key connection.private.key.passphrase couchbase.password
  database.password database.ssl.keystore.password database.sslkey database.sslpassword
  datadog.api.key delta.lake.token elastic.https.ssl.key.password
  elastic.https.ssl.keystore.password function.key gcf.credentials.json
  gcp.bigtable.credentials.json gcp.credentials.json gcp.dataproc.credentials.json
  gcp.pubsub.credentials.json gcp.spanner.credentials.json gcs.credentials.config
  gcs.credentials.json github.access.token http.proxy.password http.request.sensitive.headers
  https.ssl.key.password https.ssl.keystore.password influxdb.token
  java.naming.security.credentials jira.api.token kafka.api.key kafka.api.secret mq.password
  mq.tls.key.password mq.tls.keystore.password mqtt.password mqtt.ssl.key.password
  mqtt.ssl.key.store.password mqtt.ssl.trust.store.password newrelic.ingest.api.key
  oauth.client.secret oauth.refresh.token oauth2.client.headers oauth2.client.secret
  oauth2.jwt.keystore.password oauth2.refresh.token opensearch.ssl.key.password
  opensearch.ssl.keystore.password oracle.password pagerduty.api.key pinecone.api.key
  pinecone.openai.api.key rabbitmq.https.ssl.key.password rabbitmq.https.ssl.keystore.password
  rabbitmq.password redis.key.password redis.password redis.ssl.keystore.password
  s3.sse.customer.key salesforce.consumer.key salesforce.consumer.secret
  salesforce.jwt.keystore.password salesforce.password salesforce.password.token
  sensitive.headers servicenow.password servicenow.ssl.key.password
  servicenow.ssl.keystore.password sftp.password snowflake.https.proxyPassword
  snowflake.private.key snowflake.private.key.passphrase solace.password
  solace.ssl.keystore.password splunk.hec.ssl.trust.store.password splunk.hec.token
  staging.s3.secret.access.key tibco.password tls.passphrase zendesk.password ]]

local function shows_nothing(t, key, value, secret)
  t:worker(([[connectors = { orders = { config = { [%q] = %q } } }]]):format(key, value))
  local r = t:lua [[
local c = connect():get "orders"
print(c)
print(kelp.show.value(c.config))
print(kelp.json.encode(c.config))
print((next(c.config)))]]
  t:exited(r, 0)
  t:check(#r.out > 20, "nothing was shown")
  t:check(not (r.out .. r.err):find(secret, 1, true), "%s is in clear", key)
  local plan = t:lua(([[connect():update("orders", { [%q] = "another" })]]):format(key),
    { options = { "--plan" } })
  t:check(not (plan.out .. plan.err):find(secret, 1, true), "%s is in clear in a plan", key)
end

local function key_row(key, value)
  return function(t) shows_nothing(t, key, value or CANARY, CANARY) end
end

local function typed_keys(t)
  local config, count = {}, 0
  for key in TYPED:gmatch "%S+" do
    count = count + 1
    config[#config + 1] = ("[%q] = %q"):format(key, ("kaNary%dheroN"):format(1000 + count))
  end
  t:worker(("connectors = { orders = { config = { %s } } }"):format(table.concat(config, ", ")))
  local r = t:lua [[
local c = connect():get "orders"
print(kelp.json.encode(c.config))
print(kelp.show.value(c.config))]]
  t:exited(r, 0)
  count = 0
  local shown = {}
  for key in TYPED:gmatch "%S+" do
    count = count + 1
    t:has("output", r.out, key)
    if r.out:find(("kaNary%dheroN"):format(1000 + count), 1, true) then shown[#shown + 1] = key end
  end
  t:check(#shown == 0, "%d of %d typed keys are in clear: %s", #shown, count, table.concat(shown, ", "))
end

-- What is sent, by a plan and to the journal, is looked at in group G.
local function sent_in_clear(t)
  t:simulator()
  local r = t:lua(([[
confluent():create("new", { ["connector.class"] = "AzureFunctionsSink", topics = "a",
  ["function.key"] = %q, ["kafka.auth.mode"] = "SERVICE_ACCOUNT",
  ["kafka.service.account.id"] = "sa-sim001", ["input.data.format"] = "JSON" })]]):format(CANARY),
    { options = { "--plan" } })
  t:exited(r, 3)
  t:has("the plan", r.out, "function.key")
  t:lacks("the plan", r.out, CANARY)
end

-- ---- values ----

local function value_row(key, value)
  return function(t) shows_nothing(t, key, value:gsub("PW", CANARY), CANARY) end
end

local function value_rest_shown(t)
  t:worker(([[connectors = { orders = { config = {
    ["connection.url"] = "jdbc:oracle:thin:scott/%s@db.shop.example:1521/orders" } } }]]):format(CANARY))
  local r = t:lua [[print(kelp.json.encode(connect():get "orders".config))]]
  t:lacks("output", r.out, CANARY)
  t:has("output", r.out, "db.shop.example:1521")
end

-- ---- targets ----

-- Neither name exists, so that nothing can be sent.
local function proxy(text)
  return function(t)
    local r = t:lua(([[connect { url = "https://connect.invalid", attempts = 1, proxy = %q }:list()]])
      :format((text:gsub("PW", CANARY))), { env = { LD_PRELOAD = Field.library "preload" } })
    t:exited(r, 1)
    t:lacks("standard error", r.err, CANARY)
    t:lacks("standard error", r.err, "half")
    t:has("standard error", r.err, "proxy")
    t:lacks("standard error", r.err, "resolve")
  end
end

local function user_in_address(from)
  return function(t)
    local url = ("https://shop:%s@connect.shop.example:8083"):format(CANARY)
    local r = from == "environment"
      and t:kelp({ "list", "connect" }, { env = { KAFKA_CONNECT_URL = url } })
      or t:lua(("kelp.connect { url = %q }"):format(url))
    t:check(r.code == 1 or r.code == 2, "exit %d", r.code)
    t:lacks("standard error", r.err, CANARY)
    t:has("standard error", r.err, "username")
    t:has("standard error", r.err, "password")
    t:lacks("standard error", r.err, "not an address such as")
  end
end

-- ---- references ----

local REFERENCES = { ["database.password"] = "${file:/etc/kafka/db.properties:pw}",
  ["connection.password"] = "${env:DB_PASSWORD}", ["sasl.jaas.config"] = "${secretsManager:shop:jaas}" }
local LOCATIONS = { ["s3.credentials.provider.class"] = "org.example.credentials.ProviderClass",
  ["ssl.keystore.location"] = "/etc/kafka/keystore.jks",
  ["producer.override.ssl.keystore.location"] = "/etc/kafka/producer.jks",
  ["ssl.keyfactory.algorithm"] = "SunX509Factory", ["password.encoder.keyfactory.algorithm"] = "PBKDF2Hmac" }

local function lua_config(values)
  local parts = {}
  for key, value in pairs(values) do parts[#parts + 1] = ("[%q] = %q"):format(key, value) end
  return table.concat(parts, ", ")
end

local function shown(values)
  return function(t)
    t:worker(("connectors = { orders = { config = { %s } } }"):format(lua_config(values)))
    local r = t:lua [[
local c = connect():get "orders"
print(kelp.show.value(c.config))
print(kelp.json.encode(c.config))]]
    local config = t:json("output", r.out:match "[^\n]*\n$") or {}
    for key, value in pairs(values) do
      t:equal(key, config[key], value)
      t:has("the shown config", r.out:match "^(.*\n)[^\n]*\n$" or "", value)
    end
  end
end

local function reference_undone(key, old, new)
  return function(t)
    local s = t:worker(("connectors = { orders = { config = { [%q] = %q } } }"):format(key, old))
    local plan = t:lua(("connect():update('orders', { [%q] = %q })"):format(key, new),
      { options = { "--plan" } })
    t:exited(plan, 3)
    t:has("the plan", plan.out, old)
    t:has("the plan", plan.out, new)
    t:exited(t:lua(([[
connect():update("orders", { [%q] = %q })
connect():update("orders", { [%q] = %q })]]):format(key, new, key, new)), 0)
    t:equal("writes of two equal updates", #s:writes(), 1)
    t:exited(t:kelp { "undo", "last" }, 0)
    local r = t:lua(("print(connect():get 'orders'.config[%q])"):format(key))
    t:has("output", r.out, old)
  end
end

-- ---- what is shown is put back ----

local function put_back(provider, open, value)
  return function(t)
    local s = t:in_front()
    local config = provider == "confluent" and [[{ ["connector.class"] = "PostgresSink", topics = "a",
      ["kafka.auth.mode"] = "SERVICE_ACCOUNT", ["kafka.service.account.id"] = "sa-sim001",
      ["connection.host"] = "h", ["connection.user"] = "u", ["db.name"] = "d",
      ["input.data.format"] = "AVRO", ["connection.password"] = VALUE }]]
      or provider == "connect" and [[{ ["connector.class"] = "FileStreamSink", topics = "a",
      file = "/tmp/x", ["consumer.override.sasl.jaas.config"] = VALUE }]]
      or [[{ ["connector.class"] = "org.example.Sink", topics = "a", ["connection.password"] = VALUE }]]
    local r = t:lua(([[
local VALUE = %q
local target = %s
print(try(function() return target:create("one", %s) end))
print(try(function() return target:put("two", %s) end))]]):format(value, open, config, config))
    t:matches("output", r.out, "^masked\t[^\n]*\nmasked\t")
    t:matches("output", r.out, provider == "connect" and "sasl%.jaas%.config" or "connection%.password")
    t:equal("writes sent", #s:writes(), 0)
  end
end

local function updated_back(value)
  return function(t)
    local s = t:in_front()
    local r = t:lua(([[
print(try(function()
  return connect():update("heartbeats-to-dr", { ["target.cluster.sasl.jaas.config"] = %q })
end))]]):format(value))
    t:matches("output", r.out, "^masked\t[^\n]*sasl%.jaas%.config")
    t:equal("writes sent", #s:writes(), 0)
  end
end

-- ---- plain HTTP ----

local function plain_http(config, options)
  return function(t)
    local s = t:worker "connectors = {}"
    local url = "http://here.invalid:" .. s.port
    local r = t:lua(([[
print(try(function()
  return kelp.connect { url = %q %s }:create("orders", { ["connector.class"] = "org.example.Sink",
    topics = "a", %s })
end))]]):format(url, options or "", config), { env = { LD_PRELOAD = Field.library "preload" } })
    if options then
      t:has("output", r.out, "ok\n")
      t:equal("creates", #s:writes(), 1)
    else
      t:has("output", r.out, "allow_http")
      t:lacks("output", r.out, CANARY)
      t:equal("writes sent", #s:writes(), 0)
      for _, request in ipairs(s:requests()) do t:lacks("a request", request.body, CANARY) end
    end
  end
end

-- ---- names ----

local function control_name(bytes, escape)
  return function(t)
    t:worker(([[connectors = { ["a%sb"] = { tasks = { "FAILED" }, traces = { "it %s broke" } } }]])
      :format(bytes, bytes))
    local list = t:kelp { "list", "connect" }
    t:exited(list, 0)
    t:check(not list.out:find(bytes, 1, true), "the list holds it raw")
    t:matches("the list", list.out, escape)
    local r = t:lua(([[
local c = connect():list()[1]
print(c)
print(kelp.show.value(c))
print(try(function() return connect():get "x%sy" end))
kelp.each({ 1 }, function() return connect():get "x%sy" end)]]):format(bytes, bytes, bytes))
    t:check(#r.out > 10 and not r.out:find(bytes, 1, true), "standard output holds it raw")
    t:check(not r.err:find(bytes, 1, true), "standard error holds it raw")
  end
end

local rows = {
  { id = "D1f", title = "error messages keep their words", run = messages },
  { id = "D1g", title = "a plan in JSON keeps its words", run = plan_structure },
  { id = "D1h", title = "a secret of the environment that is a common word", run = from_environment },
  { id = "D1i", title = "a secret is hidden where it is the value", run = long_one },
  { id = "D1j", title = "a connector with a common password is written to", run = common_word_written },
  { id = "D2f", title = "keys that are typed PASSWORD, all of them", run = typed_keys },
  { id = "D2g", title = "a plan of a create with one", run = sent_in_clear },
  { id = "D3f", title = "the rest of an address stays readable", run = value_rest_shown },
  { id = "D4a", title = "a proxy with a raw @ in its password",
    run = proxy "http://shop:half@PW@proxy.invalid:3128" },
  { id = "D4b", title = "a proxy with a space in its password",
    run = proxy "http://shop:half PW@proxy.invalid:3128" },
  { id = "D4c", title = "a proxy with a slash in its password",
    run = proxy "http://shop:half/PW@proxy.invalid:3128" },
  { id = "D5a", title = "references are shown", run = shown(REFERENCES) },
  { id = "D5b", title = "locations, classes and algorithms are shown", run = shown(LOCATIONS) },
  { id = "D5c", title = "references are compared and undone", run = reference_undone("database.password",
    "${file:/etc/x:old}", "${file:/etc/x:new}") },
  { id = "D5d", title = "so are locations", run = reference_undone("ssl.keystore.location",
    "/etc/old.jks", "/etc/new.jks") },
  { id = "D6a", title = "a shown config put back: Kafka Connect",
    run = put_back("connect", "connect()", "<secret consumer.override.sasl.jaas.config>") },
  { id = "D6b", title = "a shown config put back: Confluent Cloud",
    run = put_back("confluent", "confluent()", "<secret connection.password>") },
  { id = "D6c", title = "a shown config put back: Upstash",
    run = put_back("upstash", "upstash()", "<secret connection.password>") },
  { id = "D6d", title = "[hidden] put back", run = put_back("connect", "connect()", "[hidden]") },
  { id = "D6e", title = "an update with <secret …>",
    run = updated_back "<secret target.cluster.sasl.jaas.config>" },
  { id = "D6f", title = "an update with [hidden]", run = updated_back "[hidden]" },
  { id = "D6g", title = "an update with asterisks", run = updated_back(Field.MASK) },
  { id = "D7a", title = "plain HTTP to another machine, a plain password",
    run = plain_http(('["database.password"] = %q'):format(CANARY)) },
  { id = "D7b", title = "plain HTTP to another machine, a kelp.secret",
    run = plain_http '["database.password"] = kelp.secret "FIELD_SECRET"' },
  { id = "D7c", title = "plain HTTP to another machine, an address with a password",
    run = plain_http(('["connection.uri"] = "mongodb://shop:%s@db.shop.example/"'):format(CANARY)) },
  { id = "D7d", title = "with allow_http it is sent",
    run = plain_http(('["database.password"] = %q'):format(CANARY), ", allow_http = true") },
  { id = "D8a", title = "a user in the worker's address", run = user_in_address "script" },
  { id = "D8b", title = "the same from the environment", run = user_in_address "environment" },
  { id = "D9a", title = "U+0085 in a name", run = control_name("\u{85}", "85") },
  { id = "D9b", title = "U+009B in a name", run = control_name("\u{9b}", "9[bB]") },
}

for i, word in ipairs { "connector", "password", "postgres" } do
  table.insert(rows, { id = "D1" .. ("abc"):sub(i, i), title = "the password is '" .. word .. "'",
    run = structure(word) })
end
table.insert(rows, { id = "D1d", title = "the config of one whose password is 'connector'",
  run = config_structure "connector" })
table.insert(rows, { id = "D1e", title = "the config of one whose password is 'password'",
  run = config_structure "password" })

for i, key in ipairs { "azure.eventhubs.sas.key", "azure.datalake.client.key", "function.key",
                       "s3.sse.customer.key" } do
  table.insert(rows, { id = "D2" .. ("abcd"):sub(i, i), title = key, run = key_row(key) })
end
table.insert(rows, { id = "D2e", title = "headers with an Authorization",
  run = key_row("headers", "Accept:text/plain|Authorization:Bearer " .. CANARY) })

for i, one in ipairs {
  { "connection.url", "jdbc:oracle:thin:scott/PW@db.shop.example:1521/orders" },
  { "connection.url", "jdbc:sqlserver://db.shop.example;user=shop;password={b;PW};encrypt=true" },
  { "connection.url", "http://shop:first-one@s1.shop.example:9200,http://shop:PW@s2.shop.example:9200" },
  { "blob.endpoint", "https://shop.blob.example/c?sv=2024&sig=PW&se=2030" },
  { "connection.url", "jdbc:postgresql://db.shop.example/orders?user=shop&password=PW" },
} do
  table.insert(rows, { id = "D3" .. ("abcde"):sub(i, i), title = one[2], run = value_row(one[1], one[2]) })
end

return rows
