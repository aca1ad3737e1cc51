-- reconcile: what to do when a write was ambiguous: wait until it must show, look, and then adopt
-- what is there, send it again, or say that the outcome is unknown. Requests that were surely not
-- carried out are retried below this, by the engine, within the same budget: all requests of a
-- write together are as many as its target's `attempts`, within its `deadline`.
--
-- Each function takes a write (write.lua) and returns what the verb returns.

local raw = require "kelp.raw"
local abilities = require "kelp.abilities"
local pages = require "kelp.pages"
local audit = require "kelp.audit"
local record = require "kelp.record"
local write = require "kelp.write"

local reconcile = { audit = audit.run }

-- How often an absent connector is looked for before it counts as not made: at
-- once, when the visibility delay has passed, and twice after that.
local LOOKS = 4

local function is_ambiguous(failure)
  return raw.is_error(failure) and failure.outcome == "ambiguous"
end

local function say(w, text)
  raw.log("notice", ("%s %s on %s: %s"):format(w.verb, w.name, w.target.label, text))
end

-- A server's own 500 that comes twice in the same words is a refusal: some answer
-- so for a class that does not exist. Gateways (502 and above) always use
-- the same words and do not know what was done behind them.
local function is_same_response(a, b)
  return a ~= nil and a.status == 500 and b.status == 500 and a.message == b.message
    and a.kind == "server"
end

-- True for what ends a task's waits: nothing may be sent after it.
local function is_cancelled(failure)
  return raw.is_error(failure) and (failure.kind == "cancelled" or failure.cause == "cancelled")
end

-- Raises it. Without another kind it is known: it was seen that the write was not carried out.
local function give_up(failure, kind, message)
  failure.not_applied = not kind or nil
  if kind then
    if failure.kind ~= kind then failure.cause = failure.cause or failure.kind end
    failure.kind = kind
    failure.message = message:format(failure.message)
  end
  error(failure, 0)
end

-- The same for a failure that came after an ambiguous request: the ambiguity is what counts. After
-- a cancellation the error may reach nobody.
local function interrupted(w, ambiguous, failure, message)
  ambiguous.cause = raw.is_error(failure) and (failure.cause or failure.kind) or "error"
  ambiguous.sent, ambiguous.attempts = "maybe", w.used and w.used.sends
  if is_cancelled(failure) then
    raw.log("error", ("%s %s on %s: whether it was carried out is not known: cancelled"):format(
      w.verb, w.name, w.target.label))
  end
  give_up(ambiguous, "unknown_outcome", message)
end

-- Waits before the next request of an ambiguous write.
local function back_off(w, ambiguous, message)
  local ok, failure = pcall(raw.sleep, raw.backoff(w.used.attempts, w.target))
  if not ok then interrupted(w, ambiguous, failure, message) end
end

-- A read for a write: what it shows decides what is sent next, by the write's deadline.
local function look(w, verb, id)
  return pages.exchange(w.target, verb, id, nil, { verb = w.verb, used = w.used })
end

