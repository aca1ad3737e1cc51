-- R: limits. A 429 was not carried out: it costs no attempt, and the whole credential waits for as
-- long as it says, within reason.

local both = { "confluent", "upstash" }
local resent = { posts = 2, effects = { create = 1 } }

local function limited(...)
  return { "POST", "/connector", times = 1, "answer 429 Too Many Requests", ... }
end

local function refused(status, body, kind)
  return { case = tostring(status), on = both,
    faults = { { "POST", "/connector", "answer " .. status, "body " .. body, "send" } },
    expect = { exit = 1, kind = kind, posts = 1, effects = { create = 0 } } }
end

-- What is no sensible Retry-After is none: a short wait, no spin.
local odd = {}
for _, value in ipairs { "Wed, 21 Oct 2015 07:28:00 GMT", "-5", "1.5",
                         "soon", "", "1, 2", "0" } do
  odd[#odd + 1] = { case = "'" .. value .. "'",
    faults = { limited("header Retry-After: " .. value, "send") },
    expect = { posts = 2, effects = { create = 1 }, within = 6 } }
end

local function resets(value, expect)
  return { case = value, expect = expect,
    faults = { limited("header X-RateLimit-Remaining: 0", "header X-RateLimit-Reset: " .. value,
      "send") } }
end

local function answered(r, status)
  local count = 0
  for _, q in ipairs(r.requests) do
    if q.status == status then count = count + 1 end
  end
  return count
end

return {
  { row = "R1", what = "429 with seconds", cases = {
    { on = both, case = "no attempt is used up", target = { attempts = 1 },
      faults = { limited("header Retry-After: 1", "send") },
      expect = { posts = 2, effects = { create = 1 }, least = 1, within = 5 } },
    { case = "all of the credential waits", script = "bulk",
      spec = { verb = "create", count = 12, concurrency = 12 },
      faults = { limited("header Retry-After: 1", "send") },
      expect = { posts = 13, effects = { create = 12 }, least = 1, within = 8 },
      check = function(r, check)
        local first
        for _, q in ipairs(r.requests) do
          if q.status == 429 then first = q.at end
        end
        for _, q in ipairs(r.requests) do
          check(q.at < first + 0.3 or q.at > first + 0.95, "a request %.2f s after the 429",
            q.at - first)
        end
      end },
  } },

  { row = "R2", what = "429 with a date", cases = {
    { case = "by the server's clock",
      faults = { limited("header Date: Thu, 01 Jan 2026 00:00:00 GMT",
        "header Retry-After: Thu, 01 Jan 2026 00:00:02 GMT", "send") },
      expect = { posts = 2, effects = { create = 1 }, least = 2, within = 6 } },
  } },

  { row = "R3", what = "Retry-After makes no sense", cases = odd },

  { row = "R4", what = "Retry-After is a day",
    faults = { { "*", "*", "answer 429 Too Many Requests", "header Retry-After: 86400", "send" } },
    expect = { exit = 1, kind = "rate_limited", posts = 1, retry_after = 86400, paused = true,
               within = 3 } },

  { row = "R5", what = "X-RateLimit-Reset in its meanings", cases = {
    resets("1", { posts = 2, effects = { create = 1 }, least = 1, within = 6 }),
    resets("1767225600", { posts = 2, effects = { create = 1 }, within = 6 }),
    resets("1767225600000", { posts = 2, effects = { create = 1 }, within = 6 }),
  } },

  { row = "R6", what = "nothing remains after a 200", calls = { { "list" }, { "list" } },
    faults = { { "GET", "*", times = 1, "forward", "header X-RateLimit-Limit: 5",
                 "header X-RateLimit-Remaining: 0", "header X-RateLimit-Reset: 1", "send" } },
    expect = { seen = { ["GET /connectors$"] = 2 }, least = 0.9, within = 5 },
    check = function(r, check)
      check(r.requests[2].at - r.requests[1].at > 0.9, "the second went after %.2f s",
        r.requests[2].at - r.requests[1].at)
    end },

  { row = "R7", what = "many 429 at once", script = "bulk", simulator = "--latency 50",
    spec = { verb = "list", count = 400, concurrency = 32 },
    faults = { { "GET", "*", skip = 200, lasting = 0.1, "delay 0.05",
      "answer 429 Too Many Requests",
                 "header Retry-After: 1", "send" } },
    expect = { seen = { ["GET /connectors$"] = { 404, 432 } }, within = 20 },
    check = function(r, check)
      check(r.done == 400, "%s done", r.done)
      -- Cut once for each 429 it would be 1 for the rest, and 20 a second.
      local after, last = nil, r.requests[#r.requests].at
      for _, q in ipairs(r.requests) do
        if q.status == 429 then after = q.at end
      end
      check(last - after - 1 < 190 / 25, "the rest took %.1f s", last - after - 1)
    end },

  { row = "R8", what = "429 for ever", cases = {
    { case = "without a hint", target = { deadline = 2 },
      faults = { { "*", "*", "answer 429 Too Many Requests", "send" } },
      expect = { exit = 1, kind = "rate_limited", posts = { 1, 8 }, within = 6,
                 effects = { create = 0 } } },
    { case = "with none to speak of", target = { deadline = 2 },
      faults = { { "*", "*", "answer 429 Too Many Requests", "header Retry-After: 0", "send" } },
      expect = { exit = 1, kind = "rate_limited", posts = { 1, 12 }, within = 6 } },
  } },

  { row = "R9", what = "the limit halves, and recovers", script = "bulk",
    spec = { verb = "create", count = 150, concurrency = 32 },
    faults = { { "*", "*", times = 60, "meter 40", "send" },
               { "*", "*", times = 60, "meter 20", "send" },
               { "*", "*", "meter 40", "send" } },
    expect = { effects = { create = 150 }, within = 25 },
    check = function(r, check)
      check(r.done == 150, "%s done", r.done)
      local limits = answered(r, 429)
      check(limits <= 22, "%d of %d requests were over the limit", limits, #r.requests)
    end },

  { row = "R10", what = "a quota is used up, which no waiting helps", cases = {
    refused("402 Payment Required", '{"error":{"code":402,"message":"Quota exceeded"}}',
      "forbidden"),
    refused("400 Bad Request", '{"error":{"code":400,"message":"Connector quota exceeded"}}',
      "invalid"),
  } },
}
