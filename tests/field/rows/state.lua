-- A: state, plan, undo and exit code say what is so.

-- Two connectors of one worker: `ALL` tasks failed, and some of them.
local BROKEN = [[connectors = {
  orders = { tasks = { "FAILED", "FAILED" } },
  audit = { tasks = { "RUNNING", "FAILED", "RUNNING" } },
  fine = { tasks = { "RUNNING" } },
}]]

local function states(t, script)
  local r = t:lua(script .. [[
local function names(filter)
  local list = {}
  for _, c in ipairs(target:list(filter)) do list[#list + 1] = c.name end
  return table.concat(list, ",")
end
local by = {}
for _, c in ipairs(target:list()) do by[c.name] = c.state end
print("list", by.orders, by.audit, by.fine)
print("get", target:get("orders").state, target:get("audit").state, target:get("fine").state)
print("failed", names { state = "failed" })
print("degraded", names { state = "degraded" })
print("running", names { state = "running" })]])
  t:exited(r, 0)
  t:has("output", r.out, "list\tfailed\tdegraded\trunning\n")
  t:has("output", r.out, "get\tfailed\tdegraded\trunning\n")
  t:has("output", r.out, "failed\torders\n")
  t:has("output", r.out, "degraded\taudit\n")
  t:has("output", r.out, "running\tfine\n")
end

local function wait_of_failed(t)
  t:worker(BROKEN)
  local r = t:lua [[
local target = connect()
for _, name in ipairs { "orders", "audit" } do
  local kind, text = try(target.wait, target, name, { timeout = 1, grace = 0, poll = 0.05 })
  print(name, kind, text)
end]]
  t:matches("output", r.out, "orders\tconflict\t[^\n]*failed")
  t:matches("output", r.out, "audit\t%l+\t[^\n]*degraded")
end

local function command_states(t, kind)
  t:worker((kind == "confluent" and "confluent = true, " or "") .. BROKEN)
  for state, name in pairs { failed = "orders", degraded = "audit", running = "fine" } do
    local r = t:kelp { "--output", "json", "list", kind, "--state", state }
    t:exited(r, 0)
    local list = t:json("output", r.out)
    t:check(list and #list == 1 and list[1].name == name and list[1].state == state,
      "--state %s: %s", state, r.out)
  end
end

-- ---- restart ----

local function tasks_of(name)
  return ([[local kinds = {}
for _, task in ipairs(target:get(%q).tasks) do kinds[#kinds + 1] = task.state end
print(table.concat(kinds, ","))]]):format(name)
end

local function restarted(t, version, options, wanted)
  local s = t:worker(("version = %q, %s"):format(version, BROKEN))
  local r = t:lua(("local target = connect()\ntarget:get('audit'):restart(%s)\n"):format(options or "")
    .. tasks_of "audit")
  t:exited(r, 0)
  t:has("output", r.out, wanted)
  return s
end

-- ---- wait ----

-- RUNNING at once, FAILED after `seconds`: what a bad password does.
local FLAPPING = [[
if r.method == "POST" then restarted = os.time() + 0.0; polls = 0 end
if restarted and r.method == "GET" and (r.path:find "status" or r.query:find "expand") then
  polls = polls + 1
  w.connectors.orders.tasks = { polls > 2 and "FAILED" or "RUNNING" }
end]]

local function stable(t, options)
  t:worker([[connectors = { orders = { tasks = { "FAILED" } } }]], FLAPPING)
  local r = t:lua(([[
local target = connect()
target:restart("orders")
print(try(target.wait, target, "orders", { state = "running", timeout = 8, grace = 0.2, poll = 0.1 %s }))]])
    :format(options))
  t:matches("output", r.out, "^conflict\t[^\n]*failed")
end

local function without_tasks(t)
  t:worker [[connectors = { orders = { tasks = {} } }]]
  local start = t.now()
  local r = t:lua [[
local target = connect()
print(try(target.wait, target, "orders", { timeout = 2, poll = 0.1 }))]]
  t:check(r.out:find "^ok" or r.out:find "no tasks", "neither running nor 'no tasks': %s", r.out)
  t:lacks("output", r.out, "it is running after")
  t:check(t.now() - start < 5, "it took too long")
end

-- ---- bulk ----

local ALL_REFUSED = [[
if r.method ~= "GET" then
  return { status = 400, body = json.encode { error_code = 400, message = "no such topic: loans" } }
end]]

local function many(count)
  return ([[connectors = (function() local all = {}
    for i = 1, %d do all[("c-%%02d"):format(i)] = { config = { topics = "a" } } end
    return all end)()]]):format(count)
end

local EACH = [[kelp.each(target:list(), function(c) c:update { topics = "b" } end, { progress = false })]]

local function bulk_fails(t)
  t:worker(many(80), ALL_REFUSED)
  local r = t:lua("local target = connect()\n" .. EACH)
  t:exited(r, 1)
  t:matches("standard error", r.err, "80[^\n]*no such topic: loans")
  t:check(select(2, r.err:gsub("no such topic", "")) <= 3, "the error is told again and again")
end

local function bulk_from_e(t)
  t:worker(many(80), ALL_REFUSED)
  local r = t:kelp { "-e", "local target = kelp.connect { url = os.getenv 'KAFKA_CONNECT_URL' } " .. EACH }
  t:exited(r, 1)
  t:matches("standard error", r.err, "80[^\n]*no such topic: loans")
end

local function bulk_map(t)
  t:worker(many(5), ALL_REFUSED)
  local r = t:lua("local target = connect()\n" .. EACH:gsub("kelp%.each", "kelp.map"))
  t:exited(r, 1)
  t:has("standard error", r.err, "no such topic: loans")
end

local function bulk_returns_zero(t)
  t:worker(many(5), ALL_REFUSED)
  t:exited(t:lua("local target = connect()\n" .. EACH .. "\nreturn 0"), 0)
  t:exited(t:lua("local target = connect()\n" .. EACH .. "\nreturn 7"), 7)
end

-- Confluent masks its secrets, so that the plan has to refuse what the run refuses.
local function bulk_plan(t)
  t:simulator()
  local r = t:lua([[
local target = confluent()
kelp.each(target:list { class = "S3_SINK" }, function(c) c:update { ["flush.size"] = 5 } end,
  { progress = false })]], { options = { "--plan" } })
  t:exited(r, 1)
  t:has("standard error", r.err, "masked")
  t:lacks("output", r.out .. r.err, "nothing would change")
end

local function grouped(t)
  t:worker(many(80), ALL_REFUSED)
  local r = t:lua("local target = connect()\nlocal report = " .. EACH .. "\nprint(report)")
  local _, lines = r.out:gsub("no such topic: loans", "")
  t:equal("lines with the error", lines, 1)
  t:matches("output", r.out, "80")
  t:has("output", r.out, "c-01")
end

-- ---- plan ----

local function planned_wait(t, open)
  t:simulator()
  local r = t:lua(([[
local target = %s
local c = target:get %s
target:put("made-up", %s)
print("put", try(target.wait, target, "made-up", { timeout = 3 }))
target:update(c, { ["tasks.max"] = 3 }, %s)
print("update", try(target.wait, target, c.name, { timeout = 3 }))]]):format(table.unpack(open)),
    { options = { "--plan" } })
  t:exited(r, 3)
  t:has("output", r.out, "put\tok\n")
  t:has("output", r.out, "update\tok\n")
  t:check(r.seconds < 3, "it took %.1f s", r.seconds)
  t:equal("effects", #t.sim:effects(), 0)
end

local function plan_refuses(t)
  t:simulator()
  local text = [[
local target = confluent()
local config = target:get("orders-to-s3").config
config.name = nil
print(try(target.put, target, "copy", config))
print(try(target.create, target, "copy-2", config))]]
  local plan, run = t:lua(text, { options = { "--plan" } }), t:lua(text)
  t:matches("output of the plan", plan.out, "^masked\t[^\n]*\nmasked\t")
  t:matches("output of the run", run.out, "^masked\t[^\n]*\nmasked\t")
  t:lacks("output of the plan", plan.out .. plan.err, "to create")
  t:equal("effects", #t.sim:effects(), 0)
end

local function plan_json(t)
  t:simulator()
  local r = t:lua([[
local target = connect()
print "a word of the script"
io.write "another"
target:update("access-log-source", { topic = "other" })]], { options = { "--plan", "--output", "json" } })
  t:exited(r, 3)
  local plan = t:json("output", r.out)
  t:check(plan and plan.changes == 1, "not one change")
  t:has("standard error", r.err, "a word of the script")
end

local function plan_json_migrate(t)
  t:simulator()
  local r = t:kelp { "--plan", "--output", "json", "migrate", "--from", "upstash", "--to", "connect",
    "--only", "events*" }
  t:json("output", r.out)
  t:check(#r.out > 2, "nothing on standard output")
end

-- ---- updates that change nothing ----

local function unchanged(t, target, name, changes, options)
  local s = t:in_front()
  local r = t:lua(([[
local target = %s
target:update(%q, %s%s)]]):format(target, name, changes, options or ""))
  t:exited(r, 0)
  t:equal("writes sent", #s:writes(), 0)
end

local function unchanged_counts(t)
  local s = t:in_front()
  local r = t:lua [[
local target = connect()
local report = kelp.each({ "access-log-source", "audit-file-sink" }, function(name)
  target:update(name, { ["connector.class"] = target:get(name).config["connector.class"] })
end, { progress = false })
print(report)]]
  t:exited(r, 0)
  t:equal("writes sent", #s:writes(), 0)
  t:matches("output", r.out, "2 unchanged")
end

local function unchanged_put(t)
  local s = t:in_front()
  local r = t:lua [[
local target = connect()
target:put("access-log-source", target:get("access-log-source").config)]]
  t:exited(r, 0)
  t:equal("writes sent", #s:writes(), 0)
end

-- ---- undo ----

-- A run that changes what `changes` says of a Confluent connector; then its undo.
local function run_and_undo(t, changes, options, undo, env)
  t:simulator()
  local run = t:lua(([[
local target = confluent()
target:update("payments-sink", { ["connection.password"] = kelp.secret "FIELD_SECRET",
  ["kafka.api.secret"] = kelp.secret "FIELD_SECRET", ["kafka.api.key"] = kelp.secret "FIELD_SECRET", %s }, { %s })]])
    :format(changes, options or ""))
  t:exited(run, 0)
  return t:kelp({ "undo", "last", table.unpack(undo or {}) }, { env = env })
end

local function payments(t)
  return t.sim:state().confluent["env-sim/lkc-sim"]["payments-sink"].config
end

local function undo_of_secrets(t)
  local r = run_and_undo(t, "")
  t:exited(r, 1)
  t:has("output", r.out .. r.err, "connection.password")
  t:matches("output", r.out, "1 not undone")
  t:lacks("output", r.out, "1 undone")
  local runs = t:json("runs", t:kelp({ "--output", "json", "runs" }).out)
  local one = runs and runs[1] or {}
  t:check(one.state and one.state ~= "reverted" and one.state ~= "undone", "the run is %s", one.state)
  t:equal("undone writes", one.counts and one.counts.undone, 0)
end

local OLD = { "--set", "connection.password=env:OLD_ONE", "--set", "kafka.api.secret=env:OLD_ONE",
  "--set", "kafka.api.key=env:OLD_ONE" }

local function undo_with_set(t)
  local r = run_and_undo(t, "", nil, OLD, { OLD_ONE = "old-kaNary-value" })
  t:exited(r, 0)
  t:equal("password", payments(t)["connection.password"], "old-kaNary-value")
end

local function undo_in_part(t)
  local r = run_and_undo(t, [=[["tasks.max"] = 3]=])
  t:exited(r, 1)
  t:matches("output", r.out, "1 not undone")
  t:matches("output", r.out, "0 undone")
  t:has("output", r.out .. r.err, "connection.password")
end

local function undo_connect_secret(t)
  t:simulator()
  t:exited(t:lua [[
local target = connect()
target:update("heartbeats-to-dr", { ["target.cluster.sasl.jaas.config"] = kelp.secret "FIELD_SECRET" })]], 0)
  local r = t:kelp { "undo", "last" }
  t:exited(r, 1)
  t:matches("output", r.out, "1 not undone")
end

-- The run kept the asterisks; its undo may do so too.
local KEPT = [[
local target = confluent()
kelp.each(target:list(), function(c) c:update({ ["tasks.max"] = 3 }, { keep_masked = true }) end,
  { progress = false })]]

local function undo_keep_masked(t)
  t:simulator()
  t:exited(t:lua(KEPT), 0)
  t:exited(t:kelp { "undo", "last", "--keep-masked" }, 0)
  t:equal("tasks.max", payments(t)["tasks.max"], "1")
  t:equal("password", payments(t)["connection.password"], "not-a-real-password")
end

local function undo_names_all_keys(t)
  t:simulator()
  t:exited(t:lua(KEPT), 0)
  local before = #t.sim:effects()
  local r = t:kelp { "undo", "last" }
  t:exited(r, 1)
  for _, key in ipairs { "kafka.api.secret", "connection.password", "aws.secret.access.key",
                         "database.password", "snowflake.private.key" } do
    t:has("standard error", r.err, key)
  end
  t:matches("output", r.out, "5 not undone")
  t:equal("effects of the undo", #t.sim:effects() - before, 0)
end

local function undo_with_sources(t)
  t:simulator()
  t:targets(([[return { prod = { provider = "confluent", environment = "env-sim", cluster = "lkc-sim",
    base_url = %q, secrets = { ["*"] = env "FIELD_SECRET", ["kafka.api.key"] = env "FIELD_SECRET",
      ["kafka.api.secret"] = env "FIELD_SECRET", { connectors = "payments-*",
      ["connection.password"] = env "FIELD_SECRET" } } } }]]):format(t.sim.confluent))
  t:targets((t.support.read(t.state .. "-config/kelp/targets.lua"):gsub('%["%*"%] = env "FIELD_SECRET", ', "")))
  t:exited(t:lua [[kelp.target "prod":update("payments-sink", { ["tasks.max"] = 3 })]], 0)
  t:equal("tasks.max", payments(t)["tasks.max"], "3")
  t:exited(t:kelp { "undo", "last", "--target", "prod" }, 0)
  t:equal("tasks.max", payments(t)["tasks.max"], "1")
end

local function undo_offsets(verb, argument)
  return function(t)
    t:simulator()
    local run = t:lua(([[
local target = connect()
target:stop "orders-to-lost-disk"
target:%s("orders-to-lost-disk"%s)]]):format(verb, argument))
    t:exited(run, 0)
    t:has("the journal", t:state_bytes(), "4211")
    t:exited(t:kelp { "undo", "last" }, 0)
    local offsets = t.sim:state().connect["local"]["orders-to-lost-disk"].offsets
    local first = offsets and offsets[1]
    t:equal("offset", first and first.offset.kafka_offset, 4211)
  end
end

-- ---- the last message ----

local SICK = [[
if r.method ~= "GET" then
  return { status = 500, body = json.encode { error_code = 500, message = "disk of the herder is full" } }
end]]

local function circuit(t)
  t:worker(many(40), SICK)
  local b = t:start { t:file [[
local target = connect { attempts = 2, circuit = 3, probe = 60 }
kelp.each(target:list(), function(c) c:pause() end, { concurrency = 4 })]] }
  t:check(b:await "disk of the herder is full", "the server's message is nowhere")
  b:signal "INT"
  b:ends(5)
  local r = b:wait(0)
  t:lacks("standard error", r.err, " h left")
end

local function ten_equal(t)
  local s = t:worker(many(60), [[
if r.method ~= "GET" then
  return { status = 500, body = json.encode { error_code = 500,
    message = "Failed to find any class that implements Connector and which name matches X" } }
end]])
  local b = t:start { t:file [[
local target = connect { attempts = 1 }
kelp.each(target:list(), function(c) c:pause() end, { concurrency = 2 })]] }
  t:check(b:ends(8), "it did not end")
  local r = b:wait(0)
  t:check(r.how == "exit" and (r.code == 1 or r.code == 4), "%s %d", r.how, r.code)
  t:has("standard error", r.err, "Failed to find any class")
  t:check(#s:writes() <= 30, "%d writes", #s:writes())
end

local function unknown_class(t)
  local s = t:in_front [[
if r.method == "POST" then
  return { status = 500, body = json.encode { error = { code = 500,
    message = "Failed to find any class that implements Connector and which name matches NoSuch" } } }
end]]
  local r = t:lua [[
local target = confluent()
local kind, text = try(target.create, target, "new", { ["connector.class"] = "NoSuch",
  ["kafka.auth.mode"] = "SERVICE_ACCOUNT", ["kafka.service.account.id"] = "sa-sim001" })
print(kind, text)]]
  t:matches("output", r.out, "^invalid\t[^\n]*Failed to find any class")
  t:equal("creates", s:count "POST /connectors$", 1)
end

-- ---- Ctrl-C and resume ----

local function interrupted(t)
  t:worker(many(60), [[
if r.path:find "c%-02/" then
  return { status = 400, body = json.encode { error_code = 400, message = "no such topic: loans" } }
end
if r.method ~= "GET" then return { status = 202, delay = times "w" > 10 and 0.5 or 0 } end]])
  local b = t:start { t:file [[
local target = connect { concurrency = 2 }
kelp.each(target:list(), function(c) c:pause(); io.stderr:write "one\n" end, { concurrency = 2, progress = false })]] }
  b:await "one\none\none\none\none\n"
  b:signal "INT"
  local r = b:wait(10)
  t:exited(r, 130)
  t:matches("standard error", r.err, "%d+ done")
  t:has("standard error", r.err, "no such topic: loans")
  t:matches("standard error", r.err, "%-%-resume")
end

local function resume_of_repl(t)
  t:worker(many(1))
  local r = t:kelp({ "-i", "-e", "target = kelp.connect { url = os.getenv 'KAFKA_CONNECT_URL' }" },
    { stdin = "target:pause 'c-01'\nerror 'stop'\n" })
  t:lacks("standard error", r.err, "--resume")
end

local function no_hint_for_refusal(t)
  t:worker(many(1), ALL_REFUSED)
  local r = t:lua [[connect():update("c-01", { topics = "b" })]]
  t:exited(r, 1)
  t:has("standard error", r.err, "no such topic")
  t:lacks("standard error", r.err, "--resume")
end

-- ---- what only a person can find out ----

local LOST_RESTART = [[if r.method == "POST" and times "restart" == 1 then return { drop = true } end]]

local function lost_restart(t)
  local s = t:worker(many(1), LOST_RESTART)
  local file = t:file [[connect():restart("c-01", { at_most_once = true })]]
  local r = t:kelp { file }
  t:exited(r, 4)
  return s
end

local function resume_settles(t)
  lost_restart(t)
  local first = t:kelp { "--resume", "last" }
  local second = t:kelp { "--resume", "last" }
  t:has("standard error", first.err, "runs resolve")
  t:lacks("standard error", second.err, "--resume")
end

-- `sent`: how often the restart has been sent at the end.
local function resolved(answer, sent)
  return function(t)
    local s = lost_restart(t)
    local id = t:json("runs", t:kelp({ "--output", "json", "runs" }).out)
    id = id and id[1] and (id[1].run or id[1].id)
    if not t:check(id, "there is no run") then return end
    t:exited(t:kelp { "runs", "resolve", id, answer }, 0)
    t:exited(t:kelp { "--resume", "last" }, 0)
    t:equal("restarts", s:count "POST /restart", sent)
    local shown = t:kelp { "runs", "show", "last" }
    t:lacks("runs show", shown.out, "unknown")
  end
end

-- ---- a 200 that cannot be read ----

local function unreadable(method, path, call)
  return function(t)
    local s = t:worker(many(1), ([[
if r.method == %q and r.path:find %q and times "x" == 1 then
  return { status = 200, body = '{"name":"c-0' }
end]]):format(method, path))
    local r = t:lua(("local target = connect()\nprint(try(%s))"):format(call))
    t:has("output", r.out, "ok\n")
    t:check(s:count(method .. " " .. path:gsub("%$$", "%%f[?\0]")) >= 2, "it was not sent again")
  end
end

return {
  { id = "A1a", title = "failed tasks are failed and degraded: Kafka Connect", run = function(t)
    t:worker(BROKEN)
    states(t, "local target = connect()\n")
  end },
  { id = "A1b", title = "the same on Confluent Cloud", run = function(t)
    t:worker("confluent = true, " .. BROKEN)
    states(t, "local target = confluent()\n")
  end },
  { id = "A1c", title = "`kelp list --state`: Kafka Connect",
    run = function(t) command_states(t, "connect") end },
  { id = "A1d", title = "`kelp list --state`: Confluent Cloud",
    run = function(t) command_states(t, "confluent") end },
  { id = "A1e", title = "`wait` agrees with `get`", run = wait_of_failed },
  { id = "A2a", title = "restart takes the tasks in", run = function(t)
    local s = restarted(t, "4.1.0", nil, "running,running,running")
    t:equal("restarts", s:count "POST /restart%?.*includeTasks=true", 1)
  end },
  { id = "A2b", title = "restart on a worker without includeTasks: task by task", run = function(t)
    local s = restarted(t, "2.8.0", nil, "running,running,running")
    t:equal("task restarts", s:count "POST /tasks/1/restart", 1)
    t:equal("task restarts", s:count "POST /tasks/0/restart", 0)
  end },
  { id = "A2c", title = "restart of no tasks", run = function(t)
    local s = restarted(t, "4.1.0", '{ tasks = "none" }', "running,failed,running")
    t:equal("restarts with tasks", s:count "POST includeTasks=true", 0)
  end },
  { id = "A2d", title = "restart of the failed tasks only", run = function(t)
    local s = restarted(t, "4.1.0", '{ tasks = "failed" }', "running,running,running")
    t:equal("restarts of failed", s:count "POST onlyFailed=true", 1)
  end },
  { id = "A3a", title = "wait{stable=1} sees a connector that fails again",
    run = function(t) stable(t, ", stable = 1") end },
  { id = "A3b", title = "so does wait after a restart, unasked", run = function(t) stable(t, "") end },
  { id = "A3c", title = "wait{stable=1} of one that runs takes a second", run = function(t)
    t:worker [[connectors = { orders = {} }]]
    local r = t:lua [[print(try(function() connect():wait("orders", { stable = 1, timeout = 8, poll = 0.1 }) end))]]
    t:has("output", r.out, "ok\n")
    t:check(r.seconds >= 1 and r.seconds < 5, "it took %.1f s", r.seconds)
  end },
  { id = "A4", title = "running without tasks", run = without_tasks },
  { id = "A5a", title = "80 of 80 fail: a summary, exit 1", run = bulk_fails },
  { id = "A5b", title = "the same from -e", run = bulk_from_e },
  { id = "A5c", title = "the same of kelp.map", run = bulk_map },
  { id = "A5d", title = "a script returns its own code", run = bulk_returns_zero },
  { id = "A5e", title = "with --plan", run = bulk_plan },
  { id = "A6a", title = "wait in a plan returns at once: Confluent Cloud", run = function(t)
    planned_wait(t, { "confluent()", '"orders-to-s3"', [[{ ["connector.class"] = "DatagenSource",
      ["kafka.auth.mode"] = "SERVICE_ACCOUNT", ["kafka.service.account.id"] = "sa-sim001",
      ["kafka.topic"] = "x", ["output.data.format"] = "JSON", quickstart = "ORDERS", ["tasks.max"] = 1 }]],
      "{ keep_masked = true }" })
  end },
  { id = "A6b", title = "wait in a plan returns at once: Kafka Connect", run = function(t)
    planned_wait(t, { "connect()", '"access-log-source"', [[{ ["connector.class"] = "FileStreamSink",
      topics = "a", file = "/tmp/x" }]], "nil" })
  end },
  { id = "A7", title = "a plan refuses asterisks as the run does", run = plan_refuses },
  { id = "A8a", title = "an update that changes nothing sends nothing: Kafka Connect", run = function(t)
    unchanged(t, "connect()", "access-log-source", '{ topic = "access-log", ["tasks.max"] = 1 }')
  end },
  { id = "A8b", title = "the same with keep_masked on Confluent Cloud", run = function(t)
    unchanged(t, "confluent()", "orders-to-s3", '{ ["flush.size"] = 1000 }', ", { keep_masked = true }")
  end },
  { id = "A8c", title = "the same on Upstash", run = function(t)
    unchanged(t, "upstash()", "reviews-to-search", '{ ["batch.size"] = 100 }')
  end },
  { id = "A8d", title = "it is counted as unchanged", run = unchanged_counts },
  { id = "A8e", title = "put of the config that is there", run = unchanged_put },
  { id = "A9a", title = "undo of secrets only: not undone, named, exit 1", run = undo_of_secrets },
  { id = "A9b", title = "undo with --set sends the old secrets", run = undo_with_set },
  { id = "A9c", title = "undo of a secret on Kafka Connect", run = undo_connect_secret },
  { id = "A10", title = "undo in part is not undone, exit 1", run = undo_in_part },
  { id = "A11a", title = "undo with keep_masked", run = undo_keep_masked },
  { id = "A11b", title = "undo without: all keys at once, nothing sent", run = undo_names_all_keys },
  { id = "A11c", title = "undo with secret sources", run = undo_with_sources },
  { id = "A12a", title = "undo of alter_offsets", run = undo_offsets("alter_offsets",
    ', { { partition = { kafka_topic = "orders", kafka_partition = 0 }, offset = { kafka_offset = 7 } } }') },
  { id = "A12b", title = "undo of reset_offsets", run = undo_offsets("reset_offsets", "") },
  { id = "A13", title = "80 equal errors are one line of a report", run = grouped },
  { id = "A14a", title = "a progress line shows the last message of the server", run = circuit },
  { id = "A14b", title = "ten equal non-transient failures of ten end the job", run = ten_equal },
  { id = "A15", title = "an unknown class on Confluent Cloud is invalid at once", run = unknown_class },
  { id = "A16a", title = "--plan --output json is one document, whatever is printed", run = plan_json },
  { id = "A16b", title = "so is that of a command", run = plan_json_migrate },
  { id = "A17a", title = "Ctrl-C in a bulk job reports what was done", run = interrupted },
  { id = "A17b", title = "no hint to resume a prompt", run = resume_of_repl },
  { id = "A17c", title = "no hint to resume after a refusal", run = no_hint_for_refusal },
  { id = "A18a", title = "a resume that cannot learn more says so", run = resume_settles },
  { id = "A18b", title = "kelp runs resolve RUN done", run = resolved("done", 1) },
  { id = "A18c", title = "kelp runs resolve RUN refused", run = resolved("refused", 2) },
  { id = "A19a", title = "pause: a 200 that cannot be read is sent again",
    run = unreadable("PUT", "/pause$", 'target.pause, target, "c-01"') },
  { id = "A19b", title = "the same of resume",
    run = unreadable("PUT", "/resume$",
      'function() target:pause "c-01"; return target:resume "c-01" end') },
  { id = "A19c", title = "the same of a read",
    run = unreadable("GET", "/c%-01$", 'target.get, target, "c-01"') },
  { id = "A19d", title = "the same of a list",
    run = unreadable("GET", "/connectors$", "target.list, target") },
}
