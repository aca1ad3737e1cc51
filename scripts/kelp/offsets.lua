-- offsets: how far a connector has got in what it reads: read, altered, reset, and told to a new
-- connector. Kafka Connect changes them at once, and only while the connector is stopped; a service
-- may take a request, which it carries out later, and tell of the last one.

local raw = require "kelp.raw"
local abilities = require "kelp.abilities"
local preparation = require "kelp.preparation"
local reconcile = require "kelp.reconcile"
local record = require "kelp.record"
local settings = require "kelp.settings"
local write = require "kelp.write"

local offsets = {}

local function has_only_text_keys(t)
  for key in pairs(t) do
    if type(key) ~= "string" then return false end
  end
  return true
end

-- The partition and the offset of one item, of which kelp looks at neither.
local function check_item(what, i, item, may_forget)
  local function wrong(why) raw.misuse(("%s: offset %d: %s"):format(what, i, why)) end
  if type(item) ~= "table" then wrong("not a table") end
  for key in pairs(item) do
    if key ~= "partition" and key ~= "offset" then
      wrong(("unknown member '%s'"):format(tostring(key)))
    end
  end
  local partition, offset = item.partition, item.offset
  if type(partition) ~= "table" or not next(partition) or not has_only_text_keys(partition) then
    wrong("partition must be a table of named values")
  end
  if offset == raw.json.null then
    if not may_forget then wrong("offset cannot be null there") end
  elseif type(offset) ~= "table" or not next(offset) or not has_only_text_keys(offset) then
    wrong("offset must be a table of named values")
  end
  return { partition = partition, offset = offset }
end

-- The list as it is sent; kelp.null for an offset forgets that partition, where the provider can.
local function check_list(what, list, may_forget)
  if type(list) ~= "table" or #list == 0 then
    raw.misuse(("%s: a list of { partition = {…}, offset = {…} } expected, got %s"):format(what,
      type(list) == "table" and "none" or type(list)))
  end
  local result = {}
  for key in pairs(list) do
    if math.type(key) ~= "integer" or key < 1 or key > #list then
      raw.misuse(("%s: a list of offsets expected, and it has the key '%s'"):format(what,
        tostring(key)))
    end
  end
  for i, item in ipairs(list) do result[i] = check_item(what, i, item, may_forget) end
  return result
end

local function fail(kind, target, verb, name, message, fields)
  fields = fields or {}
  fields.target, fields.provider = target.label, target.provider
  fields.verb, fields.connector = verb, name
  error(raw.error(kind, message, fields), 0)
end

-- ---- where it is done at once ----

-- The same for partitions whose numbers came as texts.
local function known_by(partition)
  local plain = {}
  for key, value in pairs(partition) do plain[key] = tostring(value) end
  return raw.json.encode(plain)
end

-- Whether the connector's offsets are what they were to become.
local function are_set(target, name, list)
  local shown = raw.exchange(target, "offsets", name).offsets or {}
  if not list then return #shown == 0 end
  local by_partition = {}
  for _, item in ipairs(shown) do by_partition[known_by(item.partition)] = item.offset end
  for _, item in ipairs(list) do
    local there = by_partition[known_by(item.partition)]
    if item.offset == raw.json.null and there ~= nil then return false end
    if item.offset ~= raw.json.null
      and (there == nil or raw.json.encode(there) ~= raw.json.encode(item.offset)) then
      return false
    end
  end
  return true
end

-- A worker answers 500 to offsets that its connector does not take. What a stopped connector's
-- offsets are can be seen, so that this is told from an outcome that nobody knows.
local function explain(w, list, failure)
  if not raw.is_error(failure) or failure.kind ~= "unknown_outcome" or failure.status ~= 500
    or failure.message:find("timed out", 1, true) then
    error(failure, 0)
  end
  local looked, set = pcall(are_set, w.target, w.name, list)
  if not looked then error(failure, 0) end
  if set then return true end
  failure.kind, failure.cause, failure.is_ambiguous, failure.outcome = "server", nil, nil, "refused"
  failure.message = failure.message:gsub("^whether it was carried out is not known: ", "")
  failure.sent, failure.retryable = "yes", false
  error(failure, 0)
end

local function change_stopped(w, step, list)
  w.members = list and { offsets = raw.json.array(list) }
  local ok, response = pcall(reconcile.state, w, step)
  w.members = nil
  if not ok then return explain(w, list, response) end
  return type(response) == "table" and type(response.message) == "string" and response.message
    or true
end

-- ---- where it is asked for and done later ----

-- The last request about the connector's offsets, and what became of it; nil: none was made.
local function last_request(target, name)
  local ok, response = pcall(raw.exchange, target, "offsets_request", name)
  if ok then return response end
  if raw.is_error(response) and response.kind == "not_found" then return nil end
  error(response, 0)
