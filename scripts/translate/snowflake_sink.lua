-- Snowflake's sink connector to SnowflakeSink: nearly the same keys.
-- The private key goes over without its header, its footer and its line breaks.
local records = "com.snowflake.kafka.connector.records."

return {
  from = "com.snowflake.kafka.connector.SnowflakeSinkConnector",
  to = "SnowflakeSink",
  kind = "sink",
  formats = {
    value = "JSON AVRO JSON_SR PROTOBUF STRING BYTES",
    key = "AVRO JSON_SR PROTOBUF STRING JSON",
    also = {
      [records .. "SnowflakeJsonConverter"] = "JSON",
      [records .. "SnowflakeAvroConverter"] = "AVRO",
    },
  },
  required = [[
    snowflake.url.name snowflake.user.name snowflake.private.key snowflake.database.name
    snowflake.schema.name ]],
  rules = {
    { copy = [[
        snowflake.url.name snowflake.user.name snowflake.private.key.passphrase
        snowflake.database.name snowflake.schema.name snowflake.role.name
        snowflake.topic2table.map snowflake.ingestion.method snowflake.enable.schematization
        snowflake.metadata.createtime snowflake.metadata.topic
        snowflake.metadata.offset.and.partition snowflake.metadata.all
        buffer.flush.time buffer.count.records behavior.on.null.values
        snowflake.useHttpsProxy snowflake.https.proxyHost snowflake.https.proxyPort
        snowflake.https.nonProxyHosts snowflake.https.proxyUser snowflake.https.proxyPassword
        snowflake.streaming.metadata.connectorPushTime snowflake.streaming.iceberg.enabled ]] },
    { split = "snowflake.private.key", with = "pem_body" },
    { default = "snowflake.ingestion.method", value = "SNOWPIPE",
      why = "required by Confluent, and what the old connector does" },
    { drop = "buffer.size.bytes", why = "fixed by Confluent" },
    { drop = "key.converter.schemas.enable", why = "the managed connector has no such setting" },
  },
  remarks = {
    "pipes and stages are named after the connector: a new one makes new pipes",
    "the new connector reads its topics with a consumer group of its own; old offsets do not apply",
  },
}
