-- Targets, secrets and writes: what the manifest allows and what it does not.
local common = require "rows.common"
local TARGETS <const> = common.TARGETS
local LISTED <const> = common.LISTED

return function(row)

row("options-of-targets", { script = [[
  local kelp = require "kelp"
  local function with(more)
    local o = { environment = "env-sim", cluster = "lkc-sim" }
    for k, v in pairs(more) do o[k] = v end
    return o
  end
  for _, more in ipairs { { base_url = "http://127.0.0.1:9" }, { ca_file = "/etc/passwd" },
      { proxy = "http://127.0.0.1:9" }, { allow_http = true }, { token = "x" }, { api_key = "x" },
      { api_secret = "x" }, { max_body = 1e9 }, { quota = 1e6 }, { circuit = 1e6 },
      { timeout = "5" }, { cluster = {} }, { unheard_of = 1 } } do
    fails("is not a restricted script's to set", kelp.confluent, with(more))
  end
  -- What is read twice may differ: only what is there counts, once.
  local n = 0
  local sly = setmetatable({ environment = "env-sim", cluster = "lkc-sim" }, {
    __index = function(_, k) n = n + 1 return k == "base_url" and "http://127.0.0.1:9" or nil end,
    __pairs = function() out "__pairs" end })
  same(#kelp.confluent(sly):list(), 5)
  same(n, 0)
  fails("a table of options expected", kelp.confluent, 1)
  fails("environment", kelp.confluent, {})
  same(kelp.confluent(with { timeout = 5, attempts = 1, rate = 100 }).attempts, 1)
  fails("that its manifest lists", kelp.connect, { url = "http://127.0.0.1:9" })
  fails("is not a restricted script's to set", kelp.connect, { base_url = "http://127.0.0.1:9" })
  print "done"
]], out = { "done" } })

row("secrets", { script = [[
  local kelp = require "kelp"
  fails("environment variables that its manifest lists", kelp.secret, { command = "echo ESCAPED" })
  fails("environment variables that its manifest lists", kelp.secret, { file = "/etc/passwd" })
  fails("environment variables that its manifest lists", kelp.secret,
    { env = "KELP_TEST_LISTED", command = "true" })
  fails("secrets = { \"KELP_TEST_OTHER\" }", kelp.secret, "KELP_TEST_OTHER")
  fails("secrets = { \"KELP_TEST_OTHER\" }", kelp.secret, { env = "KELP_TEST_OTHER" })
  fails("expected", kelp.secret, {})
  fails("expected", kelp.secret)
  same(tostring(kelp.secret "KELP_TEST_LISTED"), "<secret KELP_TEST_LISTED>")
  same(tostring(kelp.secret { env = "KELP_TEST_LISTED" }), "<secret KELP_TEST_LISTED>")
  print "done"
]], manifest = [[{ targets = {}, secrets = { "KELP_TEST_LISTED" } }]], out = { "done" } })

row("secrets-without-manifest", { script = [[
  fails("in a manifest would allow it", require "kelp".secret, "KELP_TEST_LISTED")
  print "done"
]], out = { "done" } })

row("targets-not-listed", { manifest = [[return { targets = { "prod",
    { provider = "confluent", environment = "env-sim", cluster = "lkc-sim" } } }]], script = [[
  local kelp = require "kelp"
  same(#kelp.confluent { environment = "env-sim", cluster = "lkc-sim" } :list(), 5)
  fails("the manifest does not list this target", kelp.confluent,
    { environment = "env-sim", cluster = "lkc-other" })
  fails("cluster = \"7568431c\"", kelp.upstash, { cluster = "7568431c" })
  fails("targets = { \"confluent\" } would allow it", kelp.target, "confluent")
  fails("there is no target 'prod'", kelp.target, "prod")
  -- What was allowed for a name was for that name only.
  fails("the manifest does not list this target", kelp.confluent,
    { environment = "env-sim", cluster = "lkc-other" })
  print "done"
]], out = { "done" } })

row("addresses", { manifest = [[return { targets = {
    { provider = "connect", url = "http://127.0.0.1:9/" },
    { provider = "connect", url = "http://127.0.0.1:10" },
    { provider = "confluent", environment = "e", cluster = "c", url = "http://127.0.0.1:9" } } }]],
  script = [[
  local kelp = require "kelp"
  same(kelp.connect { url = "http://127.0.0.1:9" }.base_url, "http://127.0.0.1:9")
  same(kelp.connect { url = "http://127.0.0.1:9,http://127.0.0.1:10/" } ~= nil, true)
  same(kelp.connect { url = { "http://127.0.0.1:10", "http://127.0.0.1:9" } } ~= nil, true)
  for _, url in ipairs { "http://127.0.0.1:11", "http://127.0.0.1:9,http://127.0.0.1:11",
      "http://127.0.0.1:9/x", "http://127.0.0.1", "http://127.0.0.1:9@127.0.0.1:11" } do
    fails("", kelp.connect, { url = url })
  end
  fails("url = \"http://127.0.0.1:11\" } } would allow it", kelp.connect,
    { url = { "http://127.0.0.1:9", "http://127.0.0.1:11" } })
  fails("does not list this target", kelp.confluent, { environment = "e", cluster = "c" })
  print "done"
]], out = { "done" } })

row("target-by-name", {
  env = { CONFLUENT_ENVIRONMENT_ID = "env-sim", KAFKA_CLUSTER_ID = "lkc-sim" },
  manifest = [[return { targets = { "confluent" } }]], script = [[
  print(#require "kelp".target "confluent":list())
]], out = { "5" } })

-- ---- writing ----

local EVERY_WRITE = TARGETS .. [[
  local config = { ["connector.class"] = "S3_SINK", topics = "x" }
  for _, t in ipairs { confluent, upstash, kelp.target "connect" } do
    local c = t:list()[1]
    local calls = {
      create = { "new", config }, put = { "new", config },
      update = { c.name, { ["tasks.max"] = 2 } },
      restart = { c.name }, pause = { c.name }, resume = { c.name }, stop = { c.name },
      delete = { c.name }, alter_offsets = { c.name, {} }, reset_offsets = { c.name },
    }
    for verb, arguments in pairs(calls) do
      fails("forbidden", t[verb], t, table.unpack(arguments))
      if c[verb] then fails("forbidden", c[verb], c, table.unpack(arguments, 2)) end
      arguments[1] = c
      fails("forbidden", t[verb], t, table.unpack(arguments))
      -- Neither in a task nor in a coroutine.
      fails("forbidden", function() kelp.async(t[verb], t, table.unpack(arguments)):await() end)
      fails("forbidden", coroutine.wrap(function() t[verb](t, table.unpack(arguments)) end))
    end
    local report = kelp.each(t:list(), function(one) one:delete() end, { progress = false })
    same(report.done, 0)
  end
  print "done"
  return 0
]]
row("writes-without-manifest", { script = EVERY_WRITE, out = { "done" },
  err = { "has no manifest: it may read, and write nothing" } })
row("writes-not-in-verbs", { script = EVERY_WRITE, out = { "done" },
  manifest = "return { " .. LISTED .. " verbs = { 'list', 'get' } }" })
row("writes-other-names", { script = EVERY_WRITE, out = { "done" },
  manifest = "return { " .. LISTED .. [[ connectors = { "nobody-*" }, writes = 1000,
    verbs = { "create", "put", "update", "restart", "pause", "resume", "stop", "delete",
      "alter_offsets", "reset_offsets" } }]] })
row("writes-none-left", { out = { "done" }, manifest = "return { " .. LISTED .. [[
    connectors = { "*" }, writes = 0,
    verbs = { "create", "put", "update", "restart", "pause", "resume", "delete" } }]],
  script = TARGETS .. [[
  local config = { ["connector.class"] = "FileStreamSink", topics = "x", file = "/x" }
  for _, t in ipairs { confluent, upstash } do
    local c = t:list()[1]
    for _, verb in ipairs { "restart", "pause", "resume", "delete" } do
      fails("0 writes in all are used up", t[verb], t, c.name)
    end
    fails("0 writes in all are used up", t.create, t, "new", config)
    fails("0 writes in all are used up", t.put, t, "new", config)
  end
  fails("0 writes in all are used up", confluent.update, confluent, "orders-to-s3",
    { ["flush.size"] = 1 }, { keep_masked = true })
  print "done"
]] })

-- The positive control: what is allowed is done, and shown before.
row("writes-allowed", { manifest = "return { " .. LISTED .. [[
    verbs = { "restart", "update", "pause" }, connectors = { "orders-*" },
    writes = { total = 3, restart = 1 }, rate = 500 }]],
  script = TARGETS .. [[
  confluent:pause "orders-to-s3"
  confluent:update("orders-to-s3", { ["flush.size"] = 5000 }, { keep_masked = true })
  fails("nothing in connectors matches 'clicks-to-snowflake'", confluent.pause, confluent,
    "clicks-to-snowflake")
  fails("nothing in connectors matches 'my-orders-x'", confluent.pause, confluent, "my-orders-x")
  fails("\"delete\" is not in its verbs", confluent.delete, confluent, "orders-to-s3")
  -- put would make a connector, though update may use the same request
  fails("\"put\" is not in its verbs", confluent.put, confluent, "orders-new", { a = "b" })
  confluent:pause "orders-to-s3"
  fails("3 writes in all are used up", confluent.pause, confluent, "orders-to-s3")
  print "done"
]], out = { "done" }, effects = "pause orders-to-s3, put orders-to-s3, pause orders-to-s3",
  err = { "targets: confluent env-sim/lkc-sim, upstash 7568431c-88d5-4409-a808-2167f22a7133, "
      .. "connect",
    "writes: update, restart (at most 1), pause; at most 3 in all",
    "connectors that it may write: orders-*", "rate: at most 500 requests a second" } })

