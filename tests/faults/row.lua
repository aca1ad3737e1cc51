-- row: `kelp row.lua NAME` runs all cases of one row of the table and prints one line; without a
-- name it lists the rows. What was wrong goes below the line. The line's second word also goes to
-- the file NAME.result, for the count at the end.
local bench = require "bench"

local rows = require "rows"

local function name_list()
  for _, row in ipairs(rows) do print(row.row) end
end

local function cases_of(row)
  local cases = row.cases or { row }
  local all = {}
  for _, c in ipairs(cases) do
    if c ~= row then setmetatable(c, { __index = row }) end
    local on = c.on or "confluent"
    for _, provider in ipairs(type(on) == "table" and on or { on }) do
      local one = setmetatable({ provider = provider }, { __index = c })
      all[#all + 1] = one
    end
  end
  return all
end

local function run(row)
  if row.skipped then return "skipped", { row.skipped } end
  local case = require "case"
  local lines, left_out, number, failed = {}, {}, 0, 0
  for _, c in ipairs(cases_of(row)) do
    local ok, wrong, why = pcall(case.run, c)
    if not ok then
      pcall(bench.stop)
      wrong = { tostring(wrong) }
    end
    local label = ("%s%s"):format(c.provider, c.case and ", " .. c.case or "")
    if wrong then
      number = number + 1
      if #wrong > 0 then
        failed = failed + 1
        lines[#lines + 1] = label .. ": " .. table.concat(wrong, "\n      ")
      end
    else
      left_out[#left_out + 1] = label .. ": " .. why
    end
  end
  if failed > 0 then return "FAILED", lines, number end
  if number == 0 then return "skipped", left_out end
  return "ok", left_out, number
end

local wanted = arg[1]
if not wanted then
  name_list()
  return
end

for _, row in ipairs(rows) do
  if row.row == wanted then
    local state, lines, number = run(row)
    local text = ("%-4s %-7s %s%s\n"):format(row.row, state, row.what,
      number and number > 1 and (" (%d cases)"):format(number) or "")
    for _, line in ipairs(lines) do text = text .. "      " .. line .. "\n" end
    io.write(text)
    bench.write(("%s/%s.result"):format(bench.folder, row.row), state)
    return state == "FAILED" and 1 or 0
  end
end
io.stderr:write(("there is no row %s\n"):format(wanted))
return 2
