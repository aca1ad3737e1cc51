-- The whole life of connectors that ship with Kafka, on a real worker, and what it does to the
-- data. Run by run.lua.
local kelp = require "kelp"
local ground = require "ground"
local lu = require "luaunit"
local support = require "support"

TestLife = {}

function TestLife:setUp()
  self.target = ground.connect()
end

function TestLife:tearDown()
  ground.clear(self.target)
end

-- A file, a source that reads it into a topic, and a sink that writes that into another file.
local function pipeline(target, text)
  local p = { topic = ground.name "topic", from = ground.path "from", to = ground.path "to",
              source = ground.name "source", sink = ground.name "sink" }
  ground.append(p.from, text)
  target:create(p.source, ground.source(p.topic, p.from))
  target:create(p.sink, ground.sink(p.topic, p.to))
  return p
end

function TestLife:test_create_and_see()
  local target = self.target
  local p = pipeline(target, "one\ntwo\n")
  ground.until_file_is(p.to, "one\ntwo\n")
  local source = ground.until_runs(target, p.source, 1)
  lu.assertEquals(source.class, ground.source_class)
  lu.assertEquals(source.type, "source")
  lu.assertEquals(source.tasks[1].id, 0)
  lu.assertEquals(source.config, { name = p.source, ["connector.class"] = ground.source_class,
    topic = p.topic, file = p.from, ["tasks.max"] = "1" })
  local list = target:list()
  lu.assertEquals(#list, 2)
  lu.assertEquals({ list[1].name, list[2].name }, { p.sink, p.source })
  lu.assertEquals(list[1].type, "sink")
  lu.assertEquals(list[2].config, source.config)
  lu.assertEquals(#target:list { type = "sink" }, 1)
  lu.assertEquals(#target:list { class = ground.source_class }, 1)
  lu.assertEquals(#target:list { state = "paused" }, 0)
end

-- A worker tells no status for a moment after a create. The connector is there all the same.
function TestLife:test_it_is_there_as_soon_as_it_is_created()
  for _ = 1, 5 do
    local name = ground.name "new"
    self.target:create(name, ground.sink("new", ground.path "new"))
    local c = self.target:find(name)
    lu.assertNotNil(c)
    lu.assertEquals(c.config.topics, "new")
  end
end

function TestLife:test_update_by_patch_keeps_the_other_keys()
  local name = ground.name "patch"
  self.target:create(name, ground.source("patch", ground.path "patch", { ["batch.size"] = 5 }))
  local changed = self.target:update(name, { ["batch.size"] = 6, ["errors.tolerance"] = "all" })
  lu.assertEquals(changed.config["batch.size"], "6")
  lu.assertEquals(changed.config.topic, "patch")
  self.target:update(name, { ["errors.tolerance"] = kelp.null })
  local shown = ground.until_runs(self.target, name, 1)
  lu.assertEquals(shown.config["batch.size"], "6")
  lu.assertNil(shown.config["errors.tolerance"])
end

function TestLife:test_put_replaces_and_creates()
  local name = ground.name "put"
  self.target:put(name, ground.sink("put", ground.path "put", { ["errors.tolerance"] = "all" }))
  ground.until_runs(self.target, name, 1)
  local replaced = self.target:put(name, ground.sink("put", ground.path "put"))
  lu.assertNil(replaced.config["errors.tolerance"])
  lu.assertNil(ground.until_runs(self.target, name, 1).config["errors.tolerance"])
end

function TestLife:test_paused_it_carries_nothing_and_resumed_it_goes_on()
  local target = self.target
  local p = pipeline(target, "one\n")
  ground.until_file_is(p.to, "one\n")
  target:pause(p.source)
  local paused = ground.until_state(target, p.source, "paused")
  lu.assertEquals(paused.tasks[1].state, "paused")
  ground.append(p.from, "two\n")
  -- A second way from the file to a file, begun after the pause: when the text has passed there, it
  -- would have passed here too.
  local other = ground.name "other"
  local topic, path = ground.name "topic", ground.path "other"
  target:create(other, ground.source(topic, p.from))
  target:create(other .. "-sink", ground.sink(topic, path))
  ground.until_file_is(path, "one\ntwo\n")
  lu.assertEquals(support.read(p.to), "one\n")
  target:resume(p.source)
  ground.until_file_is(p.to, "one\ntwo\n")
  ground.until_runs(target, p.source, 1)
end

function TestLife:test_stopped_it_has_no_tasks()
  local target = self.target
  local p = pipeline(target, "one\n")
  ground.until_runs(target, p.sink, 1)
  target:stop(p.sink)
  local stopped = ground.until_state(target, p.sink, "stopped")
  lu.assertEquals(#stopped.tasks, 0)
  lu.assertEquals(#target:tasks(p.sink), 0)
  target:resume(p.sink)
  ground.until_runs(target, p.sink, 1)
  lu.assertEquals(#target:tasks(p.sink), 1)
end

function TestLife:test_create_stopped_and_paused()
  local stopped, paused = ground.name "stopped", ground.name "paused"
  self.target:create(stopped, ground.sink("state", ground.path "state"), { state = "stopped" })
  self.target:create(paused, ground.sink("state", ground.path "state"), { state = "paused" })
  lu.assertEquals(ground.until_state(self.target, stopped, "stopped").tasks, {})
  ground.until_state(self.target, paused, "paused")
end

-- A sink whose folder is missing fails at its start, and runs once the folder is there.
local function broken_sink(target)
  local name = ground.name "broken"
  local folder = ground.path "folder"
  target:create(name, ground.sink("broken", folder .. "/file"))
  local failed = ground.until_true(function()
    local c = target:find(name)
    return c and c.tasks[1] and c.tasks[1].state == "failed" and c
  end, name .. " fails")
  return name, folder, failed
end

function TestLife:test_a_failing_connector_shows_its_trace()
  local name, folder, failed = broken_sink(self.target)
  lu.assertStrContains(failed.error, "Couldn't find or create file '" .. folder)
  lu.assertStrContains(failed.tasks[1].error, "NoSuchFileException")
  local problem = support.raises("conflict", self.target.wait, self.target, name,
    { grace = 0, timeout = ground.patience })
  lu.assertStrContains(problem.message, folder)
end

function TestLife:test_restart_of_one_task()
  local name, folder = broken_sink(self.target)
  support.make_folder(folder)
  self.target:restart(name, { tasks = 0 })
  ground.until_runs(self.target, name, 1)
  local problem = support.raises("not_found", self.target.restart, self.target, name, { tasks = 7 })
  lu.assertStrContains(problem.message, name .. "-7")
end

for _, tasks in ipairs { "failed", "all" } do
  TestLife["test_restart_with_tasks_" .. tasks] = function(self)
    local name, folder = broken_sink(self.target)
    support.make_folder(folder)
    self.target:restart(name, { tasks = tasks })
    ground.until_runs(self.target, name, 1)
  end
end

-- Restarting the connector alone leaves its failed task as it is.
function TestLife:test_restart_without_tasks()
  local name, folder = broken_sink(self.target)
  support.make_folder(folder)
  self.target:restart(name, { tasks = "none" })
  lu.assertEquals(self.target:get(name).tasks[1].state, "failed")
  self.target:restart(name, { tasks = 0 })
  ground.until_runs(self.target, name, 1)
end

function TestLife:test_plugins()
  local classes = {}
  for _, plugin in ipairs(self.target:plugins()) do classes[plugin.class] = plugin.type end
  lu.assertEquals(classes[ground.sink_class], "sink")
  lu.assertEquals(classes[ground.source_class], "source")
  lu.assertEquals(classes[ground.heartbeat_class], "source")
end

function TestLife:test_heartbeats_beat()
  local target, name = self.target, ground.name "heartbeat"
  local path = ground.path "heartbeat"
  target:create(name, ground.heartbeat())
  ground.until_runs(target, name, 1)
  target:create(ground.name "beats", ground.sink("heartbeats", path))
  ground.until_true(function()
    local ok, text = pcall(support.read, path)
    return ok and #text > 0
  end, "a heartbeat arrives")
  lu.assertEquals(target:get(name).class, ground.heartbeat_class)
end

-- ---- offsets ----

TestOffsets = { setUp = TestLife.setUp, tearDown = TestLife.tearDown }

local function until_offset(target, name, offset)
  return ground.until_true(function()
    local list = target:offsets(name)
    local first = list[1]
    return first and (first.offset.position or first.offset.kafka_offset) == offset and first
  end, ("the offset of %s is %d"):format(name, offset))
end

function TestOffsets:test_of_a_source_are_read_altered_and_reset()
  local target = self.target
  local p = pipeline(target, "a\nb\nc\n")
  ground.until_file_is(p.to, "a\nb\nc\n")
  local seen = until_offset(target, p.source, 6)
  lu.assertEquals(seen.partition, { filename = p.from })
  lu.assertEquals(math.type(seen.offset.position), "integer")

  target:stop(p.source)
  ground.until_state(target, p.source, "stopped")
  target:alter_offsets(p.source,
    { { partition = { filename = p.from }, offset = { position = 2 } } })
  lu.assertEquals(target:offsets(p.source)[1].offset.position, 2)
  target:resume(p.source)
  ground.until_file_is(p.to, "a\nb\nc\nb\nc\n")

  target:stop(p.source)
  ground.until_state(target, p.source, "stopped")
  target:reset_offsets(p.source)
  lu.assertEquals(#target:offsets(p.source), 0)
  target:resume(p.source)
  ground.until_file_is(p.to, "a\nb\nc\nb\nc\na\nb\nc\n")
end

function TestOffsets:test_of_a_sink_are_read_altered_and_reset()
  local target = self.target
  local p = pipeline(target, "a\nb\nc\n")
  ground.until_file_is(p.to, "a\nb\nc\n")
  local seen = until_offset(target, p.sink, 3)
  lu.assertEquals(seen.partition, { kafka_topic = p.topic, kafka_partition = 0 })

  target:stop(p.sink)
  ground.until_state(target, p.sink, "stopped")
  target:alter_offsets(p.sink, { { partition = seen.partition, offset = { kafka_offset = 1 } } })
  target:resume(p.sink)
  ground.until_file_is(p.to, "a\nb\nc\nb\nc\n")

  target:stop(p.sink)
  ground.until_state(target, p.sink, "stopped")
  target:reset_offsets(p.sink)
  target:resume(p.sink)
  ground.until_file_is(p.to, "a\nb\nc\nb\nc\na\nb\nc\n")
end

function TestOffsets:test_are_only_altered_when_it_is_stopped()
  local target = self.target
  local p = pipeline(target, "a\n")
  until_offset(target, p.source, 2)
  local before = target:offsets(p.source)
  for _, verb in ipairs { "alter_offsets", "reset_offsets" } do
    local problem = support.raises("conflict", target[verb], target, p.source,
      verb == "alter_offsets" and before or nil)
    lu.assertStrContains(problem.message:lower(), "stop")
  end
  lu.assertEquals(target:offsets(p.source), before)
end

function TestOffsets:test_create_with_offsets_begins_there()
  local target, from, to = self.target, ground.path "from", ground.path "to"
  local topic, name = ground.name "topic", ground.name "late"
  ground.append(from, "a\nb\nc\n")
  target:create(name, ground.source(topic, from),
    { offsets = { { partition = { filename = from }, offset = { position = 4 } } } })
  target:create(ground.name "sink", ground.sink(topic, to))
  ground.until_file_is(to, "c\n")
end

-- ---- before and beside ----

TestAnswers = { setUp = TestLife.setUp, tearDown = TestLife.tearDown }

function TestAnswers:test_validate_says_what_is_wrong_by_key()
  local result = self.target:validate(ground.sink("valid", ground.path "valid", { name = "valid" }))
  lu.assertTrue(result.ok)
  result = self.target:validate { ["connector.class"] = ground.sink_class, ["tasks.max"] = "many",
                                  name = "invalid" }
  lu.assertFalse(result.ok)
  lu.assertStrContains(result.errors["tasks.max"][1], "Not a number of type INT")
  lu.assertStrContains(result.errors.topics[1], "topics or topics.regex")
  lu.assertNil(result.errors.file)
  lu.assertEquals(#self.target:list(), 0)
end

function TestAnswers:test_a_class_that_is_not_there()
  local config = ground.sink("absent", ground.path "absent")
  config["connector.class"] = "com.example.Absent"
  local problem = support.raises("invalid", self.target.create, self.target, "absent", config)
  lu.assertStrContains(problem.message, "com.example.Absent")
  lu.assertNil(self.target:find "absent")
end

function TestAnswers:test_a_second_of_that_name_is_refused()
  ground.check_create_does_not_overwrite(self.target)
end

function TestAnswers:test_what_is_not_there_is_not_found()
  local target = self.target
  for _, verb in ipairs { "get", "pause", "resume", "stop", "restart", "delete", "tasks",
                          "offsets", "reset_offsets" } do
    support.raises("not_found", target[verb], target, "absent")
  end
  support.raises("not_found", target.update, target, "absent", { file = "x" })
  support.raises("not_found", target.alter_offsets, target, "absent",
    { { partition = { filename = "x" }, offset = { position = 1 } } })
  lu.assertNil(target:find "absent")
end

-- What a worker's server can be asked for; it takes more in a create than in a path.
function TestAnswers:test_names()
  local report = kelp.each({ "with space", "dot.dot..", "größe-日本", "a+b&c=d?e#f", "semi;colon",
                             "quote'\"", "angle<>[]|^`", "at@co:lon,comma!$*()~" }, function(what)
    local name = ground.name(what)
    self.target:create(name, ground.sink("names", ground.path "names"))
    lu.assertEquals(ground.until_runs(self.target, name, 1).name, name)
    self.target:pause(name)
    lu.assertEquals(ground.until_state(self.target, name, "paused").name, name)
    self.target:delete(name)
    lu.assertNil(self.target:find(name))
  end, { progress = false })
  lu.assertEquals(report.done, 8, tostring(report))
end

-- A worker makes this one and then stumbles over its name: a 500 after the write. kelp looks, and
-- finds it.
function TestAnswers:test_a_failure_after_the_connector_was_made()
  local name = ground.name "{braces}"
  local made = self.target:create(name, ground.sink("names", ground.path "names"))
  lu.assertEquals(made.name, name)
  self.target:delete(name)
end

function TestAnswers:test_a_name_that_the_server_refuses_is_told_as_such()
  for _, name in ipairs { "100%", "slash/es", "back\\slash" } do
    local problem = support.raises("invalid", self.target.get, self.target, name)
    lu.assertEquals(problem.status, 400)
  end
end

function TestAnswers:test_another_worker_is_asked_when_one_is_down()
  local name = ground.name "second"
  local target = ground.connect { url = { ground.dead_url, ground.workers[1] } }
  target:create(name, ground.sink("second", ground.path "second"))
  lu.assertEquals(ground.until_runs(target, name, 1).name, name)
  target:delete(name)
  lu.assertNil(target:find(name))
end
