-- Tests of where secrets come from, a target's options `secrets` and `keep_masked`: kelp
-- tests/lua/run.lua secret_sources. Each runs kelp as a user does, against a simulator.
local kelp = require "kelp"
local lu = require "luaunit"
local support = require "support"
local quote = support.quote

local Bench = {}
Bench.__index = Bench

-- A simulator and a targets file; `options` is the text of more options of its target "prod".
local function bench(options)
  local self = setmetatable({ sim = support.start "--provisioning 0" }, Bench)
  local home = support.make_folder(support.path "home")
  self.home, self.asked = home, home .. "/asked"
  support.make_folder(home .. "/kelp")
  self.targets = home .. "/kelp/targets.lua"
  support.write(self.targets, ([[return { prod = { provider = "confluent", environment = "env-sim",
    cluster = "lkc-sim", visibility_delay = 0.05, %s } }]]):format(
      (options or ""):gsub("ASK", "echo x >>" .. self.asked .. "; echo not-a-real-answer")))
  assert(os.execute("chmod 600 " .. quote(self.targets)))
  self.env = { XDG_STATE_HOME = home, XDG_CONFIG_HOME = home,
    CONFLUENT_CLOUD_REST_ENDPOINT = self.sim.confluent, CONFLUENT_CLOUD_API_KEY = "NOTAREALKEY00002",
    CONFLUENT_CLOUD_API_SECRET = "not-a-real-api-secret", CLUSTER_KEY = "NOTAREALKEY00009",
    CLUSTER_SECRET = "not-a-real-new-secret" }
  return self
end

local CLUSTER = [=[["kafka.api.key"] = env "CLUSTER_KEY", ["kafka.api.secret"] = env "CLUSTER_SECRET"]=]
local ALL = "secrets = { " .. CLUSTER
  .. [=[, { connectors = "orders-*", ["aws.access.key.id"] = command "ASK",
           ["aws.secret.access.key"] = command "ASK" } }]=]

function Bench:kelp(code, ...)
  local result = support.kelp({ ... }, { env = self.env })
  lu.assertEquals({ result.how, result.code }, { "exit", code }, result.out .. result.err)
  lu.assertNotStrContains(result.out .. result.err, "not-a-real")
  return result
end

function Bench:run(code, text, ...)
  local words = { ... }
  words[#words + 1] = support.write(support.path "script.lua",
    "local kelp = require 'kelp'\nlocal prod = kelp.target 'prod'\n" .. text)
  return self:kelp(code, table.unpack(words))
end

-- The config that the simulator really has.
function Bench:config(name)
  return self.sim:state().confluent["env-sim/lkc-sim"][name].config
end

function Bench:times_asked()
  local file = io.open(self.asked)
  if not file then return 0 end
  local text = file:read "a"
  file:close()
  return select(2, text:gsub("x\n", ""))
end

TestSecretSources = {}

function TestSecretSources:test_an_update_takes_masked_keys_from_there()
  local b = bench(ALL)
  b:run(0, [[print(prod:get("search-index").name)]])
  lu.assertEquals(b:times_asked(), 0, "a source is asked before it is needed")
  b:run(0, [[prod:update("orders-to-s3", { ["flush.size"] = 7 }) prod:update("orders-to-s3", { ["flush.size"] = 8 })]])
  local config = b:config "orders-to-s3"
  lu.assertEquals({ config["flush.size"], config["kafka.api.secret"], config["aws.secret.access.key"] },
    { "8", "not-a-real-new-secret", "not-a-real-answer" })
  lu.assertEquals(b:times_asked(), 1, "a command is run once")
end

function TestSecretSources:test_put_and_create_take_masks_and_missing_keys()
  local b = bench(ALL)
  local result = b:run(0, [[
    local config = prod:get("orders-to-s3").config
    config["flush.size"] = 9
    prod:put("orders-to-s3", config)
    for key in pairs(config) do if key:find "^kafka%.api" or key:find "^aws" then config[key] = nil end end
    config.name = nil
    prod:create("orders-again", config)
    config["kafka.auth.mode"], config["kafka.service.account.id"] = "SERVICE_ACCOUNT", "sa-1"
    config["aws.access.key.id"], config["aws.secret.access.key"] = "NOTAREALKEY00004", kelp.secret "CLUSTER_SECRET"
    prod:create("other", config)]])
  for _, name in ipairs { "orders-to-s3", "orders-again" } do
    local config = b:config(name)
    lu.assertEquals({ config["kafka.api.key"], config["aws.secret.access.key"] },
      { "NOTAREALKEY00009", "not-a-real-answer" })
  end
  lu.assertNil(b:config "other"["kafka.api.key"])
  local shown = b:kelp(0, "--output", "json", "runs", "show", "last").out
  lu.assertStrContains(shown, '"$secret":"CLUSTER_SECRET"', nil, result.err)
end

