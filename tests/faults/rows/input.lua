-- A: hostile bytes, from a script's data or from a server. Refused before anything is sent, or
-- handled as data; in bounded memory.

local bench = require "bench"

local both = { "confluent", "upstash" }
local list = { { "list" } }

local function named(group)
  return { script = "names", spec = { group = group, config = { ["connector.class"] = "S3_SINK",
    topics = "orders", ["kafka.auth.mode"] = "SERVICE_ACCOUNT",
    ["kafka.service.account.id"] = "sa-sim001" } } }
end

local function none_wrong(r, check)
  check(r.wrong and #r.wrong == 0, "%s", table.concat(r.wrong or {}, "; "))
  check(r.count and r.count >= 4, "nothing was tried")
end

local function none_sent(r, check)
  none_wrong(r, check)
  check(#r.requests == 0, "%d requests were sent", #r.requests)
end

local function row(base, more)
  for key, value in pairs(more) do base[key] = value end
  return base
end

local function listed(body)
  return { { "GET", "*", "answer 200 OK", "body " .. body, "send" } }
end

local function big(size)
  return function()
    return { { "put", "faulty", { ["connector.class"] = "S3_SINK", topics = "orders",
      ["kafka.auth.mode"] = "SERVICE_ACCOUNT", ["kafka.service.account.id"] = "sa-sim001",
      transforms = ("x"):rep(size) } } }
  end
end

local function many_keys()
  local config = { ["connector.class"] = "S3_SINK", topics = "orders",
    ["kafka.auth.mode"] = "SERVICE_ACCOUNT", ["kafka.service.account.id"] = "sa-sim001" }
  for i = 1, 100000 do config["transforms.t" .. i] = "x" end
  return { { "put", "faulty", config } }
end

local function bomb(...)
  return { { "GET", "*", "answer 200 OK", ... } }
end

local odd_json = {}
for _, body in ipairs {
  "{\"a\":NaN}", "{\"a\":Infinity}", "{\"a\":0x10}", "{\"a\":01}", "{} // no", "\\xef\\xbb\\xbf{}",
  "{\"a\":1,}", "{'a':1}", "{\"a\":tru}", "{} {}",
} do
  odd_json[#odd_json + 1] = { case = body, calls = list, faults = listed(body),
    expect = { exit = 1, kind = "protocol", seen = { ["GET ."] = 4 } } }
end

local record = '{"connector_id":"431ec970-b59d-4b00-95fe-5f3abcc52c2f","name":"%s",'
  .. '"state":"running","creation_time":%s,"connector_class":"org.example.Sink",'
  .. '"properties":{"topics":"%s"}}'
local function records(name, created, topics)
  return listed("[" .. record:format(name, created, topics) .. "]")
end

-- A credential that the server sends back in its answer.
local function echoed(secret)
  return { case = secret, calls = list, env = { CONFLUENT_CLOUD_API_SECRET = secret },
    never = { secret },
    faults = { { "GET", "*", "answer 400 Bad Request", "header Content-Type: text/plain",
      "body you sent " .. secret:gsub("\\", "\\\\") .. " as your secret", "send" } },
    expect = { exit = 1, kind = "invalid", message = "you sent" } }
end

local function rejected(case, env, target)
  return { case = case, calls = list, env = env, target = target,
    expect = { exit = 1, seen = { ["* ."] = 0 }, within = 5 },
    check = function(r, check)
      check(r.record == "", "something was sent: %s", r.record:sub(1, 200))
      check(r.last.misuse or r.last.sent == "no", "it was not refused")
    end }
end

local escapes = '{"error_code":404,"message":"\\u001b[31mred\\u001b[0m \\u0007 \\u009b31m '
  .. '\\r\\noverwritten"}'
local escaped_name = '"a\\\\u001b]0;title\\\\u0007"'
local escaped_list = "{" .. escaped_name .. ':{"info":{"name":' .. escaped_name
  .. ',"config":{"topics":"x\\\\u001b[2J"},"type":"sink"},"status":{"name":' .. escaped_name
  .. ',"connector":{"state":"FAILED","trace":"bad\\\\u001b[31m\\\\u009bthing"},"tasks":[],'
  .. '"type":"sink"}}}'

-- ---- journals that somebody else may have written ----

local three = [[for _, n in ipairs(names(3)) do target:create(n, config) end]]

-- Where requests go is for this machine's settings to say, not for the journal.
local function nothing_there(s, before)
  local now = bench.read(s.at.other_record)
  s.check(now == before, "the other server was asked:\n%s", now:sub(#before + 1))
end

local function another_address(s)
  s:script(three)
  s.check(s:kelp({ s.path }, { rules = "recv tcp 2 KILL" }).killed, "it was not killed")
  s:arrived(1)
  s:ended(s:resume(), 0)
  local path = s:journal_path()
  local port, other = s.at.base_url:match ":(%d+)", s.at.from.OTHER
  -- The file stays as long as it was.
  if #port ~= #other then return "the ports have numbers of different length" end
  local text, count = bench.read(path):gsub("127%.0%.0%.1:" .. port, "127.0.0.1:" .. other)
  s.check(count >= 3, "the journal names the address %d times", count)
  bench.write(path, text)
  local sent = s:sent()
  for _, words in ipairs { { "undo", "last" }, { "--resume", "last" },
                           { "runs", "show", "last" } } do
    s:ended(s:kelp(words), 1, "is damaged")
  end
  nothing_there(s, "")
  s.check(s:sent() == sent, "something was sent")
end

local function somebody_elses(s)
  s:script(three)
  local elsewhere = "http://127.0.0.1:" .. s.at.from.OTHER .. "/confluent"
  s:kelp({ s.path }, { env = { CONFLUENT_CLOUD_REST_ENDPOINT = elsewhere } })
  local before, sent = bench.read(s.at.other_record), s:sent()
  s.check(before:find "POST ", "it was never asked")
  s:ended(s:kelp { "undo", "last" }, 1, "the settings here lead to")
  s:ended(s:kelp { "undo", "--plan", "last" }, 1, "the settings here lead to")
  nothing_there(s, before)
  s.check(s:sent() == sent, "something was sent")
end

local function control_characters(s)
  s:script(three)
  s:ended(s:kelp { s.path }, 1, "title")
  for _, words in ipairs { { "runs", "show", "last" }, { "runs" }, { "undo", "--plan", "last" } } do
    local said = table.concat(words, " ")
    local shown = s:kelp(words)
    s.check(not (shown.out .. shown.err):find "[\27\7]", "%s: a control character is shown", said)
  end
  local shown = s:kelp { "runs", "show", "last" }
  s.check(shown.out:find "title", "the message is not shown:\n%s%s", shown.out, shown.err)
end

return {
  row(named "crlf", { row = "A1", what = "line breaks in what becomes a request line or a header",
    cases = {
      { case = "names", on = both, check = none_sent },
      row(rejected("the user", { CONFLUENT_CLOUD_API_KEY = "KEY\r\nX-Injected: yes" }),
        { script = false }),
      row(rejected("the secret", { CONFLUENT_CLOUD_API_SECRET = "no-secret\r\nX-Injected: yes" }),
        { script = false }),
      row(rejected("a token", nil, { token = "no-token\r\nX-Injected: yes" }), { script = false }),
      row(rejected("the address", nil, { base_url = "http://127.0.0.1\r\nX-Injected: yes" }),
        { script = false }),
      row(rejected("the cluster", nil, { cluster = "lkc-sim HTTP/1.1\r\nX-Injected: yes" }),
        { script = false }),
    } }),

  row(named "exact", { row = "A2", what = "names that mean something in a URL", on = both,
    check = function(r, check)
      none_wrong(r, check)
      check(r.left == (r.requests[1].path:find "upstash" and 4 or 5), "%s connectors are left",
        r.left)
    end }),

  row(named "dots", { row = "A3", what = "the names . and ..", on = both, check = none_sent }),

  row(named "bytes", { row = "A4", what = "control characters, NUL and bad UTF-8 in names",
    on = both,
    check = none_sent }),

  { row = "A5", what = "escape sequences in a server's words", script = "shown",
    faults = { { "GET", "/connectors/orders-to-s3", "answer 404 Not Found",
                 "body " .. escapes:gsub("\\", "\\\\"), "send" },
               { "GET", "/connectors", "answer 200 OK", "body " .. escaped_list, "send" } },
    expect = { exit = 1, says = "red", seen = { ["GET ."] = 3 } },
    check = function(r, check)
      check(r.out:find "title" and r.out:find "thing", "the list was not shown")
      for _, where in ipairs { "out", "err" } do
        check(not r[where]:find "[\0-\8\11-\31\127]", "%s holds a control character", where)
        check(not r[where]:find "\xc2[\x80-\x9f]", "%s holds a C1 control character", where)
      end
    end },

  { row = "A6", what = "large configs", cases = {
    { case = "1 MiB", calls = big(1 << 20), expect = { effects = { put = 1 }, within = 10 } },
    { case = "10 MiB", calls = big(10 << 20), expect = { effects = { put = 1 }, within = 10 } },
    { case = "40 MiB", calls = big(40 << 20), expect = { exit = 1, kind = "invalid", sent = "no",
        message = "too large", seen = { ["* ."] = 0 } } },
    { case = "100,000 keys", calls = many_keys, expect = { effects = { put = 1 }, within = 20 } },
  } },

  { row = "A7", what = "an answer of 100 MB", calls = list, cases = {
    { case = "chunked", faults = bomb("fill 100000000", "length chunked", "send"),
      expect = { exit = 1, kind = "protocol", seen = { ["GET ."] = 1 }, peak = 160, within = 15 } },
    { case = "announced", faults = bomb("fill 100000000", "send"),
      expect = { exit = 1, kind = "protocol", seen = { ["GET ."] = 1 }, peak = 160, within = 15 } },
    { case = "after a create", calls = { { "create" } },
      faults = { { "POST", "*", times = 1, "forward", "fill 100000000", "send" } },
      expect = { posts = 1, effects = { create = 1 }, peak = 160, within = 15 } },
  } },

  { row = "A8", what = "100 MB compressed to 100 kB", calls = list, cases = {
    { case = "Content-Encoding", faults = bomb("header Content-Encoding: gzip",
        "file $FOLDER/bomb.gz", "send"),
      expect = { exit = 1, kind = "protocol", peak = 40, within = 10 } },
    { case = "Transfer-Encoding", faults = bomb("header Transfer-Encoding: gzip", "length none",
        "file $FOLDER/bomb.gz", "send"),
      expect = { exit = 1, kind = "protocol", peak = 160, within = 10 } },
    { case = "twice", faults = bomb("header Transfer-Encoding: gzip, gzip", "length none",
        "file $FOLDER/nested.gz", "send"),
      expect = { exit = 1, kind = "protocol", peak = 160, within = 10 } },
    { case = "a hundred times", faults = bomb("header Transfer-Encoding: " .. ("gzip,"):rep(99)
        .. "gzip", "length none", "file $FOLDER/nested.gz", "send"),
      expect = { exit = 1, kind = "protocol", peak = 40, within = 10 } },
  } },

  { row = "A9", what = "JSON 100,000 deep", calls = list, cases = {
    { case = "arrays", faults = bomb("file $FOLDER/deep-arrays.json", "send"),
      prepare = function(bench)
        bench.write(bench.folder .. "/deep-arrays.json", ("["):rep(100000) .. ("]"):rep(100000))
      end,
      expect = { exit = 1, kind = "protocol", peak = 60 } },
    { case = "objects", faults = bomb("file $FOLDER/deep-objects.json", "send"),
      prepare = function(bench)
        bench.write(bench.folder .. "/deep-objects.json", ('{"a":'):rep(100000) .. "1"
          .. ("}"):rep(100000))
      end,
      expect = { exit = 1, kind = "protocol", peak = 60 } },
  } },

  { row = "A10", what = "a key twice in one object", calls = { { "get", "faulty" } },
    faults = { { "GET", "/status", "answer 200 OK",
        'body {"name":"faulty","connector":{"state":"RUNNING"},"tasks":[],"type":"sink"}', "send" },
      { "GET", "*", "answer 200 OK",
        'body {"name":"faulty","config":{"topics":"a","topics":"b"},"tasks":[],"type":"sink"}',
        "send" } },
    expect = { exit = 1, kind = "protocol" } },

  { row = "A11", what = "integers of 64 bits and beyond", on = "upstash", calls = list, cases = {
    { case = "2^53 + 1", faults = records("a", "9007199254740993", "t"),
      check = function(r, check)
        check(r.last.ok and r.last.ok[1].created == 9007199254740993, "it became %s",
          r.last.ok and r.last.ok[1].created)
      end },
    { case = "2^63", faults = records("a", "9223372036854775808", "t"),
      expect = { exit = 1, kind = "protocol" } },
    { case = "1e999", faults = records("a", "1e999", "t"),
      expect = { exit = 1, kind = "protocol" } },
  } },

  { row = "A12", what = "values through the codec and back", script = "values", check = none_sent },

  { row = "A13", what = "what is nearly JSON", cases = odd_json },

  { row = "A14", what = "characters that JSON allows, or not", on = "upstash", calls = list,
    cases = {
    { case = "NUL", faults = records("a", "1", "t\\\\u0000u"),
      check = function(r, check)
        check(r.last.ok and r.last.ok[1].config.topics == "t\0u", "it was cut or lost")
      end },
    { case = "half a pair", faults = records("a", "1", "\\\\ud800"),
      expect = { exit = 1, kind = "protocol" } },
    { case = "a raw line break", faults = records("a", "1", "t\\nu"),
      expect = { exit = 1, kind = "protocol" } },
    { case = "bad UTF-8", faults = records("a", "1", "t\\xff"),
      expect = { exit = 1, kind = "protocol" } },
  } },

  { row = "A15", what = "a colon in the user's name", cases = {
    rejected("Confluent", { CONFLUENT_CLOUD_API_KEY = "a:b" }),
    row(rejected("Upstash", { UPSTASH_EMAIL = "a:b@example.com" }), { on = "upstash" }),
  } },

  { row = "A16", what = "a secret that comes back in an answer", cases = {
    echoed "not-a-real-secret", echoed "n.o-%s[^r]e(a)l*+?$", echoed "no\"secret'at\\all",
    echoed "not/a+real==secret",
    rejected("with a line break", { CONFLUENT_CLOUD_API_SECRET = "not-a-real\nsecret" }),
  } },

  { row = "A17", what = "a hostile journal", other = true, cases = {
    { case = "another address in it", steps = another_address },
    { case = "of somebody else's server", steps = somebody_elses },
    { case = "escape sequences in it", steps = control_characters,
      faults = { { "POST", "/connector", "answer 400 Bad Request",
        'body {"error":{"code":400,"message":"no \\\\u001b]0;title\\\\u0007"}}', "send" } } },
  } },

  { row = "A18", what = "proxy variables of the environment", other = true, host = "here.invalid",
    target = { allow_http = true },
    env = { http_proxy = "http://127.0.0.1:$OTHER", https_proxy = "http://127.0.0.1:$OTHER",
            HTTPS_PROXY = "http://127.0.0.1:$OTHER", all_proxy = "http://127.0.0.1:$OTHER",
            ALL_PROXY = "http://127.0.0.1:$OTHER" },
    expect = { posts = 1, effects = { create = 1 } },
    check = function(r, check) check(r.other == "", "the proxy was asked") end },
}
