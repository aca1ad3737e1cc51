-- sweep.lua: `kelp sweep.lua` lists the parts of the sweep, `kelp sweep.lua PART…` carries one out,
-- says what came of it in one line, and writes its figures to PART.result.
--
-- A job is counted once: how many points there are at which kelp can be killed (boundary.c). Then
-- it is run from the start, killed at one of them, and resumed until it is done. "each": at every
-- point in turn, or at every STRIDE-th, and at every kind of call; now and then the resumed run is
-- killed as well. "chain": again and again, some points further each time. After each kill and at
-- the end, what the simulator did is compared with what the journal says.
--
-- A mutant is the same with a mistake in kelp's own Lua; the sweep must find it.

local here = arg[0]:match "^(.*)/[^/]*$" or "."
package.path = here .. "/../faults/?.lua;" .. here .. "/?.lua;" .. package.path

local kelp = require "kelp"
local bench = require "bench"
local runs = require "runs"
local jobs = require "jobs"

local all, sample = os.getenv "KILL_ALL" == "1", os.getenv "KILL_SAMPLE" == "1"
local seed = math.tointeger(tonumber(os.getenv "KILL_SEED" or 1))
local job_script = here .. "/job.lua"

-- ---- the parts ----

local mutants = {
  forgets = { file = "kelp/write.lua", what = "an ambiguous write is taken for one never begun",
    from = 'if found.state == "intent" or found.state == "unknown" then', to = "if false then" },
  blind = { file = "kelp/reconcile.lua", what = "an ambiguous create is sent again without a look",
    from = "local looked, found = pcall(until_visible, w, look_for)",
    to = "local looked, found = true, nil" },
  hasty = { file = "kelp/reconcile.lua", what = "what a list does not show at once is not there",
    from = "if n > 1 then raw.sleep(n == 2 and delay or delay / 2) end",
    to = "if n > 1 then return nil end" },
}

local parts, by_name = {}, {}

