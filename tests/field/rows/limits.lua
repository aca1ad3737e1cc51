-- F: limits and the machine.
local Field = require "field"

local function many(count)
  return ([[connectors = (function() local all = {}
    for i = 1, %d do all[("c-%%02d"):format(i)] = { config = { topics = "a" } } end
    return all end)()]]):format(count)
end

-- ---- places ----

-- One script, resumed with the other place: what was done in one is not done in the other.
local function places(t)
  local s = t:worker("confluent = true, " .. many(1))
  local file = t:file [[
local which = os.getenv "WHICH" == "1"
local target = kelp.confluent(with { environment = which and "e/1" or "e", cluster = which and "c" or "1/c" })
print(try(target.restart, target, "c-01"))
if which then error "stop" end]]
  t:exited(t:kelp({ file }, { env = { WHICH = "1" } }), 1)
  local r = t:kelp({ "--resume", "last" }, { env = { WHICH = "2" } })
  t:has("output", r.out, "ok\n")
  t:equal("restarts at the first place", s:count "POST environments/e%%2F1/clusters/c/", 1)
  t:equal("restarts at the second place", s:count "POST environments/e/clusters/1%%2Fc/", 1)
end

-- The same in one run, under one key of the script's own.
local function places_of_one_run(t)
  local s = t:worker("confluent = true, " .. many(1))
  local r = t:lua [[
local one = kelp.confluent(with { environment = "e/1", cluster = "c" })
local two = kelp.confluent(with { environment = "e", cluster = "1/c" })
print(try(one.restart, one, "c-01", { key = "k" }))
print(try(two.restart, two, "c-01", { key = "k" }))]]
  t:has("output", r.out, "ok\nok\n")
  t:equal("restarts", #s:writes(), 2)
end

-- ---- one budget ----

-- `write` has no good answer, and is never done: `how` is what becomes of it.
local LOST = "{ drop = true }"
local FAILED = [[{ status = 503, body = '{"error_code":503,"message":"later"}' }]]
-- Three times not done, and said so; then lost.
local REBALANCE = [[{ drop = times "w" % 4 == 0, status = 409, body = json.encode { error_code = 409,
  message = "Cannot complete request because of a conflicting operation (e.g. worker rebalance)" } }]]
local CUT = [[{ status = 200, body = '{"name":"c-0' }]]

local function budget(write, call, how)
  return function(t)
    local s = t:worker("version = '3.0.0', " .. many(2), ([[
if r.method == %q then return %s end]]):format(write, how or LOST))
    local r = t:lua(([[
local target = connect { attempts = 4, circuit = 1000 }
print(try(function() return %s end))]]):format(call), { seconds = 8 })
    t:lacks("output", r.out, "ok\n")
    local sent = s:count(write .. " .")
    t:check(sent >= 2 and sent <= 4, "it was sent %d times", sent)
  end
end

local function deadline(t)
  local s = t:worker("version = '3.0.0', " .. many(2), [[
if r.method == "PUT" then return { drop = true, delay = 0.3 } end]])
  local r = t:lua [[
local target = connect { attempts = 20, circuit = 1000, deadline = 1.5 }
print(try(function() return target:update("c-01", { topics = "b" }) end))]]
  t:lacks("output", r.out, "ok\n")
  t:check(r.seconds < 3.5, "it took %.1f s", r.seconds)
  t:check(s:count "PUT ." >= 2, "it was not sent again")
end

-- ---- the journal's first moment ----

local function early(content)
  return function(t)
    t:worker(many(2))
    local file = t:file [[
connect():pause "c-01"
error "stop"]]
    t:exited(t:kelp { file }, 1)
    local folder = t.state .. "/kelp/runs"
    local path = t.support.write(folder .. "/29991231-235959-000aa.db", content)
    assert(os.execute("chmod 600 " .. Field.quote(path)))
    local r = t:kelp { "--resume", "last" }
    t:lacks("standard error", r.err, "not a journal")
    t:has("standard error", r.err, "stop")
    local list = t:kelp { "--output", "json", "runs" }
    t:exited(list, 0)
    local runs = t:json("runs", list.out)
    t:equal("runs", runs and #runs, 1)
  end
end

-- Killed in the first milliseconds, at many moments: what is there then stops nothing.
local function killed_early(t)
  t:worker(many(2))
  local file = t:file [[
connect():pause "c-01"
error "stop"]]
  t:exited(t:kelp { file }, 1)
  t:shell([[
i=0
while [ $i -lt 40 ]; do
    timeout -s KILL 0.00$((i % 10)) "$KELP" "$1" >/dev/null 2>&1
    i=$((i + 1))
done]], { file })
  local r = t:kelp { "--resume", "last" }
  t:lacks("standard error", r.err, "not a journal")
  t:has("standard error", r.err, "stop")
end

-- ---- restricted ----

-- As below, and the script's own handlers and coroutines get in the way.
local function restricted_wrapped(t)
  local path = t.support.write(t.support.path "script.lua", [[
local function eat() local all = {} for i = 1, 1e9 do all[i] = ("x"):rep(1000) .. i end end
while true do
  local co = coroutine.wrap(function() xpcall(eat, eat) end)
  pcall(co)
end]])
  local r = t:kelp { "--restricted", "--memory-limit", "16", "--time-limit", "2", path }
  t:check(r.how == "exit" and r.code ~= 0 and r.code < 128, "it ended by %s %d", r.how, r.code)
  t:lacks("standard error", r.err, "unprotected")
end

local function restricted_loop(t)
  local path = t.support.write(t.support.path "script.lua", [[
while true do
  pcall(function()
    local all = {}
    for i = 1, 1e9 do all[i] = ("x"):rep(1000) .. i end
  end)
end]])
  local r = t:kelp { "--restricted", "--memory-limit", "16", "--time-limit", "2", path }
  t:check(r.how == "exit" and r.code ~= 0 and r.code < 128, "it ended by %s %d", r.how, r.code)
  t:lacks("standard error", r.err, "unprotected")
  t:check(r.seconds < 8, "it took %.1f s", r.seconds)
end

-- The memory stays full, so that there is none for the error at the end either. Where it ends is
-- chance: several runs.
local FULL = [[
local keep = {}
while true do
  local co = coroutine.create(function()
    for i = #keep + 1, 1e9 do keep[i] = coroutine.create(print) end
  end)
  coroutine.resume(co)
  pcall(coroutine.close, co)
end]]

local function restricted_full(t)
  local path = t.support.write(t.support.path "script.lua", FULL)
  for _ = 1, 14 do
    local r = t:kelp { "--restricted", "--memory-limit", "16", "--time-limit", "0.5", path }
    t:check(r.how == "exit" and r.code ~= 0 and r.code < 128, "it ended by %s %d", r.how, r.code)
    t:lacks("standard error", r.err, "unprotected")
    if #t.complaints > 0 then break end
  end
end

local function read_only(field)
  return function(t)
    t:worker(many(1))
    local path = t.support.write(t.support.path "script.lua", ([[
local target = require "kelp".target "prod"
local before = target.can.%s
print(pcall(function() target.can.%s = not before end))
print(target.can.%s == before)]]):format(field, field, field))
    t:targets(("return { prod = { provider = 'connect', url = %q } }"):format(t.url))
    local manifest = t.support.write(t.support.path "manifest.lua", [[return { targets = { "prod" } }]])
    local r = t:kelp { "--restricted", "--manifest", manifest, path }
    t:exited(r, 0)
    t:matches("output", r.out, "^false\t[^\n]*\ntrue\n$")
  end
end

-- ---- tasks without end ----

local COUNTED = [[
local count = 0
local function counted() count = count + 1; if count == 5000 then io.stderr:write "many\n" end end
]]
local STARTS_TWO = COUNTED .. [[
local function f() counted(); kelp.async(f); kelp.async(f) end
f()]]
local TAKES_NO_NOTICE = COUNTED .. [[
local function f() while true do pcall(kelp.sleep, 0.01); counted(); kelp.async(f) end end
f()]]
local LOOP = COUNTED .. [[
while true do counted(); kelp.async(function() kelp.sleep(1000) end) end]]

local function endless(signal, text)
  return function(t)
    local b = t:start { t:file(text) }
    t:check(b:await "many", "it did not begin")
    local start = t.now()
    b:signal(signal)
    local ended = b:ends(5)
    t:check(ended and t.now() - start < 2, "it did not end within a second: %.1f s", t.now() - start)
    local r = b:wait(0)
    if ended then t:exited(r, 130) end
  end
end

-- ---- --sim and the log ----

-- With KELP_FIELD_TSAN, a program that was built with ThreadSanitizer; else what can be seen without:
-- each line of the log is whole.
local function two_threads(t)
  local program = os.getenv "KELP_FIELD_TSAN"
  local r = t:shell(([["%s" --sim --log trace --log-format json "$1"]]):format(program or "$KELP"),
    { t:file [[
local target = kelp.confluent { environment = "env-sim", cluster = "lkc-sim" }
local secret = kelp.secret "FIELD_SECRET"
kelp.each(function() end, print)
local names = {}
for i = 1, 200 do names[i] = i end
kelp.each(names, function() target:list() end, { progress = false })]] })
  t:exited(r, 0)
  t:lacks("standard error", r.err, "data race")
  local count = 0
  for line in r.err:gmatch "[^\n]+" do
    count = count + 1
    if not t:json("a line of the log", line) then break end
  end
  t:check(count >= 200, "only %d lines", count)
end

-- ---- a worker's own limits, in a fast time ----

local FAST = { LD_PRELOAD = Field.library "fast" }

-- 95 s for one request.
local function slow_answer(t)
  local s = t:worker(many(1), [[if r.method == "PUT" then return { status = 202, delay = 1.9 } end]])
  local r = t:lua([[print(try(function() return kelp.connect { url = os.getenv "KAFKA_CONNECT_URL" }:pause "c-01" end))]],
    { env = FAST })
  t:has("output", r.out, "ok\n")
  t:equal("requests", #s:writes(), 1)
end

-- 306 s until the workers have agreed.
local function slow_start(t)
  t:worker(many(1), [[
if r.path:find "status" or r.query:find "expand" then
  local file = io.open "/proc/uptime"
  local now = file:read "n"
  file:close()
  first = first or now
  w.connectors["c-01"].state = now - first < 6.12 and "UNASSIGNED" or "RUNNING"
  w.connectors["c-01"].tasks = now - first < 6.12 and { "UNASSIGNED" } or { "RUNNING" }
end]])
  local r = t:lua([[print(try(function() return kelp.connect { url = os.getenv "KAFKA_CONNECT_URL" }:wait "c-01" end))]],
    { env = FAST })
  t:has("output", r.out, "ok\n")
  t:check(r.seconds > 6, "it took only %.1f s", r.seconds)
end

-- ---- garbage ----

local function garbage(provider, pattern, method, call, body)
  return function(t)
    local s = t:worker((provider == "confluent" and "confluent = true, " or "") .. many(1), ([[
if r.method == %q and r.path:find %q and times "x" == 1 then
  return { status = 200, body = %q }
end]]):format(method, pattern, body or "\1\2 not JSON"))
    local r = t:lua(("local target = %s()\nprint(try(%s))"):format(provider, call))
    t:has("output", r.out, "ok\n")
    -- A list has a query.
    t:check(s:count(method .. " " .. pattern:gsub("%$$", "%%f[?\0]")) >= 2, "it was not sent again")
  end
end

-- ---- a lost answer to a change of a secret ----

local CHANGED = [[connectors = { orders = { config = { ["flush.size"] = "1",
  ["database.password"] = "old-one-of-the-row" } } }]]

-- `done`: whether the worker did it, before the answer was lost.
local function lost_put(options, done, call, wanted)
  return function(t)
    local s = t:worker(options .. CHANGED, ([[
if r.method == "PUT" and times "put" == 1 then
  if %s then serve(r) end
  return { drop = true }
end]]):format(tostring(done)))
    local target = options:find "confluent" and "confluent" or "connect"
    local r = t:lua(("local target = %s()\nprint(try(function() return %s end))"):format(target, call))
    t:has("output", r.out, "ok\n")
    t:equal("PUTs", s:count "PUT /config$", wanted)
    local puts = s:requests "PUT /config$"
    t:has("the last PUT", puts[#puts] and puts[#puts].body or "", Field.CANARY)
  end
end

local UPDATE = [[target:update("orders", { ["database.password"] = kelp.secret "FIELD_SECRET" })]]
local UPDATE_BOTH = [[target:update("orders", { ["flush.size"] = 2,
  ["database.password"] = kelp.secret "FIELD_SECRET" })]]
local PUT = [[target:put("orders", { ["connector.class"] = "org.example.SinkConnector", ["flush.size"] = 1,
  ["database.password"] = kelp.secret "FIELD_SECRET" })]]
local OLD = 'version = "3.0.0", '
local MASKED = 'confluent = true, masked = { "database.password" }, '

-- ---- Retry-After ----

local function limited(value)
  return ([[if r.method ~= "GET" then
  return { status = 429, headers = { "Retry-After: %s" }, body = '{"error_code":429,"message":"slow down"}' }
end]]):format(value)
end

local CLOCK = "%f[%d]%d%d:%d%d%f[%D]"

local function told(t)
  t:worker(many(5), limited "3600")
  local r = t:lua [[connect():pause "c-01"]]
  t:exited(r, 1)
  t:matches("standard error", r.err, CLOCK)
  t:check(r.seconds < 5, "it took %.1f s", r.seconds)
end

local function told_in_report(t)
  t:worker(many(5), limited "3600")
  local r = t:lua([[
local target = connect()
print(kelp.each(target:list(), function(c) c:pause() end, { progress = false }))]], { seconds = 6 })
  t:matches("the report", r.out, CLOCK)
end

-- Only one request within two and a half seconds; `ends`: and the job is over by then.
local function hint(value, ends)
  return function(t)
    local s = t:worker(many(1), limited(value))
    local b = t:start { t:file [[connect():pause "c-01"]] }
    t:until_true("a request has come", function() return #s:writes() >= 1 end)
    local ended = b:ends(2.5)
    t:equal("requests", #s:writes(), 1)
    if ends then t:check(ended, "it waits") end
    local r = b:wait(0)
    if ended then t:exited(r, 1) end
  end
end

-- Not longer than the limit: obeyed.
local function short_hint(t)
  local s = t:worker(many(1), [[
if r.method ~= "GET" and times "x" == 1 then
  return { status = 429, headers = { "Retry-After: 2" }, body = '{"error_code":429,"message":"slow down"}' }
end]])
  local r = t:lua [[print(try(function() return connect():pause "c-01" end))]]
  t:has("output", r.out, "ok\n")
  local sent = s:writes()
  t:check(#sent == 2 and sent[2].at - sent[1].at >= 1.9, "it was asked again too early")
end

-- ---- what a terminal would obey ----

local HOSTILE = { ["\27"] = "ESC", ["\7"] = "BEL", ["\u{9b}"] = "C1", ["\u{202e}"] = "U+202E",
                  ["\u{2066}"] = "U+2066", ["\u{200f}"] = "U+200F" }

local function hostile(t)
  local all = {}
  for bytes in pairs(HOSTILE) do all[#all + 1] = bytes .. "x" end
  local text = table.concat(all)
  t:worker(([[connectors = { orders = { tasks = { "FAILED" }, traces = { %q }, state = "FAILED", trace = %q,
    config = { topics = %q } } }]]):format(text, text, text),
    ([[if r.method == "PUT" then return { status = 400, body = json.encode { error_code = 400, message = %q } } end]])
      :format(text))
  local r = t:lua [[
local c = connect():get "orders"
print(c)
print(kelp.show.value(c))
print(kelp.show.table({ c }, { "name", "error" }))
print(try(c.pause, c))
print(kelp.each({ c }, function() c:pause() end, { progress = false }))
c:pause()]]
  local list = t:kelp { "list", "connect" }
  local plan = t:lua([[connect():update("orders", { topics = "b" })]], { options = { "--plan" } })
  for what, shown in pairs { r.out, r.err, list.out, plan.out } do
    t:check(#shown > 20, "text %d is empty", what)
  end
  for bytes, name in pairs(HOSTILE) do
    for what, shown in pairs { ["standard output"] = r.out, ["standard error"] = r.err,
                               ["the list"] = list.out, ["the plan"] = plan.out } do
      t:check(not shown:find(bytes, 1, true), "%s holds %s", what, name)
    end
  end
end

local function zero(t)
  t:worker [[connectors = { ["a\0b-end"] = {} }]]
  local list = t:kelp { "list", "connect" }
  t:has("the list", list.out, "b-end")
  t:lacks("the list", list.out, "\0")
  local r = t:lua [[
local c = connect():list()[1]
print(c)
print(kelp.show.value(c))
print(#c.name)]]
  local _, count = r.out:gsub("b%-end", "")
  t:check(count >= 2, "the name is cut")
  t:lacks("output", r.out, "\0")
  t:matches("output", r.out, "\n7\n$")
end

-- ---- the machine ----

local function file_limit(t)
  local s = t:worker(many(60))
  local r = t:shell([[ulimit -f 8; exec "$KELP" "$1"]], { t:file [[
local target = connect()
for i = 1, 60 do target:pause(("c-%02d"):format(i)) end]] })
  t:exited(r, 1)
  t:has("standard error", r.err, "journal")
  t:check(#s:writes() < 60, "it all was sent, and recorded in a file that cannot hold it")
end

local function output_closed(how)
  return function(t)
    local r = t:shell(how)
    t:exited(r, 1)
    t:check(#r.err > 0, "it does not say why")
  end
end

local function open_folder(mode)
  return function(t)
    local s = t:worker(many(1))
    t.support.make_folder(t.state .. "/kelp")
    assert(os.execute(("chmod %s %s"):format(mode, Field.quote(t.state .. "/kelp"))))
    local r = t:lua [[connect():pause "c-01"]]
    t:exited(r, 1)
    t:has("standard error", r.err, "/kelp")
    t:equal("writes sent", #s:writes(), 0)
  end
end

local function bad_tostring(t)
  local r = t:lua [[
local report = kelp.each({ 1, 2 }, function(i)
  if i == 1 then error(setmetatable({}, { __tostring = function() error "no text" end }), 0) end
  error "plain"
end, { progress = false })
print(report)
print "after"]]
  t:has("output", r.out, "2 failed")
  t:has("output", r.out, "plain")
  t:has("output", r.out, "after\n")
end

local function bad_tostring_kind(t)
  local r = t:lua [[
local report = kelp.each({ 1 }, function()
  error(setmetatable({}, { __tostring = function() return 5 end, __name = {} }), 0)
end, { progress = false })
print(report)
print "after"]]
  t:has("output", r.out, "1 failed")
  t:has("output", r.out, "after\n")
end

local function byte_order_mark(t)
  t:worker(many(1))
  t:targets(("\u{feff}return { prod = { provider = 'connect', url = %q } }"):format(t.url))
  local r = t:kelp { "--output", "json", "list", "prod" }
  t:exited(r, 0)
  local list = t:json("output", r.out)
  t:equal("connectors", list and #list, 1)
end

-- A pattern match that does not end.
local LONG = [[
io.stderr:write "begun\n"
local text = ("a"):rep(40)
text:find(("a*"):rep(40) .. "b")]]

local function long_call(t)
  local b = t:start { t:file(LONG) }
  local _, from = b:await "begun\n"
  b:signal "INT"
  t:check(b:await("%a", from), "the first Ctrl-C says nothing")
  t:check(b:running(), "the first one ended it")
  b:signal "INT"
  t:check(b:ends(1.5), "the second Ctrl-C does not end it")
  b:wait(0)
end

local rows = {
  { id = "F1a", title = "two places that are written alike: resumed", run = places },
  { id = "F1b", title = "two places that are written alike: one run", run = places_of_one_run },
  { id = "F2a", title = "one budget: create", run = budget("POST",
    [[target:create("new", { ["connector.class"] = "org.example.SinkConnector", topics = "a" })]]) },
  { id = "F2b", title = "one budget: update", run = budget("PUT", [[target:update("c-01", { topics = "b" })]]) },
  { id = "F2c", title = "one budget: put", run = budget("PUT",
    [[target:put("c-01", { ["connector.class"] = "org.example.SinkConnector", topics = "b" })]]) },
  { id = "F2d", title = "one budget: delete", run = budget("DELETE", [[target:delete "c-01"]]) },
  { id = "F2f", title = "one budget: create, 503", run = budget("POST",
    [[target:create("new", { ["connector.class"] = "org.example.SinkConnector", topics = "a" })]], FAILED) },
  { id = "F2g", title = "one budget: update, 503", run = budget("PUT",
    [[target:update("c-01", { topics = "b" })]], FAILED) },
  { id = "F2h", title = "one budget: delete, 503", run = budget("DELETE", [[target:delete "c-01"]], FAILED) },
  { id = "F2i", title = "one budget: update, cut off", run = budget("PUT",
    [[target:update("c-01", { topics = "b" })]], CUT) },
  { id = "F2j", title = "one budget: restart, 503", run = budget("POST", [[target:restart "c-01"]], FAILED) },
  { id = "F2k", title = "one budget: create, rebalances and lost answers", run = budget("POST",
    [[target:create("new", { ["connector.class"] = "org.example.SinkConnector", topics = "a" })]], REBALANCE) },
  { id = "F2l", title = "one budget: update, rebalances and lost answers", run = budget("PUT",
    [[target:update("c-01", { topics = "b" })]], REBALANCE) },
  { id = "F2m", title = "one budget: delete, rebalances and lost answers", run = budget("DELETE",
    [[target:delete "c-01"]], REBALANCE) },
  { id = "F2e", title = "one deadline", run = deadline },
  { id = "F3a", title = "an empty file among the journals", run = early "" },
  { id = "F3b", title = "the beginning of a journal", run = early "SQLite format 3\0" },
  { id = "F3c", title = "killed in the first milliseconds", run = killed_early },
  { id = "F4a", title = "--restricted: the memory limit again and again", run = restricted_loop },
  { id = "F4b", title = "the same within coroutines and handlers", run = restricted_wrapped },
  { id = "F4c", title = "--restricted: the memory is full at the time limit", run = restricted_full },
  { id = "F5a", title = "tasks that start tasks: SIGTERM", run = endless("TERM", STARTS_TWO) },
  { id = "F5b", title = "tasks that start tasks: Ctrl-C", run = endless("INT", STARTS_TWO) },
  { id = "F5c", title = "tasks that take no notice: SIGTERM", run = endless("TERM", TAKES_NO_NOTICE) },
  { id = "F5d", title = "a loop that starts tasks: SIGTERM", run = endless("TERM", LOOP) },
  { id = "F6a", title = "--restricted: can.merge is read-only", run = read_only "merge" },
  { id = "F6b", title = "--restricted: can.stop is read-only", run = read_only "stop" },
  { id = "F7", title = "--sim and the log: two threads", run = two_threads },
  { id = "F8a", title = "an answer after 95 s, by default", run = slow_answer },
  { id = "F8b", title = "a connector that starts after 306 s, by default", run = slow_start },
  { id = "F9a", title = "garbage: list", run = garbage("confluent", "/connectors$", "GET",
    "target.list, target") },
  { id = "F9b", title = "garbage: get", run = garbage("confluent", "/c%-01$", "GET",
    'target.get, target, "c-01"') },
  { id = "F9c", title = "garbage: pause", run = garbage("confluent", "/pause$", "PUT",
    'target.pause, target, "c-01"') },
  { id = "F9d", title = "garbage: resume", run = garbage("confluent", "/resume$", "PUT",
    'function() target:pause "c-01"; return target:resume "c-01" end') },
  { id = "F9e", title = "a web page: list", run = garbage("connect", "/connectors$", "GET",
    "target.list, target", "<html>Please log in</html>") },
  { id = "F10a", title = "update of a secret, done, the answer lost: it can be seen",
    run = lost_put(OLD, true, UPDATE, 1) },
  { id = "F10b", title = "the same of put", run = lost_put(OLD, true, PUT, 1) },
  { id = "F10c", title = "update of a secret, not done, the answer lost", run = lost_put(OLD, false, UPDATE, 2) },
  { id = "F10d", title = "masked, another key tells that it was done",
    run = lost_put(MASKED, true, UPDATE_BOTH, 1) },
  { id = "F10e", title = "masked, another key tells that it was not",
    run = lost_put(MASKED, false, UPDATE_BOTH, 2) },
  { id = "F11a", title = "Retry-After: 3600 in the error line", run = told },
  { id = "F11b", title = "Retry-After: 3600 in the report", run = told_in_report },
  { id = "F12f", title = "Retry-After: 2", run = short_hint },
  { id = "F13a", title = "texts of a provider with control characters", run = hostile },
  { id = "F13b", title = "a name with a NUL", run = zero },
  { id = "F14", title = "ulimit -f 8", run = file_limit },
  { id = "F15a", title = "standard output is closed", run = output_closed [["$KELP" -e "print(1)" >&-]] },
  { id = "F15b", title = "standard output is full", run = output_closed [["$KELP" -e "print(1)" >/dev/full]] },
  { id = "F15c", title = "standard output is closed, io.write",
    run = output_closed [["$KELP" -e "io.write 'x'" >&-]] },
  { id = "F16a", title = "the state folder is writable by others", run = open_folder "0777" },
  { id = "F16b", title = "the state folder is writable by the group", run = open_folder "0770" },
  { id = "F17a", title = "a report with a failing __tostring", run = bad_tostring },
  { id = "F17b", title = "a report with a __tostring that gives no string", run = bad_tostring_kind },
  { id = "F18", title = "targets.lua with a byte order mark", run = byte_order_mark },
  { id = "F19", title = "Ctrl-C in one long C call", run = long_call },
}

for i, one in ipairs {
  { "9999999999", true }, { "Fri, 01 Jan 2099 00:00:00 GMT", true }, { "3600, 5" }, { "3600;x" }, { "+3600" },
} do
  table.insert(rows, { id = "F12" .. ("abcde"):sub(i, i), title = "Retry-After: " .. one[1],
    run = hint(one[1], one[2]) })
end

return rows
