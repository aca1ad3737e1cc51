-- reconcile: what to do when nobody knows whether a write was carried out: wait
-- until it must show, look, and then adopt, send again, or say that it is
-- unknown. Requests that were surely not carried out are sent again below this,
-- by the engine.

local raw = require "kelp.raw"

local reconcile = {}

-- How often an absent connector is looked for before it counts as not made: at
-- once, when `settle` has passed, and twice after that.
local LOOKS = 4

-- Creates whose outcome was in doubt in this run, for the audit at its end:
-- target -> name -> { expected = how many there should be, deleted = { id = true } }.
local doubtful = {}

local function is_ambiguous(failure)
  return raw.is_error(failure) and failure.outcome == "ambiguous"
end

local function say(target, verb, name, text)
  raw.log("notice", ("%s %s on %s: %s"):format(verb, name, target.label, text))
end

-- A server's own 500 that comes twice in the same words is a refusal: Confluent
-- answers so for a class that does not exist. Gateways (502 and above) always use
-- the same words and do not know what was done behind them.
local function same_answer(a, b)
  return a ~= nil and a.status == 500 and b.status == 500 and a.message == b.message
    and a.kind == "server"
end

-- True for what ends a task's waits: nothing may be sent after it.
local function is_cancelled(failure)
  return raw.is_error(failure) and (failure.kind == "cancelled" or failure.cause == "cancelled")
end

-- Every failure of the last attempt says how many there were. Without another kind it is settled:
-- it was looked whether it was carried out, and it was not.
local function give_up(failure, attempts, kind, message)
  failure.attempts, failure.settled = attempts, not kind or nil
  if kind then
    if failure.kind ~= kind then failure.cause = failure.cause or failure.kind end
    failure.kind = kind
    failure.message = message:format(failure.message)
  end
  error(failure, 0)
end

-- The same for a failure that came between two tries, of which the first is in
-- doubt: that is what counts. After a cancellation the error may reach nobody.
local function interrupted(doubtful_one, failure, attempts, message)
  doubtful_one.cause = raw.is_error(failure) and (failure.cause or failure.kind) or "error"
  doubtful_one.sent = "maybe"
  if is_cancelled(failure) then
    raw.log("error", ("%s %s on %s: whether it was carried out is not known: cancelled"):format(
      doubtful_one.verb, doubtful_one.connector, doubtful_one.target))
  end
  give_up(doubtful_one, attempts, "unknown_outcome", message)
end

-- Waits before the next try of what is in doubt.
local function back_off(target, doubtful_one, attempts, message)
  local ok, failure = pcall(raw.sleep, raw.backoff(attempts, target))
  if not ok then interrupted(doubtful_one, failure, attempts, message) end
end

