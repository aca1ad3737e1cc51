-- field: what a row of the table gets: kelp run as a user runs it, servers whose answers the row
-- writes (server.c), the simulator, what a run left behind, and checks that go on after a failure.
local here = arg[0]:match "^(.*)/[^/]*$" or "."
package.path = here .. "/../lua/?.lua;" .. package.path

local kelp = require "kelp"
local support = require "support"

local Field = {}
Field.__index = Field

local quote = support.quote

Field.CANARY = "kaNary7qUiet-heroN"            -- a secret that no other text holds
Field.UPSTASH_CLUSTER = support.upstash_cluster
Field.MASK = ("*"):rep(16)

-- Every row: no real time in it that a row does not ask for.
Field.QUICK = "visibility_delay = 0.05, backoff = 0.01, longest_backoff = 0.05"

function Field.new()
  return setmetatable({ complaints = {}, started = {}, said = {}, state = support.path "state" }, Field)
end

local function now()
  local file = assert(io.open "/proc/uptime")
  local seconds = file:read "n"
  file:close()
  return seconds
end
Field.now = now

-- ---- checks ----

function Field:check(fine, format, ...)
  if not fine then
    self.complaints[#self.complaints + 1] = format:format(...)
  end
  return fine
end

function Field:equal(what, got, wanted)
  return self:check(got == wanted, "%s: %s expected, got %s", what, tostring(wanted), tostring(got))
end

-- Texts are found as they are, patterns with `matches`.
function Field:has(what, text, part)
  return self:check(text:find(part, 1, true), "%s does not hold '%s'", what, part)
end

function Field:lacks(what, text, part)
  return self:check(not text:find(part, 1, true), "%s holds '%s'", what, part)
end

function Field:matches(what, text, pattern)
  return self:check(text:find(pattern), "%s does not match '%s'", what, pattern)
end

function Field:exited(r, code)
  return self:check(r.how == "exit" and r.code == code, "exit %d expected, got %s %d", code, r.how, r.code)
end

--- One JSON document and nothing else; nil when it is not.
function Field:json(what, text)
  local ok, value = pcall(kelp.json.decode, text)
  self:check(ok, "%s is not one JSON document: %s", what, text:sub(1, 300))
  return ok and value or nil
end

-- ---- servers ----

local Server = {}
Server.__index = Server

--- A server with this script (see server.c); `upstream`: what support.start returned. The script has
--- `worker` (worker.lua) and `json`.
function Field:server(script, upstream)
  local path = support.write(support.path "server.lua", ("package.path = %q .. package.path\n"
    .. "local worker, json = require 'worker', require 'cjson'\n"):format(here .. "/?.lua;") .. script)
  local log, err, fifo = support.path "requests", support.path "err", support.path "fifo"
  assert(os.execute("mkfifo " .. quote(fifo)))
  local pipe = assert(io.popen(("exec %s %s %s %s >%s 2>%s"):format(
    quote(os.getenv "FIELD_FOLDER" .. "/server"), quote(path), quote(log),
    upstream and upstream.url:match ":(%d+)" or "", quote(fifo), quote(err)), "w"))
  local out = assert(io.open(fifo, "r"))
  local port = out:read "l"
  out:close()
  if not port then error(support.read(err), 2) end
  local s = setmetatable({ pipe = pipe, log = log, err = err, port = port,
    url = "http://127.0.0.1:" .. port }, Server)
  self.started[#self.started + 1] = s
  self.url = s.url
  return s
end

--- The requests so far, as server.c logs them; only those of "METHOD pattern" (of the target).
function Server:requests(what)
  local method, pattern = (what or "* ."):match "^(%S+) (.*)$"
  local list = {}
  for line in io.lines(self.log) do
    local r = kelp.json.decode(line)
    if (method == "*" or r.method == method) and r.target:find(pattern) then list[#list + 1] = r end
  end
  return list
end

function Server:count(what) return #self:requests(what) end

--- The requests that change something.
function Server:writes()
  local list = {}
  for _, r in ipairs(self:requests()) do
    if r.method ~= "GET" and not r.target:find "/validate$" then list[#list + 1] = r end
  end
  return list
end

function Server:stop()
  local ok = self.pipe:close()
  local said = support.read(self.err)
  if not ok or said ~= "" then error("the row's server: " .. said, 0) end
end

--- A worker alone: `options` is Lua text for worker.lua, `handle` is the text of what comes before
--- it, with `r`, `w` (the state) and `serve` (the worker's answer).
function Field:worker(options, before)
  return self:server(("local serve, w = worker { %s }\nlocal seen = {}\n"
    .. "local function times(what) seen[what] = (seen[what] or 0) + 1 return seen[what] end\n"
    .. "function handle(r)\n%s\nreturn serve(r)\nend"):format(options or "", before or ""))
end

function Field:simulator(options)
  self.sim = support.start(options or "--provisioning 0")
  self.url = self.sim.connect
  return self.sim
end

--- The simulator with a server in front that answers what it wants itself (`before`, as above).
function Field:in_front(before, options)
  local sim = self:simulator(options)
  local s = self:server("local seen = {}\n"
    .. "local function times(what) seen[what] = (seen[what] or 0) + 1 return seen[what] end\n"
    .. "function handle(r)\n" .. (before or "") .. "\nreturn forward(r)\nend", sim)
  s.connect, s.confluent, s.upstash = s.url .. "/connect", s.url .. "/confluent", s.url .. "/upstash/v2/kafka"
  self.url = s.connect
  self.front = s
  return s, sim
end

-- ---- kelp ----

-- What a user's environment holds: the addresses of this row's servers, made-up credentials.
local function environment(self, more)
  local at = self.front or self.sim or {}
  local env = {
    XDG_STATE_HOME = self.state, XDG_CONFIG_HOME = self.state .. "-config", KAFKA_CONNECT_URL = self.url,
    CONFLUENT_CLOUD_API_KEY = "NOTAREALKEY00002", CONFLUENT_CLOUD_API_SECRET = "not-a-real-api-secret",
    CONFLUENT_CLOUD_REST_ENDPOINT = at.confluent or self.url,
    CONFLUENT_ENVIRONMENT_ID = "env-sim", KAFKA_CLUSTER_ID = "lkc-sim",
    UPSTASH_EMAIL = "somebody@example.com", UPSTASH_API_KEY = "not-a-real-upstash-key",
    UPSTASH_API_URL = at.upstash or self.url, UPSTASH_KAFKA_CLUSTER_ID = support.upstash_cluster,
    FIELD_SECRET = Field.CANARY,
  }
  for name, value in pairs(more or {}) do env[name] = value or nil end
  return env
end

local function noted(self, words, r)
  self.said[#self.said + 1] = ("kelp %s: %s %d after %.1f s\n  output: %s\n  error: %s"):format(
    table.concat(words, " "):sub(1, 200), r.how, r.code, r.seconds, r.out:sub(1, 1500), r.err:sub(-1500))
  return r
end

--- Runs kelp with these words; what: as support.kelp, env over the above.
function Field:kelp(words, what)
  local full = { seconds = 20 }
  for key, value in pairs(what or {}) do full[key] = value end
  full.env = environment(self, full.env)
  local start = now()
  local r = support.kelp(words, full)
  r.seconds = now() - start
  return noted(self, words, r)
end

--- Runs a text of the shell; "$KELP" is the program, the words are "$@". Returns as kelp does.
function Field:shell(text, words, what)
  local out, err, quoted, env = support.path "out", support.path "err", {}, {}
  for name, value in pairs(environment(self, what and what.env)) do
    env[#env + 1] = name .. "=" .. quote(value)
  end
  for i, word in ipairs(words or {}) do quoted[i] = quote(word) end
  local start = now()
  local _, how, code = os.execute(("env -i PATH=\"$PATH\" HOME=%s KELP=%s %s timeout -s KILL 20 sh -c %s sh %s >%s 2>%s")
    :format(quote(support.folder()), quote(support.program), table.concat(env, " "), quote(text),
      table.concat(quoted, " "), quote(out), quote(err)))
  return noted(self, { text, table.unpack(words or {}) }, { how = how, code = code,
    out = support.read(out), err = support.read(err), seconds = now() - start })
end

--- The path of a library that is built for the rows, for LD_PRELOAD: "preload" (hosts: here.invalid
--- is this machine, under the name of another), "fast" (time goes by faster, see fast.c).
function Field.library(name) return ("%s/%s.so"):format(os.getenv "FIELD_FOLDER", name) end

-- Every script has these.
local BEGINNING = [[local kelp = require "kelp"; local QUICK = { ]] .. Field.QUICK .. [[ }; ]]
  .. [[local function with(o) for k, v in pairs(QUICK) do if o[k] == nil then o[k] = v end end ]]
  .. [[return o end; ]]
  .. [[local function connect(o) o = with(o or {}); o.url = o.url or os.getenv "KAFKA_CONNECT_URL"; ]]
  .. [[return kelp.connect(o) end; ]]
  .. [[local function confluent(o) o = with(o or {}); o.environment = "env-sim"; ]]
  .. [[o.cluster = "lkc-sim"; return kelp.confluent(o) end; ]]
  .. [[local function upstash(o) o = with(o or {}); ]]
  .. ([[o.cluster = %q; return kelp.upstash(o) end; ]]):format(support.upstash_cluster)
  .. [[local function try(f, ...) local ok, e = pcall(f, ...); if ok then return "ok" end; ]]
  .. [[return kelp.is_error(e) and e.kind or "misuse", tostring(e) end; ]]

--- A script file; returns its path. Its first line is BEGINNING's.
function Field:file(text)
  return support.write(support.path "script.lua", BEGINNING .. text)
end

--- Runs a script: `text` has connect(), confluent(), upstash() (targets of this row's servers) and
--- try(f, …) → "ok", or the error's kind (or "misuse") and its text. what.options: words before it.
function Field:lua(text, what)
  local words = {}
  for _, word in ipairs(what and what.options or {}) do words[#words + 1] = word end
  words[#words + 1] = self:file(text)
  return self:kelp(words, what)
end

-- ---- beside ----

local Beside = {}
Beside.__index = Beside

--- Starts kelp beside; pid is kelp's own. Its standard error is read by await.
function Field:start(words, what)
  local err, out, quoted, env = support.write(support.path "err", ""), support.path "out", {}, {}
  for name, value in pairs(environment(self, what and what.env)) do
    env[#env + 1] = name .. "=" .. quote(value)
  end
  for i, word in ipairs(words) do quoted[i] = quote(word) end
  local pipe = assert(io.popen(("exec env -i --default-signal=INT,TERM,PIPE PATH=\"$PATH\" HOME=%s %s "
    .. "sh -c 'echo \"pid $$\" >&2; exec \"$@\"' sh %s %s >%s 2>%s"):format(quote(support.folder()),
    table.concat(env, " "), quote(support.program), table.concat(quoted, " "), quote(out), quote(err)), "w"))
  local b = setmetatable({ pipe = pipe, words = words, out = out, err = err, begun = now(), field = self },
    Beside)
  b.pid = math.tointeger(tonumber((b:await "^pid (%d+)\n")))
  self.started[#self.started + 1] = b
  return b
end

--- Waits until standard error matches, `from` an offset, at most 10 seconds; returns what the pattern
--- took and the offset behind it, nil when it never did.
function Beside:await(pattern, from)
  local last = now() + 10
  repeat
    local text = support.read(self.err)
    local _, stop, found = text:find(pattern, from)
    if stop then return found or true, stop + 1 end
    kelp.sleep(0.02)
  until now() > last or not self:running()
end

--- Waits until the condition holds, at most `seconds` (10).
function Field:until_true(what, condition, seconds)
  local last = now() + (seconds or 10)
  repeat
    local value = condition()
    if value then return value end
    kelp.sleep(0.02)
  until now() > last
  error("it never came to this: " .. what, 0)
end

function Beside:signal(name) os.execute(("kill -%s %d"):format(name, self.pid)) end

function Beside:running()
  if not self.pid then return true end
  local file = io.open(("/proc/%d/stat"):format(self.pid))
  local state = file and file:read "a":match "%) (%u)"
  if file then file:close() end
  return state ~= nil and state ~= "Z"
end

--- Whether it has ended, within so many seconds; what is left then is killed by `wait`.
function Beside:ends(seconds)
  local last = now() + seconds
  repeat
    if not self:running() then return true end
    kelp.sleep(0.02)
  until now() > last
  return false
end

--- Its end, at most `seconds` from now (killed then): as Field:kelp returns it.
function Beside:wait(seconds)
  if self.ended then return self.ended end
  if not self:ends(seconds or 10) then self:signal "KILL" end
  local _, how, code = self.pipe:close()
  self.ended = noted(self.field, self.words, { how = how, code = code, out = support.read(self.out),
    err = support.read(self.err), seconds = now() - self.begun })
  return self.ended
end

function Beside:stop() self:wait(0) end

-- ---- what a run left ----

--- The bytes of every file in the state folder: journals, their WAL, history.
function Field:state_bytes()
  local pipe = assert(io.popen(("find %s -type f -exec cat {} + 2>/dev/null"):format(quote(self.state)), "r"))
  local bytes = pipe:read "a"
  pipe:close()
  return bytes
end

--- Every column of every table of the journals: a line for each, TABLE.COLUMN and what is in it.
function Field:journal_columns()
  local pipe = assert(io.popen(("find %s -name '*.db' -exec %s {} +"):format(quote(self.state),
    quote(os.getenv "FIELD_FOLDER" .. "/columns")), "r"))
  local text = pipe:read "a"
  self:check(pipe:close(), "the journals cannot be read")
  return text
end

--- A secret is in no output so far and in no byte of the state folder. Something was recorded.
function Field:kept_secret(secret, r, nothing_recorded)
  local bytes = self:state_bytes()
  self:check(nothing_recorded or #bytes > 0, "nothing was recorded, so nothing is proven")
  self:lacks("the journal", bytes, secret)
  if r then
    self:lacks("standard output", r.out, secret)
    self:lacks("standard error", r.err, secret)
  end
end

--- Writes the targets file.
function Field:targets(text)
  support.make_folder(self.state .. "-config/kelp")
  local path = support.write(self.state .. "-config/kelp/targets.lua", text)
  assert(os.execute("chmod 600 " .. quote(path)))
  return path
end

function Field:close()
  for i = #self.started, 1, -1 do
    local ok, why = pcall(self.started[i].stop, self.started[i])
    if not ok then self:check(false, "%s", why) end
  end
  local ok, why = pcall(support.close)
  self:check(ok, "%s", tostring(why))
end

Field.support, Field.quote = support, quote

return Field
