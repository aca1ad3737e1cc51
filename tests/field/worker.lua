-- worker: a small Kafka Connect worker (or Confluent Cloud's dialect of it) for scripts of server.c,
-- as a closure: worker(options) returns handle(request) and its state. It is not the simulator's
-- model: a row must not depend on what the program believes about the server.
--
-- options: version ("4.1.0"); confluent (true: paths below /connect/v1/environments/E/clusters/C,
-- expand takes "id", secrets are masked); masked (keys); connectors: name -> { config, state,
-- trace, type, tasks = { "RUNNING", … }, traces = { [n] = "…" }, offsets }.
local json = require "cjson"

local MASK = "****************"

local function reply(status, value)
  return { status = status, body = value == nil and "" or type(value) == "string" and value
    or json.encode(value) }
end

local function failure(status, message)
  return reply(status, { error_code = status, message = message })
end

local function older(version, than)
  local a, b = version:match "^(%d+)%.(%d+)"
  local c, d = than:match "^(%d+)%.(%d+)"
  a, b, c, d = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
  return a < c or a == c and b < d
end

local function list_of(array) return #array == 0 and json.empty_array or array end

local function shown_config(w, c)
  local config = {}
  for key, value in pairs(c.config) do config[key] = w.masked[key] and MASK or value end
  return config
end

local function info(w, c)
  local tasks = {}
  for i = 1, #c.tasks do tasks[i] = { connector = c.name, task = i - 1 } end
  return { name = c.name, config = shown_config(w, c), tasks = list_of(tasks), type = c.type }
end

local function status(w, c)
  local tasks = {}
  for i, state in ipairs(c.tasks) do
    local trace = c.traces[i] or state == "FAILED" and "org.example.SinkException: task broke" or nil
    tasks[i] = { id = i - 1, state = state, worker_id = "127.0.0.1:8083",
                 [w.confluent and "msg" or "trace"] = trace }
  end
  return { name = c.name, type = c.type, tasks = list_of(tasks),
           connector = { state = c.state, worker_id = "127.0.0.1:8083", trace = c.trace } }
end

-- ---- the endpoints: (w, request, connector, task) ----

local on = {}

on["GET "] = function(w)
  return reply(200, { version = w.version, commit = "0123456789abcdef",
                      kafka_cluster_id = "made-up-cluster" })
end

on["GET connectors"] = function(w, r)
  local names = {}
  for name in pairs(w.connectors) do names[#names + 1] = name end
  table.sort(names)
  if not r.query:find "expand" or older(w.version, "2.3") then return reply(200, list_of(names)) end
  local all, any = {}, false
  for _, name in ipairs(names) do
    local c = w.connectors[name]
    any = true
    all[name] = { info = info(w, c), status = status(w, c),
                  id = w.confluent and { id = "lcc-" .. name, id_type = "ID" } or nil }
  end
  return reply(200, any and all or "{}")
end

local function add(w, name, config)
  local c = { name = name, config = config, state = "RUNNING", type = "sink", tasks = { "RUNNING" },
              traces = {} }
  w.connectors[name] = c
  return c
end

on["POST connectors"] = function(w, r)
  local body = json.decode(r.body)
  if body.initial_state ~= nil and older(w.version, "3.7") then
    return failure(500, 'Unrecognized field "initial_state" (class org.apache.kafka.connect.runtime'
      .. '.rest.entities.CreateConnectorRequest), not marked as ignorable (2 known properties: '
      .. '"config", "name")')
  end
  if w.connectors[body.name] then
    return failure(409, "Connector " .. body.name .. " already exists")
  end
  return reply(201, info(w, add(w, body.name, body.config)))
end

on["GET connectors/NAME"] = function(w, _, c) return reply(200, info(w, c)) end
on["GET connectors/NAME/config"] = function(w, _, c) return reply(200, shown_config(w, c)) end
on["GET connectors/NAME/status"] = function(w, _, c) return reply(200, status(w, c)) end

on["GET connectors/NAME/tasks"] = function(w, _, c)
  local tasks = {}
  for i = 1, #c.tasks do
    tasks[i] = { id = { connector = c.name, task = i - 1 }, config = shown_config(w, c) }
  end
  return reply(200, list_of(tasks))
end

on["PUT connectors/NAME/config"] = function(w, r, c, name)
  local config = json.decode(r.body)
  if not c then return reply(201, info(w, add(w, name, config))) end
  for key, value in pairs(config) do
    if value == MASK and c.config[key] then config[key] = c.config[key] end
  end
  c.config = config
  return reply(200, info(w, c))
end

on["PATCH connectors/NAME/config"] = function(w, r, c)
  if w.confluent or older(w.version, "3.8") then
    return { status = 405, type = "text/html", body = "<html>HTTP ERROR 405</html>" }
  end
  for key, value in pairs(json.decode(r.body)) do
    c.config[key] = value ~= json.null and value or nil
  end
  return reply(200, info(w, c))
end

on["DELETE connectors/NAME"] = function(w, _, c)
  w.connectors[c.name] = nil
  return reply(w.confluent and 200 or 204, w.confluent and '{"error":null}' or nil)
end

local function set_state(state)
  return function(_, _, c)
    c.state = state
    return reply(202)
  end
end
on["PUT connectors/NAME/pause"] = set_state "PAUSED"
on["PUT connectors/NAME/resume"] = set_state "RUNNING"

on["POST connectors/NAME/restart"] = function(w, r, c)
  c.state, c.trace = "RUNNING", nil
  local with_tasks = w.confluent or r.query:find "includeTasks=true" and not older(w.version, "3.0")
  if with_tasks then
    for i, state in ipairs(c.tasks) do
      if state == "FAILED" or not r.query:find "onlyFailed=true" then c.tasks[i] = "RUNNING" end
    end
  end
  if with_tasks and not w.confluent then return reply(202, status(w, c)) end
  return reply(204)
end

on["POST connectors/NAME/tasks/N/restart"] = function(_, _, c, _, task)
  if not c.tasks[task + 1] then return failure(404, ("Unknown task: %s-%d"):format(c.name, task)) end
  c.tasks[task + 1] = "RUNNING"
  return reply(204)
end

-- Newer workers only.
local since = {}
since["PUT connectors/NAME/stop"] = "3.5"
on["PUT connectors/NAME/stop"] = function(_, _, c)
  c.state, c.tasks = "STOPPED", {}
  return reply(204)
end
since["GET connectors/NAME/offsets"] = "3.5"
on["GET connectors/NAME/offsets"] = function(_, _, c)
  return reply(200, { offsets = list_of(c.offsets or {}) })
end
since["PATCH connectors/NAME/offsets"] = "3.6"
on["PATCH connectors/NAME/offsets"] = function(_, r, c)
  if c.state ~= "STOPPED" then return failure(400, "Connectors must be in the STOPPED state") end
  c.offsets = json.decode(r.body).offsets
  return reply(200, { message = "The offsets for this connector have been altered successfully" })
end
since["DELETE connectors/NAME/offsets"] = "3.6"
on["DELETE connectors/NAME/offsets"] = function(_, _, c)
  if c.state ~= "STOPPED" then return failure(400, "Connectors must be in the STOPPED state") end
  c.offsets = {}
  return reply(200, { message = "The offsets for this connector have been reset successfully" })
end

local function unescaped(name)
  return (name:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

local function serve(w, r)
  local path = r.path:gsub("^/connect/v1/environments/[^/]+/clusters/[^/]+", "")
  path = path:gsub("^/", ""):gsub("/$", "")
  local name, rest = path:match "^connectors/([^/]+)(.*)$"
  local task = path:match "/tasks/(%d+)/"
  local key = r.method .. " " .. (name and "connectors/NAME" .. rest:gsub("/%d+/", "/N/") or path)
  local handler = on[key]
  if not handler or since[key] and older(w.version, since[key]) then
    return failure(404, "HTTP 404 Not Found")
  end
  name = name and unescaped(name)
  local c = name and w.connectors[name]
  if name and not c and key ~= "PUT connectors/NAME/config" then
    return failure(404, "Connector " .. name .. " not found")
  end
  return handler(w, r, c, name, tonumber(task))
end

return function(options)
  local w = { version = "4.1.0", connectors = {}, masked = {} }
  for key, value in pairs(options or {}) do w[key] = value end
  for _, key in ipairs(w.masked) do w.masked[key] = true end
  for name, c in pairs(w.connectors) do
    c.name, c.state, c.type = name, c.state or "RUNNING", c.type or "sink"
    c.tasks, c.traces = c.tasks or { "RUNNING" }, c.traces or {}
    c.config = c.config or {}
    c.config.name = name
    c.config["connector.class"] = c.config["connector.class"] or "org.example.SinkConnector"
  end
  return function(r) return serve(w, r) end, w
end
