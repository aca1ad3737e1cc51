-- S: what a script does, between two runs or in the middle of one.

local bench = require "bench"

local both = { "confluent", "upstash" }

-- A script finds out in a file what it is to do this time.
local function switch(s, text)
  s.switch = s.switch or bench.path "switch"
  bench.write(s.switch, text)
  return ("local how = io.open(%q):read 'a' "):format(s.switch)
end

local function raises(name, what, says)
  return { case = name, steps = function(s)
    s:script(switch(s, "fail") .. ([[
for i, n in ipairs(names(5)) do
  target:create(n, config)
  if how == "fail" and i == 3 then %s end
end]]):format(what))
    s:ended(s:kelp { s.path }, 1, says, "3 done; to resume it: kelp %-%-resume")
    s:made(s.names(3))
    s:ended(s:resume(), 1)
    s:made(s.names(3), "resumed as it was")
    switch(s, "go on")
    s:ended(s:resume(), 0)
    s:made(s.names(5))
  end }
end

local five = [[for _, n in ipairs(names(5)) do target:create(n, config) end ]]

local function edited(s)
  s:script(five)
  s.check(s:kelp({ s.path }, { rules = "send tcp 3 KILL" }).killed, "it was not killed")
  s:arrived(3)
  s:script(five .. [[target:create("n-06", config)]])
  local sent = s:sent()
  local r = s:resume()
  s:ended(r, 4, "is not what run %S+ was made with", "%-%-accept%-script%-change")
  s.check(s:sent() == sent, "something was sent")
  s:ended(s:resume(nil, "--accept-script-change"), 0)
  s:made(s.names(6))
end

local function other_request(s)
  s:script(switch(s, "1") .. [[
config["tasks.max"] = how
target:create("n-01", config, { key = "the one" })
target:create("n-02", config)]])
  -- Once the first is done, once it is ambiguous. Upstash is asked for a list before each.
  for i, sends in ipairs(s.provider == "upstash" and { 4, 2 } or { 2, 1 }) do
    s:afresh()
    switch(s, "1")
    local before = #s.proxy:report()
    s.check(s:kelp({ s.path }, { rules = ("send tcp %d KILL"):format(sends) }).killed,
      "it was not killed")
    s:arrived(before + sends)
    local sent = s:sent()
    switch(s, "2")
    s:ended(s:resume(), 4, "different content %(tasks%.max%)", "nothing was sent")
    s.check(s:sent() == sent, "something was sent")
    switch(s, "1")
    s:ended(s:resume(), 0)
    s:made(s.names(2), "case " .. i)
  end
end

local function key_twice(s)
  s:script [[
target:create("n-01", config, { key = "the one" })
target:create("n-02", config, { key = "the one" })]]
  s:ended(s:kelp { s.path }, 1, "the key 'the one' is used a second time")
  s:made(s.names(1))
  -- Without a key of the script's own, the second of its kind is another one.
  s:afresh()
  s:script [[
target:create("n-01", config)
target:restart "n-01"
target:restart "n-01"]]
  s:ended(s:kelp { s.path }, 0)
  s.check(s:effects()["restart n-01"] == 2, "it was restarted %s times",
    s:effects()["restart n-01"])
  s:ended(s:resume(), 0)
  s.check(s:effects()["restart n-01"] == 2, "and again when it was resumed")
end

