-- wait: until a connector is in the state that is wanted and stays in it, or will not be.

local raw = require "kelp.raw"
local abilities = require "kelp.abilities"
local providers = require "kelp.providers"
local record = require "kelp.record"
local selection = require "kelp.selection"
local settings = require "kelp.settings"

local wait = {}

local reachable = { running = true, paused = true, failed = true, stopped = true, degraded = true }

-- Seconds that the state has to hold after a restart in the same run unless `stable` says another
-- number: a worker shows RUNNING at once, and what ails a connector (a password, a topic) a moment later.
local STABLE_AFTER_RESTART = 3

-- Seconds until a wait gives up. More than a worker's own longest silence: after one has left, the
-- others wait scheduled.rebalance.max.delay.ms (300 s) before they take its connectors over.
local TIMEOUT = 600

local known = { state = true, timeout = true, grace = true, poll = true, visibility_delay = true,
                stable = true }

-- Seconds for which a restart counts.
local RECENT = 60

-- When the connectors were restarted in this run that were not waited for since, by place and name.
local restarted = {}

local function key_of(target, name)
  return raw.place(target) .. "\0" .. name
end

--- Tells that the connector was restarted, so that the next wait does not believe its first state.
function wait.note_restart(target, name)
  restarted[key_of(target, name)] = raw.now()
end

local function was_restarted(target, name)
  local at = restarted[key_of(target, name)]
  return at ~= nil and raw.now() - at < RECENT
end

local function wait_options(shared, target, name, options)
  options = shared.check_options("wait", options, known)
  local result = { state = "running", timeout = TIMEOUT, grace = 15, poll = 1,
    visibility_delay = 10,
    stable = was_restarted(target, name) and STABLE_AFTER_RESTART or 0 }
  for key, value in pairs(options) do
    if key == "state" then
      if not reachable[value] then
        raw.misuse("wait: " .. selection.unknown("state", value, reachable))
      end
    elseif type(value) ~= "number" or not (value >= 0) or value == math.huge then
      raw.misuse(("wait: %s must be a number of seconds"):format(key))
    end
    result[key] = value
  end
  return result
end

local function fail(w, kind, why)
  local c = w.last
  local fields = { state = c and c.state, target = w.target.label, provider = w.target.provider,
                   verb = "wait", connector = w.name, sent = "yes" }
  local reason = c and c.error and ": " .. c.error or ""
  error(raw.error(kind, why .. reason, fields), 0)
end

-- A provider that takes a bad update may say so only here.
local function is_rejected(target, c)
  for _, text in ipairs(providers.by_name[target.provider].rejections) do
    if c.error ~= nil and c.error:find(text, 1, true) then return true end
  end
  return false
end

-- A worker shows a connector as running before it has made its tasks; one that has none for
-- longer runs without.
local function is_early(w, c, now)
  return c.state == "running" and abilities.of(w.target).assigns_later and #(c.tasks or {}) == 0
    and now - w.start < w.options.visibility_delay
end

-- A connector is paused or stopped when it says so itself, also while a task has failed.
local function has_state(w, c, now)
  local wanted = w.options.state
  if wanted == "paused" or wanted == "stopped" then return record.own_state(c) == wanted end
  return c.state == wanted and not is_early(w, c, now)
end

-- A failure is believed when it has lasted.
local function check_failed(w, c, now)
  if c.state ~= "failed" then
    w.failed_since = nil
    return
  end
  w.failed_since = w.failed_since or now
  if now - w.failed_since < w.options.grace then return end
  if is_rejected(w.target, c) then
    fail(w, "invalid", "its last update was rejected, and it keeps the config before that")
  end
  fail(w, "conflict", ("it failed while waited for to be %s"):format(w.options.state))
end

-- The connector as it is now; nil when it cannot be seen yet.
local function look(w)
  local ok, c = pcall(w.shared.exchange, w.target, "status", w.at, w.name)
  local waited = raw.now() - w.start
  if not ok and w.shared.is_unassigned(w.target, c) and waited >= w.options.visibility_delay then
    ok, c = pcall(w.shared.get, w.target, w.name)
  end
  if ok then return c end
  -- A connector that was just created may not be visible for a moment.
  if raw.is_error(c) and c.kind == "not_found" and waited < w.options.visibility_delay then return nil end
  error(c, 0)
end

-- What was seen last, for the message of a timeout.
local function seen(w)
  local c = w.last
  if not c then return "not visible" end
  if w.held_since then
    return ("%s, and has not been so for %g s"):format(c.state, w.options.stable)
  end
  if c.state == "running" and #(c.tasks or {}) == 0 then return "running and has no tasks" end
  return c.state
end

-- Looks once. Returns the connector when it has been in the state for long enough.
local function step(w)
  local c = look(w)
  local now = raw.now()
  if not c then
    w.held_since, w.failed_since = nil, nil
    return nil
  end
  w.last = c
  if not has_state(w, c, now) then
    w.held_since = nil
    check_failed(w, c, now)
    return nil
  end
  w.held_since = w.held_since or now
  return now - w.held_since >= w.options.stable and c or nil
end

-- Seconds until the next look, which become more the longer it takes; less when the state
-- will have held by then.
local function pause_of(w, now, left)
  local held = w.held_since and w.held_since + w.options.stable - now
  local pause = math.max(0, math.min(w.poll, left, held or left))
  w.poll = held and w.options.poll or math.min(w.poll * 1.5, 10 * w.options.poll)
  return pause
end

local function wait_for(shared, target, connector, options)
  local name = shared.name_of("wait", connector)
  options = wait_options(shared, target, name, options)
  if settings.plan then
    local planned = require("kelp.plan").planned(target, name)
    if planned then return planned end
  end
  local at = shared.address(target, "wait", connector)
  local w = { shared = shared, target = target, at = at, name = name, options = options,
              start = raw.now(), poll = options.poll }
  while true do
    local c = step(w)
    if c then
      restarted[key_of(target, name)] = nil
      return c
    end
    local now = raw.now()
    local left = w.start + options.timeout - now
    if left <= 0 then
      fail(w, "timeout", ("it is %s after %g s, not %s"):format(seen(w), options.timeout, options.state))
    end
    raw.sleep(pause_of(w, now, left))
  end
end

--- The verb, over what it shares with the others.
function wait.verbs(shared)
  return {
    wait = function(target, connector, options)
      return wait_for(shared, target, connector, options)
    end,
  }
end

return wait
