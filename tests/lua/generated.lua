-- Generated scripts: what the plan lists is what the run then does, a plan after it is empty, and
-- undo brings back what was there before, but for what it says that it cannot restore. A seed makes
-- a script; KELP_SEEDS=N runs N of them (40), KELP_SEED=N only that one.
local kelp = require "kelp"
local lu = require "luaunit"
local support = require "support"

local CLUSTER = support.upstash_cluster

local classes = {
  confluent = { ["connector.class"] = "DatagenSource", ["kafka.topic"] = "t", quickstart = "ORDERS",
    ["output.data.format"] = "JSON", ["tasks.max"] = "1", ["kafka.auth.mode"] = "SERVICE_ACCOUNT",
    ["kafka.service.account.id"] = "sa-1" },
  upstash = { ["connector.class"] = "com.example.S3Sink", topics = "a", ["flush.size"] = "10" },
  connect = { ["connector.class"] = "FileStreamSink", topics = "a", file = "/tmp/out",
    ["tasks.max"] = "1" },
}
local KEYS = { "tasks.max", "topics", "flush.size", "some.setting", "note" }

-- One world of three places, each with connectors of which one is paused.
local function world(random)
  local state = { confluent = { ["env-sim/lkc-sim"] = {} }, upstash = { [CLUSTER] = {} },
                  connect = { ["local"] = {} } }
  for n = 1, 6 do
    for provider, base in pairs(classes) do
      local config = { name = "c" .. n }
      for key, value in pairs(base) do config[key] = value end
      config.note = "was " .. random(9)
      if n == 5 then config["db.password"] = "not-a-real-password" end
      local paused = n == 3
      if provider == "upstash" then
        table.insert(state.upstash[CLUSTER], { name = "c" .. n, properties = config,
          state = paused and "paused" or "running" })
      else
        local place = provider == "connect" and "local" or "env-sim/lkc-sim"
        state[provider][place]["c" .. n] = { config = config,
          state = paused and "PAUSED" or "RUNNING" }
      end
    end
  end
  return state
end

