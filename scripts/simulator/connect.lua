-- connect: the model of a distributed Kafka Connect worker, Apache Kafka 4.3: what it shares with
-- Confluent Cloud is connect_rest. Secrets are shown in clear, a new connector has no status until
-- it is assigned, tasks fail while their connector runs, and a stopped connector has none. In a
-- state, a CONNECTOR is as a Confluent one, without "id"; the one place is "local".

local connect_offsets = require "simulator.connect_offsets"
local lifecycle = require "simulator.lifecycle"
local plugins = require "simulator.connect_plugins"
local rest = require "simulator.connect_rest"
local text = require "simulator.text"

local concat, find, format = table.concat, string.find, string.format

local WORKER = "127.0.0.1:8083"

local speaker = {
  name = "connect",
  maps = true,
  expand = { info = true, status = true },
  deleted = { status = 204, body = "" },
}

function speaker.reply(_, status, body)
  return { status = status, headers = { ["Content-Type"] = "application/json" }, body = body }
end

-- `kind` is a status, or one of the kinds that connect_rest knows.
function speaker.fail(w, kind, message)
  if kind == "not_found" or kind == "not_found_action" then
    kind, message = 404, format("Connector %s not found", message)
  elseif kind == "no_status" then
    kind, message = 404, format("No status found for connector %s", message)
  elseif kind == "unknown_target" then
    kind, message = 404, format("Unknown connector %s", message)
  elseif kind == "unknown_restart" then
    kind, message = 404, format("Unknown connector: %s", message)
  end
  return speaker.reply(w, kind, format('{"error_code":%d,"message":%s}', kind,
    w.write.quote(message)))
end

-- A worker takes a body that it cannot read for its own fault.
function speaker.malformed(w)
  return speaker.fail(w, 500, "Unexpected end-of-input: expected close marker for Object")
end

function speaker.config_text(w, _, c)
  c.config_text = c.config_text or w.write.object(c.config)
  return c.config_text
end

function speaker.task_config_text(w, _, c)
  local config = { ["task.class"] = c.plugin.class:gsub("Connector$", "Task") }
  for key, value in pairs(c.config) do config[key] = value end
  return w.write.object(config)
end

function speaker.summary(w, _, c)
  c.summary = c.summary or w.write.redacted(c.config)
  return c.summary
end

function speaker.unseen(c) return c.phase == "provisioning" end

function speaker.tasks(c)
  if c.phase == "stopped" or (c.phase == "paused" and c.without_tasks) then return {} end
  local list = lifecycle.tasks(c)
  if c.plugin.one_task then list[2] = nil end
  return list
end

local function task_text(w, i, task, state)
  return format('{"id":%d,"state":"%s","worker_id":"%s","version":"%s"%s}', i - 1,
    state or task.state, WORKER, plugins.version,
    task.failed and ',"trace":' .. w.write.quote(task.text or "") or "")
end

-- `restarting`, which of the connector (0) and its tasks (1, 2, …) a restart takes in, or nil.
local function status_text(w, c, restarting)
  local quote, phase, tasks = w.write.quote, c.phase, {}
  -- A task that fails to start leaves its connector running; so does one that fails later.
  local failed = phase == "failed" and not c.by_start
  local state = (phase == "degraded" or phase == "failed" and c.by_start) and "RUNNING"
    or phase == "restarting" and "RESTARTING" or phase:upper()
  if c.restarting then state = c.restarting == "task" and state or "RESTARTING" end
  for i, task in ipairs(speaker.tasks(c)) do
    tasks[i] = task_text(w, i, task, restarting and restarting[i] and "RESTARTING" or nil)
  end
  return format('{"name":%s,"connector":{"state":"%s","worker_id":"%s","version":"%s"%s},'
    .. '"tasks":[%s],"type":%s}', quote(c.name), restarting and restarting[0] and "RESTARTING"
    or state, WORKER, plugins.version,
    failed and c.trace and ',"trace":' .. quote(c.trace) or "", concat(tasks, ","), quote(c.type))
end

function speaker.write_status(w, c) return status_text(w, c) end

-- ---- configs ----

-- A file under /no/such/ is in a folder that is not there.
local function obstacle(plugin, config)
  local file = config.file
  if plugin.type == "sink" and file and find(file, "^/no/such/") then
    return format("org.apache.kafka.connect.errors.ConnectException: Couldn't find or create file "
      .. "'%s' for FileStreamSinkTask\n\tat org.apache.kafka.connect.file.FileStreamSinkTask.start"
      .. "(FileStreamSinkTask.java:74)\n", file)
  end
