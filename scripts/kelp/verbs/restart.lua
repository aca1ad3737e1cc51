-- restart: the connector and its tasks, or those of them that are chosen. Where a server takes both in
-- one request, that is sent; a server that is too old for it restarts the connector alone, and its
-- tasks are then restarted one by one.

local raw = require "kelp.raw"
local abilities = require "kelp.abilities"
local preparation = require "kelp.preparation"
local reconcile = require "kelp.reconcile"
local wait = require "kelp.wait"
local write = require "kelp.write"

local verb = {}

local choices = { none = true, failed = true, all = true }

local function check_tasks(target, name, tasks)
  if tasks == nil then return end
  if not choices[tasks] and not (math.type(tasks) == "integer" and tasks >= 0) then
    raw.misuse("restart: tasks must be \"all\", \"failed\", \"none\" or a task's number")
  end
  if tasks ~= "none" and not abilities.of(target).restart_task then
    preparation.refuse(target, "unsupported", "restart", name,
      "only the whole connector can be restarted there, not chosen tasks")
  end
end

local function status_of(w)
  return raw.exchange(w.target, "status", w.id, nil, { verb = "restart", used = w.used })
end

-- Restarts the tasks one by one; which: "all" or "failed".
local function restart_tasks(w, status, which, at_most_once)
  for _, task in ipairs(status.tasks or {}) do
    if which == "all" or task.state == "failed" then
      w.task = task.id
      reconcile.event(w, "restart_task", at_most_once)
      w.ambiguous = nil -- what an earlier run may have done was done again
    end
  end
  w.task = nil
  return true
end

-- The connector and all its tasks in one request, or what has failed of them. An answer without a
-- status comes from a server that restarted the connector alone: its tasks follow.
local function restart_both(w, step, which, at_most_once)
  local result = reconcile.event(w, step, at_most_once)
  if result == true then return restart_tasks(w, status_of(w), which, at_most_once) end
  return result
end

-- The same for a caller who chose nothing: true, as a restart of the connector alone.
local function restart_by_default(w, at_most_once)
  restart_both(w, "restart_tasks", "failed", at_most_once)
  return true
end

-- The function that sends it, and its arguments.
local function way(target, tasks, once)
  if tasks == "none" or not abilities.of(target).restart_task then
    return reconcile.event, "restart", once
  end
  if tasks == nil then return restart_by_default, once end
  if tasks == "all" then return restart_both, "restart_tasks", "all", once end
  if tasks == "failed" then return restart_both, "restart_failed", "failed", once end
  return reconcile.event, "restart_task", once
end

local known = { tasks = true, at_most_once = true, key = true }

function verb.restart(target, connector, options)
  options = preparation.check_options("restart", options, known)
  local name, tasks = preparation.name_of("restart", connector), options.tasks
  check_tasks(target, name, tasks)
  local w, recorded = write.new(target, "restart", name, tasks and { tasks = tasks } or nil,
    options.key)
  if recorded then return recorded end
  w.pre_image, w.id = preparation.current(target, "restart", connector)
  w.task = math.type(tasks) and tasks or nil
  local result = preparation.named(w.id, name, write.carry_out, w,
    way(target, tasks, options.at_most_once))
  wait.note_restart(target, name)
  return result
end

return verb
