-- providers: what the matrix must know of a provider to write to it: the options of a target, a
-- config that it takes, where it starts, and which key holds a secret. Which providers there are is
-- for the program to say (matrix.lua asks its simulator); one that is not described here is
-- described by the simulator's example world, so that a new provider joins by itself.
local kelp = require "kelp"

local providers = {}

--- Values that nobody but the provider may ever see.
providers.canaries = {
  credential = "not-a-real-canary-credential-4711",
  stored = "not-a-real-canary-stored-4712",
  given = "not-a-real-canary-given-4713",
}

--- A secret that is also how the program's JSON goes on: hiding it everywhere would break that.
providers.syntax = '","name":"'

local credential = providers.canaries.credential

-- options: of the target but its address; address: the option that has it; place: in the
-- simulator's state; config: what a connector is made of, without its name; secret: what a config
-- with a secret has over it, where `key` is the one that is hidden; offsets: where one stands.
local described = {
  confluent = {
    address = "base_url", place = "env-sim/lkc-sim",
    options = { environment = "env-sim", cluster = "lkc-sim", api_key = "NOTAREALKEY00002",
                api_secret = credential },
    config = { ["connector.class"] = "DatagenSource", ["kafka.auth.mode"] = "SERVICE_ACCOUNT",
      ["kafka.service.account.id"] = "sa-sim001", ["kafka.topic"] = "orders",
      ["output.data.format"] = "JSON", quickstart = "ORDERS", ["tasks.max"] = "1" },
    secret = { ["kafka.auth.mode"] = "KAFKA_API_KEY", ["kafka.api.key"] = "NOTAREALKEY00001" },
    key = "kafka.api.secret",
  },
  upstash = {
    address = "base_url", place = "7568431c-88d5-4409-a808-2167f22a7133", list = true,
    options = { cluster = "7568431c-88d5-4409-a808-2167f22a7133", email = "somebody@example.com",
                api_key = credential },
    config = { ["connector.class"] = "com.example.S3Sink", topics = "orders", ["tasks.max"] = "1",
      ["flush.size"] = "10" },
    key = "connection.password",
  },
  connect = {
    address = "url", place = "local",
    options = { username = "somebody", password = credential },
    config = { ["connector.class"] = "org.apache.kafka.connect.file.FileStreamSourceConnector",
      file = "/dev/null", topic = "orders", ["tasks.max"] = "1" },
    key = "connection.password",
    offsets = { { partition = { filename = "/dev/null" }, offset = { position = 7 } } },
  },
}

local function copy(t)
  local result = {}
  for key, value in pairs(t) do result[key] = value end
  return result
end

-- The options among these that the provider's target knows.
local function known_options(name, options)
  options = copy(options)
  while true do
    local ok, why = pcall(kelp[name], options)
    local unknown = not ok and tostring(why):match "unknown option '([%w_]+)'"
    if not unknown or options[unknown] == nil then
      if ok then return options end
      error(("tests/promises/providers.lua does not describe %s, and its target cannot be "
        .. "guessed: %s"):format(name, tostring(why)), 0)
    end
    options[unknown] = nil
  end
end

-- The running connector of a place that serves best as an example: one with offsets, if there is
-- one, and always the same.
local function example_of(connectors)
  local best, best_key
  for key, c in pairs(connectors) do
    local rank = (c.offsets and "1 " or "2 ") .. (c.name or key)
    if (not c.state or c.state:lower() == "running") and (not best or rank < best_key) then
      best, best_key = c, rank
    end
  end
  return best
end

local function guessed(name, places, url)
  local place, connectors = next(places)
  local example = example_of(connectors or {})
  if not example then
    error(("tests/promises/providers.lua does not describe %s, and the example world of its "
      .. "simulator has no running connector"):format(name), 0)
  end
  local config = {}
  for key, value in pairs(example.config or example.properties) do config[key] = tostring(value) end
  config.name, config["tasks.max"] = nil, "1"
  local options = known_options(name, { base_url = url, url = url, email = "somebody@example.com",
    environment = place:match "^(.-)/", cluster = place:match "[^/]+$", username = "somebody",
    password = credential, api_key = credential, api_secret = credential })
  local address = options.base_url and "base_url" or "url"
  options[address] = nil
  return { address = address, place = place, list = #connectors > 0, options = options,
           config = config, key = "connection.password", offsets = example.offsets }
end

--- The provider of that name: as above, and its name. at: the simulator's addresses by provider;
--- places: the simulator's example world of it.
function providers.describe(name, at, places)
  local url = at[name] or at.url .. "/" .. name
  local p = copy(described[name] or guessed(name, places, url))
  p.name, p.secret = name, p.secret or {}
  p.offsets = p.offsets or { { partition = { kafka_topic = "orders", kafka_partition = 0 },
    offset = { kafka_offset = 7 } } }
  return p
end

--- A config of its own for a connector; with_secret: true, or the value of the hidden key.
function providers.config(p, name, with_secret)
  local config = copy(p.config)
  if with_secret then
    for key, value in pairs(p.secret) do config[key] = value end
    config[p.key] = with_secret == true and providers.canaries.stored or with_secret
  end
  config.name = name
  return config
end

--- The simulator's state in which connectors (name -> { config, state, offsets }) are all there is.
function providers.world(p, connectors)
  local place = {}
  for name, c in pairs(connectors) do
    if p.list then
      local properties = copy(c.config)
      properties.name = nil -- it stands beside them
      place[#place + 1] = { name = name, properties = properties, state = c.state }
    else
      place[name] = { config = c.config, state = c.state:upper(), offsets = c.offsets }
    end
  end
  if p.list then place = kelp.json.array(place) end
  return { [p.name] = { [p.place] = place } }
end

--- The targets file's text for a simulator at that address.
function providers.targets_file(p, at)
  local lines = { ("provider = %q"):format(p.name),
    ("%s = %q"):format(p.address, at[p.name] or at.url .. "/" .. p.name) }
  for key, value in pairs(p.options) do
    lines[#lines + 1] = value == credential and ("%s = env %q"):format(key, "PROMISES_CREDENTIAL")
      or ("%s = %q"):format(key, value)
  end
  for key, value in pairs { visibility_delay = 0.05, backoff = 0.01, longest_backoff = 0.05, timeout = 20 } do
    lines[#lines + 1] = ("%s = %g"):format(key, value)
  end
  return "return { subject = { " .. table.concat(lines, ", ") .. " } }\n"
end

return providers
