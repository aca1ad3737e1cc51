-- checks: what is promised of a cell, one function for each promise. Each gets what happened in the
-- cell (cell.lua) and raises a text that says what is wrong.
--
-- What a cell holds: verb, outcome, kind (of the error that it must end with), masks, ambiguous,
-- announced (the actions of the outcome "ok"); the results of the program: planned, ran, resumed,
-- again, shown, undo_planned, undone, listed; what the simulator told before and after each of
-- them: before, after_plan, after, after_resume, after_again, after_undo_plan, after_undo; and
-- stage, left (the bytes of the state folder's files).
local kelp = require "kelp"
local effects = require "effects"
local matrix = require "matrix"
local providers = require "providers"

local checks = {}

local encode = kelp.json.encode

local function same(what, is, should)
  is, should = table.concat(is, "; "), table.concat(should, "; ")
  if is ~= should then
    error(("%s: announced: %s; done: %s"):format(what, is == "" and "nothing" or is,
      should == "" and "nothing" or should), 0)
  end
end

local function same_error(planned, ran)
  local one, other = planned.said or {}, ran.said or {}
  if one.kind ~= other.kind then
    error(("the plan ends with %s (%s), the run with %s (%s)"):format(one.kind or "no error",
      one.message or "-", other.kind or "no error", other.message or "-"), 0)
  end
  if one.message ~= other.message then
    error(("the plan says: %s; the run says: %s"):format(one.message, other.message), 0)
  end
end

function checks.plan(c)
  local planned, ran = c.planned, c.ran
  if c.after_plan.writes ~= c.before.writes or #c.after_plan.effects > 0 then
    error("the plan sent a write", 0)
  end
  if not ran.said or not planned.said then error("the script did not come to its end", 0) end
  if matrix.shows_late(c.outcome) then
    return same("effects", effects.planned(kelp.json.decode(planned.out)), c.announced)
  end
  same_error(planned, ran)
  if c.outcome == "unsupported" and c.after.requests > c.before.requests then
    error("a request was sent for what is unsupported", 0)
  end
  if not ran.said.ok then
    same("effects", {}, effects.done(c.after.effects, kelp.null))
    return
  end
  local document = kelp.json.decode(planned.out)
  same("effects", effects.planned(document), effects.done(c.after.effects, kelp.null,
    c.verb.repeats and c.ambiguous))
  same("config", effects.planned_changes(document), effects.changes(c.before.world,
    c.after.world, document))
end

function checks.can(c)
  if c.ran.said.can ~= (c.outcome ~= "unsupported") then
    error(("can.%s is %s, and the verb is %s"):format(c.verb.name, c.ran.said.can,
      c.outcome == "unsupported" and "unsupported" or "there"), 0)
  end
end

local function expect_code(what, result, code)
  if result.how ~= "exit" or result.code ~= code then
    error(("%s: exit %d expected, %s %d got: %s"):format(what, code, result.how, result.code,
      result.err:sub(-300)), 0)
  end
end

function checks.exit(c)
  local said = c.ran.said or {}
  if said.kind ~= c.kind then
    error(("%s was expected, and %s happened: %s"):format(c.kind or "no error",
      said.kind or "no error", said.message or c.ran.err:sub(-300)), 0)
  end
  expect_code("the run", c.ran, said.kind == nil and 0 or said.kind == "unknown_outcome" and 4 or 1)
  local acts = matrix.acts(c.verb, c.outcome, c.masks)
  if acts and not c.verb.wish(c.after.world, encode) then error("it was not done", 0) end
  if acts and #c.after.effects == 0 then error("nothing was done", 0) end
  if c.kind and #c.after.effects > 0 then error("it was refused, and something was done", 0) end
  if matrix.shows_late(c.outcome) then return expect_code("the plan", c.planned, 3) end
  expect_code("the plan", c.planned, c.kind and 1 or acts and 3 or 0)
end

-- How many writes undo says that it has undone, and how many it has not.
local function counts_of(result)
  local undone, rest = 0, 0
  for key, value in pairs(kelp.json.decode(result.out)) do
    if math.type(value) == "integer" then
      if key == "undone" then undone = value else rest = rest + value end
    end
  end
  return undone, rest
end

-- What differs of one connector, as texts.
local function differences_of(name, was, is)
  if not was or not is then return { name .. (is and " is new" or " is gone") } end
  local list, keys = {}, {}
  for _, config in ipairs { was.config, is.config } do
    for key in pairs(config) do keys[key] = true end
  end
  for key in pairs(keys) do
    if was.config[key] ~= is.config[key] then
      list[#list + 1] = ("%s %s was %s, is %s"):format(name, key, was.config[key], is.config[key])
    end
  end
  for _, field in ipairs { "state", "offsets" } do
    local old, new = encode(was[field] or {}), encode(is[field] or {})
    if old ~= new then list[#list + 1] = ("%s %s was %s, is %s"):format(name, field, old, new) end
  end
  return list
end

local function differences(was, is)
  local list = {}
  for _, world in ipairs { was, is } do
    for name in pairs(world) do
      local counted = world == is and was[name]
      for _, text in ipairs(counted and {} or differences_of(name, was[name], is[name])) do
        list[#list + 1] = text
      end
    end
  end
  table.sort(list)
  return list
end

-- A restart leaves nothing to compare: it cannot be undone, and must be counted so.
function checks.undo(c)
  local left = differences(c.before.world, c.after_undo.world)
  local restored = #left == 0
  if not restored and c.undone.code == 0 then
    error("it exits 0, and the world is not as it was: " .. table.concat(left, "; "), 0)
  end
  if c.undone.out == "" then
    error(("it prints no counts, and exits %d: %s"):format(c.undone.code,
      c.undone.err:sub(-500)), 0)
  end
  local undone, rest = counts_of(c.undone)
  expect_code("undo", c.undone, rest > 0 and 1 or 0)
  if #c.after.effects > 0 and undone + rest == 0 then
    error("something was done, and undo counts it neither as undone nor as not undone", 0)
  end
  if c.verb.name == "restart" then
    if undone > 0 then error("a restart counts as undone", 0) end
  elseif restored and rest > 0 and c.outcome ~= "unknown" then
    error(("all is as it was, and it counts %d not undone: %s"):format(rest,
      c.undone.err:sub(-300)), 0)
  end
end

function checks.undo_plan(c)
  local before = (c.after_again or c.after_resume).writes
  if c.after_undo_plan.writes ~= before then error("the plan of undo sent a write", 0) end
  local planned = effects.planned(kelp.json.decode(c.undo_planned.out))
  local done, since = {}, #c.after_undo_plan.effects
  for i = since + 1, #c.after_undo.effects do done[i - since] = c.after_undo.effects[i] end
  same("effects", planned, effects.done(done, kelp.null))
  if #planned > 0 then
    expect_code("undo --plan", c.undo_planned, 3)
  elseif c.undone.code == 0 then
    expect_code("undo --plan", c.undo_planned, 0)
  end
end

function checks.again(c)
  local said = c.again.said or {}
  local kind = c.verb.again ~= "nothing" and c.verb.again or nil
  if said.kind ~= kind then
    error(("%s was expected, and %s happened: %s"):format(kind or "no error",
      said.kind or "no error", said.message or c.again.err:sub(-300)), 0)
  end
  expect_code("the second run", c.again, kind and 1 or 0)
  local sent, more = c.after_again.writes - c.after_resume.writes,
    #c.after_again.effects - #c.after_resume.effects
  if more > 0 then error(("it had %d more effects"):format(more), 0) end
  if kind ~= "exists" and sent > 0 then error(("it sent %d writes"):format(sent), 0) end
end

function checks.resume(c)
  expect_code("--resume", c.resumed, 0)
  local sent = c.after_resume.writes - c.after.writes
  if sent > 0 then error(("it sent %d writes"):format(sent), 0) end
end

-- One document, or nothing where the command failed.
local function one_document(what, result)
  if result.out == "" and result.code ~= 0 and result.code ~= 3 then return end
  local ok, why = pcall(kelp.json.decode, result.out)
  if not ok then
    error(("%s: standard output is no JSON document: %s: %s"):format(what, tostring(why),
      result.out:sub(1, 300)), 0)
  end
end

-- `kelp list` tells the name of every connector, whatever had to be hidden.
local function all_listed(c)
  expect_code("kelp list", c.listed, 0)
  local found = {}
  for _, entry in ipairs(kelp.json.decode(c.listed.out)) do found[entry.name or ""] = true end
  for name in pairs(c.after.world) do
    if not found[name] then
      error(("kelp list: %s is missing: %s"):format(name, c.listed.out), 0)
    end
  end
end

function checks.json(c)
  one_document("the plan", c.planned)
  one_document("the run", c.ran)
  for what, result in pairs { ["undo --plan"] = c.undo_planned, undo = c.undone,
      ["runs show"] = c.shown, ["kelp list"] = c.listed } do
    one_document(what, result)
  end
  if c.listed then all_listed(c) end
end

function checks.canary(c)
  local secrets = {}
  for name, value in pairs(providers.canaries) do secrets["the " .. name .. " secret"] = value end
  for where, texts in pairs { output = c.stage.texts, ["the state folder"] = c.left } do
    for _, text in ipairs(texts) do
      for name, value in pairs(secrets) do
        if text:find(value, 1, true) then error(("%s is in %s"):format(name, where), 0) end
      end
    end
  end
end

return checks