function TestSecretSources:test_a_plan_shows_the_source()
  local b = bench(ALL)
  local result = b:run(3, [[
    local config = prod:get("orders-to-s3").config
    config["flush.size"] = 9
    prod:put("orders-to-s3", config)
    prod:update("orders-to-s3", { ["flush.size"] = 10 })]], "--plan")
  lu.assertStrContains(result.out, "<secret CLUSTER_SECRET>")
  lu.assertEquals(#b.sim:effects(), 0)
end

function TestSecretSources:test_without_a_source_both_ways_out_are_named()
  local b = bench("secrets = { " .. CLUSTER .. " }")
  local result = b:run(0, [[
    local ok, e = pcall(prod.update, prod, "orders-to-s3", { ["flush.size"] = 7 })
    print(e.kind, e, table.concat(e.keys, " "))
    prod:update("orders-to-s3", { ["flush.size"] = 7 }, { keep_masked = true })]])
  for _, part in ipairs { "masked\t", "option secrets", "keep_masked = true",
                          "\taws.access.key.id aws.secret.access.key\n" } do
    lu.assertStrContains(result.out, part)
  end
end

function TestSecretSources:test_keep_masked_of_a_target()
  local b = bench "keep_masked = true"
  local result = b:run(0, [[
    prod:update("orders-to-s3", { ["flush.size"] = 7 })
    print(select(2, pcall(prod.update, prod, "orders-to-s3", { x = "1" }, { keep_masked = false })).kind)]])
  lu.assertEquals(result.out, "masked\n")
  lu.assertEquals(b:config "orders-to-s3"["flush.size"], "7")
end

function TestSecretSources:test_a_source_that_gives_nothing()
  local b = bench [[secrets = { ["kafka.api.key"] = env "NO_SUCH_VARIABLE" }]]
  local result = b:run(1, [[prod:update("orders-to-s3", { ["flush.size"] = 7 })]])
  lu.assertStrContains(result.err, "the target's secrets: kafka.api.key: the environment variable NO_SUCH_VARIABLE")
  lu.assertEquals(#b.sim:effects(), 0)
end

function TestSecretSources:test_undo_and_migrate()
  local b = bench(ALL)
  b:run(0, [[prod:update("orders-to-s3", { ["flush.size"] = 7 })]])
  b:kelp(0, "undo", "last", "--target", "prod")
  lu.assertEquals(b:config "orders-to-s3"["flush.size"], "1000")
  b:run(0, [[prod:delete "orders-to-s3"]])
  b:kelp(0, "undo", "last", "--target", "prod")
  lu.assertEquals(b:config "orders-to-s3"["aws.secret.access.key"], "not-a-real-answer")
  -- 1: of the classes of this cluster, some have no translation.
  b:kelp(1, "migrate", "--from", support.root .. "/tests/fixtures/upstash-connectors.json", "--to", "prod")
  lu.assertEquals(b:config "catalog-changes"["kafka.api.secret"], "not-a-real-new-secret")
end

function TestSecretSources:test_other_shapes_are_errors_that_name_the_key()
  for text, part in pairs {
    ["secrets = 1"] = "secrets must be a table", ['secrets = env "CLUSTER_KEY"'] = "secrets must be a table",
    ["secrets = { ['a.b'] = 'text' }"] = "secrets: a.b must be a kelp.secret",
    ["secrets = { 'text' }"] = "secrets[1] must be a table",
    ["secrets = { { ['a.b'] = env 'CLUSTER_KEY' } }"] = "secrets[1]: connectors must be",
    ["secrets = { { connectors = 'x[', ['a.b'] = env 'CLUSTER_KEY' } }"] = "connectors 'x[':",
    ["secrets = { { connectors = 'x' } }"] = "secrets[1] has no key",
    ["secrets = { { connectors = 'x', ['a.b'] = 1 } }"] = "a.b must be a kelp.secret",
    ["secrets = { { connectors = 'x', env 'CLUSTER_KEY' } }"] = "every source needs the name of its key",
    ["secrets = { connectors = 'x' }"] = "connectors goes into a table of its own",
    ["secrets = { [7] = {} }"] = "7 is no config key", ["keep_masked = 1"] = "keep_masked must be true or false",
  } do
    local b = bench(text)
    lu.assertStrContains(b:run(1, "").err, part)
  end
end

function TestSecretSources:test_a_restricted_script_cannot_set_them()
  local b = bench()
  for _, option in ipairs { "secrets = {}", "keep_masked = true" } do
    local script = support.write(support.path "restricted.lua", ([[local kelp = require "kelp"
      kelp.confluent { environment = "env-sim", cluster = "lkc-sim", %s }]]):format(option))
    lu.assertStrContains(b:kelp(1, "--restricted", script).err, "is not a restricted script's to set")
  end
end

function TestSecretSources:test_lua_takes_them_too()
  local b = bench()
  b:run(0, [[
    local here = kelp.confluent { environment = "env-sim", cluster = "lkc-sim", secrets = {
      ["kafka.api.key"] = kelp.secret "CLUSTER_KEY", ["kafka.api.secret"] = kelp.secret "CLUSTER_SECRET",
      { connectors = "payments-?ink", ["connection.password"] = kelp.secret "CLUSTER_SECRET" } } }
    here:update("payments-sink", { ["tasks.max"] = 2 })]])
  lu.assertEquals(b:config "payments-sink"["connection.password"], "not-a-real-new-secret")
end
