-- Secrets: what shows them, who opens them, and that neither output nor errors nor logs do.
-- Run by run.lua.
local kelp = require "kelp"
local lu = require "luaunit"
local raw = require "kelp.raw"
local support = require "support"

local VALUE = "not-a-real-password"

local function sink(changes)
  local config = { ["connector.class"] = "S3_SINK", topics = "orders",
                   ["kafka.auth.mode"] = "SERVICE_ACCOUNT", ["kafka.service.account.id"] = "sa-1" }
  for key, value in pairs(changes or {}) do config[key] = value end
  return config
end

TestSecrets = {}

function TestSecrets:setUp()
  self.sim = support.simulator()
  self.sim:reset()
  self.secret = kelp.secret { command = "printf " .. VALUE }
end

function TestSecrets:test_it_is_never_shown()
  local secret, shown = self.secret, "<secret command>"
  lu.assertEquals(tostring(secret), shown)
  lu.assertEquals(("%s"):format(secret), shown)
  lu.assertEquals("a" .. secret, "a" .. shown)
  lu.assertEquals(secret .. "b" .. 1, shown .. "b1")
  lu.assertEquals(1 .. secret, "1" .. shown)
  lu.assertEquals(secret .. secret, shown .. shown)
  lu.assertEquals(kelp.json.encode { a = secret }, '{"a":"' .. shown .. '"}')
  lu.assertStrContains(kelp.show.value { key = secret }, shown)
end