local function literal(config)
  local parts = {}
  for _, key in ipairs(KEYS) do
    if config[key] then parts[#parts + 1] = ("[%q] = %q"):format(key, config[key]) end
  end
  for key, value in pairs(config) do
    local known = false
    for _, one in ipairs(KEYS) do known = known or one == key end
    if not known then parts[#parts + 1] = ("[%q] = %q"):format(key, value) end
  end
  table.sort(parts)
  return "{ " .. table.concat(parts, ", ") .. " }"
end

-- What one script wants of one connector, so that running it twice changes nothing more.
local function wish(random, provider, n)
  local name, kind = "c" .. n, random(8)
  local var = provider
  local function some_changes()
    local changes = {}
    for _ = 1, random(3) do
      -- What a merge cannot remove again is not asked for where undo shall be complete.
      local key = KEYS[random(provider == "upstash" and 1 or #KEYS)]
      if provider == "upstash" then key = ({ "topics", "flush.size", "note" })[random(3)] end
      changes[key] = ("%s %d"):format("v", random(9))
    end
    if changes["tasks.max"] then changes["tasks.max"] = tostring(random(9)) end
    return changes
  end
  if n == 5 and provider == "confluent" then return nil end -- its secret would have to be sent
  if kind <= 3 then
    return ("%s:update(%q, %s)"):format(var, name, literal(some_changes()))
  elseif kind == 4 then
    return ("%s:%s(%q)"):format(var, n == 3 and "resume" or "pause", name)
  elseif kind == 5 and provider ~= "upstash" and n ~= 5 then
    local config = some_changes()
    for key, value in pairs(classes[provider]) do config[key] = config[key] or value end
    return ("%s:put(%q, %s)"):format(var, name, literal(config))
  elseif kind == 6 and n ~= 5 and provider ~= "upstash" then
    return ("if %s:find(%q) then %s:delete(%q) end"):format(var, name, var, name)
  elseif kind == 7 then
    local new = "n" .. n
    local config = some_changes()
    for key, value in pairs(classes[provider]) do config[key] = config[key] or value end
    return ("if not %s:find(%q) then %s:create(%q, %s) end %s:update(%q, %s)"):format(var, new, var,
      new, literal(config), var, new, literal { note = "made" })
  end
  return ("print(%s:get(%q).state)"):format(var, name)
end

local function script_of(random)
  local lines = {}
  for n = 1, 6 do
    for _, provider in ipairs { "confluent", "upstash", "connect" } do
      lines[#lines + 1] = wish(random, provider, n)
    end
  end
  for i = #lines, 2, -1 do
    local j = random(i)
    lines[i], lines[j] = lines[j], lines[i]
  end
  return ([[
local kelp = require "kelp"
local confluent = kelp.confluent { environment = "env-sim", cluster = "lkc-sim" }
local upstash = kelp.upstash { cluster = "%s" }
local connect = kelp.connect { url = os.getenv "KAFKA_CONNECT_URL" }
]]):format(CLUSTER) .. table.concat(lines, "\n") .. "\n"
end

-- "action target connector key=old>new …" of what changes anything, in order.
local function lines_of_plan(plan)
  local lines = {}
  for _, step in ipairs(plan.plan) do
    local words = {}
    for _, c in ipairs(step.changes or {}) do
      words[#words + 1] = ("%s=%s>%s"):format(c.key, c.old or "", c.new or "")
    end
    lines[#lines + 1] = ("%s %s %s %s"):format(step.action, step.target:match "^%l+",
      step.connector, table.concat(words, " "))
  end
  return lines
end

local function shown(key, value)
  return value and key:find "password" and "<secret>" or value or ""
end

local function lines_of_effects(effects)
  local lines = {}
  for _, e in ipairs(effects) do
    local words, keys = {}, {}
    local before, after = e.before, e.after
    if before == kelp.null then before = nil end
    if after == kelp.null then after = nil end
    local action = e.verb
    if action == "put" or action == "update" or action == "patch" then
      action = before and "update" or "create"
    end
    if action == "update" or action == "create" then
      for key in pairs(before or {}) do keys[key] = true end
      for key in pairs(after or {}) do keys[key] = true end
      for key in pairs(keys) do
        local old, new = (before or {})[key], (after or {})[key]
        if old ~= new and key ~= "name" then
          words[#words + 1] = ("%s=%s>%s"):format(key, shown(key, old), shown(key, new))
        end
      end
      table.sort(words)
    end
    if action ~= "update" or #words > 0 then
      lines[#lines + 1] = ("%s %s %s %s"):format(action, e.provider, e.name,
        table.concat(words, " "))
    end
  end
  return lines
end

-- Only what differs, so that a failure can be read.
local function assert_same_state(is, should, where)
  local differing = {}
  for _, pair in ipairs { { is, should }, { should, is } } do
    for name, value in pairs(pair[1]) do
      local one, other = kelp.json.encode(value), kelp.json.encode(pair[2][name] or {})
      if one ~= other then
        differing[#differing + 1] = ("%s\n  is     %s\n  should %s"):format(name,
          kelp.json.encode(is[name] or {}), kelp.json.encode(should[name] or {}))
      end
    end
  end
  if #differing > 0 then error(where .. table.concat(differing, "\n"), 0) end
end

local function generator(seed)
  local state = seed * 2654435761 + 1
  return function(n)
    state = state * 6364136223846793005 + 1442695040888963407
    return (state >> 33) % n + 1
  end
end

TestGenerated = {}

local function run(sim, home, arguments)
  local result = support.kelp(arguments, { env = {
    XDG_STATE_HOME = home, CONFLUENT_CLOUD_REST_ENDPOINT = sim.confluent,
    UPSTASH_API_URL = sim.upstash, KAFKA_CONNECT_URL = sim.connect,
    CONFLUENT_CLOUD_API_KEY = "NOTAREALKEY00002",
    CONFLUENT_CLOUD_API_SECRET = "not-a-real-api-secret", UPSTASH_EMAIL = "somebody@example.com",
    UPSTASH_API_KEY = "not-a-real-upstash-key" } })
  return result
end

local function check(sim, seed)
  local random = generator(seed)
  sim:reset(world(random))
  local home = support.make_folder(support.path "home")
  local text = script_of(random)
  local path = support.write(support.path "generated.lua", text)
  local where = ("seed %d:\n%s"):format(seed, text)
  local function ends(result, ...)
    for _, code in ipairs { ... } do
      if result.how == "exit" and result.code == code then return result end
    end
    error(("%s\nended with %s %d:\n%s%s"):format(where, result.how, result.code, result.out,
      result.err), 0)
  end
  local before = support.state_of(sim)
  local planned = ends(run(sim, home, { "--plan", "--output", "json", path }), 0, 3)
  local document = planned.out:match "(%b{})%s*$"
  assert_same_state(support.state_of(sim), before, where)
  ends(run(sim, home, { path }), 0)
  lu.assertEquals(lines_of_plan(kelp.json.decode(document)), lines_of_effects(sim:effects()), where)
  local after = support.state_of(sim)
  local again = ends(run(sim, home, { "--plan", path }), 0, 3)
  lu.assertEquals(again.code, 0, where .. again.out)
  lu.assertEquals(planned.code, document:find '"changes":0' and 0 or 3, where)
  assert_same_state(support.state_of(sim), after, where)
  if #lines_of_effects(sim:effects()) == 0 then return end
  local undone = ends(run(sim, home, { "undo", "last" }), 0)
  assert_same_state(support.state_of(sim), before, where .. undone.out .. undone.err)
end

function TestGenerated:test_plan_run_plan_undo()
  local sim = support.start "--provisioning 0"
  local only = tonumber(os.getenv "KELP_SEED")
  for seed = only or 1, only or tonumber(os.getenv "KELP_SEEDS") or 40 do check(sim, seed) end
end
