-- acme: the model of Acme Streams, which exists in the tests only (see acme.c beside this file). In
-- a state, a place is "ORGANIZATION/PROJECT/REGION", and a CONNECTOR of its list {"id", "name",
-- "config"} with, optional, "state" (a phase of lifecycle.lua) and "trace".

local lifecycle = require "simulator.lifecycle"
local routes = require "simulator.routes"
local text = require "simulator.text"

local format = string.format

local PAGE <const> = 3
local MASK <const> = '"########"'
local shown = { running = "ACTIVE", paused = "HALTED", failed = "BROKEN", provisioning = "STARTING",
                restarting = "REVIVING" }
local task_words = { RUNNING = "ACTIVE", PAUSED = "HALTED", FAILED = "BROKEN",
                     RESTARTING = "REVIVING" }

local acme = {
  example = { ["shop/orders/north"] = {
    { id = "p-100", name = "clicks-in", config = { ["connector.class"] = "ClickSource" } },
    { id = "p-101", name = "orders-out", config = { ["connector.class"] = "TableSink",
      topics = "orders", ["table.password"] = "not-a-real-password" } },
    { id = "p-102", name = "refunds-out", state = "paused",
      config = { ["connector.class"] = "TableSink", topics = "refunds" } },
    { id = "p-103", name = "stock-out", state = "failed", trace = "the table is gone",
      config = { ["connector.class"] = "TableSink", topics = "stock" } },
  } },
}

local function reply(status, body)
  return { status = status, headers = { ["Content-Type"] = "application/json" }, body = body }
end

local function failure(w, status, message)
  return reply(status, format('{"problem":{"text":%s,"number":%d,"trace":"t-%d"}}',
    w.write.quote(message), status * 10, w.request_count))
end

