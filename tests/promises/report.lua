-- report.lua [--table]: reads the results of the rows in $PROMISES_FOLDER and pending.txt, tells
-- each cell that is not as it should be, and counts. Run by run.sh.
local here = (arg[0] or ""):match "^(.*)/[^/]*$" or "."
local folder = os.getenv "PROMISES_FOLDER"

-- The lines of pending.txt: a cell's name, where * stands for anything, then the reason.
local function read_pending()
  local list = {}
  for line in io.lines(here .. "/pending.txt") do
    if not line:find "^%s*#" and line:find "%S" then
      local name, reason = line:match "^(%S+)%s+(%S.*)$"
      if not name then error("pending.txt: a cell and a reason expected: " .. line, 0) end
      local pattern = "^" .. name:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0"):gsub("%*", ".*") .. "$"
      list[#list + 1] = { name = name, pattern = pattern, reason = reason, cells = 0 }
    end
  end
  return list
end

local function pending_of(list, cell)
  for _, entry in ipairs(list) do
    if cell:find(entry.pattern) then
      entry.cells = entry.cells + 1
      return entry
    end
  end
end

-- The rows that were to run, and the cells of each: { name, fine, why }.
local function read_results()
  local rows, cells = {}, {}
  for row in io.lines(folder .. "/rows") do
    rows[#rows + 1] = row
    local file = io.open(folder .. "/" .. row .. ".result", "r")
    if file then
      for line in file:lines() do
        local state, name, why = line:match "^(%S+) (%S+) ?(.*)$"
        cells[#cells + 1] = { row = row, name = name, fine = state == "ok", why = why }
      end
      file:close()
    else
      cells[#cells + 1] = { row = row, name = row .. ".end", why = "the row did not end" }
    end
  end
  table.sort(cells, function(a, b) return a.name < b.name end)
  return rows, cells
end

-- Sets each cell's `state`: "passed", "failed" or "pending"; says which failed.
local function judge(cells, pending)
  local counts = { passed = 0, failed = 0, pending = 0 }
  for _, cell in ipairs(cells) do
    local entry = pending_of(pending, cell.name)
    if entry and cell.fine then
      cell.state, cell.why = "failed",
        ("it is green: remove it from pending.txt (%s)"):format(entry.name)
    elseif entry then
      cell.state = "pending"
      if os.getenv "PROMISES_VERBOSE" == "1" then
        print(("pending %s: %s"):format(cell.name, cell.why))
      end
    else
      cell.state = cell.fine and "passed" or "failed"
    end
    if cell.state == "failed" then print(("FAILED %s: %s"):format(cell.name, cell.why)) end
    counts[cell.state] = counts[cell.state] + 1
  end
  return counts
end

-- What stands in pending.txt and is no cell; only known when every row has run.
local function check_pending(pending, counts, rows, all)
  if #rows < all then return end
  for _, entry in ipairs(pending) do
    if entry.cells == 0 then
      print(("FAILED %s: pending.txt lists it, and there is no such cell"):format(entry.name))
      counts.failed = counts.failed + 1
    end
  end
end

local function print_table(rows, cells)
  local by_row, verbs, providers, seen = {}, {}, {}, {}
  for _, row in ipairs(rows) do
    local verb, provider = row:match "^(.-)%.(.*)$"
    by_row[row] = { passed = 0, failed = 0, pending = 0 }
    if not seen[verb] then verbs[#verbs + 1], seen[verb] = verb, true end
    if not seen[provider] then providers[#providers + 1], seen[provider] = provider, true end
  end
  table.sort(providers)
  for _, cell in ipairs(cells) do
    by_row[cell.row][cell.state] = by_row[cell.row][cell.state] + 1
  end
  print("| verb | " .. table.concat(providers, " | ") .. " |")
  print("|---" .. ("|---"):rep(#providers) .. "|")
  for _, verb in ipairs(verbs) do
    local columns = {}
    for i, provider in ipairs(providers) do
      local c = by_row[verb .. "." .. provider]
      local text = c and tostring(c.passed) or "–"
      if c and c.pending > 0 then text = ("%s, %d pending"):format(text, c.pending) end
      if c and c.failed > 0 then text = ("%s, %d failed"):format(text, c.failed) end
      columns[i] = text
    end
    print(("| `%s` | %s |"):format(verb, table.concat(columns, " | ")))
  end
end

local pending = read_pending()
local rows, cells = read_results()
local counts = judge(cells, pending)
check_pending(pending, counts, rows, tonumber(os.getenv "PROMISES_ROWS") or #rows)
if arg[1] == "--table" then print_table(rows, cells) end
print(("%d passed, %d failed%s"):format(counts.passed, counts.failed,
  counts.pending > 0 and (", %d skipped"):format(counts.pending) or ""))
return counts.failed == 0 and counts.passed > 0 and 0 or 1