local function part(name, fields)
  fields.name = name
  parts[#parts + 1], by_name[name] = fields, fields
end

local function pick(of_all, of_sample, usual)
  return all and of_all or sample and of_sample or usual
end
local chained_size = pick(200, 40, 200)

for _, provider in ipairs { "confluent", "upstash", "connect" } do
  part("each-" .. provider, { provider = provider, how = "each", size = 14, chained = true,
    concurrency = 4, stride = pick(1, 32, 2), first = all and 1 or 1 + seed % 2, again = 0.25 })
  part("chain-" .. provider, { provider = provider, how = "chain", size = chained_size,
    chained = true, jobs = pick(10, 1, 2), step = 300 })
  part("power-" .. provider, { provider = provider, how = "each", size = 10, chained = true,
    concurrency = 4, stride = pick(1, 56, 7), again = 0.25, power = true })
end
for _, provider in ipairs { "confluent", "upstash" } do
  part("lost-" .. provider, { provider = provider, how = "chain", size = chained_size,
    chained = true, jobs = pick(10, 1, 1), step = 300, simulator = "--faults drop=0.02",
    tries = 4 })
  part("lag-" .. provider, { provider = provider, how = "chain", size = chained_size, step = 300,
    jobs = pick(10, 1, 1), simulator = "--lag 0.2", visibility_delay = 0.4 })
end
-- A sample is for those who look at what kelp leaves behind; a mutant is not kelp.
for name in pairs(sample and {} or mutants) do
  part("mutant-" .. name, { provider = "upstash", how = "each", size = 6, chained = name ~= "hasty",
    concurrency = 2, stride = 3, again = 0, mutant = mutants[name],
    simulator = name == "hasty" and "--lag 0.2" or nil, visibility_delay = name == "hasty" and 0.4 or nil })
end
if all then
  -- As it is told above: every point of a job of 200.
  for _, provider in ipairs { "confluent", "upstash" } do
    for slice = 1, 8 do
      part(("all-%s-%d"):format(provider, slice), { provider = provider, how = "each", size = 200,
        chained = true, stride = 8, first = slice, again = 0.1 })
    end
  end
end
table.sort(parts, function(a, b) return a.name < b.name end)

-- ---- a job, killed ----

local Sweep = {}
Sweep.__index = Sweep

local function fail(format, ...) error(format:format(...), 0) end

function Sweep:new_job()
  local p = self.part
  self.number = self.number + 1
  local job = jobs.new(p.provider, self.at, { size = p.size, chained = p.chained,
    concurrency = p.concurrency, visibility_delay = p.visibility_delay, marker = 1000 + self.number })
  job.tries = p.tries
  jobs.begin(self.at, job)
  return job
end

-- Runs it, or resumes it, to be killed at that point (nil: not at all).
function Sweep:pass(place, job, begun, kill)
  local words = begun and { "--resume", "last" } or { job_script, job.spec }
  local power
  if self.part.power then power = kill and kill % 2 == 0 and kill or 0 end
  local r = runs.kelp(place, words, { kill = kill, power = power, rules = self.rules,
    env = { KELP_SCRIPTS = self.scripts } })
  self.rules = nil
  if r.killed then
    self.kills = self.kills + 1
    self.killed[r.call .. " " .. r.when] = (self.killed[r.call .. " " .. r.when] or 0) + 1
    self.pairs[r.call] = true
  elseif r.how == "signal" then
    fail("it was killed by signal %d: %s", r.code, r.err)
  end
  return r
end

-- What is wrong between two passes, if anything is.
function Sweep:look(place, r)
  local fault, absent = jobs.fault_now(self.at, place)
  if fault then fail("after a kill (%s %s): %s", r.call, r.when, fault) end
  return absent
end

-- Killed before its journal was one: nothing may have taken effect, and the user begins anew.
function Sweep:was_no_run(r)
  if r.killed or not r.err:find("there is no run 'last'", 1, true) then return false end
  if next((jobs.effects(self.at))) then fail("there is no run, and something was done: %s", r.err) end
  return true
end

-- Runs the job until it is done, killed at `kill` and then as `next_kill(passes)` says.
function Sweep:run(kill, next_kill)
  local job, place = self:new_job(), runs.place()
  local passes, begun, history = 0, false, {}
  local ok, why = pcall(function()
    while true do
      passes = passes + 1
      if passes > 400 then fail "it is never done" end
      local r = self:pass(place, job, begun, kill)
      history[#history + 1] = r.killed and ("%d %s %s"):format(r.killed, r.call, r.when)
        or ("exit %d"):format(r.code)
      if r.killed then
        begun = not self:look(place, r)
        if not begun then
          -- Nothing was promised; the user begins anew.
          runs.forget(place)
          place = runs.place()
        end
        if begun then self.resumed = self.resumed + 1 end
      elseif r.code == 0 then
        break
      elseif begun and self:was_no_run(r) then
        begun = false
        runs.forget(place)
        place = runs.place()
      elseif r.code == 4 and self.part.tries and passes < 100 then
        self.unknown = self.unknown + 1 -- four lost answers in a row
        begun = true
      else
        fail("exit %d: %s%s", r.code, r.out, r.err)
      end
      kill = next_kill(passes)
    end
    local fault = jobs.fault_at_end(self.at, place, job, passes)
    if fault then fail("when it was done: %s", fault) end
    local before = jobs.requests(self.at)
    local r = self:pass(place, job, true)
    if r.code ~= 0 then fail("a finished run, resumed: exit %d: %s", r.code, r.err) end
    local after = jobs.requests(self.at)
    for what, count in pairs(after) do
      if before[what] ~= count then
        fail("a finished run, resumed, sent %s %d times", what, count - (before[what] or 0))
      end
    end
  end)
  os.remove(job.spec)
  for _, verb in pairs(job.ops) do self.checked[verb] = (self.checked[verb] or 0) + 1 end
  self.jobs = self.jobs + 1
  if ok then
    runs.forget(place)
  else
    fail("%s\n    job %d, %d passes, the last: %s\n    journal: %s", why, self.number, #history,
      table.concat(history, "; ", math.max(1, #history - 9)), tostring(runs.newest(place)))
  end
end

-- ---- the ways ----

local function never() end

-- A job that is killed more often than this is then left to its end.
local MOST <const> = 60

function Sweep:count()
  local job, place = self:new_job(), runs.place()
  local r = self:pass(place, job, false)
  if r.code ~= 0 then fail("the job by itself: exit %d: %s%s", r.code, r.out, r.err) end
  os.remove(job.spec)
  runs.forget(place)
  return r
end

function Sweep:each()
  local p, counted = self.part, self:count()
  for kill = p.first or 1, counted.total, p.stride do
    self:run(kill, function(passes)
      if passes <= 3 and self.random() < p.again then
        return math.tointeger(1 + self.random() * counted.total // 1)
      end
    end)
  end
  if p.power or p.mutant or p.size > 100 then return end
  -- The number of points differs a little between runs: what was passed over is named.
  for kind in pairs(counted.counts) do
    local call = kind:match "^%S+ %S+"
    if not self.pairs[call] then
      self.rules = call .. " 1 KILL"
      self:run(nil, never)
      if not self.pairs[call] then fail("it was never killed at: %s", call) end
    end
  end
end

function Sweep:chain()
  local p = self.part
  for _ = 1, p.jobs do
    local function further() return math.tointeger(1 + self.random() * p.step // 1) end
    self:run(further(), function(passes) return passes < MOST and further() or nil end)
  end
end

-- ---- mutants ----

local function make_mutant(m)
  local folder = bench.path "mutant"
  assert(os.execute(("mkdir -p %s/kelp"):format(bench.quote(folder))))
  local text = assert(bench.read(here .. "/../../scripts/" .. m.file))
  local start, stop = text:find(m.from, 1, true)
  assert(start and not text:find(m.from, stop + 1, true),
    m.file .. " does not have once: " .. m.from)
  bench.write(folder .. "/" .. m.file, text:sub(1, start - 1) .. m.to .. text:sub(stop + 1))
  return folder
end

-- ---- one part ----

local function carry_out(p)
  local state = seed * 7919
  for byte in p.name:gmatch "." do state = state * 31 + byte:byte() & 0xffffffff end
  local self = setmetatable({ part = p, number = 0, kills = 0, resumed = 0, unknown = 0, jobs = 0,
    killed = {}, pairs = {}, checked = {} }, Sweep)
  function self.random()
    state = state * 6364136223846793005 + 1442695040888963407
    return ((state >> 11) & 0x1fffffffffffff) / 9007199254740992.0
  end
  self.scripts = p.mutant and make_mutant(p.mutant)
  self.at = jobs.simulator(p.simulator)
  local ok, why = pcall(self[p.how], self)
  local stopped, complaint = pcall(bench.stop)
  if ok and not stopped then ok, why = false, complaint end
  if self.scripts then os.execute("rm -rf " .. bench.quote(self.scripts)) end
  return self, ok, why
end

if not arg[1] then
  for _, p in ipairs(parts) do print(p.name) end
  return 0
end

for i = 1, #arg do
  local p = by_name[arg[i]]
  if not p then
    io.stderr:write(("there is no part %s\n"):format(arg[i]))
    return 2
  end
  local start = require("kelp.raw").now()
  local self, ok, why = carry_out(p)
  if p.mutant then
    ok, why = not ok, ok and "not found: " .. p.mutant.what
      or ("%s: found by: %s"):format(p.mutant.what, why:match "[^\n]*")
  end
  local kinds = 0
  for _ in pairs(self.killed) do kinds = kinds + 1 end
  io.write(("%-18s %-6s %4d kills at %2d kinds of point, %4d jobs, %d creates, %d updates, %d "
    .. "restarts%s; %.1f s\n"):format(p.name, ok and "ok" or "FAILED", self.kills, kinds, self.jobs,
    self.checked.create or 0, self.checked.update or 0, self.checked.restart or 0,
    self.unknown > 0 and (", %d times unknown at first"):format(self.unknown) or "",
    require("kelp.raw").now() - start), why and "    " .. why .. "\n" or "")
  bench.write(("%s/%s.result"):format(bench.folder, p.name),
    ("%s %d %d\n"):format(ok and "ok" or "FAILED", self.kills, self.resumed))
end
