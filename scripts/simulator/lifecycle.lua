-- lifecycle: how a connector's state moves with time, whichever provider shows it.
-- A connector is { name, id, config, phase, goal, pending, due, restarting, trace, flaky, … }.
--
-- phase is what is shown ("provisioning", "running", "degraded", "paused", "stopped", "failed",
-- "restarting", "unassigned"); pending and due say what happens next and when; goal is what it
-- shall be once it can: "running", "paused" or "stopped". A config value with a host that ends in
-- ".flaky.example" fails the first start, one that ends in ".unreachable.example" every start.

local find, match = string.find, string.match

local lifecycle = {}

lifecycle.phases = {
  provisioning = true, running = true, degraded = true, paused = true, stopped = true,
  failed = true, restarting = true, unassigned = true,
}

-- Forgets the texts made from a connector; to be called whenever something of it changes.
local function touch(c)
  c.info_text, c.status_text = nil, nil
end
lifecycle.touch = touch

local function unreachable_host(value)
  return match(value, "([%w%-.]+%.unreachable%.example)%f[^%w%-.]")
end

local function flaky_host(value)
  return match(value, "([%w%-.]+%.flaky%.example)%f[^%w%-.]")
end

-- What keeps this config from starting now: a trace and whether the user must act, or nil.
local function obstacle(c)
  if c.broken then return c.broken, true end -- what its model knows of it
  local flaky, unreachable, masked
  for key, value in pairs(c.config) do
    if type(value) == "string" then
      if find(value, ".example", 1, true) then
        unreachable = unreachable or unreachable_host(value)
        flaky = flaky or flaky_host(value)
      elseif find(value, "^%*%*+$") and (not masked or key < masked) then
        masked = key
      end
    end
  end
  if masked then
    return "org.apache.kafka.connect.errors.ConnectException: Authentication failed: the value of "
      .. masked .. " was not accepted", true
  end
  if unreachable then
    return "org.apache.kafka.connect.errors.ConnectException: Unable to connect to " .. unreachable
      .. ": the host name cannot be resolved. Check the address and the network settings.", true
  end
  if flaky and not c.flaky[flaky] then
    c.flaky[flaky] = true
    return "org.apache.kafka.connect.errors.ConnectException: Lost connection to " .. flaky
      .. ": connection reset by peer", false
  end
end

local function started(c)
  local trace, user = obstacle(c)
  c.restarting, c.rejected, c.by_start = false, false, false
  if trace and c.goal ~= "stopped" then
    c.phase, c.trace, c.user_error, c.by_start = "failed", trace, user, true
  else
    c.phase, c.trace = c.goal, nil
  end
end

-- Brings the connector up to the world's time. Every access to one comes after this.
function lifecycle.advance(w, c)
  local due = c.due
  if not due or w.now < due then return end
  local pending = c.pending
  c.due, c.pending = nil, nil
  if pending == "pause" then
    c.phase, c.restarting = "paused", false
  elseif pending == "stop" then
    c.phase, c.trace, c.restarting = "stopped", nil, false
  else
    started(c)
  end
  touch(c)
end

local function begin(w, c, pending, seconds)
  c.pending, c.due = pending, w.now + seconds
  touch(c)
end

function lifecycle.new(w, c)
  c.flaky = c.flaky or {}
  c.goal = c.goal or "running"
  c.phase = "provisioning"
  begin(w, c, "start", w.provisioning)
  return c
end

function lifecycle.pause(w, c)
  c.goal = "paused"
  if c.phase == "running" or c.phase == "degraded" then
    if c.pending ~= "start" then begin(w, c, "pause", w.provisioning / 2) end
  end
end

-- Whatever it does, it ends without tasks.
function lifecycle.stop(w, c)
  c.goal = "stopped"
  if c.phase ~= "stopped" and c.pending ~= "start" then begin(w, c, "stop", w.provisioning / 2) end
end

function lifecycle.resume(w, c)
  c.goal = "running"
  if c.phase == "paused" or c.phase == "stopped" then
    begin(w, c, "start", w.provisioning / 2)
  elseif c.pending == "pause" or c.pending == "stop" then
    c.pending, c.due = nil, nil
  end
