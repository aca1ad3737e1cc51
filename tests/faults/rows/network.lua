-- N: the network. Either nothing of a create was sent, or it is made once and kelp says so, or its
-- outcome is named as unknown.

local both = { "confluent", "upstash" }
local made = { posts = 1, effects = { create = 1 } }
local resent = { posts = 2, effects = { create = 1 } }
local reused = { { "list" }, { "create" } }

local function create(...) return { "POST", "/connector", times = 1, ... } end

local other_one = '{"name":"somebody-elses","config":{"name":"somebody-elses"},"tasks":[],'
  .. '"type":"sink"}'
local big_one = '{"name":"big","config":{"connector.class":"S3_SINK"},"tasks":[]}'
local other_record = '{"connector_id":"00000000-0000-4000-8000-000000000000",'
  .. '"name":"somebody-elses","state":"pending","tasks":[]}'

return {
  { row = "N1", what = "the host has no address", host = "none.invalid",
    target = { attempts = 2, allow_http = true },
    expect = { exit = 1, kind = "network", sent = "no", attempts = 2, posts = 0,
               effects = { create = 0 }, within = 5 } },

  { row = "N2", what = "the resolver does not answer", host = "hang.invalid",
    target = { attempts = 2, connect_timeout = 0.3, allow_http = true },
    expect = { exit = 1, kind = "timeout", sent = "no", attempts = 2, posts = 0,
               effects = { create = 0 }, within = 5 } },

  { row = "N3", what = "the connection is refused", cases = {
    { case = "for good", proxy = "--closed -1", target = { attempts = 3 },
      expect = { exit = 1, kind = "network", sent = "no", attempts = 3, posts = 0,
                 effects = { create = 0 } } },
    { case = "for a moment", on = both, proxy = "--closed 0.3", target = { attempts = 12 },
      expect = made },
  } },

  { row = "N4", what = "connections are neither taken nor refused", proxy = "--full",
    target = { attempts = 2, connect_timeout = 0.3 },
    expect = { exit = 1, kind = "timeout", sent = "no", attempts = 2, within = 5 } },

  { row = "N5", what = "taken, then silence", on = both, cases = {
    { case = "not applied", faults = { create("stall") }, target = { timeout = 0.4 },
      expect = resent },
    { case = "applied", faults = { create("forward", "stall") }, target = { timeout = 0.4 },
      expect = made },
  } },

  { row = "N6", what = "a reset before the request is read", on = both, cases = {
    { case = "a new connection", on = "confluent",
      faults = { { connection = true, times = 1, "rst" } },
      expect = made },
    { case = "half the request read", faults = { create("read 20", "rst") }, expect = resent },
  } },

  { row = "N7", what = "closed without an answer on a reused connection", on = both, calls = reused,
    cases = {
      { case = "applied, closed", faults = { create("forward", "fin") }, expect = made },
      { case = "applied, reset", faults = { create("forward", "rst") }, expect = made },
      { case = "not applied, closed", faults = { create("fin") }, expect = resent },
      { case = "not applied, reset", faults = { create("rst") }, expect = resent },
      { case = "every time", faults = { { "POST", "/connector", "forward", "rst" } },
        expect = made },
    } },

  { row = "N8", what = "the same for a request without a body", cases = {
    { on = "confluent", case = "at most once",
      calls = { { "list" }, { "restart", "orders-to-s3", { at_most_once = true } } },
      faults = { { "POST", "/restart", times = 1, "forward", "fin" } },
      expect = { exit = 4, kind = "unknown_outcome", seen = { ["POST /restart$"] = 1 },
                 effects = { restart = 1 } } },
    { on = "upstash", case = "at most once",
      calls = { { "list" }, { "restart", "events-to-s3", { at_most_once = true } } },
      faults = { { "POST", "/restart", times = 1, "forward", "rst" } },
      expect = { exit = 4, kind = "unknown_outcome", seen = { ["POST /restart$"] = 1 },
                 effects = { restart = 1 } } },
    { on = "confluent", case = "at least once",
      calls = { { "list" }, { "restart", "orders-to-s3" } },
      faults = { { "POST", "/restart", times = 1, "forward", "fin" } },
      expect = { seen = { ["POST /restart$"] = 2 }, says = "sending it again" } },
  } },

  { row = "N9", what = "half a status line, then closed", on = both, calls = reused, cases = {
    { case = "applied", faults = { create("forward", "raw HTTP/1.1 2", "fin") }, expect = made },
    { case = "not applied", faults = { create("raw HTTP/1.1 2", "rst") }, expect = resent },
    { case = "a whole one", faults = { create("forward", "raw HTTP/1.1 201 Created\\r\\n", "fin") },
      expect = made },
  } },

  { row = "N10", what = "closed one way only", on = both, calls = reused,
    faults = { create("forward", "half") }, expect = { posts = 1, effects = { create = 1 },
                                                       within = 10 } },

  { row = "N11", what = "the body is cut (Content-Length)", on = both, cases = {
    { case = "closed", faults = { create("forward", "send 25", "fin") }, expect = made },
    { case = "reset", faults = { create("forward", "send 25", "rst") }, expect = made },
    { case = "before its first byte", faults = { create("forward", "send head", "fin") },
      expect = made },
  } },

  { row = "N12", what = "the body is cut (chunked)", on = both,
    faults = { create("forward", "length chunked", "send 25", "fin") }, expect = made },

  { row = "N13", what = "the body is cut (up to the connection's end)", on = both,
    faults = { create("forward", "length none", "send 25", "fin") }, expect = made },

  { row = "N14", what = "one byte a second", on = both, target = { timeout = 1.5 },
    faults = { create("forward", "drip 1") },
    expect = { posts = 1, effects = { create = 1 }, least = 1.4, within = 10 } },

  { row = "N15", what = "the body stands still", on = both, target = { timeout = 0.5 },
    faults = { create("forward", "send 25", "stall") },
    expect = { posts = 1, effects = { create = 1 }, within = 10 } },

  { row = "N16", what = "the request is cut half way", on = both, cases = {
    { case = "closed", faults = { create("read 100", "fin") }, expect = resent },
    { case = "reset", faults = { create("read 100", "rst") }, expect = resent },
    { case = "silence", faults = { create("read 100", "stall") }, target = { timeout = 0.5 },
      expect = resent },
  } },

  { row = "N17", what = "an idle connection was closed",
    calls = { { "list" }, { "sleep", 0.2 }, { "list" }, { "sleep", 0.2 }, { "create" } }, cases = {
      { case = "in the clear", on = both, faults = { { "GET", "*", "forward", "send", "fin" } },
        expect = made },
      { case = "under TLS", on = both, tls = {}, target = { ca_file = "$FOLDER/ca.pem" },
        faults = { { "GET", "*", times = 2, "forward", "send", "fin" } }, expect = made },
      -- Nobody can tell then whether the first bytes of a create were read; it must not be made
      -- twice.
      { case = "under TLS, every time", tls = {}, target = { ca_file = "$FOLDER/ca.pem" },
        faults = { { "GET", "*", "forward", "send", "fin" } },
        expect = { exit = { 0, 4 }, posts = { 0, 1 }, effects = { create = { 0, 1 } } },
        check = function(r, check)
          check(r.code == 4 or #r.effects == 1, "it was said to be made, and was not")
          check(r.code == 0 or r.last.kind == "unknown_outcome", "it is a %s", r.last.kind)
        end },
    } },

  { row = "N18", what = "the answer is another request's", cases = {
    { case = "to a create", faults = { create("forward", "body " .. other_one, "send") },
      expect = made,
      check = function(r, check)
        check(r.last.ok and r.last.ok.name == "faulty", "it was believed to be what was made")
      end },
    { case = "to a create", on = "upstash",
      faults = { create("forward", "body " .. other_record, "send") }, expect = made,
      check = function(r, check)
        check(r.last.ok and r.last.ok.name == "faulty", "it was believed to be what was made")
      end },
    { case = "to a get", calls = { { "get", "orders-to-s3" } },
      faults = { { "GET", "/connectors/orders-to-s3", "answer 200 OK", "body " .. other_one,
        "send" } },
      expect = { exit = 1, kind = "protocol" } },
  } },

  { row = "N19", what = "the network is gone for a while", script = "bulk", proxy = "--closed 3",
    spec = { verb = "create", count = 20 },
    expect = { effects = { create = 20 }, within = 50 },
    check = function(r, check)
      check(r.done == 20 and r.failed == 0, "%s done, %s failed", r.done, r.failed)
    end },

  { row = "N20", what = "writing to a dead connection", cases = {
    { case = "a large body",
      calls = { { "list" }, { "update", "big", { transforms = ("x"):rep(8000000) } } },
      faults = { { "PUT", "/config", times = 1, "read 1000", "rst" },
                 { "GET", "/connectors/big", "answer 200 OK",
                   "body " .. big_one, "send" },
                 { "PUT", "/config", "answer 200 OK",
                   "body " .. big_one, "send" } },
      expect = { seen = { ["PUT /config$"] = 2 } } },
    { case = "under TLS", tls = {}, target = { ca_file = "$FOLDER/ca.pem" },
      calls = { { "list" }, { "sleep", 0.2 }, { "list" } },
      faults = { { "GET", "*", times = 1, "forward", "send", "fin" } },
      expect = { seen = { ["GET /connectors$"] = 2 } } },
  } },
}
