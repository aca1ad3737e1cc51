-- What users of kcctl do day by day, and its own integration tests cover, with kelp on a real
-- worker. Run by run.lua.
local kelp = require "kelp"
local ground = require "ground"
local lu = require "luaunit"
local support = require "support"

TestScenarios = {}

function TestScenarios:setUp()
  self.target = ground.connect()
end

function TestScenarios:tearDown()
  ground.clear(self.target)
end

-- Three sinks of which two have names that a pattern finds.
local function three(target)
  local names = { "match-1", "match-2", "other" }
  for _, name in ipairs(names) do
    target:create(name, ground.sink("three", ground.path "three"))
  end
  for _, name in ipairs(names) do ground.until_runs(target, name, 1) end
  return names
end

local function states(target)
  local result = {}
  for _, c in ipairs(target:list()) do result[c.name] = c.state end
  return result
end

-- kcctl apply: what a file says is made so, whether it is there or not; here from a JSON file with
-- several connectors in it.
local function apply(target, path)
  local done = {}
  for _, wanted in ipairs(kelp.json.decode(support.read(path))) do
    local there = target:find(wanted.name)
    target:put(wanted.name, wanted.config)
    done[#done + 1] = (there and "updated " or "created ") .. wanted.name
  end
  return done
end

function TestScenarios:test_apply_creates_and_then_updates()
  local first, second = ground.name "apply", ground.name "apply"
  local to = ground.path "apply"
  local path = support.write(support.path "connectors.json", kelp.json.encode {
    { name = first, config = ground.sink("apply", to) },
    { name = second, config = ground.source("apply", to) } })
  lu.assertEquals(apply(self.target, path), { "created " .. first, "created " .. second })
  ground.until_runs(self.target, first, 1)
  ground.until_runs(self.target, second, 1)
  support.write(path, kelp.json.encode {
    { name = first, config = ground.sink("apply", to, { ["errors.tolerance"] = "all" }) } })
  lu.assertEquals(apply(self.target, path), { "updated " .. first })
  lu.assertEquals(ground.until_runs(self.target, first, 1).config["errors.tolerance"], "all")
  lu.assertEquals(#self.target:list(), 2)
end

-- kcctl apply --dry-run: what is wrong is told, and nothing is made.
function TestScenarios:test_apply_without_doing_it()
  local result = self.target:validate { ["connector.class"] = ground.sink_class, name = "dry",
                                        topics = "dry", ["errors.tolerance"] = "some" }
  lu.assertFalse(result.ok)
  lu.assertStrContains(tostring(result), "errors.tolerance: Invalid value some")
  support.raises("invalid", result.assert, result)
  lu.assertEquals(#self.target:list(), 0)
end

-- The same as a plan: reads are real, and nothing is sent.
function TestScenarios:test_a_plan_sends_nothing()
  local name = ground.name "plan"
  self.target:create(name, ground.sink("plan", ground.path "plan"))
  ground.until_runs(self.target, name, 1)
  local script = support.write(support.path "plan.lua", ([[
    local target = require("kelp").connect { url = %q }
    target:update(%q, { ["errors.tolerance"] = "all" })
    target:delete(%q)
  ]]):format(ground.workers[1], name, name))
  local run = support.kelp { "--plan", script }
  lu.assertEquals(run.code, 3, run.err)
  lu.assertStrContains(run.out .. run.err, "errors.tolerance")
  lu.assertNil(self.target:get(name).config["errors.tolerance"])
end

function TestScenarios:test_patch_sets_and_removes_several_keys()
  local name = ground.name "patch"
  self.target:create(name, ground.sink("patch", ground.path "patch",
    { ["errors.log.enable"] = true, ["errors.retry.timeout"] = 10 }))
  self.target:update(name, { ["tasks.max"] = 2, ["errors.tolerance"] = "all",
    ["errors.log.enable"] = kelp.null, ["errors.retry.timeout"] = kelp.null })
  local config = self.target:get(name).config
  lu.assertEquals(config["tasks.max"], "2")
  lu.assertEquals(config["errors.tolerance"], "all")
  lu.assertNil(config["errors.log.enable"])
  lu.assertNil(config["errors.retry.timeout"])
  lu.assertEquals(config.topics, "patch")
  ground.until_runs(self.target, name, 2)
end

-- A worker takes another name in a patch and keeps it in the config of the old one.
function TestScenarios:test_patch_cannot_rename()
  local name = ground.name "patch"
  self.target:create(name, ground.sink("patch", ground.path "patch"))
  support.raises("invalid", self.target.update, self.target, name, { name = "another" })
  lu.assertEquals(self.target:get(name).config.name, name)
end

function TestScenarios:test_a_patch_that_would_be_invalid_changes_nothing()
  local name = ground.name "patch"
  self.target:create(name, ground.sink("patch", ground.path "patch"))
  local problem = support.raises("invalid", self.target.update, self.target, name,
    { topics = kelp.null })
  lu.assertStrContains(problem.message, "topics or topics.regex")
  lu.assertEquals(self.target:get(name).config.topics, "patch")
end

function TestScenarios:test_pause_and_resume_by_a_pattern_of_names()
  local target = self.target
  three(target)
  for _, c in ipairs(target:list { name = "match-*" }) do c:pause() end
  ground.until_state(target, "match-1", "paused")
  ground.until_state(target, "match-2", "paused")
  lu.assertEquals(states(target),
    { ["match-1"] = "paused", ["match-2"] = "paused", other = "running" })
  for _, c in ipairs(target:list { name = "match-*", state = "paused" }) do c:resume() end
  ground.until_runs(target, "match-1", 1)
  ground.until_runs(target, "match-2", 1)
end

function TestScenarios:test_stop_by_a_pattern_of_names()
  local target = self.target
  three(target)
  local report = kelp.each(target:list { name = "*-[0-9]" }, function(c)
    c:stop()
    c:wait { state = "stopped", timeout = ground.patience, poll = 0.05 }
  end, { progress = false })
  lu.assertEquals(report.done, 2)
  lu.assertEquals(states(target),
    { ["match-1"] = "stopped", ["match-2"] = "stopped", other = "running" })
end

function TestScenarios:test_restart_several_with_their_tasks()
  local target = self.target
  local folder = ground.path "folder"
  for i = 1, 2 do
    target:create("failing-" .. i, ground.sink("failing", ("%s/%d"):format(folder, i)))
  end
  target:create("well", ground.sink("failing", ground.path "well"))
  ground.until_true(function()
    return #target:list(function(c)
      return c.tasks[1] ~= nil and c.tasks[1].state == "failed"
    end) == 2
  end, "two fail")
  ground.until_runs(target, "well", 1)
  support.make_folder(folder)
  for _, c in ipairs(target:list { name = "failing*" }) do c:restart { tasks = "failed" } end
  for _, name in ipairs { "failing-1", "failing-2", "well" } do
    ground.until_runs(target, name, 1)
  end
end

function TestScenarios:test_delete_several()
  local target = self.target
  three(target)
  for _, c in ipairs(target:list { name = "match*" }) do c:delete() end
  lu.assertEquals(states(target), { other = "running" })
end

function TestScenarios:test_describe_shows_config_tasks_and_topics()
  local name, path = ground.name "describe", ground.path "describe"
  self.target:create(name, ground.sink("describe", path))
  local c = ground.until_runs(self.target, name, 1)
  lu.assertEquals(c.config.file, path)
  local tasks = self.target:tasks(name)
  lu.assertEquals(tasks[1].id, 0)
  lu.assertEquals(tasks[1].state, "running")
  lu.assertEquals(tasks[1].config["task.class"], "org.apache.kafka.connect.file.FileStreamSinkTask")
  lu.assertStrContains(ground.workers[1], tasks[1].worker, true)
end

function TestScenarios:test_plugins_by_type()
  local sinks = {}
  for _, plugin in ipairs(self.target:plugins()) do
    lu.assertStrMatches(plugin.version, "%d+%.%d+%.%d+.*")
    if plugin.type == "sink" then sinks[#sinks + 1] = plugin.class end
  end
  lu.assertEquals(sinks, { ground.sink_class })
end
