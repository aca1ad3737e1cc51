-- confluent: the model of Confluent Cloud's connect/v1: the gateway in front of it, masks and
-- injected keys, accepted-then-failed updates. What it shares with Kafka Connect is connect_rest.
-- In a state, a CONNECTOR is {"config": {…}} with, all optional, "state" ("RUNNING" when absent),
-- "trace", "id", "created" (Unix seconds) and "offsets"; or an entry of
-- GET connectors?expand=info,status,id; or the bare config. Injected keys are dropped.

local configs = require "simulator.confluent_config"
local lifecycle = require "simulator.lifecycle"
local offsets = require "simulator.confluent_offsets"
local plugins = require "simulator.confluent_plugins"
local rest = require "simulator.connect_rest"
local text = require "simulator.text"

local concat, find, format = table.concat, string.find, string.format

local invalid_update = "Unable to validate configuration. If an update was made to the "
  .. "configuration, this means that the configuration was invalid, and the connector continues "
  .. "to operate on a previous configuration that passed validation. Errors:\n"

local speaker = {
  name = "confluent",
  task_text = "msg",
  split_expand = true,
  expand = { info = true, status = true, id = true },
  deleted = { status = 200, body = '{"error":null}' },
}

function speaker.reply(_, status, body)
  return { status = status, headers = { ["Content-Type"] = "application/json" }, body = body }
end

-- The bodies differ on purpose: each is a shape that the service's clients have met.
local failures = {
  not_found = { 404, '{"error_code":404,"message":"resource not found"}' },
  not_found_action = { 404, '{"error":{"code":404,"message":"resource not found"}}' },
  not_found_place = { 404, '{"error":{"code":404,"message":"account not found"}}' },
  forbidden = { 403, '{"error":{"code":403,"message":"Forbidden"}}' },
  exists = { 409, '{"error_code":409,"message":%s}' },
  invalid = { 400, '{"error":{"code":400,"message":%s}}' },
  malformed = { 400, '{"code":400,"message":%s}' },
  refused = { 400, '{"error":{"error_code":400,"message":%s}}' },
  busy = { 409, '{"error_code":409,"message":%s}' },
  no_class = { 500, '{"error_code":500,"message":%s}' },
}

function speaker.fail(w, kind, message)
  local failure = failures[kind]
  local body = failure[2]
  if find(body, "%s", 1, true) then body = format(body, w.write.quote(message)) end
  return speaker.reply(w, failure[1], body)
end

function speaker.worker(c) return c.id end

function speaker.task(c, task)
  if not task.failed then return task.state end
  return c.user_error and "USER_ACTIONABLE_ERROR" or "SYSTEM_ERROR", task.text
end

function speaker.status_extra(w, c)
  local quote = w.write.quote
  return format(',"error_details":%s,"errors_from_trace":[],"is_csfle_error":false,'
    .. '"override_message":"","validation_errors":%s',
    c.phase == "failed" and c.trace and quote(c.trace) or "null",
    c.rejected and "[" .. quote(c.trace) .. "]" or "[]")
end

local function prepare(w, place, c)
  if c.config_text then return end
  c.config_text, c.summary = configs.shown(w, place, c, true)
end

function speaker.config_text(w, place, c)
  prepare(w, place, c)
  return c.config_text
end

function speaker.summary(w, place, c)
  prepare(w, place, c)
  return c.summary
end

local function configure(c, config, key_count)
  c.config, c.key_count, c.type = config, key_count, configs.type(config)
  c.config_text = nil
  lifecycle.touch(c)
end

local function add(w, place, name, sent)
  local c = { name = name, id = w:short_id("lcc-"), created = w:wall() }
  configure(c, configs.stored(w, sent, nil))
  lifecycle.new(w, c)
  rest.add(place, c)
  return c
end

local function create(w, _, place, request)
  local body = w:decode_object(request.body)
  if not body then return speaker.fail(w, "malformed", "Bad Request: malformed JSON") end
  local name, sent = body.name, body.config
  if type(name) ~= "string" or name == "" or #name > 4096 then
    return speaker.fail(w, "invalid", "Connector name is missing or not a string")
  end
  if type(sent) ~= "table" then
    return speaker.fail(w, "invalid", "Connector config is missing or not an object")
  end
  for key in pairs(sent) do
    if type(key) ~= "string" then
      return speaker.fail(w, "invalid", "Connector config is not an object")
    end
  end
  local kind, message = configs.refuse(sent, name)
  if kind then return speaker.fail(w, kind, message) end
  local faults = configs.faults(sent)
  if faults then return speaker.fail(w, "invalid", faults) end
  local wrong = body.offsets ~= nil and offsets.refuse(body.offsets)
  if wrong then return speaker.fail(w, "invalid", wrong) end
  if place.connectors[name] then
    return speaker.fail(w, "exists", format("Connector %s already exists", name))
  end
  local c = add(w, place, name, sent)
  c.offsets = body.offsets
  w:effect("confluent", place, "create", c, nil, speaker.summary(w, place, c))
  return speaker.reply(w, 201, format('{"name":%s,"config":%s,"tasks":[],"type":%s}',
    w.write.quote(name), (configs.shown(w, place, c, false)), w.write.quote(c.type)))
