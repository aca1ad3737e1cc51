-- confluent_example: what of it a simulator starts from when it is given no state, in world.lua's
-- form: five managed connectors of a small shop, and the cluster of README.md's first example; none
-- of the secrets is one.

-- Twelve S3 sinks, of which two have failed and run again after a restart.
local function sinks()
  local connectors = {}
  for i, topic in ipairs { "clicks", "customers", "invoices", "logins", "orders", "payments",
                           "prices", "products", "refunds", "searches", "shipments", "stock" } do
    local failed = i % 6 == 5
    connectors[topic .. "-to-s3"] = {
      id = ("lcc-s2m%03d"):format(i), created = 1743465600 + 3600 * i,
      state = failed and "FAILED" or nil,
      trace = failed and "org.apache.kafka.connect.errors.ConnectException: Unable to upload to "
        .. "shop-" .. topic .. ": slow down" or nil,
      config = {
        ["connector.class"] = "S3_SINK", name = topic .. "-to-s3", topics = topic,
        ["kafka.auth.mode"] = "KAFKA_API_KEY", ["kafka.api.key"] = "NOTAREALKEY00001",
        ["kafka.api.secret"] = "not-a-real-kafka-secret",
        ["aws.access.key.id"] = "NOTAREALACCESSKEY", ["time.interval"] = "HOURLY",
        ["aws.secret.access.key"] = "not-a-real-aws-secret", ["flush.size"] = "1000",
        ["s3.bucket.name"] = "shop-" .. topic, ["s3.region"] = "us-west-2",
        ["input.data.format"] = "JSON", ["output.data.format"] = "JSON", ["tasks.max"] = "2",
      },
    }
  end
  return connectors
end

return {
  ["env-1x2y3z/lkc-4a5b6c"] = sinks(),
  ["env-sim/lkc-sim"] = {
    ["orders-to-s3"] = {
      id = "lcc-s1m001", created = 1735862400,
      config = {
        ["connector.class"] = "S3_SINK", name = "orders-to-s3", topics = "orders",
        ["kafka.auth.mode"] = "KAFKA_API_KEY", ["kafka.api.key"] = "NOTAREALKEY00001",
        ["kafka.api.secret"] = "not-a-real-kafka-secret",
        ["aws.access.key.id"] = "NOTAREALACCESSKEY", ["time.interval"] = "HOURLY",
        ["aws.secret.access.key"] = "not-a-real-aws-secret", ["flush.size"] = "1000",
        ["s3.bucket.name"] = "shop-orders", ["s3.region"] = "us-west-2",
        ["input.data.format"] = "JSON", ["output.data.format"] = "JSON", ["tasks.max"] = "2",
      },
    },
    ["inventory-cdc"] = {
      id = "lcc-s1m002", created = 1738540800,
      config = {
        ["connector.class"] = "PostgresCdcSourceV2", name = "inventory-cdc",
        ["kafka.auth.mode"] = "KAFKA_API_KEY", ["kafka.api.key"] = "NOTAREALKEY00001",
        ["kafka.api.secret"] = "not-a-real-kafka-secret",
        ["database.hostname"] = "inventory-db.shop.example", ["database.port"] = "5432",
        ["database.user"] = "cdc", ["database.password"] = "not-a-real-password",
        ["database.dbname"] = "inventory", ["database.sslmode"] = "require",
        ["topic.prefix"] = "inventory", ["slot.name"] = "shop_inventory",
        ["publication.name"] = "dbz_publication", ["table.include.list"] = "public.items",
        ["output.data.format"] = "JSON", ["tasks.max"] = "1",
      },
      offsets = { { partition = { server = "inventory" },
        offset = { lsn = 24458896, txId = 581, ts_usec = 1712907333000000 } } },
    },
    ["payments-sink"] = {
      id = "lcc-s1m003", created = 1738627200, state = "FAILED",
      trace = "org.apache.kafka.connect.errors.ConnectException: Unable to connect to "
        .. "payments-db.shop.example:5432: password authentication failed for user \"payments\"",
      config = {
        ["connector.class"] = "PostgresSink", name = "payments-sink", topics = "payments",
        ["kafka.auth.mode"] = "KAFKA_API_KEY", ["kafka.api.key"] = "NOTAREALKEY00001",
        ["kafka.api.secret"] = "not-a-real-kafka-secret",
        ["connection.host"] = "payments-db.shop.example", ["connection.port"] = "5432",
        ["connection.user"] = "payments", ["connection.password"] = "not-a-real-password",
        ["db.name"] = "payments", ["insert.mode"] = "UPSERT", ["pk.mode"] = "record_key",
        ["auto.create"] = "true", ["auto.evolve"] = "true", ["input.data.format"] = "AVRO",
        ["tasks.max"] = "1",
      },
    },
    ["search-index"] = {
      id = "lcc-s1m004", created = 1740009600, state = "PAUSED",
      config = {
        ["connector.class"] = "ElasticsearchSinkV2", name = "search-index", topics = "products",
        ["kafka.auth.mode"] = "SERVICE_ACCOUNT", ["kafka.service.account.id"] = "sa-sim001",
        ["connection.url"] = "https://search.shop.example:9243",
        ["connection.username"] = "kafka", ["connection.password"] = "not-a-real-password",
        ["auth.type"] = "BASIC", ["key.ignore"] = "true", ["schema.ignore"] = "true",
        ["input.data.format"] = "JSON", ["tasks.max"] = "1",
      },
    },
    ["clicks-to-snowflake"] = {
      id = "lcc-s1m005", created = 1742342400,
      config = {
        ["connector.class"] = "SnowflakeSink", name = "clicks-to-snowflake", topics = "clicks",
        ["kafka.auth.mode"] = "KAFKA_API_KEY", ["kafka.api.key"] = "NOTAREALKEY00001",
        ["kafka.api.secret"] = "not-a-real-kafka-secret",
        ["snowflake.url.name"] = "shop.snowflakecomputing.example:443",
        ["snowflake.user.name"] = "KAFKA", ["snowflake.private.key"] = "not-a-real-private-key",
        ["snowflake.database.name"] = "ANALYTICS", ["snowflake.schema.name"] = "PUBLIC",
        ["snowflake.ingestion.method"] = "SNOWPIPE_STREAMING", ["buffer.flush.time"] = "60",
        ["input.data.format"] = "JSON", ["tasks.max"] = "4",
      },
    },
  },
}
