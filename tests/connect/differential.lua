-- The same script on the simulator's model of Kafka Connect and on a real worker: what kelp shows
-- of it is the same. Run by run.lua.
local kelp = require "kelp"
local ground = require "ground"
local lu = require "luaunit"
local support = require "support"

local script = dofile(support.here .. "/script.lua")

TestDifferential = {}

function TestDifferential:setUp()
  self.sim = support.start "--seed 1"
  self.worker = ground.connect()
end

function TestDifferential:tearDown()
  self.sim:stop()
  ground.clear(self.worker)
end

-- What differs, a line for each step, as a text.
local function differences(one, other)
  local lines = {}
  for i = 1, math.max(#one, #other) do
    local a, b = one[i] or { "nothing" }, other[i] or { "nothing" }
    if a[1] ~= b[1] or not lu.private._is_table_equals(a, b) then
      lines[#lines + 1] = ("%s:\n  simulator: %s\n  worker:    %s"):format(b[1],
        lu.prettystr(a), lu.prettystr(b))
    end
  end
  return table.concat(lines, "\n")
end

function TestDifferential:test_the_model_does_as_the_worker_does()
  local simulated = kelp.connect { url = self.sim.connect, visibility_delay = 0.2 }
  ground.clear(simulated)
  local folder = ground.folder .. "/files"
  local real = script(self.worker, folder)
  lu.assertEquals(differences(script(simulated, folder), real), "")
  lu.assertTrue(#real > 60)
end