end

local function is_ours(last, wanted)
  local request = last and last.request
  if type(request) ~= "table" or request.type ~= wanted.type then return false end
  return not wanted.offsets
    or raw.json.encode(request.offsets) == raw.json.encode(wanted.offsets)
end

local function asked_at(last)
  return last and type(last.request) == "table" and last.request.requested_at
end

-- Whether an ambiguous request was taken: it shows as the last one, newer than the one before it.
local function was_taken(target, name, wanted, before)
  for _ = 1, 2 do
    raw.sleep(target.visibility_delay / 2)
    local last = last_request(target, name)
    if is_ours(last, wanted) and asked_at(last) ~= asked_at(before) then return true end
  end
  return false
end

local function give_up(failure)
  failure.cause, failure.kind = failure.kind, "unknown_outcome"
  failure.message = "whether it was asked for is not known: " .. failure.message
  error(failure, 0)
end

-- Sends the request so that it is taken once.
local function request_once(w, wanted)
  local target, name = w.target, w.name
  local before = last_request(target, name)
  if w.ambiguous and is_ours(before, wanted) then return end
  w.members = wanted
  local first = true
  while true do
    local ok, failure = pcall(raw.exchange, target, w.verb, name, nil, w)
    if ok then return end
    if not raw.is_error(failure) or failure.outcome ~= "ambiguous" then error(failure, 0) end
    -- Another request is under way; ours, if it was sent before.
    if failure.status == 409 and first then
      failure.outcome, failure.is_ambiguous, failure.sent = "refused", nil, "yes"
      error(failure, 0)
    end
    raw.log("notice", ("%s %s on %s: ambiguous (%s); looking whether it was taken")
      :format(w.verb, name, target.label, failure.message))
    local looked, taken = pcall(was_taken, target, name, wanted, before)
    if looked and taken then return end
    if not looked or write.is_spent(w) or failure.cause == "cancelled" then give_up(failure) end
    first = false
  end
end

local function await_request(target, verb, name, wanted, options)
  local start, poll = raw.now(), options.poll
  while true do
    local last = last_request(target, name)
    local status = last and type(last.status) == "table" and last.status or {}
    local phase = type(status.phase) == "string" and status.phase:upper() or "UNKNOWN"
    local said = type(status.message) == "string" and status.message or nil
    if last and not is_ours(last, wanted) then
      fail("conflict", target, verb, name, "another request about its offsets was made meanwhile",
        { sent = "yes" })
    end
    if phase == "APPLIED" then return said or true end
    if phase == "FAILED" then
      fail("conflict", target, verb, name, "it was asked for and could not be carried out: "
        .. (said or "no reason is given"), { sent = "yes", outcome = "refused" })
    end
    local left = start + options.timeout - raw.now()
    if left <= 0 then
      fail("timeout", target, verb, name,
        ("it was asked for and is %s after %g s"):format(phase, options.timeout),
        { sent = "yes", state = phase:lower() })
    end
    raw.sleep(math.min(poll, left))
    poll = math.min(poll * 1.5, 10 * options.poll)
  end
end

local function change_later(w, _, list, options)
  local wanted = { type = list and "PATCH" or "DELETE", offsets = list and raw.json.array(list) }
  request_once(w, wanted)
  return await_request(w.target, w.verb, w.name, wanted, options)
end

-- ---- a new connector that is told where or how to begin ----

local states = { running = true, paused = true, stopped = true }

--- Checks create's options `offsets` and `state`; returns the list as it is sent.
function offsets.check_start(target, name, options)
  local can, state = abilities.of(target), options.state
  if state ~= nil then
    if not states[state] then raw.misuse("create: state must be running, paused or stopped") end
    if state ~= "running" and not can.initial_state then
      preparation.refuse(target, "unsupported", "create", name,
        abilities.reason(target, "initial_state")
          or "a connector cannot be made paused or stopped there")
    end
  end
  if options.offsets == nil then return nil end
  if not can.initial_offsets and not (can.initial_state and can.alter_offsets) then
    preparation.refuse(target, "unsupported", "create", name,
      abilities.reason(target, "initial_state")
        or "a connector cannot be told there where to begin")
  end
  return check_list("create", options.offsets, false)
end

-- What is left to be done after the connector was made; an error says how far it came.
local function start_at(w, list, state)
  w.id = w.name
  -- What an earlier run has started again, it had told where to begin.
  if w.ambiguous then
    local status = raw.exchange(w.target, "status", w.name)
    if record.own_state(status) ~= "stopped" then return end
  end
  change_stopped(w, "alter_offsets", list)
  if state ~= "stopped" then reconcile.state(w, state == "paused" and "pause" or "resume") end
