-- P: what the providers do. A name is looked for before a create is sent again; what somebody else
-- made is never written over.

local both = { "confluent", "upstash" }
local made = { posts = 1, effects = { create = 1 } }
local resent = { posts = 2, effects = { create = 1 } }

local place = "/confluent/connect/v1/environments/env-sim/clusters/lkc-sim/connectors"
local events_id = "2f9d7c1e-0a43-4be6-8b1f-5c6e7d8f9a00"

local function create(...) return { "POST", "/connector", times = 1, ... } end
local not_there = { "answer 404 Not Found",
  'body {"error_code":404,"message":"resource not found"}',
                    "send" }
local function hidden(times)
  return { "GET", "/connectors/faulty", times = times, table.unpack(not_there) }
end

-- A config whose values are all shown, so that it can be compared.
local open_config = { ["connector.class"] = "S3_SINK", topics = "orders",
  ["kafka.auth.mode"] = "SERVICE_ACCOUNT", ["kafka.service.account.id"] = "sa-sim001",
  ["s3.bucket.name"] = "shop-orders", ["flush.size"] = 1000, ["tasks.max"] = 1 }

local function changed(changes)
  local config = {}
  for key, value in pairs(open_config) do config[key] = value end
  for key, value in pairs(changes) do config[key] = value end
  return config
end

local function conflict(text)
  return { "POST", "/connectors", times = 1, "answer 409 Conflict",
           'body {"error_code":409,"message":"' .. text .. '"}', "send" }
end

local shapes = {}
for _, body in ipairs {
  '{"error":{"code":400,"message":"teapot"}}', '{"error_code":400,"message":"teapot"}',
  '{"code":400,"message":"teapot"}', '{"error":{"error_code":400,"message":"teapot"}}',
  '{"error":"teapot"}', '"teapot"', "teapot",
  '{"errors":[{"id":"0","status":"400","code":"x","detail":"teapot"}]}',
} do
  shapes[#shapes + 1] = { case = body, calls = { { "get", "orders-to-s3" } },
    faults = { { "GET", "*", "answer 400 Bad Request", "body " .. body, "send" } },
    expect = { exit = 1, kind = "invalid", message = "teapot", seen = { ["GET ."] = 1 } } }
end

