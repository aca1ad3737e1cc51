-- Tests of what becomes of the reports of bulk jobs at the end of a run: kelp tests/lua/run.lua
-- reports.
local lu = require "luaunit"
local support = require "support"

local function run(code, script, option)
  local arguments = { "--sim", "--no-journal", "-e", script }
  if option then table.insert(arguments, 1, option) end
  local result = support.kelp(arguments)
  lu.assertEquals({ result.how, result.code }, { "exit", code }, result.err)
  return result
end

local masked = [[kelp.each(kelp.confluent():list(), function(c) c:update { x = "****" } end)]]

TestReports = {}

function TestReports:test_failed_items_are_summed_up_and_make_the_code_1()
  local result = run(1, masked)
  lu.assertStrContains(result.err, "each: 0 done, 5 failed:\n")
  lu.assertStrContains(result.err, "5 × masked: these values are masks")
  lu.assertStrContains(result.err, "(clicks-to-snowflake, inventory-cdc, ")
  lu.assertEquals(result.out, "")
end

function TestReports:test_a_plan_with_failed_items_is_no_success()
  local result = run(1, masked, "--plan")
  lu.assertStrContains(result.err, "5 × masked")
end

function TestReports:test_a_code_of_the_script_stands()
  run(0, masked .. " return 0")
  run(9, masked .. " return 9")
end

function TestReports:test_whoever_looks_at_a_report_gets_no_summary()
  for _, look in ipairs { "print(r)", "return r.failed == 5 and nil", "for _ in pairs(r) do end",
                          "assert(#r.errors == 5)" } do
    lu.assertEquals(run(1, "local r = " .. masked .. " " .. look).err, "")
  end
  lu.assertStrContains(run(1, "local r = " .. masked .. " r:assert()").err, ": masked: 0 done, 5 failed")
end

function TestReports:test_map_counts_too_and_what_is_done_does_not()
  lu.assertStrContains(run(1, "kelp.map({ 'a', 'b' }, function(n) error(n, 0) end)").err,
    "map: 0 done, 2 failed:\n    2 × … (a, b)\n")
  lu.assertEquals(run(0, "kelp.each({ 1, 2 }, function() end)").err, "")
end

function TestReports:test_many_names_are_cut()
  local result = run(1, [[local names = {}
    for i = 1, 80 do names[i] = "name-" .. i end
    kelp.each(names, function(n) error("no " .. n .. " here", 0) end, { progress = false })]])
  lu.assertStrContains(result.err, "80 × no … here (name-1, ")
  lu.assertStrContains(result.err, " and 75 more)\n")
end

function TestReports:test_an_error_that_cannot_be_shown()
  local result = run(1, [[print(kelp.each({ 1, 2 }, function()
    error(setmetatable({}, { __tostring = function() error "no" end })) end))
    print(kelp.each({ setmetatable({}, { __index = error, __tostring = error }) }, error))]])
  lu.assertStrContains(result.out, "2 × (a table that cannot be shown) (1, 2)\n")
end

-- What is printed to a closed standard output goes nowhere, and not into another file either.
function TestReports:test_a_closed_standard_output_is_an_error()
  for script, code in pairs { ["print(1)"] = 1, ["io.write(1)"] = 1, ["local a = 1"] = 0 } do
    local _, how, status = os.execute(("%s --log none --no-journal -e %s >&- 2>/dev/null"):format(
      support.quote(support.program), support.quote(script)))
    lu.assertEquals({ script, how, status }, { script, "exit", code })
  end
end
