-- kelp runs: what is listed, shown and removed, over journals that kelp itself has written, as
-- processes of their own against a simulator. Run by run.lua.
local kelp = require "kelp"
local raw = require "kelp.raw"
local lu = require "luaunit"
local support = require "support"

local quote = support.quote
local SECRET = "not-a-real-Runs-Canary"

TestRuns = {}

function TestRuns:setUp()
  self.sim = support.simulator()
  self.sim:reset()
  self.state = support.make_folder(support.path "state")
  self.place = self.state .. "/kelp/runs"
  self.env = { XDG_STATE_HOME = self.state, RUNS_SECRET = SECRET }
end

-- Runs a script with `target` at hand; what is as in support.kelp.
function TestRuns:script(text, options)
  local path = support.write(support.path "job.lua", ([[
    local kelp = require "kelp"
    local target = kelp.confluent { base_url = %q, environment = "env-sim", cluster = "lkc-sim",
      api_key = "NOTAREALKEY00002", api_secret = "not-a-real-api-secret", visibility_delay = 0.05 }
    local config = { ["connector.class"] = "S3_SINK", ["kafka.auth.mode"] = "KAFKA_API_KEY",
      ["kafka.api.key"] = "k", ["kafka.api.secret"] = kelp.secret "RUNS_SECRET",
      ["s3.bucket.name"] = "b", topics = "orders", ["time.interval"] = "HOURLY",
      ["input.data.format"] = "JSON", ["output.data.format"] = "JSON", ["flush.size"] = "1000",
      ["tasks.max"] = "1" }
  ]]):format(self.sim.confluent) .. text)
  local arguments = table.move(options or {}, 1, #(options or {}), 1, {})
  arguments[#arguments + 1] = path
  return support.kelp(arguments, { env = self.env }), path
end

function TestRuns:runs(...)
  return support.kelp({ "runs", ... }, { env = self.env })
end

-- The answer of `kelp --output json runs …`.
function TestRuns:data(...)
  local result = support.kelp({ "--output", "json", "runs", ... }, { env = self.env })
  lu.assertEquals(result.err, "")
  lu.assertEquals(result.code, 0)
  return kelp.json.decode(result.out)
end

local function ids(list)
  local result = {}
  for i, run in ipairs(list) do result[i] = run.id or run end
  table.sort(result)
  return result
end

function TestRuns:finished()
  local result, path = self:script [[
    target:create("runs-a", config)
    target:update("runs-a", { ["flush.size"] = 5000, ["time.interval"] = kelp.null,
                              ["kafka.api.key"] = "k",
                              ["kafka.api.secret"] = kelp.secret "RUNS_SECRET" })
    target:pause "runs-a"
  ]]
  lu.assertEquals(result.code, 0, result.err)
  local list = self:data()
  return list[#list], path
end

function TestRuns:failed()
  local result = self:script [[
    target:create("runs-b", config)
    target:create("runs-b", config)
  ]]
  lu.assertEquals(result.code, 1, result.err)
  local list = self:data()
  return list[#list]
end

function TestRuns:killed()
  local result = self:script [[
    target:create("runs-c", config)
    os.execute "kill -9 $PPID"
    target:pause "runs-c"
  ]]
  lu.assertNotEquals(result.code, 0)
  local list = self:data()
  return list[#list]
end

function TestRuns:test_no_runs_at_all()
  local none = self:runs()
  lu.assertEquals({ none.code, none.out, none.err }, { 0, "", "no runs\n" })
  lu.assertEquals(#self:data(), 0)
  local result = self:runs("show", "last")
  lu.assertEquals(result.code, 1)
  lu.assertStrContains(result.err, "there is no run 'last' in " .. self.place)
  self.env = { XDG_STATE_HOME = "relative", HOME = "" }
  result = self:runs()
  lu.assertEquals(result.code, 1)
  lu.assertStrContains(result.err, "HOME is not set")
end

function TestRuns:test_the_list_tells_what_became_of_each()
  local began = os.time()
  local finished, script = self:finished()
  local failed, killed = self:failed(), self:killed()
  local list = self:data()
  lu.assertEquals(ids(list), ids { finished, failed, killed })

  lu.assertEquals({ finished.state, finished.done, finished.failed, finished.unknown,
    finished.resumable, finished.passes }, { "finished", 3, 0, 0, false, 1 })
  lu.assertEquals(finished.script, script)
  lu.assertEquals(finished.arguments, { script })
  lu.assertEquals(finished.path, ("%s/%s.db"):format(self.place, finished.id))
  lu.assertTrue(finished.started >= began and finished.ended >= finished.started)
  lu.assertTrue(finished.ended <= os.time() + 1)

  lu.assertEquals({ failed.state, failed.done, failed.failed, failed.resumable },
    { "failed", 1, 1, true })
  lu.assertEquals({ killed.state, killed.done, killed.resumable, killed.ended },
    { "killed", 1, true, nil })

  local text = self:runs().out
  local function line_of(run)
    for line in text:gmatch "[^\n]+" do
      if line:sub(1, #run.id) == run.id then return line end
    end
  end
  lu.assertStrContains(line_of(finished), os.date("!%Y-%m-%d ", finished.started // 1 | 0))
  lu.assertStrMatches(line_of(finished), ".* finished +3 +0 +0 +/.*job%.lua")
  lu.assertStrMatches(line_of(failed), ".* failed +1 +1 +0 +/.*job%.lua +resumable")
  lu.assertStrMatches(line_of(killed), ".* killed +1 +0 +0 +/.*job%.lua +resumable")
end

function TestRuns:test_a_run_under_way_shows_its_process()
  self:finished()
  local text, data = support.path "text", support.path "data"
  local show = support.path "show"
  local result, script = self:script(([[
    target:create("runs-d", config)
    local stat <close> = io.open "/proc/self/stat"
    print(stat:read "n")
    local program = %q
    os.execute(program .. " runs >" .. %q)
    os.execute(program .. " --output json runs >" .. %q)
    os.execute(program .. " runs show last >" .. %q .. " 2>&1")
  ]]):format(quote(support.program), quote(text), quote(data), quote(show)))
  lu.assertEquals(result.code, 0, result.err)
  local pid = math.tointeger(tonumber(result.out))
  local list = kelp.json.decode(support.read(data))
  lu.assertEquals(#list, 2)
  lu.assertEquals({ list[2].state, list[2].pid, list[2].resumable, list[2].script },
    { "under way", pid, false, script })
  lu.assertStrMatches(support.read(text),
    (".*\n%%d+%%-%%d+%%-%%w+ +%%d+%%-%%d+%%-%%d+ [%%d:]+ +under way .*job%%.lua +process %d\n")
      :format(pid))
  lu.assertStrContains(support.read(show), ("is in use by process %d"):format(pid))
  lu.assertEquals(self:data()[2].state, "finished")
end

function TestRuns:test_a_run_that_cannot_be_read_hides_no_other()
  local finished = self:finished()
  local broken = self.place .. "/20200102-030405-aaaa.db"
  support.write(broken, "this is no journal\n")
  lu.assertTrue(os.execute("chmod 600 " .. quote(broken)))
  local list = self:data()
  lu.assertEquals(ids(list), ids { finished, { id = "20200102-030405-aaaa" } })
  lu.assertEquals(list[1].state, "unreadable")
  lu.assertStrContains(list[1].problem, broken)
  lu.assertNil(list[1].done)
  local result = self:runs()
  lu.assertEquals(result.code, 0)
  lu.assertStrMatches(result.out, ".*20200102%-030405%-aaaa +2020%-01%-02 03:04:05 +unreadable .*")
  lu.assertStrContains(result.out, list[1].problem)
  result = self:runs("show", "2020")
  lu.assertEquals(result.code, 1)
  lu.assertStrContains(result.err, list[1].problem)

  -- What may hold something to resume is removed by nothing but a clear word.
  lu.assertEquals(self:data("prune", "--keep", "0").removed, { finished.id })
  result = self:runs("prune", "2020")
  lu.assertEquals(result.code, 1)
  lu.assertStrContains(result.err, "--force")
  lu.assertEquals(#self:data(), 1)
  lu.assertEquals(self:runs("prune", "--force", "2020").out, "removed 1 run\n")
  lu.assertEquals(#self:data(), 0)
end

function TestRuns:test_show_tells_each_write_and_no_secret()
  local run = self:finished()
  local shown = self:data("show", run.id)
  lu.assertEquals({ shown.id, shown.state, shown.done, #shown.operations },
    { run.id, "finished", 3, 3 })
  local create, update, pause = table.unpack(shown.operations)
  lu.assertEquals({ create.op, create.verb, create.state, create.connector },
    { 1, "create", "done", "runs-a" })
  lu.assertEquals({ update.verb, pause.verb, pause.state }, { "update", "pause", "done" })
  lu.assertStrContains(create.target, "confluent env-sim/lkc-sim")
  lu.assertEquals(create.place, { provider = "confluent", base_url = self.sim.confluent,
    options = { { name = "environment", value = "env-sim" },
                { name = "cluster", value = "lkc-sim" } } })
  lu.assertStrMatches(create.location, ".*job%.lua:%d+")
  lu.assertTrue(create.ended >= create.intended and create.intended >= run.started)
  lu.assertEquals(create.request["kafka.api.secret"], { ["$secret"] = "RUNS_SECRET" })
  lu.assertEquals(create.request["flush.size"], "1000")
  local changes = {}
  for _, change in ipairs(update.changes) do changes[change.key] = change end
  lu.assertEquals(changes["flush.size"], { key = "flush.size", old = "1000", new = "5000" })
  lu.assertEquals(changes["time.interval"], { key = "time.interval", old = "HOURLY" })
  lu.assertEquals(changes["kafka.api.secret"].new, "<secret RUNS_SECRET>")
  lu.assertEquals(#pause.changes, 0)

  local text = self:runs("show", run.id).out
  lu.assertStrContains(text, "run " .. run.id .. "\n")
  lu.assertStrContains(text, "  writes   3 done, 0 failed\n")
  lu.assertStrMatches(text, ".*\n1  done  create runs%-a on confluent env%-sim/lkc%-sim[^\n]*\n.*")
  lu.assertStrContains(text, "     + topics: orders\n")
  lu.assertStrContains(text, "     + kafka.api.secret: <secret RUNS_SECRET>\n")
  lu.assertStrContains(text, "     ~ flush.size: 1000 → 5000\n")
  lu.assertStrContains(text, "     - time.interval: HOURLY\n")
  for _, arguments in ipairs { { "runs", "show", "last" },
                               { "--output", "json", "runs", "show", "last" } } do
    local result = support.kelp(arguments, { env = { XDG_STATE_HOME = self.state } })
    lu.assertEquals(result.code, 0)
    lu.assertNotStrContains(result.out .. result.err, SECRET)
  end
end

function TestRuns:test_show_does_not_call_hidden_values_the_same()
  local result = self:script(([[
    local there = kelp.upstash { base_url = %q, cluster = %q, email = "somebody@example.com",
      api_key = "not-a-real-upstash-key" }
    local mongo = { ["connector.class"] = "com.mongodb.kafka.connect.MongoSourceConnector",
      database = "shop", ["connection.uri"] = "mongodb://shop:not-a-real-first@db.example/" }
    there:create("runs-u", mongo)
    there:update("runs-u", { database = "shop",
      ["connection.uri"] = "mongodb://shop:not-a-real-second@db.example/" })
  ]]):format(self.sim.upstash, support.upstash_cluster))
  lu.assertEquals(result.code, 0, result.err)
  local changes = self:data("show", "last").operations[2].changes
  lu.assertEquals(changes, { { key = "connection.uri", old = "<hidden>", new = "<hidden>" } })
  local text = self:runs("show", "last").out
  lu.assertStrContains(text, "     ~ connection.uri: <hidden> → <hidden>\n")
  lu.assertNotStrContains(text, "not-a-real")
end

-- Only what an update changes is written down of what was before; the rest is what was asked for.
function TestRuns:test_show_tells_all_that_was_before_an_update()
  local result = self:script(([[
    local there = kelp.upstash { base_url = %q, cluster = %q, email = "somebody@example.com",
      api_key = "not-a-real-upstash-key" }
    local mongo = { ["connector.class"] = "com.mongodb.kafka.connect.MongoSourceConnector",
      database = "shop", collection = "orders",
      ["connection.uri"] = "mongodb://shop:not-a-real-first@db.example/" }
    there:create("runs-w", mongo)
    mongo.collection, mongo.pipeline = "items", "[]"
    there:update(there:get "runs-w", mongo)
    there:update(there:get "runs-w", mongo)
  ]]):format(self.sim.upstash, support.upstash_cluster))
  lu.assertEquals(result.code, 0, result.err)
  local shown = self:data("show", "last").operations
  local hidden = { ["$hidden"] = true }
  local asked = { ["connector.class"] = "com.mongodb.kafka.connect.MongoSourceConnector",
    database = "shop", collection = "items", pipeline = "[]", ["connection.uri"] = hidden }
  lu.assertEquals(shown[3].pre_image.config, asked)
  lu.assertEquals(shown[3].request, asked)
  asked.collection, asked.pipeline = "orders", nil
  lu.assertEquals(shown[2].pre_image.config, asked)
end

function TestRuns:test_show_tells_why_a_write_failed()
  local run = self:failed()
  local shown = self:data("show", "--state", "refused", "last")
  lu.assertEquals(#shown.operations, 1)
  lu.assertEquals(shown.operations[1].op, 2)
  lu.assertStrContains(shown.operations[1].error, "exists")
  local text = self:runs("show", "--state", "refused", run.id).out
  lu.assertStrMatches(text, ".*\n2  refused  create runs%-b [^\n]*\n.*")
  lu.assertStrContains(text, "\n     " .. kelp.show.line(shown.operations[1].error))
  lu.assertNotStrContains(text, "\n1  ")
  local none = self:runs("show", "--state", "unknown", run.id)
  lu.assertEquals(none.code, 0)
  lu.assertStrContains(none.out, "run " .. run.id .. "\n")
  lu.assertEquals(self:runs("show", "--state", "odd", run.id).code, 2)
end

function TestRuns:test_a_run_is_named_by_id_prefix_path_or_last()
  local first, last = self:finished(), self:failed()
  lu.assertNotEquals(first.id, last.id)
  lu.assertEquals(self:data("show", "last").id, last.id)
  lu.assertEquals(self:data("show", first.id).id, first.id)
  lu.assertEquals(self:data("show", first.path).id, first.id)
  -- An id that another begins with means itself.
  lu.assertTrue(os.execute(("cp %s %s"):format(quote(first.path),
    quote(self.place .. "/" .. first.id .. "-copy.db"))))
  lu.assertEquals(self:data("show", first.id).id, first.id)
  local shared = 0
  while first.id:sub(1, shared + 1) == last.id:sub(1, shared + 1) do shared = shared + 1 end
  lu.assertEquals(self:data("show", last.id:sub(1, shared + 1)).id, last.id)

  local several = self:runs("show", last.id:sub(1, shared))
  lu.assertEquals(several.code, 1)
  lu.assertStrContains(several.err, ("3 runs begin with '%s': "):format(last.id:sub(1, shared)))
  for _, name in ipairs { "none", "", "./none", "none.db", self.place .. "/none.db" } do
    local result = self:runs("show", name)
    lu.assertEquals(result.code, 1, name)
    lu.assertStrContains(result.err, "there is no run")
  end
end

function TestRuns:test_prune_by_age_keeps_what_can_be_resumed()
  local finished, failed, killed = self:finished(), self:failed(), self:killed()
  local none = self:data("prune", "--older-than", "1")
  lu.assertEquals({ none.removed, none.kept }, { {}, {} })
  lu.assertEquals(#self:data(), 3)
  local result = self:data("prune", "--older-than", "0")
  lu.assertEquals(result.removed, { finished.id })
  lu.assertEquals(ids(result.kept), ids { failed, killed })
  for _, kept in ipairs(result.kept) do lu.assertStrContains(kept.reason, "can be resumed") end
  lu.assertEquals(ids(self:data()), ids { failed, killed })
  local rest = {}
  local pipe = assert(io.popen("ls " .. quote(self.place), "r"))
  for name in pipe:lines() do rest[#rest + 1] = name end
  pipe:close()
  for _, name in ipairs(rest) do lu.assertNotStrContains(name, finished.id) end
end

function TestRuns:test_prune_by_number_keeps_the_newest()
  local first, second, third = self:finished(), self:failed(), nil
  self.sim:reset()
  third = self:finished()
  local text = self:runs("prune", "--keep", "1").out
  lu.assertEquals(text, ("removed 1 run\nkept %s: it can be resumed (failed)\n"):format(second.id))
  lu.assertEquals(ids(self:data()), ids { second, third })
  lu.assertEquals(self:data("prune", "--keep", "5").removed, {})
  lu.assertEquals(self:data("prune", "--keep", "0").removed, { third.id })
  lu.assertNotEquals(first.id, third.id)
end

function TestRuns:test_prune_by_name_asks_for_force()
  local finished, failed = self:finished(), self:failed()
  local result = self:runs("prune", finished.id, failed.id)
  lu.assertEquals(result.code, 1)
  lu.assertStrContains(result.err, ("run %s: it can be resumed (failed); nothing was removed")
    :format(failed.id))
  lu.assertEquals(#self:data(), 2)
  lu.assertEquals(self:data("prune", "last", failed.id, "--force").removed, { failed.id })
  lu.assertEquals(self:runs("prune", finished.id).out, "removed 1 run\n")
  lu.assertEquals(#self:data(), 0)
end

function TestRuns:test_prune_says_what_is_wrong_with_its_options()
  for _, case in ipairs { { "say which runs" },
      { "--older-than: '-1' is not", "--older-than=-1" },
      { "--older-than: 'nan' is not", "--older-than", "nan" },
      { "--older-than: 'soon' is not", "--older-than", "soon" },
      { "--keep: '1.5' is not", "--keep", "1.5" }, { "--keep: '-1' is not", "--keep=-1" },
      { "can not be used together", "--keep", "1", "--older-than", "2" } } do
    local result = self:runs("prune", table.unpack(case, 2))
    lu.assertEquals(result.code, 2, case[1])
    lu.assertStrContains(result.err, case[1])
    lu.assertStrContains(result.err, "Usage: kelp runs")
  end
  lu.assertEquals(self:runs("mend").code, 2)
end

function TestRuns:test_the_reader_is_closed_once_and_for_all()
  local run = self:finished()
  local reader = raw.run_open(run.path)
  support.raises("journal", raw.run_remove, run.path)
  lu.assertEquals(reader:next().op, 1)
  reader:close()
  reader:close()
  support.misuse("closed", reader.next, reader)
  support.misuse("closed", reader.about, reader)
  raw.run_open(run.path)
  collectgarbage() -- closes it
  raw.run_remove(run.path)
  support.raises("journal", raw.run_open, run.path)
end
