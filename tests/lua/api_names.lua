-- What may name a connector, how it travels in a URL, and what a config may hold: hostile bytes
-- are data or are refused before anything is sent. Run by run.lua.
local kelp = require "kelp"
local lu = require "luaunit"
local support = require "support"

local function sink(changes)
  local config = { ["connector.class"] = "S3_SINK", topics = "orders",
                   ["kafka.auth.mode"] = "SERVICE_ACCOUNT", ["kafka.service.account.id"] = "sa-1" }
  for key, value in pairs(changes or {}) do config[key] = value end
  return config
end

-- name -> the one path segment that it must become
local NAMES = {
  ["a/b"] = "a%2Fb", ["100%"] = "100%25", ["%2F"] = "%252F", ["what?"] = "what%3F",
  ["a#b"] = "a%23b", ["two words"] = "two%20words", ["a+b"] = "a%2Bb", ["a&b=c"] = "a%26b%3Dc",
  ["naïve"] = "na%C3%AFve", ["日本"] = "%E6%97%A5%E6%9C%AC", ["\u{1F600}"] = "%F0%9F%98%80",
  ["..."] = "...", ["../x"] = "..%2Fx", ["a.b-c_d~e"] = "a.b-c_d~e", ["a;b:c@d"] = "a%3Bb%3Ac%40d",
  ["a\\b"] = "a%5Cb", ["\"'<>"] = "%22%27%3C%3E", ["{connector}"] = "%7Bconnector%7D",
}

local REFUSED = {
  [""] = "empty", ["."] = "'.'", [".."] = "'..'", ["a\nb"] = "LF", ["a\rb"] = "CR",
  ["a\0b"] = "NUL", ["a\27b"] = "escape", ["a\127"] = "DEL", ["a\tb"] = "tab",
  ["\xff"] = "no UTF-8", ["\xc0\xaf"] = "overlong", ["\xed\xa0\x80"] = "surrogate",
  ["caf\xe9"] = "Latin-1", ["\xf4\x90\x80\x80"] = "above U+10FFFF", [("x"):rep(4097)] = "long",
}

TestNames = {}

function TestNames:setUp()
  self.sim = support.simulator()
  self.sim:reset { confluent = { ["env-sim/lkc-sim"] = {} },
                   upstash = { [support.upstash_cluster] = {} } }
end

