-- connect_plugins: the connector classes that ship with Apache Kafka, their keys as a worker of
-- version 4.3 defines them, and what config/validate has to say about a config.
-- A key is { name, type, importance, default (nil: none), required, group, allowed values }; of the
-- keys that MirrorMaker's connectors share with Kafka's clients only the main ones are here.

local text = require "simulator.text"

local concat, find, format = table.concat, string.find, string.format

local plugins = { version = "4.3.1" }

local function key(name, kind, importance, default, more)
  local k = { name = name, type = kind, importance = importance, default = default }
  for field, value in pairs(more or {}) do k[field] = value end
  return k
end

local STRING_CONVERTER = "org.apache.kafka.connect.storage.StringConverter"
local HEADER_CONVERTER = "org.apache.kafka.connect.storage.SimpleHeaderConverter"

local converters = {}
for _, name in ipairs {
  "converters.BooleanConverter", "converters.ByteArrayConverter", "converters.DoubleConverter",
  "converters.FloatConverter", "converters.IntegerConverter", "converters.LongConverter",
  "converters.ShortConverter", "json.JsonConverter", "storage.SimpleHeaderConverter",
  "storage.StringConverter",
} do
  converters["org.apache.kafka.connect." .. name] = true
end

local errors = { group = "Error Handling" }

local function grouped(group, more)
  local result = { group = group }
  for field, value in pairs(more or {}) do result[field] = value end
  return result
end

local common = {
  key("name", "STRING", "HIGH", nil, grouped("Common", { required = true })),
  key("connector.class", "STRING", "HIGH", nil, grouped("Common", { required = true })),
  key("connector.plugin.version", "STRING", "MEDIUM", plugins.version, grouped "Common"),
  key("tasks.max", "INT", "HIGH", "1", grouped("Common", { least = 1 })),
  key("tasks.max.enforce", "BOOLEAN", "LOW", "true", grouped "Common"),
  key("key.converter", "CLASS", "LOW", STRING_CONVERTER, grouped("Common", { of = converters })),
  key("key.converter.plugin.version", "STRING", "LOW", plugins.version, grouped "Common"),
  key("value.converter", "CLASS", "LOW", STRING_CONVERTER, grouped("Common", { of = converters })),
  key("value.converter.plugin.version", "STRING", "LOW", plugins.version, grouped "Common"),
  key("header.converter", "CLASS", "LOW", HEADER_CONVERTER, grouped("Common", { of = converters })),
  key("header.converter.plugin.version", "STRING", "LOW", plugins.version, grouped "Common"),
  key("transforms", "LIST", "LOW", "", grouped "Transforms"),
  key("predicates", "LIST", "LOW", "", grouped "Predicates"),
  key("config.action.reload", "STRING", "LOW", "restart",
    grouped("Common", { allowed = { "none", "restart" } })),
  key("errors.retry.timeout", "LONG", "MEDIUM", "0", errors),
  key("errors.retry.delay.max.ms", "LONG", "MEDIUM", "60000", errors),
  key("errors.tolerance", "STRING", "MEDIUM", "none",
    grouped("Error Handling", { allowed = { "none", "all" } })),
  key("errors.log.enable", "BOOLEAN", "MEDIUM", "false", errors),
  key("errors.log.include.messages", "BOOLEAN", "MEDIUM", "false", errors),
}

local of_sinks = {
  key("topics", "LIST", "HIGH", "", grouped "Common"),
  key("topics.regex", "STRING", "HIGH", "", grouped "Common"),
  key("errors.deadletterqueue.topic.name", "STRING", "MEDIUM", "", errors),
  key("errors.deadletterqueue.topic.replication.factor", "SHORT", "MEDIUM", "3", errors),
  key("errors.deadletterqueue.context.headers.enable", "BOOLEAN", "MEDIUM", "false", errors),
}

local of_sources = {
  key("topic.creation.groups", "LIST", "LOW", "", grouped "Topic Creation"),
  key("exactly.once.support", "STRING", "MEDIUM", "requested",
    grouped("Exactly Once Support", { allowed = { "requested", "required" } })),
  key("transaction.boundary", "STRING", "MEDIUM", "poll",
    grouped("Exactly Once Support", { allowed = { "poll", "interval", "connector" } })),
  key("transaction.boundary.interval.ms", "LONG", "LOW", nil, grouped "Exactly Once Support"),
  key("offsets.storage.topic", "STRING", "LOW", nil, grouped "offsets.topic"),
}

