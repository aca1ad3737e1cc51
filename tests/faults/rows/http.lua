-- H: answers that are not what the provider meant to say. A redirect is never followed; what cannot
-- be read is no answer; a write behind it is looked for before it is sent again.

local both = { "confluent", "upstash" }
local made = { posts = 1, effects = { create = 1 } }
local resent = { posts = 2, effects = { create = 1 } }
local list = { { "list" } }
local page = "<!DOCTYPE html><html><body>Please sign in to the network.</body></html>"

local function create(...) return { "POST", "/connector", times = 1, ... } end
local function answer(status, body)
  return { "GET", "*", "answer " .. status, "body " .. body, "send" }
end

local function redirects(status, to)
  return { case = ("%d"):format(status), other = true,
    faults = { { "*", "*", ("answer %d Elsewhere"):format(status), "header Location: " .. to,
      "send" } },
    expect = { exit = 1, kind = "protocol", status = status, effects = { create = 0 } },
    check = function(r, check) check(r.other == "", "it was followed") end }
end

local elsewhere = "http://127.0.0.1:$OTHER/confluent/connect/v1/elsewhere"

local settings = "raw \\x00\\x00\\x00\\x04\\x00\\x00\\x00\\x00\\x00"
  .. "\\x00\\x00\\x00\\x04\\x01\\x00\\x00\\x00\\x00"
local goaway = "raw \\x00\\x00\\x08\\x07\\x00\\x00\\x00\\x00\\x00"
  .. "\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00"
local refused_stream = "raw \\x00\\x00\\x04\\x03\\x00\\x00\\x00\\x00\\x01\\x00\\x00\\x00\\x07"