-- The order is another one in each process; the names are what counts.
local function any_order(s)
  s:script [[
local set, list = {}, {}
for _, n in ipairs(names(20)) do set[n] = true end
for n in pairs(set) do list[#list + 1] = n end
print("ORDER " .. table.concat(list, " "))
for _, n in ipairs(list) do target:create(n, config) end]]
  local orders, count = {}, 0
  for _ = 1, 40 do
    s:afresh()
    local r = s:kelp({ s.path }, { rules = "send tcp 10 KILL" })
    local again = s:resume()
    s:ended(again, 0)
    s:made(s.names(20))
    local order = again.out:match "ORDER [^\n]*"
    if order and not orders[order] then orders[order], count = true, count + 1 end
    s.check(r.killed, "it was not killed")
    if count > 1 then return end
  end
  s.check(false, "the order was always the same")
end

local function by_time(s)
  s:script(switch(s, "a") .. [[
for i = 1, 3 do target:create(("%s-%d"):format(how, i), config) end]])
  s.check(s:kelp({ s.path }, { rules = "send tcp 3 KILL" }).killed, "it was not killed")
  switch(s, "b")
  s:ended(s:resume(), 4, "not asked for this time: create a%-1 ",
    "not asked for this time: create a%-2 ",
    "not asked for this time: create a%-3 [^\n]*intent", "kelp undo")
  -- What is done is left behind, and said; what is ambiguous stays unknown.
  s:made { "a-1", "a-2", "a-3", "b-1", "b-2", "b-3" }
  s:afresh()
  s:script(switch(s, "a") .. [[
for i = 1, 2 do target:create(("%s-%d"):format(how, i), config) end
if how == "a" then error "on purpose" end]])
  s:ended(s:kelp { s.path }, 1)
  switch(s, "b")
  s:ended(s:resume(), 1, "2 writes of the earlier run were not asked for this time")
  s:ended(s:resume(nil, "--accept-script-change"), 0)
end

local function endless(name, what, times)
  return { case = name, steps = function(s)
    s:script(switch(s, "loop") .. [[target:create("n-01", config)
if how == "loop" then ]] .. what .. [[ end
target:create("n-02", config)]])
    local beside = s:start({ s.path }, { plain = true })
    local pid = math.tointeger(beside:await "^pid (%d+)")
    s:signal("INT", pid)
    -- The second one when the first has been taken in; it may have come before the loop began.
    if times > 1 then
      local alive
      s:until_true("the signal has come", function()
        local status = bench.read(("/proc/%d/status"):format(pid))
        alive = status ~= nil and not status:find "State:%s*Z"
        return not alive or tonumber(status:match "ShdPnd:%s*(%x+)", 16) & 2 == 0
      end)
      if alive then os.execute(("kill -INT %d 2>/dev/null"):format(pid)) end
    end
    local r = beside:wait()
    if times == 1 or r.how == "exit" then
      s:ended(r, 130, "to resume it: kelp %-%-resume")
    else
      s.check(r.how == "signal" and r.code == 2, "ended by %s %d", r.how, r.code)
    end
    s.check(r.seconds < 20, "it took %.1f s", r.seconds)
    s:agreed("when it was ended")
    switch(s, "go on")
    s:ended(s:resume(), 0)
    s:made(s.names(2))
  end }
end

local function memory_bomb(name, what)
  return { case = name, steps = function(s)
    s:script(switch(s, "bomb") .. [[target:create("n-01", config)
if how == "bomb" then ]] .. what .. [[ end
target:create("n-02", config)]])
    s:ended(s:kelp({ "--memory-limit", "64", s.path }, { plain = true }), 1, "not enough memory",
      "to resume it: kelp %-%-resume")
    s:made(s.names(1))
    switch(s, "go on")
    s:ended(s:resume(), 0)
    s:made(s.names(2))
  end }
end

-- The script fails while its other tasks have writes under way, whose answers take a while.
local function in_flight(s)
  s:script(switch(s, "fail") .. [[
local tasks = {}
for _, n in ipairs(names(30)) do
  tasks[#tasks + 1] = kelp.async(function()
    target:create(n, config)
    if how == "fail" then error "on purpose" end
  end)
end
for _, t in ipairs(tasks) do t:await() end]], "concurrency = 30")
  local r = s:kelp { s.path }
  s:ended(r, 1, "on purpose", "to resume it: kelp %-%-resume")
  local _, _, counts = s:journal()
  s.check(counts.intent == 0 and counts.unknown == 0, "%d were forgotten",
    counts.intent + counts.unknown)
  s:agreed("when it had failed")
  s.check(s:sent() == counts.done, "%d were sent, %d are done", s:sent(), counts.done)
  switch(s, "go on")
  s:ended(s:resume(), 0)
  s:made(s.names(30))
end

local function forgotten(s)
  s:script [[
for _, n in ipairs(names(10)) do
  kelp.async(function() target:create(n, config) end)
  collectgarbage()
end
local wrapped = coroutine.wrap(function()
  target:create("n-11", config)
  coroutine.yield()
  target:create("n-12", config)
end)
wrapped()
wrapped = nil
for _ = 1, 20 do collectgarbage() end]]
  s:ended(s:kelp { s.path }, 0)
  s:agreed("at the end")
  s:made(s.names(11))
  local _, _, counts = s:journal()
  s.check(counts.done == 11, "%s are done", counts.done)
end

local function bytecode(s)
  s:script [[target:create("n-01", config)]]
  local chunk = assert(loadfile(s.path))
  bench.write(s.path, string.dump(chunk))
  s:ended(s:kelp { s.path }, 1, "binary chunk")
  s.check(#s.proxy:report() == 0, "something was asked for")
  s.check(not s:journal_path(), "there is a journal")
end

local slow_answers = { { "POST", "/connector", "delay 0.3", "forward", "send" } }

return {
  { row = "S1", what = "the script raises in the middle", cases = {
    raises("a string", "error 'on purpose'", "script%.lua:3: on purpose"),
    raises("a table", "error { 1 }", "error object is a table value"),
    raises("nil", "error()", "error object is a nil value"),
    raises("a number", "error(7)", "error: 7"),
    raises("a bad object",
      "error(setmetatable({}, { __tostring = function() error 'worse' end }))",
      "the error value cannot be shown"),
  } },
  { row = "S2", what = "the script was edited before it is resumed", steps = edited },
  { row = "S3", what = "a key with another request", on = both, steps = other_request },
  { row = "S4", what = "a key used twice", steps = key_twice },
  { row = "S5", what = "pairs in another order", on = both, steps = any_order },
  { row = "S6", what = "the time decides the names", steps = by_time },
  { row = "S7", what = "a script without an end", cases = {
    endless("loop", "pid() while true do end", 1),
    endless("pcall loop", "pid() while true do pcall(function() while true do end end) end", 1),
    endless("coroutines",
      "pid() while true do coroutine.wrap(function() while true do end end)() end", 1),
    endless("pattern", "pid() string.find(('a'):rep(60), ('a*'):rep(60) .. 'b')", 2),
    endless("__gc", "setmetatable({}, { __gc = function() pid() while true do end end }) "
      .. "collectgarbage()", 2),
  } },
  { row = "S8", what = "a script that takes all memory", cases = {
    memory_bomb("rep", "local x = ('x'):rep(2e9)"),
    memory_bomb("table", "local t = {} for i = 1, 1e9 do t[i] = {} end"),
    memory_bomb("join", "local x = 'x' while true do x = x .. x end"),
  } },
  { row = "S9", what = "an error while 30 writes are under way", faults = slow_answers,
    steps = in_flight },
  { row = "S10", what = "what nobody holds on to", steps = forgotten },
  { row = "S11", what = "bytecode as a script", steps = bytecode },
}
