-- B: a 404 counts only when the API says it.

local PAGE = [[{ status = 404, type = "text/html",
  body = "<html><body><h2>HTTP ERROR 404 Not Found</h2><hr>Powered by Jetty://</body></html>" }]]
local EMPTY = [[{ status = 404, type = "", body = "" }]]
local EMPTY_JSON = [[{ status = 404, body = "" }]]

-- DELETE: the connection is dropped and nothing is done; then the web server, without the API yet,
-- answers everything `count` times.
local function starting(count, answer)
  return ([[
if r.method == "DELETE" and times "delete" == 1 then starting = %d return { drop = true } end
if starting and starting > 0 then starting = starting - 1 return %s end]]):format(count, answer)
end

-- The worker has answered the list, and has it no more.
local function gone(t, kind)
  local list = t:kelp { "--output", "json", "list", kind }
  t:exited(list, 0)
  t:equal("the list", list.out, "[]\n")
end

local function deleted(answer)
  return function(t)
    local s = t:worker("connectors = { orders = {} }", starting(2, answer))
    local r = t:lua [[print(try(function() return connect():delete "orders" end))]]
    t:has("output", r.out, "ok\n")
    t:exited(r, 0)
    -- Nobody had deleted it: the worker has to have been asked again once it was there.
    local last = s:requests "DELETE ."
    t:check(#last >= 2, "%d deletes", #last)
    gone(t, "connect")
  end
end

-- The page does not go away: not known, never "deleted".
local function never_deleted(answer)
  return function(t)
    t:worker("connectors = { orders = {} }", starting(1000, answer))
    local r = t:lua [[print(try(function() return connect():delete "orders" end))]]
    t:lacks("output", r.out, "ok\n")
    t:exited(r, 4)
    t:matches("output", r.out, "^unknown_outcome\t")
    local shown = t:kelp { "runs", "show", "last" }
    t:has("runs show", shown.out, "unknown")
  end
end

-- A proxy in front of Confluent Cloud that has lost its way.
local function confluent_deleted(t)
  local s = t:worker("confluent = true, connectors = { orders = {} }", starting(2, PAGE))
  local r = t:lua [[print(try(function() return confluent():delete "orders" end))]]
  t:has("output", r.out, "ok\n")
  t:check(s:count "DELETE ." >= 2, "it was not asked again")
  gone(t, "confluent")
end

local function first_answer(t)
  local s = t:worker("connectors = { orders = {} }",
    'if r.method == "DELETE" and times "x" <= 2 then return ' .. PAGE .. " end")
  local r = t:lua [[print(try(function() return connect():delete "orders" end))]]
  t:has("output", r.out, "ok\n")
  t:equal("deletes", s:count "DELETE .", 3)
end

-- The API's own 404 is an answer, after a lost DELETE as well.
local function really_deleted(t)
  local s = t:worker("connectors = { orders = {} }",
    'if r.method == "DELETE" and times "x" == 1 then serve(r) return { drop = true } end')
  local r = t:lua [[print(try(function() return connect():delete "orders" end))]]
  t:has("output", r.out, "ok\n")
  t:exited(r, 0)
  t:check(s:count "DELETE ." <= 2, "it was asked again and again")
end

local function read_again(answer)
  return function(t)
    local s = t:worker("connectors = { orders = { config = { topics = 'a' } } }",
      'if times "x" <= 2 then return ' .. answer .. " end")
    local r = t:lua [[
local c = connect():find "orders"
print(c and c.name)]]
    t:has("output", r.out, "orders\n")
    t:check(s:count() > 2, "it was not asked again")
  end
end

local function read_never(answer)
  return function(t)
    t:worker("connectors = { orders = {} }", "do return " .. answer .. " end")
    local r = t:lua [[
print("find", try(function() return connect():find "orders" end))
print("get", try(function() return connect():get "orders" end))
print("list", try(function() return connect():list() end))]]
    t:matches("output", r.out, "find\tprotocol\t")
    t:matches("output", r.out, "get\tprotocol\t")
    t:matches("output", r.out, "list\tprotocol\t")
  end
end

local function planned_put(t)
  t:worker("connectors = { orders = { config = { topics = 'a' } } }",
    'if times "x" <= 2 then return ' .. PAGE .. " end")
  local r = t:lua([[connect():put("orders", { ["connector.class"] = "org.example.SinkConnector", topics = "b" })]],
    { options = { "--plan" } })
  t:exited(r, 3)
  t:lacks("the plan", r.out, "create")
  t:matches("the plan", r.out, "orders")
  t:matches("the plan", r.out, "topics")
end

-- ---- a follower relays ----

local function relayed(verb, count)
  return function(t)
    local s = t:worker("connectors = { other = {} }", [[
if r.method ~= "GET" and r.path:find "absent" then
  return { status = 500, body = json.encode { error_code = 500,
    message = "Error trying to forward REST request: Connector absent not found" } }
end]])
    local r = t:lua(([[
local target = connect { circuit = 3, probe = 1 }
for i = 1, %d do print(try(function() return target:%s("absent") end)) end
print("after", try(function() return target:pause "other" end))]]):format(count, verb))
    local _, found = r.out:gsub("not_found\t", "")
    t:equal("not_found", found, count)
    t:has("output", r.out, "after\tok\n")
    t:check(#s:writes() <= count + 1, "%d writes", #s:writes())
    t:check(r.seconds < 5, "it took %.1f s", r.seconds)
  end
end

local function relayed_delete(t)
  t:worker("connectors = { other = {} }", [[
if r.method == "DELETE" then
  return { status = 500, body = json.encode { error_code = 500,
    message = "Error trying to forward REST request: Connector absent not found" } }
end]])
  local r = t:lua [[print(try(function() return connect():delete "absent" end))]]
  t:matches("output", r.out, "^not_found\t")
  t:exited(r, 0)
end

-- ---- a proxy that does not let PATCH pass ----

local function no_patch(status, kind)
  return function(t)
    local s = t:worker("connectors = { orders = { config = { topics = 'a' } } }",
      ([[if r.method == "PATCH" then return { status = %d, type = %q, body = "<html>no</html>" } end]])
        :format(status, kind or "text/html"))
    local r = t:lua [[connect():update("orders", { topics = "b" })]]
    t:exited(r, 0)
    local puts = s:requests "PUT /orders/config$"
    t:equal("PUTs", #puts, 1)
    t:check(puts[1] and puts[1].body:find '"topics":"b"', "the PUT has not the change")
  end
end

return {
  { id = "B1a", title = "a lost DELETE, then 404 pages of a starting worker", run = deleted(PAGE) },
  { id = "B1b", title = "404 pages without end: not known", run = never_deleted(PAGE) },
  { id = "B1c", title = "404 pages to the first DELETE", run = first_answer },
  { id = "B1d", title = "the same on Confluent Cloud", run = confluent_deleted },
  { id = "B1e", title = "the API's own 404 after a lost DELETE is deleted", run = really_deleted },
  { id = "B2a", title = "a lost DELETE, then 404 without a body", run = deleted(EMPTY) },
  { id = "B2b", title = "404 without a body, called JSON", run = deleted(EMPTY_JSON) },
  { id = "B2c", title = "404 without a body without end: not known", run = never_deleted(EMPTY) },
  { id = "B3a", title = "find: a 404 page is asked again", run = read_again(PAGE) },
  { id = "B3b", title = "find: a 404 without a body is asked again", run = read_again(EMPTY) },
  { id = "B3c", title = "reads: 404 pages without end are protocol", run = read_never(PAGE) },
  { id = "B3d", title = "reads: 404 without a body without end", run = read_never(EMPTY) },
  { id = "B3e", title = "--plan put does not take a 404 page for absence", run = planned_put },
  { id = "B4a", title = "500 of a follower that relays a 404: pause", run = relayed("pause", 3) },
  { id = "B4b", title = "the same of restart", run = relayed("restart", 3) },
  { id = "B4c", title = "the same of delete", run = relayed_delete },
  { id = "B5a", title = "PATCH refused with 405", run = no_patch(405) },
  { id = "B5b", title = "PATCH refused with 501", run = no_patch(501) },
  { id = "B5c", title = "PATCH refused with a page: 403", run = no_patch(403) },
  { id = "B5d", title = "PATCH refused with 405 in JSON", run = no_patch(405, "application/json") },
}
