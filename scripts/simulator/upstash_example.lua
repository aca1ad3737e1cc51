-- upstash_example: what of it a simulator starts from when it is given no state, in world.lua's form:
-- four connectors of a small shop; none of the secrets is one.

local function mongo_uri(host)
  return "mongodb+srv://shop:not-a-real-password@" .. host .. "/?retryWrites=true&w=majority"
end

return {
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
}
