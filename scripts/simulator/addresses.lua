-- addresses: where each provider's base address is, below the simulator's own.
return { confluent = "/confluent", connect = "/connect", upstash = "/upstash/v2/kafka" }
