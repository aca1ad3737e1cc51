-- stage: where one cell happens: a simulator of its own, the folders and the environment of the
-- program under test, and what the simulator tells of its world.
local kelp = require "kelp"
local support = require "support"
local providers = require "providers"

local stage = {}
local methods = {}
stage.__index = methods

local quote = support.quote

--- A simulator with this state (nil: its example) and, when they are given, these scripted faults.
function stage.simulator(state, faults)
  local words = "--provisioning 0"
  if state then
    words = words .. " --state "
      .. quote(support.write(support.path "state", kelp.json.encode(state)))
  end
  if faults then
    words = words .. " --faults " .. quote(support.write(support.path "faults",
      kelp.json.encode { script = kelp.json.array(faults) }))
  end
  return support.start(words)
end

--- A stage for provider p, over a world of these connectors.
function stage.new(p, connectors, faults)
  local self = setmetatable({ p = p, texts = {} }, stage)
  self.sim = stage.simulator(providers.world(p, connectors), faults)
  self.home = support.make_folder(support.path "home")
  local settings = support.make_folder(self.home .. "/config/kelp")
  support.write(settings .. "/targets.lua", providers.targets_file(p, self.sim))
  os.execute("chmod 600 " .. quote(settings .. "/targets.lua"))
  self.said = support.path "said"
  return self
end

--- Runs the program; its journals are in the state folder of that name. Returns as support.kelp,
--- and `said`: what the script noted of its own end, if it did.
function methods:kelp(state, ...)
  os.remove(self.said)
  local canaries = providers.canaries
  local result = support.kelp({ ... }, { env = {
    XDG_STATE_HOME = self.home .. "/" .. state, XDG_CONFIG_HOME = self.home .. "/config",
    KELP_SCRIPTS = os.getenv "PROMISES_SCRIPTS", PROMISES_CREDENTIAL = canaries.credential,
    PROMISES_GIVEN = canaries.given, PROMISES_SAID = self.said } })
  table.insert(self.texts, result.out)
  table.insert(self.texts, result.err)
  local file = io.open(self.said, "rb")
  if file then
    result.said = kelp.json.decode(file:read "a")
    file:close()
  end
  return result
end

-- name -> { config, state, offsets } of all the places of a provider, without ids and times.
local function connectors_of(saved)
  local world = {}
  for _, place in pairs(saved) do
    for key, c in pairs(place) do
      local name = type(key) == "string" and key or c.name
      local config = {}
      for k, value in pairs(c.config or c.properties or {}) do
        if k ~= "name" then config[k] = value end
      end
      world[name] = { config = config, state = (c.state or "running"):lower(), offsets = c.offsets }
    end
  end
  return world
end

-- Requests that change nothing although they are no GET.
local function only_asks(request)
  return request:find "^GET " or request:find "/validate" or request:find "/translate"
end

--- What there is now: world (name -> { config, state, offsets }), effects, and how many
--- requests were sent so far: all, the writes, and these by method.
function methods:look()
  local saved = self.sim:state()
  local now = { world = connectors_of(saved[self.p.name]), effects = saved.effects,
                writes = 0, requests = 0, methods = {} }
  for request, count in pairs(self.sim:requests()) do
    now.requests = now.requests + count
    if not only_asks(request) then
      local method = request:match "^%S+"
      now.writes = now.writes + count
      now.methods[method] = (now.methods[method] or 0) + count
    end
  end
  return now
end

--- The bytes of every file that the program left in its state folders.
function methods:left_behind()
  local pipe = assert(io.popen(("find %s -path %s -prune -o -type f -print"):format(
    quote(self.home), quote(self.home .. "/config")), "r"))
  local all = {}
  for path in pipe:lines() do all[#all + 1] = support.read(path) end
  assert(pipe:close(), "find failed")
  return all
end

--- True when a run was recorded in the state folder of that name.
function methods:has_journal(state)
  local pipe = assert(io.popen(("find %s/%s -name '*.db' 2>%s"):format(quote(self.home), state,
    "/dev/null"), "r"))
  local found = pipe:read "l"
  pipe:close()
  return found ~= nil
end

function methods:close()
  self.sim:stop()
  os.execute("rm -rf " .. quote(self.home))
end

return stage
