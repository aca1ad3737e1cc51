-- update.lua: the kelp client of the benchmarks: one setting after the other,
-- or several at once. Arguments: BASE_URL OPERATIONS CONCURRENCY CONFIG_FILE.

local kelp = require "kelp"

local base_url, operations, concurrency, config_file = ...
operations, concurrency = tonumber(operations), tonumber(concurrency)

-- Several at once need kelp.each; run.sh skips what answers this.
local NOT_OFFERED <const> = 77
if concurrency > 1 and not kelp.each then return NOT_OFFERED end

local file <close> = assert(io.open(config_file))
local config = kelp.json.decode(file:read "a")

local target = kelp.upstash {
  cluster = "7568431c-88d5-4409-a808-2167f22a7133",
  base_url = base_url,
  email = os.getenv "UPSTASH_EMAIL",
  api_key = os.getenv "UPSTASH_API_KEY",
  ca_file = os.getenv "BENCH_CA",
  concurrency = concurrency, -- or 32 requests is the most
}
local connector = assert(target:list()[1], "the server has no connector")

local done = 0
local function update(c)
  local updated = target:update(c, config)
  assert(updated.state == "running" and updated.tasks[1].state == "running", "unexpected state")
  done = done + 1
end

if concurrency == 1 then
  for _ = 1, operations do update(connector) end
else
  -- A function instead of a list, which would be memory of the benchmark's own.
  local started = 0
  local function next_connector()
    started = started + 1
    return started <= operations and connector or nil
  end
  kelp.each(next_connector, update, { concurrency = concurrency }):assert()
end
assert(done == operations, "not every update was done")
