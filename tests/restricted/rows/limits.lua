-- Memory, time and depth.

return function(row)

local function memory(name, script, limit)
  row("memory-" .. name, { script = script, options = { "--memory-limit", limit or "16" }, code = 1,
    err = { "not enough memory" } })
end
memory("rep", [[local s = ("x"):rep(2e9)]], "256")
row("memory-rep-huge", { script = [[local s = ("x"):rep(1e10)]], code = 1,
  err = { "resulting string too large" } })
memory("table", [[local t = {} for i = 1, math.huge do t[i] = i end]])
memory("strings", [[local t = {} for i = 1, math.huge do t[i] = ("x"):rep(1000) .. i end]])
memory("doubling", [[local s = "x" while true do s = s .. s end]])
memory("closures", [[local f = print while true do local g = f f = function() return g end end]])
memory("coroutines", [[
  local t = {}
  for i = 1, math.huge do t[i] = coroutine.create(print) coroutine.resume(t[i]) end
]])
memory("tasks", [[
  local kelp = require "kelp"
  local t = {}
  for i = 1, math.huge do t[i] = kelp.async(kelp.sleep, 100) end
]])
memory("concat", [[
  local t = {}
  for i = 1, 1000 do t[i] = ("x"):rep(10000) end
  for i = 1, 10 do t[i] = table.concat(t) end
]])
memory("gsub", [[local s = ("x"):rep(1e6):gsub("x", ("y"):rep(1000))]])
memory("json", [[
  local json = require "kelp.json"
  local t = {}
  for i = 1, 100 do t[i] = t end
  for i = 1, math.huge do t[i] = json.decode("[" .. ("1,"):rep(1e5) .. "1]") end
]])
row("memory-default", { script = [[
  same(pcall(string.rep, "x", 300 * 1024 * 1024), false)
  same(#("x"):rep(100 * 1024 * 1024), 100 * 1024 * 1024)
  print "done"
]], out = { "done" } })
row("memory-swallowed", { options = { "--memory-limit", "16" }, script = [[
  for i = 1, 50 do
    local ok, why = pcall(function() local t = {} for n = 1, math.huge do t[n] = { n } end end)
    same(ok, false)
    same(why, "not enough memory")
  end
  print "done"
]], out = { "done" } })

-- ---- time: what an error can stop ----

local function stops(name, script)
  row("time-" .. name, { script = script, options = { "--time-limit", "0.5" }, code = 1,
    err = { "the time limit has passed" } })
end
stops("loop", [[while true do end]])
stops("pcall", [[while true do pcall(function() while true do end end) end]])
stops("xpcall", [[
  while true do xpcall(function() while true do end end, function() return 1 end) end
]])
stops("coroutine", [[
  while true do coroutine.resume(coroutine.create(function() while true do end end)) end
]])
stops("wrap", [[
  while true do pcall(coroutine.wrap(function() while true do coroutine.yield() end end)) end
]])
stops("gsub", [[("x"):gsub("x", function() while true do pcall(error) end end)]])
stops("sort", [[
  while true do pcall(table.sort, { 3, 2, 1 }, function() while true do end end) end
]])
stops("close", [[
  while true do
    pcall(function()
      local _ <close> = setmetatable({}, { __close = function() while true do end end })
    end)
  end
]])
stops("index", [[
  print(setmetatable({}, { __index = function() while true do end end }).x)
]])
stops("sleep", [[require "kelp".sleep(60)]])
stops("sleep-loop", [[local kelp = require "kelp" while true do pcall(kelp.sleep, 60) end]])
stops("tasks", [[
  local kelp = require "kelp"
  for _ = 1, 10 do kelp.async(function() while true do pcall(kelp.sleep, 0.01) end end) end
]])
stops("each", [[
  require "kelp".each(function() return 1 end, function() end, { progress = false })
]])
stops("load-reader", [[while true do load(function() return " " end) end]])
stops("goto", [[::again:: goto again]])

-- ---- time: what only the end of the process can ----

local function ends(name, script)
  row("watchdog-" .. name, { script = script, options = { "--time-limit", "0.5" }, code = 1,
    err = { "the process ends" } })
end
ends("pattern", [[print((("a"):rep(40)):find((".-"):rep(20) .. "b"))]])
ends("pattern-pcall", [[
  while true do pcall(string.find, ("a"):rep(40), (".-"):rep(20) .. "b") end
]])
-- An error ends one of a hundred thousand levels at a time.
ends("pcall-nested", [[
  local function forever() while true do pcall(forever) end end
  forever()
]])
ends("move", [[table.move({}, 1, 1 << 60, 2)]])
ends("tostring-of-the-error", [[
  error(setmetatable({}, { __tostring = function() while true do end end }))
]])
ends("close-at-the-end", [[
  local kelp = require "kelp"
  kelp.async(function()
    local _ <close> = setmetatable({}, { __close = function()
      (("a"):rep(40)):find((".-"):rep(20) .. "b")
    end })
    kelp.sleep(60)
  end)
  kelp.sleep(0.01)
  error "now"
]])
row("busy-loop", { script = [[while true do end]], code = 1, seconds = 200,
  err = { "it has computed for 10 s without waiting for anything" } })
row("busy-pattern", { script = [[print((("a"):rep(40)):find((".-"):rep(20) .. "b"))]], code = 1,
  seconds = 200, err = { "the process ends" } })
row("time-enough", { options = { "--time-limit", "30" }, script = [[
  local n = 0
  for i = 1, 2e7 do n = n + i end
  require "kelp".sleep(0.1)
  print "done"
]], out = { "done" } })
row("time-limit-unrestricted", { restricted = false, options = { "--time-limit", "0.5" },
  script = [[while true do end]], code = 1, err = { "the time limit has passed" } })

-- ---- deep ----

local function clean(name, text, script)
  row("deep-" .. name, { script = script, code = 1, err = { text } })
end
clean("recursion", "stack overflow", [[local function f() return 1 + f() end f()]])
clean("tostring", "overflow", [[
  local mt = {}
  mt.__tostring = function(t) return tostring(setmetatable({}, mt)) end
  print(setmetatable({}, mt))
]])
clean("coroutines", "C stack overflow", [[
  local function f() return coroutine.wrap(f)() end
  f()
]])
clean("gsub", "overflow", [[
  local function f() return (("x"):gsub("x", f)) end
  f()
]])
clean("source", "overflow", [[
  assert(load("return " .. ("("):rep(1e5) .. "1" .. (")"):rep(1e5)))
]])
clean("pattern", "too complex", [[print((("a"):rep(3e5)):find((".-"):rep(3e5)))]])
clean("json", "nested", [[
  local t = {}
  for _ = 1, 1e4 do t = { t } end
  require "kelp.json".encode(t)
]])
clean("unpack", "too many results", [[print(table.unpack({}, 1, 1e7))]])

end
