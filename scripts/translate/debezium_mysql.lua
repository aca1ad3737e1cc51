-- Debezium 1.9 for MySQL to MySqlCdcSourceV2 (the first version has reached end of life).
-- Defaults that differ between the two are written out, so that behaviour stays as it was.
local absent = "the managed connector has no such setting"
local history = "schema.history.internal.kafka."

return {
  from = "io.debezium.connector.mysql.MySqlConnector",
  to = "MySqlCdcSourceV2",
  kind = "source",
  formats = { value = "AVRO JSON_SR PROTOBUF JSON", key = "AVRO JSON_SR PROTOBUF STRING JSON" },
  required = "database.hostname database.user database.password topic.prefix",
  rules = {
    { copy = [[
        database.hostname database.port database.user database.password database.ssl.mode
        database.ssl.keystore database.ssl.keystore.password
        database.ssl.truststore database.ssl.truststore.password connect.timeout.ms
        database.include.list database.exclude.list table.include.list table.exclude.list
        column.include.list column.exclude.list table.ignore.builtin
        snapshot.mode snapshot.locking.mode snapshot.include.collection.list snapshot.delay.ms
        snapshot.lock.timeout.ms tombstones.on.delete decimal.handling.mode binary.handling.mode
        enable.time.adjuster gtid.source.includes gtid.source.excludes time.precision.mode
        bigint.unsigned.handling.mode heartbeat.interval.ms include.query include.schema.changes
        schema.name.adjustment.mode column.propagate.source.type message.key.columns
        provide.transaction.metadata inconsistent.schema.handling.mode skipped.operations
        event.processing.failure.handling.mode max.batch.size poll.interval.ms
        signal.data.collection incremental.snapshot.chunk.size ]] },
    { rename = "database.server.name", to = "topic.prefix" },
    { rename = "heartbeat.topics.prefix", to = "topic.heartbeat.prefix" },
    { rename = "event.deserialization.failure.handling.mode",
      to = "event.converting.failure.handling.mode" },
    { rename = "database.history.kafka.topic", to = history .. "topic" },
    { rename = "database.history.kafka.query.timeout.ms", to = history .. "query.timeout.ms" },
    { rename = "database.history.kafka.recovery.poll.interval.ms",
      to = history .. "recovery.poll.interval.ms" },
    { split = "transaction.topic", with = "transaction_topic" },
    { default = "database.port", value = "3306", why = "no default on Confluent" },
    { default = "database.ssl.mode", value = "disabled", why = "the default is now preferred" },
    { default = "include.schema.changes", value = "true", why = "the default is now false" },
    { default = "schema.name.adjustment.mode", value = "avro", why = "the default is now none" },
    { default = "event.converting.failure.handling.mode", value = "fail",
      why = "the default is now warn" },
    { default = "skipped.operations", value = "none", why = "the default is now t" },
    { default = "topic.heartbeat.prefix", value = "__debezium-heartbeat",
      why = "the default now carries the cluster's id" },
    { default = "topic.transaction", value = "transaction",
      why = "the default now carries the cluster's id" },
    { drop = [[
        database.server.id database.history.kafka.bootstrap.servers
        database.history.kafka.recovery.attempts ]],
      why = "fixed by Confluent" },
    { drop = "key.converter.schemas.enable", why = absent },
    { unsupported = [[
        database.jdbc.driver database.server.id.offset connect.keep.alive
        connect.keep.alive.interval.ms database.initial.statements snapshot.fetch.size
        snapshot.new.tables snapshot.max.threads snapshot.select.statement.overrides
        include.schema.comments gtid.source.filter.dml.events heartbeat.action.query
        min.row.count.to.stream.results binlog.buffer.size converters
        datatype.propagate.source.type sanitize.field.names query.fetch.size max.queue.size
        max.queue.size.in.bytes retriable.restart.connector.wait.ms source.struct.version ]],
      why = absent },
    { matching = "^snapshot%.select%.statement%.overrides%.", unsupported = true, why = absent },
    { matching = "^column%.truncate%.to%.", refuse = true,
      why = "columns that were cut would be written whole" },
    { matching = "^column%.mask%.", refuse = true,
      why = "columns that were masked would be written in clear" },
  },
  remarks = {
    "the schema history stays on the old cluster, and so does the position in the binlog:"
      .. " the new connector begins as snapshot.mode says",
  },
}