local of_mirrors = {
  key("enabled", "BOOLEAN", "LOW", "true"),
  key("source.cluster.alias", "STRING", "HIGH", nil, { required = true }),
  key("target.cluster.alias", "STRING", "HIGH", "target"),
  key("admin.timeout.ms", "LONG", "LOW", "60000"),
  key("replication.policy.separator", "STRING", "LOW", "."),
  key("security.protocol", "STRING", "MEDIUM", "PLAINTEXT"),
  key("ssl.protocol", "STRING", "MEDIUM", "TLSv1.3"),
  key("ssl.keystore.type", "STRING", "MEDIUM", "JKS"),
  key("ssl.keystore.location", "STRING", "HIGH"),
  key("ssl.keystore.password", "PASSWORD", "HIGH"),
  key("ssl.key.password", "PASSWORD", "HIGH"),
  key("ssl.keystore.key", "PASSWORD", "HIGH"),
  key("ssl.keystore.certificate.chain", "PASSWORD", "HIGH"),
  key("ssl.truststore.certificates", "PASSWORD", "HIGH"),
  key("ssl.truststore.type", "STRING", "MEDIUM", "JKS"),
  key("ssl.truststore.location", "STRING", "HIGH"),
  key("ssl.truststore.password", "PASSWORD", "HIGH"),
  key("sasl.mechanism", "STRING", "MEDIUM", "GSSAPI"),
  key("sasl.jaas.config", "PASSWORD", "MEDIUM"),
  key("sasl.oauthbearer.client.credentials.client.secret", "PASSWORD", "MEDIUM"),
  key("sasl.oauthbearer.assertion.private.key.passphrase", "PASSWORD", "MEDIUM"),
}