row("writes-per-verb", { manifest = "return { " .. LISTED .. [[ verbs = { "pause", "resume" },
    connectors = { "*" }, writes = { total = 100, pause = 2 } }]], script = TARGETS .. [[
  confluent:pause "orders-to-s3"
  confluent:pause "orders-to-s3"
  fails("{ pause = 2 } are used up", confluent.pause, confluent, "orders-to-s3")
  confluent:resume "orders-to-s3"
  print "done"
]], out = { "done" }, effects = "pause orders-to-s3, pause orders-to-s3, resume orders-to-s3" })

-- Where the provider addresses by id, what counts is the name that the provider gives it.
row("writes-by-id", { manifest = "return { " .. LISTED .. [[
    verbs = { "pause", "update", "delete" },
    connectors = { "catalog-mongo-source" }, writes = 9 }]], script = TARGETS .. [[
  local allowed, other
  for _, c in ipairs(upstash:list()) do
    if c.name == "catalog-mongo-source" then allowed = c else other = c end
  end
  local refused = "nothing in connectors matches '" .. other.name
  local id = allowed.id
  allowed.id = other.id -- a lie about the id
  for _, verb in ipairs { "pause", "delete" } do fails(refused, allowed[verb], allowed) end
  fails(refused, allowed.update, allowed, { ["tasks.max"] = 2 })
  fails(refused, other.pause, other)
  other.name = allowed.name -- and one about the name
  for _, verb in ipairs { "pause", "delete" } do fails(refused, other[verb], other) end
  allowed.id = "00000000-0000-0000-0000-000000000000"
  fails("no answer of the provider has named", allowed.pause, allowed)
  for _, forged in ipairs { {}, { label = "x", can = { address_by_id = false } } } do
    allowed.target = forged
    fails("", allowed.pause, allowed)
  end
  allowed.id, allowed.target = id, upstash
  allowed:pause()
  print "done"
]], out = { "done" }, effects = "pause catalog-mongo-source" })

