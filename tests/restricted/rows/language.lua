-- What is left of Lua and of kelp: the language, libraries, coroutines.
local common = require "rows.common"
local TARGETS <const> = common.TARGETS

return function(row)

row("globals", { script = [[
  for _, name in ipairs { "os", "io", "debug", "package", "dofile", "loadfile", "warn", "arg2" } do
    if _G[name] ~= nil then out(name) end
  end
  same(string.dump, nil)
  same(("").dump, nil)
  same(_G, load("return _ENV")())
  same(load("return _G.os or io or debug or package")(), nil)
  same(load("return os", "x", "t", setmetatable({}, { __index = _G }))(), nil)
  same(load("return os", "x", "t", nil) and pcall(load("return os", "x", "t", nil)), false)
  print "done"
]], out = { "done" } })

row("bytecode-as-script", { script = function() return string.dump(load "print 'ESCAPED'") end,
  code = 1, err = { "attempt to load a binary chunk" } })

row("bytecode-as-script-unrestricted", { restricted = false,
  script = function() return string.dump(load "print 'ESCAPED'") end, code = 1,
  err = { "attempt to load a binary chunk" } })

row("bytecode-in-load", { script = "local code = " .. ("%q"):format(string.dump(load "return 1"))
  .. [[

  for _, mode in ipairs { "b", "bt", "t", "" } do
    local f, why = load(code, "x", mode)
    same(f, nil)
    same(why:find "binary chunk" ~= nil, true)
  end
  same((load(code)), nil)
  local at = 0
  same((load(function() at = at + 1 return code:sub(at, at) end, "x", "b")), nil)
  same(load "return 1 + 1"(), 2)
  print "done"
]], out = { "done" } })

row("require", { script = [[
  for _, name in ipairs { "os", "io", "debug", "package", "cjson", "argparse", "kelp.raw",
      "kelp.settings", "kelp.operation", "kelp.targets", "kelp.init", "kelp/raw", "string", "_G",
      "simulator.world" } do
    fails("is not available to a restricted script", require, name)
  end
  same(require "kelp", require "kelp")
  same(require "kelp.json", require "kelp".json)
  print "done"
]], out = { "done" } })

row("collectgarbage", { script = [[
  for _, what in ipairs { "stop", "collect", "step", "generational", "incremental", "isrunning",
      "setpause", "restart" } do
    fails("only \"count\"", collectgarbage, what)
  end
  fails("only \"count\"", collectgarbage)
  same(math.type(collectgarbage "count"), "float")
  print "done"
]], out = { "done" } })

row("metatables", { script = TARGETS .. [[
  local c = confluent:list()[1]
  local task = kelp.async(print, "in a task")
  task:await()
  local report = kelp.each({ 1 }, function() error "x" end, { progress = false })
  local _, err = pcall(confluent.get, confluent, "none")
  same(kelp.is_error(err, "not_found"), true)
  for what, value in pairs { string = "", target = confluent, connector = c, task = task,
      report = report, error = err } do
    local meta = getmetatable(value)
    if type(meta) == "table" then out("the metatable of a " .. what) end
    if type(value) == "table" then
      fails("protected metatable", setmetatable, value, {})
      fails("protected metatable", setmetatable, value, nil)
    else
      fails("table expected", setmetatable, value, {})
    end
  end
  same(rawget(report, "__index"), nil)
  same(report.__index, nil)
  same(c.__index, nil)
  local own = { __metatable = "mine" }
  same(getmetatable(setmetatable({}, own)), "mine")
  fails("protected metatable", setmetatable, setmetatable({}, own), {})
  local mt = { __index = { x = 1 } }
  same(getmetatable(setmetatable({}, mt)), mt)
  same(setmetatable(setmetatable({}, mt), { __index = { x = 2 } }).x, 2)
  same(setmetatable({}, nil) ~= nil, true)
  print "done"
  return 0
]], out = { "in a task", "done" } })

row("finalizers", { script = [[
  fails("__gc is not available", setmetatable, {}, { __gc = function() out "__gc" end })
  fails("__gc is not available", setmetatable, {}, { __gc = true })
  local mt = {}
  setmetatable({}, mt)
  mt.__gc = function() out "__gc" end
  fails("__gc is not available", setmetatable, {}, mt)
  local hidden = setmetatable({}, { __index = { __gc = function() out "__gc" end } })
  setmetatable({}, hidden)
  for i = 1, 1e6 do local _ = { i } end
  print "done"
]], out = { "done" } })

