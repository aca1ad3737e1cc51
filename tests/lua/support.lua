-- What the tests share: simulators as processes of their own, their control endpoints, programs
-- run to the end, and a count of what a test leaves behind.
local kelp = require "kelp"
local raw = require "kelp.raw"

local support = {}

support.here = (arg[0] or ""):match("^(.*)/[^/]*$") or "."
support.root = support.here .. "/../.."

-- The kelp that runs the tests is the one that they start again.
do
  local first = 0
  while arg[first - 1] do first = first - 1 end
  support.program = arg[first]
end

-- The same for a process that starts in another folder.
function support.whole_program()
  local program = support.program
  return program:sub(1, 1) == "/" and program or os.getenv "PWD" .. "/" .. program
end

function support.quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end
local quote = support.quote

local function run(command)
  local ok, how, code = os.execute(command)
  if not ok then error(("%s: %s %d"):format(command, how, code), 2) end
end

function support.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

function support.write(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
  return path
end

-- A folder for everything that tests write; made when it is first asked for.
local folder
function support.folder()
  if not folder then
    local pipe = assert(io.popen("mktemp -d", "r"))
    folder = pipe:read "l"
    assert(pipe:close() and folder, "mktemp failed")
  end
  return folder
end

local names = 0
function support.path(name)
  names = names + 1
  return ("%s/%d-%s"):format(support.folder(), names, name)
end

function support.make_folder(path)
  run("mkdir -p " .. quote(path))
  return path
end

-- ---- programs ----

-- What a child sees: nothing of this process's environment but what it needs to run.
local function environment(variables)
  local words = { "env -i PATH=\"$PATH\" ASAN_OPTIONS=\"$ASAN_OPTIONS\" "
    .. "UBSAN_OPTIONS=\"$UBSAN_OPTIONS\" HOME=" .. quote(support.folder()) }
  for name, value in pairs(variables or {}) do
    words[#words + 1] = name .. "=" .. quote(value)
  end
  return table.concat(words, " ")
end

local function words_of(list)
  local words = {}
  for i, word in ipairs(list) do words[i] = quote(word) end
  return table.concat(words, " ")
end

-- KELP_ARTEFACTS, a folder: every kelp that a test runs logs all that there is to log, and what it
-- writes is kept there, for tests/canary to search. Tests that look at the log fail then.
local artefacts = os.getenv "KELP_ARTEFACTS"

local function done_with(path)
  if artefacts then
    run(("mv %s %s"):format(quote(path), quote(artefacts)))
  else
    os.remove(path)
  end
end

-- Runs kelp with these arguments; what = { env, stdin (a text), stdout (a path), folder,
-- seconds (until it is killed; 60) }.
-- Returns { code, how ("exit", "signal"), out, err }.
function support.kelp(arguments, what)
  what = what or {}
  local out, err = support.path "out", support.path "err"
  local input = what.stdin and support.write(support.path "in", what.stdin) or "/dev/null"
  local program = what.folder and support.whole_program() or support.program
  local command = ("%s%s timeout -s KILL %d %s %s%s <%s >%s 2>%s"):format(
    what.folder and "cd " .. quote(what.folder) .. " && " or "", environment(what.env),
    what.seconds or 60, quote(program), artefacts and "--log trace " or "", words_of(arguments), quote(input), quote(what.stdout or out), quote(err))
  local _, how, code = os.execute(command)
  local result = {
    code = code, how = how, err = support.read(err),
    out = what.stdout and "" or support.read(out),
  }
  done_with(err)
  if not what.stdout then done_with(out) end
  return result
end

-- Runs a script that prints its process id once it is where it shall be interrupted; sends it one
-- SIGINT. Returns the same as support.kelp, and the seconds until it ended.
function support.interrupt(script, arguments)
  local path = support.write(support.path "script.lua",
    "local function here() print(io.open('/proc/self/stat'):read 'n') end\n" .. script)
  local err = support.path "err"
  local pipe = assert(io.popen(("%s timeout -s KILL 60 %s %s %s 2>%s"):format(environment(),
    quote(support.program), words_of(arguments or {}), quote(path), quote(err)), "r"))
  local pid = pipe:read "n"
  assert(math.type(pid) == "integer", "the script did not begin")
  local start = raw.now()
  run(("kill -INT %d"):format(pid))
  local out = pipe:read "a"
  local seconds = raw.now() - start
  local _, how, code = pipe:close()
  return { code = code, how = how, out = out, err = support.read(err) }, seconds
end

-- ---- simulators ----

local simulator = {}
simulator.__index = simulator
local started = {}

-- A simulator that ends when `pipe` is closed, by us or by our end.
function support.start(options, scripts)
  local fifo, err = support.path "fifo", support.path "sim-err"
  run("mkfifo " .. quote(fifo))
  local pipe = assert(io.popen(("exec %s %s sim --port 0 --exit-on-eof %s >%s 2>%s"):format(
    environment { KELP_SCRIPTS = scripts }, quote(support.program), options or "", quote(fifo),
    quote(err)), "w"))
  local out = assert(io.open(fifo, "r"))
  local line = out:read "l"
  out:close()
  os.remove(fifo)
  if not line then error("the simulator did not start: " .. support.read(err)) end
  local self = setmetatable(kelp.json.decode(line), simulator)
  self.pipe, self.err = pipe, err
  started[self] = true
  return self
end

-- What the simulator complains of is a failure of the tests: it has no other reader.
function simulator:stop()
  if not started[self] then return end
  started[self] = nil
  local ok, how, code = self.pipe:close()
  local said = support.read(self.err)
  os.remove(self.err)
  if not ok or said ~= "" then
    error(("the simulator ended with %s %d: %s"):format(how, code, said), 2)
  end
end

-- One request to an endpoint that no provider has. Returns the body.
function simulator:control(method, path, body)
  local file = support.path "body"
  local input = body and "--data-binary @" .. quote(support.write(file .. ".in", body)) or ""
  local pipe = assert(io.popen(("curl -q -sS --noproxy '*' -o %s -w '%%{http_code}' -X %s %s %s")
    :format(quote(file), method, input, quote(self.url .. path)), "r"))
  local status = pipe:read "n"
  assert(pipe:close(), "curl failed")
  local answer = io.open(file, "rb")
  local text = answer and answer:read "a" or ""
  if answer then answer:close() end
  os.remove(file)
  if body then os.remove(file .. ".in") end
  if status < 200 or status > 299 then
    error(("%s %s: %d %s"):format(method, path, status, text), 2)
  end
  return text
end

-- Replaces the world: by this one, or by the one that it started from.
function simulator:reset(state)
  if not self.first then self.first = self:control("GET", "/_simulator/state") end
  self:control("PUT", "/_simulator/state", state and kelp.json.encode(state) or self.first)
end

function simulator:effects()
  return kelp.json.decode(self:control("GET", "/_simulator/effects"))
end

function simulator:state()
  return kelp.json.decode(self:control("GET", "/_simulator/state"))
end

-- "METHOD pattern" -> count, since the simulator started.
function simulator:requests()
  return kelp.json.decode(self:control("GET", "/_simulator/requests"))
end

-- Calls fn and returns the requests that it made, as "METHOD pattern" -> count, with the
-- provider's prefix of the pattern cut off, and what fn returned.
function simulator:requests_of(fn, ...)
  local before = self:requests()
  local results = table.pack(fn(...))
  local made = {}
  for key, count in pairs(self:requests()) do
    local new = count - (before[key] or 0)
    if new ~= 0 then
      local short = key:gsub("/confluent/connect/v1/environments/{environment}/clusters/{cluster}", "")
        :gsub("/upstash/v2/kafka", ""):gsub(" /connect/", " /"):gsub(" /connect$", " /")
      made[short] = new
    end
  end
  return made, table.unpack(results, 1, results.n)
end

-- Against scripted replies one call is one request; and what the replies of one test teach kelp
-- about a credential must not hold the next test back, so that each has its own.
local credentials = 0
local function complete(self, options, changes, user)
  options.visibility_delay = 0.05 -- how long an ambiguous write may take to show
  if self.scripted then
    credentials = credentials + 1
    options.attempts, options.deadline, options.visibility_delay = 1, 1, 0
    options[user] = ("user-%d"):format(credentials)
  end
  for key, value in pairs(changes or {}) do options[key] = value end
  return options
end

function simulator:confluent_target(changes)
  local options = complete(self, { base_url = self.confluent, environment = "env-sim",
    cluster = "lkc-sim", api_key = "NOTAREALKEY00002", api_secret = "not-a-real-api-secret" },
    changes, "api_key")
  if options.token then options.api_key, options.api_secret = nil, nil end
  return kelp.confluent(options)
end

support.upstash_cluster = "7568431c-88d5-4409-a808-2167f22a7133"

function simulator:upstash_target(changes)
  return kelp.upstash(complete(self, { base_url = self.upstash, cluster = support.upstash_cluster,
    email = "somebody@example.com", api_key = "not-a-real-upstash-key" }, changes, "email"))
end

-- Anonymous unless `changes` says otherwise; as above, each against scripted replies has its own.
function simulator:connect_target(changes)
  local options = complete(self, { url = self.connect }, changes, "username")
  if options.username and not options.password then
    options.password = "not-a-real-connect-password"
  end
  return kelp.connect(options)
end

-- The simulator that suites share; whoever uses it resets it first.
local shared
function support.simulator()
  shared = shared or support.start "--provisioning 0"
  return shared
end

-- The shared scripted server (see scripted/simulator/router.lua), told to give these replies.
local scripted
function support.scripted(replies)
  if not scripted then
    scripted = support.start("", support.here .. "/scripted")
    scripted.scripted = true
  end
  scripted:control("PUT", "/_scripted/replies", kelp.json.encode(kelp.json.array(replies)))
  return scripted
end

-- The requests that the scripted server got since.
function simulator:asked()
  return kelp.json.decode(self:control("GET", "/_scripted/requests"))
end

-- What is there, without ids and times, which a connector that is made anew has of its own.
function support.state_of(sim)
  local saved, state = sim:state(), {}
  for _, provider in ipairs { "confluent", "connect" } do
    for place, connectors in pairs(saved[provider]) do
      for name, c in pairs(connectors) do
        state[provider .. " " .. place .. " " .. name] = { c.config, c.state or "RUNNING" }
      end
    end
  end
  for place, connectors in pairs(saved.upstash) do
    for _, c in ipairs(connectors) do
      state["upstash " .. place .. " " .. c.name] = { c.properties, c.state }
    end
  end
  return state
end

-- ---- what is left ----

-- libcurl keeps this many idle connections (transport_curl.c).
local IDLE_CONNECTIONS = 256

local base_sockets, base_others

-- Everything that the suites share is started, so that it counts as there before.
function support.warm_up()
  local target = support.simulator():confluent_target()
  target:list()
  support.scripted {}
  collectgarbage()
  base_sockets, base_others = raw.descriptors()
end

-- Raises when a task, an exchange or a descriptor is left. The runner itself is one task. The
-- simulators that a test has started for itself end here, also when it has failed.
function support.check_nothing_left()
  for one in pairs(started) do
    if one ~= shared and one ~= scripted then one:stop() end
  end
  collectgarbage()
  collectgarbage()
  local tasks, exchanges = raw.alive()
  if tasks ~= 1 or exchanges ~= 0 then
    error(("left behind: %d tasks, %d exchanges"):format(tasks - 1, exchanges), 0)
  end
  local sockets, others, seen = raw.descriptors()
  if others ~= base_others or sockets > base_sockets + IDLE_CONNECTIONS then
    error(("left behind: %d sockets and %d other descriptors, %d and %d at the start: %s")
      :format(sockets, others, base_sockets, base_others, seen), 0)
  end
end

-- Stops what was started and removes the folder; raises what is wrong with it.
function support.close()
  local first
  for one in pairs(started) do
    local ok, message = pcall(simulator.stop, one)
    first = first or not ok and message
  end
  if folder and artefacts then
    run(("! test -d %s/.local || mv %s/.local %s/local"):format(quote(folder), quote(folder),
      quote(artefacts)))
  end
  if folder then run("rm -rf " .. quote(folder)) end
  if first then error(first, 0) end
end

-- ---- assertions ----

-- A record of a connector of which nothing is known: what is sent about it needs no read before.
function support.at_hand(target, name)
  return setmetatable({ target = target, name = name, state = "unknown", config = {} },
    require "kelp.raw".connector_metatable)
end

-- Calls fn, which must raise an error object of that kind. Returns it.
function support.raises(kind, fn, ...)
  local ok, value = pcall(fn, ...)
  if ok then error(("an error '%s' was expected, and none was raised"):format(kind), 2) end
  if not kelp.is_error(value) then
    error(("an error object '%s' was expected, and this was raised: %s"):format(kind,
      tostring(value)), 2)
  end
  if value.kind ~= kind then
    error(("an error '%s' was expected, and this was raised: %s"):format(kind, tostring(value)), 2)
  end
  return value
end

-- Calls fn, which must raise an ordinary Lua error with this text in it. Returns it.
function support.misuse(text, fn, ...)
  local ok, value = pcall(fn, ...)
  if ok then error(("an error with '%s' was expected, and none was raised"):format(text), 2) end
  if type(value) ~= "string" then
    error(("a Lua error with '%s' was expected, and this was raised: %s"):format(text,
      tostring(value)), 2)
  end
  if not value:find(text, 1, true) then
    error(("an error with '%s' was expected, and this was raised: %s"):format(text, value), 2)
  end
  return value
end

return support