row("writes-by-id-allowed", { manifest = "return { " .. LISTED .. [[ verbs = { "create", "pause" },
    connectors = { "mine-*" }, writes = 9 }]], script = TARGETS .. [[
  local config = { ["connector.class"] = "FileStreamSink", topics = "x", file = "/x" }
  local c = upstash:create("mine-1", config)
  c:pause()
  fails("nothing in connectors matches", upstash.create, upstash, "yours-1", config)
  print "done"
]], out = { "done" }, effects = "create mine-1, pause mine-1" })

-- One verb of the script may take several requests.
row("writes-of-several-requests", { manifest = "return { " .. LISTED .. [[
    verbs = { "create", "restart", "put" }, connectors = { "mine-*" }, writes = 9 }]],
  script = TARGETS .. [[
  local connect = kelp.target "connect"
  local config = { ["connector.class"] = "org.apache.kafka.connect.file.FileStreamSourceConnector",
    topic = "x", file = "/x", ["tasks.max"] = 1 }
  local c = connect:create("mine-1", config, { offsets = {
    { partition = { filename = "/x" }, offset = { position = 5 } } } })
  connect:create("mine-3", config, { state = "paused", offsets = {
    { partition = { filename = "/x" }, offset = { position = 5 } } } })
  c:restart { tasks = "all" }
  c:restart { tasks = 0 }
  upstash:put("mine-2", { ["connector.class"] = "FileStreamSink", topics = "x", file = "/x" })
  for _, verb in ipairs { "alter_offsets", "resume", "stop", "reset_offsets", "delete" } do
    fails("is not in its verbs", connect[verb], connect, "mine-1", {})
  end
  print "done"
]], out = { "done" }, effects = "create mine-1, alter_offsets mine-1, resume mine-1, "
  .. "create mine-3, alter_offsets mine-3, pause mine-3, restart mine-1, restart_task mine-1, "
  .. "create mine-2" })

