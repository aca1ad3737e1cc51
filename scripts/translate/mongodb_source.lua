-- MongoDB's own source connector (change streams) to MongoDbAtlasSource.
-- The managed template puts user, password and host back into a URI as they are.
local formatter = "com.mongodb.kafka.connect.source.json.formatter."

return {
  from = "com.mongodb.kafka.connect.MongoSourceConnector",
  to = "MongoDbAtlasSource",
  kind = "source",
  formats = {
    value = "AVRO JSON_SR PROTOBUF JSON STRING BSON",
    key = "AVRO JSON_SR PROTOBUF STRING JSON",
  },
  required = "connection.host connection.user connection.password mongodb.instance.type",
  rules = {
    { split = "connection.uri", with = "mongodb_uri" },
    { const = "tasks.max", value = "1", why = "Confluent fixes it for this connector" },
    { copy = [[
        database collection pipeline collation batch.size startup.mode
        topic.prefix topic.suffix topic.separator topic.namespace.map
        poll.await.time.ms poll.max.batch.size offset.partition.name
        publish.full.document.only publish.full.document.only.tombstone.on.delete
        change.stream.full.document change.stream.full.document.before.change
        change.stream.show.expanded.events change.stream.document.key.as.key
        startup.mode.copy.existing.namespace.regex startup.mode.copy.existing.pipeline
        startup.mode.timestamp.start.at.operation.time
        output.schema.key output.schema.value output.schema.infer.value
        remove.field.on.schema.mismatch
        mongo.errors.tolerance mongo.errors.deadletterqueue.topic.name
        server.api.version server.api.deprecation.errors server.api.strict
        heartbeat.interval.ms heartbeat.topic.name key.converter.schemas.enable ]] },
    { default = "key.converter.schemas.enable", value = "true",
      when = { key = "key.converter", is = "org.apache.kafka.connect.json.JsonConverter" },
      why = "JsonConverter's default; Confluent's is false" },
    { map = "output.json.formatter", to = "output.json.format", values = {
        [formatter .. "DefaultJson"] = "DefaultJson",
        [formatter .. "ExtendedJson"] = "ExtendedJson",
        [formatter .. "SimplifiedJson"] = "SimplifiedJson",
      } },
    { map = "copy.existing", to = "startup.mode", weak = true,
      values = { ["true"] = "copy_existing", ["false"] = "latest" } },
    -- "schema" says nothing about which of the formats with a schema; the converter does.
    { map = "output.format.value", to = "output.data.format", weak = true,
      values = { json = "STRING", bson = "BSON", schema = false },
      conflict = "output.format.value and value.converter ask for different record formats" },
    { drop = "output.format.key", why = "follows the key format" },
    { drop = "topics", why = "not a setting of a source" },
    { drop = [[
        startup.mode.copy.existing.queue.size startup.mode.copy.existing.max.threads
        startup.mode.copy.existing.allow.disk.use mongo.errors.log.enable ]],
      why = "fixed by Confluent" },
  },
  remarks = {
    "Upstash gives no resume token: the new connector starts where startup.mode says",
    "MongoDB's access list has to name Confluent's addresses instead of Upstash's",
  },
}
