-- confluent_offsets: offsets of a connector as Confluent Cloud serves them: read at once, altered
-- or reset by a request that is applied later and asked after.

local text = require "simulator.text"

local format = string.format

local offsets = {}

-- Why a value cannot be a list of offsets, or nil. An empty table passes as an empty list.
function offsets.refuse(list)
  if type(list) ~= "table" then return "offsets must be a list" end
  local count = 0
  for key in pairs(list) do
    if math.type(key) ~= "integer" then return "offsets must be a list" end
    count = count + 1
  end
  if count ~= #list then return "offsets must be a list" end
  for _, entry in ipairs(list) do
    if type(entry) ~= "table" or type(entry.partition) ~= "table" or entry.offset == nil then
      return "each of the offsets needs a partition and an offset"
    end
    for key in pairs(entry.partition) do
      if type(key) ~= "string" then return "a partition must be an object" end
    end
  end
end

local function list_text(w, list)
  if not list or not list[1] then return "[]" end
  return w.write.value(list)
end

-- Applies what was asked for once its time has come.
local function advance(w, c)
  local job = c.offset_job
  if not job or job.applied or w.now < job.due then return end
  job.applied = w:wall()
  job.previous = c.offsets
  if job.type == "DELETE" then
    c.offsets = nil
    return
  end
  local order, merged = {}, {}
  for _, list in ipairs { c.offsets or {}, job.offsets } do
    for _, entry in ipairs(list) do
      local key = w.write.object(entry.partition)
      if not merged[key] then order[#order + 1] = key end
      merged[key] = entry
    end
  end
  c.offsets = {}
  for i, key in ipairs(order) do c.offsets[i] = merged[key] end
end

function offsets.get(w, speaker, _, _, c)
  advance(w, c)
  return speaker.reply(w, 200, format(
    '{"id":"%s","name":%s,"offsets":%s,"metadata":{"observed_at":"%s"}}', c.id,
    w.write.quote(c.name), list_text(w, c.offsets), text.date(w:wall())))
end

local function request_text(w, c, job)
  return format('{"id":"%s","name":%s,"offsets":%s,"requested_at":"%s","type":"%s"}', c.id,
    w.write.quote(c.name), list_text(w, job.offsets), text.date(job.requested), job.type)
end

function offsets.request(w, speaker, place, request, c)
  advance(w, c)
  local body = w:decode_object(request.body)
  if not body then return speaker.fail(w, "malformed", "Bad Request: malformed JSON") end
  if body.type ~= "PATCH" and body.type ~= "DELETE" then
    return speaker.fail(w, "invalid", "type must be PATCH or DELETE")
  end
  local wrong = body.offsets ~= nil and offsets.refuse(body.offsets)
    or body.type == "PATCH" and not (body.offsets or {})[1] and "PATCH needs offsets"
    or body.type == "DELETE" and (body.offsets or {})[1] and "DELETE takes no offsets"
  if wrong then return speaker.fail(w, "invalid", wrong) end
  if c.offset_job and not c.offset_job.applied then
    return speaker.fail(w, "busy", format(
      "An alter offset request for connector %s is already in progress", c.name))
  end
  c.offset_job = {
    type = body.type, offsets = body.offsets, requested = w:wall(),
    due = w.now + w.provisioning / 2,
  }
  local verb = body.type == "PATCH" and "alter_offsets" or "reset_offsets"
  local summary = speaker.summary(w, place, c)
  w:effect("confluent", place, verb, c, summary, summary)
  return speaker.reply(w, 202, request_text(w, c, c.offset_job))
end

function offsets.status(w, speaker, _, _, c)
  advance(w, c)
  local job = c.offset_job
  if not job then return speaker.fail(w, "not_found") end
  return speaker.reply(w, 200, format(
    '{"request":%s,"status":{"phase":"%s","message":"%s"},"previous_offsets":%s%s}',
    request_text(w, c, job), job.applied and "APPLIED" or "PENDING",
    job.applied and "The offsets have been applied." or "The request is waiting to be applied.",
    list_text(w, job.previous),
    job.applied and format(',"applied_at":"%s"', text.date(job.applied)) or ""))
end

return offsets
