-- connect_rest: the REST dialect of Kafka Connect, as far as its speakers agree: resources, reads,
-- list and expand, pause, resume, delete. A speaker (see confluent.lua) says what differs.
--
-- A speaker is a table of:
--   name; reply(w, status, body) -> reply;
--   fail(w, kind, message) -> reply, where the kinds used here are "not_found" (reads) and
--     "not_found_action";
--   config_text(w, place, c) -> the config as a client sees it;
--   summary(w, place, c) -> the config as the effect log keeps it;
--   worker(c); task(c, task) -> state, text; task_text, the name of that text;
--   status_extra(w, c) -> more members of a status;
--   write_status(w, c) -> the whole status instead, and unseen(c), whether there is none yet:
--     both optional, as is tasks(c), the tasks that info and status show;
--   expand, the words it knows; split_expand, whether expand takes a comma list; maps, whether an
--     unknown word also gives a map;
--   deleted, status and body of a successful delete.
-- A handler is called as handler(w, speaker, place, request, name, …names).

local lifecycle = require "simulator.lifecycle"
local routes = require "simulator.routes"
local text = require "simulator.text"

local concat, format = table.concat, string.format

local rest = {}

-- place = { key, connectors = name -> c, order = names in order or nil when that is out of date }

function rest.new_place(key)
  return { key = key, connectors = {}, order = nil }
end

function rest.find(w, place, name)
  local c = place.connectors[name]
  if c then lifecycle.advance(w, c) end
  return c
end

function rest.add(place, c)
  place.connectors[c.name] = c
  place.order = nil
end

function rest.remove(place, c)
  place.connectors[c.name] = nil
  place.order = nil
end

local function names(place)
  local order = place.order
  if not order then
    order = text.sorted_keys(place.connectors)
    place.order = order
  end
  return order
end
rest.names = names

local function tasks_of(speaker, c)
  return speaker.tasks and speaker.tasks(c) or lifecycle.tasks(c)
end

function rest.info_text(w, speaker, place, c)
  local info = c.info_text
  if not info then
    local name, tasks = w.write.quote(c.name), {}
    for i = 1, #tasks_of(speaker, c) do
      tasks[i] = format('{"connector":%s,"task":%d}', name, i - 1)
    end
    info = format('{"name":%s,"config":%s,"tasks":[%s],"type":%s}', name,
      speaker.config_text(w, place, c), concat(tasks, ","), w.write.quote(c.type))
    c.info_text = info
  end
  return info
end

function rest.status_text(w, speaker, c)
  local status = c.status_text
  if not status and speaker.write_status then
    status = speaker.write_status(w, c)
    c.status_text = status
  elseif not status then
    local quote = w.write.quote
    local worker, tasks = quote(speaker.worker(c)), {}
    for i, task in ipairs(lifecycle.tasks(c)) do
      local state, message = speaker.task(c, task)
      tasks[i] = format('{"id":%d,"state":"%s","worker_id":%s,"%s":%s}', i - 1, state, worker,
        speaker.task_text, quote(message or ""))
    end
    status = format('{"name":%s,"connector":{"state":"%s","worker_id":%s,"trace":%s},'
      .. '"tasks":[%s],"type":%s%s}', quote(c.name), c.phase:upper(), worker,
      quote(c.phase == "failed" and c.trace or ""), concat(tasks, ","), quote(c.type),
      speaker.status_extra(w, c))
    c.status_text = status
  end
  return status
end

local function expansions(speaker, query)
  local wanted, any = {}, speaker.maps and #text.query_values(query, "expand") > 0
  for _, value in ipairs(text.query_values(query, "expand")) do
    for word in value:gmatch(speaker.split_expand and "[^,]+" or ".+") do
      if speaker.expand[word] then wanted[word], any = true, true end
    end
  end
  return any and wanted
end

