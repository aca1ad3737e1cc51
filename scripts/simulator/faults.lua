-- faults: what goes wrong on the way to a provider and back, by rate and seed or by a script.
-- The reply tells the host what to do with the connection; a write may be applied later.
--
-- A specification is a text "KIND=RATE,…", rates from 0 to 1, "write/KIND=RATE" for writes
-- only and "read/KIND=RATE" for reads only; or a table (a JSON file) { rates = { [KIND] = RATE },
-- script = { { method, path, after, times, fault }, … } }. The script comes first: an entry is for
-- requests of that method whose path holds that text (both optional), spares the first `after` of
-- them, and is used up after `times` (1). KIND is one of
--   refuse     no connection comes about, where the host can do that; else as lose
--   lose       closed without an answer, and nothing was done
--   drop       done, and closed without an answer
--   cut        done, and the answer ends half way
--   garbage    done, and the answer's body is none
--   html       nothing was done: a 200 with a web page
--   503        (any status from 400 to 599) instead of being done; 503:7 asks for 7 seconds
--   500+       done, and then that status
--   late:30    504 at once, done after so many seconds
--   delay:3    answered so many seconds later
--   rebalance  nothing was done: Kafka Connect's 409 (or, of a read, 500) while its workers agree
--              on who does what

local faults = {}
local methods = {}
methods.__index = methods

local plain = { refuse = true, lose = true, drop = true, cut = true, garbage = true, html = true,
                rebalance = true }
local timed = { late = true, delay = true }

local function parse_kind(text)
  local which, rest = text:match("^(%a+)/(.+)$")
  if not which then rest = text end
  if which and which ~= "read" and which ~= "write" then return nil end
  local fault = { which = which }
  if plain[rest] then
    fault.kind = rest
    return fault
  end
  local word, seconds = rest:match("^(%a+):([%d.]+)$")
  if word and timed[word] and tonumber(seconds) then
    fault.kind, fault.seconds = word, tonumber(seconds)
    return fault
  end
  local status, after, wait = rest:match("^([45]%d%d)(%+?):?([%d.]*)$")
  if status and (wait == "" or tonumber(wait)) then
    fault.kind, fault.status = "status", math.tointeger(status)
    fault.applied, fault.wait = after == "+", wait ~= "" and wait or nil
    return fault
  end
end

local function wrong(...) error("faults: " .. string.format(...), 0) end

local function check_kind(text)
  local fault = type(text) == "string" and parse_kind(text)
  if not fault then wrong("no such kind: %s", tostring(text)) end
  return fault
end

