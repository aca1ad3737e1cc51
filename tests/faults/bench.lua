-- bench: one simulator behind one fault proxy, kelp run against it, and everything that can be
-- known afterwards: what was sent, what was done, what was said.
local kelp = require "kelp"
local raw = require "kelp.raw"

local bench = {}

local folder = os.getenv "FAULTS_FOLDER"         -- for what is built and written here
local here = arg[0]:match "^(.*)/[^/]*$" or "."

-- The kelp that runs this is the one that is tested.
local first = 0
while arg[first - 1] do first = first - 1 end
local program = arg[first]

bench.canary = "not-a-real-api-secret-canary"
bench.user = "NOTAREALKEY00002"
bench.email = "somebody@example.com"
bench.sink_canary = "not-a-real-sink-password-canary"
bench.upstash_cluster = "7568431c-88d5-4409-a808-2167f22a7133"

bench.configs = {
  confluent = {
    ["connector.class"] = "S3_SINK", topics = "orders", ["kafka.auth.mode"] = "KAFKA_API_KEY",
    ["kafka.api.key"] = "NOTAREALKEY00001", ["kafka.api.secret"] = bench.sink_canary,
    ["s3.bucket.name"] = "shop-orders", ["aws.access.key.id"] = "NOTAREALACCESSKEY",
    ["aws.secret.access.key"] = bench.sink_canary, ["time.interval"] = "HOURLY",
    ["input.data.format"] = "JSON", ["output.data.format"] = "JSON", ["tasks.max"] = 1,
  },
  upstash = {
    ["connector.class"] = "io.aiven.kafka.connect.s3.AivenKafkaConnectS3SinkConnector",
    topics = "events", ["aws.access.key.id"] = "NOTAREALACCESSKEY",
    ["aws.secret.access.key"] = bench.sink_canary, ["aws.s3.bucket.name"] = "shop-events",
    ["tasks.max"] = 1,
  },
}

function bench.quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end
local quote = bench.quote

