-- cell: carries out what one verb is asked for in one outcome, as a user would: plans it, runs it,
-- resumes it, runs it again and undoes it; and has each of the promises judged (checks.lua).
local kelp = require "kelp"
local support = require "support"
local checks = require "checks"
local effects = require "effects"
local matrix = require "matrix"
local providers = require "providers"
local stage = require "stage"

local cell = {}

-- ---- the script ----

local script = [[
local kelp = require "kelp"
local key, own, with_secret, offsets = %s
local t, quick = kelp.target "subject", { poll = 0.01, timeout = 10 }
with_secret[key] = kelp.secret "PROMISES_GIVEN"
local ok, result = pcall(function() %s end)
local file = assert(io.open(os.getenv "PROMISES_SAID", "wb"))
file:write(kelp.json.encode { ok = ok, can = t.can[%q] == true,
  kind = not ok and (kelp.is_error(result) and result.kind or "misuse") or nil,
  message = not ok and (kelp.is_error(result) and result.message or tostring(result)) or nil })
assert(file:close())
if not ok then error(result, 0) end
-- What can be written of a result: a connector holds its target, which is no value.
local function plain(value)
  if type(value) ~= "table" then return value end
  local copy = #value > 0 and kelp.json.array {} or {}
  for name, member in pairs(value) do
    if name ~= "target" then copy[name] = plain(member) end
  end
  return copy
end
if not kelp.settings.plan then print(kelp.json.encode { result = plain(result) }) end
]]

local function literal(value)
  if type(value) ~= "table" then
    return math.type(value) == "integer" and tostring(value) or ("%q"):format(value)
  end
  local parts = {}
  for key, member in pairs(value) do
    parts[#parts + 1] = ("[%s] = %s"):format(literal(key), literal(member))
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

--- Writes the script that asks the target for that; returns its path.
function cell.write_script(p, verb, call)
  local moved = {}
  for i, one in ipairs(p.offsets) do
    local offset = {}
    for key in pairs(one.offset) do offset[key] = 99 end
    moved[i] = { partition = one.partition, offset = offset }
  end
  local values = { literal(p.key), literal(p.config),
    literal(providers.config(p, nil, "from the environment")), literal(moved) }
  return support.write(support.path "script.lua", script:format(table.concat(values, ", "),
    call:find "return " and call or "return " .. call, verb.name))
end

-- ---- carrying out ----

-- The faults of an outcome: the write's method is what it was when nothing went wrong.
local function faults_of(outcome, verb, write_method)
  local kind = ({ done = "drop", lost = "lose", denied = "403", unknown = "lose" })[outcome]
  if not kind then return nil end
  if verb.writes and not write_method then
    error("no write was seen when nothing went wrong, so that none can be disturbed", 0)
  end
  -- A plan asks which keys a plugin defines, by PUT: that is no write, and nothing disturbs it.
  local validation = verb.name ~= "validate"
    and { fault = "delay:0", path = "/validate", times = 1000 } or nil
  local list = { validation }
  list[#list + 1] = { fault = kind, method = write_method, times = outcome == "unknown" and 1000 or 1 }
  return list
end

local function connectors_of(p, verb, outcome, stops)
  local hidden = outcome == "masked" or outcome == "secret"
  local config = providers.config(p, "subject", hidden and verb.name ~= "create")
  if outcome == "masked" and verb.name == "list" then
    config["another.password"] = providers.syntax
  end
  return {
    subject = { config = config,
      state = matrix.first_state(verb, outcome, stops), offsets = p.offsets },
    bystander = { config = providers.config(p, "bystander", true), state = "running" },
  }
end

local function plan_and_run(c, path)
  local on_stage = c.stage
  local function plan()
    c.planned = on_stage:kelp("planned", "--plan", "--output", "json", path)
    c.after_plan = on_stage:look()
  end
  c.before = on_stage:look()
  if c.verb.writes then plan() end
  c.ran = on_stage:kelp("first", "--output", "json", path)
  c.after = on_stage:look()
  -- What was sent before it is not the plan's.
  if not c.verb.writes then
    c.before = c.after
    plan()
  end
end

-- What follows a run of a verb that writes. Notes which promises there are to be judged.
local function afterwards(c, path)
  local on_stage, applies = c.stage, c.applies
  local recorded = on_stage:has_journal "first"
  c.after_resume = c.after
  if c.ran.code == 0 and #c.after.effects > 0 then
    applies.resume = true
    c.resumed = on_stage:kelp("first", "--resume", "last")
    c.after_resume = on_stage:look()
  end
  -- That a secret is the one that is there cannot be seen: it is sent again.
  if c.verb.again and not c.kind and (c.outcome ~= "secret" or c.verb.again ~= "nothing") then
    applies.again = true
    c.again = on_stage:kelp("second", path)
    c.after_again = on_stage:look()
  end
  if recorded then
    applies.undo, applies.undo_plan = true, true
    c.shown = on_stage:kelp("first", "--output", "json", "runs", "show", "last")
    c.undo_planned = on_stage:kelp("first", "--plan", "--output", "json", "undo", "last",
      "--target", "subject")
    c.after_undo_plan = on_stage:look()
    c.undone = on_stage:kelp("first", "--output", "json", "undo", "last", "--target", "subject")
    c.after_undo = on_stage:look()
  end
end

--- The promises, in the order in which they are told.
cell.checks = { "can", "plan", "exit", "undo_plan", "undo", "again", "resume", "json", "canary" }

--- Carries out verb (matrix.verbs) at provider p in that outcome. about: { masks, stops }: whether
--- the provider shows asterisks, and can stop a connector; the outcome "ok", which comes first,
--- adds write_method and the actions that it had. Returns promise -> true or what is wrong, for
--- those that apply.
function cell.run(p, verb, outcome, about)
  local call = outcome == "unsupported" and verb.call.ok or verb.call[outcome]
  local c = { verb = verb, outcome = outcome, masks = about.masks,
    kind = matrix.kind(verb, outcome, about.masks),
    ambiguous = outcome == "done" or outcome == "lost", announced = about.actions,
    applies = { plan = true, exit = true, json = true, canary = true,
                can = outcome == "ok" or outcome == "unsupported" } }
  c.stage = stage.new(p, connectors_of(p, verb, outcome, about.stops),
    faults_of(outcome, verb, about.write_method))
  local path = cell.write_script(p, verb, call)
  plan_and_run(c, path)
  if outcome == "ok" and verb.writes then
    about.write_method = next(c.after.methods)
    about.actions = effects.done(c.after.effects, kelp.null)
  end
  if verb.writes then afterwards(c, path) end
  if verb.name == "list" then
    c.listed = c.stage:kelp("first", "--output", "json", "list", "subject")
  end
  c.left = c.stage:left_behind()
  local results = {}
  for _, check in ipairs(cell.checks) do
    if c.applies[check] then
      local fine, why = pcall(checks[check], c)
      results[check] = fine or tostring(why)
    end
  end
  c.stage:close()
  return results
end

return cell
