-- list.lua: the kelp client of the benchmarks that lists connectors and picks the
-- failed ones. Arguments: BASE_URL EXPECTED, the number that it must find.

local kelp = require "kelp"

local base_url, expected = ...

local target = kelp.upstash {
  cluster = "7568431c-88d5-4409-a808-2167f22a7133",
  base_url = base_url,
  email = os.getenv "UPSTASH_EMAIL",
  api_key = os.getenv "UPSTASH_API_KEY",
}
local failed = target:list { state = "failed" }
assert(#failed == tonumber(expected), ("%d are failed, not %s"):format(#failed, expected))
for _, c in ipairs(failed) do
  assert(c.error and c.config["database.password"], "a connector without error or config")
end
