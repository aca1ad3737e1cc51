-- report: what a bulk job did: how many items are done, failed or unknown, and
-- each error with the item that it belongs to.

local raw = require "kelp.raw"
local show = require "kelp.show"

local Report = {}
-- A table of its own: report.__index would hand it out.
local metatable = { __index = Report, __name = "kelp.report" }

local report = {}

--- done, failed, unknown, skipped: numbers. errors: array of { item, error,
--- kind }. stopped: the error that ended the job early, or nil.
function report.new()
  return setmetatable({ done = 0, failed = 0, unknown = 0, skipped = 0, errors = {} }, metatable)
end

function Report:add_failure(item, failure, traceback)
  local kind = raw.is_error(failure) and failure.kind or "error"
  if kind == "unknown_outcome" then
    self.unknown = self.unknown + 1
  else
    self.failed = self.failed + 1
  end
  self.errors[#self.errors + 1] = { item = item, error = failure, kind = kind,
                                    traceback = traceback }
end

local function item_name(item)
  if type(item) == "table" and type(item.name) == "string" then return item.name end
  return tostring(item)
end

local function line(entry)
  local text = show.value(tostring(entry.error))
  local name = show.line(item_name(entry.item))
  if text:find(name, 1, true) then return text end
  return name .. ": " .. text
end

local SHOWN = 10

--- "212 done, 3 failed: …", one line an error after the first line.
function metatable:__tostring()
  local parts = { ("%d done"):format(self.done) }
  if self.failed > 0 then parts[#parts + 1] = ("%d failed"):format(self.failed) end
  if self.unknown > 0 then parts[#parts + 1] = ("%d unknown"):format(self.unknown) end
  if self.skipped > 0 then parts[#parts + 1] = ("%d not started"):format(self.skipped) end
  local text = table.concat(parts, ", ")
  if #self.errors == 0 then return text end
  local lines = { text .. ":" }
  for i, entry in ipairs(self.errors) do
    if i > SHOWN then
      lines[#lines + 1] = ("  … and %d more"):format(#self.errors - SHOWN)
      break
    end
    lines[#lines + 1] = "  " .. line(entry)
  end
  return table.concat(lines, "\n")
end

--- Raises unless every item is done; returns the report.
function Report:assert()
  if #self.errors == 0 and not self.stopped then return self end
  local kind = self.unknown > 0 and "unknown_outcome"
    or self.stopped and raw.is_error(self.stopped) and self.stopped.kind
    or self.errors[1].kind
  if kind == "error" then error(tostring(self), 0) end
  error(raw.error(kind, tostring(self), { report = self }), 0)
end

return report