local function names_of(r)
  local names = {}
  for _, effect in ipairs(r.effects) do names[#names + 1] = effect.verb .. " " .. effect.name end
  return table.concat(names, ", ")
end

return {
  { row = "P1", what = "made, and the answer is lost", on = both, cases = {
    { case = "closed", faults = { create("forward", "fin") }, expect = made },
    { case = "reset", faults = { create("forward", "rst") }, expect = made },
    { case = "by put", on = "upstash",
      calls = { { "put", "faulty", { ["connector.class"] = "org.example.Sink",
        topics = "events" } } },
      faults = { create("forward", "rst") }, expect = made },
  } },

  { row = "P2", what = "what was made shows late", cases = {
    { case = "within the visibility delay", faults = { create("forward", "rst"), hidden(2) }, expect = made },
    { case = "within the visibility delay", on = "upstash", faults = { create("forward", "rst"),
        { "GET", "/connectors/", skip = 1, times = 2, "answer 200 OK", "body []", "send" } },
      expect = made },
    { case = "later, and names are unique", faults = { create("forward", "rst"), hidden(4) },
      expect = resent },
  } },

  { row = "P3", what = "a list that is not whole", on = "upstash", cases = {
    { case = "cut once", faults = { create("forward", "rst"),
        { "GET", "/connectors/", skip = 1, times = 1, "forward", "send 100", "fin" } },
      expect = made },
    { case = "cut always", target = { attempts = 2 }, faults = { create("forward", "rst"),
        { "GET", "/connectors/", skip = 1, "forward", "send 100", "fin" } },
      expect = { exit = 4, kind = "unknown_outcome", posts = 1, effects = { create = 1 } } },
    { case = "cut, up to the connection's end", faults = { create("forward", "rst"),
        { "GET", "/connectors/", skip = 1, "forward", "length none", "send 100", "fin" } },
      expect = { exit = 4, kind = "unknown_outcome", posts = 1, effects = { create = 1 } } },
    { case = "an object, not a list", faults = { create("forward", "rst"),
        { "GET", "/connectors/", skip = 1, times = 6, "answer 200 OK", "body {}", "send" } },
      expect = { exit = 4, kind = "unknown_outcome", posts = 1, effects = { create = 1 } } },
    { case = "500", target = { attempts = 2 }, faults = { create("forward", "rst"),
        { "GET", "/connectors/", skip = 1, "answer 500 Oops", "send" } },
      expect = { exit = 4, kind = "unknown_outcome", posts = 1, effects = { create = 1 } } },
  } },

  { row = "P4", what = "409: it exists, and is ours",
    faults = { create("forward", "rst"), hidden(4) },
    expect = { posts = 2, effects = { create = 1 } } },

  { row = "P5", what = "it exists, and is somebody else's", cases = {
    { case = "from before", calls = { { "create", "orders-to-s3", open_config } },
      expect = { exit = 1, kind = "exists", posts = 1, effects = { create = 0, put = 0 },
                 seen = { ["PUT ."] = 0 } } },
    { case = "from before", on = "upstash", calls = { { "create", "events-to-s3" } },
      expect = { exit = 1, kind = "exists", posts = 0, effects = { create = 0, update = 0 } } },
    { case = "made while ours was lost", faults = { create(
        ("meanwhile POST %s {\"name\":\"faulty\",\"config\":{\"connector.class\":\"S3_SINK\","
          .. "\"name\":\"faulty\",\"topics\":\"others\",\"kafka.auth.mode\":\"SERVICE_ACCOUNT\","
          .. "\"kafka.service.account.id\":\"sa-other\"}}"):format(place), "rst") },
      expect = { exit = 1, kind = "exists", posts = 1, effects = { create = 1, put = 0 },
                 seen = { ["PUT ."] = 0 } } },
    { case = "made while ours was lost", on = "upstash", faults = { create(
        "meanwhile POST /upstash/v2/kafka/connector {\"name\":\"faulty\",\"cluster_id\":"
          .. "\"7568431c-88d5-4409-a808-2167f22a7133\",\"properties\":{\"connector.class\":"
          .. "\"org.example.Other\",\"topics\":\"others\"}}", "rst") },
      expect = { exit = 1, kind = "exists", posts = 1, effects = { create = 1 } } },
  } },

  { row = "P6", what = "409: the workers are busy", cases = {
    { case = "stale", faults = { conflict("Cannot complete request momentarily due to stale "
        .. "configuration (typically caused by a concurrent config change)") },
      target = { attempts = 1 }, expect = resent },
    { case = "rebalance", faults = { conflict("Cannot complete request because of a conflicting "
        .. "operation (e.g. worker rebalance)") }, target = { attempts = 1 }, expect = resent },
  } },

  { row = "P7", what = "409 in words that nobody knows", cases = {
    { case = "not made", faults = { conflict "Computer says no" }, expect = resent },
    { case = "made", faults = { create("forward", "status 409 Conflict",
        'body {"error_code":409,"message":"Computer says no"}', "send") }, expect = made },
  } },

  { row = "P8", what = "accepted, then failed", simulator = "--provisioning 0.2",
    calls = { { "create", "faulty", changed { ["store.url"] = "https://db.unreachable.example" } },
              { "wait", "faulty", { poll = 0.05, grace = 0.1, timeout = 10 } } },
    expect = { exit = 1, kind = "conflict", posts = 1, effects = { create = 1 } },
    check = function(r, check)
      check(r.results[1].ok and r.results[1].ok.state == "unknown", "it was not accepted")
    end },

  { row = "P9", what = "a restart is one request, with no half of it to lose",
    calls = { { "restart", "orders-to-s3" } },
    expect = { seen = { ["POST /restart$"] = 1, ["PUT ."] = 0 }, effects = { restart = 1 } } },

  { row = "P10", what = "secrets that came back as asterisks", cases = {
    { case = "update", calls = { { "update", "orders-to-s3", { ["flush.size"] = 5 } } },
      expect = { exit = 1, kind = "masked", seen = { ["PUT ."] = 0 }, effects = { put = 0 } } },
    { case = "put", calls = { { "put", "orders-to-s3",
        changed { ["aws.secret.access.key"] = "****************" } } },
      expect = { exit = 1, kind = "masked", seen = { ["PUT ."] = 0 }, effects = { put = 0 } } },
    { case = "create", on = both, calls = { { "create", "faulty",
        changed { ["aws.secret.access.key"] = "****" } } },
      expect = { exit = 1, kind = "masked", posts = 0, effects = { create = 0 } } },
  } },

  { row = "P11", what = "an update of what is gone", cases = {
    { case = "by name", calls = { { "update", "nobody", { ["flush.size"] = 5 } } },
      expect = { exit = 1, kind = "not_found", seen = { ["PUT ."] = 0 }, effects = { put = 0 } } },
    { case = "by id", on = "upstash", calls = { { "update", "events-to-s3", { topics = "x" } } },
      faults = { { "POST", "/update-connector/",
                   "meanwhile DELETE /upstash/v2/kafka/connector/" .. events_id,
                   "forward", "send" } },
      expect = { exit = 1, kind = "not_found", effects = { delete = 1, update = 0, create = 0 } } },
  } },

  { row = "P12", what = "a config of which nobody knows whether it was written", cases = {
    { case = "it was", calls = { { "create", "faulty", open_config },
                                 { "put", "faulty", changed { ["flush.size"] = 5 } } },
      faults = { { "PUT", "/config", times = 1, "forward", "rst" } },
      expect = { seen = { ["PUT /config$"] = 1 }, effects = { put = 1 } } },
    { case = "it was not", calls = { { "create", "faulty", open_config },
                                     { "put", "faulty", changed { ["flush.size"] = 5 } } },
      faults = { { "PUT", "/config", times = 1, "rst" } },
      expect = { seen = { ["PUT /config$"] = 2 }, effects = { put = 1 } } },
    { case = "it was", on = "upstash",
      calls = { { "update", "events-to-s3", { ["file.compression.type"] = "zstd" } } },
      faults = { { "POST", "/update-connector", times = 1, "forward", "fin" } },
      expect = { seen = { ["POST /update%-connector"] = 1 } } },
    { case = "every time", calls = { { "create", "faulty", open_config },
                                     { "put", "faulty", changed { ["flush.size"] = 5 } } },
      faults = { { "PUT", "/config", "rst" } },
      expect = { exit = 4, kind = "unknown_outcome", seen = { ["PUT /config$"] = 4 },
                 effects = { put = 0 } } },
  } },

  { row = "P13", what = "deleted and made anew under the same name", on = "upstash",
    calls = { { "keep", "events-to-s3" }, { "list" }, { "delete_kept" } },
    faults = { { "GET", "/connectors/", skip = 1, times = 1,
      "meanwhile DELETE /upstash/v2/kafka/connector/" .. events_id,
      "meanwhile POST /upstash/v2/kafka/connector {\"name\":\"events-to-s3\",\"cluster_id\":"
        .. "\"7568431c-88d5-4409-a808-2167f22a7133\",\"properties\":{\"connector.class\":"
        .. "\"org.example.Other\",\"topics\":\"others\"}}", "forward", "send" } },
    expect = { exit = 1, kind = "not_found", effects = { delete = 1, create = 1 },
               seen = { ["DELETE ."] = 1 } } },

  { row = "P14", what = "two of one name", on = "upstash", cases = {
    { case = "after an ambiguous create",
      faults = { create("meanwhile POST /upstash/v2/kafka/connector same", "forward", "rst") },
      expect = { exit = 4, kind = "unknown_outcome", posts = 1, effects = { create = 2 }, most = 2,
                 message = "2 connectors of that name" },
      check = function(r, check) check(#(r.last.ids or {}) == 2, "the ids are not told") end },
    { case = "for another verb", calls = { { "create" }, { "pause", "faulty" } },
      faults = { create("meanwhile POST /upstash/v2/kafka/connector same", "forward", "send") },
      expect = { exit = 1, kind = "conflict", effects = { create = 2, pause = 0 }, most = 2 } },
  } },

  { row = "P15", what = "the shapes of errors", cases = shapes },

  { row = "P16", what = "names that have to be encoded", on = both,
    calls = { { "create", "Orders.V2 é 100%/x?y#z;~" } }, faults = { create("forward", "rst") },
    expect = made,
    check = function(r, check)
      check(names_of(r) == "create Orders.V2 é 100%/x?y#z;~", "what was made: %s", names_of(r))
      check(r.last.ok and r.last.ok.name == "Orders.V2 é 100%/x?y#z;~", "another name came back")
    end },
}
