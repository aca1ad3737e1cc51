-- confluent_plugins: the managed connector classes that the model knows, each with its type and the
-- keys that config/validate asks for beside those of every connector.

local function source(...) return { type = "source", required = { ... } } end
local function sink(...) return { type = "sink", required = { "topics", ... } } end

local function database_source()
  return source("topic.prefix", "connection.host", "connection.port", "connection.user",
    "connection.password", "db.name", "table.types", "db.timezone", "output.data.format")
end

local function database_sink()
  return sink("input.data.format", "connection.host", "connection.port", "connection.user",
    "connection.password", "db.name", "insert.mode", "auto.create", "auto.evolve", "db.timezone",
    "date.timezone", "timestamp.precision.mode")
end

local plugins = {
  BigQueryStorageSink = sink("input.data.format", "project", "datasets", "keyfile",
    "ingestion.mode"),
  ClickHouseSink = sink("input.data.format", "hostname", "password", "topic2TableMap"),
  ElasticsearchSinkV2 = sink("input.data.format", "connection.url", "auth.type"),
  HttpSinkV2 = sink("input.data.format", "http.api.base.url", "apis.num", "api1.http.api.path",
    "api1.topics"),
  MicrosoftSqlServerSink = database_sink(),
  MicrosoftSqlServerSource = database_source(),
  MongoDbAtlasSink = sink("input.data.format", "mongodb.instance.type", "connection.host",
    "database"),
  MongoDbAtlasSource = source("mongodb.instance.type", "connection.host", "output.data.format"),
  MongoDbCdcSource = source("mongodb.connection.string", "output.data.format", "topic.prefix",
    "mongodb.user", "mongodb.password"),
  MySqlCdcSourceV2 = source("database.hostname", "database.port", "database.user",
    "database.password", "topic.prefix", "output.data.format"),
  MySqlSink = database_sink(),
  MySqlSource = database_source(),
  OpenSearchSink = sink("input.data.format", "instance.url", "indexes.num", "index1.name",
    "index1.topic"),
  PostgresCdcSourceV2 = source("database.hostname", "database.port", "database.user",
    "database.password", "database.dbname", "topic.prefix", "output.data.format"),
  PostgresSink = database_sink(),
  PostgresSource = database_source(),
  S3_SINK = sink("input.data.format", "s3.bucket.name", "aws.access.key.id",
    "aws.secret.access.key", "time.interval"),
  SnowflakeSink = sink("input.data.format", "snowflake.url.name", "snowflake.user.name",
    "snowflake.private.key", "snowflake.database.name", "snowflake.schema.name",
    "snowflake.ingestion.method"),
  SnowflakeSource = source("connection.url", "connection.user", "connection.private.key", "mode",
    "topic.prefix", "db.timezone", "output.data.format"),
}

-- Classes of which only the type is modelled.
for _, class in ipairs {
  "AzureBlobSink", "AzureCosmosDbSink", "BigQuerySink", "DatadogMetricsSink", "DynamoDbSink",
  "ElasticsearchSink", "GcsSink", "HttpSink", "LambdaSink", "OracleDatabaseSink", "PagerDutySink",
  "RedisSink", "SalesforceSObjectSink", "ServiceNowSink", "SftpSink", "SplunkSink",
} do
  plugins[class] = sink()
end
for _, class in ipairs {
  "AzureEventHubsSource", "DatagenSource", "GcsSource", "GithubSource", "HttpSource",
  "HttpSourceV2", "IbmMQSource", "JiraSource", "KinesisSource", "MySqlCdcSource",
  "OracleCdcSource", "OracleDatabaseSource", "PostgresCdcSource", "PubSubSource",
  "RabbitMQSource", "S3Source", "SalesforceCdcSource", "ServiceNowSource", "SftpSource",
  "SqlServerCdcSource", "SqlServerCdcSourceV2", "ZendeskSource",
} do
  plugins[class] = source()
end

return plugins
