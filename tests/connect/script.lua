-- One life of connectors as a script that tells all that kelp showed of it, so that two places can
-- be compared. What every place chooses for itself (times, workers, versions) is left out.
local kelp = require "kelp"
local ground = require "ground"

local function shown_tasks(tasks)
  local list = {}
  for _, task in ipairs(tasks or {}) do list[#list + 1] = { id = task.id, state = task.state } end
  return list
end

local function shown(c)
  if type(c) ~= "table" then return c end
  return { name = c.name, class = c.class, type = c.type, config = c.config }
end

local function shown_state(c)
  local result = shown(c)
  result.state, result.tasks, result.fails = c.state, shown_tasks(c.tasks), c.error ~= nil
  return result
end

-- Of an error what a script decides on, and the provider's words.
local function shown_error(problem)
  if not kelp.is_error(problem) then return { lua_error = tostring(problem) } end
  return { kind = problem.kind, status = problem.status, code = problem.code,
           message = problem.message, sent = problem.sent, connector = problem.connector }
end

-- script(target, path): runs it there; path is a folder for the connectors' files. Returns an array
-- of { what was done, what it gave }.
return function(target, path)
  local told = {}
  local function note(what, value) told[#told + 1] = { what, value } end
  local function try(what, verb, ...)
    local ok, value = pcall(target[verb], target, ...)
    if not ok then
      note(what, shown_error(value))
    elseif kelp.is_connector(value) then
      note(what, shown(value))
    else
      note(what, value)
    end
    return ok and value
  end
  -- States that are on the way are not the same twice, so each is waited for.
  local function until_state(name, state, tasks)
    local seen = ground.until_true(function()
      local c = target:find(name)
      if not c or c.state ~= state or #c.tasks ~= tasks then return false end
      for _, task in ipairs(c.tasks) do
        if task.state ~= state and task.state ~= "failed" then return false end
      end
      return c
    end, name .. " is " .. state)
    note(name .. " is " .. state, shown_state(seen))
  end

  local sink = ground.sink("compared", path .. "/compared")
  local source = ground.source("compared", path .. "/source")

  note("what it can", target.can)
  try("get of nothing", "get", "nothing")
  try("delete of nothing", "delete", "nothing")
  try("pause of nothing", "pause", "nothing")
  try("resume of nothing", "resume", "nothing")
  try("stop of nothing", "stop", "nothing")
  try("restart of nothing", "restart", "nothing")
  try("restart of nothing's task", "restart", "nothing", { tasks = 0 })
  try("restart of all of nothing", "restart", "nothing", { tasks = "all" })
  try("tasks of nothing", "tasks", "nothing")
  try("offsets of nothing", "offsets", "nothing")
  try("reset of nothing", "reset_offsets", "nothing")
  try("alter of nothing", "alter_offsets", "nothing",
    { { partition = { filename = "f" }, offset = { position = 1 } } })
  try("update of nothing", "update", "nothing", { file = "f" })

  try("create", "create", "sink", sink)
  until_state("sink", "running", 1)
  try("create again", "create", "sink", sink)
  try("create of a source", "create", "source", source)
  until_state("source", "running", 1)
  local names = {}
  for _, c in ipairs(target:list()) do names[#names + 1] = shown_state(c) end
  note("list", names)
  try("create without a class", "create", "classless", { topics = "compared" })
  try("create with a bad value", "create", "bad",
    ground.sink("compared", path, { ["tasks.max"] = "many" }))
  try("create without topics", "create", "bad", { ["connector.class"] = ground.sink_class })
  try("create with a bad enumeration", "create", "bad",
    ground.sink("compared", path, { ["errors.tolerance"] = "some" }))
  try("create without what is required", "create", "bad",
    { ["connector.class"] = ground.heartbeat_class })

  try("update", "update", "sink", { ["errors.tolerance"] = "all" })
  try("update that removes", "update", "sink", { ["errors.tolerance"] = kelp.null })
  try("update that is invalid", "update", "sink", { topics = kelp.null })
  try("put", "put", "sink", ground.sink("compared", path .. "/compared", { ["tasks.max"] = 2 }))
  until_state("sink", "running", 2)
  try("put of a new one", "put", "new", sink)
  until_state("new", "running", 1)
  try("put that is invalid", "put", "new", { ["connector.class"] = ground.sink_class })
  local tasks = target:tasks "new"
  note("tasks", { shown_tasks(tasks), tasks[1].config })

  try("pause", "pause", "sink")
  until_state("sink", "paused", 2)
  try("pause again", "pause", "sink")
  try("restart of a paused one", "restart", "sink")
  until_state("sink", "paused", 2)
  try("resume", "resume", "sink")
  until_state("sink", "running", 2)
  try("alter of a running one", "alter_offsets", "source",
    { { partition = { filename = path .. "/source" }, offset = { position = 1 } } })
  try("reset of a running one", "reset_offsets", "source")
  try("stop", "stop", "source")
  until_state("source", "stopped", 0)
  note("tasks of a stopped one", shown_tasks(target:tasks "source"))
  try("alter", "alter_offsets", "source",
    { { partition = { filename = path .. "/source" }, offset = { position = 7 } } })
  try("offsets", "offsets", "source")
  try("reset", "reset_offsets", "source")
  try("offsets after that", "offsets", "source")
  try("restart of a stopped one", "restart", "source")
  try("resume of a stopped one", "resume", "source")
  until_state("source", "running", 1)
  try("restart", "restart", "source")
  until_state("source", "running", 1)
  try("restart of all", "restart", "source", { tasks = "all" })
  until_state("source", "running", 1)
  try("restart of the failed", "restart", "source", { tasks = "failed" })
  until_state("source", "running", 1)
  try("restart of a task", "restart", "source", { tasks = 0 })
  until_state("source", "running", 1)
  try("restart of a task that is not there", "restart", "source", { tasks = 7 })

  try("create stopped", "create", "stopped", sink, { state = "stopped" })
  until_state("stopped", "stopped", 0)
  try("create paused", "create", "paused", sink, { state = "paused" })
  until_state("paused", "paused", 0) -- they are made when it first runs

  note("plugins", (function()
    local list = {}
    for _, plugin in ipairs(target:plugins()) do
      -- The simulator has more than a bare worker.
      if plugin.class == ground.sink_class or plugin.class == ground.source_class
        or plugin.class == ground.heartbeat_class then
        list[#list + 1] = { plugin.class, plugin.type }
      end
    end
    return list
  end)())
  for _, config in ipairs { sink, ground.sink("compared", path, { ["tasks.max"] = "many" }),
                            { ["connector.class"] = ground.sink_class },
                            { ["connector.class"] = "com.example.Absent", topics = "t" } } do
    local result = target:validate(config)
    note("validate", { result.ok, result.errors })
  end

  try("delete", "delete", "sink")
  try("delete of a stopped one", "delete", "stopped")
  for _, name in ipairs { "source", "new", "paused" } do try("delete", "delete", name) end
  note("list at the end", #target:list())
  return told
end
