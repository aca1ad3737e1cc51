-- The durable run: --plan, the journal, --resume, kelp undo and kelp.once, each as a user runs it:
-- kelp as processes of their own against a simulator, whose log of effects is the truth.
local kelp = require "kelp"
local lu = require "luaunit"
local support = require "support"

local CLUSTER = support.upstash_cluster
local HEAD = [[
local kelp = require "kelp"
local cloud = kelp.confluent { environment = "env-sim", cluster = "lkc-sim", visibility_delay = 0.05 }
local old = kelp.upstash { cluster = "]] .. CLUSTER .. [[", visibility_delay = 0.05 }
local function datagen(n)
  return { ["connector.class"] = "DatagenSource", ["kafka.topic"] = "t" .. (n or ""),
           quickstart = "ORDERS", ["output.data.format"] = "JSON", ["tasks.max"] = 1,
           ["kafka.auth.mode"] = "SERVICE_ACCOUNT", ["kafka.service.account.id"] = "sa-1" }
end
]]

-- A simulator, a state folder and a script's folder for one test.
local Bench = {}
Bench.__index = Bench

local function bench(options)
  local self = setmetatable({}, Bench)
  self.sim = support.start("--provisioning 0 " .. (options or ""))
  self.home = support.make_folder(support.path "home")
  self.env = {
    XDG_STATE_HOME = self.home, CONFLUENT_CLOUD_REST_ENDPOINT = self.sim.confluent,
    UPSTASH_API_URL = self.sim.upstash, CONFLUENT_CLOUD_API_KEY = "NOTAREALKEY00002",
    CONFLUENT_CLOUD_API_SECRET = "not-a-real-api-secret", UPSTASH_EMAIL = "somebody@example.com",
    UPSTASH_API_KEY = "not-a-real-upstash-key", KAFKA_CONNECT_URL = self.sim.connect,
  }
  return self
end

function Bench:script(text)
  self.path = self.path or support.path "script.lua"
  support.write(self.path, HEAD .. text)
  return self.path
end

function Bench:kelp(...)
  return support.kelp({ ... }, { env = self.env })
end

