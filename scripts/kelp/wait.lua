-- wait: until a connector is in the state that is wanted, or will not be.

local raw = require "kelp.raw"
local abilities = require "kelp.abilities"
local providers = require "kelp.providers"
local selection = require "kelp.selection"

local wait = {}

-- The worst of the connector and its tasks. A running connector with no tasks,
-- or with stopped ones, has been seen and is running.
local function health(c)
  if c.state ~= "running" then return c.state end
  local failed, total, other = 0, 0, nil
  for _, task in ipairs(c.tasks or {}) do
    total = total + 1
    if task.state == "failed" then failed = failed + 1 end
    if task.state == "restarting" or task.state == "unassigned" then other = task.state end
  end
  if failed > 0 then return failed == total and "failed" or "degraded" end
  return other or "running"
end

local reachable = { running = true, paused = true, failed = true, stopped = true, degraded = true }

local function wait_options(shared, options)
  options = shared.check_options("wait", options,
    { state = true, timeout = true, grace = true, poll = true, visibility_delay = true })
  local result = { state = "running", timeout = 300, grace = 15, poll = 1, visibility_delay = 10 }
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

local function wait_failed(target, name, c, options, kind, why)
  local fields = { state = c and c.state, target = target.label, provider = target.provider,
                   verb = "wait", connector = name, sent = "yes" }
  local reason = c and c.error and ": " .. c.error or ""
  error(raw.error(kind, why:format(options.state) .. reason, fields), 0)
end

-- A provider that takes a bad update may say so only here.
local function is_rejected(target, c)
  for _, text in ipairs(providers.by_name[target.provider].rejections) do
    if c.error ~= nil and c.error:find(text, 1, true) then return true end
  end
  return false
end

local function wait_for(shared, target, connector, options)
  options = wait_options(shared, options)
  local at, name = shared.address(target, "wait", connector)
  local start = raw.now()
  local poll, failed_since, last = options.poll, nil, nil
  while true do
    local ok, c = pcall(shared.exchange, target, "status", at, name)
    local now = raw.now()
    if not ok and shared.is_unassigned(target, c) and now - start >= options.visibility_delay then
      ok, c = pcall(shared.get, target, name)
    end
    if ok then
      last = c
      local state = health(c)
      -- A worker shows a connector as running before it has made its tasks.
      local early = state == "running" and abilities.of(target).assigns_later
        and #(c.tasks or {}) == 0 and now - start < options.visibility_delay
      if state == options.state and not early then
        c.state = state
        return c
      end
      if state == "failed" then
        failed_since = failed_since or now
        if now - failed_since >= options.grace then
          if is_rejected(target, c) then
            wait_failed(target, name, c, options, "invalid",
              "its last update was rejected, and it keeps the config before that")
          end
          wait_failed(target, name, c, options, "conflict",
            "it failed while waited for to be %s")
        end
      else
        failed_since = nil
      end
    elseif not (raw.is_error(c) and c.kind == "not_found" and now - start < options.visibility_delay) then
      -- A connector that was just created may not be visible for a moment.
      error(c, 0)
    end
    local left = start + options.timeout - now
    if left <= 0 then
      wait_failed(target, name, last, options, "timeout",
        ("it is %s after %g s, not %%s"):format(last and health(last) or "not visible",
          options.timeout))
    end
    raw.sleep(math.min(poll, left))
    poll = math.min(poll * 1.5, 10 * options.poll)
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
