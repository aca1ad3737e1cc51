-- What kelp says of connectors on workers of several versions, where these behave differently, and
-- what must be the same on all: health, restarts, waiting, updates that change nothing. A class of
-- tests for each worker that run.sh started: Test_2_8, Test_3_6, Test_current. Run by run.lua, for
-- each class on its own.
local kelp = require "kelp"
local ground = require "ground"
local lu = require "luaunit"
local raw = require "kelp.raw"
local support = require "support"

-- A claim is known to be wrong after this many seconds; a worker needs less than two for any step.
local SOON = 8

local function soon(see, what)
  local stop = raw.now() + SOON
  repeat
    local seen = see()
    if seen then return seen end
    kelp.sleep(0.05)
  until raw.now() > stop
  lu.fail(("not within %d s: %s"):format(SOON, what))
end

-- ---- the workers ----

local Worker = {}
Worker.__index = Worker

local function workers()
  local list = {}
  for version, name, url in os.getenv("CONNECT_VERSIONS"):gmatch "([^,%s]+),([^,%s]+),(%S+)" do
    local major, minor = version:match "^(%d+)%.(%d+)"
    list[#list + 1] = setmetatable({
      version = version, url = url, number = tonumber(major) * 100 + tonumber(minor),
      log_path = ("%s/%s.log"):format(ground.folder, name),
      label = name == "worker-1" and "current" or major .. "_" .. minor,
    }, Worker)
  end
  return list
end

function Worker:target(changes)
  local options = { url = self.url }
  for key, value in pairs(changes or {}) do options[key] = value end
  return ground.connect(options)
end

-- How often the worker's log has this text.
function Worker:logged(text)
  local count, log, at = 0, support.read(self.log_path), 1
  while true do
    local _, last = log:find(text, at, true)
    if not last then return count end
    count, at = count + 1, last + 1
  end
end

function Worker:configured(name) return self:logged(("Connector %s config updated"):format(name)) end
function Worker:started(name, task)
  return self:logged(("Creating task %s-%d\n"):format(name, task))
end

-- ---- names ----

-- The tests of several workers run at the same time on one broker, where the topics and the
-- consumer groups of all of them are, so names and files have the worker's label.
local label

local function new_name(what) return ground.name(("%s-%s"):format(what, label)) end
local function new_path(what) return ground.path(("%s-%s"):format(what, label)) end

-- ---- connectors in all sorts of health ----

local function tasks_are(target, name, ...)
  local wanted = { ... }
  return soon(function()
    local c = target:find(name)
    if not c or #c.tasks ~= #wanted then return false end
    for i, task in ipairs(c.tasks) do
      if task.state ~= wanted[i] then return false end
    end
    return c
  end, ("the tasks of %s are %s"):format(name, table.concat(wanted, ", ")))
end

-- A sink whose folder is missing: the connector runs and all of its tasks fail, until there is one.
local function create_failed(target, tasks, what)
  local name, folder = new_name(what or "failed"), new_path "folder"
  target:create(name, ground.sink("health", folder .. "/file", { ["tasks.max"] = tasks }))
  local states = {}
  for i = 1, tasks do states[i] = "failed" end
  tasks_are(target, name, table.unpack(states))
  return name, folder
end

-- The connector and two of its tasks run, the one between them has failed.
local function create_degraded(target)
  local name, folder = create_failed(target, 3, "degraded")
  support.make_folder(folder)
  target:restart(name, { tasks = 0 })
  target:restart(name, { tasks = 2 })
  tasks_are(target, name, "running", "failed", "running")
  return name
end

local function create_healthy(target)
  local name = new_name "healthy"
  target:create(name, ground.sink("health", new_path "healthy"))
  tasks_are(target, name, "running")
  return name
end