return {
  { row = "H1", what = "a redirect to another port", cases = {
    redirects(301, elsewhere), redirects(302, elsewhere), redirects(303, elsewhere),
    redirects(307, elsewhere), redirects(308, elsewhere),
  } },

  { row = "H2", what = "a redirect to another scheme", calls = list, cases = {
    redirects(302, "file:///etc/passwd"), redirects(302, "ftp://127.0.0.1:$OTHER/secret"),
    redirects(302, "gopher://127.0.0.1:$OTHER/"),
  } },

  { row = "H3", what = "500 after it was done", on = both,
    faults = { create("forward", "status 500 Internal Server Error",
      'body {"error":{"code":500,"message":"internal"}}', "send") }, expect = made },

  { row = "H4", what = "500 before it was done", on = both,
    faults = { create("answer 500 Internal Server Error",
      'body {"error":{"code":500,"message":"internal"}}', "send") }, expect = resent },

  { row = "H5", what = "500 for a mistake that stays one", cases = {
    { case = "a class that does not exist",
      calls = { { "create", "faulty", { ["connector.class"] = "NoSuchClass",
        ["tasks.max"] = 1 } } },
      faults = { { "POST", "/connectors", "answer 500 Internal Server Error",
        'body {"error_code":500,"message":"Failed to find any class that implements Connector"}',
        "send" } },
      expect = { exit = 1, kind = "invalid", posts = 1, message = "any class that implements",
                 effects = { create = 0 } } },
    { case = "another text each time, then the attempts are used up", target = { attempts = 3 },
      faults = {
        create("answer 500 Oops", 'body {"error_code":500,"message":"first"}', "send"),
        create("answer 502 Oops", 'body {"error_code":502,"message":"second"}', "send"),
        create("answer 500 Oops", 'body {"error_code":500,"message":"third"}', "send") },
      expect = { exit = 1, kind = "server", posts = 3, message = "third",
        effects = { create = 0 } } },
  } },

  { row = "H6", what = "504 at once, done later", cases = {
    { case = "within the visibility delay", on = both, target = { visibility_delay = 1 },
      faults = { create("later 0.4", "answer 504 Gateway Timeout", "send") }, expect = made },
    { case = "later than the visibility delay, and names are unique",
      calls = { { "create" }, { "sleep", 1.2 }, { "list" } },
      faults = { create("later 1", "answer 504 Gateway Timeout", "send") },
      expect = { posts = 2, effects = { create = 1 } } },
    { case = "later than the visibility delay, and they are not", on = "upstash",
      calls = { { "create" }, { "await_count", "faulty", 2 } },
      faults = { create("later 1", "answer 504 Gateway Timeout", "send") },
      expect = { exit = 4, posts = 2, most = 2, says = "2 connectors named 'faulty'" } },
  } },

  { row = "H7", what = "503", on = both, cases = {
    { case = "after it was done", faults = { create("forward", "status 503 Unavailable", "send") },
      expect = made },
    { case = "instead of it", faults = { create("answer 503 Unavailable", "send") },
      expect = resent },
    { case = "with Retry-After",
      faults = { create("answer 503 Unavailable", "header Retry-After: 1", "send") },
      expect = resent },
    { case = "to a read, with Retry-After", calls = list,
      faults = { { "GET", "*", times = 1, "answer 503 Unavailable", "header Retry-After: 1",
        "send" } },
      expect = { least = 1, within = 5, seen = { ["GET /connectors"] = 2 } } },
    { case = "to every read", calls = list, target = { attempts = 3 },
      faults = { { "GET", "*", "answer 503 Unavailable", "send" } },
      expect = { exit = 1, kind = "server", status = 503, seen = { ["GET /connectors"] = 3 } } },
  } },

  { row = "H8", what = "the key is revoked in the middle", script = "bulk",
    spec = { verb = "create", count = 40, concurrency = 4 },
    faults = { { "*", "*", skip = 8, "answer 401 Unauthorized",
                 'body {"errors":[{"status":"401","detail":"Unauthorized"}]}', "send" } },
    expect = { exit = 1, effects = { create = 8 }, seen = { ["POST /connectors$"] = { 9, 16 } },
               within = 10 },
    check = function(r, check)
      check(r.kinds and r.kinds.unauthorized, "nothing was unauthorized")
      check(r.skipped > 20, "%s were not started", r.skipped)
    end },

  { row = "H9", what = "one item is forbidden", script = "bulk",
    spec = { verb = "create", count = 10 },
    faults = { { "POST", "/connectors", skip = 4, times = 1, "answer 403 Forbidden",
                 'body {"error":{"code":403,"message":"Forbidden"}}', "send" } },
    expect = { exit = 1, effects = { create = 9 }, posts = 10 },
    check = function(r, check)
      check(r.done == 9 and r.failed == 1 and r.kinds.forbidden == 1, "%s done, %s failed", r.done,
        r.failed)
    end },

  { row = "H10", what = "404 for a delete", cases = {
    { case = "at first", calls = { { "delete", "nobody" } }, unrecorded = true,
      expect = { exit = 1, kind = "not_found", seen = { ["DELETE ."] = 1 } } },
    -- What is recorded is looked at first, so that it can be undone; then for the nearest name.
    { case = "at first, recorded", calls = { { "delete", "nobody" } },
      expect = { exit = 1, kind = "not_found", seen = { ["DELETE ."] = 0, ["GET ."] = 2 } } },
    { case = "after one whose answer was lost", calls = { { "delete", "orders-to-s3" } },
      faults = { { "DELETE", "*", times = 1, "forward", "rst" } },
      expect = { effects = { delete = 1 }, seen = { ["DELETE ."] = 2 } } },
    { case = "after one whose answer was lost", on = "upstash",
      calls = { { "delete", "events-to-s3" } },
      faults = { { "DELETE", "*", times = 1, "forward", "fin" } },
      expect = { effects = { delete = 1 }, seen = { ["DELETE ."] = 2 } } },
  } },

  { row = "H11", what = "404 for what was just made",
    calls = { { "create" }, { "wait", "faulty", { poll = 0.05, timeout = 10, visibility_delay = 10 } } },
    faults = { { "GET", "/connectors/faulty/status", times = 3, "answer 404 Not Found",
                 'body {"error_code":404,"message":"resource not found"}', "send" } },
    expect = { posts = 1, effects = { create = 1 },
               seen = { ["GET /connectors/faulty/status$"] = { 4, 40 } } } },

  { row = "H12", what = "200 with a web page", on = both, cases = {
    { case = "to a read", calls = list, faults = { answer("200 OK", page) },
      expect = { exit = 1, kind = "protocol", status = 200, seen = { ["GET ."] = 4 } } },
    { case = "to a create", faults = { create("answer 200 OK", "body " .. page, "send") },
      expect = resent },
    { case = "to all after a create", on = "confluent",
      faults = { create("forward", "rst"), { "*", "*", "answer 200 OK", "body " .. page, "send" } },
      expect = { exit = 4, kind = "unknown_outcome", posts = 1, within = 10 },
      check = function(r, check)
        check(#r.requests <= 16, "%d requests were sent", #r.requests)
      end },
  } },

  { row = "H13", what = "an answer without a body", cases = {
    { case = "204 to a pause", calls = { { "pause", "orders-to-s3" } },
      faults = { { "PUT", "/pause", "forward", "status 204 No Content", "body ", "send" } },
      expect = { seen = { ["PUT /pause$"] = 1 } } },
    { case = "200 to a delete", calls = { { "delete", "orders-to-s3" } },
      faults = { { "DELETE", "*", "forward", "body ", "send" } },
      expect = { effects = { delete = 1 }, seen = { ["DELETE ."] = 1 } } },
    { case = "the text \"OK\"", on = "upstash", calls = { { "pause", "events-to-s3" },
      { "resume", "events-to-s3" }, { "restart", "events-to-s3" } },
      expect = { seen = { ["POST ."] = 3 } } },
    { case = "200 to a create", on = both, faults = { create("forward", "body ", "send") },
      expect = made },
    { case = "204 to a create", on = both,
      faults = { create("forward", "status 204 No Content", "body ", "send") }, expect = made },
    { case = "200 to a list", on = both, calls = list, faults = { answer("200 OK", "") },
      expect = { exit = 1, kind = "protocol", seen = { ["GET ."] = 4 } } },
  } },

  { row = "H14", what = "no end of headers", calls = list, cases = {
    { case = "1xx answers", faults = { { "GET", "*",
        "repeat 4000000 HTTP/1.1 100 Continue\\r\\n\\r\\n", "fin" } },
      expect = { exit = 1, kind = "protocol", peak = 40, within = 20 } },
    { case = "100 MB of lines", faults = { { "GET", "*", "raw HTTP/1.1 200 OK\\r\\n",
        "repeat 1000000 X-Filler: " .. ("x"):rep(88) .. "\\r\\n", "fin" } },
      expect = { exit = 1, kind = "protocol", peak = 40, within = 20 } },
    { case = "one line of 100 MB", faults = { { "GET", "*", "raw HTTP/1.1 200 OK\\r\\nX-Filler: ",
        "repeat 1000000 " .. ("x"):rep(100), "fin" } },
      expect = { exit = 1, kind = "protocol", peak = 40, within = 20 } },
    { case = "after a create", calls = { { "create" } },
      faults = { create("forward", "raw HTTP/1.1 200 OK\\r\\n",
        "repeat 10000 X-Filler: " .. ("x"):rep(88) .. "\\r\\n", "fin") }, expect = made },
  } },

  { row = "H15", what = "an answer from before HTTP/1.0", on = both, cases = {
    { case = "to a read", calls = list, target = { attempts = 2 },
      faults = { { "GET", "*", "raw hello", "fin" } },
      expect = { exit = 1, kind = "protocol" } },
    { case = "to a create", faults = { create("forward", "raw hello", "fin") }, expect = made },
  } },

  { row = "H16", what = "HTTP/2 takes the stream back", tls = { options = "--h2-first 1" },
    target = { ca_file = "$FOLDER/ca.pem" }, cases = {
      { case = "GOAWAY", faults = { { connection = true, times = 1, settings, "take 200", goaway,
        "fin" } }, expect = made },
      { case = "REFUSED_STREAM", faults = { { connection = true, times = 1, settings, "take 200",
        refused_stream, "fin" } }, expect = made },
      { case = "closed after the request", faults = { { connection = true, times = 1, settings,
        "take 200", "fin" } }, expect = made },
    } },

  { row = "H17", what = "no answer to Expect: 100-continue",
    calls = function()
      return { { "put", "faulty", { ["connector.class"] = "S3_SINK", topics = "orders",
        ["kafka.auth.mode"] = "SERVICE_ACCOUNT", ["kafka.service.account.id"] = "sa-sim001",
        transforms = ("x"):rep(2000000) } } }
    end,
    expect = { effects = { put = 1 }, seen = { ["PUT /config$"] = 1 }, within = 5 },
    check = function(r, check) check(not r.record:find "Expect:", "it was asked for") end },

  { row = "H18", what = "encodings that nobody asked for", cases = {
    { case = "the label alone", calls = list,
      faults = { { "GET", "*", "forward", "header Content-Encoding: gzip", "send" } },
      check = function(r, check)
        check(r.last.count == 5, "%s connectors", r.last.count)
        check(not r.record:find "Accept%-Encoding", "an encoding was asked for")
      end },
    { case = "compressed bytes", calls = list,
      faults = { { "GET", "*", "answer 200 OK", "header Content-Encoding: gzip, br",
                   "file $FOLDER/small.gz", "send" } },
      expect = { exit = 1, kind = "protocol" } },
    { case = "after a create", on = both,
      faults = { create("forward", "header Content-Encoding: gzip", "header Content-Encoding: br",
                        "file $FOLDER/small.gz", "send") }, expect = made },
    { case = "on the way", on = both,
      faults = { create("forward", "header Transfer-Encoding: gzip", "send") }, expect = made },
  } },

  { row = "H19", what = "Content-Length lies", on = both, cases = {
    { case = "too long, then closed", faults = { create("forward", "length +10", "send", "fin") },
      expect = made },
    { case = "too long, then nothing",
      faults = { create("forward", "length +10", "send", "stall") },
      target = { timeout = 0.5 }, expect = made },
    { case = "too short", faults = { create("forward", "length -10", "send") }, expect = made },
    { case = "too short, and another request behind it", on = "confluent",
      calls = { { "list" }, { "list" } }, spec = { go_on = true },
      faults = { { "GET", "*", times = 1, "forward", "length -200", "send" } },
      -- The first answer is not believed: it is asked for again.
      expect = { seen = { ["GET /connectors$"] = { 3, 4 } } },
      check = function(r, check)
        check(r.last.count == 5, "what was left over was taken for the second answer")
      end },
    { case = "twice, differently",
      faults = { create("forward", "header Content-Length: 5", "send") }, expect = made },
    { case = "no number", faults = { create("forward", "length 0x20", "send") }, expect = made },
    { case = "negative", faults = { create("forward", "header Content-Length: -1", "length none",
        "send") }, expect = made },
  } },
}
