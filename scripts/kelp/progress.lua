-- progress: the live line of a bulk job on standard error: a line that renews
-- itself on a terminal, else a line every few seconds.

local raw = require "kelp.raw"

local progress = {}

local EVERY_ON_TERMINAL, EVERY_IN_LOG = 0.2, 5
local shown = false -- one line: a job inside a job has none

local LONGEST_SAID = 200 -- bytes of a server's message

local function first_line(text)
  text = text:match "^[^\r\n]*"
  if #text <= LONGEST_SAID then return text end
  return text:sub(1, utf8.offset(text, 0, LONGEST_SAID + 1) - 1) .. "…"
end

local function duration(seconds)
  seconds = math.ceil(seconds)
  if seconds < 60 then return ("%d s"):format(seconds) end
  if seconds < 3600 then return ("%d min %02d s"):format(seconds // 60, seconds % 60) end
  return ("%d h %02d min"):format(seconds // 3600, seconds % 3600 // 60)
end

--- The text for the counts of a report: what is done, what the provider
--- makes us wait for, how fast it goes, how long it will take.
function progress.text(report, total, in_flight, elapsed, limiter)
  local ended = report.done + report.failed + report.unknown
  local parts = { total and ("%d/%d done"):format(report.done, total)
                  or ("%d done"):format(report.done) }
  if report.failed > 0 then parts[#parts + 1] = ("%d failed"):format(report.failed) end
  if report.unknown > 0 then parts[#parts + 1] = ("%d unknown"):format(report.unknown) end
  parts[#parts + 1] = ("%d in flight"):format(in_flight)
  if limiter and limiter.wait > 0.5 then
    parts[#parts + 1] = ("waiting %s: %s"):format(duration(limiter.wait), limiter.why)
  end
  if limiter and limiter.said then
    parts[#parts + 1] = ("the server said: %s"):format(first_line(limiter.said))
  end
  if ended > 0 and elapsed > 0 then
    local rate = ended / elapsed
    parts[#parts + 1] = ("%.1f/s"):format(rate)
    -- Nobody knows how long a pause will be.
    if total and total > ended and not (limiter and limiter.paused) then
      parts[#parts + 1] = duration((total - ended) / rate) .. " left"
    end
  end
  return table.concat(parts, ", ")
end

--- Starts to show; returns a value to be closed when the job has ended.
function progress.start(report, total, in_flight)
  if shown then return nil end
  shown = true
  local terminal = raw.progress_is_live()
  local start = raw.now()
  local ticker = raw.spawn(function()
    while true do
      raw.sleep(terminal and EVERY_ON_TERMINAL or EVERY_IN_LOG)
      local text = progress.text(report, total, in_flight(), raw.now() - start, raw.limiter_state())
      if terminal then raw.progress(text) else raw.log("notice", text) end
    end
  end)
  return setmetatable({}, { __close = function()
    shown = false
    raw.cancel(ticker)
    raw.progress("")
  end })
end

return progress
