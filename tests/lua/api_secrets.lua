-- Secrets: what shows them, who opens them, and that neither output nor errors nor logs do.
-- Run by run.lua.
local kelp = require "kelp"
local lu = require "luaunit"
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
  support.misuse("ended with a failure", kelp.secret, { command = "printf x; exit 3" })
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
    local secret = kelp.secret "PW"
    local value = os.getenv "PW"
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
      local t = kelp.confluent { environment = "e", cluster = "c", token = kelp.secret "PW" }
      pcall(t.restart, t, "orders-" .. os.getenv "PW")
      kelp.log = nil
      require "kelp.raw".log("error", "it is " .. os.getenv "PW")]] },
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
