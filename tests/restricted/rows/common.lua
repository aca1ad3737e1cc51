-- What the rows share.
local common = {}

-- The beginning of a script: targets on the simulator.
common.TARGETS = [[
local kelp = require "kelp"
local confluent = kelp.confluent { environment = "env-sim", cluster = "lkc-sim", visibility_delay = 0.1 }
local upstash = kelp.upstash { cluster = "7568431c-88d5-4409-a808-2167f22a7133", visibility_delay = 0.1 }
]]

-- The same places in a manifest.
common.LISTED = [[
  targets = { { provider = "confluent", environment = "env-sim", cluster = "lkc-sim" },
              { provider = "upstash", cluster = "7568431c-88d5-4409-a808-2167f22a7133" },
              "connect" },
]]

return common