end

local function put_config(w, _, place, request, name)
  local sent = w:decode_object(request.body)
  if not sent then return speaker.fail(w, "malformed", "Bad Request: malformed JSON") end
  local kind, message = configs.refuse(sent, name)
  if kind then return speaker.fail(w, kind, message) end
  local faults = configs.faults(sent)
  local c = rest.find(w, place, name)
  if not c then
    if faults then return speaker.fail(w, "invalid", faults) end
    c = add(w, place, name, sent)
    w:effect("confluent", place, "put", c, nil, speaker.summary(w, place, c))
    return speaker.reply(w, 200, rest.info_text(w, speaker, place, c))
  end
  local before = speaker.summary(w, place, c)
  if faults then
    -- Accepted, then failed: the reply shows the new config, later reads the one still in force.
    local rejected = { name = name, id = c.id }
    configure(rejected, configs.stored(w, sent, c.config))
    lifecycle.set(c, "failed", invalid_update .. faults)
    c.rejected = true
    w:effect("confluent", place, "put", c, before, before)
    return speaker.reply(w, 200, format('{"name":%s,"config":%s,"tasks":[],"type":%s}',
      w.write.quote(name), (configs.shown(w, place, rejected, true)), w.write.quote(c.type)))
  end
  configure(c, configs.stored(w, sent, c.config))
  lifecycle.reconfigured(w, c)
  w:effect("confluent", place, "put", c, before, speaker.summary(w, place, c))
  return speaker.reply(w, 200, rest.info_text(w, speaker, place, c))
end

local function restart(w, _, place, _, c)
  if c.phase == "provisioning" or c.phase == "paused" then
    return speaker.fail(w, "refused", format(
      "Connector %s cannot be restarted in state %s", c.name, c.phase:upper()))
  end
  lifecycle.restart(w, c)
  local summary = speaker.summary(w, place, c)
  w:effect("confluent", place, "restart", c, summary, summary)
  return speaker.reply(w, 202, "")
end

local function list_plugins(w)
  local out = {}
  for i, class in ipairs(text.sorted_keys(plugins)) do
    out[i] = format('{"class":"%s","type":"%s","version":"0.1.0"}', class, plugins[class].type)
  end
  return speaker.reply(w, 200, "[" .. concat(out, ",") .. "]")
end

-- An invalid config is still a 200; error_count tells.
local function validate(w, _, _, request, class)
  local config = w:decode_object(request.body)
  if not config then return speaker.fail(w, "malformed", "Bad Request: malformed JSON") end
  local plugin = plugins[class]
  if not plugin then
    return speaker.fail(w, "no_class", "Failed to find any class that implements Connector and "
      .. "which name matches io.confluent.connect." .. class)
  end
  local required = { name = true, ["connector.class"] = true, ["tasks.max"] = true }
  if config["kafka.auth.mode"] == "SERVICE_ACCOUNT" then
    required["kafka.service.account.id"] = true
  else
    required["kafka.api.key"], required["kafka.api.secret"] = true, true
  end
  for _, key in ipairs(plugin.required) do required[key] = true end
  local keys = {}
  for key in pairs(required) do keys[key] = true end
  for key in pairs(config) do keys[key] = true end
  local quote, entries, faulty = w.write.quote, {}, 0
  for i, key in ipairs(text.sorted_keys(keys)) do
    local value, fault = config[key], nil
    if value == nil then
      fault = format('Missing required configuration "%s" which has no default value.', key)
    elseif type(value) ~= "string" then
      fault = format("Invalid value for configuration %s: it must be a string", key)
    elseif key == "tasks.max" and not lifecycle.tasks_max(config) then
      fault = configs.faults(config)
    end
    if fault then faulty = faulty + 1 end
    local secret = w.write.secret(key)
    local shown = type(value) ~= "string" and "null" or secret and text.mask or quote(value)
    entries[i] = format('{"definition":{"name":%s,"type":"%s","required":%s},'
      .. '"value":{"name":%s,"value":%s,"recommended_values":[],"errors":[%s],"visible":true}}',
      quote(key), secret and "PASSWORD" or "STRING", required[key] and "true" or "false",
      quote(key), shown, fault and quote(fault) or "")
  end
  return speaker.reply(w, 200, format(
    '{"name":%s,"groups":["Common"],"error_count":%d,"configs":[%s]}', quote(class), faulty,
    concat(entries, ",")))
