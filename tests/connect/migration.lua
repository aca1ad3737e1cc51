-- Connectors that were saved from Upstash go to a real worker: what it has no plugin for is told
-- before anything is created. Run by run.lua.
local kelp = require "kelp"
local ground = require "ground"
local lu = require "luaunit"
local saved = require "kelp.saved"
local support = require "support"

TestMigration = {}

function TestMigration:setUp()
  self.target = ground.connect()
end

function TestMigration:tearDown()
  ground.clear(self.target)
end

-- What a migration script does: judge all, and create only when the worker would take them all.
-- Returns the refusals (name -> validation) and the names of the created.
local function migrate(path, target)
  local refused, created = {}, {}
  local records = saved.read(path)
  for _, record in ipairs(records) do
    local result = target:validate(record.config, { name = record.name })
    if not result.ok then refused[record.name] = result end
  end
  if next(refused) then return refused, created end
  for _, record in ipairs(records) do
    local state = record.state == "paused" and "paused" or nil
    target:create(record.name, record.config, { state = state })
    created[#created + 1] = record.name
  end
  return refused, created
end

function TestMigration:test_of_connectors_whose_plugins_are_missing()
  local refused, created = migrate(support.root .. "/tests/fixtures/upstash-connectors.json",
    self.target)
  lu.assertEquals(created, {})
  local count = 0
  for _, record in ipairs(saved.read(support.root .. "/tests/fixtures/upstash-connectors.json")) do
    count = count + 1
    lu.assertEquals(refused[record.name].errors["connector.class"],
      { ("there is no plugin '%s' there"):format(record.class) })
  end
  lu.assertTrue(count > 3)
  lu.assertEquals(#self.target:list(), 0)
end

-- The same file in which the classes are some that the worker has.
local function adapted(entries)
  local list = kelp.json.array {}
  for i, entry in ipairs(entries) do
    list[i] = { name = entry.name, connector_id = ("00000000-0000-4000-8000-%012d"):format(i),
                connector_class = entry.config["connector.class"], state = entry.state,
                tasks = kelp.json.array {}, topics = kelp.json.array {}, properties = entry.config }
  end
  return support.write(support.path "saved.json", kelp.json.encode(list))
end

function TestMigration:test_of_connectors_that_it_can_run()
  local from, to = ground.path "from", ground.path "to"
  ground.append(from, "moved\n")
  local path = adapted {
    { name = "reader", state = "running", config = { ["connector.class"] = ground.source_class,
      topic = "moved", file = from, ["tasks.max"] = "1" } },
    { name = "writer", state = "running", config = { ["connector.class"] = ground.sink_class,
      topics = "moved", file = to, ["tasks.max"] = "1" } },
    { name = "resting", state = "paused", config = { ["connector.class"] = ground.sink_class,
      topics = "moved", file = to .. "-2", ["tasks.max"] = "1" } },
  }
  local refused, created = migrate(path, self.target)
  lu.assertEquals(refused, {})
  lu.assertEquals(created, { "reader", "resting", "writer" })
  ground.until_file_is(to, "moved\n")
  ground.until_runs(self.target, "writer", 1)
  ground.until_state(self.target, "resting", "paused")
end

function TestMigration:test_of_one_that_is_invalid_creates_none()
  local path = adapted {
    { name = "good", state = "running", config = { ["connector.class"] = ground.sink_class,
      topics = "moved", file = ground.path "to" } },
    { name = "bad", state = "running", config = { ["connector.class"] = ground.sink_class } },
  }
  local refused, created = migrate(path, self.target)
  lu.assertEquals(created, {})
  lu.assertNil(refused.good)
  lu.assertStrContains(tostring(refused.bad), "topics or topics.regex")
  lu.assertEquals(#self.target:list(), 0)
end

-- The command does the same: it asks the worker about each config before it creates the first.
function TestMigration:test_the_command()
  local list = adapted {
    { name = "migrated", state = "running", config = { name = "migrated", topics = "a",
      ["connector.class"] = "FileStreamSink", file = support.path "migrated" } },
    { name = "nobodys", state = "running", config = { name = "nobodys", topics = "a",
      ["connector.class"] = "com.example.NobodyHasIt" } },
  }
  local result = support.kelp({ "--no-journal", "migrate", "--from", list, "--to", "connect",
    "--wait" }, { env = { KAFKA_CONNECT_URL = self.target.base_url } })
  lu.assertEquals(result.code, 1, result.err)
  lu.assertStrContains(result.out, "running   migrated")
  lu.assertStrContains(result.out, "there is no plugin 'com.example.NobodyHasIt' there")
  lu.assertEquals(self.target:get("migrated").state, "running")
  lu.assertNil(self.target:find("nobodys"))
end
