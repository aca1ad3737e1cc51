-- How many requests are under way: what a job or a target names counts at once and in full, and
-- no longer than the job runs. Run by run.lua.
local kelp = require "kelp"
local raw = require "kelp.raw"
local lu = require "luaunit"
local support = require "support"

TestConcurrency = {}

local credentials = 0

-- Each has a pace of its own: what one test does must not slow down the next.
function TestConcurrency:setUp()
  self.sim = support.start "--provisioning 0 --latency 200"
  credentials = credentials + 1
  self.user = ("CONCURRENCY%04d"):format(credentials)
end

function TestConcurrency:target(options)
  options.api_key = self.user
  return self.sim:confluent_target(options)
end

-- Runs as many requests as `job` names at a time, twice over. Returns how many were seen under way
-- once `expected` were, or when all had ended; and the limit then.
local function seen(target, job, expected)
  local left = 2 * job.concurrency
  local function next_item()
    left = left - 1
    return left >= 0 and left or nil
  end
  local running = true
  local task = kelp.async(function()
    local _ <close> = setmetatable({}, { __close = function() running = false end })
    kelp.each(next_item, function() target:list() end, job):assert()
  end)
  local most, limit = 0, 0
  while running and most < expected do
    kelp.sleep(0.001)
    local pace = raw.limiter_state(target)
    if pace.in_flight > most then most, limit = pace.in_flight, pace.limit end
  end
  return task, most, limit
end

function TestConcurrency:test_what_a_job_names_counts_at_once()
  local target = self:target {}
  local task, most, limit = seen(target, { concurrency = 50, progress = false }, 50)
  lu.assertEquals({ most, limit }, { 50, 50 })
  task:await()
  lu.assertEquals(raw.limiter_state(target).limit, 32)
end

function TestConcurrency:test_what_the_target_names_is_the_most()
  local target = self:target { concurrency = 6 }
  local task, most, limit = seen(target, { concurrency = 12, progress = false }, 12)
  lu.assertEquals({ most, limit }, { 6, 6 })
  task:await()
end

function TestConcurrency:test_what_the_target_names_counts_at_once_and_stays()
  local target = self:target { concurrency = 40 }
  local task, most, limit = seen(target, { concurrency = 40, progress = false }, 40)
  lu.assertEquals({ most, limit }, { 40, 40 })
  task:await()
  lu.assertEquals(raw.limiter_state(target).limit, 40)
end

function TestConcurrency:test_jobs_at_the_same_time_add_up()
  local target = self:target {}
  local first, most = seen(target, { concurrency = 20, progress = false }, 20)
  lu.assertEquals(most, 20)
  local second, both, limit = seen(target, { concurrency = 20, progress = false }, 40)
  lu.assertEquals({ both, limit }, { 40, 40 })
  first:await()
  second:await()
  lu.assertEquals(raw.limiter_state(target).limit, 32)
end

function TestConcurrency:test_a_job_that_is_cancelled_leaves_nothing_open()
  local target = self:target {}
  local job, most = seen(target, { concurrency = 50, progress = false }, 50)
  lu.assertEquals(most, 50)
  job:cancel()
  support.raises("cancelled", job.await, job)
  lu.assertEquals(raw.limiter_state(target).limit, 32)
  repeat kelp.sleep(0.001) until raw.alive() == 1
end

function TestConcurrency:test_without_a_word_it_begins_with_few()
  local target, most = self:target {}, 0
  local task = kelp.async(kelp.map, { 1, 2, 3, 4, 5, 6, 7, 8 }, function() target:list() end,
    { progress = false })
  repeat
    kelp.sleep(0.001)
    most = math.max(most, raw.limiter_state(target).in_flight)
  until most >= 4
  lu.assertEquals({ most, raw.limiter_state(target).limit }, { 4, 4 })
  task:await()
end
