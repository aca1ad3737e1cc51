-- C: old workers, broken ones, and large ones.

local THREE = [[connectors = { a = {}, b = { tasks = { "FAILED" } }, c = { state = "PAUSED" } }]]

local function listed(t, script)
  return t:lua((script or "local target = connect()\n") .. [[
local out = {}
for _, c in ipairs(target:list()) do out[#out + 1] = c.name .. "=" .. c.state end
print(table.concat(out, ","))]])
end

local function without_expand(t)
  local s = t:worker('version = "2.2.2", ' .. THREE)
  local r = listed(t)
  t:exited(r, 0)
  t:has("output", r.out, "a=running,b=failed,c=paused\n")
  t:check(s:count() <= 1 + 2 + 6, "%d requests", s:count())
  local filtered = t:kelp { "--output", "json", "list", "connect", "--state", "paused" }
  t:exited(filtered, 0)
  local list = t:json("output", filtered.out)
  t:check(list and #list == 1 and list[1].name == "c", "--state paused: %s", filtered.out)
end

-- The plugin of b was removed: the expanded list fails, and so does whatever is asked about b.
local REMOVED = [[
if r.query:find "expand" or r.path:find "/b$" or r.path:find "/b/" then
  return { status = 500, body = json.encode { error_code = 500,
    message = "Failed to find any class that implements Connector and which name matches org.gone.Sink" } }
end]]

local function removed_plugin(t)
  t:worker(THREE, REMOVED)
  local r = t:lua [[
local target = connect()
local list = target:list()
for _, c in ipairs(list) do print(c.name, c.state, c.error) end]]
  t:exited(r, 0)
  t:has("output", r.out, "a\trunning")
  t:has("output", r.out, "c\tpaused")
  t:matches("output", r.out, "b\t[^\n]*org%.gone%.Sink")
end

local function removed_plugin_command(t)
  local s = t:worker(THREE, REMOVED)
  local r = t:kelp { "--output", "json", "list", "connect" }
  local list = t:json("output", r.out)
  t:equal("connectors", list and #list, 3)
  t:has("output", r.out, "org.gone.Sink")
  t:check(s:count "GET expand" <= 4, "%d expanded lists", s:count "GET expand")
end

local OLD = 'version = "2.8.2", ' .. THREE

local function unsupported(call)
  return function(t)
    local s = t:worker(OLD)
    local r = t:lua(([[
local target = connect()
print(try(function() return target:%s end))]]):format(call))
    t:matches("output", r.out, "^unsupported\t[^\n]*2%.8")
    t:equal("writes sent", #s:writes(), 0)
    t:equal("requests for what is not there", s:count "* /stop$" + s:count "* /offsets", 0)
  end
end

local function can_tell(t)
  t:worker(OLD)
  local old = t:lua [[
local can = connect().can
print(can.stop, can.offsets, can.alter_offsets, can.reset_offsets, can.pause)]]
  t:has("output for 2.8", old.out, "false\tfalse\tfalse\tfalse\ttrue\n")
  t:worker(THREE)
  local new = t:lua [[
local can = connect().can
print(can.stop, can.offsets, can.alter_offsets, can.reset_offsets, can.pause)]]
  t:has("output for 4.1", new.out, "true\ttrue\ttrue\ttrue\ttrue\n")
end

local function version_once(t)
  local s = t:worker(OLD)
  local r = t:lua [[
local target = connect()
for _ = 1, 5 do try(target.stop, target, "a"); try(target.offsets, target, "a") end]]
  t:exited(r, 0)
  t:equal("requests for the version", s:count "GET ^/$", 1)
end

local function absent_is_not_found(t)
  t:worker(THREE)
  local r = t:lua [[print(try(function() return connect():stop "nowhere" end))]]
  t:matches("output", r.out, "^not_found\t")
end

local function restart_all(options, wanted)
  return function(t)
    local s = t:worker('version = "2.8.2", connectors = { a = { tasks = { "RUNNING", "FAILED" } } }')
    local r = t:lua(([[
local target = connect()
print(try(function() return target:restart("a", %s) end))
print(target:get("a").tasks[2].state)]]):format(options))
    t:exited(r, 0)
    t:has("output", r.out, "ok\nrunning\n")
    t:equal("task restarts", s:count "POST /tasks/%d+/restart$", wanted)
  end
end

local function initial_state(version, state)
  return function(t)
    local s = t:worker(("version = %q"):format(version))
    local r = t:lua(([[
print(try(function()
  return connect():create("new", { ["connector.class"] = "org.example.SinkConnector", topics = "a" },
    { state = %q })
end))]]):format(state))
    t:matches("output", r.out, "^unsupported\t[^\n]*" .. version:gsub("%.%d+$", ""):gsub("%.", "%%."))
    t:equal("writes sent", #s:writes(), 0)
  end
end

local function initial_state_new(t)
  local s = t:worker 'version = "3.7.0"'
  local r = t:lua [[
print(try(function()
  return connect():create("new", { ["connector.class"] = "org.example.SinkConnector", topics = "a" },
    { state = "stopped" })
end))]]
  t:has("output", r.out, "ok\n")
  t:equal("creates", s:count "POST /connectors$", 1)
end

-- The expanded list leaves out what has no status yet.
local function without_status(t)
  t:worker([[connectors = (function() local all = {}
    for i = 1, 10 do all["c-" .. i] = {} end return all end)()]], [[
if r.query:find "expand" then
  local hidden = w.connectors["c-7"]
  w.connectors["c-7"] = nil
  local answer = serve(r)
  w.connectors["c-7"] = hidden
  return answer
end
if r.path:find "c%-7/status" then
  return { status = 404, body = json.encode { error_code = 404, message = "No status found for connector c-7" } }
end]])
  local r = t:lua [[
local list = connect():list()
local by = {}
for _, c in ipairs(list) do by[c.name] = c end
print(#list, by["c-7"] and by["c-7"].name, by["c-7"] and by["c-7"].config["connector.class"])]]
  t:exited(r, 0)
  t:has("output", r.out, "10\tc-7\torg.example.SinkConnector\n")
end

local function right_after_creates(t)
  t:simulator "--provisioning 30"
  local r = t:lua [[
local target = connect()
for i = 1, 10 do
  target:create("n-" .. i, { ["connector.class"] = "FileStreamSink", topics = "a", file = "/tmp/" .. i })
end
print(#target:list(function(c) return c.name:find "^n%-" end))]]
  t:exited(r, 0)
  t:has("output", r.out, "10\n")
end

-- 72 connectors, each with a trace of 1 MB.
local LARGE = [[connectors = (function() local all = {}
  local trace = "org.example.RootException: it broke\n" .. ("\tat org.example.Frame.call(Frame.java:1)\n"):rep(26000)
  for i = 1, 72 do all["c-" .. i] = { tasks = { "FAILED" }, traces = { trace } } end return all end)()]]

local function large(t)
  t:worker(LARGE)
  local r = t:lua [[
local list = connect():list()
local longest = 0
for _, c in ipairs(list) do longest = math.max(longest, #c.error) end
print(#list, list[1].state, longest < 100000)]]
  t:exited(r, 0)
  t:has("output", r.out, "72\tfailed\ttrue\n")
end

local function large_named(t)
  t:worker("connectors = { a = {} }", [[
if r.method == "PUT" then return { status = 200, body = '{"name":"' .. ("x"):rep(3000) .. '"}' } end
if r.path:find "/a$" then return { status = 200, body = '{"name":"a","config":{"x":"' .. ("y"):rep(3000) .. '"}}' } end]])
  local r = t:lua [[print(try(function() return connect { max_body = 1000, attempts = 1 }:get "a" end))]]
  t:has("output", r.out, "max_body")
end

return {
  { id = "C1", title = "a worker that does not know expand", run = without_expand },
  { id = "C2a", title = "the expanded list is 500 for one plugin that was removed", run = removed_plugin },
  { id = "C2b", title = "the same in `kelp list`", run = removed_plugin_command },
  { id = "C3a", title = "2.8: stop is unsupported", run = unsupported 'stop "a"' },
  { id = "C3b", title = "2.8: offsets is unsupported", run = unsupported 'offsets "a"' },
  { id = "C3c", title = "2.8: alter_offsets is unsupported", run = unsupported
    'alter_offsets("a", { { partition = { p = 0 }, offset = { o = 1 } } })' },
  { id = "C3d", title = "2.8: reset_offsets is unsupported", run = unsupported 'reset_offsets "a"' },
  { id = "C3e", title = "`can` tells it before", run = can_tell },
  { id = "C3f", title = "the version is asked for once", run = version_once },
  { id = "C3g", title = "4.1: stop of an absent connector is not_found", run = absent_is_not_found },
  { id = "C4a", title = '2.8: restart{tasks="all"}', run = restart_all('{ tasks = "all" }', 2) },
  { id = "C4b", title = '2.8: restart{tasks="failed"}', run = restart_all('{ tasks = "failed" }', 1) },
  { id = "C5a", title = "2.8: create with a state is unsupported", run = initial_state("2.8.2", "stopped") },
  { id = "C5b", title = "3.6: create with a state is unsupported", run = initial_state("3.6.1", "paused") },
  { id = "C5c", title = "3.7: create with a state", run = initial_state_new },
  { id = "C6a", title = "connectors without a status are listed", run = without_status },
  { id = "C6b", title = "list right after ten creates", run = right_after_creates },
  { id = "C7a", title = "an expanded list above 64 MiB", run = large },
  { id = "C7b", title = "a body that is too large: max_body is named", run = large_named },
}
