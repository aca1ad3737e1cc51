-- kelp migrate: creates the connectors of one place in another, translated where the providers
-- differ. Everything is read, translated and checked before the first connector is created.
local argparse = require "argparse"
local kelp = require "kelp"
local print_document = require "kelp.document"
local raw = require "kelp.raw"
local abilities = require "kelp.abilities"
local selection = require "kelp.selection"
local providers = require "kelp.providers"
local saved = require "kelp.saved"
local secret_sources = require "kelp.secret_sources"
local own_state = require("kelp.record").own_state
local translate = require "translate.managed"
local between = require "translate.between"

local parser = argparse("kelp migrate",
  "Creates the connectors of one place in another, translating their configs.")
parser:option("--from", ("A saved response to %s's list call (a path with a \"/\" in it or"
  .. " ending in .json), or a target."):format(saved.provider.title)):argname "FILE|TARGET":count(1)
parser:option("--to", "The target to create them in."):argname "TARGET":count(1)
parser:option("--set", "A setting for every connector. VALUE may be env:NAME or file:PATH; secrets"
  .. " must be."):argname "KEY=VALUE":count "*"
parser:option("--only", "Only connectors whose name matches this glob, such as orders-*.")
  :argname "GLOB"
parser:flag("--wait", "Wait until each connector runs.")
parser:option("--timeout", "Seconds to wait for one connector."):argname "S":default "300"
parser:option("--grace", "Seconds that a failure has to last to be believed."):argname "S"
  :default "15"
parser:flag("--restart-failed", "Restart a connector that fails once (waits as --wait does).")
parser:flag("--notes", "Show every change to a config, not only what was left out.")

local function usage(message)
  io.stderr:write("kelp migrate: ", message, "\n", parser:get_usage(), "\n")
  return 2
end

-- KEY=VALUE … to a table of values, or nil and what is wrong. A secret on a command line can be
-- read by every user of the machine, so a key that looks like one takes a source only.
local function settings_of(texts)
  local values = {}
  for _, text in ipairs(texts) do
    local key, value = text:match("^([^=%s]+)=(.*)$")
    if not key then
      return nil, "--set takes KEY=VALUE with a key before the \"=\""
    end
    if values[key] ~= nil then return nil, ("--set %s is given twice"):format(key) end
    local source, argument = value:match("^(%l+):(.+)$")
    if source == "env" or source == "file" then
      local ok, secret = pcall(kelp.secret, { [source] = argument })
      if not ok then return nil, ("--set %s: %s"):format(key, tostring(secret)) end
      values[key] = secret
    elseif raw.is_secret_key(key, value) then
      return nil, ("--set %s: a secret must not be on the command line; use %s=env:NAME or"
        .. " %s=file:PATH"):format(key, key, key)
    else
      values[key] = value
    end
  end
  return values
end

local function seconds(text, least)
  local number = tonumber(text)
  return number and number >= least and number < math.huge and number or nil
end

local function open_source(text)
  if saved.is_path(text) then
    return { provider = saved.provider.name, label = text, records = saved.read(text) }
  end
  local target = kelp.target(text)
  return { provider = target.provider, label = text, target = target, records = target:list() }
end

local function same_place(source, target)
  local from = source.target
  if not from or from.provider ~= target.provider or from.base_url ~= target.base_url then
    return false
  end
  for _, place in ipairs(providers.by_name[target.provider].places) do
    if from[place.name] ~= target[place.name] then return false end
  end
  return true
end

-- ---- before anything is sent ----

local function translated(record, source, target)
  if source.provider == target.provider then
    return translate.copy(record, abilities.of(target).masks and raw.is_injected
      or function() return false end)
  end
  local translation = between(source.provider, target.provider)
  if translation then return translation(record) end
  return nil, ("no translation from %s to %s"):format(source.provider, target.provider)
end