local function list(w, speaker, place, request)
  local order, out = names(place), {}
  local wanted = request.query ~= "" and expansions(speaker, request.query)
  local quote = w.write.quote
  if not wanted then
    for i = 1, #order do out[i] = quote(order[i]) end
    return speaker.reply(w, 200, "[" .. concat(out, ",") .. "]")
  end
  local count = 0
  for i = 1, #order do
    local c = rest.find(w, place, order[i])
    local parts, n = {}, 0
    -- A worker leaves out what has no status yet.
    if wanted.status and speaker.unseen and speaker.unseen(c) then goto continue end
    if wanted.info then
      n = n + 1
      parts[n] = '"info":' .. rest.info_text(w, speaker, place, c)
    end
    if wanted.status then
      n = n + 1
      parts[n] = '"status":' .. rest.status_text(w, speaker, c)
    end
    if wanted.id then
      n = n + 1
      parts[n] = format('"id":{"id":"%s","id_type":"ID"}', c.id)
    end
    count = count + 1
    out[count] = quote(order[i]) .. ":{" .. concat(parts, ",") .. "}"
    ::continue::
  end
  return speaker.reply(w, 200, "{" .. concat(out, ",") .. "}")
end

local function on_existing(kind, handler)
  return function(w, speaker, place, request, name, ...)
    local c = rest.find(w, place, name)
    if not c then return speaker.fail(w, kind, name) end
    return handler(w, speaker, place, request, c, ...)
  end
end
rest.on_existing = on_existing

local function get(w, speaker, place, _, c)
  return speaker.reply(w, 200, rest.info_text(w, speaker, place, c))
end

local function get_config(w, speaker, place, _, c)
  return speaker.reply(w, 200, speaker.config_text(w, place, c))
end

local function get_status(w, speaker, _, _, c)
  return speaker.reply(w, 200, rest.status_text(w, speaker, c))
end

local function get_tasks(w, speaker, place, _, c)
  local name, out = w.write.quote(c.name), {}
  for i = 1, #tasks_of(speaker, c) do
    out[i] = format('{"id":{"connector":%s,"task":%d},"config":%s}', name, i - 1,
      (speaker.task_config_text or speaker.config_text)(w, place, c))
  end
  return speaker.reply(w, 200, "[" .. concat(out, ",") .. "]")
end

local function pause(w, speaker, place, _, c)
  lifecycle.pause(w, c)
  local summary = speaker.summary(w, place, c)
  w:effect(speaker.name, place, "pause", c, summary, summary)
  return speaker.reply(w, 202, "")
end

local function resume(w, speaker, place, _, c)
  lifecycle.resume(w, c)
  local summary = speaker.summary(w, place, c)
  w:effect(speaker.name, place, "resume", c, summary, summary)
  return speaker.reply(w, 202, "")
end

local function delete(w, speaker, place, _, c)
  rest.remove(place, c)
  w:effect(speaker.name, place, "delete", c, speaker.summary(w, place, c), nil)
  return speaker.reply(w, speaker.deleted.status, speaker.deleted.body)
end

rest.handlers = { list = list, get = get, get_config = get_config, get_status = get_status,
                  get_tasks = get_tasks, pause = pause, resume = resume, delete = delete }

local common = {
  ["connectors"] = { GET = list },
  ["connectors/{name}"] = {
    GET = on_existing("not_found", get),
    DELETE = on_existing("not_found_action", delete),
  },
  ["connectors/{name}/config"] = { GET = on_existing("not_found_action", get_config) },
  ["connectors/{name}/status"] = { GET = on_existing("not_found", get_status) },
  ["connectors/{name}/tasks"] = { GET = on_existing("not_found", get_tasks) },
  ["connectors/{name}/pause"] = { PUT = on_existing("not_found_action", pause) },
  ["connectors/{name}/resume"] = { PUT = on_existing("not_found_action", resume) },
}

-- The routes above with the speaker's own laid over them, compiled; see routes.lua.
function rest.routes(prefix, own)
  local all = {}
  for _, entries in ipairs { common, own } do
    for pattern, handlers in pairs(entries) do
      all[pattern] = all[pattern] or {}
      for method, handler in pairs(handlers) do all[pattern][method] = handler end
    end
  end
  return routes.compile(prefix, all)
end

return rest
