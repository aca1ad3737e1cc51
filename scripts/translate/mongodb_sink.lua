-- MongoDB's own sink connector to MongoDbAtlasSink.
-- The managed template puts user, password and host back into a URI as they are.
local sink = "com.mongodb.kafka.connect.sink."

-- { ["<package><name>"] = "<name>", … }: the managed value is the class's simple name.
local function simple_names(package, names)
  local values = {}
  for name in names:gmatch("%S+") do values[sink .. package .. name] = name end
  return values
end

return {
  from = "com.mongodb.kafka.connect.MongoSinkConnector",
  to = "MongoDbAtlasSink",
  kind = "sink",
  formats = {
    value = "AVRO JSON_SR PROTOBUF JSON STRING BSON",
    key = "AVRO BYTES JSON JSON_SR PROTOBUF STRING",
  },
  required = [[
    connection.host connection.user connection.password mongodb.instance.type database ]],
  rules = {
    { split = "connection.uri", with = "mongodb_uri" },
    { copy = [[
        database collection max.num.retries retries.defer.timeout max.batch.size
        delete.on.null.values bulk.write.ordered rate.limiting.timeout rate.limiting.every.n
        document.id.strategy.uuid.format post.processor.chain field.renamer.mapping
        key.projection.type key.projection.list value.projection.type value.projection.list
        timeseries.timefield timeseries.timefield.auto.convert
        timeseries.timefield.auto.convert.date.format
        timeseries.timefield.auto.convert.locale.language.tag
        timeseries.metafield timeseries.expire.after.seconds mongo.errors.tolerance
        namespace.mapper.key.database.field namespace.mapper.key.collection.field
        namespace.mapper.value.database.field namespace.mapper.value.collection.field
        namespace.mapper.error.if.invalid
        server.api.version server.api.deprecation.errors server.api.strict
        key.converter.schemas.enable ]] },
    { default = "key.converter.schemas.enable", value = "true",
      when = { key = "key.converter", is = "org.apache.kafka.connect.json.JsonConverter" },
      why = "JsonConverter's default; Confluent's is false" },
    { rename = "document.id.strategy.overwrite.existing",
      to = "doc.id.strategy.overwrite.existing" },
    { rename = "server.api.deprecationErrors", to = "server.api.deprecation.errors", weak = true },
    { map = "document.id.strategy", to = "doc.id.strategy",
      values = simple_names("processor.id.strategy.", [[
        BsonOidStrategy KafkaMetaDataStrategy FullKeyStrategy ProvidedInKeyStrategy
        ProvidedInValueStrategy PartialKeyStrategy PartialValueStrategy UuidStrategy ]]) },
    { map = "writemodel.strategy", to = "write.strategy",
      values = simple_names("writemodel.strategy.", [[
        DefaultWriteModelStrategy InsertOneDefaultStrategy ReplaceOneDefaultStrategy
        ReplaceOneBusinessKeyStrategy DeleteOneDefaultStrategy UpdateOneTimestampsStrategy
        UpdateOneBusinessKeyTimestampStrategy UpdateOneDefaultStrategy ]]) },
    { map = "delete.writemodel.strategy", to = "delete.write.strategy",
      values = simple_names("writemodel.strategy.", [[
        InsertOneDefaultStrategy ReplaceOneDefaultStrategy ReplaceOneBusinessKeyStrategy
        DeleteOneDefaultStrategy DeleteOneBusinessKeyStrategy UpdateOneDefaultStrategy
        UpdateOneTimestampsStrategy UpdateOneBusinessKeyTimestampStrategy ]]) },
    { map = "change.data.capture.handler", to = "cdc.handler", values = {
        [""] = "None",
        [sink .. "cdc.mongodb.ChangeStreamHandler"] = "MongoDbChangeStreamHandler",
        [sink .. "cdc.debezium.mongodb.MongoDbHandler"] = "DebeziumMongoDbHandler",
        [sink .. "cdc.debezium.rdbms.mysql.MysqlHandler"] = "DebeziumMySqlHandler",
        [sink .. "cdc.debezium.rdbms.postgres.PostgresHandler"] = "DebeziumPostgresHandler",
        [sink .. "cdc.qlik.rdbms.RdbmsHandler"] = "QlikRdbmsHandler",
      } },
    { map = "namespace.mapper", to = "namespace.mapper.class",
      values = simple_names("namespace.mapping.",
        "DefaultNamespaceMapper FieldPathNamespaceMapper") },
    { map = "timeseries.granularity", to = "ts.granularity",
      values = { [""] = "None", seconds = "seconds", minutes = "minutes", hours = "hours" } },
    { drop = "mongo.errors.log.enable", why = "fixed by Confluent" },
    { matching = "^topic%.override%.", unsupported = true,
      why = "settings for single topics go into topic.override.map by hand" },
  },
  remarks = {
    "the new connector reads its topics with a consumer group of its own; old offsets do not apply",
    "MongoDB's access list has to name Confluent's addresses instead of Upstash's",
  },
}
