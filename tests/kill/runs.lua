-- runs: kelp as a user runs it, with a state folder of its own, under boundary.c; and what its
-- journal holds then.

local raw = require "kelp.raw"
local bench = require "bench"

local quote = bench.quote
local runs = {}

--- A place for the journals of one job.
function runs.place()
  local state = bench.path "state"
  assert(os.execute("mkdir -p " .. quote(state)))
  return { state = state, folder = state .. "/kelp/runs" }
end

function runs.forget(place)
  bench.done_with(place.state)
end

-- "killed 17 write wal half" → 17, "write wal", "half"; nil when nothing was killed; and the
-- counts of a process that came to its end: "write wal half" → 3.
local function read_log(path)
  local text, log = bench.read(path) or "", { counts = {} }
  log.killed, log.call, log.when = text:match "killed (%d+) (%S+ %S+) (%S+)"
  log.killed = math.tointeger(log.killed)
  log.total = math.tointeger(text:match "ended (%d+)")
  for count, kind in text:gmatch "\n(%d+) (%l+ %l+ %l+)" do
    log.counts[kind] = math.tointeger(count)
  end
  log.text = text
  os.remove(path)
  return log
end

-- The shell's words for a run; what = { env, kill, rules, power (see boundary.c), plain (without
-- it), before (shell commands that come first), input, out, err (paths), folder, seconds, level (of
-- the log), unread (out is nothing that can be read again) }.
local function command(place, words, what)
  local quoted, env = {}, { XDG_STATE_HOME = place.state, HOME = place.state,
    XDG_CONFIG_HOME = place.state,
    CONFLUENT_CLOUD_API_KEY = bench.user, CONFLUENT_CLOUD_API_SECRET = bench.canary,
    UPSTASH_EMAIL = bench.email, UPSTASH_API_KEY = bench.canary, SINK_SECRET = bench.sink_canary,
    BOUNDARY_LOG = what.log, BOUNDARY_KILL = what.kill and tostring(what.kill),
    BOUNDARY_RULES = what.rules, BOUNDARY_POWER = what.power and tostring(what.power) }
  for name, value in pairs(what.env or {}) do env[name] = value end
  local preload = not what.plain and "LD_PRELOAD=" .. quote(bench.folder .. "/boundary.so") or ""
  if env.LD_PRELOAD then preload, env.LD_PRELOAD = "LD_PRELOAD=" .. quote(env.LD_PRELOAD), nil end
  local set = {}
  for name, value in pairs(env) do set[#set + 1] = name .. "=" .. quote(value) end
  for i, word in ipairs(words) do quoted[i] = quote(word) end
  return ("%s%sexec env -i PATH=\"$PATH\" ASAN_OPTIONS=\"$ASAN_OPTIONS\" %s timeout -s KILL %d "
    .. "env --default-signal=PIPE %s %s %s %s <%s >%s 2>%s"):format(
    what.folder and "cd " .. quote(what.folder) .. " && " or "",
    what.before and what.before .. "; " or "", table.concat(set, " "), what.seconds or 60, preload,
    quote(bench.program), bench.log_option(what.level), table.concat(quoted, " "),
    quote(what.input or "/dev/null"), quote(what.out), quote(what.err))
end

local function with_paths(what)
  local full = { out = bench.path "out", err = bench.path "err", log = bench.path "log" }
  for key, value in pairs(what or {}) do full[key] = value end
  return full
end

local function ended(place, what, how, code, seconds)
  local log = read_log(what.log)
  if how == "exit" and code > 128 then how, code = "signal", code - 128 end
  local r = { how = how, code = code, seconds = seconds,
              out = not what.unread and bench.read(what.out) or "",
              err = bench.read(what.err) or "", killed = log.killed, call = log.call,
              when = log.when, total = log.total, counts = log.counts, log = log.text }
  if not what.unread then
    bench.done_with(what.out)
  elseif not what.out:find "^/dev/" then
    os.remove(what.out)
  end
  bench.done_with(what.err)
  -- The log of a journal is gone when the next one has read it.
  if how == "signal" or r.killed then
    place.kills = (place.kills or 0) + 1
    bench.keep(place.state, place.kills)
  end
  return r
end

--- Runs kelp with these words: { how ("exit", "signal"), code, out, err, seconds, killed (at which
--- point), call, when, total (points), counts, log }. 130 is an exit code of its own.
function runs.kelp(place, words, what)
  what = with_paths(what)
  local start = raw.now()
  local _, how, code = os.execute(command(place, words, what))
  if how == "exit" and code == 130 then
    local r = ended(place, what, how, 0, raw.now() - start)
    r.code = 130
    return r
  end
  return ended(place, what, how, code, raw.now() - start)
end

local Beside = {}
Beside.__index = Beside

--- Starts it beside: for what is to be done while it runs. Its standard error can be read.
function runs.start(place, words, what)
  what = with_paths(what)
  what.err = bench.path "fifo"
  assert(os.execute("mkfifo " .. quote(what.err)))
  local self = setmetatable({ place = place, what = what, seen = {}, start = raw.now() },
    Beside)
  self.pipe = assert(io.popen(command(place, words, what), "w"))
  self.errors = assert(io.open(what.err, "r"))
  os.remove(what.err)
  return self
end

--- Reads its standard error until a line fits the pattern; returns what the pattern took.
function Beside:await(pattern)
  for line in self.errors:lines() do
    self.seen[#self.seen + 1] = line
    local found = line:match(pattern)
    if found then return found end
  end
  error(("it never said '%s': %s"):format(pattern, table.concat(self.seen, "\n")), 0)
end

--- What boundary.c wrote so far.
function Beside:log()
  return bench.read(self.what.log) or ""
end

--- Waits for its end: as runs.kelp.
function Beside:wait()
  for line in self.errors:lines() do self.seen[#self.seen + 1] = line end
  self.errors:close()
  local _, how, code = self.pipe:close()
  local plain = how == "exit" and code == 130
  bench.write(self.what.err, table.concat(self.seen, "\n"))
  local r = ended(self.place, self.what, how, plain and 0 or code, raw.now() - self.start)
  if plain then r.code = 130 end
  return r
end

--- The path of the newest journal, or nil.
function runs.newest(place)
  local pipe = assert(io.popen("ls " .. quote(place.folder) .. " 2>/dev/null"))
  local newest
  for name in pipe:lines() do
    if name:find "%.db$" then newest = place.folder .. "/" .. name end
  end
  pipe:close()
  return newest
end

--- What a journal holds: { about, [1…] = operations }; or nil and the error.
function runs.read(path)
  local ok, reader = pcall(raw.run_open, path)
  if not ok then return nil, reader end
  local journal = { about = reader:about() }
  for op in reader.next, reader do journal[#journal + 1] = op end
  reader:close()
  return journal
end

return runs