row("other-libraries", { script = TARGETS .. [[
  local function evil() out "kelp used what the script put there" end
  for _, library in ipairs { string, table, math, utf8, coroutine, kelp, kelp.json, kelp.show } do
    for name in pairs(library) do
      if type(library[name]) == "function" and library ~= kelp then library[name] = evil end
    end
  end
  for _, name in ipairs { "pairs", "ipairs", "type", "tostring", "error", "pcall", "next", "select",
      "rawget", "setmetatable", "getmetatable", "require", "load" } do _G[name] = evil end
  local report = kelp.each(confluent:list { state = "failed" }, function(c) c:get() end)
  print(report, #upstash:list() > 0)
]], out = { "1 done\ttrue" } })

row("settings", { script = [[
  local kelp = require "kelp"
  kelp.settings.sim = "http://127.0.0.1:9"
  kelp.settings.plan = true
  local t = kelp.confluent { environment = "env-sim", cluster = "lkc-sim" }
  print(#t:list())
]], out = { "5" } })

-- Everything that can be reached from what a script has: nothing that it is not meant to have.
row("reach", { script = TARGETS .. [[
  local seen, forbidden = {}, { exchange = 1, journal_find = 1, popen = 1, dump = 1, sethook = 1,
    getupvalue = 1, searchers = 1, read_private = 1, methods = 1, add_failure = false, raw = 1 }
  local count = 0
  local function walk(value, path)
    local kind = type(value)
    if (kind ~= "table" and kind ~= "userdata") or seen[value] then return end
    seen[value], count = true, count + 1
    walk(getmetatable(value), path .. "<meta>")
    if kind == "userdata" then
      for _, name in ipairs { "can", "target", "methods", "__index", "raw" } do
        local ok, field = pcall(function() return value[name] end)
        if ok then walk(field, path .. "." .. name) end
      end
      return
    end
    for k, v in next, value do
      if forbidden[k] then out(path .. "." .. tostring(k)) end
      walk(k, path .. "<key>")
      walk(v, path .. "." .. tostring(k))
    end
    for _, name in ipairs { "__index", "methods", "raw" } do
      local ok, field = pcall(function() return value[name] end)
      if ok and rawget(value, name) == nil then walk(field, path .. ":" .. name) end
    end
  end
  walk(_G, "_G")
  walk(kelp, "kelp")
  walk(confluent, "target")
  walk(confluent:list(), "list")
  walk(upstash:list(), "list")
  walk(kelp.each({ 1 }, function() error "x" end, { progress = false }), "report")
  local _, err = pcall(confluent.get, confluent, "none")
  walk(err, "error")
  walk(kelp.async(print), "task")
  print(count > 30)
  return 0
]], out = { "true" } })

row("environment-of-lua", { env = { LUA_INIT = "print 'ESCAPED'", LUA_INIT_5_4 = "print 'ESCAPED'",
    LUA_PATH = "/tmp/?.lua", LUA_CPATH = "/tmp/?.so" },
  script = [[print(package)]], out = { "nil" } })

-- ---- coroutines ----

row("coroutine-error", { code = 1, err = { "no text" }, script = [[
  coroutine.wrap(function()
    error(setmetatable({}, { __tostring = function() return "no text" end }))
  end)()
]] })

row("coroutine-of-a-task", { script = [[
  local kelp = require "kelp"
  local main = coroutine.running()
  local other
  local task = kelp.async(function()
    other = coroutine.running()
    kelp.sleep(0.2)
  end)
  kelp.sleep(0.05)
  for _, co in ipairs { other, main } do
    fails("not the script's own", coroutine.resume, co)
    fails("not the script's own", coroutine.close, co)
  end
  task:await()
  local mine = coroutine.create(function(a) return coroutine.yield(a) end)
  same(select(2, coroutine.resume(mine, 1)), 1)
  same(coroutine.status(mine), "suspended")
  same(coroutine.close(mine), true)
  local inner
  local wrapped = coroutine.wrap(function() inner = coroutine.running() coroutine.yield() end)
  wrapped()
  fails("not the script's own", coroutine.resume, inner)
  print "done"
]], out = { "done" } })

row("verbs-in-odd-places", { script = TARGETS .. [[
  local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(#confluent:list()) end end)
  same(co() + co() + co(), 15)
  same(select(2, xpcall(error, function() return #confluent:list() end)), 5)
  table.sort({ 3, 1, 2 }, function(a, b) confluent:get "orders-to-s3" return a < b end)
  same(("x"):gsub("x", function() return #confluent:list() end), "5")
  do local _ <close> = setmetatable({}, { __close = function() confluent:list() end }) end
  same(setmetatable({}, { __index = function() return #confluent:list() end }).any, 5)
  print "done"
]], out = { "done" } })

row("close-in-a-left-task", { code = 1, err = { "the end" }, script = [[
  local kelp = require "kelp"
  kelp.async(function()
    local _ <close> = setmetatable({}, { __close = function()
      pcall(kelp.sleep, 0.01)
      error "again"
    end })
    kelp.sleep(60)
  end)
  kelp.sleep(0.01)
  error "the end"
]] })

end