row("names-that-are-objects", { manifest = "return { " .. LISTED .. [[ verbs = { "pause" },
    connectors = { "allowed" }, writes = 9 }]], script = TARGETS .. [[
  local n = 0
  local sly = setmetatable({}, {
    __index = function() n = n + 1 return n > 1 and "orders-to-s3" or "allowed" end,
    __tostring = function() return "allowed" end, __name = "kelp.connector" })
  fails("a connector's name expected", confluent.pause, confluent, sly)
  local c = confluent:get "orders-to-s3"
  fails("nothing in connectors matches 'orders-to-s3'", c.pause, c)
  c.name = "allowed"
  fails("not_found", c.pause, c)
  c.name = "allowed\0orders-to-s3"
  fails("", c.pause, c)
  c.name = "../orders-to-s3"
  fails("nothing in connectors matches", c.pause, c)
  print "done"
]], out = { "done" } })

row("rate", { manifest = "return { " .. LISTED .. " rate = 10 }", script = [[
  local kelp = require "kelp"
  local place = { environment = "env-sim", cluster = "lkc-sim", rate = 1000 }
  local a, b = kelp.confluent(place), kelp.confluent(place)
  for i = 1, 10 do a:list() b:list() end
  print "done"
]], options = { "--time-limit", "1.2" }, code = 1, err = { "the time limit has passed" } })

row("plan", { options = { "--plan" }, code = 3, manifest = "return { " .. LISTED
    .. [[ verbs = { "pause" }, connectors = { "orders-*" }, writes = 5 }]], script = TARGETS .. [[
  confluent:pause "orders-to-s3"
  fails("nothing in connectors matches", confluent.pause, confluent, "clicks-to-snowflake")
  fails("\"delete\" is not in its verbs", confluent.delete, confluent, "orders-to-s3")
]] })

-- A restricted run stays restricted when it is resumed.
row("resume", { manifest = "return { " .. LISTED .. [[ verbs = { "pause" }, connectors = { "*" },
    writes = 5 }]], code = 1, err = { "the end" }, effects = "pause orders-to-s3",
  script = TARGETS .. [[
  confluent:pause "orders-to-s3"
  error("the end " .. tostring(_G.os))
]], after = function(support, env, check)
    local again = support.kelp({ "--resume", "last" }, { env = env })
    check(again.code ~= 0 and again.err:find("was that of a restricted script", 1, true),
      "it was resumed as an ordinary script: %s", again.err)
    again = support.kelp({ "--restricted", "--resume", "last" }, { env = env })
    check(again.err:find("it may read, and write nothing", 1, true),
      "not restricted again: %s", again.err)
  end })

end