function Bench:run(text, ...)
  local arguments = { ... }
  arguments[#arguments + 1] = self:script(text)
  return support.kelp(arguments, { env = self.env })
end

-- The effects since the last call, as "verb name".
function Bench:effects()
  local list = {}
  for _, e in ipairs(self.sim:effects()) do
    if e.seq > (self.seen or 0) then list[#list + 1] = e.verb .. " " .. e.name end
  end
  for _, e in ipairs(self.sim:effects()) do self.seen = math.max(self.seen or 0, e.seq) end
  return list
end

function Bench:journals()
  local pipe = assert(io.popen("ls " .. support.quote(self.home) .. "/kelp/runs 2>/dev/null", "r"))
  local found = {}
  for name in pipe:lines() do
    if name:find "%.db$" then found[#found + 1] = name end
  end
  pipe:close()
  return found
end

-- Raises with both streams when a program did not end as it should.
local function ends(result, code)
  if result.code ~= code or result.how ~= "exit" then
    error(("ended with %s %d, not %d:\n%s%s"):format(result.how, result.code, code, result.out,
      result.err), 2)
  end
  return result
end

-- ---- plan ----

TestPlan = {}

function TestPlan:test_a_plan_sends_nothing_and_shows_every_change()
  local b = bench()
  local result = ends(b:run([[
    cloud:create("new", datagen())
    cloud:update("orders-to-s3", { ["flush.size"] = 2000, ["aws.secret.access.key"] = "x-not-real",
      ["kafka.api.secret"] = "y-not-real" }, { keep_masked = true })
    cloud:pause("inventory-cdc")
    cloud:resume("search-index")
    cloud:delete("payments-sink")
    old:restart("catalog-mongo-source")
    print(cloud:get("new").config["tasks.max"], cloud:get("orders-to-s3").config["flush.size"],
      cloud:find("payments-sink"), cloud:get("inventory-cdc").state, #cloud:list())
    print(cloud:wait("new").state)
  ]], "--plan"), 3)
  lu.assertEquals(b:effects(), {})
  lu.assertEquals(b:journals(), {})
  lu.assertStrContains(result.out, "+ create new on confluent env-sim/lkc-sim\n")
  lu.assertStrContains(result.out, "    flush.size: 1000 → 2000\n")
  lu.assertStrContains(result.out, "    aws.secret.access.key: <secret> → <secret>\n")
  lu.assertStrContains(result.out, "- delete payments-sink")
  lu.assertStrContains(result.out, "^ restart catalog-mongo-source")
  lu.assertStrContains(result.out, "1\t2000\tnil\tpaused\t5\nrunning\n")
  lu.assertStrContains(result.out, "plan: 1 to create, 1 to update, 1 to pause, 1 to resume, "
    .. "1 to delete, 1 to restart; nothing was sent\n")
  lu.assertNotStrContains(result.out, "not-real")
  lu.assertNotStrContains(result.out, "cloud.environment")
end

function TestPlan:test_a_plan_of_nothing_ends_with_0()
  local b = bench()
  local result = ends(b:run([[
    cloud:pause("search-index")
    old:update("catalog-mongo-source", { database = old:get("catalog-mongo-source").config.database })
    print(#cloud:list { state = "running" })
  ]], "--plan"), 0)
  lu.assertStrContains(result.out, "plan: nothing would change\n")
end

function TestPlan:test_a_plan_as_data()
  local b = bench()
  local result = ends(b:run([[
    old:update("catalog-mongo-source", { database = "stock" })
    cloud:create("new", datagen())
  ]], "--plan", "--output", "json"), 3)
  local plan = kelp.json.decode(result.out)
  lu.assertEquals(plan.changes, 2)
  lu.assertEquals(plan.plan[1].action, "update")
  lu.assertEquals(plan.plan[1].connector, "catalog-mongo-source")
  lu.assertEquals(plan.plan[1].target, "upstash " .. CLUSTER)
  lu.assertEquals(plan.plan[1].changes, { { key = "database", old = "catalog", new = "stock" } })
  lu.assertEquals(plan.plan[2].action, "create")
end

function TestPlan:test_offsets_and_starting_states()
  local b = bench()
  local result = ends(b:run([[
    local c = kelp.connect {}
    local list = { { partition = { filename = "x" }, offset = { position = 5 } } }
    c:stop("access-log-source")
    c:alter_offsets("access-log-source", list)
    c:reset_offsets("access-log-source")
    c:restart("orders-to-lost-disk", { tasks = "failed" })
    c:create("new", { ["connector.class"] = "FileStreamSource", file = "x", topic = "t" },
      { state = "stopped", offsets = list })
    print(c:get("new").state)
  ]], "--plan"), 3)
  lu.assertEquals(b:effects(), {})
  for _, words in ipairs { "~ stop access-log-source", "~ alter_offsets access-log-source",
      [[    offsets: (not set) → [{"offset":{"position":5},"partition":{"filename":"x"}}] ]],
      "~ reset_offsets access-log-source", "^ restart orders-to-lost-disk", "+ create new",
      "    state: stopped", [[    offsets: [{"offset":{"position":5}]], "\nstopped\n" } do
    lu.assertStrContains(result.out, (words:gsub("] $", "]")))
  end
  result = ends(b:run([[kelp.connect {}:reset_offsets("access-log-source")]], "--plan"), 1)
  lu.assertStrContains(result.err, "only be changed while it is stopped, and it is running")
end

function TestPlan:test_what_would_fail_fails_in_the_plan()
  local b = bench()
  local function fails(words, text)
    local result = ends(b:run(text, "--plan"), 1)
    lu.assertStrContains(result.err, words)
  end
  fails("exists", [[cloud:create("orders-to-s3", datagen())]])
  fails("not_found", [[cloud:pause("nobody")]])
  fails("not_found", [[cloud:delete("orders-to-s3") cloud:update("orders-to-s3", { a = 1 })]])
  fails("masked", [[cloud:update("payments-sink", { ["tasks.max"] = 2 })]])
  fails("unsupported", [[old:stop("catalog-mongo-source")]])
  fails("boom", [[cloud:create("x", datagen()) error "boom"]])
  lu.assertEquals(b:effects(), {})
end

function TestPlan:test_commands_take_plan_among_their_words()
  local b = bench()
  local saved = support.root .. "/tests/fixtures/upstash-connectors.json"
  local env = { CONFLUENT_ENVIRONMENT_ID = "env-sim", KAFKA_CLUSTER_ID = "lkc-sim" }
  for key, value in pairs(b.env) do env[key] = value end
  local result = ends(support.kelp({ "migrate", "--from", saved, "--to", "confluent", "--only", "nothing",
    "--plan" }, { env = env }), 0)
  lu.assertStrContains(result.out, "plan: nothing would change")
end

-- ---- journal and resume ----

TestJournal = {}

function TestJournal:test_a_run_that_writes_is_recorded_and_one_that_reads_is_not()
  local b = bench()
  ends(b:run "print(#cloud:list())", 0)
  lu.assertEquals(b:journals(), {})
  ends(b:run "cloud:pause('orders-to-s3')", 0)
  lu.assertEquals(#b:journals(), 1)
  local file = b.home .. "/kelp/runs/" .. b:journals()[1]
  local pipe = assert(io.popen("stat -c '%a %U' " .. support.quote(file) .. "; stat -c %a "
    .. support.quote(b.home .. "/kelp/runs"), "r"))
  lu.assertStrMatches(pipe:read "l", "600 .*")
  lu.assertEquals(pipe:read "l", "700")
  pipe:close()
  ends(b:run("cloud:resume('orders-to-s3')", "--no-journal"), 0)
  lu.assertEquals(#b:journals(), 1)
end

function TestJournal:test_a_failed_run_goes_on_where_it_stopped()
  local b = bench()
  local text = [[
    for i = 1, 5 do
      cloud:create("job-" .. i, datagen())
      if i == 3 and not io.open("%s") then error "boom" end
    end
    old:restart("catalog-mongo-source")
    print(cloud:update("job-1", { ["tasks.max"] = 2 }).config["tasks.max"])
  ]]
  local mark = support.path "mark"
  text = text:format(mark)
  local result = ends(b:run(text), 1)
  lu.assertStrContains(result.err, "boom")
  lu.assertStrContains(result.err, "3 done; to resume it: kelp --resume ")
  lu.assertEquals(b:effects(), { "create job-1", "create job-2", "create job-3" })
  support.write(mark, "")
  result = ends(b:kelp("--resume", "last"), 0)
  lu.assertEquals(result.out, "2\n")
  lu.assertEquals(b:effects(), { "create job-4", "create job-5", "restart catalog-mongo-source",
    "put job-1" })
  -- A finished run sends nothing more, and gives the same results.
  local before = b.sim:requests()
  result = ends(b:kelp("--resume", "last"), 0)
  lu.assertEquals(result.out, "2\n")
  lu.assertEquals(b:effects(), {})
  local after = b.sim:requests()
  for key in pairs(after) do
    if not key:find "_simulator" then lu.assertEquals(after[key], before[key], key) end
  end
end

function TestJournal:test_a_script_that_ends_by_itself_is_finished_whatever_it_returns()
  local b = bench()
  local result = ends(b:run [[cloud:pause("orders-to-s3") return 1]], 1)
  lu.assertNotStrContains(result.err, "--resume")
  local runs = kelp.json.decode(ends(b:kelp("--output", "json", "runs"), 0).out)
  lu.assertEquals((runs.runs or runs)[1].state, "finished")
  result = ends(b:run [[pcall(cloud.pause, cloud, "nobody") cloud:pause("inventory-cdc") error "boom"]], 1)
  lu.assertStrContains(result.err, "to resume it: kelp --resume")
end

function TestJournal:test_a_connector_from_the_journal_is_a_connector()
  local b = bench()
  local text = [[
    local c = cloud:create("job", datagen())
    print(c.name, c.class, c.config["tasks.max"], c.target == cloud, kelp.is_connector(c), c.id)
    error "boom"
  ]]
  local first, again = ends(b:run(text), 1), ends(b:kelp("--resume", "last"), 1)
  lu.assertEquals(again.out, first.out)
  lu.assertStrContains(first.out, "job\tDatagenSource\t1\ttrue\ttrue")
end

function TestJournal:test_an_edited_script_is_refused_until_it_is_accepted()
  local b = bench()
  ends(b:run [[cloud:create("job", datagen()) error "boom"]], 1)
  b:effects()
  b:script [[cloud:create("job", datagen()) cloud:create("more", datagen())]]
  local result = ends(b:kelp("--resume", "last"), 1)
  lu.assertStrContains(result.err, "--accept-script-change")
  lu.assertEquals(b:effects(), {})
  ends(b:kelp("--accept-script-change", "--resume", "last"), 0)
  lu.assertEquals(b:effects(), { "create more" })
end

function TestJournal:test_the_same_write_with_another_content_is_refused()
  local b = bench()
  ends(b:run [[cloud:create("job", datagen()) error "boom"]], 1)
  b:script [[local c = datagen() c["tasks.max"] = 7 cloud:create("job", c)]]
  local result = ends(b:kelp("--accept-script-change", "--resume", "last"), 1)
  lu.assertStrContains(result.err, "tasks.max")
  lu.assertStrContains(result.err, "different content")
  lu.assertEquals(b:effects(), { "create job" })
end

function TestJournal:test_other_offsets_are_another_content()
  local b = bench()
  local function script(position)
    return ([[
      local c = kelp.connect {}
      c:stop("access-log-source")
      c:wait("access-log-source", { state = "stopped" })
      c:alter_offsets("access-log-source", { { partition = { filename = "/var/log/shop/access.log" },
        offset = { position = %d } } })
      error "boom"
    ]]):format(position)
  end
  ends(b:run(script(5)), 1)
  b:script(script(6))
  local result = ends(b:kelp("--accept-script-change", "--resume", "last"), 1)
  lu.assertStrContains(result.err, "different content (offsets)")
end

function TestJournal:test_what_is_not_asked_for_again_is_said()
  local b = bench()
  local script = [[cloud:create(io.open("%s"):read "a", datagen()) %s]]
  local name = support.write(support.path "name", "one")
  ends(b:run(script:format(name, "error 'boom'")), 1)
  support.write(name, "two")
  b:script(script:format(name, ""))
  local result = ends(b:kelp("--accept-script-change", "--resume", "last"), 0)
  lu.assertStrContains(result.err, "create one on confluent")
  -- Without the flag a script that chooses by chance ends with 1.
  b = bench()
  script = [[local n = io.open("%s"):read "a" cloud:create(n, datagen())
    if n == "one" then error 'boom' end]]
  support.write(name, "one")
  ends(b:run(script:format(name)), 1)
  support.write(name, "two")
  result = ends(b:kelp("--resume", "last"), 1)
  lu.assertStrContains(result.err, "not asked for this time: create one on confluent")
  lu.assertStrContains(result.err, "kelp undo")
end

function TestJournal:test_looking_first_is_asking()
  local b = bench()
  local text = [[
    if not cloud:find "job" then cloud:create("job", datagen()) end
    if cloud:find "payments-sink" then cloud:delete("payments-sink") end
    if not io.open("%s") then error "boom" end
  ]]
  local mark = support.path "mark"
  ends(b:run(text:format(mark)), 1)
  support.write(mark, "")
  local result = ends(b:kelp("--resume", "last"), 0)
  lu.assertStrContains(result.err, "2 writes of the earlier run not asked for again")
  lu.assertEquals(b:effects(), { "create job", "delete payments-sink" })
end

function TestJournal:test_keys()
  local b = bench()
  local result = ends(b:run [[
    cloud:create("a", datagen(), { key = "first" })
    cloud:pause("a", { key = "first" })
  ]], 1)
  lu.assertStrContains(result.err, "script.lua")
  lu.assertStrContains(result.err, "the key 'first' is used a second time")
  -- The same write twice, without keys, is two writes.
  b = bench()
  local text = [[
    for n = 2, 4 do cloud:update("job", { ["tasks.max"] = n }) end
    if not io.open("%s") then error "boom" end
  ]]
  local mark = support.path "mark"
  ends(b:run [[cloud:create("job", datagen())]], 0)
  ends(b:run(text:format(mark)), 1)
  support.write(mark, "")
  ends(b:kelp("--resume", "last"), 0)
  lu.assertEquals(b:effects(), { "create job", "put job", "put job", "put job" })
end

function TestJournal:test_order_does_not_matter()
  local b = bench()
  local text = [[
    local names = { "a", "b", "c", "d", "e", "f" }
    if io.open("%s") then table.sort(names, function(x, y) return x > y end) end
    for _, n in ipairs(names) do cloud:create(n, datagen(n)) end
    if not io.open("%s") then error "boom" end
  ]]
  local mark = support.path "mark"
  ends(b:run(text:format(mark, mark)), 1)
  support.write(mark, "")
  ends(b:kelp("--resume", "last"), 0)
  lu.assertEquals(#b:effects(), 6)
end

function TestJournal:test_secrets_are_not_in_the_journal()
  local b = bench()
  b.env.DB_PASSWORD = "not-a-real-canary-1"
  local result = ends(b:run [[
    local c = datagen()
    c["db.password"] = kelp.secret "DB_PASSWORD"
    c["other.secret"] = "not-a-real-canary-2"
    c["some.url"] = "https://me:not-a-real-canary-3@host/"
    c.note = "it is " .. "not-a-real-canary-1"
    cloud:create("job", c)
    error("boom " .. "not-a-real-canary-1")
  ]], 1)
  lu.assertNotStrContains(result.err, "canary")
  for _, suffix in ipairs { "", "-wal" } do
    local file = io.open(b.home .. "/kelp/runs/" .. b:journals()[1] .. suffix, "rb")
    local bytes = file and file:read "a" or ""
    if file then file:close() end
    lu.assertNil(bytes:find("canary", 1, true), "journal" .. suffix)
  end
  local bytes = support.read(b.home .. "/kelp/runs/" .. b:journals()[1])
  lu.assertStrContains(bytes, [["$secret":"DB_PASSWORD"]])
  lu.assertStrContains(bytes, [["other.secret":{"$hidden":true}]])
end

function TestJournal:test_a_journal_that_cannot_be_made_stops_before_anything_is_sent()
  local b = bench()
  support.write(b.home .. "/kelp", "a file where the folder should be")
  local result = ends(b:run [[cloud:create("job", datagen())]], 1)
  lu.assertStrContains(result.err, "journal")
  lu.assertEquals(b:effects(), {})
  b.env.XDG_STATE_HOME, b.env.HOME = "relative", "relative"
  result = ends(b:run [[cloud:create("job", datagen())]], 1)
  lu.assertStrContains(result.err, "--no-journal")
  lu.assertEquals(b:effects(), {})
end

function TestJournal:test_a_named_journal()
  local b = bench()
  local path = support.path "run.db"
  ends(b:run([[cloud:pause("orders-to-s3") error "boom"]], "--journal", path), 1)
  lu.assertEquals(b:journals(), {})
  local result = ends(b:kelp("--resume", path), 1)
  lu.assertStrContains(result.err, "a journal outside the state folder does not choose what is run")
  result = ends(b:kelp("--resume", path, b.path), 1)
  lu.assertStrContains(result.err, "boom")
  lu.assertEquals(b:effects(), { "pause orders-to-s3" })
  result = ends(b:run([[cloud:resume("orders-to-s3")]], "--journal", path), 1)
  lu.assertStrContains(result.err, path)
  result = ends(b:kelp("--resume", "nothing-like-it"), 1)
  lu.assertStrContains(result.err, "there is no run 'nothing-like-it'")
  for _, words in ipairs { { "--resume", "x", "--no-journal" }, { "--resume", "x", "--plan" },
                           { "--journal", "x" }, { "--journal", "a.db", "--no-journal" } } do
    ends(support.kelp(words), 2)
  end
end

function TestJournal:test_the_arguments_and_the_folder_are_kept()
  local b = bench()
  local folder = support.make_folder(support.path "work")
  support.write(folder .. "/list.txt", "from-the-file")
  b:script [[
    local name = io.open("list.txt"):read "a"
    cloud:create(name .. arg[1], datagen())
    if not io.open "go" then error "boom" end
  ]]
  local result = support.kelp({ b.path, "-x y" }, { env = b.env, folder = folder })
  lu.assertEquals(result.code, 1, result.err)
  support.write(folder .. "/go", "")
  result = ends(b:kelp("--resume", "last"), 0)
  lu.assertEquals(b:effects(), { "create from-the-file-x y" })
end

function TestJournal:test_once()
  local b = bench()
  local result = ends(b:run [[
    local n = 0
    local function f() n = n + 1 return { id = 42, list = { 1, 2 } } end
    local a, again = kelp.once("x", f), kelp.once("x", f)
    local t = kelp.async(function() return kelp.once("y", function() kelp.sleep(0.01) n = n + 1 return 7 end) end)
    kelp.sleep(0.001)
    local u = kelp.once("y", function() error "not twice" end)
    print(a.id, again.list[2], n, t:await(), u, kelp.once("nil", function() end))
    error "boom"
  ]], 1)
  lu.assertEquals(result.out, "42\t2\t2\t7\t7\tnil\n")
  result = ends(b:kelp("--resume", "last"), 1)
  lu.assertEquals(result.out, "42\t2\t0\t7\t7\tnil\n")
end

-- ---- undo ----

TestUndo = {}

function TestUndo:test_a_run_is_taken_back()
  local b = bench()
  local before = support.state_of(b.sim)
  ends(b:run [[
    cloud:create("new", datagen())
    cloud:update("new", { ["tasks.max"] = 2 })
    cloud:create("gone", datagen()) cloud:delete("gone")
    cloud:resume("search-index")
    cloud:pause("inventory-cdc")
    old:update("catalog-mongo-source", { database = "stock" })
    old:pause("catalog-mongo-source")
  ]], 0)
  lu.assertNotEquals(support.state_of(b.sim), before)
  b:effects()
  local result = ends(b:kelp("undo", "last", "--plan"), 3)
  lu.assertEquals(b:effects(), {})
  lu.assertStrContains(result.out, "- delete new")
  lu.assertStrContains(result.out, "database: stock → catalog")
  result = ends(b:kelp("undo", "last"), 0)
  lu.assertEquals(support.state_of(b.sim), before)
  -- Once more does nothing.
  b:effects()
  result = ends(b:kelp("undo", "last"), 0)
  lu.assertEquals(b:effects(), {})
end

function TestUndo:test_the_last_write_is_taken_back_first()
  local b = bench()
  ends(b:run [[
    cloud:create("a", datagen()) cloud:pause("orders-to-s3") cloud:create("b", datagen())
    cloud:update("a", { ["tasks.max"] = 2 }) cloud:pause("inventory-cdc")
  ]], 0)
  b:effects()
  ends(b:kelp("undo", "last"), 0)
  lu.assertEquals(b:effects(), { "resume inventory-cdc", "delete b", "resume orders-to-s3",
    "delete a" })
end

function TestUndo:test_what_somebody_else_changed_is_left_alone()
  local b = bench()
  ends(b:run [[
    cloud:create("new", datagen())
    old:update("catalog-mongo-source", { database = "stock" })
    cloud:pause("inventory-cdc")
  ]], 0)
  ends(b:run([[
    cloud:update("new", { ["tasks.max"] = 9 })
    old:update("catalog-mongo-source", { database = "other" })
  ]], "--no-journal"), 0)
  b:effects()
  local result = ends(b:kelp("undo", "last"), 1)
  lu.assertStrContains(result.err, "its config was changed since: tasks.max")
  lu.assertEquals(b:effects(), { "resume inventory-cdc" })
  lu.assertStrContains(result.out, "1 undone, 0 not undone, 2 conflict")
end

function TestUndo:test_only_our_own_is_deleted()
  local b = bench()
  ends(b:run [[old:create("mine", { ["connector.class"] = "S3Sink", topics = "a" })]], 0)
  ends(b:run([[old:delete("mine") old:create("mine", { ["connector.class"] = "S3Sink", topics = "a" })]],
    "--no-journal"), 0)
  b:effects()
  local result = ends(b:kelp("undo", "last"), 1)
  lu.assertStrContains(result.err, "made anew by somebody")
  lu.assertEquals(b:effects(), {})
end

function TestUndo:test_a_deleted_one_is_made_anew_with_its_secrets_supplied()
  local b = bench()
  ends(b:run [[cloud:delete("search-index")]], 0)
  b:effects()
  local result = ends(b:kelp("undo", "last"), 1)
  lu.assertStrContains(result.err, "--set connection.password=env:NAME")
  lu.assertEquals(b:effects(), {})
  b.env.PASSWORD = "not-a-real-password"
  result = ends(b:kelp("undo", "last", "--set", "connection.password=env:PASSWORD"), 0)
  lu.assertStrContains(result.err, "made anew: another id")
  lu.assertEquals(b:effects(), { "create search-index", "pause search-index" })
end

function TestUndo:test_the_journal_does_not_say_where_credentials_go()
  local b, other = bench(), bench()
  ends(b:run [[cloud:pause("orders-to-s3")]], 0)
  b.env.CONFLUENT_CLOUD_REST_ENDPOINT = other.sim.confluent
  local result = ends(b:kelp("undo", "last"), 1)
  lu.assertStrContains(result.err, b.sim.confluent)
  lu.assertStrContains(result.err, "nothing was sent")
  for key in pairs(other.sim:requests()) do lu.assertStrContains(key, "_simulator") end
end

function TestUndo:test_a_plan_refuses_masks_as_the_run_does()
  local b = bench()
  for _, script in ipairs {
    [[cloud:put("new", { ["connector.class"] = "S3_SINK", ["kafka.api.secret"] = "****" })]],
    [[cloud:create("new", { ["connector.class"] = "S3_SINK", ["kafka.api.secret"] = "****" })]],
    [[old:update("catalog-mongo-source", { ["connection.password"] = "****" })]],
  } do
    local run, planned = b:run(script), b:run(script, "--plan")
    local what = run.err:match "masks that the provider shows[^\n]*"
    lu.assertNotNil(what, run.err)
    lu.assertStrContains(planned.err, what)
    lu.assertEquals({ run.code, planned.code }, { 1, 1 })
  end
  lu.assertEquals(b:effects(), {})
end

-- The two places below have the same label.
function TestUndo:test_places_are_told_apart_by_their_options()
  local b = bench()
  local made = b:run [[
    for _, options in ipairs { { environment = "e/1", cluster = "c" },
                               { environment = "e", cluster = "1/c" } } do
      local target = kelp.confluent(options)
      assert(target.label == "confluent e/1/c")
      print(require "kelp.raw".place(target))
      print(pcall(target.create, target, "x", datagen()))
    end
  ]]
  local first, second = made.out:match '(%b{})\n.-(%b{})\n'
  lu.assertNotEquals(first, second)
  lu.assertEquals(kelp.json.decode(second).options,
    { { name = "environment", value = "e" }, { name = "cluster", value = "1/c" } })
  local shown = kelp.json.decode(ends(b:kelp("--output", "json", "runs", "show", "last"), 0).out)
  local keys = {}
  for i, op in ipairs(shown.operations) do keys[i] = op.key end
  lu.assertEquals(keys, { "create x on confluent e%2F1/c at " .. b.sim.confluent,
    "create x on confluent e/1%2Fc at " .. b.sim.confluent })
end

function TestUndo:test_only_some()
  local b = bench()
  ends(b:run [[cloud:pause("orders-to-s3") cloud:pause("inventory-cdc")]], 0)
  b:effects()
  ends(b:kelp("undo", "last", "--only", "orders*"), 0)
  lu.assertEquals(b:effects(), { "resume orders-to-s3" })
  ends(b:kelp("undo", "last"), 0)
  lu.assertEquals(b:effects(), { "resume inventory-cdc" })
  lu.assertEquals(ends(b:kelp("undo"), 2).code, 2)
end
