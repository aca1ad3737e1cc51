-- bulk: the same for many items, a bounded number at a time: each and map, and
-- the tasks that scripts start themselves.

local raw = require "kelp.raw"
local write = require "kelp.write"
local settings = require "kelp.settings"
local report = require "kelp.report"
local progress = require "kelp.progress"

local bulk = {}

-- How many items are under way at once unless told otherwise; how many
-- requests then really are is for the pace of each credential to decide. A
-- number that the user names is taken at its word, unless the target names one.
local CONCURRENCY = 32

local known = { concurrency = true, progress = true }

local function check_options(name, options)
  if options == nil then return {} end
  if type(options) ~= "table" then
    raw.misuse(("%s: a table of options expected, got %s"):format(name, type(options)))
  end
  for key in pairs(options) do
    if not known[key] then raw.misuse(("%s: unknown option '%s'"):format(name, tostring(key))) end
  end
  local n = options.concurrency
  if n ~= nil and (math.type(n) ~= "integer" or n < 1 or n > 1000) then
    raw.misuse(("%s: concurrency must be a whole number from 1 to 1000"):format(name))
  end
  return options
end

local function callable(value)
  local meta = getmetatable(value)
  return type(value) == "function" or type(meta) == "table" and meta.__call ~= nil
end

-- A function that gives the next item and its number, and the number of items
-- when it is known. Items of an iterator are asked for one at a time, even when
-- it waits for something itself.
local function source(name, items)
  local n = 0
  if callable(items) then
    local asking, queue = false, {}
    local ended = false
    return function()
      while asking do
        queue[#queue + 1] = raw.current()
        raw.park()
      end
      if ended then return nil end
      asking = true
      local ok, item = pcall(items)
      asking = false
      ended = not ok or item == nil
      -- One may ask next; after the end all of them shall see it.
      repeat
        local waiting = table.remove(queue, 1)
        if waiting then raw.wake(waiting) end
      until not waiting or not ended
      if not ok then error(item, 0) end
      if ended then return nil end
      n = n + 1
      return item, n
    end
  end
  if type(items) ~= "table" then
    raw.misuse(("%s: a list or an iterator expected, got %s"):format(name, type(items)))
  end
  return function()
    n = n + 1
    return items[n], n
  end, #items
end

-- An error after which every other item would fail in the same way.
local function ends_the_run(failure)
  return raw.is_error(failure)
    and (failure.kind == "unauthorized" or failure.kind == "journal" or failure.cause == "unauthorized" or failure.paused)
end

-- A server that fails in the same way for each of the first items fails for the others too.
local EQUAL_FAILURES = 10

local function is_server_failure(failure)
  return raw.is_error(failure) and math.type(failure.status) == "integer" and failure.status >= 500
end

-- Whether the items so far have all failed, enough of them, by the same message of the server.
local function fails_always(result)
  local errors = result.errors
  if result.done > 0 or #errors < EQUAL_FAILURES then return false end
  for _, entry in ipairs(errors) do
    local failure = entry.error
    if not is_server_failure(failure) or failure.message ~= errors[1].error.message then
      return false
    end
  end
  return true
end

local function is_cancelled(failure)
  return raw.is_error(failure) and (failure.kind == "cancelled" or failure.cause == "cancelled")
end

-- Until the result is closed: so many more requests may be under way.
local function reserve(number)
  local undo = setmetatable({}, { __close = function() raw.reserve(-number) end })
  raw.reserve(number)
  return undo
end

-- ---- one job ----

-- What one call of each or map has under way: fn, keep, next_item, total, result and
-- report_job (see report.new), workers (its tasks), in_flight, source_failure ({ error } of the
-- iterator, or nil).
local Job = {}
Job.__index = Job

-- Nothing more begins, and what waits for its turn is ended.
function Job:stop(failure)
  self.result.stopped = failure
  local current = raw.current()
  for _, worker in ipairs(self.workers) do
    if worker ~= current then raw.cancel(worker) end
  end
end

function Job:fail(item, failure)
  local result = self.result
  if result.stopped and is_cancelled(failure) and failure.kind == "cancelled" then
    return -- it was not sent
  end
  report.add_failure(result, self.report_job, item, failure)
  if result.stopped then return end
  if ends_the_run(failure) or fails_always(result) then self:stop(failure) end
end

-- One worker: an item after the other.
function Job:work()
  local result = self.result
  while not result.stopped and not self.source_failure do
    local pulled, item, n = pcall(self.next_item)
    if not pulled then
      if not (result.stopped and is_cancelled(item)) then self.source_failure = { item } end
      return
    end
    if item == nil then return end
    self.in_flight = self.in_flight + 1
    local writes = write.count_anew()
    local ok, value = pcall(self.fn, item, n)
    self.in_flight = self.in_flight - 1
    if ok then
      result.done = result.done + 1
      if writes.unchanged > 0 and writes.sent == 0 then
        result.unchanged = result.unchanged + 1
      end
      if self.keep then self.keep(n, value) end
    elseif is_cancelled(value) and not result.stopped then
      error(value, 0)
    else
      self:fail(item, value)
    end
  end
end

function Job:count_skipped()
  local result = self.result
  if self.total then
    result.skipped = self.total - result.done - result.failed - result.unknown
  end
end

-- However the job ends.
function Job:__close()
  self:count_skipped()
  for _, worker in ipairs(self.workers) do raw.cancel(worker) end
end

-- Starts so many workers and waits for them.
function Job:work_off(count)
  local _ <close> = self
  for i = 1, count do self.workers[i] = raw.spawn(function() self:work() end) end
  for _, worker in ipairs(self.workers) do
    local ok, failure = raw.join(worker)
    if not ok then error(failure, 0) end
  end
  if self.source_failure then error(self.source_failure[1], 0) end
end

local function run(name, items, fn, options, keep)
  options = check_options(name, options)
  if not callable(fn) then
    raw.misuse(("%s: a function expected, got %s"):format(name, type(fn)))
  end
  local job = setmetatable({ fn = fn, keep = keep, workers = {}, in_flight = 0 }, Job)
  job.next_item, job.total = source(name, items)
  job.result, job.report_job = report.new(name)
  local named = options.concurrency or settings.concurrency
  local limit = named or CONCURRENCY
  if job.total and job.total < limit then limit = job.total end
  do
    local _ <close> = options.progress ~= false
      and progress.start(job.result, job.total, function() return job.in_flight end) or nil
    local _ <close> = named and reserve(limit) or nil
    job:work_off(limit)
  end
  return report.publish(job.result, job.report_job)
end

--- Calls fn(item, number) for each item of a list, or of a function that returns
--- one at each call until nil. Errors are collected with their items; returns
--- the report. A rejected credential stops the job.
function bulk.each(items, fn, options)
  return run("each", items, fn, options)
end

--- As each, and returns what fn returned, in the order of the items, before the
--- report. A failed item leaves a hole (nil).
function bulk.map(items, fn, options)
  local results = {}
  local result = run("map", items, fn, options, function(n, value) results[n] = value end)
  return results, result
end

-- ---- tasks ----

local task = raw.task_metatable
task.__name = "kelp.task"
task.__tostring = function() return "task" end

local function unwrap(ok, ...)
  if ok then return ... end
  error((...), 0)
end

--- Waits for the task's end: returns what its function returned, or raises what
--- it raised.
function task.__index.await(self) return unwrap(raw.join(self)) end

--- Ends its wait by a `cancelled` error.
function task.__index.cancel(self) raw.cancel(self) end

--- Starts fn(…) as a task of its own.
function bulk.async(fn, ...)
  if type(fn) ~= "function" then
    raw.misuse(("async: a function expected, got %s"):format(type(fn)))
  end
  return raw.spawn(fn, ...)
end

return bulk
