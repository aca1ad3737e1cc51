-- connect_offsets: a connector's offsets as a Kafka Connect worker serves them: changed at once,
-- and only while the connector is stopped.

local format = string.format

local offsets = {}

local function list_text(w, list)
  return list and list[1] and w.write.value(list) or "[]"
end

function offsets.get(w, speaker, _, _, c)
  return speaker.reply(w, 200, format('{"offsets":%s}', list_text(w, c.offsets)))
end

local function must_be_stopped(w, speaker, c)
  return speaker.fail(w, 400, format("Connectors must be in the STOPPED state before their offsets "
    .. "can be modified. This can be done for the specified connector by issuing a 'PUT' request "
    .. "to the '/connectors/%s/stop' endpoint", c.name))
end

-- What is wrong with an entry for a sink, or nil.
local function sink_fault(entry, null)
  local partition, offset = entry.partition, entry.offset
  if type(partition) ~= "table" then
    return 400, "The partition for a sink connector offset cannot be null or missing"
  end
  if partition.kafka_topic == nil or partition.kafka_partition == nil then
    return 400, "The partition for a sink connector offset must contain the keys 'kafka_topic' and "
      .. "'kafka_partition'"
  end
  if not math.tointeger(tonumber(partition.kafka_partition)) then
    return 400, format("Failed to parse the following Kafka partition value in the provided "
      .. "offsets: '%s'. Partition values for sink connectors need to be integers.",
      tostring(partition.kafka_partition))
  end
  if offset ~= null and (type(offset) ~= "table" or offset.kafka_offset == nil) then
    return 400, "The offset for a sink connector should either be null or contain the key "
      .. "'kafka_offset'"
  end
end

-- The same for a source that looks at its offsets.
local function source_fault(entry, plugin, null)
  if not plugin.partition_key then return nil end
  local partition, offset = entry.partition, entry.offset
  if type(partition) ~= "table" or partition[plugin.partition_key] == nil then
    return 500, format("Partition objects should contain the key '%s'", plugin.partition_key)
  end
  if offset ~= null
    and (type(offset) ~= "table" or math.type(offset[plugin.offset_key]) ~= "integer") then
    return 500, format("The value for the '%s' key in the offset is expected to be a Long value",
      plugin.offset_key)
  end
end

-- Like partitions are the same one, whether their numbers came as texts or not.
local function known_by(w, partition)
  local plain = {}
  for key, value in pairs(partition) do plain[key] = tostring(value) end
  return w.write.object(plain)
end

local function as_kept(entry)
  local partition = entry.partition
  if partition.kafka_partition == nil then return entry end
  return {
    partition = { kafka_topic = partition.kafka_topic,
                  kafka_partition = math.tointeger(tonumber(partition.kafka_partition)) },
    offset = { kafka_offset = math.tointeger(tonumber(entry.offset.kafka_offset)) },
  }
end

local function merge(w, before, changes)
  local order, kept = {}, {}
  for _, list in ipairs { before or {}, changes } do
    for _, entry in ipairs(list) do
      local name = known_by(w, entry.partition)
      if kept[name] == nil then order[#order + 1] = name end
      kept[name] = entry.offset ~= w.json.null and as_kept(entry)
    end
  end
  local result = {}
  for _, name in ipairs(order) do
    if kept[name] then result[#result + 1] = kept[name] end
  end
  return result
end

local function changed(w, speaker, place, c, verb, word)
  local summary = speaker.summary(w, place, c)
  w:effect(speaker.name, place, verb, c, summary, summary)
  local said = format("The offsets for this connector have been %s successfully", word)
  if c.type ~= "sink" and not c.plugin.partition_key then
    said = format("The Connect framework-managed offsets for this connector have been %s "
      .. "successfully. However, if this connector manages offsets externally, they will need to "
      .. "be manually %s in the system that the connector uses.", word, word)
  end
  return speaker.reply(w, 200, format('{"message":%s}', w.write.quote(said)))
end

function offsets.alter(w, speaker, place, request, c)
  local body = w:decode_object(request.body)
  if not body then return speaker.malformed(w) end
  local list = body.offsets
  if type(list) ~= "table" or list[1] == nil then
    return speaker.fail(w, 400,
      "Partitions / offsets need to be provided for an alter offsets request")
  end
  if c.phase ~= "stopped" then return must_be_stopped(w, speaker, c) end
  for _, entry in ipairs(list) do
    if type(entry) ~= "table" then return speaker.malformed(w) end
    local offset = entry.offset == nil and w.json.null or entry.offset
    local checked = { partition = entry.partition, offset = offset }
    local status, message
    if c.type == "sink" then
      status, message = sink_fault(checked, w.json.null)
    else
      status, message = source_fault(checked, c.plugin, w.json.null)
    end
    if status then return speaker.fail(w, status, message) end
    entry.offset = offset
  end
  c.offsets = merge(w, c.offsets, list)
  return changed(w, speaker, place, c, "alter_offsets", "altered")
end

function offsets.reset(w, speaker, place, _, c)
  if c.phase ~= "stopped" then return must_be_stopped(w, speaker, c) end
  c.offsets = nil
  return changed(w, speaker, place, c, "reset_offsets", "reset")
end

return offsets