-- A sink that runs for a while before it fails: what it reads is no JSON, and the broker holds its
-- first fetch back for this long.
local function create_short_lived(target, seconds)
  local topic, text, feeder = new_name "text", new_path "text", new_name "feeder"
  ground.append(text, "this is not JSON\n")
  target:create(feeder, ground.source(topic, text))
  local copy = new_path "copy"
  local witness = new_name "witness"
  target:create(witness, ground.sink(topic, copy))
  ground.until_file_is(copy, "this is not JSON\n")
  local name = new_name "short-lived"
  target:create(name, ground.sink(topic, new_path "never", {
    ["value.converter"] = "org.apache.kafka.connect.json.JsonConverter",
    ["consumer.override.fetch.min.bytes"] = 1000000,
    ["consumer.override.fetch.max.wait.ms"] = math.tointeger(seconds * 1000),
  }))
  tasks_are(target, name, "failed")
  return name
end

local function names_of(list)
  local names = {}
  for i, c in ipairs(list) do names[i] = c.name end
  return names
end

-- ---- the same on all workers ----

local everywhere = {}

function everywhere:test_A1_get_and_list_show_health()
  local target = self.target
  local failed, degraded = create_failed(target, 2), create_degraded(target)
  local healthy = create_healthy(target)
  lu.assertEquals(target:get(failed).state, "failed")
  lu.assertEquals(target:get(degraded).state, "degraded")
  lu.assertEquals(target:get(healthy).state, "running")
  local states = {}
  for _, c in ipairs(target:list()) do states[c.name] = c.state end
  lu.assertEquals(states, { [failed] = "failed", [degraded] = "degraded", [healthy] = "running" })
  lu.assertEquals(names_of(target:list { state = "failed" }), { failed })
  lu.assertEquals(names_of(target:list { state = "degraded" }), { degraded })
  lu.assertEquals(names_of(target:list { state = "running" }), { healthy })
end

function everywhere:test_A1_the_command_list_shows_health()
  local failed, degraded = create_failed(self.target, 2), create_degraded(self.target)
  for state, name in pairs { failed = failed, degraded = degraded } do
    local run = support.kelp({ "--no-journal", "list", "connect", "--state", state },
      { env = { KAFKA_CONNECT_URL = self.worker.url } })
    lu.assertEquals(run.code, 0, run.err)
    for _, other in ipairs { failed, degraded } do
      lu.assertEquals(run.out:find(other, 1, true) ~= nil, other == name, run.out)
    end
  end
end

function everywhere:test_A1_wait_shows_health()
  local target = self.target
  local failed, degraded = create_failed(target, 2), create_degraded(target)
  local options = { timeout = SOON, poll = 0.05, grace = 0 }
  options.state = "failed"
  lu.assertEquals(target:wait(failed, options).state, "failed")
  options.state = "degraded"
  lu.assertEquals(target:wait(degraded, options).state, "degraded")
  options.state = "running"
  local problem = support.raises("conflict", target.wait, target, failed, options)
  lu.assertStrContains(problem.message, "Couldn't find or create file")
end

function everywhere:test_A2_restart_includes_failed_tasks()
  local target = self.target
  local name, folder = create_failed(target, 2)
  support.make_folder(folder)
  target:restart(name)
  tasks_are(target, name, "running", "running")
end

function everywhere:test_A2_restart_of_a_degraded_one()
  local target = self.target
  local name = create_degraded(target)
  target:restart(name)
  tasks_are(target, name, "running", "running", "running")
end

-- As Kafka Connect itself does unless it is told otherwise: the connector alone.
function everywhere:test_A2_restart_without_tasks()
  local target = self.target
  local name, folder = create_failed(target, 1)
  support.make_folder(folder)
  target:restart(name, { tasks = "none" })
  -- When one that was created later runs, a restarted task would have been started.
  create_healthy(target)
  tasks_are(target, name, "failed")
  lu.assertEquals(self.worker:started(name, 0), 1)
end