end

-- The connector goes on showing its phase; its tasks show that they restart.
function lifecycle.restart(w, c)
  c.restarting = true
  begin(w, c, "start", w.provisioning / 2)
end

-- After a config was replaced: what runs or failed starts again with it.
function lifecycle.reconfigured(w, c)
  touch(c)
  c.rejected = false
  if c.phase == "provisioning" or c.phase == "paused" or c.phase == "stopped" then return end
  lifecycle.restart(w, c)
end

-- Sets a phase at once; a provisioning set so never ends by itself.
function lifecycle.set(c, phase, trace)
  c.phase, c.trace, c.user_error = phase, trace, true
  c.pending, c.due, c.restarting, c.rejected, c.by_start = nil, nil, false, false, false
  c.goal = (phase == "paused" or phase == "stopped") and phase or "running"
  touch(c)
end

-- A number of tasks from tasks.max, or nil when that is not a positive integer.
function lifecycle.tasks_max(config)
  local value = config["tasks.max"]
  if value == nil then return 1 end
  if type(value) == "number" then value = math.tointeger(value) or "" end
  local digits = match(tostring(value), "^%s*%+?(%d+)%s*$")
  local n = digits and math.tointeger(tonumber(digits))
  if not n or n < 1 or n > 2147483647 then return nil end
  return n
end

-- The tasks as the connector's phase has them: a list of { state, text }.
function lifecycle.tasks(c)
  local phase, list = c.phase, {}
  if phase == "provisioning" or phase == "unassigned" then return list end
  local count = math.min(lifecycle.tasks_max(c.config) or 1, 100)
  for i = 1, count do
    local task = { state = "RUNNING" }
    if c.restarting or phase == "restarting" then
      task.state = "RESTARTING"
    elseif phase == "paused" then
      task.state = "PAUSED"
    elseif phase == "stopped" then
      task.state = "STOPPED"
    elseif (phase == "failed" and not c.rejected) or (phase == "degraded" and i == 1) then
      task.state, task.failed, task.text = "FAILED", true, c.trace
    end
    list[i] = task
  end
  return list
end

-- What a state file keeps of what is under way, as JSON; nil when nothing is.
function lifecycle.save(w, c)
  local write, out = w.write, {}
  if c.due then
    out[#out + 1] = '"due_in":' .. write.value(math.max(0, c.due - w.now))
    out[#out + 1] = '"pending":' .. write.quote(c.pending)
  end
  if c.goal ~= "running" then out[#out + 1] = '"goal":' .. write.quote(c.goal) end
  if c.restarting then out[#out + 1] = '"restarting":true' end
  if c.rejected then out[#out + 1] = '"rejected":true' end
  if c.by_start then out[#out + 1] = '"by_start":true' end
  if c.user_error == false then out[#out + 1] = '"user_error":false' end
  local hosts = {}
  for host in pairs(c.flaky) do hosts[#hosts + 1] = write.quote(host) end
  if hosts[1] then
    table.sort(hosts)
    out[#out + 1] = '"flaky":[' .. table.concat(hosts, ",") .. "]"
  end
  return out[1] and "{" .. table.concat(out, ",") .. "}"
end

local pendings = { start = true, pause = true, stop = true }

-- Fills what lifecycle keeps of a connector from a state file. Raises a string.
function lifecycle.load(w, c, phase, trace, t)
  if not lifecycle.phases[phase] then
    error(string.format("%s: unknown state %q", c.name, phase), 0)
  end
  t = t or {}
  c.phase, c.trace = phase, trace
  c.goal = t.goal or (phase == "paused" or phase == "stopped") and phase or "running"
  c.restarting, c.rejected = t.restarting == true, t.rejected == true
  c.by_start = t.by_start == true
  c.user_error = t.user_error ~= false
  c.flaky = {}
  for _, host in ipairs(t.flaky or {}) do c.flaky[host] = true end
  if t.due_in then
    if type(t.due_in) ~= "number" or not pendings[t.pending] then
      error(c.name .. ": transition: due_in or pending is wrong", 0)
    end
    c.pending, c.due = t.pending, w.now + t.due_in
  end
  return c
end

return lifecycle
