-- write: the one way by which connectors are changed. An intent is in the journal before anything
-- is sent and its outcome before the script sees it; what an earlier run has done is not done
-- again; under --plan nothing is sent at all.

local raw = require "kelp.raw"
local settings = require "kelp.settings"
local plan = settings.plan and require "kelp.plan" or nil

local write = {}

-- While the inverse of a recorded write is sent: { op, ambiguous }.
local undoing

-- The record that a write returned: of its config, what was asked for is recorded once.
local function record_of(found, target)
  local value = found.result and raw.json.decode(found.result)
  if type(value) ~= "table" then return true end
  local request = found.request and raw.json.decode(found.request) or {}
  for key, asked in pairs(value.config and request or {}) do
    if value.config[key] == nil and asked ~= raw.json.null and key:sub(1, 1) ~= "$" then
      value.config[key] = asked
    end
  end
  for key, held in pairs(value.config or {}) do
    if type(held) == "table" then value.config[key] = "****************" end -- not recorded
  end
  value.target = target
  return setmetatable(value, raw.connector_metatable)
end

-- The keys in which two recorded requests differ, for a message.
local function changed_keys(before, now)
  local a, b, keys = before and raw.json.decode(before) or {}, now or {}, {}
  for key, value in pairs(a) do
    local other = b[key]
    if type(value) ~= "table" and value ~= other and tostring(value) ~= tostring(other) then
      keys[#keys + 1] = key
    end
  end
  for key in pairs(b) do
    if a[key] == nil then keys[#keys + 1] = key end
  end
  table.sort(keys)
  return #keys > 0 and (" (%s)"):format(table.concat(keys, ", ")) or ""
end

local function refuse_difference(target, verb, name, found, request)
  error(raw.error("journal", ("the run that is gone on with asked for this with a different "
    .. "content%s; nothing was sent. Go on with the script as it was then, or start a new run "
    .. "(without --resume) once this one is settled"):format(changed_keys(found.request, request)),
    { target = target.label, provider = target.provider, verb = verb, connector = name,
      sent = "no" }), 0)
end

--- Before a write: an entry for carry_out, and the recorded result when an earlier run has done
--- it. `request` is a table of what is asked for, or nil; `key` what the script calls it, or nil.
function write.begin(target, verb, name, request, key)
  if undoing then return { as = verb, op = undoing.op, ambiguous = undoing.ambiguous } end
  if plan then return { target = target, verb = verb, name = name, request = request } end
  local text, found = raw.journal_find(target, verb, name, key, request)
  if not text then return { as = verb } end
  local entry = { as = verb, key = text, target = target, verb = verb, name = name, request = request }
  if not found then return entry end
  if found.differs and found.state ~= "refused" and found.state ~= "planned" then
    refuse_difference(target, verb, name, found, request)
  end
  if found.state == "done" then return entry, record_of(found, target) end
  if found.state == "intent" or found.state == "unknown" then
    entry.ambiguous, entry.found = true, found
  elseif found.state:find "^und" then
    error(raw.error("journal", "it was undone; start a new run to do it again",
      { target = target.label, provider = target.provider, verb = verb, connector = name,
        sent = "no" }), 0)
  end
  return entry
end

-- What is known of a write that has failed.
local function state_of(entry, failure)
  if not entry.ambiguous and raw.journal_sent(entry.op) == 0 then return "refused" end
  if raw.is_error(failure) and failure.settled then return "refused" end
  if not raw.is_error(failure) or failure.kind == "unknown_outcome" or failure.sent == "maybe"
      or failure.is_ambiguous then
    return "unknown"
  end
  local outcome = failure.outcome
  return (outcome == "refused" or outcome == "rejected" or outcome == "not_sent")
    and "refused" or "unknown"
end

--- Calls send(entry, …), which passes `entry` as the options of its exchanges, between the record
--- of the intent and that of the outcome. `before`: the connector as it was, or nil.
function write.carry_out(entry, before, send, ...)
  if plan and entry.verb then return plan.note(entry, before) end
  if not entry.key then return send(entry, ...) end
  entry.op = raw.journal_intend(entry.key, entry.target, entry.verb, entry.name, entry.request,
    before)
  local ok, result = pcall(send, entry, ...)
  if ok then
    raw.journal_end(entry.op, "done", result, nil, entry.request, entry.key)
    return result
  end
  raw.journal_end(entry.op, state_of(entry, result), nil, tostring(result), nil, entry.key)
  error(result, 0)
end

--- True when an earlier run is gone on with.
function write.resumed()
  return settings.resumed == true
end

--- True when what was there before a write should be looked up for the record.
function write.wants_before()
  return not undoing and (plan ~= nil or raw.journal_records())
end

--- Calls f(…), whose one write is the inverse of operation `op`.
function write.undo(op, ambiguous, f, ...)
  undoing = { op = op, ambiguous = ambiguous }
  local _ <close> = setmetatable({}, { __close = function() undoing = nil end })
  return f(...)
end

return write
