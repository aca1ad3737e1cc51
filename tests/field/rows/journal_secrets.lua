-- G: no secret in the journal. Each row searches every byte of the state folder (tables, free pages,
-- write-ahead log) for a value that no other text holds, and the output of `kelp runs show` of another
-- process. A row passes when the write is refused, too: but then nothing may have been stored before.
local Field = require "field"
local CANARY = Field.CANARY

-- A worker whose connectors hold the canary in `config`.
local function holding(t, config, before)
  return t:worker(("connectors = { orders = { config = { %s } }, other = {} }"):format(
    config or ("[\"database.password\"] = %q"):format(CANARY)), before)
end

-- In clear, or in a form that is no more secret.
local function forms_of(secret)
  local hex = secret:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
  return { secret, hex, secret:reverse() }
end

local function nothing_kept(t, ...)
  local shown = t:kelp({ "runs", "show", "last" })
  local all = t:kelp({ "--output", "json", "runs", "show", "last" })
  local list = t:kelp({ "--output", "json", "runs" })
  local bytes, columns = t:state_bytes(), t:journal_columns()
  for _, column in ipairs { "run.script", "run.id", "entry.key", "entry.target", "entry.state" } do
    t:check(columns:find(column .. " ", 1, true), "no column %s was searched", column)
  end
  t:check(#bytes > 1000 and bytes:find("SQLite format", 1, true), "there is no journal to search")
  for _, secret in ipairs { ... } do
    for _, form in ipairs(forms_of(secret)) do
      t:check(not bytes:find(form, 1, true), "the journal's files hold %s", form)
      for line in columns:gmatch "[^\n]+" do
        t:check(not line:find(form, 1, true), "%s holds %s", line:match "^%S+", form)
      end
      for name, text in pairs { ["runs show"] = shown.out, ["runs show in JSON"] = all.out, runs = list.out } do
        t:check(not text:find(form, 1, true), "%s prints %s", name, form)
      end
    end
  end
end

local function quiet(t, r)
  t:lacks("standard output", r.out, CANARY)
  t:lacks("standard error", r.err, CANARY)
end

-- ---- once ----

-- What `once` is given; a pause makes sure that the run is recorded.
local function once(body, config, open)
  return function(t)
    holding(t, config)
    local file = t:file(([[
local target = %s
target:pause "other"
print(try(kelp.once, "configs", function()
  %s
end))
error "stop"]]):format(open or "connect()", body))
    local r = t:kelp { file }
    t:exited(r, 1)
    quiet(t, r)
    nothing_kept(t, CANARY)
    -- Refused by key, or kept: then a resumed run has it again.
    if r.out:find "^ok" then
      local again = t:kelp { "--resume", "last" }
      t:has("output of the resumed run", again.out, "ok")
      quiet(t, again)
      nothing_kept(t, CANARY)
    else
      t:check(r.out:find "password" or r.out:find "key" or r.out:find "secret", "it does not say which: %s", r.out)
    end
  end
end

local ALL = [[local t = {} for _, c in ipairs(target:list()) do t[c.name] = c.config end return t]]

-- The config is what `once` is for: what is no secret comes back in a resumed run.
local function once_comes_back(t)
  holding(t, [=[topics = "first-topic"]=])
  local file = t:file [[
local target = connect()
target:pause "other"
local configs = kelp.once("configs", function()
  local t = {} for _, c in ipairs(target:list()) do t[c.name] = c.config end return t end)
print(configs.orders.topics)
target:update("orders", { topics = "second-topic" })
error "stop"]]
  t:exited(t:kelp { file }, 1)
  local r = t:kelp { "--resume", "last" }
  t:has("output of the resumed run", r.out, "first-topic\n")
end

-- A config of it has masks, in the first pass as in a resumed one, which the target's sources fill.
local function once_comes_back_masked(t)
  local s = holding(t, ("[\"database.password\"] = %q, topics = 'a'"):format(CANARY))
  local file = t:file [[
local target, filled = connect(), connect { secrets = { ["database.password"] = kelp.secret "FIELD_SECRET" } }
local configs = kelp.once("configs", function() return { orders = target:get "orders".config } end)
configs.orders.name = nil
print(configs.orders["database.password"], (try(target.put, target, "new", configs.orders)))
filled:put("new", configs.orders)
error "stop"]]
  local first, again = t:kelp { file }, t:kelp { "--resume", "last" }
  t:equal("output", first.out, Field.MASK .. "\tmasked\n")
  t:equal("output of the resumed run", again.out, first.out)
  t:equal("writes", #s:writes(), 1)
  t:has("what was sent", s:writes()[1].body or "", CANARY)
  nothing_kept(t, CANARY)
end

local function once_of_simulator(open)
  return function(t)
    t:simulator()
    local r = t:lua(([[
local target = %s
local list = target:list()
target:pause(list[1].name)
print(try(kelp.once, "configs", function()
  local t = {} for _, c in ipairs(list) do t[c.name] = c.config end return t end))
error "stop"]]):format(open))
    t:exited(r, 1)
    nothing_kept(t, "not-a-real-password", "not-a-real-jaas-config", "not-a-real-aws-secret")
  end
end

-- ---- names ----

local function as_name(call, config)
  return function(t)
    local s = holding(t, config)
    local r = t:lua(([[
local target = connect()
local secret = target:get "orders".config["database.password"]
target:pause "other"
print(try(function() return %s end))]]):format(call))
    quiet(t, r)
    t:lacks("output", r.out:sub(1, 3), "ok")
    nothing_kept(t, CANARY)
    for _, request in ipairs(s:requests()) do t:lacks("what was sent", request.target, CANARY) end
  end
end

-- A secret of the environment, that the script has by another way.
local function environment_name(t)
  holding(t, "topics = 'a'")
  local path = t.support.write(t.support.path "clear", CANARY)
  local r = t:lua(([[
local target = connect()
local s = kelp.secret "FIELD_SECRET"
target:pause "other"
local name = io.open(%q):read "a"
print(try(function() return target:pause(name) end))
print(try(function() return target:pause("orders", { key = name }) end))
print(try(function() return kelp.once(name, function() return 1 end) end))]]):format(path))
  quiet(t, r)
  t:lacks("output", r.out, "ok\n")
  nothing_kept(t, CANARY)
end

-- ---- keys ----

-- The pre-image of an update and the update itself.
local function key(name, value)
  return function(t)
    holding(t, ("[%q] = %q, topics = 'a'"):format(name, (value or "PW"):gsub("PW", CANARY)))
    local r = t:lua(([[
local target = connect()
target:update("orders", { topics = "b" })
target:update("orders", { [%q] = %q })
target:create("new", { ["connector.class"] = "org.example.SinkConnector", topics = "a", [%q] = %q })
target:put("third", { ["connector.class"] = "org.example.SinkConnector", topics = "a", [%q] = %q })
target:delete "orders"]]):format(name, (value or "PW"):gsub("PW", "seCond-kaNary7"), name,
      (value or "PW"):gsub("PW", "thIrd-kaNary7"), name, (value or "PW"):gsub("PW", "fouRth-kaNary7")))
    t:exited(r, 0)
    nothing_kept(t, CANARY, "seCond-kaNary7", "thIrd-kaNary7", "fouRth-kaNary7")
  end
end

-- ---- whatever else ----

local ECHO = [[if r.method ~= "GET" and r.path:find "orders" then
  return { status = 400, body = json.encode { error_code = 400, message = "bad config: TEXT" } }
end]]

local function message(text)
  return function(t)
    holding(t, nil, (ECHO:gsub("TEXT", text)))
    local r = t:lua [[
local target = connect()
target:list()
target:pause "other"
print(try(target.update, target, "orders", { topics = "b" }))
print(kelp.each({ 1 }, function() target:pause "orders" end, { progress = false }))
target:pause "orders"]]
    t:exited(r, 1)
    quiet(t, r)
    t:has("standard error", r.err, "bad config")
    nothing_kept(t, CANARY)
  end
end

local function message_of_sent(t)
  holding(t, "topics = 'a'", (ECHO:gsub("TEXT", CANARY)))
  local r = t:lua [[connect():update("orders", { ["database.password"] = kelp.secret "FIELD_SECRET" })]]
  t:exited(r, 1)
  quiet(t, r)
  nothing_kept(t, CANARY)
end

local function script_error(text)
  return function(t)
    holding(t)
    local r = t:lua(([[
local target = connect()
local secret = target:get "orders".config["database.password"]
target:pause "other"
%s]]):format(text))
    quiet(t, r)
    nothing_kept(t, CANARY)
  end
end

local function argument(code)
  return function(t)
    holding(t, "topics = 'a'")
    local file = t:file(code)
    local r = t:kelp { file, "first", CANARY, "--password=" .. CANARY }
    quiet(t, r)
    nothing_kept(t, CANARY)
  end
end

-- The credential of the target itself, among the arguments.
local function credential_argument(t)
  holding(t, "topics = 'a'")
  local file = t:file [[
kelp.connect(with { url = os.getenv "KAFKA_CONNECT_URL" }):pause "other"]]
  local r = t:kelp({ file, CANARY }, { env = { KAFKA_CONNECT_BASIC_AUTH_USERNAME = "somebody",
    KAFKA_CONNECT_BASIC_AUTH_PASSWORD = CANARY } })
  quiet(t, r)
  nothing_kept(t, CANARY)
end

local function script_path(t)
  holding(t, "topics = 'a'")
  local folder = t.support.make_folder(t.support.folder() .. "/" .. CANARY)
  local path = t.support.write(folder .. "/script.lua", t.support.read(t:file [[
local s = kelp.secret "FIELD_SECRET"
connect():pause "other"]]))
  local r = t:kelp { path }
  t:lacks("standard output", r.out, CANARY)
  nothing_kept(t, CANARY)
end

-- The text of a failure of a task, which `wait` reports.
local function trace(t)
  t:worker(([[connectors = { other = {}, orders = { state = "FAILED", tasks = { "FAILED" },
    traces = { "login failed with password %s" }, config = { ["database.password"] = %q } } }]])
    :format(CANARY, CANARY))
  local r = t:lua [[
local target = connect()
target:list()
target:pause "other"
target:restart("orders", { tasks = "all" })
print(try(kelp.once, "error", function() return target:get "orders".error end))
target:wait("orders", { timeout = 1, grace = 0, poll = 0.1, state = "paused" })]]
  quiet(t, r)
  nothing_kept(t, CANARY)
end

local function inline(t)
  holding(t)
  local r = t:kelp { "-e", ([[
local s = kelp.secret "FIELD_SECRET"
local target = kelp.connect { url = os.getenv "KAFKA_CONNECT_URL" }
target:pause("other") local never = %q]]):format(CANARY) }
  t:exited(r, 0)
  nothing_kept(t, CANARY)
end

-- The outcome of a write: what the provider answers holds secrets that nobody asked for.
local function answer(t)
  holding(t, "topics = 'a'", ([[
if r.method == "PUT" and r.path:find "orders/config" then
  return { body = json.encode { name = "orders", tasks = json.empty_array, type = "sink",
    config = { name = "orders", ["connector.class"] = "x", ["database.password"] = %q,
      ["connection.uri"] = "mongodb://shop:%s@db.shop.example" } } }
end]]):format(CANARY, CANARY))
  local r = t:lua [[
local target = connect()
target:put("orders", { ["connector.class"] = "x", topics = "b" })
target:pause "orders"]]
  t:exited(r, 0)
  nothing_kept(t, CANARY)
end

-- The pass of an undo writes, too.
local function undo(t)
  holding(t, ("[\"database.password\"] = %q, topics = 'a'"):format(CANARY))
  t:exited(t:lua [[connect():update("orders", { topics = "b", ["database.password"] = kelp.secret "FIELD_SECRET" })]], 0)
  t:kelp({ "undo", "last", "--set", "database.password=env:OLD_ONE" }, { env = { OLD_ONE = "oLd-kaNary-8" } })
  nothing_kept(t, CANARY, "oLd-kaNary-8")
end

-- One run that tries every way in. What is refused is not stored; what is stored is without it.
local EVERY_WAY = [[
local target = connect()
local s = kelp.secret "FIELD_SECRET"
local secret = io.open(arg[1]):read "a"
local long = ("x"):rep(40000) .. secret .. ("y"):rep(40000)
target:pause "other"
local class = { ["connector.class"] = "org.example.SinkConnector", topics = "a" }
local function with_key(key, value) local t = {} for k, v in pairs(class) do t[k] = v end t[key] = value return t end
local tries = {
  function() target:pause(secret) end, function() target:delete("x" .. secret) end,
  function() target:create(secret, class) end, function() target:put(secret, class) end,
  function() target:resume("other", { key = secret }) end,
  function() target:resume("other", { key = "a " .. secret }) end,
  function() kelp.once(secret, function() return 1 end) end,
  function() kelp.once("a", function() return secret end) end,
  function() kelp.once("b", function() return { list = { { long } } } end) end,
  function() kelp.once("c", function() return { [secret] = 1 } end) end,
  function() kelp.once("d", function() return { ["database.password"] = secret, note = 1 } end) end,
  function() target:put("one", with_key(secret, "x")) end,
  function() target:put("two", with_key("note", long)) end,
  function() target:create("three", with_key("note", s)) end,
  function() target:put("three", with_key("note", secret .. "!")) end,
  function() target:update("two", { note = "is " .. secret }) end,
  function() target:update("orders", { topics = "b" }) end,
  function() target:restart "orders" end,
  function() kelp.connect(with { url = os.getenv "KAFKA_CONNECT_URL" .. "/" .. secret }):pause "other" end,
  function() load("local t = ... t:resume 'other'", "@" .. secret .. ".lua")(target) end,
  function() error("no: " .. secret, 0) end,
}
local done = 0
for _, one in ipairs(tries) do if pcall(one) then done = done + 1 end end
print(done .. " done")
kelp.each({ 1 }, function() error(secret) end, { progress = false }):assert()]]

local function every_way(t)
  holding(t, "[\"database.password\"] = 'oLder-kaNary-8', topics = 'a'", ([[
if r.method == "POST" and r.path:find "restart" then
  return { status = 400, body = json.encode { error_code = 400, message = "no: %s" } }
end]]):format(CANARY))
  local clear = t.support.write(t.support.path "clear", CANARY)
  local r = t:kelp { t:file(EVERY_WAY), clear, CANARY, "--token=unKnown-kaNary9" }
  t:exited(r, 1)
  quiet(t, r)
  t:matches("standard output", r.out, "^[5-9] done")
  nothing_kept(t, CANARY, "unKnown-kaNary9", "oLder-kaNary-8")
  local columns = t:journal_columns()
  t:has("the journal", columns, "<secret FIELD_SECRET>")
  t:has("the journal", columns, "value.label d\n")
  local again = t:kelp { "--resume", "last" }
  t:exited(again, 1)
  t:has("standard error", again.err, "a secret was among the words")
end

-- The journal that the user names, too.
local function journal_name(t)
  holding(t, "topics = 'a'")
  local r = t:kelp { "--journal", t.support.folder() .. "/" .. CANARY .. ".db", t:file [[
local s = kelp.secret "FIELD_SECRET"
connect():pause "other"]] }
  t:exited(r, 1)
  quiet(t, r)
  t:has("standard error", r.err, "the name of the journal holds a secret")
end

-- The search itself: it finds what is no secret, as it is stored.
local function search_finds(t)
  holding(t, "topics = 'a'")
  t:exited(t:lua [[connect():update("orders", { topics = "a-topic-that-is-stored" })]], 0)
  t:has("the journal", t:state_bytes(), "a-topic-that-is-stored")
  t:matches("the columns", t:journal_columns(), "\nentry.request [^\n]*a%-topic%-that%-is%-stored")
end

local rows = {
  { id = "G0", title = "the search finds what is stored", run = search_finds },
  { id = "G1a", title = "once: all configs", run = once(ALL) },
  { id = "G1b", title = "once: one value", run = once [[return target:get "orders".config["database.password"] ]] },
  { id = "G1c", title = "once: within a text",
    run = once [[return { "password is " .. target:get "orders".config["database.password"] .. "!" }]] },
  { id = "G1d", title = "once: as a key of a table",
    run = once [=[return { [target:get "orders".config["database.password"]] = true }]=] },
  { id = "G1e", title = "once: a list of connectors", run = once [[local t = {}
  for i, c in ipairs(target:list()) do t[i] = { name = c.name, config = c.config, error = c.error } end return t]] },
  { id = "G1f", title = "once: an address with a password",
    run = once(ALL, ([=[["connection.uri"] = "mongodb://shop:%s@db.shop.example/"]=]):format(CANARY)) },
  { id = "G1g", title = "once: what is no secret comes back", run = once_comes_back },
  { id = "G1l", title = "once: a config comes back with masks", run = once_comes_back_masked },
  { id = "G1h", title = "once: configs of Upstash", run = once_of_simulator "upstash()" },
  { id = "G1i", title = "once: configs of Confluent Cloud", run = once_of_simulator "confluent()" },
  { id = "G1j", title = "once: configs of the simulator's Kafka Connect", run = once_of_simulator "connect()" },
  { id = "G1k", title = "once: in JSON",
    run = once [[return kelp.json.encode(target:get "orders".config)]] },
  { id = "G2a", title = "a secret as a connector's name: pause", run = as_name "target:pause(secret)" },
  { id = "G2b", title = "a secret as a connector's name: create", run = as_name
    [[target:create(secret, { ["connector.class"] = "org.example.SinkConnector", topics = "a" })]] },
  { id = "G2c", title = "a secret as key =", run = as_name [[target:pause("orders", { key = secret })]] },
  { id = "G2d", title = "a secret within key =",
    run = as_name [[target:pause("orders", { key = "step-" .. secret })]] },
  { id = "G2e", title = "a secret as a label of once", run = as_name [[kelp.once(secret, function() return 1 end)]] },
  { id = "G2f", title = "a secret within a connector's name", run = as_name [[target:pause("x-" .. secret)]] },
  { id = "G2g", title = "a secret of the environment", run = environment_name },
  { id = "G2h", title = "a secret as a key of a config",
    run = as_name [[target:update("orders", { [secret] = "x" })]] },
  { id = "G4a", title = "a server's message", run = message(CANARY) },
  { id = "G4b", title = "a server's message, in Base64",
    run = message "a2FOYXJ5N3FVaWV0LWhlcm9O" },
  { id = "G4c", title = "a server's message about what was sent", run = message_of_sent },
  { id = "G4d", title = "an error of the script", run = script_error [[error("no: " .. secret, 0)]] },
  { id = "G4e", title = "an error object of the script",
    run = script_error [[error(setmetatable({}, { __tostring = function() return secret end }))]] },
  { id = "G4f", title = "an error in a bulk job",
    run = script_error [[kelp.each({ secret }, function(s) error("no: " .. s) end, { progress = false }):assert()]] },
  { id = "G4g", title = "arguments: a secret of the environment",
    run = argument [[local s = kelp.secret "FIELD_SECRET" connect():pause "other"]] },
  { id = "G4h", title = "arguments: a credential", run = credential_argument },
  { id = "G4i", title = "the script's path", run = script_path },
  { id = "G4j", title = "the trace of a failed task", run = trace },
  { id = "G4k", title = "the text of -e", run = inline },
  { id = "G4l", title = "the answer to a write", run = answer },
  { id = "G4m", title = "undo", run = undo },
  { id = "G4n", title = "every way at once", run = every_way },
  { id = "G4o", title = "the journal's own name", run = journal_name },
}

for i, one in ipairs {
  { "azure.eventhubs.sas.key" }, { "azure.datalake.client.key" }, { "function.key" },
  { "s3.sse.customer.key" }, { "headers", "Authorization:Bearer PW" },
  { "connection.url", "jdbc:oracle:thin:scott/PW@db.shop.example:1521/orders" },
  { "connection.url", "jdbc:sqlserver://db.shop.example;user=u;password={b;PW}" },
  { "blob.endpoint", "https://shop.blob.example/c?sv=2024&sig=PW" },
  { "database.password" },
} do
  table.insert(rows, { id = "G3" .. ("abcdefghi"):sub(i, i), title = one[1] .. (one[2] and " = " .. one[2] or ""),
    run = key(one[1], one[2]) })
end

return rows
