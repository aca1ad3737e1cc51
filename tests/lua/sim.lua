-- Tests of `kelp sim` as a process of its own: kelp tests/lua/run.lua sim.
local lu = require "luaunit"
local support = require "support"
local kelp = require "kelp"

local quote = support.quote

-- Starts it with a fifo as standard output; returns the pipe that is its standard input, its
-- process id and its first line.
local function start(options)
  local out, pid = support.path "sim-out", support.path "sim-pid"
  assert(os.execute("mkfifo " .. quote(out)))
  local pipe = assert(io.popen(("echo $$ >%s; exec %s sim %s >%s"):format(quote(pid),
    quote(support.program), options, quote(out)), "w"))
  local file = assert(io.open(out, "r"))
  local line = file:read "l"
  file:close()
  os.remove(out)
  return pipe, assert(tonumber(support.read(pid))), line
end

-- The status line and headers of what it answers.
local function ask(url)
  local pipe = assert(io.popen(("curl -q -sS --noproxy '*' -i %s/_simulator/state"):format(
    quote(url)), "r"))
  local text = pipe:read "a"
  assert(pipe:close(), "curl failed")
  return text
end

TestSim = {}

function TestSim:test_the_first_line_has_the_addresses()
  local pipe, _, line = start "--exit-on-eof --port=0"
  local url = line:match '"url":"(http://127%.0%.0%.1:%d+)"'
  lu.assertEquals(kelp.json.decode(line), { url = url, confluent = url .. "/confluent",
    connect = url .. "/connect", upstash = url .. "/upstash/v2/kafka" })
  lu.assertStrContains(ask(url), "HTTP/1.1 200")
  pipe:write "ignored\n"
  lu.assertEquals({ pipe:close() }, { true, "exit", 0 })
end

function TestSim:test_a_signal_ends_it_and_it_saves()
  for _, signal in ipairs { "TERM", "INT", "HUP" } do
    local state = support.path "state.json"
    local pipe, pid = start("--state " .. quote(state) .. " --rate 5000/s")
    assert(os.execute(("kill -%s %d"):format(signal, pid)))
    lu.assertEquals({ pipe:close() }, { true, "exit", 0 })
    lu.assertNotNil(kelp.json.decode(support.read(state)).upstash)
    os.remove(state)
  end
end

function TestSim:test_what_cannot_be_saved_is_an_error()
  local result = support.kelp({ "sim", "--exit-on-eof", "--state", "/proc/no/state.json" })
  lu.assertEquals(result.code, 1)
  lu.assertStrContains(result.err, "/proc/no/state.json: No such file")
end

function TestSim:test_wrong_options_are_usage()
  local cases = {
    { { "--nonsense" }, "--nonsense" }, { { "file" }, "too many arguments" },
    { { "--port" }, "'--port' requires" }, { { "--port", "70000" }, "70000" },
    { { "--port", "1.5" }, "1.5" }, { { "--portal=1" }, "--portal" },
    { { "--rate", "fast" }, "'fast' is not a number" }, { { "--latency", "5/s" }, "5/s" },
    { { "--provisioning=1e999" }, "1e999" }, { { "--seed", "-1" }, "-1" },
    { { "--lag", "." }, "'.' is not a number" },
  }
  for _, case in ipairs(cases) do
    local result = support.kelp({ "sim", table.unpack(case[1]) })
    lu.assertEquals(result.code, 2)
    lu.assertStrContains(result.err, case[2])
    lu.assertEquals(result.out, "")
  end
end