-- The connectors of that name as the provider shows them now.
local function look(target, name)
  if target.can.address_by_id then
    local found = {}
    for _, c in ipairs(raw.exchange(target, "list")) do
      if c.name == name then found[#found + 1] = c end
    end
    return found
  end
  local ok, c = pcall(raw.exchange, target, "get", name)
  if ok then return { c } end
  if raw.is_error(c) and c.kind == "not_found" then return {} end
  error(c, 0)
end

-- True when the config that the provider shows is the one that was sent, as far
-- as can be seen: secret values are masked or may be, so those keys only have to
-- be there.
local function matches(shown, sent)
  for key, value in pairs(sent) do
    local there = shown[key]
    if there == nil then return false end
    local comparable = type(value) == "string" and not raw.is_secret_key(key, value)
      and not raw.is_mask(there)
    if comparable and there ~= value then return false end
  end
  return true
end

local function has_secret(config)
  for key, value in pairs(config) do
    if type(value) ~= "string" or raw.is_secret_key(key, value) then return true end
  end
  return false
end

-- Calls see(…) until it returns something, or what it does not see can be
-- believed not to be there.
local function until_settled(target, see, ...)
  for n = 1, LOOKS do
    if n > 1 then raw.sleep(n == 2 and target.settle or target.settle / 2) end
    local seen = see(...)
    if seen then return seen end
  end
end

local function look_for(target, name)
  local found = look(target, name)
  return found[1] and found
end

-- True when the config has a key that was to go: one that an update takes out, or
-- one that is not in what was put in its place.
local function has_more(shown, sent, verb, entry)
  for key in pairs(entry.members or {}) do
    if shown[key] ~= nil then return true end
  end
  for key in pairs(verb == "put" and shown or {}) do
    if sent[key] == nil and key ~= "name" and not raw.is_injected(key) then return true end
  end
  return false
end

-- The connector, if it shows the config that was sent. Secrets are not shown, so
-- with one in it nothing can be said.
local function look_for_config(target, at, wanted, verb, entry)
  local shown = raw.exchange(target, "get", at)
  local config = shown.config or {}
  return not has_secret(wanted) and matches(config, wanted)
    and not has_more(config, wanted, verb, entry) and shown or nil
end

-- Stands for the failure of a try in an earlier run, of which nobody knows what came.
local function earlier(target, verb, name)
  return raw.error("unknown_outcome", "the run was broken off",
    { target = target.label, provider = target.provider, verb = verb, connector = name,
      sent = "maybe", outcome = "ambiguous" })
end

local function doubt(target, name)
  doubtful[target] = doubtful[target] or {}
  doubtful[target][name] = doubtful[target][name] or { expected = 0, deleted = {} }
end

local function doubts(target, name)
  return doubtful[target] and doubtful[target][name]
end

local function create(target, name, config, entry)
  local wanted = raw.normalise(config, not target.can.address_by_id and name or nil)
  local previous
  for attempt = entry.ambiguous and 0 or 1, target.attempts do
    local ok, result = false, nil
    if attempt == 0 then
      result = earlier(target, "create", name)
    else
      ok, result = pcall(raw.exchange, target, "create", name, config, entry)
    end
    if ok then return result end
    local exists_now = raw.is_error(result) and result.kind == "exists" and previous ~= nil
    if not is_ambiguous(result) and not exists_now then
      if previous then
        interrupted(previous, result, attempt,
          "it may have been made, and it could not be tried again: %s")
      end
      error(result, 0)
    end
    if is_ambiguous(result) then doubt(target, name) end
    if is_cancelled(result) then error(result, 0) end
    say(target, "create", name, ("outcome in doubt (%s); looking whether it was made")
      :format(result.message))
    local looked, found = pcall(until_settled, target, look_for, target, name)
    if not looked then
      interrupted(result, found, attempt,
        "it may have been made, and looking for it failed too: %s")
    end
    found = found or {}
    if #found > 1 then
      local ids = {}
      for i, c in ipairs(found) do ids[i] = c.id or c.name end
      result.ids = ids
      give_up(result, attempt, "unknown_outcome",
        ("%d connectors of that name exist now (ids %s); one of them may be ours: %%s")
          :format(#found, table.concat(ids, ", ")))
    elseif #found == 1 then
      if matches(found[1].config or {}, wanted) then
        say(target, "create", name, "it was made; adopted")
        found[1].target = target
        return found[1]
      end
      error(raw.error(entry.ambiguous and "unknown_outcome" or "exists",
        entry.ambiguous and "a connector of that name exists with another config: ours, changed "
          .. "since, or somebody else's"
        or "a connector of that name exists with another config, made by somebody else meanwhile",
        { target = target.label, provider = target.provider, verb = "create", connector = name,
          sent = "maybe", attempts = attempt, id = found[1].id,
          settled = not entry.ambiguous or nil }), 0)
    end
    if same_answer(previous, result) then give_up(result, attempt) end
    previous = result
    if attempt == target.attempts then
      if result.status == 500 then give_up(result, attempt) end
      give_up(result, attempt, "unknown_outcome", "it could not be seen after %s")
    end
    say(target, "create", name, "it was not made; sending it again")
  end
end

-- `entry` in the functions below is of write.begin: the options of every exchange
-- that writes, and `ambiguous` when an earlier run may have sent it.

--- Makes the connector once: at most one create of ours takes effect, or the
--- error is `unknown_outcome` and names it.
function reconcile.create(entry, target, name, config)
  local ok, result = pcall(create, target, name, config, entry)
  local entry = doubts(target, name)
  if entry and (ok or raw.is_error(result)
      and (result.kind == "unknown_outcome" or result.kind == "exists")) then
    entry.expected = entry.expected + 1
  end
  if ok then return result end
  error(result, 0)
end

--- Writes a config (verb "update" or "put"): sends it again unless the provider
--- shows that it has it.
function reconcile.config(entry, target, verb, at, name, config)
  local unknown = "whether the config was changed is not known: %s"
  local wanted, previous
  if entry.ambiguous then
    wanted = raw.normalise(config)
    local shown = look_for_config(target, at, wanted, verb, entry)
    if shown then
      say(target, verb, name, "outcome was in doubt; the config is there")
      return shown
    end
  end
  for attempt = 1, target.attempts do
    local ok, result = pcall(raw.exchange, target, verb, at, config, entry)
    if ok then return result end
    if not is_ambiguous(result) then
      if previous then interrupted(previous, result, attempt, unknown) end
      error(result, 0)
    end
    if is_cancelled(result) then error(result, 0) end
    wanted = wanted or raw.normalise(config)
    local looked, shown
    local refused = same_answer(previous, result) and not has_secret(wanted)
    if refused then
      looked, shown = pcall(until_settled, target, look_for_config, target, at, wanted, verb,
        entry)
    else
      looked, shown = pcall(look_for_config, target, at, wanted, verb, entry)
    end
    if looked and shown then
      say(target, verb, name, "outcome was in doubt; the config is there")
      return shown
    end
    if looked and refused then give_up(result, attempt) end
    if is_cancelled(shown) then interrupted(result, shown, attempt, unknown) end
    previous = result
    if attempt == target.attempts then give_up(result, attempt, "unknown_outcome", unknown) end
    say(target, verb, name, "outcome in doubt; sending the same config again")
    back_off(target, result, attempt, unknown)
  end
end

--- Restarts: whether one happened cannot be seen afterwards, so it is sent again
--- (at least once), unless `at_most_once`.
function reconcile.event(entry, target, verb, at, name, at_most_once)
  local unknown = "whether it was restarted is not known: %s"
  local previous
  if entry.ambiguous then
    previous = earlier(target, verb, name)
    if at_most_once then give_up(previous, 0, "unknown_outcome", unknown) end
  end
  for attempt = 1, target.attempts do
    local ok, result = pcall(raw.exchange, target, verb, at, nil, entry)
    if ok then return result end
    if not is_ambiguous(result) then
      if previous then interrupted(previous, result, attempt, unknown) end
      error(result, 0)
    end
    if at_most_once or attempt == target.attempts or is_cancelled(result) then
      give_up(result, attempt, "unknown_outcome", unknown)
    end
    previous = result
    say(target, verb, name, ("outcome in doubt; sent again (%d times so far)"):format(attempt))
    back_off(target, result, attempt, unknown)
  end
end

local function delete(entry, target, at, name)
  local unknown = "whether it was deleted is not known: %s"
  local previous = entry.ambiguous and earlier(target, "delete", name) or nil
  for attempt = 1, target.attempts do
    local ok, result = pcall(raw.exchange, target, "delete", at, nil, entry)
    if ok then return result end
    if previous and raw.is_error(result) and result.kind == "not_found" then return true end
    if not is_ambiguous(result) then
      if previous then interrupted(previous, result, attempt, unknown) end
      error(result, 0)
    end
    if attempt == target.attempts or is_cancelled(result) then
      give_up(result, attempt, "unknown_outcome", unknown)
    end
    previous = result
    say(target, "delete", name, "outcome in doubt; sending it again")
    back_off(target, result, attempt, unknown)
  end
end

--- Deletes: absent after an attempt that may have worked is deleted.
function reconcile.delete(entry, target, at, name)
  local result = delete(entry, target, at, name)
  local entry = doubts(target, name)
  if entry and not entry.deleted[at] then
    entry.deleted[at], entry.expected = true, entry.expected - 1
  end
  return result
end

local reached = { pause = "paused", resume = "running", stop = "stopped" }

--- Sets a state (verb "pause", "resume" or "stop"): the engine sends it again by
--- itself, so its last failure may hide that an earlier try was carried out. It does
--- not go on to another server with it: that is done here, once, after a look.
function reconcile.state(entry, target, verb, at)
  local ok, result = pcall(raw.exchange, target, verb, at, nil, entry)
  if ok then return result end
  if target.can.has_failover and raw.is_error(result) and result.is_ambiguous
      and not is_cancelled(result) then
    say(target, verb, at, ("outcome in doubt (%s); looking at its state"):format(result.message))
    local looked, now = pcall(raw.exchange, target, "status", at)
    if looked and now.state == reached[verb] then return true end
    if looked then
      local again, answer = pcall(raw.exchange, target, verb, at, nil, entry)
      if again then return answer end
    end
  end
  if raw.is_error(result) and result.is_ambiguous then
    give_up(result, result.attempts, "unknown_outcome",
      "whether it was carried out is not known: %s")
  end
  error(result, 0)
end

-- The ids by name of connectors in doubt of which there are more than there
-- should be, those left out that this run has deleted.
local function surplus(target, names)
  local ids = {}
  for _, c in ipairs(raw.exchange(target, "list")) do
    local entry = names[c.name]
    -- By a name alone nobody can tell what was deleted from what was made after that.
    if entry and not (target.can.address_by_id and entry.deleted[c.id]) then
      ids[c.name] = ids[c.name] or {}
      table.insert(ids[c.name], c.id or c.name)
    end
  end
  for name, found in pairs(ids) do
    if #found <= names[name].expected then ids[name] = nil end
  end
  return ids
end

-- The same, for what a list shows for longer than it may show what was deleted.
local function lasting_surplus(target, names)
  local ids = surplus(target, names)
  if not next(ids) then return ids end
  raw.sleep(target.settle)
  return surplus(target, names)
end

-- Seconds that the audit of one target may take: a server that is gone by then is not
-- waited for as a write is.
local AUDIT_TIME = 60

local function within(seconds, f, ...)
  local task = raw.spawn(f, ...)
  local guard = raw.spawn(function()
    raw.sleep(seconds)
    raw.cancel(task)
  end)
  local results = table.pack(raw.join(task))
  raw.cancel(guard)
  raw.join(guard)
  return table.unpack(results, 1, 2)
end

--- At the end of a run: one list per target with creates that were in doubt. More
--- of a name than there should be were made by a slow server after all; it is said,
--- nothing is deleted. Returns for how many names that is so.
function reconcile.audit()
  local doubles, targets = 0, {}
  for target in pairs(doubtful) do targets[#targets + 1] = target end
  table.sort(targets, function(a, b) return a.label < b.label end)
  for _, target in ipairs(targets) do
    local names = doubtful[target]
    local ok, ids = within(AUDIT_TIME + target.settle, lasting_surplus, target, names)
    if not ok then
      doubles = doubles + 1
      raw.log("error", ("the creates on %s that were in doubt could not be audited: %s")
        :format(target.label, tostring(ids)))
    else
      for name, found in pairs(ids) do
        doubles = doubles + 1
        raw.log("error", ("%s named '%s' %s on %s (ids %s): one was made by a request that "
          .. "seemed lost"):format(#found == 1 and "a connector" or #found .. " connectors", name,
          #found == 1 and "exists" or "exist", target.label, table.concat(found, ", ")))
      end
    end
  end
  doubtful = {}
  return doubles
end

return reconcile
