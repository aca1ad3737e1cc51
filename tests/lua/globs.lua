-- What chooses by name and what helps when one is misspelt, as kelp's Lua sees it.
local lu = require "luaunit"
local raw = require "kelp.raw"
local support = require "support"

TestSelection = {}

function TestSelection.test_globs()
  lu.assertIsTrue(raw.glob_matches("orders-*", "orders-1"))
  lu.assertIsFalse(raw.glob_matches("orders", "orders-1"))
  lu.assertIsFalse(raw.glob_matches("a*", "a\0b"))
  lu.assertEquals(raw.glob_fault "x[", "has a '[' without its ']'")
  lu.assertEquals(raw.glob_fault "x\0", "holds a NUL")
  lu.assertNil(raw.glob_fault "x[a]")
end

function TestSelection.test_the_nearest_of_an_array()
  lu.assertEquals(raw.nearest("faild", { "running", 7, "failed" }), "failed")
  lu.assertNil(raw.nearest("faild", {}))
  lu.assertNil(raw.nearest("faild", { {}, 7 }))
  lu.assertErrorMsgContains("table expected", raw.nearest, "faild")
end

-- ---- names that must not drift apart ----

local root = debug.getinfo(1, "S").source:match "^@(.*)/tests/lua/[^/]*$" or "."

local function files_of(folder)
  local pipe = assert(io.popen(("find '%s/%s' -name '*.lua'"):format(root, folder)))
  local found = {}
  for path in pipe:lines() do found[#found + 1] = path end
  assert(pipe:close() and #found > 0, "no files in " .. folder)
  return found
end

-- A command's own option of a name that the program has too is the command's (runtime/options.c).
function TestSelection.test_own_options_of_commands_are_known()
  local options = support.read(root .. "/runtime/options.c")
  local rows, own = options:match "rows%[%] = (%b{})", options:match "own_options%[%] = (%b{})"
  local count = 0
  for _, path in ipairs(files_of "scripts/commands") do
    local command = path:match "([^/]*)%.lua$"
    for option in support.read(path):gmatch '"(%-%-[%l-]+)"' do
      if rows:find('{"' .. option .. '"', 1, true) then
        count = count + 1
        lu.assertStrContains(own, ('{"%s", "%s"}'):format(command, option))
      end
    end
  end
  lu.assertTrue(count >= 2)
end

-- target.can has verbs only; anything else that it is asked for would silently be nil.
function TestSelection.test_only_verbs_are_asked_of_can()
  local count = 0
  for _, path in ipairs(files_of "scripts") do
    for name in support.read(path):gmatch "[%w_]%.can%.([%w_]+)" do
      count = count + 1
      lu.assertTrue(raw.verbs[name] ~= nil and raw.verbs[name].public, path .. ": can." .. name)
    end
  end
  for _, row in ipairs(raw.verbs) do count = count + (row.public and 1 or 0) end
  lu.assertTrue(count > 10)
end
