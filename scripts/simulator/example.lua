-- example: the state that a simulator starts from when it is given none, in world.lua's form.
-- A small shop: five managed connectors on Confluent, four on Upstash; none of the secrets is one.

local function mongo_uri(host)
  return "mongodb+srv://shop:not-a-real-password@" .. host .. "/?retryWrites=true&w=majority"
end

return {
  confluent = {
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
  },
  connect = {
    ["local"] = {
      ["access-log-source"] = {
        created = 1735862400,
        config = {
          ["connector.class"] = "org.apache.kafka.connect.file.FileStreamSourceConnector",
          name = "access-log-source", file = "/var/log/shop/access.log", topic = "access-log",
          ["tasks.max"] = "1",
        },
        offsets = { { partition = { filename = "/var/log/shop/access.log" },
          offset = { position = 1712907333000001 } } },
      },
      ["audit-file-sink"] = {
        created = 1738540800, state = "PAUSED",
        config = {
          ["connector.class"] = "FileStreamSink", name = "audit-file-sink", topics = "audit",
          file = "/var/lib/shop/audit.jsonl",
          ["value.converter"] = "org.apache.kafka.connect.json.JsonConverter",
        },
      },
      ["heartbeats-to-dr"] = {
        created = 1738627200,
        config = {
          ["connector.class"] = "org.apache.kafka.connect.mirror.MirrorHeartbeatConnector",
          name = "heartbeats-to-dr", ["source.cluster.alias"] = "shop",
          ["target.cluster.alias"] = "dr", ["emit.heartbeats.interval.seconds"] = "5",
          ["source.cluster.bootstrap.servers"] = "kafka.shop.example:9092",
          ["target.cluster.bootstrap.servers"] = "kafka-dr.shop.example:9092",
          ["target.cluster.sasl.jaas.config"] = "not-a-real-jaas-config",
        },
      },
      ["orders-to-lost-disk"] = {
        created = 1740009600, state = "FAILED", transition = { by_start = true },
        trace = "org.apache.kafka.connect.errors.ConnectException: Couldn't find or create file "
          .. "'/no/such/disk/orders.txt' for FileStreamSinkTask",
        config = {
          ["connector.class"] = "FileStreamSink", name = "orders-to-lost-disk", topics = "orders",
          file = "/no/such/disk/orders.txt",
        },
        offsets = { { partition = { kafka_topic = "orders", kafka_partition = 0 },
          offset = { kafka_offset = 4211 } } },
      },
    },
  },
  upstash = {
    ["7568431c-88d5-4409-a808-2167f22a7133"] = {
      {
        connector_id = "431ec970-b59d-4b00-95fe-5f3abcc52c2f", name = "catalog-mongo-source",
        creation_time = 1684369147, state = "running",
        properties = {
          ["connector.class"] = "com.mongodb.kafka.connect.MongoSourceConnector",
          ["connection.uri"] = mongo_uri("catalog.shop.example"), database = "catalog",
          collection = "products", ["topic.prefix"] = "mongo",
          ["publish.full.document.only"] = true, ["poll.max.batch.size"] = 1000,
        },
      },
      {
        connector_id = "8c1f0a52-6b1e-4d7e-9a0c-3f7d2b9e6a14", name = "customers-cdc",
        creation_time = 1689206400, state = "running",
        properties = {
          ["connector.class"] = "io.debezium.connector.postgresql.PostgresConnector",
          ["database.hostname"] = "customers-db.shop.example", ["database.port"] = "5432",
          ["database.user"] = "debezium", ["database.password"] = "not-a-real-password",
          ["database.dbname"] = "customers", ["database.server.name"] = "customers",
          ["plugin.name"] = "pgoutput", ["table.include.list"] = "public.customers",
          ["key.converter.schemas.enable"] = false, ["value.converter.schemas.enable"] = false,
        },
      },
      {
        connector_id = "2f9d7c1e-0a43-4be6-8b1f-5c6e7d8f9a00", name = "events-to-s3",
        creation_time = 1692748800, state = "running",
        properties = {
          ["connector.class"] = "io.aiven.kafka.connect.s3.AivenKafkaConnectS3SinkConnector",
          topics = "events", ["aws.access.key.id"] = "NOTAREALACCESSKEY",
          ["aws.secret.access.key"] = "not-a-real-aws-secret",
          ["aws.s3.bucket.name"] = "shop-events", ["aws.s3.region"] = "eu-central-1",
          ["key.converter"] = "org.apache.kafka.connect.converters.ByteArrayConverter",
          ["value.converter"] = "org.apache.kafka.connect.converters.ByteArrayConverter",
          ["format.output.type"] = "jsonl", ["file.compression.type"] = "gzip",
        },
      },
      {
        connector_id = "b7a6c5d4-e3f2-4a1b-9c8d-7e6f5a4b3c2d", name = "reviews-to-search",
        creation_time = 1694649600, state = "paused",
        properties = {
          ["connector.class"] = "io.aiven.kafka.connect.opensearch.OpensearchSinkConnector",
          topics = "reviews", ["connection.url"] = "https://search.shop.example:9243",
          ["connection.username"] = "kafka", ["connection.password"] = "not-a-real-password",
          ["type.name"] = "_doc", ["key.ignore"] = true, ["schema.ignore"] = true,
          ["batch.size"] = 100, ["tasks.max"] = 1,
        },
      },
    },
  },
}
