-- A bulk job on many connectors of two workers, one of which is killed in the middle of it. Run by
-- run.lua, with two workers up.
local kelp = require "kelp"
local ground = require "ground"
local lu = require "luaunit"
local raw = require "kelp.raw"
local support = require "support"

local COUNT = 100 -- bench.sh does it with more

TestBulk = {}

function TestBulk:setUp()
  self.target = ground.connect { url = ground.workers, attempts = 12 }
end

function TestBulk:tearDown()
  ground.clear(self.target)
end

-- Calls fn for each item and expects no failure; says how long it took.
local function each(what, items, fn)
  local start = raw.now()
  local report = kelp.each(items, fn, { progress = false })
  print(("    %s: %s in %.1f s"):format(what, report, raw.now() - start))
  lu.assertEquals(report.failed, 0)
  lu.assertEquals(report.done, #items)
end

local function until_all_run(target, count, check)
  ground.until_true(function()
    local list = target:list()
    for _, c in ipairs(list) do
      local task = c.tasks[1]
      if c.state ~= "running" or not task or task.state ~= "running" or not check(c, task) then
        return false
      end
    end
    return #list == count
  end, count .. " run")
end

-- How many requests the workers have refused since they are busy with something else: 409, or 500
-- when the one that leads cannot be reached.
local function refusals()
  local count = 0
  for i = 1, 2 do
    for status in support.read(("%s/worker-%d.log"):format(ground.folder, i))
      :gmatch '/bulk[^"]* HTTP/1%.1" (%d+)' do
      if status == "409" or status == "500" then count = count + 1 end
    end
  end
  return count
end

-- How many requests kelp has sent again, as its journal has them.
local function resends()
  local count, op = 0, raw.journal_previous()
  while op do
    count = count + math.max(op.attempts - 1, 0)
    op = raw.journal_previous(op.op)
  end
  return count
end

-- The worker that leads does what the others are asked for: it is the one whose end hurts.
local function leader()
  local found
  for url in support.read(ground.folder .. "/worker-1.log"):gmatch "leaderUrl='([^']+)/'" do
    found = url
  end
  return assert(found, "no leader is in the log")
end

-- What only the leader can do, asked of the other at once: kelp itself may come to ask after the
-- rebalance, for it waits longer after each failure.
local function ask_for_the_leader(url, name)
  os.execute(("curl -q -s -m 20 --noproxy '*' -o %s -X POST %s/connectors/%s/restart"):format(
    support.quote(ground.folder .. "/leader"), support.quote(url), name))
end

function TestBulk:test_a_job_goes_on_when_a_worker_is_killed()
  local target = self.target
  local names = {}
  for i = 1, COUNT do names[i] = ("bulk-%03d"):format(i - 1) end
  each("create", names, function(name)
    target:create(name, ground.sink("bulk", ground.folder .. "/files/" .. name))
  end)
  until_all_run(target, COUNT, function() return true end)

  each("update", target:list(), function(c) c:update { ["errors.tolerance"] = "all" } end)
  for _, c in ipairs(target:list()) do lu.assertEquals(c.config["errors.tolerance"], "all") end
  each("restart", target:list(), function(c) c:restart() end)
  until_all_run(target, COUNT, function() return true end)
  each("delete", target:list { name = "bulk-0[0-4]*" }, function(c) c:delete() end)

  local dead, refused, sent = leader(), refusals(), resends()
  local first = dead == ground.workers[1]
  local pid = os.getenv("CONNECT_PID_" .. (first and "1" or "2"))
  local other = ground.workers[first and 2 or 1]
  local begun = 0
  local left = target:list()
  each("update while a worker dies", left, function(c)
    begun = begun + 1
    if begun == 20 then
      assert(os.execute("kill -KILL " .. pid))
      ask_for_the_leader(other, left[#left].name)
    end
    c:update { ["errors.retry.timeout"] = 1000 }
  end)
  refused, sent = refusals() - refused, resends() - sent
  print(("    %d requests were refused meanwhile, %d sent again"):format(refused, sent))
  lu.assertTrue(refused > 0 and sent > 0, "nobody noticed: the test says nothing")
  -- What the dead one did the other does now.
  until_all_run(target, #left, function(c, task)
    return c.config["errors.retry.timeout"] == "1000" and not dead:find(task.worker, 1, true)
  end)
  each("delete", target:list(), function(c) c:delete() end)
  lu.assertEquals(#target:list(), 0)
end