-- "a and b, or c (why); d (why)": needs that one other key would meet are said together.
local function needs_text(open)
  local groups, by_reason = {}, {}
  for _, item in ipairs(open) do
    local reason = (item.instead or "") .. "\n" .. item.why
    local group = by_reason[reason]
    if not group then
      group = { keys = {}, instead = item.instead, why = item.why }
      by_reason[reason] = group
      groups[#groups + 1] = group
    end
    table.insert(group.keys, item.key)
  end
  local parts = {}
  for position, group in ipairs(groups) do
    parts[position] = ("%s%s (%s)"):format(table.concat(group.keys, " and "),
      group.instead and ", or " .. group.instead or "", group.why)
  end
  return "needs " .. table.concat(parts, "; ")
end

-- The user's values for one connector: those of --set, and for what is still needed those of the
-- target's sources.
local function values_for(target, name, result, values)
  local all = {}
  for key, value in pairs(values) do all[key] = value end
  for _, item in ipairs(result.needs) do
    local other = item.instead and (values[item.instead] or result.config[item.instead])
    if all[item.key] == nil and not other then
      all[item.key] = secret_sources.value(target, name, item.key)
    end
  end
  return all
end

local function plan_one(record, source, target, values)
  local step = { name = record.name, from_class = record.class, was = own_state(record), notes = {} }
  if not record.config then
    step.result, step.why = "refused", "the source did not tell its config"
    return step
  end
  local result, why = translated(record, source, target)
  if not result then
    step.result, step.why = "skipped", why
    return step
  end
  local config, open = translate.supply(result,
    values_for(target, record.name, result, values))
  step.class, step.notes, step.config = result.class, result.notes, config
  -- What was taken out of a URI is a secret that nobody has registered yet.
  for key, value in pairs(config) do
    if type(value) == "string" and raw.is_secret_key(key, value) then raw.hide(value, key) end
  end
  if #open > 0 then
    step.result, step.why, step.missing = "refused", needs_text(open), {}
    for position, item in ipairs(open) do step.missing[position] = item.key end
  end
  return step
end

local function plan(source, target, values, glob)
  local steps, by_name = {}, {}
  for _, record in ipairs(source.records) do
    if not glob or selection.glob_matches(glob, record.name) then
      local step = plan_one(record, source, target, values)
      local twin = by_name[step.name]
      if twin then
        for _, one in ipairs { twin, step } do
          one.result, one.why = "refused", "two connectors of the source have this name"
        end
      end
      by_name[step.name] = step
      steps[#steps + 1] = step
    end
  end
  return steps
end

-- A worker has the plugins that somebody has put there, so it is asked about each config that would
-- be created, before the first is.
local function judge(target, steps, try)
  if not abilities.of(target).own_plugins then return end
  for _, step in ipairs(steps) do
    if not step.result then
      local judged, problem = try(target, "validate", step.config, { name = step.name })
      if problem then
        step.result, step.why = "refused", problem.message
      elseif not judged.ok then
        step.result = "refused"
        step.why = tostring(judged):gsub("^invalid[:,] ", "")
      end
    end
  end
end

-- ---- sending ----

-- Calls a verb. An error of the service is returned; any other (an interrupt, a fault of this
-- script) goes on.
local function try(target, verb, ...)
  local ok, result = pcall(target[verb], target, ...)
  if ok then return result end
  if kelp.is_error(result) and result.kind ~= "cancelled" then return nil, result end
  error(result, 0)
end

local function failed(step, problem)
  step.result = problem.kind == "unknown_outcome" and "unknown" or "failed"
  step.why = problem.message
  step.kind = problem.kind
end

local function create(target, step)
  local connector, problem = try(target, "create", step.name, step.config)
  if problem and problem.kind == "exists" then
    step.result, step.why = "exists", "a connector of this name is there already; left as it is"
  elseif problem then
    failed(step, problem)
  elseif type(connector) == "table" and connector.state == "failed" then
    step.result, step.why = "failed", connector.error or "it failed at once"
  else
    step.result = kelp.settings.plan and "planned" or "created"
  end
end

-- Waits until it runs; restarts it once when it failed and that was asked for. A connector that
-- was paused at the source is paused again.
local function await_running(target, step, options)
  local limits = { timeout = options.timeout, grace = options.grace }
  local _, problem = try(target, "wait", step.name, limits)
  if problem and problem.kind ~= "timeout" and options.restart_failed then
    step.restarted = true
    _, problem = try(target, "restart", step.name)
    if not problem then _, problem = try(target, "wait", step.name, limits) end
  end
  if not problem and step.was == "paused" then
    _, problem = try(target, "pause", step.name)
    if not problem then
      _, problem = try(target, "wait", step.name,
        { state = "paused", timeout = options.timeout, grace = options.grace })
    end
  end
  if problem then return failed(step, problem) end
  step.result = step.was == "paused" and "paused" or "running"
end

-- ---- telling ----

-- One line of text; names and messages come from others and may hold what a terminal obeys.
local function say(text)
  print((text:gsub("%s*[\r\n]+%s*", " "):gsub("%c", function(c)
    return ("\\x%02X"):format(c:byte())
  end)))
end

local function notes_of(step, all)
  local lines, left_out = {}, {}
  for _, note in ipairs(step.notes) do
    if all then
      lines[#lines + 1] = ("    %s%s: %s"):format(note.what,
        note.key ~= "" and " " .. note.key or "", note.why)
    elseif note.what == "unknown" or note.what == "unsupported" then
      left_out[#left_out + 1] = note.key
    end
  end
  if #left_out > 0 then lines[1] = "    left out: " .. table.concat(left_out, ", ") end
  return lines
end

local function line_of(step, width)
  local parts = { ("%-9s %s%s"):format(step.result, step.name, (" "):rep(width - #step.name)) }
  parts[#parts + 1] = step.class and "  as " .. step.class or nil
  if step.restarted then parts[#parts + 1] = "  (restarted once)" end
  if step.why then parts[#parts + 1] = "  " .. step.why end
  return table.concat(parts)
end

local function tell(step, options)
  if options.json then return end
  say(line_of(step, options.width))
  if step.class then
    for _, line in ipairs(notes_of(step, options.notes)) do say(line) end
  end
end

local order = { "planned", "running", "created", "paused", "exists", "skipped", "refused", "failed",
                "unknown" }
local good = { planned = true, running = true, created = true, paused = true }

local function summary_of(steps)
  local counts, code = {}, 0
  for _, step in ipairs(steps) do
    counts[step.result] = (counts[step.result] or 0) + 1
    if step.result == "unknown" then
      code = 4
    elseif not good[step.result] and code == 0 then
      code = 1
    end
  end
  return counts, code
end

local function document(steps, counts, source, options)
  local results = kelp.json.array {}
  for position, step in ipairs(steps) do
    local notes = kelp.json.array {}
    for index, note in ipairs(step.notes) do
      notes[index] = { key = note.key ~= "" and note.key or nil, what = note.what, why = note.why }
    end
    results[position] = {
      name = step.name, from_class = step.from_class, class = step.class, result = step.result,
      why = step.why, kind = step.kind, restarted = step.restarted,
      missing = step.missing and kelp.json.array(step.missing), notes = notes,
    }
  end
  local total = {}
  for _, result in ipairs(order) do
    if result ~= "planned" or kelp.settings.plan then total[result] = counts[result] or 0 end
  end
  return { from = source.label, to = options.to, results = results, summary = total }
end

local function run(source, target, values, options)
  local steps = plan(source, target, values, options.only)
  judge(target, steps, try)
  for _, step in ipairs(steps) do options.width = math.max(options.width, #step.name) end
  for position, step in ipairs(steps) do
    if not step.result then
      create(target, step)
      if step.kind == "unauthorized" then
        for rest = position + 1, #steps do
          local other = steps[rest]
          if not other.result then
            other.result, other.why = "failed", "not tried: the login was refused"
          end
        end
      end
    end
    if step.result ~= "created" then tell(step, options) end
  end
  for _, step in ipairs(steps) do
    if step.result == "created" then
      if options.wait or options.restart_failed or step.was == "paused" then
        await_running(target, step, options)
      end
      tell(step, options)
    end
  end
  local counts, code = summary_of(steps)
  if options.json then
    print_document(document(steps, counts, source, options))
  else
    local parts = {}
    for _, result in ipairs(order) do
      if counts[result] then parts[#parts + 1] = ("%d %s"):format(counts[result], result) end
    end
    print(#parts > 0 and table.concat(parts, ", ") or "nothing to migrate")
  end
  return code
end

local function main(...)
  local ok, options = parser:pparse { ... }
  if not ok then return usage(options) end
  options.json = kelp.settings.output == "json"
  options.width = 0
  local timeout, grace = seconds(options.timeout, 0), seconds(options.grace, 0)
  if not timeout then return usage "--timeout takes a number of seconds" end
  if not grace then return usage "--grace takes a number of seconds" end
  options.timeout, options.grace = timeout, grace
  local fault = options.only and selection.glob_fault(options.only)
  if fault then return usage("--only: " .. fault) end
  local values, why = settings_of(options.set)
  if not values then return usage(why) end
  local target = kelp.target(options.to)
  local source = open_source(options.from)
  if same_place(source, target) then return usage "--from and --to are the same place" end
  return run(source, target, values, options)
end

return main(...)
