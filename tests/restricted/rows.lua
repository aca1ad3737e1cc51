-- The rows: { name, script, and what must come of it: code (0), err and out (texts that must be
-- there), effects (what the simulator did: nothing), seconds (at most, 60) }. Also: manifest (a
-- file's text; json = true), options, env, restricted = false, after (a function for what follows
-- the run).
-- A script that gets what it must not have prints "ESCAPED" (row.lua has the functions).
local rows = {}

local function row(name, fields)
  fields.name = name
  rows[#rows + 1] = fields
end

for _, part in ipairs { "language", "limits", "writes", "files" } do require("rows." .. part)(row) end

return rows
