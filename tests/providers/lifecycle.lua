-- The whole life of connectors of a provider that only the tests have (acme.c, acme.lua), through
-- everything that iterates over the registry. Run by
-- kelp_with_acme --no-journal tests/providers/lifecycle.lua
local here = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = here .. "/../lua/?.lua;" .. package.path

local kelp = require "kelp"
local lu = require "luaunit"
local support = require "support"

support.here = here .. "/../lua" -- where the scripted server is

local places = { organization = "shop", project = "orders", region = "north" }
local TOKEN <const> = "not-a-real-acme-token"

local function target_of(sim, changes)
  local options = { base_url = sim.acme, token = TOKEN, visibility_delay = 0.05 }
  for key, value in pairs(places) do options[key] = value end
  for key, value in pairs(changes or {}) do options[key] = value end
  return kelp.acme(options)
end

local function names_of(list)
  local names = {}
  for i, c in ipairs(list) do names[i] = c.name end
  return names
end

local sink = { ["connector.class"] = "TableSink", topics = "new", ["tasks.max"] = 2,
               ["table.password"] = "not-a-real-password" }

TestAcme = {}

function TestAcme:setUp()
  self.sim = support.simulator()
  self.sim:reset()
  self.target = target_of(self.sim)
end

function TestAcme:verbs(name)
  local verbs = {}
  for _, effect in ipairs(self.sim:effects()) do
    if effect.name == name then verbs[#verbs + 1] = effect.verb end
  end
  return table.concat(verbs, " ")
end

-- A script in a process of its own, with what the environment says of the provider.
function TestAcme:run(arguments, changes)
  local env = { ACME_URL = self.sim.acme, ACME_TOKEN = TOKEN, ACME_ORGANIZATION = "shop",
                ACME_PROJECT = "orders", ACME_ZONE = "north" }
  for key, value in pairs(changes or {}) do env[key] = value end
  return support.kelp(arguments, { env = env })
end

function TestAcme:test_a_target_has_the_places_that_the_provider_names()
  local target = self.target
  lu.assertEquals({ target.organization, target.project, target.region, target.provider },
    { "shop", "orders", "north", "acme" })
  lu.assertEquals(target.label, "acme shop/orders/north")
  local ok, why = pcall(kelp.acme, { token = "x", organization = "shop", project = "orders" })
  lu.assertFalse(ok)
  lu.assertStrContains(why, "option 'region' is missing")
  ok, why = pcall(kelp.acme, { organization = "a", project = "b", region = "c" })
  lu.assertFalse(ok)
  lu.assertStrContains(why, "no credentials: set ACME_TOKEN")
end

function TestAcme:test_a_list_of_several_pages_is_one_list()
  local made, list = self.sim:requests_of(self.target.list, self.target)
  lu.assertEquals(names_of(list), { "clicks-in", "orders-out", "refunds-out", "stock-out" })
  local key = "GET /acme/api/organizations/{organization}/projects/{project}/pipelines"
  lu.assertEquals(made, { [key] = 2 })
  for i = 1, 3 do self.target:create("extra-" .. i, sink) end
  made, list = self.sim:requests_of(self.target.list, self.target)
  lu.assertEquals({ #list, made[key] }, { 7, 3 })
  lu.assertEquals(names_of(self.target:list { name = "extra-3" }), { "extra-3" })
  lu.assertEquals(names_of(self.target:list { state = "failed" }), { "stock-out" })
end

function TestAcme:test_a_list_that_never_ends_is_an_error()
  local server = support.scripted {}
  local reply = { status = 200, body = '{"page":{"pipelines":[],"next":"again"}}' }
  server:control("PUT", "/_scripted/replies", kelp.json.encode { reply, reply, reply })
  local problem = support.raises("protocol", function()
    local target = target_of(server, { base_url = server.url })
    return target:list()
  end)
  lu.assertStrContains(problem.message, "names a page twice")
end

function TestAcme:test_a_record_has_all_fields()
  local c = self.target:get "orders-out"
  lu.assertEquals({ c.id, c.class, c.type, c.state }, { "p-101", "TableSink", "sink", "running" })
  lu.assertEquals({ c.tasks[1].id, c.tasks[1].state, c.tasks[1].worker }, { 0, "running", "w-1" })
  lu.assertEquals(c.config["table.password"], "########")
  lu.assertEquals(c.details.region, "north")
  lu.assertEquals(math.type(c.created), "integer")
  c = self.target:get "stock-out"
  lu.assertEquals({ c.state, c.error }, { "failed", "the table is gone" })
  lu.assertEquals(self.target:get("refunds-out").state, "paused")
end

function TestAcme:test_the_whole_life()
  local target = self.target
  local c = target:create("life", sink)
  lu.assertEquals(c.name, "life")
  c = target:wait("life", { poll = 0.01 })
  lu.assertEquals({ c.state, #c.tasks }, { "running", 2 })
  c:update { topics = "other", ["tasks.max"] = kelp.null }
  c = target:get "life"
  lu.assertEquals({ c.config.topics, c.config["tasks.max"] }, { "other", nil })
  c:pause()
  lu.assertEquals(target:wait("life", { state = "paused", poll = 0.01 }).state, "paused")
  lu.assertStrContains(support.raises("conflict", c.restart, c).message,
    "a halted pipeline is not restarted: it is halted")
  c:resume()
  target:wait("life", { poll = 0.01 })
  c:restart()
  target:wait("life", { poll = 0.01 })
  c:delete()
  lu.assertNil(target:find "life")
  lu.assertEquals(self:verbs "life", "create update pause resume restart delete")
end

function TestAcme:test_a_name_that_is_there_is_refused()
  local problem = support.raises("exists", self.target.create, self.target, "stock-out", sink)
  lu.assertEquals({ problem.id, problem.sent }, { "p-103", "no" })
  local server = support.scripted {
    { status = 200, body = '{"page":{"pipelines":[],"next":null}}' },
    { status = 409,
      body = '{"problem":{"text":"the name a is taken","number":4090,"trace":"t-1"}}' },
  }
  local other = target_of(server, { base_url = server.url })
  problem = support.raises("exists", other.create, other, "a", sink)
  lu.assertEquals({ problem.code, problem.request_id, problem.message, problem.server_message,
    problem.outcome }, { 4090, "t-1", "a connector 'a' exists already", "the name a is taken",
    "refused" })
end

function TestAcme:test_what_it_cannot_do_is_unsupported()
  local target = self.target
  for _, verb in ipairs { "stop", "offsets", "reset_offsets", "tasks" } do
    lu.assertFalse(target.can[verb])
    support.raises("unsupported", target[verb], target, "orders-out")
  end
  support.raises("unsupported", target.restart, target, "orders-out", { tasks = "failed" })
  support.raises("unsupported", target.create, target, "x", sink, { state = "paused" })
  lu.assertEquals(#self.sim:effects(), 0)
end

function TestAcme:test_masks_and_what_it_adds_are_known()
  local target = self.target
  lu.assertTrue(require("kelp.abilities").of(target).masks)
  support.raises("masked", target.update, target, "orders-out", { ["table.password"] = "########" })
  lu.assertEquals(#self.sim:effects(), 0)
  -- What the service adds is no key that a new config would have to remove.
  lu.assertEquals(target:get("clicks-in").config["acme.revision"], "7")
  target:put("clicks-in", { ["connector.class"] = "ClickSource", rate = 5 })
  target:put("clicks-in", { ["connector.class"] = "ClickSource", sample = "all" })
  local stored = self.sim:state().acme["shop/orders/north"][1]
  lu.assertEquals(stored.config, { ["connector.class"] = "ClickSource", sample = "all" })
end

function TestAcme:test_a_plan_shows_and_sends_nothing()
  local result = self:run { "--plan", "--no-journal", "-e", [[
    local t = kelp.target "acme"
    t:create("planned", { ["connector.class"] = "TableSink", topics = "x" })
    t:update("orders-out", { topics = "y" })
    t:pause "clicks-in"
    assert(#t:list() == 5 and t:get("planned").config.topics == "x")]] }
  lu.assertEquals({ result.code, result.err }, { 3, "" })
  for _, text in ipairs { "planned", "orders-out", "clicks-in", "acme shop/orders/north" } do
    lu.assertStrContains(result.out, text)
  end
  lu.assertEquals(#self.sim:effects(), 0)
end

function TestAcme:test_undo_restores()
  local before = self.sim:state().acme
  local script = support.write(support.path "job.lua", [[
    local t = require("kelp").target "acme"
    t:create("made", { ["connector.class"] = "TableSink", topics = "x" })
    t:update("orders-out", { topics = "y", ["new.key"] = 1 })
    t:pause "clicks-in"
  ]])
  local state = { XDG_STATE_HOME = support.make_folder(support.path "state") }
  local result = self:run({ script }, state)
  lu.assertEquals({ result.code, result.err }, { 0, "" })
  lu.assertEquals(#self.sim:effects(), 3)
  result = self:run({ "undo", "last" }, state)
  lu.assertEquals(result.code, 0, result.err)
  lu.assertEquals(self.sim:state().acme, before)
  lu.assertEquals(self:verbs "made", "create delete")
  lu.assertEquals(self:verbs "clicks-in", "pause resume")
end

function TestAcme:test_commands_messages_and_the_simulator_know_it()
  local result = self:run { "list", "acme", "--state", "failed" }
  lu.assertStrContains(result.out, "stock-out")
  result = self:run { "--sim", "-e", 'print(#kelp.acme():list(), kelp.acme().label)' }
  lu.assertEquals({ result.out, result.err }, { "4\tacme shop/orders/north\n", "" })
  lu.assertStrContains(require("kelp.help").text "acme", "Acme Streams")
  result = support.kelp { "-e", 'kelp.target "acme"' }
  lu.assertStrContains(result.err, "set ACME_ORGANIZATION")
  result = support.kelp { "-e", 'kelp.target "nowhere"' }
  lu.assertStrContains(result.err, "'acme'")
end

function TestAcme:test_a_restricted_script_has_it()
  local manifest = support.write(support.path "manifest.lua", [[return {
    targets = { { provider = "acme", organization = "shop", project = "orders",
      region = "north" } },
    verbs = { "pause" }, connectors = { "clicks-*" }, writes = 5 }]])
  local script = support.write(support.path "restricted.lua", [[
    local kelp = require "kelp"
    local t = kelp.acme { organization = "shop", project = "orders", region = "north" }
    t:pause "clicks-in"
    print(select(2, pcall(t.pause, t, "orders-out")))
    print(select(2, pcall(kelp.acme,
      { organization = "shop", project = "other", region = "north" })))]])
  local result = self:run { "--restricted", "--manifest", manifest, "--no-journal", script }
  lu.assertEquals(result.code, 0, result.err)
  lu.assertStrContains(result.err, "targets: acme shop/orders/north")
  lu.assertStrContains(result.out, "forbidden")
  lu.assertStrContains(result.out, 'project = "other"')
  lu.assertStrContains(result.out, 'region = "north"')
  lu.assertEquals(self:verbs "clicks-in" .. self:verbs "orders-out", "pause")
end

function TestAcme:test_its_token_is_never_shown()
  local result = self:run { "--log", "trace", "--no-journal", "-e",
    'print(os.getenv "ACME_TOKEN", "' .. TOKEN .. '") kelp.target("acme"):list()' }
  lu.assertEquals(result.code, 0)
  lu.assertNotStrContains(result.out .. result.err, TOKEN)
end

local runner = lu.LuaUnit.new()
runner:runSuite "--verbose"
support.close()
print(("acme: %d passed, %d failed, %d skipped"):format(runner.result.successCount,
  runner.result.notSuccessCount, runner.result.skippedCount))
return runner.result.notSuccessCount == 0 and 0 or 1
