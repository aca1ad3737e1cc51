-- confluent_config: what Confluent Cloud does with a config: which it refuses, which keys it adds,
-- and what it shows of the stored secrets.

local lifecycle = require "simulator.lifecycle"
local plugins = require "simulator.confluent_plugins"
local text = require "simulator.text"

local byte, concat, find, format = string.byte, table.concat, string.find, string.format

local mask = text.mask

local injected = {
  ["cloud.environment"] = true, ["cloud.provider"] = true, ["connector.crn"] = true,
  ["kafka.dedicated"] = true, ["kafka.endpoint"] = true,
  ["kafka.max.partition.validation.disable"] = true, ["kafka.region"] = true,
  ["kafka.user.id"] = true, ["schema.registry.url"] = true, ["valid.kafka.api.key"] = true,
  ["confluent.custom.plugin.type"] = true, ["confluent.resource.connector.tier"] = true,
}

local is_injected = text.remember(function(key)
  return injected[key] or find(key, "config.internal.", 1, true) == 1
end)

-- All that is masked of a custom connector: the plugin would have to declare anything else.
local kafka_secrets = { ["kafka.api.key"] = true, ["kafka.api.secret"] = true }

local function is_custom(config)
  return config["confluent.connector.type"] == "CUSTOM"
end

local configs = {}

-- A plan is how the connector's config is shown, in order: a text for what the service adds, else
-- { key, text before the value, whether clients see a mask, whether the effect log has one }.
-- It serves while the keys stay the same.
local function make_plan(w, place, c, with_id)
  local constants = {
    ["cloud.environment"] = "prod",
    ["cloud.provider"] = "aws",
    ["config.internal.simulator.region"] = "us-west-2",
    ["kafka.dedicated"] = "false",
    ["kafka.endpoint"] = "SASL_SSL://pkc-sim00.us-west-2.aws.confluent.cloud:9092",
    ["kafka.max.partition.validation.disable"] = "false",
    ["kafka.region"] = "us-west-2",
    ["valid.kafka.api.key"] = "true",
  }
  if with_id then
    constants["connector.crn"] = format(
      "crn://confluent.cloud/organization=sim/environment=%s/cloud-cluster=%s/connector=%s",
      place.environment, place.cluster, c.id)
  end
  local custom = is_custom(c.config)
  if custom then constants["confluent.custom.plugin.type"] = "CUSTOM" end
  local all = {}
  for key in pairs(constants) do all[key] = true end
  for key in pairs(c.config) do all[key] = true end
  local plan, quote = { custom = custom }, w.write.quote
  for i, key in ipairs(text.sorted_keys(all)) do
    if constants[key] then
      plan[i] = quote(key) .. ":" .. quote(constants[key])
    else
      local secret = w.write.secret(key)
      plan[i] = { key, quote(key) .. ":", secret and (not custom or kafka_secrets[key]), secret }
    end
  end
  return plan
end

-- What a client is shown and what the effect log keeps, which is only what clients sent; nil when
-- the plan is for other keys.
local function follow(w, plan, config, key_count)
  if plan.custom ~= is_custom(config) then return nil end
  local shown, sent, quote, used = {}, {}, w.write.quote, 0
  for i = 1, #plan do
    local step = plan[i]
    if type(step) == "string" then
      shown[i] = step
    else
      local value = config[step[1]]
      if value == nil then return nil end
      local before = step[2]
      local member = before .. (step[3] and mask or quote(value))
      used = used + 1
      shown[i] = member
      sent[used] = (step[4] or text.has_password(value)) and before .. mask or member
    end
  end
  if used ~= key_count then return nil end
  return "{" .. concat(shown, ",") .. "}", "{" .. concat(sent, ",") .. "}"
end

-- What clients see of c.config (masks, and what the service adds) and what the effect log keeps.
-- c.key_count is its number of keys and c.plan is kept on the connector; with_id is false in the
-- reply to POST, which comes before the connector has an id to show.
function configs.shown(w, place, c, with_id)
  local shown, sent
  if with_id then
    if c.plan then shown, sent = follow(w, c.plan, c.config, c.key_count) end
    if shown then return shown, sent end
  end
  local plan = make_plan(w, place, c, with_id)
  if with_id then c.plan = plan end
  return follow(w, plan, c.config, c.key_count)
end

-- What a client sent as the service keeps it, and its number of keys: injected keys gone, masks
-- that stand for a stored value replaced by that.
function configs.stored(w, sent, previous)
  local config, count = {}, 0
  for key, value in pairs(sent) do
    if not is_injected(key) then
      count = count + 1
      if previous and byte(value) == 42 and previous[key] and find(value, "^%*%*+$")
        and w.write.secret(key) then
        value = previous[key]
      end
      config[key] = value
    end
  end
  return config, count
end

-- What is wrong with a config before anything looks at what it means: a failure kind and a
-- message, or nil.
function configs.refuse(config, name)
  for key, value in pairs(config) do
    if type(value) ~= "string" then
      return "invalid", "only string values are permitted for the configuration \"" .. key .. '"'
    end
  end
  if config.name == nil then return "invalid", "Missing required configuration \"name\"" end
  if config.name ~= name then
    return "invalid", format("Connector name configuration (%s) doesn't match connector name (%s)",
      config.name, name)
  end
  if is_custom(config) then
    if not config["confluent.custom.plugin.id"] then
      return "invalid", "Missing required configuration \"confluent.custom.plugin.id\""
    end
  else
    local class = config["connector.class"]
    if not class then return "invalid", "Missing required configuration \"connector.class\"" end
    if not plugins[class] then
      return "no_class", "Failed to find any class that implements Connector and which name "
        .. "matches io.confluent.connect." .. class
    end
  end
  local needed = { "kafka.api.key", "kafka.api.secret" }
  if config["kafka.auth.mode"] == "SERVICE_ACCOUNT" then
    needed = { "kafka.service.account.id" }
  end
  for _, key in ipairs(needed) do
    if not config[key] then
      return "invalid", format('Missing required configuration "%s"', key)
    end
  end
end

-- What is wrong with what a config means: one line for each fault, or nil.
function configs.faults(config)
  if not lifecycle.tasks_max(config) then
    return format("tasks.max: Invalid value %s for configuration tasks.max: it must be a positive "
      .. "integer", config["tasks.max"])
  end
end

function configs.type(config)
  local class = config["connector.class"] or ""
  local plugin = plugins[class]
  if plugin and not is_custom(config) then return plugin.type end
  return find(class:lower(), "sink") and "sink" or find(class:lower(), "source") and "source"
    or "unknown"
end

return configs
