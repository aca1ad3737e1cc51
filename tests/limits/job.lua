-- job.lua: 1,000 writes to one simulated connector, as fast as the provider lets a bulk job. Halves
-- the server's limit in the middle when the second argument says so. Prints the seconds it took.
-- Arguments: CONFLUENT_URL steady|halved

local kelp = require "kelp"
local raw = require "kelp.raw"

local url, limit = ...
local OPERATIONS <const>, RATE <const> = 1000, 50

local target = kelp.confluent {
  environment = "env-sim", cluster = "lkc-sim", base_url = url,
  api_key = "LIMITKEY", api_secret = "not-a-real-limit-secret",
}

local function halve()
  local status = os.execute(("curl -sf -X PUT -d '{\"rate\":%d}' %s/_simulator/rate"):format(
    RATE // 2, (url:gsub("/confluent$", ""))))
  assert(status, "the simulator's rate cannot be set")
end

local connector = target:get "orders-to-s3" -- so that each write is one request

local n = 0
local function next_item()
  n = n + 1
  if limit == "halved" and n == OPERATIONS // 2 then halve() end
  return n <= OPERATIONS and n or nil
end

local start = raw.now()
kelp.each(next_item, function() target:pause(connector) end, { progress = false }):assert()
print(("%.2f"):format(raw.now() - start))