local function settings_text(w, c)
  local parts = {}
  for i, key in ipairs(text.sorted_keys(c.config)) do
    parts[i] = w.write.quote(key) .. ":" .. (w.write.secret(key) and MASK
      or w.write.value(c.config[key]))
  end
  parts[#parts + 1] = '"acme.revision":"7"'
  return "{" .. table.concat(parts, ",") .. "}"
end

local function workers_text(w, c)
  local parts = {}
  for i, task in ipairs(lifecycle.tasks(c)) do
    parts[i] = format('{"number":%d,"state":"%s","host":"w-1","failure":%s}', i - 1,
      task_words[task.state] or task.state, w.write.quote(task.text or ""))
  end
  return "[" .. table.concat(parts, ",") .. "]"
end

local function pipeline_text(w, place, c)
  return format('{"pipeline_id":"%s","display_name":%s,"kind":%s,"region":%s,"born":%d,'
    .. '"settings":%s,"runtime":{"state":"%s","failure":%s,"workers":%s}}', c.id,
    w.write.quote(c.name), w.write.quote(c.config["connector.class"] or ""),
    w.write.quote(place.region), c.created, settings_text(w, c), shown[c.phase] or "LOST",
    w.write.quote(c.phase == "failed" and c.trace or ""), workers_text(w, c))
end

local function summary(w, c) return w.write.redacted(c.config) end

local function find_by_name(place, name)
  for _, c in ipairs(place.list) do
    if c.name == name then return c end
  end
end

-- What this service takes for settings, or a reply that refuses.
local function settings_of(w, request)
  local body = w:decode_object(request.body)
  local settings = body and body.settings
  if type(settings) ~= "table" then return nil, failure(w, 422, "settings are missing") end
  return settings, nil, body
end

local function list(w, request, organization, project)
  local region = text.query_values(request.query, "region")[1] or ""
  local place = w.places.acme[organization .. "/" .. project .. "/" .. region]
  if not place then return failure(w, 404, "there is no such project") end
  local first = math.tointeger(tonumber(text.query_values(request.query, "page_token")[1] or 1))
  local parts = {}
  for i = first, math.min(first + PAGE - 1, #place.list) do
    lifecycle.advance(w, place.list[i])
    parts[#parts + 1] = pipeline_text(w, place, place.list[i])
  end
  local after = first + PAGE <= #place.list and format('"%d"', first + PAGE) or "null"
  return reply(200, format('{"page":{"pipelines":[%s],"next":%s}}', table.concat(parts, ","),
    after))
end

local function create(w, request, organization, project)
  local settings, refusal, body = settings_of(w, request)
  if refusal then return refusal end
  local place = w.places.acme[format("%s/%s/%s", organization, project, body.region)]
  if not place then return failure(w, 404, "there is no such project") end
  if find_by_name(place, body.display_name) then
    return failure(w, 409, format("the name %s is taken", body.display_name))
  end
  if not settings["connector.class"] then return failure(w, 422, "connector.class is missing") end
  local c = lifecycle.new(w, { name = body.display_name, id = w:short_id "p-", config = settings,
                               created = w:wall() })
  place.list[#place.list + 1] = c
  w:effect("acme", place, "create", c, nil, summary(w, c))
  lifecycle.advance(w, c)
  return reply(201, pipeline_text(w, place, c))
end

local function on_existing(handler)
  return function(w, request, id)
    for _, place in pairs(w.places.acme) do
      for i, c in ipairs(place.list) do
        if c.id == id then
          lifecycle.advance(w, c)
          return handler(w, place, c, request, i)
        end
      end
    end
    return failure(w, 404, "there is no such pipeline")
  end
end

local function get(w, place, c) return reply(200, pipeline_text(w, place, c)) end

local function update(w, place, c, request)
  local settings, refusal = settings_of(w, request)
  if refusal then return refusal end
  local before, merged = summary(w, c), {}
  for key, value in pairs(c.config) do merged[key] = value end
  for key, value in pairs(settings) do
    if value == w.json.null then merged[key] = nil else merged[key] = value end
  end
  c.config = merged
  lifecycle.reconfigured(w, c)
  w:effect("acme", place, "update", c, before, summary(w, c))
  return reply(200, pipeline_text(w, place, c))
end

-- A change of what the pipeline does, answered with nothing.
local function action(verb, change)
  return on_existing(function(w, place, c)
    if verb == "restart" and c.phase == "paused" then
      return failure(w, 409, "it is halted")
    end
    change(w, c)
    w:effect("acme", place, verb, c, summary(w, c), summary(w, c))
    return reply(204, "")
  end)
end

local function delete(w, place, c, _, i)
  table.remove(place.list, i)
  w:effect("acme", place, "delete", c, summary(w, c), nil)
  return reply(204, "")
end

local find_route = routes.compile("/acme/api/", {
  ["organizations/{organization}/projects/{project}/pipelines"] = { GET = list, POST = create },
  ["pipelines/{id}"] = { GET = on_existing(get), PATCH = on_existing(update),
                         DELETE = on_existing(delete) },
  ["pipelines/{id}/halt"] = { POST = action("pause", lifecycle.pause) },
  ["pipelines/{id}/start"] = { POST = action("resume", lifecycle.resume) },
  ["pipelines/{id}/restart"] = { POST = action("restart", lifecycle.restart) },
})

-- path is what follows "/acme/".
function acme.handle(w, path, request)
  w:request_id()
  local who = w:credential(request.headers.authorization)
  local handlers, pattern, first, second = find_route((path:gsub("^api/", "")))
  w:count_request(request.method, handlers and pattern or "/acme (unknown)")
  if not who or who.kind ~= "bearer" then return failure(w, 401, "no token") end
  if not handlers then return failure(w, 404, "there is no such resource") end
  if not handlers[request.method] then return failure(w, 405, "not allowed") end
  return handlers[request.method](w, request, first, second)
end

function acme.find(w, place, name)
  local c = find_by_name(place, name)
  if c then lifecycle.advance(w, c) end
  return c, 1
end

function acme.load_place(w, key, connectors)
  local place = { key = key, list = {}, region = key:match "[^/]*$" }
  for i, entry in ipairs(connectors) do
    local c = { name = entry.name, id = entry.id, config = entry.config, created = w:wall() }
    if type(c.name) ~= "string" or type(c.id) ~= "string" or type(c.config) ~= "table" then
      error(format("acme: %s: connector %d is not complete", key, i), 0)
    end
    place.list[i] = lifecycle.load(w, c, entry.state or "running", entry.trace, entry.transition)
  end
  return place
end

function acme.save_place(w, place)
  local parts = {}
  for i, c in ipairs(place.list) do
    lifecycle.advance(w, c)
    local transition = lifecycle.save(w, c)
    parts[i] = format('\n{"id":"%s","name":%s,"state":"%s"%s%s,"config":%s}', c.id,
      w.write.quote(c.name), c.phase, c.trace and ',"trace":' .. w.write.quote(c.trace) or "",
      transition and ',"transition":' .. transition or "", w.write.object(c.config))
  end
  return "[" .. table.concat(parts, ",") .. "]"
end

return acme