function TestNames:test_a_name_is_one_encoded_path_segment()
  local names, replies = {}, {}
  for name in pairs(NAMES) do names[#names + 1] = name end
  for i = 1, #names do replies[i] = { status = 202 } end
  local server = support.scripted(replies)
  local target = server:confluent_target()
  for _, name in ipairs(names) do target:pause(support.at_hand(target, name)) end
  local asked = server:asked()
  lu.assertEquals(#asked, #names)
  for i, name in ipairs(names) do
    lu.assertEquals(asked[i].path, "/confluent/connect/v1/environments/env-sim/clusters/lkc-sim"
      .. "/connectors/" .. NAMES[name] .. "/pause")
    lu.assertEquals(asked[i].query, "")
  end
end

-- A terminal obeys C1 controls, and a reader does not see what turns the direction or has no width.
function TestNames:test_what_deceives_is_escaped_wherever_it_is_printed()
  local name = "a\u{85}\u{9b}2J\u{202e}\u{2066}\u{200b}z"
  local record = { name = name, connector = { state = "RUNNING" }, tasks = {},
                   type = "sink" }
  local list = kelp.json.encode { [name] = {
    status = record, info = { name = name, config = { name = name, ["connector.class"] = "x." .. name },
                              tasks = kelp.json.array {}, type = "sink" } } }
  lu.assertEquals(kelp.json.decode(list)[name].status.name, name)
  local gone = { status = 404, body = kelp.json.encode { error_code = 404, message = name .. " is gone" } }
  local function run(...)
    local server = support.scripted { { status = 200, body = list }, gone, gone, gone, gone }
    local result = support.kelp({ ... }, { env = { KAFKA_CONNECT_URL = server.connect } })
    return result.out .. result.err
  end
  for _, arguments in ipairs {
    { "--no-journal", "-e", "print(kelp.connect{}:list()[1])" },
    { "--no-journal", "-e", "print(kelp.show.value(kelp.connect{}:list()))" },
    { "--no-journal", "-e", "print(kelp.show.value(kelp.connect{}:list()[1]))" },
    { "--no-journal", "-e", "local l = kelp.connect{}:list() kelp.connect{}:get(l[1].name)" },
    { "--no-journal", "-e", "local l = kelp.connect{}:list() print(select(2, pcall(function() kelp.connect{}:pause(l[1].name) end)))" },
    { "--no-journal", "-e", [[print(kelp.map(kelp.connect{}:list(), function(c) error "x" end))]] },
    { "--no-journal", "-e", [[print(kelp.map(kelp.connect{}:list(), function(c) c:pause() end))]] },
    { "--no-journal", "--output", "json", "list", "connect" }, { "--no-journal", "list", "connect" },
    { "--no-journal", "-e", "print(kelp.json.encode(kelp.connect{}:list()[1].config))" },
    { "--no-journal", "-e", "error(kelp.connect{}:list()[1].name)" },
  } do
    local text = run(table.unpack(arguments))
    lu.assertStrContains(text, "z", table.concat(arguments, " "))
    for _, code in utf8.codes(text) do
      if (code < 0x20 and code ~= 10 and code ~= 9) or (code >= 0x7f and code < 0xa0)
          or (code >= 0x200b and code <= 0x206f and code ~= 0x2026) then
        lu.fail(("U+%04X in: %s"):format(code, table.concat(arguments, " ") .. "\n" .. text))
      end
    end
  end
end

function TestNames:test_places_are_encoded_too()
  local server = support.scripted { { status = 200, body = "{}" }, { status = 200, body = "[]" } }
  server:confluent_target({ environment = "e/1?", cluster = "l#c %" }):list()
  server:upstash_target({ cluster = "../c" }):list()
  local asked = server:asked()
  lu.assertEquals(asked[1].path,
    "/confluent/connect/v1/environments/e%2F1%3F/clusters/l%23c%20%25/connectors")
  lu.assertEquals(asked[2].path, "/upstash/v2/kafka/connectors/..%2Fc")
end

function TestNames:test_such_names_live_a_whole_life_on_confluent()
  local target = self.sim:confluent_target()
  for name in pairs(NAMES) do
    lu.assertEquals(target:create(name, sink()).name, name)
    lu.assertEquals(target:get(name).name, name)
    target:update(name, { ["flush.size"] = 1 })
    target:pause(name)
    target:resume(name)
    target:restart(name)
  end
  for _, c in ipairs(target:list()) do
    lu.assertNotNil(NAMES[c.name])
    c:delete()
  end
  lu.assertEquals(target:list(), {})
end

function TestNames:test_such_names_live_a_whole_life_on_upstash()
  local target = self.sim:upstash_target()
  local config = { ["connector.class"] = "x.SinkConnector", topics = "orders" }
  for name in pairs(NAMES) do
    lu.assertEquals(target:create(name, config).name, name)
    target:update(name, { ["flush.size"] = 1 })
    target:pause(name)
    lu.assertEquals(target:get(name).config["flush.size"], "1")
    target:delete(name)
  end
  lu.assertEquals(target:list(), {})
end

function TestNames:test_what_cannot_be_a_name_is_refused_before_anything_is_sent()
  local made = self.sim:requests_of(function()
    for _, target in ipairs { self.sim:confluent_target(), self.sim:upstash_target() } do
      for name, what in pairs(REFUSED) do
        local function refused(verb, ...)
          local problem = support.raises("invalid", target[verb], target, name, ...)
          lu.assertEquals(problem.sent, "no", what)
          lu.assertNil(tostring(problem):find "[%c\127]", what)
          lu.assertNotNil(utf8.len(tostring(problem)), what)
        end
        refused "get"
        refused "find"
        refused "restart"
        refused "pause"
        refused "resume"
        refused "delete"
        refused "wait"
        refused("create", sink())
        refused("update", { a = "b" })
        refused("put", sink())
      end
    end
  end)
  lu.assertEquals(made, {})
end

function TestNames:test_what_cannot_be_a_place_is_refused()
  for name, what in pairs(REFUSED) do
    lu.assertFalse(pcall(self.sim.confluent_target, self.sim, { environment = name }), what)
    lu.assertFalse(pcall(self.sim.upstash_target, self.sim, { cluster = name }), what)
  end
end

function TestNames:test_what_is_no_name()
  local target = self.sim:confluent_target()
  local made = self.sim:requests_of(function()
    for _, value in ipairs { 1, true, {}, target, print } do
      local wrong = "expected, got " .. type(value)
      for _, verb in ipairs { "get", "find", "restart", "pause", "resume", "delete", "wait" } do
        support.misuse(wrong, target[verb], target, value)
      end
      for _, verb in ipairs { "update", "put", "create" } do
        support.misuse(wrong, target[verb], target, value, { a = "b" })
      end
    end
    support.misuse("expected, got nil", target.get, target)
  end)
  lu.assertEquals(made, {})
end

TestConfig = {}

function TestConfig:setUp()
  self.sim = support.simulator()
  self.sim:reset { confluent = { ["env-sim/lkc-sim"] = { orders = { config = sink() } } } }
  self.target = self.sim:confluent_target()
end

function TestConfig:stored(key)
  return self.sim:state().confluent["env-sim/lkc-sim"].orders.config[key]
end

function TestConfig:test_values_are_written_as_kafka_reads_them()
  local cases = {
    { 5000, "5000" }, { -1, "-1" }, { 2.0, "2" }, { 0.1, "0.1" }, { 0.1 + 0.2, "0.30000000000000004" },
    { math.maxinteger, "9223372036854775807" }, { math.mininteger, "-9223372036854775808" },
    { true, "true" }, { false, "false" }, { "", "" }, { " x ", " x " }, { "a\nb\tc", "a\nb\tc" },
    { "\u{1F600} \"q\" \\ / \u{7f}", "\u{1F600} \"q\" \\ / \u{7f}" }, { "*", "*" },
    { { "a", "b" }, "a,b" }, { { 1, true, 2.5 }, "1,true,2.5" }, { {}, "" }, { { "one" }, "one" },
  }
  for i, case in ipairs(cases) do
    self.target:update("orders", { ["a.key"] = case[1] })
    lu.assertEquals(self:stored "a.key", case[2], "case " .. i)
  end
end

function TestConfig:test_what_cannot_be_a_value_is_refused_and_named()
  local cyclic = {}
  cyclic[1] = cyclic
  local made = self.sim:requests_of(function()
    for _, value in ipairs { print, coroutine.create(print), { a = 1 }, { { 1 } }, { "a,b" }, cyclic,
                             { 1, nil, 3 }, 0 / 0, math.huge, "\xff", io.stdout, self.target } do
      local problem = support.raises("invalid", self.target.update, self.target, "orders",
        { ["a.key"] = value })
      lu.assertStrContains(problem.message, "a.key")
      lu.assertEquals(problem.key, "a.key")
      support.raises("invalid", self.target.put, self.target, "orders", sink { ["a.key"] = value })
      support.raises("invalid", self.target.create, self.target, "new", sink { ["a.key"] = value })
    end
    local problem = support.raises("invalid", self.target.create, self.target, "new",
      sink { ["a.key"] = kelp.null })
    lu.assertStrContains(problem.message, "a.key")
  end)
  lu.assertEquals(made, {})
end

function TestConfig:test_what_cannot_be_a_key_is_refused()
  local made = self.sim:requests_of(function()
    for _, key in ipairs { 1, true, 0.5, "", "a\nb", "a\0b", "\xff" } do
      support.raises("invalid", self.target.update, self.target, "orders", { [key] = "x" })
    end
  end)
  lu.assertEquals(made, {})
end

function TestConfig:test_what_is_no_config()
  local c = self.target:get "orders"
  local made = self.sim:requests_of(function()
    for _, value in ipairs { "x", 1, true, print, c, c.target } do
      for _, verb in ipairs { "create", "update", "put" } do
        support.misuse(verb .. ": a config table expected", self.target[verb], self.target, "orders",
          value)
      end
    end
    support.misuse("a config table expected, got nil", self.target.create, self.target, "new")
  end)
  lu.assertEquals(made, {})
end

function TestConfig:test_unknown_options_of_verbs()
  local made = self.sim:requests_of(function()
    local options = { keepmasked = true }
    for _, verb in ipairs { "pause", "resume", "delete", "restart", "wait" } do
      support.misuse("unknown option 'keepmasked'", self.target[verb], self.target, "orders", options)
    end
    for _, verb in ipairs { "create", "update", "put" } do
      support.misuse("unknown option 'keepmasked'", self.target[verb], self.target, "orders", sink(),
        options)
    end
    support.misuse("tasks must be", self.target.restart, self.target, "orders", { tasks = 1.5 })
    support.misuse("a table of options expected", self.target.pause, self.target, "orders", "now")
  end)
  lu.assertEquals(made, {})
end

function TestConfig:test_a_large_config_arrives_whole()
  local config = sink()
  for i = 1, 2000 do config["key." .. i] = ("v%d-"):format(i):rep(100) end
  self.target:put("orders", config)
  local now = self.sim:state().confluent["env-sim/lkc-sim"].orders.config
  config.name = "orders"
  lu.assertEquals(now, config)
  lu.assertEquals(self.target:get("orders").config["key.2000"], config["key.2000"])
end