local function joined(...)
  local all = {}
  for _, list in ipairs { ... } do
    for _, k in ipairs(list) do all[#all + 1] = k end
  end
  return all
end

-- class -> { type, keys, prefix: the partition's keys that its offsets have }
plugins.classes = {
  ["org.apache.kafka.connect.file.FileStreamSinkConnector"] = {
    type = "sink", keys = joined(common, of_sinks, { key("file", "STRING", "HIGH") }),
  },
  ["org.apache.kafka.connect.file.FileStreamSourceConnector"] = {
    type = "source", keys = joined(common, of_sources, {
      key("file", "STRING", "HIGH"),
      key("topic", "STRING", "HIGH", nil, { required = true, not_empty = true }),
      key("batch.size", "INT", "LOW", "2000"),
    }),
    partition_key = "filename", offset_key = "position",
  },
  ["org.apache.kafka.connect.mirror.MirrorCheckpointConnector"] = {
    type = "source", keys = joined(common, of_sources, of_mirrors, {
      key("groups", "LIST", "LOW", ".*"),
      key("emit.checkpoints.enabled", "BOOLEAN", "LOW", "true"),
      key("emit.checkpoints.interval.seconds", "LONG", "LOW", "60"),
    }),
  },
  ["org.apache.kafka.connect.mirror.MirrorHeartbeatConnector"] = {
    type = "source", one_task = true, keys = joined(common, of_sources, of_mirrors, {
      key("emit.heartbeats.enabled", "BOOLEAN", "LOW", "true"),
      key("emit.heartbeats.interval.seconds", "LONG", "LOW", "1"),
      key("heartbeats.topic.replication.factor", "SHORT", "LOW", "3"),
    }),
  },
  ["org.apache.kafka.connect.mirror.MirrorSourceConnector"] = {
    type = "source", keys = joined(common, of_sources, of_mirrors, {
      key("topics", "LIST", "HIGH", ".*"),
      key("refresh.topics.enabled", "BOOLEAN", "LOW", "true"),
      key("replication.factor", "INT", "LOW", "2"),
    }),
  },
}

-- A class goes by its full name, its simple name, and that without "Connector".
local by_alias = {}
for class, plugin in pairs(plugins.classes) do
  plugin.class = class
  local simple = class:match "[^.]+$"
  for _, alias in ipairs { class, simple, (simple:gsub("Connector$", "")) } do
    by_alias[alias] = plugin
  end
end

function plugins.find(name) return by_alias[name] end

function plugins.unknown(name)
  local known = {}
  for _, class in ipairs(text.sorted_keys(plugins.classes)) do
    known[#known + 1] = format("PluginDesc{klass=class %s, name='%s', version='%s'}", class, class,
      plugins.version)
  end
  return format("Failed to find any class that implements Connector and which name matches %s, "
    .. "available connectors are: %s", name, concat(known, ", "))
end

-- ---- values ----

local function invalid(k, value, why)
  return format("Invalid value %s for configuration %s: %s", value, k.name, why)
end

local ranges = {
  SHORT = { -32768, 32767 }, INT = { -2147483648, 2147483647 },
  LONG = { math.mininteger, math.maxinteger },
}

local function as_integer(value, kind)
  local digits = value:match "^%s*([+-]?%d+)%s*$"
  local n = digits and math.tointeger(tonumber((digits:gsub("^%+", ""))))
  local range = ranges[kind]
  return n and n >= range[1] and n <= range[2] and n or nil
end

-- What is wrong with a key's value (nil: absent), and the value as validate shows it.
local function judge(k, value)
  local wrong, shown = {}, value
  if value == nil then
    if k.required then
      wrong[1] = format('Missing required configuration "%s" which has no default value.', k.name)
    end
    return wrong, k.default
  end
  if ranges[k.type] then
    local n = as_integer(value, k.type)
    shown = n and format("%d", n)
    if not n then
      wrong[1] = invalid(k, value, "Not a number of type " .. k.type)
      if k.least then wrong[2] = invalid(k, "null", "Value must be non-null") end
    elseif k.least and n < k.least then
      wrong[1] = invalid(k, value, "Value must be at least " .. k.least)
    end
  elseif k.type == "BOOLEAN" then
    local word = value:match "^%s*(.-)%s*$":lower()
    shown = (word == "true" or word == "false") and word or nil
    if not shown then wrong[1] = invalid(k, value, "Expected value to be either true or false") end
  elseif k.type == "CLASS" then
    if not k.of[value] then
      wrong[1] = invalid(k, value, format("Class %s could not be found.", value))
      shown = nil
    end
  elseif k.type == "PASSWORD" then
    shown = "[hidden]"
  elseif k.allowed then
    local fits = false
    for _, word in ipairs(k.allowed) do fits = fits or word == value end
    if not fits then
      wrong[1] = invalid(k, value, "String must be one of: " .. concat(k.allowed, ", "))
    end
  elseif k.name == "name" then
    if value == "" then
      wrong[1] = invalid(k, value, "String may not be empty")
    elseif find(value, "%c") then
      local codes = {}
      for c in value:gmatch "%c" do codes[#codes + 1] = tostring(c:byte()) end
      wrong[1] = invalid(k, value, "String may not contain control sequences but had the following "
        .. "ASCII chars: " .. concat(codes, ", "))
    end
  elseif k.not_empty and value == "" then
    wrong[1] = invalid(k, value, "String must be non-empty")
  end
  return wrong, shown
end

local function both(results, a, b, message)
  for _, name in ipairs { a, b } do
    local wrong = results[name].wrong
    wrong[#wrong + 1] = message
  end
end

-- What a sink's keys say about each other.
local function judge_topics(results, config)
  local topics, pattern = config.topics or "", config["topics.regex"] or ""
  if topics == "" and pattern == "" then
    both(results, "topics", "topics.regex", "Must configure one of topics or topics.regex")
  elseif topics ~= "" and pattern ~= "" then
    both(results, "topics", "topics.regex",
      "topics and topics.regex are mutually exclusive options, but both are set.")
  end
  local queue = config["errors.deadletterqueue.topic.name"] or ""
  for topic in topics:gmatch "[^,]+" do
    if queue ~= "" and topic:match "^%s*(.-)%s*$" == queue then
      table.insert(results.topics.wrong, format("The DLQ topic '%s' may not be included in the "
        .. "list of topics ('topics=[%s]') consumed by the connector", queue, topics))
    end
  end
end

local function judge_all(plugin, config)
  local results = {}
  for _, k in ipairs(plugin.keys) do
    local wrong, shown = judge(k, config[k.name])
    results[k.name] = { wrong = wrong, shown = shown }
  end
  if plugin.type == "sink" then judge_topics(results, config) end
  return results
end

-- Every fault of a config for that plugin, in the order of its keys; {} when there is none.
function plugins.faults(plugin, config)
  local results, all = judge_all(plugin, config), {}
  for _, k in ipairs(plugin.keys) do
    for _, message in ipairs(results[k.name].wrong) do all[#all + 1] = message end
  end
  return all
end

-- The answer of config/validate.
function plugins.validation(w, plugin, asked, config)
  local quote = w.write.quote
  local function text_or_null(value) return value and quote(value) or "null" end
  local results, entries, count, groups, known = judge_all(plugin, config), {}, 0, {}, {}
  for i, k in ipairs(plugin.keys) do
    local result, messages = results[k.name], {}
    for j, message in ipairs(result.wrong) do messages[j] = quote(message) end
    count = count + #messages
    if k.group and not known[k.group] then
      known[k.group] = true
      groups[#groups + 1] = quote(k.group)
    end
    entries[i] = format('{"definition":{"name":%s,"type":"%s","required":%s,"default_value":%s,'
      .. '"importance":"%s","documentation":"","group":%s,"order_in_group":%d,"width":"NONE",'
      .. '"display_name":%s,"dependents":[]},"value":{"name":%s,"value":%s,'
      .. '"recommended_values":[],"errors":[%s],"visible":true}}', quote(k.name), k.type,
      k.required and "true" or "false", text_or_null(k.default), k.importance,
      text_or_null(k.group), k.group and i or -1, quote(k.name), quote(k.name),
      text_or_null(result.shown), concat(messages, ","))
  end
  return format('{"name":%s,"error_count":%d,"groups":[%s],"configs":[%s]}', quote(asked), count,
    concat(groups, ","), concat(entries, ","))
end

return plugins
