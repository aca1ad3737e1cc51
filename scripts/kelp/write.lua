-- write: one change to a connector as one value, and the order in which it is carried out: the
-- intent is in the journal before anything is sent, the outcome before the script sees it; what an
-- earlier run has done is not done again; under --plan nothing is sent at all.
--
-- A write is made by write.new and nowhere else. The verbs (verbs/*.lua) fill in what is sent, and
-- hand it to plan, journal, exchange and reconciliation. Its fields:
--   target, verb, name  what the script asked for; `verb` is the one that errors name
--   request             what is recorded of it and compared by a resumed run: a table, or nil
--   key                 what the journal calls it; nil when nothing is recorded
--   id                  what requests address the connector by: its name, or the provider's id
--   config              the config to send, normalised; nil when there is none
--   members, task       further parts of the request (call.h)
--   keep_masked         masks in `config` are meant
--   pre_image           the connector as it was, as far as known, or nil
--   ambiguous, found    an earlier run may have sent it; what the journal has of that
--   op                  the operation's number in the journal, once the intent is there
--   used                the budget that is used, nil before the first failure: { attempts: failed
--                       requests that count, sends: all requests, began: when the first was
--                       submitted (raw.now()) }. raw.exchange starts from it and replaces it
-- C reads the fields op, verb, members, task, keep_masked and used.

local raw = require "kelp.raw"
local settings = require "kelp.settings"
local plan = settings.plan and require "kelp.plan" or nil

local write = {}

-- The connectors about which this process has sent something: place -> name -> true.
local is_sent = {}

-- By task: what became of its writes, { sent, unchanged }, for the report of a bulk job.
local counts = setmetatable({}, { __mode = "k" })

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
local function changed_keys(earlier, now)
  local a, b, keys = earlier and raw.json.decode(earlier) or {}, now or {}, {}
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

local function refuse(w, message)
  error(raw.error("journal", message, { target = w.target.label, provider = w.target.provider,
    verb = w.verb, connector = w.name, sent = "no" }), 0)
end

-- Takes in what the resumed run has of the write. Returns the recorded result if it is done.
local function take_up(w, found)
  if found.differs and found.state ~= "refused" and found.state ~= "planned" then
    refuse(w, ("the resumed run asked for this with a different content%s; nothing was sent. "
      .. "Resume it with the script as it was then, or start a new run (without --resume) once "
      .. "its ambiguous writes are reconciled"):format(changed_keys(found.request, w.request)))
  end
  if found.state == "done" then return record_of(found, w.target) end
  if found.state == "intent" or found.state == "unknown" then
    w.ambiguous, w.found = true, found
  elseif found.state:find "^und" then
    refuse(w, "it was undone; start a new run to do it again")
  end
end

--- A write: see above. `key` is the script's own name for it, or nil. Also returns the recorded
--- result when an earlier run has done it.
function write.new(target, verb, name, request, key)
  local w = { target = target, verb = verb, name = name, id = name, request = request }
  if undoing then
    w.op, w.ambiguous = undoing.op, undoing.ambiguous
    return w
  end
  if plan then return w end
  local found
  w.key, found = raw.journal_find(target, verb, name, key, request)
  return w, found and take_up(w, found)
end

-- What is known of a write that has failed.
local function state_of(w, failure)
  if not w.ambiguous and raw.journal_sent(w.op) == 0 then return "refused" end
  if raw.is_error(failure) and failure.not_applied then return "refused" end
  if not raw.is_error(failure) or failure.kind == "unknown_outcome" or failure.sent == "maybe"
      or failure.is_ambiguous then
    return "unknown"
  end
  local outcome = failure.outcome
  return (outcome == "refused" or outcome == "rejected" or outcome == "not_sent")
    and "refused" or "unknown"
end

-- By target, so that a write need not ask for its place: the names of its place.
local sent_of = setmetatable({}, { __mode = "k" })

local function sent_names(target)
  local names = sent_of[target]
  if not names then
    local place = raw.place(target)
    is_sent[place] = is_sent[place] or {}
    names = is_sent[place]
    sent_of[target] = names
  end
  return names
end

local function count(what)
  local task = raw.current()
  local of = task and counts[task]
  if of then of[what] = of[what] + 1 end
end

--- Counts the writes of the task that runs from now on: { sent, unchanged }.
function write.count_anew()
  local of = { sent = 0, unchanged = 0 }
  counts[raw.current()] = of
  return of
end

--- In place of carry_out for a write that would change nothing: `result` is what the verb returns.
function write.leave(w, result)
  count "unchanged"
  raw.log("info", ("%s %s on %s: nothing to change"):format(w.verb, w.name, w.target.label))
  return result
end

--- True when this process has sent something about the connector. Then a read does not prove that
--- nothing would change: what was sent may be visible, or be carried out, only later.
function write.is_fresh(w)
  return sent_names(w.target)[w.name] == true
end

-- The connector as it was, for the record, in which secrets are hidden: with the names of those that
-- the write leaves as they are, since nobody can compare them later.
local function recorded_pre_image(w)
  local config, same = w.pre_image and w.pre_image.config, {}
  for key, value in pairs(config and w.config or {}) do
    if type(value) == "string" and value == config[key] and not raw.is_mask(value)
        and (raw.is_secret_key(key) or value:find "[@=]") then
      same[#same + 1] = key
    end
  end
  if #same == 0 then return w.pre_image end
  table.sort(same)
  local copy = {}
  for key, value in pairs(w.pre_image) do copy[key] = value end
  copy.same_keys = table.concat(same, "\n")
  return setmetatable(copy, raw.connector_metatable)
end

--- Calls send(w, …) between the record of the intent and that of the outcome.
function write.carry_out(w, send, ...)
  count "sent"
  if plan and not undoing then return plan.note(w) end
  sent_names(w.target)[w.name] = true
  if not w.key then return send(w, ...) end
  w.op = raw.journal_intend(w.key, w.target, w.verb, w.name, w.request,
    recorded_pre_image(w))
  local ok, result = pcall(send, w, ...)
  if ok then
    raw.journal_end(w.op, "done", result, nil, w.request, w.key)
    return result
  end
  raw.journal_end(w.op, state_of(w, result), nil, tostring(result), nil, w.key)
  error(result, 0)
end

--- True when another request of the write would be more than its attempts, or after its deadline.
function write.is_spent(w)
  local used, target = w.used, w.target
  return used ~= nil and (used.attempts >= target.attempts
    or raw.now() - used.began >= target.deadline)
end

--- True when an earlier run is resumed.
function write.resumed()
  return settings.resumed == true
end

--- True when what was there before a write should be looked up for the record.
function write.wants_pre_image()
  return not undoing and (plan ~= nil or raw.journal_records())
end

--- Calls f(…), whose one write is the inverse of operation `op`.
function write.undo(op, ambiguous, f, ...)
  undoing = { op = op, ambiguous = ambiguous }
  local _ <close> = setmetatable({}, { __close = function() undoing = nil end })
  return f(...)
end

return write
