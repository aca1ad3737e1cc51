-- C: a wall clock that is wrong. No wait depends on it; a certificate does, and the error says so.

local bench = require "bench"

local made = { posts = 1, effects = { create = 1 } }
local decade, hour = 315360000, 3600

local function waits(offset)
  return { case = ("%+d s"):format(offset), clock = offset .. "@1",
    faults = { { "POST", "/connector", times = 1, "answer 429 Too Many Requests",
                 "header Retry-After: 3", "send" } },
    expect = { posts = 2, effects = { create = 1 }, least = 3, within = 8 } }
end

local function dated(case, date, retry)
  return { case = case,
    faults = { { "POST", "/connector", times = 1, "answer 429 Too Many Requests",
                 "header Date: " .. date, "header Retry-After: " .. retry, "send" } },
    expect = { posts = 2, effects = { create = 1 }, within = 8 } }
end

-- What was made before the jump is ours all the same, and is not made again.
local function between_runs(s)
  s:script([[kelp.each(names(3), function(n) target:create(n, config) end,
    { concurrency = 3, progress = false }):assert()]])
  local preload = bench.folder .. "/boundary.so:" .. bench.folder .. "/preload.so"
  -- When the last of them has left.
  local rule = s.provider == "upstash" and "send tcp 6 KILL" or "send tcp 3 KILL"
  for _, jump in ipairs { { decade, 0 }, { 0, -decade }, { hour, -hour }, { -hour, decade } } do
    s:afresh()
    local first = { LD_PRELOAD = preload, FAULT_CLOCK = tostring(jump[1]) }
    local second = { LD_PRELOAD = preload, FAULT_CLOCK = tostring(jump[2]) }
    local r = s:kelp({ s.path }, { rules = rule, env = first })
    s.check(r.killed, "it was not killed")
    s:until_true("they are made", function() return s:effects()["create n-03"] end)
    s:ended(s:resume { env = second }, 0)
    s:made(s.names(3), ("%+d s, then %+d s"):format(jump[1], jump[2]))
    local at = s:journal().about.started - os.time()
    s.check(math.abs(at - jump[1]) < 60, "the clock was not wrong: %+d s", at)
  end
end

return {
  { row = "C1", what = "the clock jumps while kelp waits", cases = {
    waits(-hour), waits(decade),
    { case = "an ambiguous create", clock = -hour .. "@0",
      faults = { { "POST", "/connector", times = 1, "forward", "rst" } }, expect = made },
  } },

  { row = "C2", what = "the clock jumps between two runs", on = { "confluent", "upstash" },
    steps = between_runs },

  { row = "C3", what = "the clock is wrong for a good certificate", tls = {},
    target = { ca_file = "$FOLDER/ca.pem" }, cases = {
      { case = "ahead", clock = tostring(decade),
        expect = { exit = 1, kind = "tls", sent = "no", attempts = 1, message = "clock" } },
      { case = "behind", clock = tostring(-decade),
        expect = { exit = 1, kind = "tls", sent = "no", attempts = 1, message = "clock" } },
    } },

  { row = "C4", what = "the server's Date is absurd", cases = {
    dated("1970", "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 01 Jan 2026 00:00:10 GMT"),
    dated("9999", "Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 01 Jan 2026 00:00:00 GMT"),
    dated("no date", "yesterday", "Thu, 01 Jan 2015 00:00:00 GMT"),
  } },
}
