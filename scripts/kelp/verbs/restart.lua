-- restart.

local raw = require "kelp.raw"
local abilities = require "kelp.abilities"
local preparation = require "kelp.preparation"
local reconcile = require "kelp.reconcile"
local write = require "kelp.write"

local verb = {}

local steps = { all = "restart_tasks", failed = "restart_failed" }

local function check_tasks(target, name, tasks)
  if tasks == nil then return end
  if not steps[tasks] and not (math.type(tasks) == "integer" and tasks >= 0) then
    raw.misuse("restart: tasks must be \"all\", \"failed\" or a task's number")
  end
  if not abilities.of(target).restart_tasks then
    preparation.refuse(target, "unsupported", "restart", name,
      "only the whole connector can be restarted there, not chosen tasks")
  end
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
  local step = tasks == nil and "restart" or steps[tasks] or "restart_task"
  return preparation.named(w.id, name, write.carry_out, w, reconcile.event, step,
    options.at_most_once)
end

return verb