-- Tasks that run are started again too.
function everywhere:test_C4_restart_with_all_tasks()
  local target = self.target
  local name = create_degraded(target)
  local before = {}
  for task = 0, 2 do before[task] = self.worker:started(name, task) end
  target:restart(name, { tasks = "all" })
  tasks_are(target, name, "running", "running", "running")
  soon(function()
    for task = 0, 2 do
      if self.worker:started(name, task) ~= before[task] + 1 then return false end
    end
    return true
  end, "each task is started once more")
end

-- Tasks that run are left alone.
function everywhere:test_C4_restart_with_failed_tasks()
  local target = self.target
  local name = create_degraded(target)
  local before = {}
  for task = 0, 2 do before[task] = self.worker:started(name, task) end
  target:restart(name, { tasks = "failed" })
  tasks_are(target, name, "running", "running", "running")
  for task = 0, 2 do
    lu.assertEquals(self.worker:started(name, task), before[task] + (task == 1 and 1 or 0))
  end
end

-- It runs for two seconds after its restart: only who looks for longer sees it fail.
function everywhere:test_A3_wait_with_stable_sees_a_late_failure()
  local target = self.target
  local name = create_short_lived(target, 2)
  target:restart(name, { tasks = 0 })
  tasks_are(target, name, "running")
  support.raises("conflict", target.wait, target, name,
    { state = "running", stable = 5, timeout = 30, poll = 0.1, grace = 0 })
end

function everywhere:test_A3_wait_with_stable_holds_that_long()
  local target = self.target
  local name, start = create_healthy(target), raw.now()
  lu.assertEquals(target:wait(name, { stable = 1.5, timeout = 30, poll = 0.1 }).state, "running")
  lu.assertTrue(raw.now() - start >= 1.5)
end

-- Without being told: after a restart it is looked at for a moment longer.
function everywhere:test_A3_wait_after_a_restart_is_stable_by_itself()
  local target = self.target
  local name = create_short_lived(target, 0.5)
  target:restart(name, { tasks = 0 })
  tasks_are(target, name, "running")
  support.raises("conflict", target.wait, target, name,
    { state = "running", timeout = 30, poll = 0.1, grace = 0 })
end

-- Calls change, which is to change nothing, and expects that the worker heard of no new config and
-- restarted nothing. What is configured afterwards comes later in the worker's log.
local function check_nothing_restarts(self, name, change)
  local worker, target = self.worker, self.target
  local configs, starts = worker:configured(name), worker:started(name, 0)
  lu.assertTrue(configs > 0 and starts > 0, "the log does not show what is looked for")
  change()
  local later = create_healthy(target)
  soon(function() return worker:configured(later) > 0 and worker:started(later, 0) > 0 end,
    "the log shows the later one")
  lu.assertEquals(worker:configured(name), configs)
  lu.assertEquals(worker:started(name, 0), starts)
end

function everywhere:test_A8_an_update_that_changes_nothing_restarts_nothing()
  local target = self.target
  local name = create_healthy(target)
  target:update(name, { ["errors.tolerance"] = "all" })
  soon(function() return self.worker:configured(name) == 2 end, "a real update is in the log")
  tasks_are(target, name, "running")
  check_nothing_restarts(self, name, function()
    target:update(name, { ["errors.tolerance"] = "all", ["tasks.max"] = 1 })
    target:update(name, { ["errors.retry.timeout"] = kelp.null }) -- it has none
  end)
  lu.assertEquals(target:get(name).config["errors.tolerance"], "all")
end

function everywhere:test_A8_a_put_that_changes_nothing_restarts_nothing()
  local target = self.target
  local name = create_healthy(target)
  local config = target:get(name).config
  check_nothing_restarts(self, name, function() target:put(name, config) end)
end

-- A worker leaves those of which it knows no status yet out of the expanded list.
function everywhere:test_C6_a_list_right_after_creates_has_all()
  local target, names = self.target, {}
  for i = 1, 20 do
    names[i] = ("listed-%s-%02d"):format(label, i)
    target:create(names[i], ground.sink("listed", new_path "listed"))
    lu.assertEquals(names_of(target:list()), names)
  end
