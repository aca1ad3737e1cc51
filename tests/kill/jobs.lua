-- jobs: jobs of creates, updates and restarts, the world that each begins with, and what must be
-- true of a provider's log of effects and of the journal when one was killed, and when it is done.

local kelp = require "kelp"
local raw = require "kelp.raw"
local bench = require "bench"
local runs = require "runs"

local jobs = {}

local configs = {
  confluent = { ["connector.class"] = "DatagenSource", ["kafka.auth.mode"] = "SERVICE_ACCOUNT",
    ["kafka.service.account.id"] = "sa-sim001", ["kafka.topic"] = "orders", quickstart = "ORDERS",
    ["output.data.format"] = "JSON", ["tasks.max"] = "1" },
  upstash = { ["connector.class"] = "io.aiven.kafka.connect.s3.AivenKafkaConnectS3SinkConnector",
    topics = "events", ["aws.s3.bucket.name"] = "shop-events", ["tasks.max"] = "1" },
  connect = { ["connector.class"] = "org.apache.kafka.connect.file.FileStreamSinkConnector",
    topics = "events", file = "/dev/null", ["tasks.max"] = "1" },
}

local function with_name(config, name)
  local copy = { name = name }
  for key, value in pairs(config) do copy[key] = value end
  return copy
end

-- The state that a simulator begins with, which has these connectors.
local function world(provider, names)
  if provider == "upstash" then
    local list = {}
    for i, name in ipairs(names) do list[i] = { name = name, properties = configs.upstash } end
    return { upstash = { [bench.upstash_cluster] = kelp.json.array(list) } }
  end
  local place = {}
  for _, name in ipairs(names) do place[name] = { config = with_name(configs[provider], name) } end
  return { [provider] = { [provider == "connect" and "local" or "env-sim/lkc-sim"] = place } }
end

local shapes = { { "create" }, { "update" }, { "restart" }, { "create", "update", "restart" } }

--- A job: size: operations, about; chained: whether a step may have several verbs.
function jobs.new(provider, at, options)
  local job = { provider = provider, ops = {}, count = 0, names = {} }
  local steps, old = {}, {}
  for i = 0, options.size do
    if job.count >= options.size then break end
    local verbs = shapes[i % (options.chained and 4 or 3) + 1]
    local name = ("%s-%03d"):format(verbs[1] == "create" and "new" or "old", i)
    steps[#steps + 1] = { name = name, verbs = verbs }
    job.names[name] = true
    if verbs[1] ~= "create" then old[#old + 1] = name end
    for _, verb in ipairs(verbs) do job.ops[verb .. " " .. name] = verb end
    job.count = job.count + #verbs
  end
  job.world = world(provider, old)
  job.marker = tostring(options.marker)
  local target = { visibility_delay = options.visibility_delay or 0.1, backoff = 0.01, longest_backoff = 0.05,
                   timeout = 20 }
  if provider == "confluent" then
    target.environment, target.cluster = "env-sim", "lkc-sim"
  elseif provider == "upstash" then
    target.cluster = bench.upstash_cluster
  end
  target[provider == "connect" and "url" or "base_url"] = at[provider]
  job.spec = bench.path "spec.json"
  bench.write(job.spec, kelp.json.encode { provider = provider, target = target, steps = steps,
    config = configs[provider], marker = job.marker, concurrency = options.concurrency or 8 })
  return job
end

--- A simulator with a way to ask it what only tests may know.
function jobs.simulator(options)
  local at = bench.simulator("--provisioning 0 " .. (options or ""))
  at.proxy = bench.proxy("--upstream " .. at.url:match ":(%d+)$")
  return at
end

function jobs.begin(at, job)
  at.proxy:ask("PUT", "/_simulator/state", kelp.json.encode(job.world))
end

--- How often each request was answered, those of tests left out.
function jobs.requests(at)
  return kelp.json.decode(at.proxy:ask("GET", "/_simulator/requests"))
end

local verb_of = { put = "update", patch = "update" }

--- verb and name → how often it took effect; and the config that each connector has now.
function jobs.effects(at)
  local counts, configs_now = {}, {}
  for _, e in ipairs(at.proxy:effects()) do
    local key = ("%s %s"):format(verb_of[e.verb] or e.verb, e.name)
    counts[key] = (counts[key] or 0) + 1
    configs_now[e.name] = type(e.after) == "table" and e.after or {}
  end
  return counts, configs_now
end

local may_have_effect = { intent = true, done = true, unknown = true }

local function ops_of(journal)
  local ops = {}
  for _, op in ipairs(journal) do ops[op.verb .. " " .. op.connector] = op end
  return ops
end

--- After a kill: what is wrong, or nil: each effect must be in the journal, as begun or done, and
--- what the journal calls done must be among the effects.
function jobs.fault_now(at, place)
  local path = runs.newest(place)
  local journal, why
  if path then journal, why = runs.read(path) end
  local effects = jobs.effects(at)
  if not journal then
    if not next(effects) then return nil, "no journal" end
    return ("something was done, and the journal cannot be read: %s"):format(why or "none")
  end
  local ops = ops_of(journal)
  for key in pairs(effects) do
    if not ops[key] then return key .. " was done, and the journal has nothing of it" end
    if not may_have_effect[ops[key].state] then
      return ("%s was done, and the journal has it as %s"):format(key, ops[key].state)
    end
  end
  for key, op in pairs(ops) do
    if op.state == "done" and not effects[key] then
      return key .. " is done in the journal, and was not done"
    end
  end
end

--- When the job is done: what is wrong, or nil. `passes`: how often kelp ran for it.
function jobs.fault_at_end(at, place, job, passes)
  local journal, why = runs.read(runs.newest(place))
  if not journal then return "the journal cannot be read: " .. tostring(why) end
  if journal.about.state ~= "finished" then return "the run is " .. journal.about.state end
  local effects, now = jobs.effects(at)
  local ops = ops_of(journal)
  for key, verb in pairs(job.ops) do
    local op, count = ops[key], effects[key] or 0
    if not op then return key .. " is not in the journal" end
    if op.state ~= "done" then return ("%s is %s"):format(key, op.state) end
    if count == 0 then return key .. " was not done" end
    if verb == "create" and count ~= 1 then return ("%s was done %d times"):format(key, count) end
    local most = passes * (job.tries or 1)
    if count > most then
      return ("%s was done %d times in %d passes"):format(key, count, passes)
    end
    if verb == "update" then
      local has = (now[key:match " (.*)$"] or {})["batch.size"]
      if has ~= job.marker then return ("%s left %s"):format(key, tostring(has)) end
    end
  end
  for key in pairs(effects) do
    if not job.ops[key] then return key .. " was done and not asked for" end
  end
  if #journal ~= job.count then
    return ("the journal has %d operations, not %d"):format(#journal, job.count)
  end
end

return jobs
