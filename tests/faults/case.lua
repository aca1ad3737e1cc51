-- case: carries out one case of a row (rows.lua tells what it may hold) and compares what happened
-- with what was expected. Returns a list of what was wrong, or nil and why it was left out.
local kelp = require "kelp"
local bench = require "bench"

local case = {}

local create_requests = { confluent = "POST /connectors$", upstash = "POST /connector$" }

local function merged(...)
  local all = {}
  for _, one in ipairs { ... } do
    for key, value in pairs(one) do all[key] = value end
  end
  return all
end

-- "create" alone, or without a config, is that of the standard connector.
local function calls_of(c)
  local calls, given = {}, c.calls or { { "create" } }
  if type(given) == "function" then given = given() end
  for i, call in ipairs(given) do
    call = table.move(call, 1, #call, 1, {})
    if call[1] == "create" then
      call[2] = call[2] or "faulty"
      call[3] = call[3] or bench.configs[c.provider]
    end
    calls[i] = call
  end
  return calls
end

local function target_of(c, base_url)
  local target = { base_url = base_url, visibility_delay = 0.1, timeout = 5, connect_timeout = 5,
                   deadline = 60 }
  if c.provider == "confluent" then
    target.environment, target.cluster = "env-sim", "lkc-sim"
  else
    target.cluster = bench.upstash_cluster
  end
  return merged(target, c.target or {})
end

local function environment(c, from)
  local env = { CONFLUENT_CLOUD_API_KEY = bench.user, CONFLUENT_CLOUD_API_SECRET = bench.canary,
                UPSTASH_EMAIL = bench.email, UPSTASH_API_KEY = bench.canary }
  if c.clock or c.host then env.LD_PRELOAD = bench.folder .. "/preload.so" end
  env.FAULT_CLOCK = c.clock
  for key, value in pairs(c.env or {}) do env[key] = (value:gsub("%$(%u+)", from)) end
  return env
end

-- Everything that a case needs, and what it can be asked afterwards.
local function set_up(c)
  local world = bench.simulator(c.simulator)
  local record, other_record = bench.path "record", bench.path "other"
  local from = { FOLDER = bench.folder }
  local other
  if c.other then
    other = bench.proxy("--record " .. bench.quote(other_record), {
      { "*", "*", "answer 200 OK", "body {}", "send" } })
    from.OTHER = tostring(other.port)
  end
  local proxy, why = bench.proxy(("--upstream %s --record %s %s"):format(
    world.url:match ":(%d+)$", bench.quote(record), c.proxy or ""), c.faults, from)
  if not proxy then return nil, why end
  local port, scheme = proxy.port, c.scheme or "http"
  if c.tls then
    local tls = bench.tls(port, c.tls.certificate or "good",
      (c.tls.options or ""):gsub("%$(%u+)", from))
    port, scheme = tls.port, c.scheme or "https"
    from.TLS = tostring(port)
  end
  local base_url = ("%s://%s:%d%s"):format(scheme, c.host or "127.0.0.1", port,
    world[c.provider]:match "^%w+://[^/]*(/.*)$")
  return { proxy = proxy, other = other, record = record, other_record = other_record,
           base_url = base_url, from = from }
end

local function run(c, at)
  local target = target_of(c, at.base_url)
  for key, value in pairs(target) do
    if type(value) == "string" then target[key] = value:gsub("%$(%u+)", at.from) end
  end
  local spec = merged({ provider = c.provider, target = target }, c.spec or {})
  if not c.script then spec.calls = calls_of(c) end
  if c.script == "bulk" then spec.config = bench.configs[c.provider] end
  local r = bench.kelp(c.script or "call", spec, environment(c, at.from), c.unrecorded)
  r.requests = at.proxy:report()
  r.effects = c.proxy == "--full" and {} or at.proxy:effects()
  r.record = bench.read(at.record)
  r.other = at.other and bench.read(at.other_record)
  r.last = r.results[#r.results] or {}
  os.remove(at.record)
  if at.other then bench.done_with(at.other_record) end
  return r
end

--- How many requests fit "METHOD pattern", where the pattern is for the path.
function case.count(r, what, test)
  local method, pattern = what:match "^(%S+) (.*)$"
  local count = 0
  for _, q in ipairs(r.requests) do
    if (method == "*" or q.method == method) and q.path:find(pattern)
      and (not test or test(q)) then
      count = count + 1
    end
  end
  return count
end

-- ---- judging ----

local function within(value, range)
  if type(range) == "table" then
    return value ~= nil and value >= range[1] and value <= range[2]
  end
  return value == range
end

local function shown(range)
  return type(range) == "table" and ("%s to %s"):format(range[1], range[2]) or tostring(range)
end

local fields = { "kind", "sent", "attempts", "status", "cause", "retry_after", "paused" }

local function judge(c, r)
  local wrong, e = {}, c.expect or {}
  local function check(fine, format, ...)
    if not fine then wrong[#wrong + 1] = format:format(...) end
  end
  local function expect(what, value, range)
    check(within(value, range), "%s: %s expected, got %s", what, shown(range), tostring(value))
  end

  check(r.how == "exit", "ended by a %s (%s)", r.how, r.code)
  expect("exit code", r.code, e.exit or 0)
  for _, field in ipairs(fields) do
    if e[field] ~= nil then expect(field, r.last[field], e[field]) end
  end
  if e.says then check(r.err:find(e.says), "standard error does not say '%s'", e.says) end
  if e.message then
    check((r.last.message or r.last.misuse or ""):find(e.message),
      "the message '%s' does not hold '%s'",
      r.last.message or r.last.misuse, e.message)
  end

  -- What was sent and what was done.
  if e.posts then
    expect("creates sent", case.count(r, create_requests[c.provider]), e.posts)
  end
  for what, range in pairs(e.seen or {}) do expect(what, case.count(r, what), range) end
  local effects, made = {}, {}
  for _, effect in ipairs(r.effects) do
    effects[effect.verb] = (effects[effect.verb] or 0) + 1
    if effect.verb == "create" then made[effect.name] = (made[effect.name] or 0) + 1 end
  end
  for verb, range in pairs(e.effects or {}) do
    expect(verb .. " effects", effects[verb] or 0, range)
  end
  for name, count in pairs(made) do
    check(count <= (e.most or 1), "%s was made %d times", name, count)
  end

  -- Bounds.
  if e.within then check(r.seconds <= e.within, "it took %.2f s, not %g", r.seconds, e.within) end
  if e.least then check(r.seconds >= e.least, "it took only %.2f s, not %g", r.seconds, e.least) end
  if e.peak then
    check(r.peak and r.peak <= e.peak, "it used %.0f MiB, not %d", r.peak or -1, e.peak)
  end

  -- Secrets.
  local credentials = {
    bench.canary, bench.sink_canary, bench.base64(bench.user .. ":" .. bench.canary),
    bench.base64(bench.email .. ":" .. bench.canary), table.unpack(c.never or {}) }
  for _, canary in ipairs(credentials) do
    for _, where in ipairs { "out", "err", "other" } do
      check(not (r[where] and r[where]:find(canary, 1, true)), "a secret is in %s", where)
    end
  end

  if c.check then
    local fine, why = pcall(c.check, r, check)
    check(fine, "%s", tostring(why))
  end
  if #wrong > 0 then
    wrong[#wrong + 1] = ("after %.2f s, exit %s"):format(r.seconds, r.code)
    wrong[#wrong + 1] = "standard output: " .. r.out:sub(-2000)
    wrong[#wrong + 1] = "standard error: " .. r.err:sub(-2000)
    for _, q in ipairs(r.requests) do
      wrong[#wrong + 1] = ("%.3f connection %d: %s %s, forwarded %d times, answered %d"):format(
        q.at % 1000, q.connection, q.method, q.target:sub(1, 200), q.forwarded, q.status)
      if #wrong > 40 then break end
    end
  end
  return wrong
end

-- A row that does its own steps: it returns why it was left out, if it was.
local function by_steps(c, at)
  local wrong = {}
  local steps = require("steps").new(c, at, function(fine, format, ...)
    if not fine then wrong[#wrong + 1] = format:format(...) end
  end)
  local fine, why = pcall(c.steps, steps)
  steps:close()
  if not fine then wrong[#wrong + 1], why = tostring(why), nil end
  if why and #wrong == 0 then return nil, why end
  return wrong
end

-- Returns what was wrong, an empty list when nothing was; or nil and why it was left out.
function case.run(c)
  if c.tls and not bench.exists(bench.folder .. "/tls") then
    return nil, "OpenSSL's headers are missing (libssl-dev), or its program"
  end
  if c.prepare then c.prepare(bench) end
  local at, why = set_up(c)
  if not at then
    bench.stop()
    return nil, why
  end
  if c.steps then
    local wrong, why_not = by_steps(c, at)
    bench.stop()
    return wrong, why_not
  end
  local r = run(c, at)
  bench.stop()
  return judge(c, r)
end

return case