end

-- ---- by version ----

-- Creates here have one attempt: a create that is sent all the same gets a 500 and would be sent
-- again for 40 s.

-- Refused by kelp itself, which names the worker's version.
local function check_unsupported(self, verb, ...)
  lu.assertEquals(self.target.can[verb], false, verb)
  local problem = support.raises("unsupported", self.target[verb], self.target, ...)
  lu.assertStrContains(problem.message, self.worker.version)
  lu.assertNil(problem.status)
  lu.assertEquals(problem.sent, "no")
end

local before_3_5 = {}

function before_3_5:test_C3_stop_is_unsupported()
  local name = create_healthy(self.target)
  check_unsupported(self, "stop", name)
  tasks_are(self.target, name, "running")
end

function before_3_5:test_C3_offsets_are_unsupported()
  check_unsupported(self, "offsets", create_healthy(self.target))
end

function before_3_5:test_C3_alter_offsets_is_unsupported()
  check_unsupported(self, "alter_offsets", create_healthy(self.target),
    { { partition = { kafka_topic = "health", kafka_partition = 0 }, offset = { kafka_offset = 0 } } })
end

function before_3_5:test_C3_reset_offsets_is_unsupported()
  check_unsupported(self, "reset_offsets", create_healthy(self.target))
end

-- They are set while it is stopped, so it cannot begin at them there.
function before_3_5:test_C3_create_with_offsets_is_unsupported()
  local target = self.worker:target { attempts = 1 }
  local name, path = new_name "offsets", new_path "offsets"
  local problem = support.raises("unsupported", target.create, target, name,
    ground.source("offsets", path),
    { offsets = { { partition = { filename = path }, offset = { position = 1 } } } })
  lu.assertStrContains(problem.message, self.worker.version)
  lu.assertEquals(problem.sent, "no")
  lu.assertNil(target:find(name))
end

function before_3_5:test_C3_a_plan_refuses_the_same()
  local name = create_healthy(self.target)
  for _, call in ipairs { "stop(%q)", "reset_offsets(%q)" } do
    local script = support.write(support.path "plan.lua", ([[
      require("kelp").connect { url = %q }:]]):format(self.worker.url) .. call:format(name))
    local run = support.kelp { "--plan", script }
    lu.assertEquals(run.code, 1, run.out)
    lu.assertStrContains(run.err, "unsupported")
    lu.assertStrContains(run.err, self.worker.version)
  end
end

local since_3_6 = {}

