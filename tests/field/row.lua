-- row.lua [ID]: runs one row of the table and prints what was wrong; without an id lists all rows.
-- The result ("ok", "FAILED", "skipped") goes to the file ID.result in $FIELD_FOLDER, for run.sh.
local here = arg[0]:match "^(.*)/[^/]*$" or "."
package.path = here .. "/?.lua;" .. here .. "/rows/?.lua;" .. package.path

local groups = { A = "state", B = "not_found", C = "workers", D = "secrets", E = "selection",
                 F = "limits", G = "journal_secrets" }

local function all_rows()
  local list, known = {}, {}
  for letter in ("ABCDEFG"):gmatch "." do
    for _, row in ipairs(require(groups[letter])) do
      assert(row.id:sub(1, 1) == letter and not known[row.id], row.id .. " is twice or elsewhere")
      known[row.id] = true
      list[#list + 1] = row
    end
  end
  return list
end

if not arg[1] then
  for _, row in ipairs(all_rows()) do print(row.id) end
  return 0
end

local function find(id)
  for _, row in ipairs(require(groups[id:sub(1, 1)] or error("no row " .. id, 0))) do
    if row.id == id then return row end
  end
  error("there is no row " .. id, 0)
end

local row = find(arg[1])
local Field = require "field"
local t = Field.new()
local start = t.now()
local ok, why = pcall(row.run, t)
if not ok then t:check(false, "%s", tostring(why)) end
local skipped = ok and type(why) == "string" and #t.complaints == 0 and why
t:close()

local state = #t.complaints > 0 and "FAILED" or skipped and "skipped" or "ok"
local text = ("%-7s %-5s %s (%.1f s)\n"):format(state, row.id, row.title, t.now() - start)
if skipped then text = text .. "      " .. skipped .. "\n" end
for _, line in ipairs(t.complaints) do text = text .. "      " .. line:gsub("\n", "\n      ") .. "\n" end
if state == "FAILED" then
  for _, said in ipairs(t.said) do text = text .. "      | " .. said:gsub("\n", "\n      | ") .. "\n" end
end
local folder = os.getenv "FIELD_FOLDER"
t.support.write(("%s/%s.text"):format(folder, row.id), text)
t.support.write(("%s/%s.result"):format(folder, row.id), state)
