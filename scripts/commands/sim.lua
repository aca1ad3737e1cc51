-- kelp sim: a simulator as a process of its own. The first line of output is JSON with the
-- addresses; then it serves until a signal comes, and saves its state.
local argparse = require "argparse"
local kelp = require "kelp"
local raw = require "kelp.raw"

-- Converters for argparse: a number, or nil and what is wrong.
local function number(text)
  local value = text:find "^%d*%.?%d*$" and tonumber(text)
  if not value or value == math.huge then return nil, ("'%s' is not a number"):format(text) end
  return value
end

local function rate(text) return number((text:gsub("/s$", ""))) end

local function whole(most, what)
  return function(text)
    local value = text:find "^%d+$" and math.tointeger(tonumber(text))
    if not value or value > most then return nil, ("'%s' is not %s"):format(text, what) end
    return value
  end
end

local parser = argparse("kelp sim", "Serves the provider models over HTTP on the loopback "
  .. "interface. The first line of output is JSON with the addresses.")
parser:option("--port", "Port to listen on; 0: the kernel chooses."):argname "N"
  :convert(whole(65535, "a port number"))
parser:option("--state", "JSON file to start from and to save at the end; one that does not exist "
  .. "yet is made from the example."):argname "FILE"
parser:option("--latency", "Milliseconds before each response."):argname "MS":convert(number)
parser:option("--provisioning", "Time until a new connector runs (default 2)."):argname "SECONDS"
  :convert(number)
parser:option("--rate", "Requests a second for each credential before 429."):argname "N[/s]"
  :convert(rate)
parser:option("--lag", "What is written shows in reads so much later."):argname "SECONDS"
  :convert(number)
parser:option("--faults", "What goes wrong: KIND=RATE,… with rates from 0 to 1 (write/KIND or "
  .. "read/KIND: only then), or a JSON file (see below)."):argname "SPEC|FILE"
parser:option("--seed", "Of ids and faults (default 1)."):argname "N"
  :convert(whole(2 ^ 53, "a whole number"))
parser:flag("--exit-on-eof", "End when standard input is closed.")
parser:epilog [[
A file of faults: {"rates": {KIND: RATE},
                   "script": [{"fault": KIND, "method", "path", "after", "times"}]}
KIND: lose (closed, not done), drop (done, closed), cut, garbage, html,
      a status (503, 429:7 with Retry-After, 500+ after it was done),
      late:S (504, done S seconds later), delay:S]]

local function main(...)
  local ok, options = parser:pparse { ... }
  if not ok then
    io.stderr:write("kelp sim: ", options, "\nTry 'kelp sim --help'.\n")
    return 2
  end
  local simulator <close> = raw.simulator {
    port = options.port, state = options.state, faults = options.faults, seed = options.seed,
    provisioning = options.provisioning, rate = options.rate, lag = options.lag,
    latency = options.latency and options.latency / 1000,
  }
  local url = simulator:url()
  local announced = { url = url }
  for _, provider in ipairs(raw.providers) do
    announced[provider.name] = url .. provider.simulator_path
  end
  print(kelp.json.encode(announced))
  io.stdout:flush()
  simulator:wait(options.exit_on_eof)
  simulator:stop()
  return 0
end

return main(...)