function since_3_6:test_C3_stop_and_offsets_work()
  local target, name = self.target, create_healthy(self.target)
  for _, verb in ipairs { "stop", "offsets", "alter_offsets", "reset_offsets" } do
    lu.assertEquals(target.can[verb], true, verb)
  end
  target:stop(name)
  ground.until_state(target, name, "stopped")
  lu.assertEquals(#target:offsets(name), 0)
  local partition = { kafka_topic = "health", kafka_partition = 0 }
  target:alter_offsets(name, { { partition = partition, offset = { kafka_offset = 0 } } })
  lu.assertEquals(target:offsets(name)[1].partition, partition)
  target:reset_offsets(name)
  lu.assertEquals(#target:offsets(name), 0)
end

local before_3_7 = {}

local function check_create_refuses_state(self, state)
  local target = self.worker:target { attempts = 1 }
  local name = new_name "state"
  local problem = support.raises("unsupported", target.create, target, name,
    ground.sink("state", new_path "state"), { state = state })
  lu.assertStrContains(problem.message, self.worker.version)
  lu.assertNil(problem.status)
  lu.assertEquals(problem.sent, "no")
  lu.assertNil(target:find(name))
end

function before_3_7:test_C5_create_stopped_is_unsupported()
  check_create_refuses_state(self, "stopped")
end

function before_3_7:test_C5_create_paused_is_unsupported()
  check_create_refuses_state(self, "paused")
end

local since_3_7 = {}

function since_3_7:test_C5_create_with_state_works()
  for _, state in ipairs { "stopped", "paused" } do
    local name = new_name "state"
    self.target:create(name, ground.sink("state", new_path "state"), { state = state })
    ground.until_state(self.target, name, state)
  end
end

-- ---- the current one as Confluent Cloud shows it ----

local behind_the_gateway = {}

function behind_the_gateway:test_A1_the_gateway_shows_health()
  local target = self.target
  local failed, degraded = create_failed(target, 2), create_degraded(target)
  local gateway = ground.gateway "good"
  lu.assertEquals(gateway:get(failed).state, "failed")
  lu.assertEquals(gateway:get(degraded).state, "degraded")
  lu.assertEquals(names_of(gateway:list { state = "failed" }), { failed })
  lu.assertEquals(names_of(gateway:list { state = "degraded" }), { degraded })
end

-- ---- what a worker of that version says ----

local function fill_in(value, words)
  if type(value) == "string" then
    return (value:gsub("{(%l+)}", words))
  elseif type(value) ~= "table" then
    return value
  end
  local filled = {}
  for key, item in pairs(value) do filled[fill_in(key, words)] = fill_in(item, words) end
  return filled
end

-- The body is as told: tables have at least these keys, texts begin as told where they end in "…".
local function check_body(told, body, where)
  if type(told) == "table" then
    lu.assertIsTable(body, where)
    for key, value in pairs(told) do
      check_body(value, body[key], ("%s.%s"):format(where, key))
    end
  elseif type(told) == "string" and told:find "…$" then
    local start = told:gsub("…$", "")
    lu.assertEquals(tostring(body):sub(1, #start), start, where)
  else
    lu.assertEquals(body, told, where)
  end
end

-- Not by kelp, which has its own opinion of what is sent. Returns the status and the decoded body.
local function ask(url, request)
  local path = support.path "response"
  local command = { "curl -q -s -m 60 --noproxy '*' -w '%{http_code}' -o", support.quote(path),
                    "-X", request.method }
  if request.body then
    table.insert(command, "-H 'Content-Type: application/json' -d "
      .. support.quote(kelp.json.encode(request.body)))
  end
  table.insert(command, support.quote(url .. request.path))
  local pipe = assert(io.popen(table.concat(command, " "), "r"))
  local status = tonumber(pipe:read "a")
  assert(pipe:close(), "curl failed")
  local text = support.read(path)
  return status, text ~= "" and kelp.json.decode(text) or nil
end

function everywhere:test_a_worker_responds_as_the_fixture_says()
  local target, worker = self.target, self.worker
  local words = { healthy = create_healthy(target), failed = create_failed(target, 1),
                  absent = new_name "absent", new = new_name "new",
                  version = worker.version, file = new_path "fixture" }
  local fixture = kelp.json.decode(support.read(support.root
    .. "/tests/fixtures/api/worker-versions.json"))
  for _, row in ipairs(fixture.requests) do
    local told = row.responses[worker.label:gsub("_", ".")]
    local status, body = ask(worker.url, fill_in(row.request, words))
    lu.assertEquals(status, told.status, row.what)
    if told.body then check_body(fill_in(told.body, words), body, row.what) end
  end
end

-- ---- a class for each worker ----

local function add(class, methods)
  for name, method in pairs(methods) do class[name] = method end
end

for _, worker in ipairs(workers()) do
  local class = {}
  function class:setUp()
    self.worker, self.target, label = worker, worker:target(), worker.label
  end
  function class:tearDown()
    ground.clear(self.target)
  end
  add(class, everywhere)
  add(class, worker.number < 305 and before_3_5 or since_3_6)
  add(class, worker.number < 307 and before_3_7 or since_3_7)
  if worker.label == "current" then add(class, behind_the_gateway) end
  _G["Test_" .. worker.label] = class
end