end

--- reconcile.create for a connector that begins at these offsets (or nil), in that state (or nil).
--- Where a create takes no offsets, the connector is made stopped, they are set, and it starts.
function offsets.create(w, list, state)
  local can = abilities.of(w.target)
  if list and can.initial_offsets then
    w.members = { offsets = raw.json.array(list) }
    return reconcile.create(w)
  end
  if list then
    w.members = { initial_state = "STOPPED" }
  elseif state and can.initial_state then
    w.members = { initial_state = state:upper() }
  end
  local made = reconcile.create(w)
  w.members = nil
  if not list then return made end
  local ok, failure = pcall(start_at, w, list, state)
  if ok then return made end
  if raw.is_error(failure) then
    failure.verb, failure.made = "create", true
    failure.message = "it was made and is stopped, but it could not be made to begin at these "
      .. "offsets: " .. failure.message
  end
  error(failure, 0)
end

-- ---- the verbs ----

local known = { key = true, timeout = true, poll = true }

local function change_options(what, options)
  options = preparation.check_options(what, options, known)
  local result = { key = options.key, timeout = 300, poll = 1 }
  for _, name in ipairs { "timeout", "poll" } do
    local value = options[name]
    if value ~= nil then
      if type(value) ~= "number" or not (value >= 0) or value == math.huge then
        raw.misuse(("%s: %s must be a number of seconds"):format(what, name))
      end
      result[name] = value
    end
  end
  return result
end

-- The connector; a conflict when its offsets cannot be changed as it is. A record that the script
-- passed may be old: it is read again unless it says that they can.
local function check_state(what, target, connector, name)
  local needs_stopped = abilities.of(target).alters_when_stopped
  if preparation.is_known(target, what, connector)
      and not (needs_stopped and record.own_state(connector) ~= "stopped") then
    return connector
  end
  local status = preparation.read(target, "status", name, nil, { verb = what })
  if needs_stopped and record.own_state(status) ~= "stopped" then
    preparation.refuse(target, "conflict", what, name, ("its offsets can only be changed while it "
      .. "is stopped, and it is %s: stop it first"):format(status.state))
  end
  return status
end

--- The connector with its offsets as they are now, as a JSON text, for the record to undo the write.
--- Where they cannot be read, nothing is recorded of them.
function offsets.with_offsets(what, target, connector)
  if not write.wants_pre_image() or settings.plan or not abilities.of(target).offsets then
    return connector
  end
  local ok, response = pcall(raw.exchange, target, "offsets", connector.name, nil, { verb = what })
  if not ok then
    if not raw.is_error(response) or response.kind == "cancelled" then error(response, 0) end
    raw.log("info", ("%s %s on %s: its offsets as they are cannot be read, so that undo will not "
      .. "know them: %s"):format(what, connector.name, target.label, response.message))
    return connector
  end
  local copy = {}
  for key, value in pairs(connector) do copy[key] = value end
  copy.offsets = raw.json.encode(raw.json.array(response.offsets or {}))
  return setmetatable(copy, raw.connector_metatable)
end

local function change(what, target, connector, list, options)
  local name = preparation.name_of(what, connector)
  local request = list and { offsets = raw.json.encode(raw.json.array(list)) } or nil
  local w, recorded = write.new(target, what, name, request, options.key)
  if recorded then return recorded end
  if not w.ambiguous then
    w.pre_image = offsets.with_offsets(what, target, check_state(what, target, connector, name))
  end
  return write.carry_out(w, abilities.of(target).alters_when_stopped and change_stopped
    or change_later,
    what, list, options)
end

local verb = {}

-- An array of { partition, offset }, integers exact.
function verb.offsets(target, connector, options)
  preparation.need(target, "offsets")
  preparation.check_options("offsets", options, {})
  local name = preparation.name_of("offsets", connector)
  local response = raw.exchange(target, "offsets", name)
  if type(response.offsets) ~= "table" then
    fail("protocol", target, "offsets", name, "unexpected response: it holds no list of offsets")
  end
  return response.offsets
end

function verb.alter_offsets(target, connector, list, options)
  preparation.need(target, "alter_offsets")
  options = change_options("alter_offsets", options)
  list = check_list("alter_offsets", list, abilities.of(target).alters_when_stopped)
  return change("alter_offsets", target, connector, list, options)
end

function verb.reset_offsets(target, connector, options)
  preparation.need(target, "reset_offsets")
  options = change_options("reset_offsets", options)
  return change("reset_offsets", target, connector, nil, options)
end

offsets.verbs = verb

return offsets