-- The connectors of that name as the provider shows them now, or nil.
local function look_for(w)
  if abilities.of(w.target).address_by_id then
    local found = {}
    for _, c in ipairs(look(w, "list")) do
      if c.name == w.name then found[#found + 1] = c end
    end
    return found[1] and found
  end
  local ok, c = pcall(look, w, "get", w.name)
  if ok then return { c } end
  if raw.is_error(c) and c.kind == "not_found" then return nil end
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
local function until_visible(w, see, ...)
  local delay = w.target.visibility_delay
  for n = 1, LOOKS do
    if n > 1 then raw.sleep(n == 2 and delay or delay / 2) end
    local seen = see(w, ...)
    if seen then return seen end
  end
end

-- True when the config has a key that was to go: one that an update takes out, or
-- one that is not in what was put in its place.
local function has_more(w, shown, step)
  for key in pairs(w.members or {}) do
    if shown[key] ~= nil then return true end
  end
  for key in pairs(step == "put" and shown or {}) do
    if w.config[key] == nil and key ~= "name" and not raw.is_injected(key) then return true end
  end
  return false
end

-- The connector, if it shows the config that was sent. Secrets are not shown, so
-- with one in it nothing can be said.
local function look_for_config(w, step)
  local shown = look(w, "get", w.id)
  local config = shown.config or {}
  return not has_secret(w.config) and matches(config, w.config)
    and not has_more(w, config, step) and shown or nil
end

-- Stands for the failure of a request of an earlier run, of which nobody knows what came.
local function earlier(w)
  return raw.error("unknown_outcome", "the run was broken off",
    { target = w.target.label, provider = w.target.provider, verb = w.verb, connector = w.name,
      sent = "maybe", outcome = "ambiguous", attempts = 0 })
end

-- ---- create ----

local function refuse_several(failure, found)
  local ids = {}
  for i, c in ipairs(found) do ids[i] = c.id or c.name end
  failure.ids = ids
  give_up(failure, "unknown_outcome",
    ("%d connectors of that name exist now (ids %s); one of them may be ours: %%s")
      :format(#found, table.concat(ids, ", ")))
end

local function refuse_other(w, found)
  error(raw.error(w.ambiguous and "unknown_outcome" or "exists",
    w.ambiguous and "a connector of that name exists with another config: ours, changed "
      .. "since, or somebody else's"
    or "a connector of that name exists with another config, made by somebody else meanwhile",
    { target = w.target.label, provider = w.target.provider, verb = "create", connector = w.name,
      sent = "maybe", attempts = w.used and w.used.sends or 0, id = found.id, not_applied = not w.ambiguous or nil }), 0)
end

-- After a create that is ambiguous, or that was refused after one: the connector that it made, or
-- nil when none is there.
local function adopt(w, failure)
  say(w, ("ambiguous (%s); looking whether it was made"):format(failure.message))
  local looked, found = pcall(until_visible, w, look_for)
  if not looked then
    interrupted(w, failure, found, "it may have been made, and looking for it failed too: %s")
  end
  if not found then return nil end
  if #found > 1 then refuse_several(failure, found) end
  if not matches(found[1].config or {}, w.config) then refuse_other(w, found[1]) end
  say(w, "it was made; adopted")
  found[1].target = w.target
  return found[1]
end

-- One request and what it came to: the connector, or the failure after which another may follow.
local function try_create(w, previous)
  local ok, result = pcall(raw.exchange, w.target, "create", w.name, w.config, w)
  if ok then return result end
  local exists_now = raw.is_error(result) and result.kind == "exists" and previous ~= nil
  if not is_ambiguous(result) and not exists_now then
    if previous then
      interrupted(w, previous, result, "it may have been made, and it could not be retried: %s")
    end
    -- In the words of preparation, so that a plan refuses what the run refuses.
    if raw.is_error(result) and result.kind == "exists" then
      result.server_message = result.message
      result.message = ("a connector '%s' exists already"):format(w.name)
    end
    error(result, 0)
  end
  if is_ambiguous(result) then audit.note(w.target, w.name) end
  if is_cancelled(result) then error(result, 0) end
  return nil, result
end

local function create(w)
  local made, failure, previous
  if w.ambiguous then
    failure = earlier(w)
    audit.note(w.target, w.name)
  else
    made, failure = try_create(w)
    if made then return made end
  end
  while true do
    made = adopt(w, failure)
    if made then return made end
    if is_same_response(previous, failure) then give_up(failure) end
    previous = failure
    if write.is_spent(w) then
      if failure.status == 500 then give_up(failure) end
      give_up(failure, "unknown_outcome", "it could not be seen after %s")
    end
    say(w, "it was not made; sending it again")
    made, failure = try_create(w, previous)
    if made then return made end
  end
end

--- Makes the connector once: at most one create of ours takes effect, or the
--- error is `unknown_outcome` and names it.
function reconcile.create(w)
  local ok, result = pcall(create, w)
  if ok or raw.is_error(result)
      and (result.kind == "unknown_outcome" or result.kind == "exists") then
    audit.made(w.target, w.name)
  end
  if ok then return result end
  error(result, 0)
end

-- ---- config ----

local CONFIG_UNKNOWN <const> = "whether the config was changed is not known: %s"

-- The connector, if it shows what was sent; nil when it must be sent again. `refused`: the same
-- 500 came twice, which is final once the config can be seen not to be there.
local function look_after(w, step, failure, refused)
  local looked, shown
  if refused then
    looked, shown = pcall(until_visible, w, look_for_config, step)
  else
    looked, shown = pcall(look_for_config, w, step)
  end
  if looked and shown then
    say(w, "it was ambiguous; the config is there")
    return shown
  end
  if looked and refused then give_up(failure) end
  if is_cancelled(shown) then interrupted(w, failure, shown, CONFIG_UNKNOWN) end
end

--- Writes the config by `step` ("update" or "put"): sends it again unless the provider
--- shows that it has it.
function reconcile.config(w, step)
  if w.ambiguous then
    local shown = look_for_config(w, step)
    if shown then
      say(w, "it was ambiguous; the config is there")
      return shown
    end
  end
  local previous
  while true do
    local ok, result = pcall(raw.exchange, w.target, step, w.id, w.config, w)
    if ok then return result end
    if not is_ambiguous(result) then
      if previous then interrupted(w, previous, result, CONFIG_UNKNOWN) end
      error(result, 0)
    end
    if is_cancelled(result) then error(result, 0) end
    local refused = is_same_response(previous, result) and not has_secret(w.config)
    local shown = look_after(w, step, result, refused)
    if shown then return shown end
    previous = result
    if write.is_spent(w) then give_up(result, "unknown_outcome", CONFIG_UNKNOWN) end
    say(w, "it was ambiguous; sending the same config again")
    back_off(w, result, CONFIG_UNKNOWN)
  end
end

-- ---- what is sent again without a look ----

-- Sends the step until it is done, refused or spent. `previous`: an ambiguous failure that came
-- before; `once`: it must not be sent a second time; `is_done(failure)`: what counts as done after
-- an ambiguous request.
local function repeat_request(w, step, unknown, previous, once, is_done)
  while true do
    local ok, result = pcall(raw.exchange, w.target, step, w.id, nil, w)
    if ok then return result end
    if previous and is_done and is_done(result) then return true end
    if not is_ambiguous(result) then
      if previous then interrupted(w, previous, result, unknown) end
      error(result, 0)
    end
    if once or write.is_spent(w) or is_cancelled(result) then
      give_up(result, "unknown_outcome", unknown)
    end
    previous = result
    say(w, ("it was ambiguous; sending it again (%d sent so far)"):format(w.used.sends))
    back_off(w, result, unknown)
  end
end

--- Restarts: whether one happened cannot be seen afterwards, so it is sent again
--- (at least once), unless `at_most_once`.
function reconcile.event(w, step, at_most_once)
  local unknown = "whether it was restarted is not known: %s"
  local previous = w.ambiguous and earlier(w) or nil
  -- No look can tell, and it must not be sent again: only a person can find out.
  if previous and at_most_once then
    local run = raw.journal_id()
    give_up(previous, "unknown_outcome", unknown .. (". Resuming cannot tell more: look yourself, and "
      .. "say what you found: kelp runs resolve %s %d done|refused"):format(run or "RUN", w.op))
  end
  return repeat_request(w, step, unknown, previous, at_most_once)
end

local function is_absent(failure)
  return raw.is_error(failure) and failure.kind == "not_found"
end

--- Deletes: absent after a request that may have worked is deleted.
function reconcile.delete(w)
  local previous = w.ambiguous and earlier(w) or nil
  local result = repeat_request(w, "delete", "whether it was deleted is not known: %s", previous,
    false, is_absent)
  audit.deleted(w.target, w.name, w.id)
  return result
end

-- ---- state ----

-- True when the state is to be set once more, at another server: at least one is asked besides the
-- first, else the budget counts.
local function may_ask_another(w)
  return w.used.attempts < 2 or not write.is_spent(w)
end

-- Where there are several servers: each request may go to another one, after a look. Returns what
-- the verb returns, or nil and the last failure.
local function set_state_at_any(w, step, result)
  local unknown = "whether it was carried out is not known: %s"
  while raw.is_error(result) and result.is_ambiguous and not is_cancelled(result)
      and may_ask_another(w) do
    say(w, ("ambiguous (%s); looking at its state"):format(result.message))
    local looked, now = pcall(look, w, "status", w.id)
    if not looked then break end
    if record.own_state(now) == raw.verbs[step].state then return true end
    if w.used.attempts > 1 then back_off(w, result, unknown) end
    local ok, response = pcall(raw.exchange, w.target, step, w.id, nil, w)
    if ok then return response end
    if not (raw.is_error(response) and response.is_ambiguous) then break end
    result = response
  end
  return nil, result
end

--- Sets a state (step "pause", "resume" or "stop"), or something else that a repeat sets to the
--- same: the engine retries it by itself, so its last failure may hide that an earlier request was
--- carried out. Of several servers it asks one, and this the others.
function reconcile.state(w, step)
  local ok, result = pcall(raw.exchange, w.target, step, w.id, nil, w)
  if ok then return result end
  if abilities.of(w.target).has_failover then
    local response
    response, result = set_state_at_any(w, step, result)
    if response then return response end
  end
  if raw.is_error(result) and result.is_ambiguous then
    give_up(result, "unknown_outcome", "whether it was carried out is not known: %s")
  end
  error(result, 0)
end

return reconcile
