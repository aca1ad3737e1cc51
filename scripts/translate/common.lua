-- What holds for every connector that goes from Upstash to Confluent Cloud: converters, tasks,
-- Kafka credentials, transforms. A rule in a class's own table for the same key goes first.
local registry_why = "Confluent fills in its own Schema Registry; register the schemas there again"

-- Debezium transforms that are in none of Confluent's lists of what a managed connector may use.
local missing_transforms = {
  "^io%.debezium%..*%.ExtractNewDocumentState$", "^io%.debezium%..*%.MongoEventRouter$",
  "^io%.debezium%..*%.ReadToInsertEvent$", "^io%.debezium%..*%.ExtractChangedRecordState$",
  "^io%.debezium%..*%.ComputePartition$", "^io%.debezium%..*%.PartitionRouting$",
}

local json_converter = "org.apache.kafka.connect.json.JsonConverter"

local every = {
  { drop = "name" },
  { drop = "connector.class" },
  { copy = "value.converter.schemas.enable" },
  { default = "value.converter.schemas.enable", value = "true",
    when = { key = "value.converter", is = json_converter },
    why = "JsonConverter's default; Confluent's is false" },
  { drop = [[
      key.converter.upstash.schema.registry.enable key.converter.schema.registry.url
      key.converter.basic.auth.credentials.source key.converter.basic.auth.user.info
      value.converter.upstash.schema.registry.enable value.converter.schema.registry.url
      value.converter.basic.auth.credentials.source value.converter.basic.auth.user.info ]],
    why = registry_why },
  { copy = "tasks.max" },
  { default = "tasks.max", value = "1", why = "required by Confluent" },
  { copy = "transforms predicates" },
  { matching = "^transforms%.[^.]+%.type$", copy = true, except = missing_transforms,
    expect = { "^org%.apache%.kafka%.connect%.transforms%.", "^io%.debezium%.transforms%.",
               "^io%.confluent%.connect%.transforms%." },
    why = "this transform is not available on managed connectors" },
  { matching = "^transforms%.", copy = true },
  { matching = "^predicates%.", copy = true },
  { user = "kafka.api.key", instead = "kafka.service.account.id",
    choice = { "kafka.auth.mode", "KAFKA_API_KEY", "SERVICE_ACCOUNT" },
    why = "the connector's own login to the new Kafka cluster" },
  { user = "kafka.api.secret", instead = "kafka.service.account.id",
    why = "the connector's own login to the new Kafka cluster" },
}

local source = {
  { copy = "errors.tolerance" },
}

local sink = {
  { copy = "topics topics.regex errors.tolerance errors.deadletterqueue.topic.name" },
  { default = "errors.tolerance", value = "none",
    why = "Kafka Connect stops at a bad record; a managed sink would skip it" },
  { drop = [[
      errors.log.enable errors.log.include.messages errors.retry.timeout
      errors.retry.delay.max.ms errors.deadletterqueue.topic.replication.factor
      errors.deadletterqueue.context.headers.enable ]],
    why = "fixed by Confluent" },
}

return {
  every = every,
  source = source,
  sink = sink,

  -- The format keyword that stands for a converter.
  converters = {
    JSON = json_converter,
    STRING = "org.apache.kafka.connect.storage.StringConverter",
    BYTES = "org.apache.kafka.connect.converters.ByteArrayConverter",
    BSON = "org.apache.kafka.connect.converters.ByteArrayConverter",
    AVRO = "io.confluent.connect.avro.AvroConverter",
    JSON_SR = "io.confluent.connect.json.JsonSchemaConverter",
    PROTOBUF = "io.confluent.connect.protobuf.ProtobufConverter",
  },
}
