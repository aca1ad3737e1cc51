-- kelp runs: the runs that were recorded: what became of them, what each has done, and removing
-- them. Reads journals only; nothing is sent.
local argparse = require "argparse"
local kelp = require "kelp"
local print_document = require "kelp.document"
local raw = require "kelp.raw"
local place = require "kelp.place"

local RUN = "A run's id, the beginning of one, \"last\", or a journal's path."

local parser = argparse("kelp runs", "Lists the runs that were recorded.")
  :command_target "action":require_command(false)
local show_parser = parser:command("show", "Shows what a run has done.")
show_parser:argument("run", RUN)
show_parser:option("--state", "Only operations in this state."):choices { "planned", "intent",
  "done", "refused", "unknown", "undo_intent", "undone", "undo_conflict" }
local resolve_parser = parser:command("resolve", "Records what you found out about writes whose "
  .. "outcome is unknown. `kelp runs show RUN` tells their numbers.")
resolve_parser:argument("run", RUN)
resolve_parser:argument("answer", "[OP] done|refused: the number of one write (default: all that are "
  .. "unknown), and whether it was carried out."):args "1-2"
local prune_parser = parser:command("prune", "Removes runs.")
prune_parser:argument("runs", RUN):args "*"
prune_parser:mutex(
  prune_parser:option("--older-than", "Remove the runs that began more than so many days ago and"
    .. " leave nothing to resume."):argname "DAYS",
  prune_parser:option("--keep", "Remove all but the newest so many of the runs that leave nothing"
    .. " to resume."):argname "N")
prune_parser:flag("--force", "Remove a named run also when it can be resumed or cannot be read.")

local json_output = kelp.settings.output == "json"

local function usage(message, of)
  io.stderr:write("kelp runs: ", message, "\n", (of or parser):get_usage(), "\n")
  return 2
end

local function fail(message)
  error(raw.error("journal", message, { sent = "no" }), 0)
end

-- ---- which runs ----

local function folder()
  local state, home = os.getenv "XDG_STATE_HOME" or "", os.getenv "HOME" or ""
  if state:sub(1, 1) == "/" then return state .. "/kelp/runs" end
  if home:sub(1, 1) == "/" then return home .. "/.local/state/kelp/runs" end
  fail "there is no place for journals: HOME is not set"
end

