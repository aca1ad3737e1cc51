-- Runs suites of this folder in order: kelp run.lua "SUITE…" [PATTERN [CLASS]], started by run.sh,
-- which has brought up what they talk to. CLASS: only the tests of the class of that name. Tests in
-- pending.txt are known to fail: they count as skipped when they do, and as failed when they pass.
local here = arg[0]:match "^(.*)/[^/]*$" or "."
local suites, pattern, only = arg[1], arg[2], arg[3]
package.path = here .. "/../lua/?.lua;" .. package.path
io.stdout:setvbuf "line"

local kelp = require "kelp"
local lu = require "luaunit"
local raw = require "kelp.raw"
local support = require "support"

-- The tests that are known to fail, with the reason: "SUITE:Class.test REASON" a line.
local pending = {}
for line in support.read(here .. "/pending.txt"):gmatch "[^\n]+" do
  if line:sub(1, 1) ~= "#" then
    local name, reason = line:match "^(%S+) +(%S.*)$"
    if not name then error("pending.txt: not a name and a reason: " .. line, 0) end
    if pending[name] then error("pending.txt: twice: " .. name, 0) end
    pending[name] = reason
  end
end

-- Stops at a name in pending.txt that no test of this suite has.
local function check_pending(suite, known)
  for name in pairs(pending) do
    if name:sub(1, #suite + 1) == suite .. ":" and not known[name] then
      error("pending.txt: there is no test " .. name, 0)
    end
  end
end

local tests = {}
for suite in suites:gmatch "%S+" do
  local before = {}
  for name in pairs(_G) do before[name] = true end
  dofile(here .. "/" .. suite .. ".lua")
  local found, known = {}, {}
  for class, methods in pairs(_G) do
    if not before[class] and class:find "^Test" then
      for method in pairs(methods) do
        local full = ("%s:%s.%s"):format(suite, class, method)
        known[full] = true
        if method:find "^test" and (not pattern or full:find(pattern))
          and (not only or class == only) then
          found[#found + 1] = { full, methods }
        end
      end
      _G[class] = nil
    end
  end
  check_pending(suite, known)
  table.sort(found, function(a, b) return a[1] < b[1] end)
  table.move(found, 1, #found, #tests + 1, tests)
end
if #tests == 0 then
  print("none of " .. suites)
  return 0
end

-- What takes long here waits for a worker: a line for each such test says where the time goes.
local slow = {}
local function timed(full, body)
  return function(...)
    local start = raw.now()
    local result = table.pack(pcall(body, ...))
    local took = raw.now() - start
    if took > 5 then slow[#slow + 1] = ("%5.1f s  %s"):format(took, full) end
    if not result[1] then error(result[2], 0) end
  end
end

-- What an error says: text, an error object, or luaunit's own.
local function message_of(problem)
  return type(problem) == "table" and problem.msg or tostring(problem)
end

-- A worker that is not there and a slip in the test itself are no reason to skip it.
local function is_another_failure(problem)
  return kelp.is_error(problem, "network")
    or type(problem) == "string" and problem:find ": attempt to " ~= nil
end

local function expected_to_fail(full, reason, body)
  return function(...)
    local ok, problem = pcall(body, ...)
    if ok then lu.fail(full .. " passes: remove it from pending.txt") end
    if is_another_failure(problem) then error(problem, 0) end
    lu.skip(("%s (%s)"):format(reason, message_of(problem)))
  end
end

for _, test in ipairs(tests) do
  local full, class = test[1], test[2]
  local method = full:match "%.(.*)$"
  local body = timed(full, class[method])
  class[method] = pending[full] and expected_to_fail(full, pending[full], body) or body
end

local runner = lu.LuaUnit.new()
runner:runSuiteByInstances(tests, "--verbose")
local ok, message = pcall(support.close)
if not ok then io.stderr:write(tostring(message), "\n") end
local result = runner.result
for _, line in ipairs(slow) do print(line) end
print(("connect: %d passed, %d failed, %d skipped"):format(result.successCount,
  result.notSuccessCount, result.skippedCount))
return ok and result.notSuccessCount == 0 and 0 or 1
