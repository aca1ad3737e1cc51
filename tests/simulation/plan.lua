-- plan: what one seed means: the world, the weather, what goes wrong, and the job that kelp is
-- given. Everything that a run does follows from this and from the seed.

local plan = {}

local random = math.random

local function between(a, b) return a + (b - a) * random() end
local function chance(p) return random() < p end
local function pick(list) return list[random(#list)] end

-- Most jobs are small, so that many seeds fit into a minute; some are not.
local function count()
  if chance(0.04) then return random(40, 60) end
  if chance(0.2) then return random(15, 30) end
  return random(5, 12)
end

-- What an item may be. "new" starts from nothing, "old" from a connector that is there.
local recipes = {
  { weight = 8, new = true, "create" },
  { weight = 2, new = true, "create", "wait" },
  { weight = 2, new = true, "create", "update" },
  { weight = 1, new = true, "create", "delete" },
  { weight = 2, new = true, "put" },
  { weight = 6, "update" },
  { weight = 2, "update", "update" },
  { weight = 1, "update", "restart" },
  { weight = 3, "put" },
  { weight = 3, "restart" },
  { weight = 2, "restart_once" },
  { weight = 1, "pause" },
  { weight = 2, "pause", "resume" },
  { weight = 2, "delete" },
  { weight = 1, "get" },
  { weight = 1, "list" },
  { weight = 1, "create_exists" },
}

local total_weight = 0
for _, recipe in ipairs(recipes) do total_weight = total_weight + recipe.weight end

local function pick_recipe()
  local x = random(total_weight)
  for _, recipe in ipairs(recipes) do
    x = x - recipe.weight
    if x <= 0 then return recipe end
  end
end

local function make_items(n, providers, secrets)
  local items, old, marker = {}, { confluent = {}, upstash = {}, connect = {} }, 0
  for i = 1, n do
    local recipe, provider = pick_recipe(), pick(providers)
    local item = { n = i, target = provider, name = ("c%d"):format(i), steps = {},
                   by = pick { "name", "object" } }
    if not recipe.new then table.insert(old[provider], item.name) end
    for _, verb in ipairs(recipe) do
      marker = marker + 1
      item.steps[#item.steps + 1] = { verb = verb, marker = marker,
                                      secret = chance(secrets) or nil }
    end
    items[i] = item
  end
  return items, old
end

-- Enough requests to see what a rate is learned from, with connectors few enough to be listed fast.
local function lengthen(items)
  for _, item in ipairs(items) do
    for _ = 1, 24 do table.insert(item.steps, 1, { verb = "list", marker = 0 }) end
  end
end

local function make_state(old)
  local confluent, upstash, connect = {}, {}, {}
  for _, name in ipairs(old.confluent) do
    confluent[name] = { config = {
      ["connector.class"] = "DatagenSource", name = name, kept = "yes", marker = "0",
      ["kafka.auth.mode"] = "SERVICE_ACCOUNT", ["kafka.service.account.id"] = "sa-sim001",
    } }
  end
  for i, name in ipairs(old.upstash) do
    upstash[i] = { name = name, connector_id = "id-of-" .. name, creation_time = 1700000000,
                   properties = { ["connector.class"] = "com.example.Sink", kept = "yes",
                                  marker = "0" } }
  end
  for _, name in ipairs(old.connect) do
    connect[name] = { config = { ["connector.class"] = "FileStreamSink", topics = "lines",
                                 name = name, kept = "yes", marker = "0" } }
  end
  return { confluent = { ["env-sim/lkc-sim"] = confluent },
           upstash = { ["cluster-sim"] = upstash }, connect = { ["local"] = connect } }
end

-- "write/500+" and its like are drawn more often than reads: they are what can go wrong for good.
local fault_kinds = {
  "refuse", "lose", "drop", "cut", "garbage", "html", "500", "500+", "502", "503", "503:2", "504",
  "502+", "504+", "503+", "429", "429:1", "write/drop", "write/500+", "write/lose", "write/cut",
  "delay:%d", "write/late:%d", "rebalance",
}

local function storm(most)
  local rates, left = {}, 0.6
  for _ = 1, random(1, most) do
    local kind = pick(fault_kinds):format(random(1, 90))
    local rate = math.min(left, between(0, chance(0.3) and 0.4 or 0.12))
    rates[kind], left = rate, left - rate
  end
  return rates
end

local function late_seconds(rates)
  local longest = 0
  for kind in pairs(rates) do
    longest = math.max(longest, tonumber(kind:match("late:(%d+)")) or 0)
  end
  return longest
end

-- Each class says what it adds to a calm run, and, in its name, what the judge may expect.
local classes = {
  { name = "calm", weight = 8 },
  { name = "rate", weight = 8, function(p)
    p.world.rate = random(3, 40)
    p.steady = chance(0.5)
    if not p.steady then
      for i = 1, random(1, 3) do
        p.rates[i] = { at = between(0, 30), rate = random(3, 60) }
      end
    end
  end },
  { name = "throttle", weight = 4, function(p)
    p.world.faults.rates[pick { "429", "429:1", "429:3", "rebalance" }] = between(0.05, 0.4)
  end },
  { name = "lag", weight = 8, function(p) p.world.lag = between(0, 3 * p.target.visibility_delay) end },
  { name = "doubt", weight = 12, function(p)
    local rates = p.world.faults.rates
    for _ = 1, random(1, 3) do
      rates[pick { "write/drop", "write/500+", "write/504+", "write/cut", "write/garbage" }]
        = between(0.05, 0.3)
    end
    p.world.lag = between(0, 1.9 * p.target.visibility_delay)
  end },
  { name = "storm", weight = 30, function(p) p.world.faults.rates = storm(5) end },
  { name = "hurricane", weight = 20, function(p)
    p.world.faults.rates = storm(9)
    p.world.lag = between(0, 2.5 * p.target.visibility_delay)
    p.world.rate = chance(0.3) and random(5, 50) or 0
    p.weather.slow, p.weather.slowest = between(0, 0.1), between(1, 100)
    p.weather.twice = between(0, 0.2)
  end },
  { name = "outage", weight = 6, function(p)
    local from = between(0, 5)
    p.outage = { from = from, to = from + between(5, 600),
                 kind = pick { "refuse", "503", "lose", "drop" } }
  end },
  { name = "revoked", weight = 4, function(p) p.revoked_at = between(0.1, 6) end },
  { name = "interrupt", weight = 6, function(p)
    p.world.faults.rates = storm(3)
    p.weather.interrupt_at = 1000 + between(0.1, 15)
  end },
}

local class_weight = 0
for _, class in ipairs(classes) do class_weight = class_weight + class.weight end

local function pick_class()
  local x = random(class_weight)
  for _, class in ipairs(classes) do
    x = x - class.weight
    if x <= 0 then return class end
  end
end

local drivers = { "each", "each", "each", "each", "iterator", "map", "sequential", "async",
                  "cancel", "cancel_job", "sort", "wrap", "mixed" }

function plan.of(seed)
  math.randomseed(seed)
  local visibility_delay = pick { 2, 5, 10 }
  local p = {
    seed = seed,
    target = { visibility_delay = visibility_delay, timeout = pick { 5, 20, 60 }, connect_timeout = 5,
               attempts = pick { 2, 4, 4, 4, 6 }, concurrency = pick { 1, 4, 16, 32 } },
    world = { seed = seed, now = 1000, epoch = 1767225600 - 1000, lag = 0, rate = 0,
              provisioning = pick { 0, 0, 2, 20 }, faults = { rates = {} } },
    weather = { latency = pick { 0.01, 0.1, 1 }, slow = 0, slowest = 0, twice = 0,
                interrupt_at = 0 },
    rates = {},
  }
  local class = pick_class()
  p.class = class.name
  if class[1] then class[1](p) end
  local providers = pick { { "confluent" }, { "upstash" }, { "connect" },
                           { "confluent", "upstash" }, { "upstash", "connect" } }
  local n = count()
  -- Of three requests a second, told in whole numbers, more than 2 % are refused all the same.
  local long = p.steady and p.world.rate > 3 and chance(0.12)
  if long then n, providers = random(24, 30), { pick { "confluent", "upstash" } } end
  local items, old = make_items(n, providers, 0.15)
  if long then lengthen(items) end
  p.world.state = make_state(old)
  -- How long after its answer was lost a write may still begin to show.
  p.delay = p.world.lag + late_seconds(p.world.faults.rates) + p.weather.slowest
  if p.outage then p.target.attempts = pick { 2, 4 } end
  p.weather.latest = 1000 + 1500 * #items * p.target.attempts + 5000
  p.job = { seed = seed, target = p.target, providers = providers, items = items,
            driver = pick(drivers), concurrency = pick { 1, 2, 5, 8, 32 },
            cancel_after = between(0, 10), lag = p.world.lag }
  return p
end

return plan
