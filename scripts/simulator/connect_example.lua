-- connect_example: what of it a simulator starts from when it is given no state, in world.lua's form:
-- four connectors of a small shop; none of the secrets is one.

return {
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
}
