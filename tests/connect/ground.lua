-- What the suites here stand on: the targets that run.sh brought up, connectors that are gone again
-- after each test, and waits for what is seen in files.
local kelp = require "kelp"
local lu = require "luaunit"
local raw = require "kelp.raw"
local support = require "support"

local ground = {}

local function given(name)
  return assert(os.getenv(name), name .. " is not set: run.sh sets it")
end

ground.sink_class = "org.apache.kafka.connect.file.FileStreamSinkConnector"
ground.source_class = "org.apache.kafka.connect.file.FileStreamSourceConnector"
ground.heartbeat_class = "org.apache.kafka.connect.mirror.MirrorHeartbeatConnector"
-- How long anything here may take before it counts as not happening.
ground.patience = 60

ground.folder = given "CONNECT_FOLDER"
ground.workers = {}
for url in given("CONNECT_WORKERS"):gmatch "%S+" do table.insert(ground.workers, url) end

local function with(options, changes)
  for key, value in pairs(changes or {}) do options[key] = value end
  return options
end

-- The gateway that looks like Confluent Cloud; which = "good", "wrong_host" or "expired".
function ground.gateway(which, changes)
  return kelp.confluent(with({
    base_url = "https://localhost:" .. given("GATEWAY_" .. which:upper()),
    environment = "env-real", cluster = "lkc-real", ca_file = ground.folder .. "/ca.pem",
    api_key = given "GATEWAY_USER", api_secret = given "GATEWAY_PASSWORD", visibility_delay = 0.2,
  }, changes))
end

-- The worker itself.
function ground.connect(changes)
  return kelp.connect(with({ url = ground.workers[1], visibility_delay = 0.2 }, changes))
end

-- Where nobody listens: the kernel's port of a server that has ended.
ground.dead_url = given "CONNECT_DEAD"

-- The lines of the gateway's log, a request each: "port protocol user status method uri". What was
-- answered may not be in it yet, so a request of our own is waited for; such are left out.
local marks = 0
function ground.arrivals()
  marks = marks + 1
  local mark = ("mark-%d-%d"):format(os.time(), marks)
  ground.gateway("good"):find(mark)
  local lines
  ground.until_true(function()
    lines = {}
    local seen = false
    for line in support.read(ground.folder .. "/arrivals"):gmatch "[^\n]+" do
      if line:find("/mark-", 1, true) then
        seen = seen or line:find(mark, 1, true) ~= nil
      else
        table.insert(lines, line)
      end
    end
    return seen
  end, "the gateway's log shows the mark")
  return lines
end

-- Calls see until it returns something true, and returns that.
function ground.until_true(see, what)
  local stop = raw.now() + ground.patience
  while true do
    local seen = see()
    if seen then return seen end
    if raw.now() > stop then
      error(("not within %d s: %s"):format(ground.patience, what), 2)
    end
    kelp.sleep(0.05)
  end
end

local names = 0
-- A name that no test had before; the consumer group and the offsets of a sink hang on it.
function ground.name(what)
  names = names + 1
  return ("%s-%d"):format(what, names)
end

function ground.path(what)
  return ("%s/files/%s"):format(ground.folder, ground.name(what))
end

function ground.sink(topic, path, changes)
  return with({ ["connector.class"] = ground.sink_class, topics = topic, file = path,
                ["tasks.max"] = 1 }, changes)
end

function ground.source(topic, path, changes)
  return with({ ["connector.class"] = ground.source_class, topic = topic, file = path,
                ["tasks.max"] = 1 }, changes)
end

function ground.heartbeat(changes)
  return with({ ["connector.class"] = ground.heartbeat_class, ["tasks.max"] = 1,
    ["source.cluster.alias"] = "here", ["target.cluster.alias"] = "there",
    ["source.cluster.bootstrap.servers"] = given "CONNECT_BROKER",
    ["target.cluster.bootstrap.servers"] = given "CONNECT_BROKER",
    ["heartbeats.topic.replication.factor"] = 1, ["emit.heartbeats.interval.seconds"] = 1,
  }, changes)
end

function ground.append(path, text)
  local file = assert(io.open(path, "ab"))
  assert(file:write(text))
  assert(file:close())
end

local function content(path)
  local file = io.open(path, "rb")
  if not file then return "" end
  local text = file:read "a"
  file:close()
  return text
end

-- Waits until the file holds exactly this text. Others see a partial line at most.
function ground.until_file_is(path, text)
  local stop = raw.now() + ground.patience
  while true do
    local now = content(path)
    if now == text then return end
    if raw.now() > stop or #now > #text then lu.assertEquals(now, text) end
    kelp.sleep(0.05)
  end
end

function ground.wait(target, name, state)
  return target:wait(name, { state = state, timeout = ground.patience, poll = 0.05, grace = 5 })
end

function ground.until_state(target, name, state)
  return ground.until_true(function()
    local c = target:find(name)
    if not c or c.state ~= state then return false end
    for _, task in ipairs(c.tasks) do
      if task.state ~= state then return false end
    end
    return c
  end, ("%s is %s"):format(name, state))
end

-- Waits until it runs with this many tasks: a worker calls a connector running before they are.
function ground.until_runs(target, name, tasks)
  return ground.until_true(function()
    local c = target:find(name)
    if not c or c.state ~= "running" or #c.tasks ~= tasks then return false end
    for _, task in ipairs(c.tasks) do
      if task.state ~= "running" then return false end
    end
    return c
  end, name .. " runs")
end

-- Deletes all connectors. A worker that is still busy with another change refuses for a moment.
function ground.clear(target)
  ground.until_true(function()
    local list = target:list()
    for _, c in ipairs(list) do
      local ok, problem = pcall(target.delete, target, c)
      if not ok and not kelp.is_error(problem, "conflict")
        and not kelp.is_error(problem, "not_found") then
        error(problem, 0)
      end
    end
    return #list == 0
  end, "no connector is left")
end

-- A second connector of a name is refused, and the first stays as it was.
function ground.check_create_does_not_overwrite(target)
  local name = ground.name "twice"
  target:create(name, ground.sink("twice", ground.path "first"))
  local problem = support.raises("exists", target.create, target, name,
    ground.sink("twice", ground.path "second"))
  lu.assertEquals(problem.status, 409)
  lu.assertStrContains(target:get(name).config.file, "first")
end

return ground