function TestSecrets:test_it_is_opaque()
  lu.assertEquals(type(self.secret), "userdata")
  lu.assertEquals(getmetatable(self.secret), "kelp.secret")
  lu.assertFalse(pcall(function() return self.secret.value end))
  lu.assertFalse(pcall(function() return #self.secret end))
  lu.assertFalse(pcall(string.len, self.secret))
  lu.assertFalse(pcall(table.concat, { self.secret }))
  lu.assertFalse(pcall(setmetatable, self.secret, {}))
end

function TestSecrets:test_a_config_opens_it()
  local target = self.sim:confluent_target()
  target:create("new", sink { ["aws.secret.access.key"] = self.secret })
  local config = self.sim:state().confluent["env-sim/lkc-sim"].new.config
  lu.assertEquals(config["aws.secret.access.key"], VALUE)
  target:update("new", { password = self.secret, ["aws.secret.access.key"] = self.secret })
  lu.assertEquals(self.sim:state().confluent["env-sim/lkc-sim"].new.config.password, VALUE)
end

function TestSecrets:test_a_list_does_not_open_it()
  local target = self.sim:confluent_target()
  local problem = support.raises("invalid", target.create, target, "new",
    sink { hosts = { "a", self.secret } })
  lu.assertEquals(problem.key, "hosts")
end

function TestSecrets:test_credentials_open_it()
  local answer = { status = 200, body = "{}" }
  local server = support.scripted { answer, answer }
  server:confluent_target({ api_key = "NAME", api_secret = self.secret }):list()
  server:confluent_target({ token = self.secret }):list()
  local asked = server:asked()
  lu.assertEquals(asked[1].headers.authorization, "Basic TkFNRTpub3QtYS1yZWFsLXBhc3N3b3Jk")
  lu.assertEquals(asked[2].headers.authorization, "Bearer " .. VALUE)
end

function TestSecrets:test_a_masked_secret_is_a_mask()
  local target = self.sim:confluent_target()
  local problem = support.raises("masked", target.create, target, "new",
    sink { password = kelp.secret { command = "printf '****'" } })
  lu.assertEquals(problem.keys, { "password" })
end

-- What kelp and workers print in place of a secret is no value, wherever it is put back.
function TestSecrets:test_a_printed_mask_is_put_back()
  local target = self.sim:confluent_target()
  local masks = { "****", "<secret database.password>", "<secret>", "[hidden]", "<hidden>",
                  "[HIDDEN]", "mongodb://u:<secret connection.uri>@h/db", "mongodb://u:<hidden>@h",
                  "jdbc:x://h/db?password=<hidden>&a=b", "jdbc:x://h;password=<secret a.b>" }
  for _, mask in ipairs(masks) do
    local problem = support.raises("masked", target.create, target, "new", sink { password = mask })
    lu.assertEquals(problem.keys, { "password" }, mask)
    lu.assertEquals(raw.is_mask(mask), true, mask)
  end
  -- asterisks can be kept, nobody takes the others back
  target:create("kept", sink { password = VALUE })
  local problem = support.raises("masked", target.update, target, "kept",
    { ["ssl.key.password"] = "<secret ssl.key.password>", ["api.key"] = "****" },
    { keep_masked = true })
  lu.assertEquals(problem.keys, { "ssl.key.password" })
  for _, text in ipairs { "*", "", "<secretary>", "<secret", "a<b>c", "[hidden] note", "<hidden",
                          "hidden", "${x:<y>}", "see <hidden> below" } do
    lu.assertEquals(raw.is_mask(text), false, text)
  end
end

function TestSecrets:test_sources()
  local path = support.write(support.path "secret", VALUE .. "\n")
  assert(os.execute("chmod 600 " .. support.quote(path)))
  lu.assertEquals(tostring(kelp.secret { file = path }), "<secret " .. path .. ">")
  local target = self.sim:confluent_target()
  target:create("new", sink { password = kelp.secret { file = path } })
  lu.assertEquals(self.sim:state().confluent["env-sim/lkc-sim"].new.config.password, VALUE)
  for _, mode in ipairs { "640", "604", "620" } do
    assert(os.execute(("chmod %s %s"):format(mode, support.quote(path))))
    support.misuse("read or written by others", kelp.secret, { file = path })
  end
  support.misuse("No such file", kelp.secret, { file = path .. "-not" })
  support.misuse("not a regular file", kelp.secret, { file = support.folder() })
  assert(os.execute(("chmod 600 %s && ln -s %s %s"):format(support.quote(path), support.quote(path),
    support.quote(path .. "-link"))))
  support.misuse("symbolic link", kelp.secret, { file = path .. "-link" })
  support.misuse("is not set", kelp.secret, "KELP_TEST_NO_SUCH_VARIABLE")
  support.misuse("is not set", kelp.secret, { env = "KELP_TEST_NO_SUCH_VARIABLE" })
  support.misuse("ended with a failure (exit code 3)", kelp.secret,
    { command = "printf x; exit 3" })
  support.misuse("ended by signal 9", kelp.secret, { command = "kill -9 $$" })
  support.misuse("did not end within 0.05 s", kelp.secret,
    { command = "exec sleep 1000", timeout = 0.05 })
  support.misuse("timeout goes with command only", kelp.secret, { env = "A", timeout = 1 })
  for _, timeout in ipairs { 0, -1, 1e9, "1", 0 / 0 } do
    support.misuse("timeout must be a number of seconds", kelp.secret,
      { command = "true", timeout = timeout })
  end
  support.misuse("empty value", kelp.secret, { command = "printf '\\n'" })
  support.misuse("64 KiB", kelp.secret, { command = "head -c 70000 /dev/zero" })
  support.misuse("exactly one of", kelp.secret, { env = "A", file = "B" })
  support.misuse("exactly one of", kelp.secret, { value = "x" })
  support.misuse("one of env, file, command", kelp.secret, {})
  lu.assertFalse(pcall(kelp.secret))
  lu.assertFalse(pcall(kelp.secret, 1))
end

function TestSecrets:test_an_error_does_not_show_it()
  local server = support.scripted {
    { status = 400, body = '{"message":"Invalid value ' .. VALUE .. ' for password"}' } }
  local result = support.kelp({ "-e", [[
    local t = kelp.upstash { cluster = "c", email = "a@example.com", api_key = kelp.secret "PW" }
    t:list()]] }, { env = { PW = VALUE, UPSTASH_API_URL = server.upstash } })
  lu.assertEquals(result.code, 1)
  lu.assertStrContains(result.err, "Invalid value <secret PW> for password")
  lu.assertNil((result.out .. result.err):find(VALUE, 1, true))
end

function TestSecrets:test_print_hides_it_in_every_form()
  local result = support.kelp({ "-e", [[
    local value = os.getenv "PW"
    local secret = kelp.secret "PW"
    print(secret, value, "x" .. value .. "y")
    print(kelp.json.encode(value))
    print((value:gsub(".", function(c) return ("%02x"):format(c:byte()) end)))
    print "TkFNRTpub3QtYS1yZWFsLXBhc3N3b3Jk"
    print { }
    print(kelp.show.value { value })]] }, { env = { PW = VALUE } })
  lu.assertEquals(result.code, 0)
  lu.assertStrContains(result.out, "<secret PW>\t<secret PW>\tx<secret PW>y\n")
  lu.assertNil(result.out:find(VALUE, 1, true))
  lu.assertNil(result.out:find("6e6f742d612d7265616c2d70617373776f7264", 1, true))
  lu.assertNil(result.out:find("bm90LWEtcmVhbC1wYXNzd29yZ", 1, true)) -- Base64, aligned
  lu.assertNil(result.out:find("90LWEtcmVhbC1wYXNzd29y", 1, true)) -- Base64, after five bytes
end

function TestSecrets:test_secrets_in_what_a_provider_answers_are_hidden()
  local result = support.kelp { "--sim", "-e", [[
    local c = kelp.upstash {}:get "customers-cdc"
    print(c.config["database.password"], c.config["database.user"])
    print(kelp.show.value(c.config))
    print(kelp.json.encode(c.config))
    error("the password is " .. c.config["database.password"])]] }
  lu.assertEquals(result.code, 1)
  lu.assertStrMatches(result.out:match "[^\n]*", "<secret [^>]*>\tdebezium")
  lu.assertNil((result.out .. result.err):find("not-a-real-password", 1, true))
end

function TestSecrets:test_logs_do_not_show_it()
  local server = support.scripted {
    { status = 500, body = VALUE }, { status = 500, body = VALUE }, { status = 500, body = VALUE } }
  for _, format in ipairs { "text", "json" } do
    local result = support.kelp({ "--log", "trace", "--log-format", format, "-e", [[
      local value = os.getenv "PW"
      local t = kelp.confluent { environment = "e", cluster = "c", token = kelp.secret "PW",
                                 backoff = 0.001 }
      pcall(t.get, t, "orders-" .. value)
      require "kelp.raw".log("error", "it is " .. value)]] },
      { env = { PW = VALUE, CONFLUENT_CLOUD_REST_ENDPOINT = server.confluent } })
    lu.assertEquals(result.code, 0)
    lu.assertStrContains(result.err, "<secret PW>")
    lu.assertNil(result.err:find(VALUE, 1, true))
    lu.assertNil(result.err:find("Bearer", 1, true))
  end
end

function TestSecrets:test_it_is_not_in_the_command_line_of_another_process()
  local result = support.kelp({ "--api-secret=" .. VALUE })
  lu.assertEquals(result.code, 2)
  lu.assertNil(result.err:find(VALUE, 1, true))
end

-- ---- what a script can do with one ----

local CANARY = "yellow-canary-4711" -- no eight characters of it are in any word

-- Each of these may fail or give something; neither holds the value.
local ATTEMPTS = [[
  local function try(fn, ...)
    local all = table.pack(pcall(fn, ...))
    for i = 1, all.n do all[i] = tostring(all[i]) end
    return table.concat(all, " ")
  end
  local cjson = require "cjson"
  local seen = {}
  local function note(text) seen[#seen + 1] = text end
  local secret = kelp.secret "PW"
  local names = {}
  for name in pairs(string) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    note(try(string[name], secret))
    note(try(string[name], secret, 1, 100))
    note(try(string[name], "%s", secret))
    note(try(string[name], "x", "x", secret))
    note(try(function() return secret[name](secret) end))
  end
  for _, form in ipairs { "%s", "%q", "%d", "%x", "%c", "%a", "%g", "%i", "%u", "%30s", "%.5s" } do
    note(try(string.format, form, secret))
  end
  note(secret .. "") note("" .. secret) note(secret .. secret) note(secret .. 1)
  note(tostring(secret))
  note(try(table.concat, { secret }, ","))
  note(try(table.unpack, { secret }))
  note(try(error, secret))
  note(try(error, "it is " .. secret))
  note(try(error, { secret }))
  note(try(assert, false, secret))
  note(try(tonumber, secret)) note(try(math.floor, secret)) note(try(utf8.len, secret))
  note(try(function() return secret + 1 end)) note(try(function() return -secret end))
  note(try(function() return secret < secret end)) note(try(function() return #secret end))
  note(try(function() return secret() end)) note(try(function() secret.x = 1 end))
  note(try(function() for k, v in pairs(secret) do note(tostring(k) .. tostring(v)) end end))
  note(try(function() for i, v in ipairs(secret) do note(tostring(v)) end end))
  note(try(next, secret)) note(try(rawlen, secret)) note(try(rawget, secret, 1))
  note(try(load, secret)) note(try(select, secret)) note(try(require, secret))
  note(try(kelp.json.encode, secret)) note(try(kelp.json.encode, { a = { secret } }))
  note(try(cjson.encode, secret)) note(try(cjson.encode, { secret }))
  note(try(kelp.show.value, secret)) note(try(kelp.show.value, { password = secret, [secret] = 1 }))
  note(try(kelp.show.table, { { a = secret } }, { "a" }))
  note(try(io.write, secret)) note(try(io.stderr.write, io.stderr, secret))
  note(try(os.getenv, "PW")) note(try(os.execute, secret)) note(try(io.open, secret))
  note(try(print, secret)) note(try(string.rep, secret, 2)) note(try(os.date, secret))
  for name in pairs(debug) do
    if name ~= "debug" then
      note(try(debug[name], secret)) note(try(debug[name], secret, 1))
      note(try(debug[name], 1, secret))
    end
  end
  local function deep(value, depth, done)
    if depth > 4 or done[value] then return end
    if type(value) == "table" then
      done[value] = true
      for k, v in next, value do deep(k, depth + 1, done) deep(v, depth + 1, done) end
    elseif type(value) == "string" then
      note(value)
    elseif type(value) == "userdata" then
      done[value] = true
      for i = 1, 3 do deep(debug.getuservalue(value, i), depth + 1, done) end
      deep(debug.getmetatable(value), depth + 1, done)
    end
  end
  deep(secret, 0, {}) deep(debug.getregistry(), 0, {})
  debug.sethook()
  local gone = collectgarbage "count"
]]

function TestSecrets:test_nothing_that_a_script_does_opens_it()
  local path = support.path "seen"
  local result = support.kelp({ "-e", ATTEMPTS .. ([[
    local file <close> = io.open(%q, "w") -- a script's own file: not redacted
    for _, text in ipairs(seen) do file:write(text, "\n") end
  ]]):format(path) }, { env = { PW = CANARY } })
  lu.assertEquals({ result.code, result.err }, { 0, "" })
  local seen = support.read(path)
  local _, count = seen:gsub("<secret PW>", "")
  lu.assertTrue(count >= 15, count)
  for _, text in ipairs { seen, result.out } do
    for at = 1, #CANARY - 7 do lu.assertNotStrContains(text, CANARY:sub(at, at + 7)) end
  end
end

-- The same list is known to find a value that is there.
function TestSecrets:test_the_attempts_would_show_a_plain_value()
  local path = support.path "seen"
  local attempts = ATTEMPTS:gsub('kelp.secret "PW"', 'os.getenv "PW"'):gsub('note%(try%(load.-\n', "\n")
  support.kelp({ "-e", attempts .. ([[
    local file <close> = io.open(%q, "w")
    for _, text in ipairs(seen) do file:write(text, "\n") end
  ]]):format(path) }, { env = { PW = CANARY } })
  local _, count = support.read(path):gsub(CANARY:gsub("%-", "%%-"), "")
  lu.assertTrue(count > 30)
end

-- ---- output that does not go through print ----

local function shown(script, env)
  env = env or {}
  env.PW = VALUE
  local result = support.kelp({ "-e", 'local v = os.getenv "PW" kelp.secret "PW" ' .. script },
    { env = env })
  return result
end

function TestSecrets:test_every_way_to_write_is_redacted()
  for _, write in ipairs { "io.write(%s)", "io.stdout:write(%s)", "io.output():write(%s)",
                           "io.output(io.stdout):write(%s)", "require 'kelp.raw'.write(1, (%s))" } do
    local result = shown(write:format 'v .. "\\n"')
    lu.assertEquals({ result.out, result.err }, { "<secret PW>\n", "" })
  end
  for _, write in ipairs { "io.stderr:write(%s)", "io.output(io.stderr):write(%s)" } do
    local result = shown(write:format 'v .. "\\n"')
    lu.assertEquals({ result.out, result.err }, { "", "<secret PW>\n" })
  end
  for _, mode in ipairs { "no", "line", "full" } do
    local result = shown(('io.stdout:setvbuf %q io.write("a", v, 12, v, "b")'):format(mode))
    lu.assertEquals(result.out, "a<secret PW>12<secret PW>b")
  end
  lu.assertEquals(shown [[io.write(("%q"):format("\n" .. v))]].out, '"\\\n<secret PW>"')
  lu.assertEquals(shown "io.write(v) os.exit(0)".out, "<secret PW>")
  lu.assertEquals(shown "io.write(v) os.exit(0, true)".out, "<secret PW>")
  lu.assertStrContains(shown "error(v, 0)".err, "error: <secret PW>")
  lu.assertStrContains(shown "error(setmetatable({}, {__tostring = function() return v end}))".err,
    "error: <secret PW>")
  lu.assertStrContains(shown "local function f() error 'x' end _G[v] = f _G[v]()".err, "<secret PW>")
  lu.assertEquals(shown "warn '@on' warn(v)".out, "")
end

function TestSecrets:test_a_value_that_two_writes_cut_is_redacted()
  for at = 1, #VALUE - 1 do
    local parts = ('v:sub(1, %d)) WRITE(v:sub(%d)'):format(at, at + 1)
    local out = shown("local WRITE = io.write WRITE('[', " .. parts .. ") WRITE ']'").out
    lu.assertEquals(out, "[<secret PW>]")
    local err = shown("local function WRITE(...) io.stderr:write(...) end WRITE('[', " .. parts
      .. ") WRITE ']'").err
    lu.assertEquals(err, "[<secret PW>]")
  end
  lu.assertEquals(shown [[io.write("<", v:sub(1, 9)) print(v:sub(10) .. ">")]].out, "<<secret PW>>\n")
  lu.assertEquals(shown [[for c in v:gmatch "." do io.stderr:write(c) end]].err, "<secret PW>")
end

function TestSecrets:test_what_is_held_back_comes_when_somebody_may_wait_for_it()
  -- "not-" begins the value, so it is held back until the flush, the wait, the read, the end
  local pipe = assert(io.popen(("env -i PW=%s %s -e %s 2>&1"):format(VALUE,
    support.quote(support.program), support.quote [[
      kelp.secret "PW"
      io.write "a not-" io.flush()
      require "kelp.raw".write(2, "b not-")
      io.stderr:write "c not-"
      kelp.sleep(0.001)
      require "kelp.raw".write(1, "d not-")
      io.read "l"
      require "kelp.raw".write(2, "e not-")]]), "r"))
  lu.assertEquals(pipe:read "a", "a not-b not-c not-d not-e not-")
  pipe:close()
  lu.assertEquals(shown [[io.write(v:sub(1, 4)) io.flush() io.write(v:sub(5), "!")]].out,
    "not-<secret PW>!")
  lu.assertEquals(shown [[io.write(v:sub(1, 12)) io.stdout:flush() io.write(v:sub(13), "!")]].out,
    "<secret PW>!")
  lu.assertEquals(shown [[io.write(v:sub(1, 12))]].out, "<secret PW>")
end

function TestSecrets:test_a_value_is_not_cut_by_a_table_or_a_message()
  local result = shown [[
    local row = { name = "a", error = ("x"):rep(20) .. " " .. v .. " " .. ("y"):rep(60) }
    print(kelp.show.table({ row }, { "name", "error" }, { width = 44 }))
    local t = kelp.upstash { cluster = "c", email = "e@example.com", api_key = "not-real-key" }
    local ok, problem = pcall(t.restart, t, ("x"):rep(75) .. v .. "\1")
    io.write(tostring(problem), "\n")]]
  lu.assertEquals(result.code, 0)
  for at = 1, #VALUE - 7 do lu.assertNil(result.out:find(VALUE:sub(at, at + 7), 1, true)) end
  lu.assertStrContains(result.out, ("x"):rep(75) .. "…")
  local server = support.scripted { { status = 500, body = ("z"):rep(395) .. VALUE .. " end" } }
  result = shown([[
    local t = kelp.upstash { cluster = "c", email = "e@example.com", api_key = "not-real-key",
                             attempts = 1 }
    t:list()]], { UPSTASH_API_URL = server.upstash })
  lu.assertEquals(result.code, 1)
  lu.assertStrContains(result.err, ("z"):rep(395) .. "…")
end

-- A password that is a common word is hidden where it is the value, and leaves structure alone.
function TestSecrets:test_a_common_word_as_a_password_leaves_structure_alone()
  for _, word in ipairs { "connector", "password", "postgres", "running", "secret", "12345678" } do
    local config = { ["connector.class"] = "io.debezium.connector.postgres.PostgresConnector",
      ["database.password"] = word, ["database.user"] = "postgres", topics = word .. "-topic",
      ["connection.url"] = "jdbc:postgresql://postgres/db?user=postgres&password=" .. word,
      ["sasl.jaas.config"] = 'x.PlainLoginModule required username="a" password="' .. word .. '";' }
    local list = kelp.json.encode { [word .. "-1"] = {
      status = { name = word .. "-1", connector = { state = "RUNNING" }, tasks = kelp.json.array {},
                 type = "source" },
      info = { name = word .. "-1", config = config, tasks = kelp.json.array {}, type = "source" } } }
    local answer = { status = 200, body = list }
    local server = support.scripted { answer, answer }
    local result = support.kelp({ "--no-journal", "-e", [[
      local c = kelp.connect {}:list()[1]
      print(kelp.json.encode { record = { name = c.name, state = c.state, class = c.class },
                               config = c.config })
      print(kelp.show.value(c.config))
      print(c)]] }, { env = { KAFKA_CONNECT_URL = server.connect } })
    lu.assertEquals({ result.code, result.err }, { 0, "" })
    local first, rest = result.out:match "^([^\n]*)\n(.*)$"
    local shown = kelp.json.decode(first)
    lu.assertEquals(shown.record, { name = word .. "-1", state = "running",
                                    class = config["connector.class"] })
    lu.assertStrMatches(shown.config["database.password"], "<secret [%w.]+>")
    lu.assertEquals(shown.config.topics, word .. "-topic")
    lu.assertEquals(shown.config["database.user"], "postgres")
    lu.assertEquals(shown.config["connector.class"], config["connector.class"])
    lu.assertNotStrContains(shown.config["connection.url"], "password=" .. word)
    lu.assertStrContains(shown.config["connection.url"], "jdbc:postgresql://postgres/db?user=postgres")
    lu.assertNotStrContains(shown.config["sasl.jaas.config"], '"' .. word .. '"')
    lu.assertNil(result.out:find "<secret [^>]*<")
    lu.assertStrContains(rest, '["database.password"] = <hidden>')
    lu.assertStrContains(rest, ("connector %s-1 (%s, running)"):format(word, config["connector.class"]))
  end
end

-- ---- what a provider answers, and what it says of its keys ----

function TestSecrets:test_the_password_in_an_address_is_hidden_and_the_address_is_not()
  local result = support.kelp { "-e", [[
    local raw = require "kelp.raw"
    raw.receive { ["connection.uri"] = "mongodb://app:not-real-pw-1@db.example/x?w=1",
                  ["connection.url"] = "jdbc:x://h/db?user=u&password=not-real-pw-2",
                  ["basic.auth.user.info"] = "somebody:not-real-pw-3",
                  ["azure.connection.string"] = "A=b;AccountKey=bm90cmVhbA==;C=d", ["ssl.key"] = "*****" }
    print "mongodb://app:not-real-pw-1@db.example/x?w=1 not-real-pw-2 not-real-pw-3 bm90cmVhbA=="
    print(kelp.show.value { ["connection.uri"] = "mongodb://h.example/db", ["my.pin"] = 1234 })
    raw.receive { ["my.pin"] = "not-real-pin" }
    print "not-real-pin"
    raw.secret_key_add "my.pin"
    raw.receive { ["my.pin"] = "not-real-pin" }
    print "not-real-pin"
    print(kelp.show.value { ["my.pin"] = 1234 })
    for _, key in ipairs { "connection.uri", "my.pin", "topics" } do print(raw.is_secret_key(key)) end]] }
  lu.assertEquals(result.err, "")
  lu.assertEquals(result.out, "mongodb://app:<secret connection.uri>@db.example/x?w=1 "
    .. "<secret connection.url> <secret basic.auth.user.info> <secret azure.connection.string>\n"
    .. '{ ["connection.uri"] = "mongodb://h.example/db", ["my.pin"] = 1234 }\n'
    .. "not-real-pin\n<secret my.pin>\n{ [\"my.pin\"] = <hidden> }\ntrue\tfalse\ntrue\ttrue\nfalse\tfalse\n")
end

function TestSecrets:test_a_password_in_an_address_of_a_target_is_refused_and_not_shown()
  local result = support.kelp { "-e", [[
    kelp.upstash { cluster = "c", email = "e@example.com", api_key = "not-real-key",
                   base_url = "https://app:not-real-pw-4@h.example" }]] }
  lu.assertEquals(result.code, 1)
  lu.assertStrContains(result.err,
    "base_url (…@h.example) holds a user or a password: set email and api_key instead")
  for _, address in ipairs { "https://app:pw1@h.example", "https://a:pw1@pw1@h.example/x",
      "pw1@h.example", "https://h0, https://a:pw0,pw1@h.example" } do
    local problem = support.misuse("set username and password instead", kelp.connect,
      { url = address })
    lu.assertStrContains(problem, "h.example")
    lu.assertNotStrContains(problem, "pw1")
  end
  lu.assertEquals(kelp.connect { url = "https://h.example/connect:8083" }.label,
    "connect https://h.example/connect:8083")
end

-- libcurl's message about an address that it cannot read has the address.
function TestSecrets:test_a_password_in_the_address_of_a_proxy_is_not_shown()
  local function target(proxy)
    return kelp.connect { url = "https://192.0.2.1", proxy = proxy, attempts = 1,
                          connect_timeout = 0.2 }
  end
  for _, proxy in ipairs { "http://me:p@ss@127.0.0.1:1", "me:p@ss@127.0.0.1:1",
      "http://me:p/ss@127.0.0.1:1", "http://me:p#ss@127.0.0.1:1", "http://m@e:ss@127.0.0.1:1" } do
    local problem = support.misuse("write it as %40", target, proxy)
    lu.assertStrContains(problem, "127.0.0.1:1")
    lu.assertNotStrContains(problem, "ss@")
  end
  for _, proxy in ipairs { "http://me:p%40ss-not-real@127.0.0.1:x", "nosuch://me:p%40ss-not-real@127.0.0.1:1",
      "me:p%40ss-not-real@127.0.0.1:1" } do
    local result = support.kelp { "-e", ([[
      kelp.connect { url = "https://192.0.2.1", proxy = %q, attempts = 1, connect_timeout = 0.2 }:list()
    ]]):format(proxy) }
    lu.assertNotEquals(result.code, 0)
    lu.assertNotStrContains(result.err, "ss-not-real")
  end
  target "http://127.0.0.1:1" target "http://me@127.0.0.1:1/"
end

-- ---- the process ----

local CREDENTIALS = {
  CONFLUENT_CLOUD_API_KEY = "NOTAREALKEY00009", CONFLUENT_CLOUD_API_SECRET = VALUE .. "-1",
  UPSTASH_EMAIL = "somebody@example.com", UPSTASH_API_KEY = VALUE .. "-2",
  KAFKA_CONNECT_BASIC_AUTH_PASSWORD = VALUE .. "-3", OWN_SECRET = VALUE .. "-4",
  SSLKEYLOGFILE = "/nowhere/keys", NO_SECRET = "may-be-seen",
}

function TestSecrets:test_children_and_proc_do_not_have_the_credentials()
  local path = support.path "environ"
  local result = support.kelp({ "-e", ([[
    local secret = kelp.secret "OWN_SECRET"
    assert(tostring(kelp.secret "OWN_SECRET") == tostring(secret))
    for _, name in ipairs { "CONFLUENT_CLOUD_API_KEY", "CONFLUENT_CLOUD_API_SECRET",
        "UPSTASH_API_KEY", "KAFKA_CONNECT_BASIC_AUTH_PASSWORD", "OWN_SECRET", "SSLKEYLOGFILE" } do
      assert(os.getenv(name) == nil, name)
    end
    assert(os.getenv "NO_SECRET" == "may-be-seen")
    local own <close> = io.open "/proc/self/environ"
    local file <close> = io.open(%q, "a")
    file:setvbuf "no"
    file:write(own:read "a", "\n")
    file:write(io.popen("env"):read "a", "\n")
    os.execute("env >>" .. %q)
    file:write(tostring(kelp.secret { command = "env | tr '\\n' ' '" }))]]):format(path, path) },
    { env = CREDENTIALS })
  lu.assertEquals({ result.code, result.err }, { 0, "" })
  local seen = support.read(path)
  local _, count = seen:gsub("may%-be%-seen", "")
  lu.assertEquals(count, 3) -- in /proc, by popen, by execute
  lu.assertNil(seen:find(VALUE, 1, true))
  lu.assertNil(seen:find("NOTAREALKEY00009", 1, true))
  _, count = seen:gsub("/nowhere/keys", "")
  lu.assertEquals(count, 1) -- in /proc, where it does no harm
end

function TestSecrets:test_a_command_for_a_secret_does_not_have_them_either()
  local result = support.kelp({ "-e", [[
    local taken = kelp.secret "OWN_SECRET"
    local t = kelp.upstash { cluster = "c", api_key = kelp.secret {
      command = "env | grep -c 'not-a-real' >&2; printf 12345678" } }]] },
    { env = CREDENTIALS })
  lu.assertEquals(result.code, 0)
  lu.assertEquals(result.err, "0\n")
end

function TestSecrets:test_a_second_target_finds_the_credentials_still()
  local answer = { status = 200, body = "{}" }
  local server = support.scripted { answer, answer, { status = 200, body = "[]" } }
  local env = { CONFLUENT_CLOUD_REST_ENDPOINT = server.confluent, UPSTASH_API_URL = server.upstash }
  for name, value in pairs(CREDENTIALS) do env[name] = value end
  local result = support.kelp({ "-e", [[
    for i = 1, 2 do kelp.confluent { environment = "e", cluster = "c" .. i }:list() end
    kelp.upstash { cluster = "c" }:list()
    kelp.upstash { cluster = "c", email = os.getenv "UPSTASH_EMAIL",
                   api_key = os.getenv "UPSTASH_API_KEY" }]] }, { env = env })
  lu.assertEquals({ result.code, result.err }, { 0, "" })
  local asked = server:asked()
  lu.assertEquals(#asked, 3)
  lu.assertEquals(asked[1].headers.authorization, asked[2].headers.authorization)
  lu.assertStrContains(asked[3].headers.authorization, "Basic ")
end

function TestSecrets:test_what_a_command_complains_of_is_redacted()
  local result = support.kelp { "-e",
    [[kelp.secret { command = "set -x; printf %s ]] .. VALUE .. [[" }]] }
  lu.assertStrContains(result.err, "+ printf %s <secret command>")
  result = support.kelp { "-e", [[kelp.secret { command = "echo ]] .. VALUE .. [[ | tee /dev/stderr; exit 4" }]] }
  lu.assertStrContains(result.err, "exit code 4")
  lu.assertStrContains(result.err, "<secret command>")
  lu.assertNil(result.err:gsub("command 'echo.-'", ""):find(VALUE, 1, true))
end

function TestSecrets:test_there_is_no_core_file()
  local folder = support.make_folder(support.path "core")
  local err = support.path "err"
  os.execute(("cd %s && ulimit -c unlimited 2>/dev/null; env -i PW=%s %s -e %s >out 2>%s; "
    .. "echo $? >code"):format(support.quote(folder), VALUE, support.quote(support.whole_program()),
    support.quote [[kelp.secret "PW" print(io.open "/proc/self/limits":read "a":match "Max core[^\n]*")
      io.stdout:flush() os.execute("kill -ABRT " .. io.open "/proc/self/stat":read "n")]],
    support.quote(err)))
  lu.assertEquals(support.read(folder .. "/code"), "134\n")
  lu.assertStrMatches(support.read(folder .. "/out"), "Max core file size%s+0%s+0%s.*")
  local pipe = io.popen("ls " .. support.quote(folder))
  lu.assertEquals(pipe:read "a", "code\nout\n")
  pipe:close()
end

function TestSecrets:test_a_plain_value_under_a_secret_key_is_hidden_in_the_answer()
  local answer = { status = 400, body = '{"message":"password: ' .. VALUE .. ' is too weak"}' }
  local server = support.scripted { answer }
  local result = support.kelp({ "-e", ([[
    local t = kelp.confluent { environment = "e", cluster = "c", token = "not-a-real-token" }
    t:create("new", { ["connector.class"] = "S3_SINK", ["database.password"] = %q })]]):format(VALUE) },
    { env = { CONFLUENT_CLOUD_REST_ENDPOINT = server.confluent } })
  lu.assertEquals(result.code, 1)
  lu.assertStrContains(result.err, "password: <secret database.password> is too weak")
end

function TestSecrets:test_fields_of_a_connectors_credentials_are_hidden()
  local fields = { "encoded_username", "user_password", "properties_encrypted" }
  local entry = { connector_id = "id-1", name = "a", state = "running",
                  connector_class = "a.Sink", properties = { topics = "x" } }
  for i, field in ipairs(fields) do entry[field] = "not-real-field-" .. i end
  local body = kelp.json.encode(kelp.json.array { entry })
  local server = support.scripted { { status = 200, body = body } }
  local path = support.write(support.path "saved.json", body)
  for _, script in ipairs { 'kelp.upstash { cluster = "c" }:list()',
                            ('require "kelp.saved".read(%q)'):format(path) } do
    local result = support.kelp({ "-e", script .. 'for i = 1, 3 do print("not-real-field-" .. i) end' },
      { env = { UPSTASH_EMAIL = "e@example.com", UPSTASH_API_KEY = "not-real-key",
                UPSTASH_API_URL = server.upstash } })
    lu.assertEquals({ result.code, result.err }, { 0, "" })
    lu.assertEquals(result.out, "<secret encoded_username>\n<secret user_password>\n"
      .. "<secret properties_encrypted>\n")
  end
end
