-- upstash: the model of Upstash Kafka's v2/kafka connectors: ids instead of names, a flat update
-- body that merges, secrets in clear, and 200 for a config that fails.
-- In a state, a CONNECTOR is an element of the list response; only "name" and "properties" must be
-- there.

local lifecycle = require "simulator.lifecycle"
local routes = require "simulator.routes"
local text = require "simulator.text"

local concat, format, find = table.concat, string.format, string.find

local time_to_live = 1800

local json_type = { ["Content-Type"] = "application/json" }
local text_type = { ["Content-Type"] = "text/plain; charset=utf-8" }

local function reply(status, body)
  return { status = status, headers = json_type, body = body }
end

local function plain(status, body)
  return { status = status, headers = text_type, body = body }
end

local function failure(w, status, message)
  return reply(status, '{"error":' .. w.write.quote(message) .. "}")
end

-- place = { key, list = connectors in creation order, by_id, encoded_username }

local function new_place(key)
  return { key = key, list = {}, by_id = {} }
end

local function add(place, c)
  place.list[#place.list + 1] = c
  place.by_id[c.id] = c
end

-- One name of the cluster's user, as the documented replies carry it in every connector.
local function encoded_username(w, place)
  if not place.encoded_username then
    local bytes = { "apparent-kite-", format("%05d$", (w:random() >> 1) % 100000) }
    for i = 3, 30 do bytes[i] = string.char(w:random() & 0xff) end
    place.encoded_username = text.base64_encode(concat(bytes))
  end
  return place.encoded_username
end

-- The config as the effect log keeps it.
local function summary(w, c)
  if c.summarized ~= c.config then
    c.summary, c.summarized = w.write.redacted(c.config), c.config
  end
  return c.summary
end

-- The provider's words for what is wrong with a config, or nil.
local function config_error(w, config)
  local faults = {}
  local function invalid(key, why)
    local value = config[key]
    if type(value) ~= "string" then value = w.json.encode(value) end
    faults[#faults + 1] = format("Invalid value %s for configuration %s: %s\n", value, key, why)
  end
  local class = config["connector.class"]
  if type(class) ~= "string" or class == "" then
    faults[1] = 'Missing required configuration "connector.class" which has no default value.\n'
    class = ""
  end
  local uri = config["connection.uri"]
  if find(class, "com.mongodb.", 1, true) == 1 and uri ~= nil then
    if type(uri) ~= "string"
      or not (find(uri, "^mongodb://") or find(uri, "^mongodb%+srv://")) then
      invalid("connection.uri", "The connection string is invalid. Connection strings must start "
        .. "with either 'mongodb://' or 'mongodb+srv://")
    end
  end
  if not lifecycle.tasks_max(config) then
    invalid("tasks.max", "it must be a positive integer")
  end
  if faults[1] then
    return format("Connector configuration is invalid and contains the following %d error(s):\n%s",
      #faults, concat(faults))
  end
end

local function topics(config)
  local list = {}
  if type(config.topics) == "string" then
    for topic in config.topics:gmatch("[^,%s]+") do list[#list + 1] = topic end
  end
  return list
end

local function list_text(write, list)
  local out = {}
  for i, item in ipairs(list) do out[i] = write.quote(item) end
  return "[" .. concat(out, ",") .. "]"
end

local shown_state = { provisioning = "pending" }

local function tasks_text(w, c)
  local out = {}
  if c.invalid then return "[]" end
  for i, task in ipairs(lifecycle.tasks(c)) do
    out[i] = format('{"id":%d,"state":"%s","worker_id":"connect-0"%s}', i - 1, task.state,
      task.text and ',"trace":' .. w.write.quote(task.text) or "")
  end
  return "[" .. concat(out, ",") .. "]"
end

-- transition: what a saved state adds; nil in replies.
local function connector_text(w, place, c, with_properties, transition)
  local write, quote = w.write, w.write.quote
  local connector_state = ""
  if not c.invalid and c.phase ~= "provisioning" then connector_state = c.phase:upper() end
  local class = c.config["connector.class"]
  return format('{"connector_id":"%s","name":%s,"customer_id":%s,"cluster_id":%s,'
    .. '"creation_time":%s,"deletion_time":0,"state":"%s","state_error_message":%s,'
    .. '"connector_state":"%s","tasks":%s,"topics":%s,"connector_class":%s%s%s,'
    .. '"encoded_username":"%s","TTL":%s}',
    c.id, quote(c.name), quote(c.customer), quote(place.key), write.value(c.created),
    shown_state[c.phase] or c.phase, quote(c.phase == "failed" and c.trace or ""),
    connector_state, tasks_text(w, c), list_text(write, topics(c.config)),
    quote(type(class) == "string" and class or ""),
    with_properties and ',"properties":' .. write.object(c.config) or "",
    transition and ',"transition":' .. transition or "",
    encoded_username(w, place), write.value(c.ttl))
end

-- A config that is invalid fails as soon as it is looked at.
local function judge(w, c)
  local fault = config_error(w, c.config)
  if fault then
    lifecycle.set(c, "failed", fault)
    c.invalid = true
  else
    c.invalid = false
  end
end

local function properties_fault(properties)
  for key in pairs(properties) do
    if type(key) ~= "string" then return "properties must be an object" end
  end
end

local function create(w, request, _, who)
  local ok = pcall(w.json.decode, request.body)
  if not ok then return plain(400, "invalid request body") end
  local body = w:decode_object(request.body)
  if not body then return failure(w, 400, "request body must be an object") end
  local name, cluster, properties = body.name, body.cluster_id, body.properties
  if type(name) ~= "string" or name == "" then return failure(w, 400, "name is required") end
  if type(cluster) ~= "string" or cluster == "" then
    return failure(w, 400, "cluster_id is required")
  end
  if type(properties) ~= "table" then return failure(w, 400, "properties is required") end
  local fault = properties_fault(properties)
  if fault then return failure(w, 400, fault) end
  local place = w.places.upstash[cluster]
  if not place then return plain(404, "cluster not found") end
  local c = {
    name = name, id = w:uuid(), customer = who.user, config = properties, created = w:wall(),
  }
  c.ttl = c.created + time_to_live
  lifecycle.new(w, c)
  add(place, c)
  w:effect("upstash", place, "create", c, nil, summary(w, c))
  return reply(200, connector_text(w, place, c, false))
end

-- A pending connector with an invalid config has failed once it is looked at again after its time.
local function current(w, c)
  if c.due and c.pending == "start" and w.now >= c.due then judge(w, c) end
  lifecycle.advance(w, c)
  return c
end

local function on_existing(handler)
  return function(w, request, id)
    for _, place in pairs(w.places.upstash) do
      local c = place.by_id[id]
      if c then return handler(w, place, current(w, c), request) end
    end
    return plain(404, "connector not found")
  end
end

local function get(w, place, c)
  return reply(200, connector_text(w, place, c, true))
end

local function list(w, _, cluster)
  local place = w.places.upstash[cluster]
  if not place then return plain(404, "cluster not found") end
  local out = {}
  for i, c in ipairs(place.list) do out[i] = connector_text(w, place, current(w, c), true) end
  return reply(200, "[" .. concat(out, ",") .. "]")
end

local function update(w, place, c, request)
  local ok = pcall(w.json.decode, request.body)
  if not ok then return plain(400, "invalid request body") end
  local changes = w:decode_object(request.body)
  if not changes then return failure(w, 400, "request body must be an object") end
  local before, merged = summary(w, c), {}
  for key, value in pairs(c.config) do merged[key] = value end
  for key, value in pairs(changes) do merged[key] = value end
  c.config = merged
  judge(w, c)
  if not c.invalid then lifecycle.reconfigured(w, c) end
  w:effect("upstash", place, "update", c, before, summary(w, c))
  return reply(200, connector_text(w, place, c, false))
end

local function pause(w, place, c)
  if c.phase == "running" or c.phase == "degraded" then
    lifecycle.set(c, "paused")
  else
    c.goal = "paused"
  end
  w:effect("upstash", place, "pause", c, summary(w, c), summary(w, c))
  return reply(200, '"OK"')
end

local function start(w, place, c)
  if c.phase == "paused" then
    lifecycle.set(c, "running")
  else
    c.goal = "running"
  end
  w:effect("upstash", place, "resume", c, summary(w, c), summary(w, c))
  return reply(200, '"OK"')
end

local function restart(w, place, c)
  if c.phase ~= "paused" and c.phase ~= "provisioning" and not c.invalid then
    lifecycle.restart(w, c)
  end
  w:effect("upstash", place, "restart", c, summary(w, c), summary(w, c))
  return reply(200, '"OK"')
end

local function delete(w, place, c)
  place.by_id[c.id] = nil
  for i, other in ipairs(place.list) do
    if other == c then
      table.remove(place.list, i)
      break
    end
  end
  w:effect("upstash", place, "delete", c, summary(w, c), nil)
  return reply(200, '"OK"')
end

local find_route = routes.compile("/upstash/v2/kafka/", {
  ["connector"] = { POST = create },
  ["connector/{id}"] = { GET = on_existing(get), DELETE = on_existing(delete) },
  ["connectors/{cluster}"] = { GET = list },
  ["update-connector/{id}"] = { POST = on_existing(update) },
  ["connector/{id}/pause"] = { POST = on_existing(pause) },
  ["connector/{id}/start"] = { POST = on_existing(start) },
  ["connector/{id}/restart"] = { POST = on_existing(restart) },
})

local upstash = { example = require "simulator.upstash_example" }

-- path is what follows "/upstash/". No header tells a limit: none is documented.
function upstash.handle(w, path, request)
  local method = request.method
  local who = w:credential(request.headers.authorization)
  if not who or who.kind ~= "basic" or who.user == "wrong-key" then
    w:count_request(method, "/upstash (unauthorized)")
    return failure(w, 401, "Unauthorized")
  end
  local limits = w:take_token("upstash " .. request.headers.authorization)
  if limits and limits.limited then
    w:count_request(method, "/upstash (rate limited)")
    return plain(429, "too many requests")
  end
  local tail = path:match("^v2/kafka/(.*)$")
  local handlers, pattern, first
  if tail then handlers, pattern, first = find_route(tail) end
  w:count_request(method, handlers and pattern or "/upstash (unknown)")
  if not handlers then
    if pattern == "encoding" then return plain(400, "invalid path") end
    return plain(404, "404 page not found")
  end
  if not handlers[method] then return plain(405, "Method Not Allowed") end
  return handlers[method](w, request, first, who)
end

-- The connector of that id or name, and how many there are.
function upstash.find(w, place, name)
  if place.by_id[name] then return current(w, place.by_id[name]), 1 end
  local found, count = nil, 0
  for _, c in ipairs(place.list) do
    if c.name == name then found, count = c, count + 1 end
  end
  return found and current(w, found), count
end

local known_state = { pending = "provisioning" }

function upstash.load_place(w, key, connectors)
  local place = new_place(key)
  for i, entry in ipairs(connectors) do
    local function wrong(what) error(format("upstash: %s: connector %d: %s", key, i, what), 0) end
    local null = w.json.null
    local function given(value) if value ~= null then return value end end
    if type(entry) ~= "table" then wrong("not an object") end
    if type(entry.name) ~= "string" then wrong("has no name") end
    if type(entry.properties) ~= "table" then wrong("has no properties") end
    if properties_fault(entry.properties) then wrong(properties_fault(entry.properties)) end
    local c = {
      name = entry.name,
      id = given(entry.connector_id) or w:uuid(),
      customer = given(entry.customer_id) or "someone@example.com",
      config = entry.properties,
      created = given(entry.creation_time) or w:wall(),
    }
    if type(c.id) ~= "string" or place.by_id[c.id] then
      wrong("connector_id is no unique string")
    end
    if type(c.customer) ~= "string" then wrong("customer_id is not a string") end
    if type(c.created) ~= "number" then wrong("creation_time is not a number") end
    c.ttl = given(entry.TTL) or c.created + time_to_live
    if given(entry.encoded_username) then place.encoded_username = entry.encoded_username end
    local state, trace = given(entry.state) or "running", given(entry.state_error_message)
    if type(state) ~= "string" then wrong("state is not a string") end
    if trace == "" then trace = nil end
    lifecycle.load(w, c, known_state[state] or state, trace, given(entry.transition))
    c.invalid = state == "failed" and given(entry.connector_state) == "" and c.due == nil
    if state == "pending" and not c.due then
      c.pending, c.due = "start", w.now + w.provisioning
    end
    add(place, c)
  end
  return place
end

function upstash.save_place(w, place)
  local out = {}
  for i, c in ipairs(place.list) do
    current(w, c)
    out[i] = "\n" .. connector_text(w, place, c, true, lifecycle.save(w, c))
  end
  return "[" .. concat(out, ",") .. "]"
end

return upstash
