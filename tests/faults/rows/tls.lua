-- T: TLS. Nothing of a request, and above all no credential, goes over a connection that is not
-- trusted.

local get = { { "list" } }
local distrusted = { exit = 1, kind = "tls", sent = "no", attempts = 1, within = 5,
                     seen = { ["* ."] = 0 } }
local trusting = { ca_file = "$FOLDER/ca.pem" }

-- A clear text error where the credential was to go is no proof; what came is.
local function nothing_came(r, check)
  check(r.record == "", "something came: %s", (r.record or ""):sub(1, 200))
end

return {
  { row = "T1", what = "a certificate that is not to be trusted", cases = {
    { case = "a good one is", tls = {}, target = trusting, expect = { posts = 1,
      effects = { create = 1 } } },
    { case = "expired", tls = { certificate = "expired" }, target = trusting, expect = distrusted,
      check = nothing_came },
    { case = "wrong host", tls = { certificate = "wrong-host" }, target = trusting,
      expect = distrusted, check = nothing_came },
    { case = "self-signed", tls = { certificate = "self-signed" }, target = trusting,
      expect = distrusted, check = nothing_came },
    { case = "unknown authority", tls = { certificate = "unknown-ca" }, target = trusting,
      expect = distrusted, check = nothing_came },
    { case = "not one of the system's", tls = {}, expect = distrusted, check = nothing_came },
    { case = "the file of authorities is missing", tls = {},
      target = { ca_file = "$FOLDER/there-is-none.pem" }, expect = { exit = 1, sent = "no" },
      check = nothing_came },
  } },

  { row = "T2", what = "no TLS, or an old one", cases = {
    { case = "TLS 1.0", tls = { options = "--old" }, target = trusting, expect = distrusted,
      check = nothing_came },
    { case = "a plain port", scheme = "https", faults = { { connection = true,
      "raw HTTP/1.1 400 Bad Request\\r\\n\\r\\n", "stall" } }, target = { timeout = 1 },
      expect = { exit = 1, kind = "tls", sent = "no", effects = { create = 0 } },
      check = function(r, check)
        check(not r.record:find "Authorization", "the credential came in the clear")
        check(not r.record:find "POST", "a request came in the clear")
      end },
    { case = "plain http to another machine", host = "here.invalid",
      expect = { exit = 1, kind = "invalid", sent = "no" }, check = nothing_came },
  } },

  { row = "T3", what = "the handshake does not end", on = { "confluent", "upstash" }, cases = {
    { case = "silence", tls = { options = "--stall-first 1" },
      target = { ca_file = "$FOLDER/ca.pem", connect_timeout = 0.4 },
      expect = { posts = 1, effects = { create = 1 }, within = 5 } },
    { case = "silence for good", tls = { options = "--stall-first 99" },
      target = { ca_file = "$FOLDER/ca.pem", connect_timeout = 0.3, attempts = 2 },
      expect = { exit = 1, kind = "timeout", sent = "no", attempts = 2 }, check = nothing_came },
    { case = "a reset", tls = { options = "--reset-first 1" }, target = trusting,
      expect = { posts = 1, effects = { create = 1 } } },
  } },

  { row = "T4", what = "cut without the end that TLS has", on = { "confluent", "upstash" },
    tls = { options = "--abrupt" }, target = trusting, cases = {
      { case = "up to the connection's end",
        faults = { { "POST", "/connector", times = 1, "forward", "length none", "send 25" } },
        expect = { posts = 1, effects = { create = 1 } } },
      { case = "no answer at all", calls = { { "list" }, { "create" } },
        faults = { { "POST", "/connector", times = 1, "forward", "fin" } },
        expect = { posts = 1, effects = { create = 1 } } },
    } },

  { row = "T5", what = "another certificate from one request to the next",
    tls = { options = "--next-cert $FOLDER/self-signed.pem --next-key $FOLDER/self-signed.key" },
    target = trusting, faults = { { "GET", "*", times = 1, "forward", "send", "fin" } },
    calls = { { "list" }, { "list" } },
    expect = { exit = 1, kind = "tls", seen = { ["GET /connectors$"] = 1 } } },

  { row = "T6", what = "SSLKEYLOGFILE is set", tls = {}, target = trusting, calls = get,
    env = { SSLKEYLOGFILE = "$FOLDER/keys.log" },
    expect = { seen = { ["GET /connectors$"] = 1 } },
    check = function(_, check)
      local file = io.open(os.getenv "FAULTS_FOLDER" .. "/keys.log")
      check(not file, "the keys of the session were written down")
      if file then file:close() end
    end },
}