local function beginning_with(list, text)
  local found = {}
  for _, run in ipairs(list) do
    if run.id == text then return { run } end
    if run.id:sub(1, #text) == text then found[#found + 1] = run end
  end
  return found
end

-- The summary of the run that the user means; raises when that is none, or several.
local function find(text)
  if text:find("/", 1, true) or text:find "%.db$" then
    local where, id = text:match "^(.*)/([^/]*)$"
    where, id = where == "" and "/" or where or ".", (id or text):gsub("%.db$", "")
    for _, run in ipairs(raw.runs(where)) do
      if run.id == id then return run end
    end
    fail(("there is no run %s"):format(text))
  end
  local list = raw.runs(folder())
  if text == "last" and #list > 0 then return list[#list] end
  local found = beginning_with(list, text)
  if #found == 0 or text == "" then
    fail(("there is no run '%s' in %s"):format(text, folder()))
  elseif #found > 1 then
    local ids = {}
    for i = 1, math.min(#found, 5) do ids[i] = found[i].id end
    fail(("%d runs begin with '%s': %s%s"):format(#found, text, table.concat(ids, ", "),
      #found > 5 and ", …" or ""))
  end
  return found[1]
end

-- ---- what is said of a run ----

-- "20261121-132644-…" is when a run that cannot be read began.
local function time_of_id(id)
  local year, month, day, hour, min, sec = id:match("^(%d%d%d%d)(%d%d)(%d%d)%-(%d%d)(%d%d)(%d%d)%-")
  return year and ("%s-%s-%s %s:%s:%s"):format(year, month, day, hour, min, sec) or nil
end

local function time_text(seconds)
  return seconds and os.date("!%Y-%m-%d %H:%M:%S", seconds // 1 | 0) or nil
end

local function state_of(run)
  if run.problem then return run.problem.kind == "busy" and "under way" or "unreadable" end
  return run.state == "running" and "killed" or run.state
end

-- What the states of its operations come to.
local function totals(counts)
  return counts.done, counts.refused, counts.unknown + counts.intent + counts.undo_intent
end

local function note_of(run)
  local problem = run.problem
  if problem then
    if problem.kind ~= "busy" then return problem.message end
    return problem.pid and ("process %d"):format(problem.pid) or nil
  end
  local notes = {}
  if run.counts.undone > 0 then notes[#notes + 1] = run.counts.undone .. " undone" end
  if run.resumable then notes[#notes + 1] = "resumable" end
  return table.concat(notes, ", ")
end

local function words_of(run)
  local arguments = run.arguments and kelp.json.decode(run.arguments)
  return type(arguments) == "table" and type(arguments.words) == "table" and arguments.words or nil
end

-- As data: what both the list and `show` say of a run.
local function described(run)
  local result = {
    id = run.id, path = run.path, script = run.script, tool = run.tool, arguments = words_of(run),
    state = state_of(run), started = run.started, ended = run.ended, passes = run.passes,
    counts = run.counts, resumable = run.resumable,
  }
  if run.problem then
    result.pid, result.problem = run.problem.pid, run.problem.message
    result.resumable = false
  else
    result.done, result.failed, result.unknown = totals(run.counts)
  end
  return result
end

local function list()
  local runs = raw.runs(folder())
  local rows = kelp.json.array {}
  for position, run in ipairs(runs) do
    if json_output then
      rows[position] = described(run)
    else
      local row = { run = run.id, started = time_text(run.started) or time_of_id(run.id),
                    script = run.script, state = state_of(run), note = note_of(run) }
      if run.counts then row.done, row.failed, row.unknown = totals(run.counts) end
      rows[position] = row
    end
  end
  if json_output then
    print_document(rows)
  elseif #rows == 0 then
    io.stderr:write "no runs\n"
  else
    print(kelp.show.table(rows, { "run", { key = "started", title = "STARTED (UTC)" }, "state",
      "done", "failed", "unknown", "script", "note" }))
  end
  return 0
end

-- ---- what a run has done ----

-- A value of a recorded config: secrets are references there.
local function value_text(value)
  if type(value) == "table" then
    local label = value["$secret"]
    return label and ("<secret %s>"):format(tostring(label)) or "<hidden>"
  end
  if value == kelp.json.null then return nil end
  return type(value) == "string" and value or (raw.normalise { value = value }).value
end

local function config_of(record)
  local config = type(record) == "table" and record.config
  return type(config) == "table" and config or {}
end

-- What a write was to change, by key: { key, old, new }. A config that is put replaces the whole.
local function changes_of(op)
  local changes = kelp.json.array {}
  if type(op.request) ~= "table" then return changes end
  local old, keys = config_of(op.pre_image), {}
  for key in pairs(op.request) do keys[key] = true end
  if op.verb == "put" then
    for key in pairs(old) do
      if not raw.is_injected(key) then keys[key] = true end
    end
  end
  for key in pairs(keys) do
    local before, after = old[key], op.request[key]
    before = before ~= nil and value_text(before) or nil
    after = after ~= nil and value_text(after) or nil
    if before ~= after or before == "<hidden>" then
      changes[#changes + 1] = { key = key, old = before, new = after }
    end
  end
  table.sort(changes, function(a, b) return a.key < b.key end)
  return changes
end

local JSON_TEXTS <const> = { "request", "pre_image", "result" }

-- Calls fn with each operation of the run, its recorded JSON decoded. Returns the run.
local function read(path, state, fn)
  local reader <close> = raw.run_open(path)
  local about = reader:about()
  about.path = path
  for op in reader.next, reader do
    if not state or op.state == state then
      for _, field in ipairs(JSON_TEXTS) do
        if op[field] then op[field] = kelp.json.decode(op[field]) end
      end
      op.place = place.decode(op.place)
      op.target = place.label(op.place)
      fn(op, about)
    end
  end
  return about
end

local function print_operation(op)
  local line = kelp.show.line
  local lines = { ("%d  %s  %s %s on %s  %s"):format(op.op, op.state, op.verb, line(op.connector),
    line(op.target), time_text(op.ended or op.intended)) }
  for _, change in ipairs(changes_of(op)) do
    local key, old, new = line(change.key), change.old and line(change.old),
      change.new and line(change.new)
    if not new then
      lines[#lines + 1] = ("     - %s: %s"):format(key, old or "")
    elseif not old then
      lines[#lines + 1] = ("     + %s: %s"):format(key, new)
    else
      lines[#lines + 1] = ("     ~ %s: %s → %s"):format(key, old, new)
    end
  end
  if op.error then lines[#lines + 1] = "     " .. line(op.error) end
  print(table.concat(lines, "\n"))
end

local function print_run(run)
  local line = kelp.show.line
  local done, failed, unknown = totals(run.counts)
  print("run " .. line(run.id))
  local function add(label, text)
    if text then print(("  %-8s %s"):format(label, text)) end
  end
  local words = words_of(run)
  add("script", run.script and line(run.script))
  add("words", words and line(table.concat(words, " ")))
  add("started", time_text(run.started) .. " UTC")
  add("ended", run.ended and time_text(run.ended) .. " UTC")
  add("state", state_of(run) .. (run.passes > 1 and (", %d passes"):format(run.passes) or ""))
  add("writes", ("%d done, %d failed%s%s"):format(done, failed,
    unknown > 0 and (", %d unknown"):format(unknown) or "",
    run.counts.undone > 0 and (", %d undone"):format(run.counts.undone) or ""))
end

local function show(options)
  local path = find(options.run).path
  if json_output then
    local operations = kelp.json.array {}
    local run = described(read(path, options.state, function(op)
      op.changes = changes_of(op)
      operations[#operations + 1] = op
    end))
    run.operations = operations
    print_document(run)
    return 0
  end
  local shown
  local function head(run)
    if not shown then print_run(run) end
    shown = true
  end
  head(read(path, options.state, function(op, run)
    head(run)
    print_operation(op)
  end))
  return 0
end

-- ---- what a person found out ----

-- The numbers of the run's writes whose outcome is unknown; `only`: just that one.
local function unknown_of(path, only)
  local numbers = {}
  read(path, nil, function(op)
    local is_unknown = op.state == "unknown" or op.state == "intent"
    if only == op.op and not is_unknown then
      fail(("operation %d is %s, not unknown; nothing was recorded"):format(op.op, op.state))
    end
    if is_unknown and (only or op.op) == op.op then numbers[#numbers + 1] = op.op end
  end)
  if #numbers > 0 then return numbers end
  fail(only and ("the run has no operation %d; `kelp runs show` lists them"):format(only)
    or "no outcome of the run is unknown")
end

local function resolve(options)
  local answer, only = options.answer[#options.answer], nil
  if answer ~= "done" and answer ~= "refused" then
    return usage(("say done or refused, not '%s'"):format(answer), resolve_parser)
  end
  if #options.answer == 2 then
    only = options.answer[1]:find "^%d+$" and math.tointeger(tonumber(options.answer[1]))
    if not only then
      return usage(("'%s' is no operation's number"):format(options.answer[1]), resolve_parser)
    end
  end
  local run = find(options.run)
  local numbers = unknown_of(run.path, only)
  raw.journal_take(run.path)
  for _, op in ipairs(numbers) do
    raw.journal_end(op, answer, nil, "resolved by a person: " .. answer)
  end
  if json_output then
    print(kelp.json.encode { run = run.id, resolved = #numbers, answer = answer })
  else
    print(("%d write%s recorded as %s; to resume the run: kelp --resume %s"):format(#numbers,
      #numbers == 1 and "" or "s", answer, run.id))
  end
  return 0
end

-- ---- removing ----

-- Before the runs that a rule removes: seconds since 1970, or nil and what is wrong with the rule.
local function time_limit(options, runs)
  if options.older_than then
    local days = tonumber(options.older_than)
    if not days or not (days >= 0) or days > 1e6 then
      return nil, ("--older-than: '%s' is not a number of days"):format(options.older_than)
    end
    return os.time() + 1 - days * 86400 -- os.time() leaves out the fraction
  end
  local count = options.keep:find "^%d+$" and math.tointeger(tonumber(options.keep))
  if not count then return nil, ("--keep: '%s' is not a whole number"):format(options.keep) end
  if count == 0 then return math.huge end
  local times = {}
  for _, run in ipairs(runs) do
    if run.started then times[#times + 1] = run.started end
  end
  table.sort(times, function(a, b) return a > b end)
  return times[count] or -math.huge
end

-- Why a run that is named is not removed without --force; nil when it is.
local function reason_to_keep(run)
  if run.problem then return run.problem.message end
  if not run.resumable then return nil end
  local _, _, unknown = totals(run.counts)
  return ("it can be resumed (%s%s)"):format(state_of(run),
    unknown > 0 and (", %d unknown"):format(unknown) or "")
end

local function find_all(options)
  local named = {}
  for position, text in ipairs(options.runs) do
    local run = find(text)
    local reason = reason_to_keep(run)
    if reason and not options.force then
      fail(("run %s: %s; nothing was removed (--force removes it all the same)"):format(run.id,
        reason))
    end
    named[position] = run
  end
  return named
end

-- The ids in `before` that are not in `after` any more, and the old ones that stay, with reasons.
local function compare(before, after, limit)
  local left, removed, kept = {}, kelp.json.array {}, kelp.json.array {}
  for _, run in ipairs(after) do left[run.id] = true end
  for _, run in ipairs(before) do
    if not left[run.id] then
      removed[#removed + 1] = run.id
    elseif run.problem or run.started < limit then
      kept[#kept + 1] = { id = run.id, reason = reason_to_keep(run) or "in use" }
    end
  end
  return removed, kept
end

local function prune(options)
  local rule = options.older_than or options.keep
  if not rule and #options.runs == 0 then
    return usage("say which runs: RUN, --older-than DAYS or --keep N", prune_parser)
  end
  local in_folder = rule and folder()
  local before = rule and raw.runs(in_folder) or {}
  local limit, wrong = -math.huge, nil
  if rule then
    limit, wrong = time_limit(options, before)
    if wrong then return usage(wrong, prune_parser) end
  end
  local named = find_all(options)
  for _, run in ipairs(named) do
    -- The same one may be named twice.
    if not run.removed then raw.run_remove(run.path) end
    for _, other in ipairs(named) do other.removed = other.removed or other.path == run.path end
  end
  local removed, kept = kelp.json.array {}, kelp.json.array {}
  if rule then
    raw.run_prune(in_folder, limit)
    removed, kept = compare(before, raw.runs(in_folder), limit)
  end
  local seen = {}
  for _, id in ipairs(removed) do seen[id] = true end
  for _, run in ipairs(named) do
    if not seen[run.id] then removed[#removed + 1] = run.id end
    seen[run.id] = true
  end
  if json_output then
    print_document { removed = removed, kept = kept }
    return 0
  end
  print(("removed %d run%s"):format(#removed, #removed == 1 and "" or "s"))
  for _, run in ipairs(kept) do
    print(("kept %s: %s"):format(kelp.show.line(run.id), kelp.show.line(run.reason)))
  end
  return 0
end

local function main(...)
  local ok, options = parser:pparse { ... }
  if not ok then return usage(options) end
  if options.action == "show" then return show(options) end
  if options.action == "resolve" then return resolve(options) end
  if options.action == "prune" then return prune(options) end
  return list()
end

return main(...)
