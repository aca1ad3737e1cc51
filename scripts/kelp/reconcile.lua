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
-- target -> { name = true }.
local doubtful = {}

local function is_ambiguous(failure)
  return raw.is_error(failure) and failure.outcome == "ambiguous"
end

local function say(target, verb, name, text)
  raw.log("info", ("%s %s on %s: %s"):format(verb, name, target.label, text))
end

-- A server that gives the same refusal twice means it: Confluent answers 500 for
-- a class that does not exist.
local function same_answer(a, b)
  return a ~= nil and a.status ~= nil and a.status == b.status and a.message == b.message
    and a.kind == "server"
end

-- Every failure of the last attempt says how many there were.
local function give_up(failure, attempts, kind, message)
  failure.attempts = attempts
  if kind then
    failure.cause = failure.cause or failure.kind
    failure.kind = kind
    failure.message = message:format(failure.message)
  end
  error(failure, 0)
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
    local comparable = type(value) == "string" and not raw.is_secret_key(key)
      and not raw.is_mask(there)
    if comparable and there ~= value then return false end
  end
  return true
end

local function has_secret(config)
  for key, value in pairs(config) do
    if type(value) ~= "string" or raw.is_secret_key(key) then return true end
  end
  return false
end

-- Looks until something of that name is there or absence can be believed.
local function look_until_settled(target, name)
  for n = 1, LOOKS do
    if n > 1 then raw.sleep(n == 2 and target.settle or target.settle / 2) end
    local found = look(target, name)
    if #found > 0 then return found end
  end
  return {}
end

local function doubt(target, name)
  doubtful[target] = doubtful[target] or {}
  doubtful[target][name] = true
end

--- Makes the connector once: at most one create of ours takes effect, or the
--- error is `unknown_outcome` and names it.
function reconcile.create(target, name, config)
  local wanted = raw.normalise(config, not target.can.address_by_id and name or nil)
  local previous
  for attempt = 1, target.attempts do
    local ok, result = pcall(raw.exchange, target, "create", name, config)
    if ok then return result end
    local exists_now = raw.is_error(result) and result.kind == "exists" and previous ~= nil
    if not is_ambiguous(result) and not exists_now then error(result, 0) end
    if is_ambiguous(result) then doubt(target, name) end
    say(target, "create", name, ("outcome in doubt (%s); looking whether it was made")
      :format(result.message))
    local looked, found = pcall(look_until_settled, target, name)
    if not looked then
      if raw.is_error(found) and found.kind == "cancelled" then error(found, 0) end
      give_up(result, attempt, "unknown_outcome",
        "it may have been made, and looking for it failed too: %s")
    end
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
      error(raw.error("exists",
        "a connector of that name exists with another config, made by somebody else meanwhile",
        { target = target.label, provider = target.provider, verb = "create", connector = name,
          sent = "maybe", attempts = attempt, id = found[1].id }), 0)
    end
    if same_answer(previous, result) then give_up(result, attempt) end
    previous = result
    if attempt == target.attempts then
      give_up(result, attempt, result.kind == "server" and "server" or "unknown_outcome",
        "it could not be seen after %s")
    end
    say(target, "create", name, "it was not made; sending it again")
  end
end

--- Writes a config (verb "update" or "put"): sends it again unless the provider
--- shows that it has it.
function reconcile.config(target, verb, at, name, config, options)
  local wanted, previous
  for attempt = 1, target.attempts do
    local ok, result = pcall(raw.exchange, target, verb, at, config, options)
    if ok then return result end
    if not is_ambiguous(result) then error(result, 0) end
    wanted = wanted or raw.normalise(config)
    local looked, shown = pcall(raw.exchange, target, "get", at)
    if looked and not has_secret(wanted) and matches(shown.config or {}, wanted) then
      say(target, verb, name, "outcome was in doubt; the config is there")
      return shown
    end
    if looked and same_answer(previous, result) then give_up(result, attempt) end
    previous = result
    if attempt == target.attempts then
      give_up(result, attempt, "unknown_outcome", "whether the config was changed is not known: %s")
    end
    say(target, verb, name, "outcome in doubt; sending the same config again")
    raw.sleep(raw.backoff(attempt))
  end
end

--- Restarts: whether one happened cannot be seen afterwards, so it is sent again
--- (at least once), unless `at_most_once`.
function reconcile.event(target, verb, at, name, at_most_once)
  for attempt = 1, target.attempts do
    local ok, result = pcall(raw.exchange, target, verb, at)
    if ok then return result end
    if not is_ambiguous(result) then error(result, 0) end
    if at_most_once or attempt == target.attempts then
      give_up(result, attempt, "unknown_outcome", "whether it was restarted is not known: %s")
    end
    say(target, verb, name, ("outcome in doubt; sent again (%d times so far)"):format(attempt))
    raw.sleep(raw.backoff(attempt))
  end
end

--- Deletes: absent after an attempt that may have worked is deleted.
function reconcile.delete(target, at, name)
  local tried
  for attempt = 1, target.attempts do
    local ok, result = pcall(raw.exchange, target, "delete", at)
    if ok then return result end
    if tried and raw.is_error(result) and result.kind == "not_found" then return true end
    if not is_ambiguous(result) then error(result, 0) end
    if attempt == target.attempts then
      give_up(result, attempt, "unknown_outcome", "whether it was deleted is not known: %s")
    end
    tried = true
    say(target, "delete", name, "outcome in doubt; sending it again")
    raw.sleep(raw.backoff(attempt))
  end
end

--- At the end of a run: one list per target with creates that were in doubt. A
--- name that is there twice is a second connector that a slow server made after
--- all; it is said, nothing is deleted. Returns how many there are.
function reconcile.audit()
  local doubles = 0
  for target, names in pairs(doubtful) do
    local ok, list = pcall(raw.exchange, target, "list")
    if not ok then
      doubles = doubles + 1
      raw.log("error", ("the creates on %s that were in doubt could not be audited: %s")
        :format(target.label, tostring(list)))
    else
      local ids = {}
      for _, c in ipairs(list) do
        if names[c.name] then
          ids[c.name] = ids[c.name] or {}
          table.insert(ids[c.name], c.id or c.name)
        end
      end
      for name, found in pairs(ids) do
        if #found > 1 then
          doubles = doubles + 1
          raw.log("error", ("%d connectors named '%s' exist on %s (ids %s): one was made by a "
            .. "request that seemed lost"):format(#found, name, target.label,
            table.concat(found, ", ")))
        end
      end
    end
  end
  doubtful = {}
  return doubles
end

return reconcile
