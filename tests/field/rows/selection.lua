-- E: choosing and typing.
local Field = require "field"
local CANARY = Field.CANARY

local NAMED = [[connectors = { ["audit-s3-020"] = {}, ["audit-s3-021"] = {}, ["orders+x"] = {},
  ["orders"] = { state = "PAUSED" }, ["a.b"] = {}, ["a-b"] = {} }]]

local function names_of(t, r)
  t:exited(r, 0)
  local names = {}
  for i, c in ipairs(t:json("output", r.out) or {}) do names[i] = c.name end
  table.sort(names)
  return table.concat(names, " ")
end

local function list_names(glob, wanted)
  return function(t)
    t:worker(NAMED)
    t:equal("--name " .. glob, names_of(t, t:kelp { "--output", "json", "list", "connect", "--name", glob }),
      wanted)
    local r = t:lua(([[
local names = {}
for _, c in ipairs(connect():list { name = %q }) do names[#names + 1] = c.name end
table.sort(names)
print(table.concat(names, " "))]]):format(glob))
    t:equal("list{name}", r.out, wanted .. "\n")
  end
end

local function migrate_only(t)
  t:simulator()
  local r = t:kelp { "--output", "json", "--plan", "migrate", "--from", "upstash", "--to", "confluent",
    "--only", "catalog-mongo-source", "--set", "kafka.auth.mode=SERVICE_ACCOUNT",
    "--set", "kafka.service.account.id=sa-sim001" }
  t:has("output", r.out, "catalog-mongo-source")
  t:lacks("output", r.out, "customers-cdc")
end

local function undo_only(t)
  t:simulator()
  t:exited(t:lua [[
local target = confluent()
target:pause "orders-to-s3"
target:pause "inventory-cdc"]], 0)
  t:exited(t:kelp { "undo", "last", "--only", "orders-to-s3" }, 0)
  local state = t.sim:state().confluent["env-sim/lkc-sim"]
  t:check((state["orders-to-s3"].state or "RUNNING"):upper() == "RUNNING", "it was not undone: %s",
    state["orders-to-s3"].state)
  t:equal("the other", (state["inventory-cdc"].state or "RUNNING"):upper(), "PAUSED")
end

-- ---- bad selectors ----

local function bad_name(t)
  local s = t:worker(NAMED)
  local r = t:kelp { "list", "connect", "--name", "x[" }
  t:exited(r, 2)
  t:has("standard error", r.err, "x[")
  t:lacks("standard error", r.err, "HTTP")
  t:equal("requests", s:count(), 0)
end

local function bad_name_quote(t)
  t:worker(NAMED)
  local r = t:kelp { "list", "connect", "--name", "x['" }
  t:exited(r, 2)
  t:lacks("standard error", r.err, "builtin/")
end

local function bad_name_lua(t)
  local s = t:worker(NAMED)
  local r = t:lua [[print(try(function() return connect():list { name = "x[" } end))]]
  t:has("output", r.out, "x[")
  t:lacks("output", r.out, "protocol")
  t:lacks("output", r.out, "ok\n")
  t:equal("requests", s:count(), 0)
end

local function bad_only(command)
  return function(t)
    t:simulator()
    t:lua [[confluent():pause "orders-to-s3"]]
    local r = t:kelp(command)
    t:exited(r, 2)
    t:has("standard error", r.err, "x[")
  end
end

local STATES = { "running", "failed", "degraded", "paused", "stopped", "provisioning", "unassigned" }

local function bad_state(t)
  t:worker(NAMED)
  local r = t:kelp { "list", "connect", "--state", "faild" }
  t:exited(r, 2)
  t:has("standard error", r.err, "faild")
  for _, state in ipairs(STATES) do t:has("standard error", r.err, state) end
end

local function bad_state_lua(t)
  t:worker(NAMED)
  local r = t:lua [[
print(try(function() return connect():list { state = "faild" } end))
print(try(function() return connect():wait("orders", { state = "runing", timeout = 1 }) end))
print(try(function() return connect():list { type = "sinc" } end))]]
  t:matches("output", r.out, "^%a+\t[^\n]*faild[^\n]*failed[^\n]*\n%a+\t[^\n]*runing[^\n]*running[^\n]*"
    .. "\n%a+\t[^\n]*sinc[^\n]*sink")
end

local CLASSES = [[connectors = {
  one = { config = { ["connector.class"] = "org.apache.kafka.connect.file.FileStreamSourceConnector" } },
  two = { config = { ["connector.class"] = "org.apache.kafka.connect.file.FileStreamSinkConnector" } } }]]

local function class(text)
  return function(t)
    t:worker(CLASSES)
    t:equal("--class", names_of(t, t:kelp { "--output", "json", "list", "connect", "--class", text }), "one")
    local r = t:lua(([[for _, c in ipairs(connect():list { class = %q }) do print(c.name) end]]):format(text))
    t:equal("list{class}", r.out, "one\n")
  end
end

local function class_of_table(t)
  t:worker(CLASSES)
  local table_text = t:kelp { "list", "connect" }
  local shown = table_text.out:match "one%s+(%S+)"
  t:equal("--class " .. tostring(shown),
    names_of(t, t:kelp { "--output", "json", "list", "connect", "--class", shown or "?" }), "one")
end

local function bad_class(t)
  t:worker(CLASSES)
  local r = t:kelp { "list", "connect", "--class", "FileStreamSorce" }
  t:check(r.code ~= 0, "exit 0")
  t:has("standard error", r.err, "FileStreamSourceConnector")
end

-- ---- shapes ----

local function shape(call, ...)
  local parts = { ... }
  return function(t)
    local s = t:worker(NAMED)
    local r = t:lua(("local target = connect()\nprint(try(function() return %s end))"):format(call))
    t:lacks("output", r.out, "a string, not a string")
    t:lacks("output", r.out, "ok\n")
    for _, part in ipairs(parts) do t:has("output", r.out, part) end
    t:equal("writes sent", #s:writes(), 0)
  end
end

local function whole_file(verb)
  return function(t)
    local s = t:worker(NAMED)
    local r = t:lua(([[
print(try(function() return connect():%s("new", { name = "new",
  config = { ["connector.class"] = "org.example.SinkConnector", topics = "a" } }) end))]]):format(verb))
    if r.out:find "^ok" then
      local sent = s:writes()[1]
      t:has("what was sent", sent and sent.body or "", '"topics":"a"')
      t:lacks("what was sent", (sent and sent.body or ""):gsub('^{"name":"new","config":', ""), '"config"')
    else
      t:has("output", r.out, "config")
      t:has("output", r.out, "name")
      t:lacks("output", r.out, "is a table, not a string")
      t:matches("output", r.out, "file")
    end
  end
end

local function dot(call, hint)
  return function(t)
    t:worker(NAMED)
    local r = t:lua(([[
local p = connect()
local c = p:get "orders"
print(try(function() return %s end))]]):format(call))
    t:lacks("output", r.out, "rawget")
    t:has("output", r.out, hint)
  end
end

-- ---- did you mean ----

local function meant(script, wrong, right)
  return function(t)
    t:worker(NAMED)
    local r = t:lua(("local target = connect()\nprint(try(function() return %s end))"):format(script))
    t:has("output", r.out, wrong)
    t:matches("output", r.out:lower(), "did you mean[^\n]*" .. right:gsub("%p", "%%%0"))
  end
end

local function meant_command(words, right)
  return function(t)
    t:worker(NAMED)
    t:targets(("return { prod = { provider = 'connect', url = %q } }"):format(t.url))
    local r = t:kelp(words)
    t:check(r.code ~= 0, "exit 0")
    t:matches("standard error", r.err:lower(), "did you mean[^\n]*" .. right:gsub("%p", "%%%0"))
  end
end

local function unknown_key(t)
  t:simulator()
  local r = t:lua([[connect():update("audit-file-sink", { topcs = "b" })]], { options = { "--plan" } })
  t:exited(r, 3)
  t:has("the plan", r.out, "topcs")
  t:matches("output", (r.out .. r.err):lower(), "topcs[^\n]*[\n]?[^\n]*did you mean[^\n]*topics")
end

local function known_key(t)
  t:simulator()
  local r = t:lua([[connect():update("audit-file-sink", { topics = "b" })]], { options = { "--plan" } })
  t:exited(r, 3)
  t:lacks("output", (r.out .. r.err):lower(), "did you mean")
  t:lacks("output", (r.out .. r.err):lower(), "not define")
end

-- ---- ends of pipes ----

local MANY = [[connectors = (function() local all = {}
  for i = 1, 3000 do all[("c-%04d"):format(i)] = {} end return all end)()]]

-- More than a pipe holds, so that the program has to see its end.
local function pipe(text, recorded)
  return function(t)
    t:worker(MANY)
    if recorded then
      t:exited(t:lua [[
local target, names = connect(), {}
for i = 1, 1500 do names[i] = ("c-%04d"):format(i) end
kelp.each(names, function(name) target:pause(name) end, { progress = false })]], 0)
    end
    local r = t:shell(text)
    t:check(#r.out > 0, "nothing came through the pipe")
    t:equal("standard error", r.err, "")
  end
end

-- ---- options on either side ----

local function option_place(words, wanted)
  return function(t)
    t:worker(NAMED)
    t:targets(("return { prod = { provider = 'connect', url = %q } }"):format(t.url))
    t:lua [[connect():pause "a-b"]]
    local r = t:kelp(words)
    t:exited(r, 0)
    local value = t:json("output", r.out)
    t:check(value and #value >= wanted, "only %s", value and #value)
  end
end

-- ---- records ----

local function encode(t)
  t:worker(([[connectors = { orders = { tasks = { "RUNNING", "RUNNING" },
    config = { topics = "a", ["database.password"] = %q } } }]]):format(CANARY))
  local r = t:lua [[print(kelp.json.encode(connect():get "orders"))]]
  t:exited(r, 0)
  local c = t:json("output", r.out) or {}
  t:equal("name", c.name, "orders")
  t:equal("state", c.state, "running")
  t:equal("tasks", c.tasks and #c.tasks, 2)
  t:equal("topics", c.config and c.config.topics, "a")
  t:lacks("output", r.out, CANARY)
end

local function encode_list(t)
  t:worker(NAMED)
  local r = t:lua [[print(kelp.json.encode(connect():list()))]]
  t:exited(r, 0)
  local list = t:json("output", r.out)
  t:equal("records", list and #list, 6)
end

local function can(open)
  return function(t)
    t:simulator()
    local r = t:lua(([[
local target = %s
for _, verb in ipairs { "list", "get", "create", "update", "put", "delete", "pause", "resume", "restart",
                        "wait" } do
  if target.can[verb] ~= true then print("can." .. verb, target.can[verb]) end
end
local count = 0
for verb in pairs(target.can) do
  count = count + 1
  if type(target[verb]) ~= "function" then print("no verb", verb) end
end
print("verbs", count)]]):format(open))
    t:exited(r, 0)
    t:lacks("output", r.out, "can.")
    t:lacks("output", r.out, "no verb")
    t:check(tonumber(r.out:match "verbs\t(%d+)" or 0) >= 10, "the verbs cannot be listed")
  end
end

-- What `can` denies is unsupported, and sends nothing.
local function can_truly(t)
  local s = t:in_front()
  local r = t:lua [[
local target = upstash()
print(target.can.stop, (try(target.stop, target, "events-to-s3")))
print(target.can.update, (try(target.update, target, "events-to-s3", { ["aws.s3.region"] = "x" })))]]
  t:has("output", r.out, "false\tunsupported\n")
  t:has("output", r.out, "true\tok\n")
  t:equal("writes sent", #s:writes(), 1)
end

local TRACES = [[connectors = (function() local all = {}
  local trace = "org.apache.kafka.connect.errors.ConnectException: Exiting WorkerSinkTask due to "
    .. "unrecoverable exception.\n\tat org.example.Frame.call(Frame.java:1)\n"
    .. "Caused by: java.net.ConnectException: Connection refused by db.shop.example\n"
    .. ("\tat org.example.Frame.call(Frame.java:1)\n"):rep(24000)
  for i = 1, 5000 do all[("c-%04d"):format(i)] = i <= 40
    and { tasks = { "FAILED" }, traces = { trace } } or {} end return all end)()]]

local function traces(t)
  t:worker(TRACES)
  local r = t:kelp({ "list", "connect" }, { seconds = 8 })
  t:exited(r, 0)
  t:matches("the table", r.out, "c%-0040[^\n]*Connection refused by db%.shop%.example")
  t:lacks("the table", r.out, "java.net")
  local longest = 0
  for line in r.out:gmatch "[^\n]+" do longest = math.max(longest, #line) end
  t:check(longest < 400, "a line of %d bytes", longest)
  -- Reading 40 MB from the row's server takes its time as well.
  t:check(r.seconds < 4, "it took %.1f s", r.seconds)
end

local function show_table(t)
  local r = t:lua([[
local trace = "java.lang.IllegalStateException: first\nCaused by: java.io.IOException: no space\n"
  .. ("\tat org.example.Frame.call(Frame.java:1)\n"):rep(24000)
local rows = {}
for i = 1, 5000 do rows[i] = { name = "c-" .. i, state = "failed", error = trace } end
local start = os.clock()
local text = kelp.show.table(rows, { "name", "state", "error" })
print(os.clock() - start, #text)]], { seconds = 8 })
  t:exited(r, 0)
  local seconds, size = r.out:match "^(%S+)\t(%d+)"
  t:check(seconds and tonumber(seconds) < 1.5, "it took %s s", seconds)
  t:check(size and tonumber(size) < 5000 * 400, "%s bytes", size)
end

local function unset(text, variable)
  return function(t)
    t:worker(NAMED)
    t:targets(text)
    local r = t:kelp { "list", "prod" }
    t:check(r.code == 1 or r.code == 2, "exit %d", r.code)
    for _, part in ipairs { "targets.lua", "prod", variable } do t:has("standard error", r.err, part) end
    local _, lines = r.err:gsub("\n", "")
    t:equal("lines", lines, 1)
  end
end

return {
  { id = "E1a", title = "an exact name with hyphens", run = list_names("audit-s3-020", "audit-s3-020") },
  { id = "E1b", title = "a glob", run = list_names("audit-*", "audit-s3-020 audit-s3-021") },
  { id = "E1c", title = "a plain name is whole", run = list_names("orders", "orders") },
  { id = "E1d", title = "a dot is a dot", run = list_names("a.b", "a.b") },
  { id = "E1e", title = "? and [a-z]", run = list_names("audit-s[0-9]-02?", "audit-s3-020 audit-s3-021") },
  { id = "E1f", title = "a plus is a plus", run = list_names("orders+x", "orders+x") },
  { id = "E1g", title = "migrate --only with the exact name", run = migrate_only },
  { id = "E1h", title = "undo --only with the exact name", run = undo_only },
  { id = "E2a", title = "--name 'x['", run = bad_name },
  { id = "E2b", title = "--name \"x['\"", run = bad_name_quote },
  { id = "E2c", title = "list{name = 'x['}", run = bad_name_lua },
  { id = "E2d", title = "undo --only 'x['", run = bad_only { "undo", "last", "--only", "x[" } },
  { id = "E2e", title = "migrate --only 'x['",
    run = bad_only { "migrate", "--from", "upstash", "--to", "confluent", "--only", "x[" } },
  { id = "E3a", title = "--state faild", run = bad_state },
  { id = "E3b", title = "states and types in Lua", run = bad_state_lua },
  { id = "E3c", title = "a class by its last part", run = class "FileStreamSourceConnector" },
  { id = "E3d", title = "a class in full",
    run = class "org.apache.kafka.connect.file.FileStreamSourceConnector" },
  { id = "E3e", title = "a class as the table prints it", run = class_of_table },
  { id = "E3f", title = "a class that does not exist", run = bad_class },
  { id = "E4a", title = "update with a list", run = shape('target:update("orders", { "x" })', "key") },
  { id = "E4b", title = "put with a list", run = shape('target:put("orders", { "x" })', "key") },
  { id = "E4c", title = "create with a {name, config} file", run = whole_file "create" },
  { id = "E4d", title = "put with a {name, config} file", run = whole_file "put" },
  { id = "E5a", title = "c.restart()", run = dot("c.restart()", ":restart(") },
  { id = "E5b", title = "p.list()", run = dot("p.list()", ":list(") },
  { id = "E5c", title = "p.get 'orders'", run = dot("p.get 'orders'", ":get(") },
  { id = "E5d", title = "p.list{state=…}", run = dot("p.list { state = 'failed' }", ":list(") },
  { id = "E6a", title = "a misspelt connector", run = meant('target:get "audit-s3-02O"', "audit-s3-02O",
    "audit-s3-02") },
  { id = "E6b", title = "a misspelt option of a target", run = meant('connect { tiemout = 5 }', "tiemout",
    "timeout") },
  { id = "E6c", title = "a misspelt field of a filter", run = meant('target:list { stat = "failed" }', "stat",
    "state") },
  { id = "E6d", title = "a misspelt verb", run = meant('target:restrat "orders"', "restrat", "restart") },
  { id = "E6e", title = "a misspelt option of a verb", run = meant('target:wait("orders", { tiemout = 1 })',
    "tiemout", "timeout") },
  { id = "E6f", title = "a misspelt command", run = meant_command({ "lst", "connect" }, "list") },
  { id = "E6g", title = "a misspelt target", run = meant_command({ "list", "prd" }, "prod") },
  { id = "E6h", title = "a misspelt option of the program",
    run = meant_command({ "--outptu", "json", "list", "connect" }, "output") },
  { id = "E6i", title = "a misspelt option of a command",
    run = meant_command({ "list", "connect", "--stat", "failed" }, "state") },
  { id = "E6j", title = "a config key that the plugin does not define", run = unknown_key },
  { id = "E6k", title = "a config key that it defines", run = known_key },
  { id = "E6l", title = "a misspelt connector of a write", run = meant('target:pause "audit-s3-02O"',
    "audit-s3-02O", "audit-s3-02") },
  { id = "E7a", title = "list | head", run = pipe [["$KELP" list connect | head -n 1]] },
  { id = "E7b", title = "list --output json | head", run = pipe [["$KELP" --output json list connect | head -c 10]] },
  { id = "E7c", title = "runs show | head", run = pipe([["$KELP" runs show last | head -n 1]], true) },
  { id = "E8a", title = "list --output json TARGET",
    run = option_place({ "list", "--output", "json", "prod" }, 6) },
  { id = "E8b", title = "list TARGET --output json",
    run = option_place({ "list", "prod", "--output", "json" }, 6) },
  { id = "E8c", title = "runs --output json", run = option_place({ "runs", "--output", "json" }, 1) },
  { id = "E9a", title = "a connector as JSON", run = encode },
  { id = "E9b", title = "a list as JSON", run = encode_list },
  { id = "E10a", title = "can: Confluent Cloud", run = can "confluent()" },
  { id = "E10b", title = "can: Kafka Connect", run = can "connect()" },
  { id = "E10c", title = "can: Upstash", run = can "upstash()" },
  { id = "E10d", title = "can tells the truth", run = can_truly },
  { id = "E11a", title = "5,000 rows, traces of 1 MB", run = traces },
  { id = "E11b", title = "kelp.show.table of 5,000 rows", run = show_table },
  { id = "E12a", title = "an unset env in the targets file", run = unset(
    [[return { prod = { provider = "confluent", environment = "e", cluster = "c",
      api_key = env "UNSET_ONE", api_secret = env "UNSET_ONE" } }]], "UNSET_ONE") },
  { id = "E12b", title = "a file that is not there in the targets file", run = unset(
    [[return { prod = { provider = "confluent", environment = "e", cluster = "c",
      api_key = "NOTAREALKEY00002", api_secret = file "/no/such/file" } }]], "/no/such/file") },
}
