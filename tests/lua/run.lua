-- Runs the Lua suites: kelp tests/lua/run.lua [pattern]. A suite is a file here that defines
-- luaunit classes; a test also fails when it leaves a task, an exchange or a descriptor behind.
local here = arg[0]:match("^(.*)/[^/]*$") or "."
local pattern = arg[1]
io.stdout:setvbuf "line" -- what hangs or crashes shall be seen to

local lu = require "luaunit"
local support = require "support"

local function suites()
  local found = {}
  local pipe = assert(io.popen("ls " .. support.quote(here) .. "/*.lua", "r"))
  for path in pipe:lines() do
    if support.read(path):find("\n%s*Test%w+ = ") then found[#found + 1] = path end
  end
  assert(pipe:close(), "ls failed")
  return found
end

-- Suites that can also run alone end by running themselves and tidying up. Here the first waits for
-- the runner, and the second until all is over: the suite is a coroutine that rests in between.
local resting = {}

local function load_file(path)
  local exit, run_all = os.exit, lu.LuaUnit.run
  os.exit, lu.LuaUnit.run = function() end, coroutine.yield
  local suite = coroutine.create(dofile)
  local ok, message = coroutine.resume(suite, path)
  os.exit, lu.LuaUnit.run = exit, run_all
  if not ok then error(("%s: %s"):format(path, tostring(message)), 0) end
  if coroutine.status(suite) == "suspended" then resting[#resting + 1] = suite end
end

local function tidy_up(failed)
  local exit = os.exit
  os.exit = function() end
  for _, suite in ipairs(resting) do assert(coroutine.resume(suite, failed)) end
  os.exit = exit
end

-- The classes that a suite defines, sorted by name.
local function load_suite(path)
  local before = {}
  for name in pairs(_G) do before[name] = true end
  load_file(path)
  local suite, prefix = {}, path:match("([^/]*)%.lua$")
  for name, class in pairs(_G) do
    if not before[name] and name:find "^Test" then
      suite[#suite + 1] = { prefix .. ":" .. name, class }
      _G[name] = nil -- another suite may have a class of that name
    end
  end
  table.sort(suite, function(a, b) return a[1] < b[1] end)
  return suite
end

local function watch(class)
  local tear_down = class.tearDown
  function class:tearDown()
    if tear_down then tear_down(self) end
    support.check_nothing_left()
  end
end

-- All tests of all suites whose full name matches, as luaunit takes them.
local function collect()
  local tests = {}
  for _, path in ipairs(suites()) do
    local suite = load_suite(path)
    if #suite == 0 then error(path .. " defines no test", 0) end
    for _, entry in ipairs(suite) do
      local class, methods = entry[2], {}
      for name, value in pairs(class) do
        if type(value) == "function" and name:find "^[Tt]est" then methods[#methods + 1] = name end
      end
      table.sort(methods)
      for _, name in ipairs(methods) do
        local full = entry[1] .. "." .. name
        if not pattern or full:find(pattern) then tests[#tests + 1] = { full, class } end
      end
      watch(class)
    end
  end
  return tests
end

local tests = collect()
if #tests == 0 then error("no test matches " .. tostring(pattern), 0) end
support.warm_up()
local runner = lu.LuaUnit.new()
runner:runSuiteByInstances(tests, "--verbose")
local ok, message = pcall(function()
  tidy_up(runner.result.notSuccessCount)
  support.close()
end)
if not ok then io.stderr:write(tostring(message), "\n") end
local result = runner.result
print(("lua: %d passed, %d failed, %d skipped"):format(result.successCount,
  result.notSuccessCount, result.skippedCount))
return ok and result.notSuccessCount == 0 and 0 or 1