function bench.base64(text)
  local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  local out = {}
  for i = 1, #text, 3 do
    local a, b, c = text:byte(i, i + 2)
    local n = a << 16 | (b or 0) << 8 | (c or 0)
    for k = 3, 0, -1 do
      local d = n >> 6 * k & 63
      out[#out + 1] = (k == 1 and not b or k == 0 and not c) and "=" or digits:sub(d + 1, d + 1)
    end
  end
  return table.concat(out)
end

function bench.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

function bench.write(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
  return path
end

function bench.exists(path)
  local file = io.open(path, "rb")
  return file ~= nil and file:close()
end

local names = 0
local prefix
-- A path that no other row uses.
function bench.path(name)
  if not prefix then
    local stat = assert(io.open "/proc/self/stat")
    prefix = ("%s/%d"):format(folder, stat:read "n")
    stat:close()
  end
  names = names + 1
  return ("%s-%d-%s"):format(prefix, names, name)
end

-- ---- what is kept ----

-- KELP_ARTEFACTS, a folder: every kelp logs all that there is to log, and what it leaves behind is
-- kept there, for tests/canary to search. What a test says of the log may not be so then.
local artefacts = os.getenv "KELP_ARTEFACTS"

--- kelp's option for this log level, or for the highest; "" for none.
function bench.log_option(level)
  level = artefacts and "trace" or level
  return level and "--log " .. level or ""
end

local function kept_path(path) return quote(artefacts .. "/" .. path:match "[^/]*$") end

--- A file or folder of what kelp has written, of which no more is needed. It may come again.
function bench.done_with(path)
  if not artefacts then
    assert(os.execute("rm -rf " .. quote(path)))
  elseif bench.exists(path) then
    assert(os.execute(("mv --backup=numbered -T %s %s"):format(quote(path), kept_path(path))))
  end
end

--- The same, when it is still needed: what it holds now is kept, as NAME-STEP.
function bench.keep(path, step)
  if not artefacts or not bench.exists(path) then return end
  assert(os.execute(("cp -r -T %s %s"):format(quote(path), kept_path(path .. "-" .. step))))
end

-- ---- programs that run beside ----

local Beside = {}
Beside.__index = Beside
local beside = {}

-- A program that ends at the end of its input, spoken to in lines. Returns it and its first line.
local function start(command)
  local fifo, err = bench.path "fifo", bench.path "err"
  assert(os.execute("mkfifo " .. quote(fifo)))
  local input = assert(io.popen(
    ("exec env -u SSLKEYLOGFILE -u LD_PRELOAD -u FAULT_CLOCK %s >%s 2>%s"):format(
      command, quote(fifo), quote(err)), "w"))
  input:setvbuf "no"
  local output = assert(io.open(fifo, "r"))
  local self = setmetatable({ input = input, err = err, output = output }, Beside)
  os.remove(fifo)
  local line = self.output:read "l"
  if not line then
    local _, _, code = input:close()
    return nil, code, bench.read(err)
  end
  beside[#beside + 1] = self
  return self, line
end

-- Says these lines; returns the first one of the answer.
function Beside:tell(lines)
  assert(self.input:write(lines .. "\n"))
  local line = self.output:read "l"
  if not line then error(bench.read(self.err), 2) end
  return line
end

-- What these programs complain of is a failure of the test itself.
function bench.stop()
  for i = #beside, 1, -1 do
    local one = table.remove(beside)
    local ok, how, code = one.input:close()
    one.output:close()
    local said = bench.read(one.err)
    bench.done_with(one.err)
    if not ok or said ~= "" and not artefacts then
      error(("%s %s: %s"):format(how, code, said), 0)
    end
  end
end

function bench.simulator(options)
  local self, line, said = start(("%s %s sim --port 0 --exit-on-eof %s"):format(quote(program),
    bench.log_option(), options or "--provisioning 0"))
  if not self then error("no simulator: " .. said) end
  return kelp.json.decode(line)
end

local Proxy = setmetatable({}, { __index = Beside })
Proxy.__index = Proxy

-- A fault as proxies read it (fault.h), from { METHOD, TEXT, STEP…, skip, times, lasting } or
-- { connection = true, STEP… }.
local function fault_lines(fault, from)
  local words = fault.connection and { "connection" } or { "fault", fault[1], fault[2] }
  if fault.skip then words[#words + 1] = "skip=" .. fault.skip end
  if fault.times then words[#words + 1] = "times=" .. fault.times end
  if fault.lasting then words[#words + 1] = "lasting=" .. fault.lasting end
  local lines = { table.concat(words, " ") }
  table.move(fault, fault.connection and 1 or 3, #fault, 2, lines)
  lines[#lines + 1] = "end"
  return table.concat(lines, "\n"):gsub("%$(%u+)", from)
end

-- `from` fills in $NAME in the fault.
function Proxy:add_fault(fault, from)
  self:tell((fault_lines(fault, from or {})))
end

-- A proxy with these faults. Returns nil and its exit code when it cannot be had.
function bench.proxy(options, faults, from)
  local self, line, said = start(quote(folder .. "/proxy") .. " " .. options)
  if not self then
    if line == 4 then return nil, said end
    error("no proxy: " .. said)
  end
  setmetatable(self, Proxy)
  self.port = math.tointeger(line)
  for _, fault in ipairs(faults or {}) do self:add_fault(fault, from) end
  return self
end

-- What the simulator itself answers.
function Proxy:ask(method, path, body)
  local line = self:tell(("ask %s %s %s"):format(method, path, body or ""))
  local status, size = line:match "^(%d+) (%d+)$"
  local text = size ~= "0" and self.output:read(math.tointeger(size)) or ""
  self.output:read "l"
  if status:sub(1, 1) ~= "2" then error(("%s %s: %s"):format(method, path, status .. text), 2) end
  return text
end

-- The requests that came: { at, connection, method, target, path, forwarded, status }.
function Proxy:report()
  local list, line = {}, self:tell "report"
  while line ~= "end" do
    local at, connection, method, target, forwarded, status =
      line:match "^request (%S+) (%d+) (%S+) (%S+) (%d+) (%d+)$"
    list[#list + 1] = { at = tonumber(at), connection = tonumber(connection), method = method,
                        target = target, path = target:match "^[^?]*",
                        forwarded = tonumber(forwarded), status = tonumber(status) }
    line = self.output:read "l"
  end
  return list
end

function Proxy:effects()
  return kelp.json.decode(self:ask("GET", "/_simulator/effects"))
end

-- options: those of tls.c, which is not there when OpenSSL's headers are not.
function bench.tls(port, certificate, options)
  local self, line, said = start(("%s --to %d --cert %s.pem --key %s.key %s"):format(
    quote(folder .. "/tls"), port, quote(folder .. "/" .. certificate),
    quote(folder .. "/" .. certificate), options or ""))
  if not self then error("no TLS: " .. said) end
  self.port = math.tointeger(line)
  return self
end

-- ---- kelp ----


-- Runs a script of ours; { code, how, out, err, seconds, and what it printed as JSON }.
function bench.kelp(script, spec, env, unrecorded)
  local out, err, input = bench.path "out", bench.path "err", bench.path "spec.json"
  bench.write(input, kelp.json.encode(spec))
  local words = {}
  for name, value in pairs(env) do words[#words + 1] = name .. "=" .. quote(value) end
  local start_at = raw.now()
  local _, how, code = os.execute(("env -i PATH=\"$PATH\" HOME=%s ASAN_OPTIONS=\"$ASAN_OPTIONS\" "
    .. "timeout -s KILL 60 env --default-signal=PIPE %s %s %s %s/scripts/%s.lua %s "
    .. "</dev/null >%s 2>%s"):format(
    quote(folder), table.concat(words, " "), quote(program),
    bench.log_option "info" .. (unrecorded and " --no-journal" or ""), quote(here), script, quote(input),
    quote(out), quote(err)))
  local result = { seconds = raw.now() - start_at, code = code, how = how, out = bench.read(out),
                   err = bench.read(err), results = {} }
  local ok, printed = pcall(kelp.json.decode, result.out:match "[^\n]*\n$" or "")
  if ok then for key, value in pairs(printed) do result[key] = value end end
  bench.done_with(out)
  bench.done_with(err)
  os.remove(input)
  return result
end

bench.folder, bench.program, bench.here = folder, program, here

return bench
