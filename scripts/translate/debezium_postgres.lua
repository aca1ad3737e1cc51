-- Debezium 1.9 for PostgreSQL to PostgresCdcSourceV2 (the first version has reached end of life).
-- Defaults that differ between the two are written out, so that behaviour stays as it was.
local absent = "the managed connector has no such setting"
local pgoutput = { key = "plugin.name", is = "pgoutput" }
local slot_why = "the old slot was not made by pgoutput, the only plugin here: a new slot is"
  .. " needed, and changes since the old one's position must come from a snapshot"

return {
  from = "io.debezium.connector.postgresql.PostgresConnector",
  to = "PostgresCdcSourceV2",
  kind = "source",
  formats = { value = "AVRO JSON_SR PROTOBUF JSON", key = "AVRO JSON_SR PROTOBUF STRING JSON" },
  required = [[
    database.hostname database.user database.password database.dbname topic.prefix ]],
  rules = {
    { copy = [[
        database.hostname database.port database.user database.password database.dbname
        database.sslmode database.sslcert database.sslpassword database.sslrootcert database.sslkey
        publication.name publication.autocreate.mode
        slot.stream.params slot.drop.on.stop slot.max.retries slot.retry.delay.ms
        status.update.interval.ms xmin.fetch.interval.ms
        schema.include.list schema.exclude.list table.include.list table.exclude.list
        column.include.list column.exclude.list
        snapshot.include.collection.list snapshot.delay.ms snapshot.lock.timeout.ms
        tombstones.on.delete decimal.handling.mode binary.handling.mode time.precision.mode
        interval.handling.mode hstore.handling.mode schema.name.adjustment.mode
        message.prefix.include.list message.prefix.exclude.list message.key.columns
        heartbeat.interval.ms heartbeat.action.query schema.refresh.mode include.unknown.datatypes
        datatype.propagate.source.type column.propagate.source.type
        provide.transaction.metadata unavailable.value.placeholder skipped.operations
        event.processing.failure.handling.mode max.batch.size poll.interval.ms
        signal.data.collection incremental.snapshot.chunk.size ]] },
    { rename = "database.server.name", to = "topic.prefix" },
    { rename = "heartbeat.topics.prefix", to = "topic.heartbeat.prefix" },
    { rename = "toasted.value.placeholder", to = "unavailable.value.placeholder", weak = true },
    { split = "transaction.topic", with = "transaction_topic" },
    { drop = "plugin.name", why = "always pgoutput" },
    { copy = "slot.name", when = pgoutput, otherwise = slot_why },
    { user = "slot.name", unless = pgoutput, why = slot_why },
    { map = "snapshot.mode", to = "snapshot.mode", values = {
        initial = "initial", initial_only = "initial_only", never = "no_data",
        no_data = "no_data", when_needed = "when_needed",
      } },
    { default = "database.port", value = "5432", why = "no default on Confluent" },
    { default = "database.sslmode", value = "disable", why = "the default is now prefer" },
    { default = "slot.max.retries", value = "6", why = "the default is now 20" },
    { default = "slot.retry.delay.ms", value = "10000", why = "the default is now 30000" },
    { default = "schema.name.adjustment.mode", value = "avro", why = "the default is now none" },
    { default = "topic.heartbeat.prefix", value = "__debezium-heartbeat",
      why = "the default now carries the cluster's id" },
    { default = "topic.transaction", value = "transaction",
      why = "the default now carries the cluster's id" },
    { drop = "key.converter.schemas.enable", why = absent },
    { unsupported = [[
        database.sslfactory database.tcpKeepAlive database.initial.statements table.ignore.builtin
        snapshot.fetch.size snapshot.max.threads snapshot.select.statement.overrides
        snapshot.custom.class include.schema.comments truncate.handling.mode converters
        sanitize.field.names query.fetch.size max.queue.size max.queue.size.in.bytes
        retriable.restart.connector.wait.ms source.struct.version ]],
      why = absent },
    { matching = "^snapshot%.select%.statement%.overrides%.", unsupported = true, why = absent },
    { matching = "^column%.truncate%.to%.", refuse = true,
      why = "columns that were cut would be written whole" },
    { matching = "^column%.mask%.", refuse = true,
      why = "columns that were masked would be written in clear" },
  },
  remarks = {
    "a slot serves one connector: stop the old one first; to go on from the slot without a new"
      .. " snapshot set snapshot.mode=no_data",
  },
}