end

local function configure(c, config, plugin)
  c.config, c.plugin, c.type = config, plugin, plugin.type
  c.broken = obstacle(plugin, config)
  c.config_text, c.summary = nil, nil
  lifecycle.touch(c)
end

-- As Java shows a map, without its secrets.
local function shown(w, config)
  local parts = {}
  for i, key in ipairs(text.sorted_keys(config)) do
    parts[i] = format("%s=%s", key, w.write.secret(key) and "[hidden]" or tostring(config[key]))
  end
  return "{" .. concat(parts, ", ") .. "}"
end

-- The config as it is stored, and its plugin; else nil and the refusal. `url_name` is what the
-- name in it must be.
local function check(w, sent, url_name)
  local config = {}
  for key, value in pairs(sent) do
    if type(key) ~= "string" then return nil, speaker.malformed(w) end
    if value == w.json.null then
      return nil, speaker.fail(w, 400, "Connector configuration is invalid and contains the "
        .. "following 1 error(s):\nNull value can not be supplied as the configuration value.\nYou "
        .. "can also find the above list of errors at the endpoint "
        .. "`/connector-plugins/{connectorType}/config/validate`")
    end
    if type(value) == "table" then return nil, speaker.malformed(w) end
    config[key] = type(value) == "string" and value or w.write.value(value)
  end
  if config.name == nil then config.name = url_name end
  if config.name ~= url_name then
    return nil, speaker.fail(w, 400, format("Connector name configuration (%s) doesn't match "
      .. "connector name in the URL (%s)", config.name, url_name))
  end
  local class = config["connector.class"]
  if not class then
    return nil, speaker.fail(w, 400, format("Connector config %s contains no connector type",
      shown(w, config)))
  end
  local plugin = plugins.find(class)
  if not plugin then
    return nil, speaker.fail(w, 400, "org.apache.kafka.connect.errors.ConnectException: "
      .. plugins.unknown(class))
  end
  local faults = plugins.faults(plugin, config)
  if faults[1] then
    return nil, speaker.fail(w, 400, format("Connector configuration is invalid and contains the "
      .. "following %d error(s):\n%s\nYou can also find the above list of errors at the endpoint "
      .. "`/connector-plugins/{connectorType}/config/validate`", #faults, concat(faults, "\n")))
  end
  return config, plugin
end

local function add(w, place, name, config, plugin, goal)
  local c = { name = name, created = w:wall(), goal = goal, without_tasks = goal ~= "running" }
  configure(c, config, plugin)
  lifecycle.new(w, c)
  rest.add(place, c)
  return c
end

local function made_text(w, place, c)
  return format('{"name":%s,"config":%s,"tasks":[],"type":%s}', w.write.quote(c.name),
    speaker.config_text(w, place, c), w.write.quote(c.type))
end

local goals = { RUNNING = "running", PAUSED = "paused", STOPPED = "stopped" }

local function create(w, _, place, request)
  local body = w:decode_object(request.body)
  if not body then return speaker.malformed(w) end
  for key in pairs(body) do
    if key ~= "name" and key ~= "config" and key ~= "initial_state" then
      return speaker.fail(w, 500, format('Unrecognized field "%s" (class org.apache.kafka.connect.'
        .. 'runtime.rest.entities.CreateConnectorRequest), not marked as ignorable (3 known '
        .. 'properties: "config", "name", "initial_state")', key))
    end
  end
  local goal = "running"
  if body.initial_state ~= nil and body.initial_state ~= w.json.null then
    goal = goals[tostring(body.initial_state):upper()]
    if not goal then
      return speaker.fail(w, 500, format("Cannot construct instance of `org.apache.kafka.connect."
        .. "runtime.rest.entities.CreateConnectorRequest$InitialState`, problem: No enum constant "
        .. "%s", tostring(body.initial_state)))
    end
  end
  if type(body.config) ~= "table" then
    return speaker.fail(w, 500, "Cannot invoke \"java.util.Map.get(Object)\" because "
      .. "\"connectorConfig\" is null")
  end
  local name = type(body.name) == "string" and body.name or ""
  name = name:gsub("^[%z\1- ]+", ""):gsub("[%z\1- ]+$", "")
  local config, plugin = check(w, body.config, name)
  if not config then return plugin end
  if rest.find(w, place, name) then
    return speaker.fail(w, 409, format("Connector %s already exists", name))
  end
  local c = add(w, place, name, config, plugin, goal)
  w:effect("connect", place, "create", c, nil, speaker.summary(w, place, c))
  return speaker.reply(w, 201, made_text(w, place, c))
end

-- The answer names the tasks of before: the new ones are made when the workers have agreed.
local function replace(w, place, c, config, plugin, verb)
  local before, tasks = speaker.summary(w, place, c), {}
  for i = 1, #speaker.tasks(c) do
    tasks[i] = format('{"connector":%s,"task":%d}', w.write.quote(c.name), i - 1)
  end
  configure(c, config, plugin)
  lifecycle.reconfigured(w, c)
  w:effect("connect", place, verb, c, before, speaker.summary(w, place, c))
  return speaker.reply(w, 200, format('{"name":%s,"config":%s,"tasks":[%s],"type":%s}',
    w.write.quote(c.name), speaker.config_text(w, place, c), concat(tasks, ","),
    w.write.quote(c.type)))
end

local function put_config(w, _, place, request, name)
  local sent = w:decode_object(request.body)
  if not sent then return speaker.malformed(w) end
  local config, plugin = check(w, sent, name)
  if not config then return plugin end
  local c = rest.find(w, place, name)
  if c then return replace(w, place, c, config, plugin, "put") end
  c = add(w, place, name, config, plugin, "running")
  w:effect("connect", place, "put", c, nil, speaker.summary(w, place, c))
  return speaker.reply(w, 201, made_text(w, place, c))
end

local function patch_config(w, _, place, request, c)
  local changes = w:decode_object(request.body)
  if not changes then return speaker.malformed(w) end
  local sent = {}
  for key, value in pairs(c.config) do sent[key] = value end
  for key, value in pairs(changes) do
    if value == w.json.null then sent[key] = nil else sent[key] = value end
  end
  local config, plugin = check(w, sent, c.name)
  if not config then return plugin end
  return replace(w, place, c, config, plugin, "update")
end

-- ---- states ----

local function noted(w, place, verb, c)
  local summary = speaker.summary(w, place, c)
  w:effect("connect", place, verb, c, summary, summary)
end

local function pause(w, _, place, _, c)
  if c.phase == "stopped" or c.pending == "stop" then
    -- Its tasks are made when it is resumed.
    c.goal, c.phase, c.without_tasks, c.due, c.pending = "paused", "paused", true, nil, nil
    lifecycle.touch(c)
    noted(w, place, "pause", c)
    return speaker.reply(w, 202, "")
  end
  return rest.handlers.pause(w, speaker, place, nil, c)
end

local function stop(w, _, place, _, c)
  lifecycle.stop(w, c)
  noted(w, place, "stop", c)
  return speaker.reply(w, 204, "")
end

local function resume(w, _, place, _, c)
  c.without_tasks = nil
  return rest.handlers.resume(w, speaker, place, nil, c)
end

local function flag(request, name)
  return (text.query_values(request.query, name)[1] or ""):lower() == "true"
end

local function restart(w, _, place, request, c)
  local include, only_failed = flag(request, "includeTasks"), flag(request, "onlyFailed")
  if not include and not only_failed then
    lifecycle.restart(w, c)
    noted(w, place, "restart", c)
    return speaker.reply(w, 204, "")
  end
  local taken, any = {}, false
  taken[0] = not only_failed or (c.phase == "failed" and not c.by_start)
  any = taken[0]
  for i, task in ipairs(include and speaker.tasks(c) or {}) do
    taken[i] = not only_failed or task.failed
    any = any or taken[i]
  end
  local status = status_text(w, c, taken)
  if any then lifecycle.restart(w, c) end
  noted(w, place, "restart", c)
  return speaker.reply(w, 202, status)
end

local function not_a_resource(w)
  return { status = 404, headers = {}, body = '{"error_code":404,"message":"HTTP 404 Not Found"}' }
end

local function find_task(w, c, number)
  local i = math.tointeger(tonumber(number))
  if not number:find "^%d+$" or not i then return nil, not_a_resource(w) end
  local task = speaker.tasks(c)[i + 1]
  if not task then return nil, i end
  return task, i
end

local function restart_task(w, _, place, _, c, number)
  local task, i = find_task(w, c, number)
  if not task then
    return type(i) == "table" and i
      or speaker.fail(w, 404, format("Unknown task: %s-%d", c.name, i))
  end
  lifecycle.restart(w, c)
  c.restarting = "task"
  noted(w, place, "restart_task", c)
  return speaker.reply(w, 204, "")
end

local function task_status(w, _, _, _, c, number)
  local task, i = find_task(w, c, number)
  if not task then
    return type(i) == "table" and i
      or speaker.fail(w, 404, format("No status found for task %s-%d", c.name, i))
  end
  return speaker.reply(w, 200, task_text(w, i + 1, task))
end

local function get_status(w, _, place, request, c)
  if speaker.unseen(c) then return speaker.fail(w, "no_status", c.name) end
  return rest.handlers.get_status(w, speaker, place, request, c)
end

local function get_topics(w, _, _, _, name)
  return speaker.reply(w, 200, format('{%s:{"topics":[]}}', w.write.quote(name)))
end

-- ---- plugins ----

local function list_plugins(w)
  local out = {}
  for i, class in ipairs(text.sorted_keys(plugins.classes)) do
    out[i] = format('{"class":"%s","type":"%s","version":"%s"}', class,
      plugins.classes[class].type, plugins.version)
  end
  return speaker.reply(w, 200, "[" .. concat(out, ",") .. "]")
end

local function short(name) return (name:gsub("(.)Connector$", "%1")) end

local function validate(w, _, _, request, asked)
  local config = w:decode_object(request.body)
  if not config then return speaker.malformed(w) end
  local class = config["connector.class"]
  if class and short(class):sub(-#short(asked)) ~= short(asked) then
    return speaker.fail(w, 400, format("Included connector type %s does not match request type %s",
      class, asked))
  end
  local refused = "org.apache.kafka.connect.runtime.rest.errors.BadRequestException: "
  if not class then
    return speaker.fail(w, 500, refused .. format("Connector config %s contains no connector type",
      shown(w, config)))
  end
  local plugin = plugins.find(class)
  if not plugin then
    return speaker.fail(w, 500, refused .. "org.apache.kafka.connect.errors.ConnectException: "
      .. plugins.unknown(class))
  end
  local texts = {}
  for key, value in pairs(config) do
    if value ~= w.json.null then
      texts[key] = type(value) == "string" and value or w.write.value(value)
    end
  end
  return speaker.reply(w, 200, plugins.validation(w, plugin, asked, texts))
end

local function root(w)
  return speaker.reply(w, 200, format(
    '{"version":"%s","commit":"simulated","kafka_cluster_id":"simulated"}', plugins.version))
end

local existing = rest.on_existing

local find_route = rest.routes("/connect/", {
  ["connectors"] = { POST = create },
  ["connectors/{name}/status"] = { GET = existing("no_status", get_status) },
  ["connectors/{name}/config"] = {
    PUT = put_config, PATCH = existing("not_found", patch_config),
  },
  ["connectors/{name}/pause"] = { PUT = existing("unknown_target", pause) },
  ["connectors/{name}/resume"] = { PUT = existing("unknown_target", resume) },
  ["connectors/{name}/stop"] = { PUT = existing("unknown_target", stop) },
  ["connectors/{name}/restart"] = { POST = existing("unknown_restart", restart) },
  ["connectors/{name}/tasks/{task}/restart"] = { POST = existing("unknown_restart", restart_task) },
  ["connectors/{name}/tasks/{task}/status"] = { GET = existing("not_found", task_status) },
  ["connectors/{name}/topics"] = { GET = get_topics },
  ["connectors/{name}/offsets"] = {
    GET = existing("not_found", connect_offsets.get),
    PATCH = existing("not_found", connect_offsets.alter),
    DELETE = existing("not_found", connect_offsets.reset),
  },
  ["connector-plugins"] = { GET = list_plugins },
  ["connector-plugins/{plugin}/config/validate"] = { PUT = validate },
})

-- The server before the worker takes no encoded slash, percent sign or backslash in a path.
local function ambiguous(path)
  local lower = path:lower()
  if find(lower, "%2f", 1, true) then return "Ambiguous URI path separator" end
  if find(lower, "%25", 1, true) then return "Ambiguous URI path encoding" end
  if find(lower, "%5c", 1, true) or find(lower, "%%[01]%x") then
    return "Suspicious Path Character"
  end
end

local connect = { example = require "simulator.connect_example" }

-- path is what follows "/connect/". A worker that has no users lets everybody in; a credential is
-- looked at when there is one.
function connect.handle(w, path, request)
  local method = request.method
  local sent = request.headers.authorization
  local who = sent and w:credential(sent)
  if sent and (not who or who.kind ~= "basic" or who.user == "wrong-user"
    or who.user == "wrong-key") then
    w:count_request(method, "/connect (unauthorized)")
    return { status = 401, headers = { ["WWW-Authenticate"] = "Basic realm=\"kafka\"" },
             body = "User cannot access the resource." }
  end
  local why = ambiguous(path)
  if why then
    w:count_request(method, "/connect (ambiguous)")
    if method ~= "GET" then return { status = 400, headers = {}, body = "" } end
    return { status = 400, headers = { ["Content-Type"] = "text/html;charset=iso-8859-1" },
             body = format("<html>\n<head>\n<title>Error 400 %s</title>\n</head>\n<body><h2>HTTP "
               .. "ERROR 400 %s</h2></body>\n</html>\n", why, why) }
  end
  if path == "" then
    w:count_request(method, "/connect/")
    return root(w)
  end
  local handlers, pattern, first, second = find_route(path)
  w:count_request(method, handlers and pattern or "/connect (unknown)")
  if not handlers then return not_a_resource(w) end
  if not handlers[method] then
    return { status = 405, headers = {},
             body = '{"error_code":405,"message":"HTTP 405 Method Not Allowed"}' }
  end
  local place = w.places.connect["local"]
  if not place then
    place = rest.new_place("local")
    w.places.connect["local"] = place
  end
  local reply = handlers[method](w, speaker, place, request, first, second)
  if reply.body == "" then reply.headers["Content-Type"] = nil end
  return reply
end

function connect.find(w, place, name)
  return rest.find(w, place, name), 1
end

local function load_connector(w, name, entry)
  local function wrong(what) error(format("connect: %s: %s", name, what), 0) end
  if type(entry) ~= "table" then wrong("not an object") end
  local null = w.json.null
  local function given(value) if value ~= null then return value end end
  local config, state, trace = entry.config, entry.state, entry.trace
  if entry.info then
    config = type(entry.info) == "table" and entry.info.config
    local status = type(entry.status) == "table" and entry.status.connector
    if type(status) == "table" then state, trace = status.state, status.trace end
  elseif entry["connector.class"] then
    config, state, trace = entry, nil, nil
  end
  if type(config) ~= "table" then wrong("has no config") end
  local kept = {}
  for key, value in pairs(config) do
    if type(key) ~= "string" or type(value) ~= "string" then
      wrong("config values must be strings")
    end
    kept[key] = value
  end
  kept.name = kept.name or name
  if kept.name ~= name then wrong("config.name differs") end
  local plugin = plugins.find(kept["connector.class"])
  if not plugin then wrong("there is no such connector.class") end
  state, trace = given(state) or "RUNNING", given(trace)
  if type(state) ~= "string" then wrong("state is not a string") end
  local c = { name = name, created = given(entry.created) or w:wall(),
              offsets = given(entry.offsets), without_tasks = entry.without_tasks == true or nil }
  configure(c, kept, plugin)
  return lifecycle.load(w, c, state:lower(), trace ~= "" and trace or nil,
    given(entry.transition))
end

function connect.load_place(w, key, connectors)
  if key ~= "local" then error(format("connect: the only cluster is \"local\", not %q", key), 0) end
  local place = rest.new_place(key)
  for _, name in ipairs(text.sorted_keys(connectors)) do
    if type(name) ~= "string" then error("connect: not an object of connectors", 0) end
    rest.add(place, load_connector(w, name, connectors[name]))
  end
  return place
end

function connect.save_place(w, place)
  local write, out = w.write, {}
  for i, name in ipairs(rest.names(place)) do
    local c = rest.find(w, place, name)
    local transition = lifecycle.save(w, c)
    out[i] = format('\n%s:{"state":"%s","created":%s,%s%s%s%s"config":%s}', write.quote(name),
      c.phase:upper(), write.value(c.created),
      c.trace and '"trace":' .. write.quote(c.trace) .. "," or "",
      c.offsets and '"offsets":' .. write.value(c.offsets) .. "," or "",
      c.without_tasks and '"without_tasks":true,' or "",
      transition and '"transition":' .. transition .. "," or "", write.object(c.config))
  end
  return "{" .. concat(out, ",") .. "}"
end

return connect