local function add_rate(rates, text, value)
  local fault, rate = check_kind(text), tonumber(value)
  if not rate or not (rate >= 0 and rate <= 1) then
    wrong("%s: a rate from 0 to 1 expected, got %s", text, tostring(value))
  end
  fault.rate, fault.text = rate, text
  rates[#rates + 1] = fault
end

local function parse_text(text)
  local rates = {}
  for entry in text:gmatch("[^,]+") do
    local kind, rate = entry:match("^%s*([^=%s]+)=([^=%s]+)%s*$")
    if not kind then wrong("KIND=RATE expected, got %s", entry) end
    add_rate(rates, kind, rate)
  end
  return rates, {}
end

local function parse_table(form)
  local rates, script = {}, {}
  for key in pairs(form) do
    if key ~= "rates" and key ~= "script" then wrong("unknown member %s", tostring(key)) end
  end
  for kind, rate in pairs(form.rates or {}) do add_rate(rates, kind, rate) end
  -- A table has no order, and the same seed must give the same faults.
  table.sort(rates, function(a, b) return a.text < b.text end)
  for i, entry in ipairs(form.script or {}) do
    if type(entry) ~= "table" then wrong("script: entry %d is not an object", i) end
    script[i] = {
      fault = check_kind(entry.fault), method = entry.method, path = entry.path,
      spare = math.tointeger(entry.after or 0), left = math.tointeger(entry.times or 1),
    }
    if not script[i].spare or not script[i].left then
      wrong("script: entry %d: after and times are whole numbers", i)
    end
  end
  return rates, script
end

-- The faults of that specification (a text or a table), drawn from that seed. Raises a string.
function faults.new(specification, seed)
  local rates, script
  if type(specification) == "string" then
    rates, script = parse_text(specification)
  elseif type(specification) == "table" then
    rates, script = parse_table(specification)
  else
    wrong("a text or an object expected, got %s", type(specification))
  end
  return setmetatable({ rates = rates, script = script, generator = seed or 1, late = {},
                        number = 0 }, methods)
end

-- Evenly distributed in [0, 1): splitmix64, apart from the world's, so that faults change no ids.
function methods:fraction()
  local z = self.generator + 0x9e3779b97f4a7c15
  self.generator = z
  z = (z ~ (z >> 30)) * 0xbf58476d1ce4e5b9
  z = (z ~ (z >> 27)) * 0x94d049bb133111eb
  return ((z ~ (z >> 31)) >> 11) / 9007199254740992.0
end

local function scripted(self, request)
  for _, entry in ipairs(self.script) do
    if entry.left > 0 and (not entry.method or entry.method == request.method)
      and (not entry.path or request.path:find(entry.path, 1, true)) then
      if entry.spare > 0 then
        entry.spare = entry.spare - 1
      else
        entry.left = entry.left - 1
        return entry.fault
      end
    end
  end
end

local function drawn(self, request)
  if not self.rates[1] then return nil end
  local which = request.method == "GET" and "read" or "write"
  local x = self:fraction()
  for _, fault in ipairs(self.rates) do
    if not fault.which or fault.which == which then
      x = x - fault.rate
      if x < 0 then return fault end
    end
  end
end

local page = "<!DOCTYPE html><html><body>Please sign in to the network.</body></html>"

-- A gateway's words are always the same ones; a server's own 500 may tell its request.
local function failure(self, fault)
  self.number = self.number + 1
  local message = "this failure was asked for"
  if fault.status == 500 and self.number % 2 == 0 then
    message = message .. " (" .. self.number .. ")"
  end
  return {
    status = fault.status,
    headers = { ["Content-Type"] = "application/json", ["Retry-After"] = fault.wait },
    body = ('{"error_code":%d,"message":"%s"}'):format(fault.status, message),
  }
end

local busy = {
  "Cannot complete request momentarily due to stale configuration (typically caused by a "
    .. "concurrent config change)",
  "Cannot complete request momentarily due to no known leader URL, likely because a rebalance was "
    .. "underway.",
  "Cannot complete request because of a conflicting operation (e.g. worker rebalance)",
}

local function rebalance(self, request)
  self.number = self.number + 1
  local status, message = 409, busy[self.number % #busy + 1]
  if request.method == "GET" and self.number % 2 == 0 then
    status, message = 500, "Request cannot be completed because a rebalance is expected"
  end
  return {
    status = status, headers = { ["Content-Type"] = "application/json" },
    body = ('{"error_code":%d,"message":"%s"}'):format(status, message),
  }
end

-- The reply to the request, which `serve(world, request)` carries out; with `connection` "refuse",
-- "close" or "cut", and `delay` in seconds, where these are needed.
function methods:handle(w, request, serve)
  local fault = scripted(self, request) or drawn(self, request)
  if not fault then return serve(w, request) end
  local kind = fault.kind
  if kind == "refuse" or kind == "lose" then
    return { status = 503, headers = {}, body = "",
             connection = kind == "refuse" and "refuse" or "close" }
  elseif kind == "rebalance" then
    return rebalance(self, request)
  elseif kind == "html" then
    return { status = 200, headers = { ["Content-Type"] = "text/html" }, body = page }
  elseif kind == "late" then
    table.insert(self.late, { due = w.now + fault.seconds, request = request })
    return failure(self, { status = 504 })
  elseif kind == "status" then
    if fault.applied then serve(w, request) end
    return failure(self, fault)
  end
  local reply = serve(w, request)
  if kind == "drop" then
    reply.connection = "close"
  elseif kind == "cut" then
    reply.connection = "cut"
  elseif kind == "garbage" then
    reply.body = '{"name":"\1\2'
  else
    reply.delay = fault.seconds
  end
  return reply
end

-- Carries out, each at its own time, what was to be done by now.
function methods:catch_up(w, serve)
  local now = w.now
  while self.late[1] do
    local first = 1
    for i, entry in ipairs(self.late) do
      if entry.due < self.late[first].due then first = i end
    end
    if self.late[first].due > now then break end
    local entry = table.remove(self.late, first)
    w.now = entry.due
    serve(w, entry.request)
  end
  w.now = now
end

return faults
