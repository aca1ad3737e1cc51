-- Runs suites of this folder in order: kelp run.lua "SUITE…" [PATTERN], started by run.sh, which
-- has brought up what they talk to.
local here = arg[0]:match "^(.*)/[^/]*$" or "."
local suites, pattern = arg[1], arg[2]
package.path = here .. "/../lua/?.lua;" .. package.path
io.stdout:setvbuf "line"

local lu = require "luaunit"
local raw = require "kelp.raw"
local support = require "support"

local tests = {}
for suite in suites:gmatch "%S+" do
  local before = {}
  for name in pairs(_G) do before[name] = true end
  dofile(here .. "/" .. suite .. ".lua")
  local found = {}
  for class, methods in pairs(_G) do
    if not before[class] and class:find "^Test" then
      for method in pairs(methods) do
        local full = ("%s:%s.%s"):format(suite, class, method)
        if method:find "^test" and (not pattern or full:find(pattern)) then
          found[#found + 1] = { full, methods }
        end
      end
      _G[class] = nil
    end
  end
  table.sort(found, function(a, b) return a[1] < b[1] end)
  table.move(found, 1, #found, #tests + 1, tests)
end
if #tests == 0 then
  print("none of " .. suites)
  return 0
end

-- What takes long here waits for a worker: a line for each such test says where the time goes.
local slow = {}
for _, test in ipairs(tests) do
  local full, class = test[1], test[2]
  local method = full:match "%.(.*)$"
  local body = class[method]
  class[method] = function(...)
    local start = raw.now()
    body(...)
    local took = raw.now() - start
    if took > 5 then slow[#slow + 1] = ("%5.1f s  %s"):format(took, full) end
  end
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
