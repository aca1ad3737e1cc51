-- C: a wall clock that is wrong. No wait depends on it; a certificate does, and the error says so.

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

return {
  { row = "C1", what = "the clock jumps while kelp waits", cases = {
    waits(-hour), waits(decade),
    { case = "a create in doubt", clock = -hour .. "@0",
      faults = { { "POST", "/connector", times = 1, "forward", "rst" } }, expect = made },
  } },

  { row = "C2", what = "the clock jumps between two runs",
    skipped = "comes with the journal's tests" },

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
