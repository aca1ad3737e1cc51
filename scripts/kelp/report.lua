-- report: what a bulk job did: how many items are done, failed or unknown, and each error with the
-- item that it belongs to. At the end of the run the reports that nobody has looked at are written
-- to standard error, and all that failed counts for the exit code.

local raw = require "kelp.raw"
local show = require "kelp.show"

local report = {}

local SHOWN, NAMES = 10, 5 -- groups of errors, and names in one, that a text lists

-- The jobs with failed items, in their order, and those that have not come to their end.
local failed_jobs, open_jobs = {}, {}

--- The counts of a job that begins: done, unchanged (of those, the ones whose writes had nothing to
--- change), failed, unknown, skipped: numbers; errors: array of { item, error, kind }; stopped: the
--- error that ended it early, or nil. `name`: "each" or "map".
function report.new(name)
  local counts = { done = 0, unchanged = 0, failed = 0, unknown = 0, skipped = 0, errors = {} }
  local job = { name = name, counts = counts }
  open_jobs[#open_jobs + 1] = job
  return counts, job
end

--- Adds an item that failed. `job` is the second result of report.new.
function report.add_failure(counts, job, item, failure)
  local kind = raw.is_error(failure) and failure.kind or "error"
  local count = kind == "unknown_outcome" and "unknown" or "failed"
  if #counts.errors == 0 then
    failed_jobs[#failed_jobs + 1] = job
  end
  counts[count] = counts[count] + 1
  counts.errors[#counts.errors + 1] = { item = item, error = failure, kind = kind }
end

-- ---- as text ----

-- tostring, harmless to a terminal, of a value whose __tostring may fail.
local function text_of(value)
  local ok, text = pcall(tostring, value)
  return ok and show.value(text) or ("(a %s that cannot be shown)"):format(type(value))
end

local function item_name(item)
  if type(item) == "table" then
    local ok, name = pcall(function() return item.name end)
    if ok and type(name) == "string" then return show.line(name) end
  end
  return show.line(text_of(item))
end

-- The text with "…" in place of the name, where that stands as a word of its own.
local function without_name(text, name)
  local at, stop = text:find(name, 1, true)
  if not at or text:sub(at - 1, at - 1):find "%w" or text:sub(stop + 1, stop + 1):find "%w" then
    return text
  end
  return text:sub(1, at - 1) .. "…" .. text:sub(stop + 1)
end

-- What is wrong, without what differs from item to item: its name, and the keys of its config.
local function reason(entry, name)
  local failure = entry.error
  local text
  if raw.is_error(failure) and type(failure.message) == "string" then
    text = entry.kind .. ": " .. show.value(failure.message)
    local keys = type(failure.keys) == "table" and ": " .. table.concat(failure.keys, ", ")
    if keys and text:sub(-#keys) == keys then text = text:sub(1, -#keys - 1) end
  else
    text = text_of(failure)
  end
  if type(entry.item) == "number" or name == "" then return text end
  return without_name(text, name)
end

local function groups_of(errors)
  local groups, by_reason = {}, {}
  for _, entry in ipairs(errors) do
    local name = item_name(entry.item)
    local why = reason(entry, name)
    local group = by_reason[why]
    if not group then
      group = { reason = why, names = {}, first = entry }
      by_reason[why] = group
      groups[#groups + 1] = group
    end
    group.names[#group.names + 1] = name
  end
  return groups
end

local function line(group)
  local names = group.names
  if #names == 1 then
    local text = text_of(group.first.error)
    return text:find(names[1], 1, true) and text or names[1] .. ": " .. text
  end
  local shown = table.concat(names, ", ", 1, math.min(#names, NAMES))
  if #names > NAMES then shown = ("%s and %d more"):format(shown, #names - NAMES) end
  return ("%d × %s (%s)"):format(#names, group.reason, shown)
end

-- "212 done, 3 failed:", then a line for each reason.
local function text_of_counts(counts)
  local parts = { ("%d done"):format(counts.done) }
  if counts.unchanged > 0 then
    parts[1] = ("%s (%d unchanged)"):format(parts[1], counts.unchanged)
  end
  if counts.failed > 0 then parts[#parts + 1] = ("%d failed"):format(counts.failed) end
  if counts.unknown > 0 then parts[#parts + 1] = ("%d unknown"):format(counts.unknown) end
  if counts.skipped > 0 then parts[#parts + 1] = ("%d not started"):format(counts.skipped) end
  local text = table.concat(parts, ", ")
  if #counts.errors == 0 then return text end
  local lines, groups = { text .. ":" }, groups_of(counts.errors)
  for i, group in ipairs(groups) do
    if i > SHOWN then
      lines[#lines + 1] = ("  … and %d more"):format(#groups - SHOWN)
      break
    end
    lines[#lines + 1] = "  " .. line(group)
  end
  return table.concat(lines, "\n")
end

-- ---- as the script has it ----

local Report = {}
local metatable = { __name = "kelp.report" }

-- What a report will hold as soon as something of it is read.
local unread = setmetatable({}, { __mode = "k" })

local function read(self)
  local held = unread[self]
  if not held then return end
  unread[self] = nil
  held.job.seen = true
  for key, value in pairs(held.counts) do rawset(self, key, value) end
end

function metatable:__index(key)
  if unread[self] then
    read(self)
    local value = rawget(self, key)
    if value ~= nil then return value end
  end
  return Report[key]
end

function metatable:__pairs()
  read(self)
  return next, self
end

function metatable:__tostring()
  read(self)
  return text_of_counts(self)
end

--- The report of a job that has ended, for the script.
function report.publish(counts, job)
  for i = #open_jobs, 1, -1 do
    if open_jobs[i] == job then table.remove(open_jobs, i) end
  end
  local self = setmetatable({}, metatable)
  unread[self] = { counts = counts, job = job }
  return self
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

-- ---- the end of the run ----

raw.at_end("bulk", function(interrupted)
  for _, job in ipairs(interrupted and open_jobs or {}) do
    if #job.counts.errors == 0 then
      raw.log("notice", ("%s: %s"):format(job.name, text_of_counts(job.counts)))
    end
  end
  local failed, unknown = 0, 0
  for _, job in ipairs(failed_jobs) do
    failed, unknown = failed + job.counts.failed, unknown + job.counts.unknown
    if not job.seen then
      raw.log("error", ("%s: %s"):format(job.name, text_of_counts(job.counts)))
    end
  end
  return failed, unknown
end)

return report