end

-- Keys of a self-managed connector that its managed sibling has no use for, by their beginnings.
local self_managed = { "key.converter", "value.converter", "header.converter", "plugin.path",
                       "errors.log", "producer.override", "consumer.override", "admin.override" }

-- A self-managed config as a managed one: what the plugin knows is kept under its name, what only a
-- worker needs is left out with a warning, what is missing is told.
local function translate(w, _, _, request, class)
  local sent = w:decode_object(request.body)
  if not sent then return speaker.fail(w, "malformed", "Bad Request: malformed JSON") end
  local plugin = plugins[class]
  if not plugin then
    return speaker.fail(w, "no_class", "Failed to find any class that implements Connector and "
      .. "which name matches io.confluent.connect." .. class)
  end
  local masks = text.query_values(request.query, "mask_sensitive")[1] == "true"
  local quote, config, warnings, missing = w.write.quote, {}, {}, {}
  for _, key in ipairs(text.sorted_keys(sent)) do
    local dropped = false
    for _, beginning in ipairs(self_managed) do
      dropped = dropped or key:sub(1, #beginning) == beginning
    end
    if dropped then
      warnings[#warnings + 1] = format('{"field":%s,"message":"Unused connector config \'%s\'."}',
        quote(key), key)
    else
      config[key] = masks and w.write.secret(key) and ("*"):rep(16) or sent[key]
    end
  end
  config["connector.class"] = class
  for _, key in ipairs(plugin.required) do
    if config[key] == nil then
      missing[#missing + 1] = quote(format('Missing required configuration "%s".', key))
    end
  end
  return speaker.reply(w, 200, format('{"config":%s,"warnings":[%s],"errors":[%s]}',
    w.write.object(config), concat(warnings, ","), concat(missing, ",")))
end

local find_route = rest.routes(
  "/confluent/connect/v1/environments/{environment}/clusters/{cluster}/", {
  ["connectors"] = { POST = create },
  ["connectors/{name}/config"] = { PUT = put_config },
  ["connectors/{name}/restart"] = { POST = rest.on_existing("not_found_action", restart) },
  ["connectors/{name}/offsets"] = { GET = rest.on_existing("not_found", offsets.get) },
  ["connectors/{name}/offsets/request"] = {
    POST = rest.on_existing("not_found_action", offsets.request),
  },
  ["connectors/{name}/offsets/request/status"] = {
    GET = rest.on_existing("not_found", offsets.status),
  },
  ["connector-plugins"] = { GET = list_plugins },
  ["connector-plugins/{plugin}/config/validate"] = { PUT = validate },
  ["connector-plugins/{plugin}/config/translate"] = { PUT = translate },
})

local function gateway_error(id, status, title, detail)
  return speaker.reply(nil, status, format(
    '{"errors":[{"id":"%s","status":"%d","code":"%s","title":"%s","detail":"%s","source":{}}]}',
    id, status, title:lower():gsub(" ", "_"), title, detail))
end

local prefix = "^connect/v1/environments/([^/]+)/clusters/([^/]+)/(.*)$"

local function answer(w, path, request, id)
  local method = request.method
  local who = w:credential(request.headers.authorization)
  if not who or (who.kind == "basic" and who.user == "wrong-key")
    or (who.kind == "bearer" and who.user == "expired-token") then
    w:count_request(method, "/confluent (unauthorized)")
    return gateway_error(id, 401, "Unauthorized", who and who.kind == "bearer"
      and "The access token is expired" or "Invalid or missing API key")
  end
  local limits = w:take_token("confluent " .. request.headers.authorization)
  local reply
  if limits and limits.limited then
    w:count_request(method, "/confluent (rate limited)")
    reply = gateway_error(id, 429, "Too Many Requests", "Rate limit exceeded")
    reply.headers["Retry-After"] = tostring(limits.retry_after)
  else
    local environment, cluster, tail = path:match(prefix)
    environment = environment and text.percent_decode(environment)
    cluster = cluster and text.percent_decode(cluster)
    local handlers, pattern, first, second
    if environment and cluster then handlers, pattern, first, second = find_route(tail) end
    w:count_request(method, handlers and pattern or "/confluent (unknown)")
    if pattern == "encoding" then
      reply = speaker.fail(w, "malformed", "Bad Request: the path is not percent-encoded UTF-8")
    elseif not handlers then
      reply = gateway_error(id, 404, "Not Found", "No such resource")
    elseif environment == "env-forbidden" then
      reply = speaker.fail(w, "forbidden")
    elseif not handlers[method] then
      reply = gateway_error(id, 405, "Method Not Allowed", "Method not allowed")
    else
      local place = w.places.confluent[environment .. "/" .. cluster]
      if not place then
        reply = speaker.fail(w, "not_found_place")
      else
        reply = handlers[method](w, speaker, place, request, first, second)
      end
    end
  end
  if limits then
    reply.headers["X-RateLimit-Limit"] = tostring(limits.limit)
    reply.headers["X-RateLimit-Remaining"] = tostring(limits.remaining)
    reply.headers["X-RateLimit-Reset"] = tostring(limits.reset)
  end
  return reply
end

local confluent = { example = require "simulator.confluent_example" }

-- path is what follows "/confluent/".
function confluent.handle(w, path, request)
  local id = w:request_id()
  local reply = answer(w, path, request, id)
  reply.headers["X-Request-Id"] = id
  if reply.body == "" then reply.headers["Content-Type"] = nil end
  return reply
end

function confluent.find(w, place, name)
  return rest.find(w, place, name), 1
end

local function load_connector(w, place, name, entry)
  local function wrong(what) error(format("confluent: %s: %s: %s", place.key, name, what), 0) end
  if type(entry) ~= "table" then wrong("not an object") end
  local null = w.json.null
  local function given(value) if value ~= null then return value end end
  local config, state, trace, id = entry.config, entry.state, entry.trace, entry.id
  if entry.info then
    config = type(entry.info) == "table" and entry.info.config
    local status = type(entry.status) == "table" and entry.status.connector
    if type(status) == "table" then state, trace = status.state, status.trace end
    id = type(entry.id) == "table" and entry.id.id or nil
  elseif entry["connector.class"] or entry["confluent.custom.plugin.id"] then
    config, state, trace, id = entry, nil, nil, nil
  end
  if type(config) ~= "table" then wrong("has no config") end
  for key, value in pairs(config) do
    if type(key) ~= "string" or type(value) ~= "string" then
      wrong("config values must be strings")
    end
  end
  state, trace, id = given(state) or "RUNNING", given(trace), given(id)
  if type(state) ~= "string" then wrong("state is not a string") end
  local key_count
  config, key_count = configs.stored(w, config, nil)
  if not config.name then
    config.name, key_count = name, key_count + 1
  end
  if config.name ~= name then wrong("config.name differs") end
  local c = {
    name = name, id = id or w:short_id("lcc-"), created = given(entry.created) or w:wall(),
    offsets = given(entry.offsets),
  }
  configure(c, config, key_count)
  if trace == "" then trace = nil end
  return lifecycle.load(w, c, state:lower(), trace, given(entry.transition))
end

function confluent.load_place(w, key, connectors)
  local environment, cluster = key:match("^([^/]+)/([^/]+)$")
  if not environment then
    error(format("confluent: %q is not ENVIRONMENT/CLUSTER", key), 0)
  end
  local place = rest.new_place(key)
  place.environment, place.cluster = environment, cluster
  for _, name in ipairs(text.sorted_keys(connectors)) do
    if type(name) ~= "string" then
      error(format("confluent: %s: not an object of connectors", key), 0)
    end
    rest.add(place, load_connector(w, place, name, connectors[name]))
  end
  return place
end

function confluent.save_place(w, place)
  local write, out = w.write, {}
  for i, name in ipairs(rest.names(place)) do
    local c = rest.find(w, place, name)
    out[i] = format('\n%s:{"id":%s,"state":"%s","created":%s,%s%s%s"config":%s}', write.quote(name),
      write.quote(c.id), c.phase:upper(), write.value(c.created),
      c.trace and '"trace":' .. write.quote(c.trace) .. "," or "",
      c.offsets and '"offsets":' .. w.write.value(c.offsets) .. "," or "",
      lifecycle.save(w, c) and '"transition":' .. lifecycle.save(w, c) .. "," or "",
      write.object(c.config))
  end
  return "{" .. concat(out, ",") .. "}"
end

return confluent
