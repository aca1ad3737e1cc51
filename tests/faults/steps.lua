-- steps: what a row does that takes more than one run of kelp: rows with `steps` (rows.lua) get
-- the table of this file, with a simulator behind a proxy, a state folder of their own, and ways to
-- run scripts against them under boundary.c.

package.path = arg[0]:match "^(.*)/[^/]*$" .. "/../kill/?.lua;" .. package.path

local kelp = require "kelp"
local raw = require "kelp.raw"
local bench = require "bench"
local runs = require "runs"
local jobs = require "jobs"

local Steps = {}
Steps.__index = Steps

-- What every script of a row begins with. No line of its own: lines in messages are the row's.
local BEGINNING = [[local kelp = require "kelp"; local raw = require "kelp.raw"; ]]
  .. [[local function pid() ]]
  .. [[io.stderr:write("pid ", io.open("/proc/self/stat"):read "n", "\n") end; ]]
  .. [[local target = kelp.%s { %s visibility_delay = 0.1, backoff = 0.01, longest_backoff = 0.05, %s }; ]]
  .. [[local config = { ["connector.class"] = "%s", ["kafka.auth.mode"] = "SERVICE_ACCOUNT", ]]
  .. [[["kafka.service.account.id"] = "sa-sim001", topics = "a", ["tasks.max"] = 1, ]]
  .. [[["aws.secret.access.key"] = kelp.secret "SINK_SECRET" }; ]]
  .. [[local function names(n) local l = {}; for i = 1, n do l[i] = ("n-%%02d"):format(i) end; ]]
  .. [[return l end; ]]

local places = { confluent = 'environment = "env-sim", cluster = "lkc-sim",',
                 upstash = ('cluster = "%s",'):format(bench.upstash_cluster) }
local classes = { confluent = "DatagenSource", upstash = "io.example.Sink" }

function Steps.new(c, at, check)
  local self = setmetatable({ case = c, at = at, check = check, place = runs.place(),
    provider = c.provider, proxy = at.proxy }, Steps)
  self.env = { CONFLUENT_CLOUD_REST_ENDPOINT = at.base_url, UPSTASH_API_URL = at.base_url }
  return self
end

--- Writes a script, which has `target`, `config` and some functions; returns its path. `options`:
--- more options of the target, as Lua.
function Steps:script(text, options)
  self.path = self.path or bench.path "script.lua"
  return bench.write(self.path, BEGINNING:format(self.provider, places[self.provider],
    options or "", classes[self.provider]) .. text)
end

local function with_env(self, what)
  local full, env = {}, {}
  for key, value in pairs(what or {}) do full[key] = value end
  for _, variables in ipairs { self.env, full.env or {} } do
    for key, value in pairs(variables) do env[key] = value end
  end
  full.env, full.level = env, "info"
  return full
end

--- As runs.kelp and runs.start, with a log.
function Steps:kelp(words, what)
  local r = runs.kelp(self.place, words, with_env(self, what))
  for _, canary in ipairs { bench.canary, bench.sink_canary,
                            bench.base64(bench.user .. ":" .. bench.canary),
                            bench.base64(bench.email .. ":" .. bench.canary) } do
    self.check(not (r.out .. r.err):find(canary, 1, true), "a secret was shown")
  end
  return r
end

function Steps:start(words, what)
  return runs.start(self.place, words, with_env(self, what))
end

--- Resumes the last run. A run that was killed before it was one has sent nothing: the script is
--- run again.
function Steps:resume(what, ...)
  local r = self:kelp({ "--resume", "last", ... }, what)
  if r.err:find("there is no run 'last'", 1, true) and self.path and not next(self:effects()) then
    return self:kelp({ self.path }, what)
  end
  return r
end

--- The run ended so, and said this (patterns) on standard error.
function Steps:ended(r, code, ...)
  self.check(r.how == "exit" and r.code == code, "exit %d expected, got %s %d:\n%s", code, r.how,
    r.code, r.err:sub(-1500))
  for _, pattern in ipairs { ... } do
    self.check(r.err:find(pattern), "standard error does not say '%s':\n%s", pattern,
      r.err:sub(-1500))
  end
end

--- How often each took effect: { ["create n-01"] = 1, … }.
function Steps:effects()
  return (jobs.effects(self.at))
end

--- Each of these was made, once each, and nothing else.
function Steps:made(list, what)
  local effects, wanted = self:effects(), {}
  for _, name in ipairs(list) do
    wanted["create " .. name] = true
    self.check(effects["create " .. name] == 1, "%s: %s was made %d times", what or "at the end",
      name, effects["create " .. name] or 0)
  end
  for key, count in pairs(effects) do
    self.check(wanted[key], "%s: %s happened %d times", what or "at the end", key, count)
  end
end

--- The requests that changed something, so far in this world.
function Steps:sent()
  local count = -(self.sent_before or 0)
  for _, q in ipairs(self.proxy:report()) do
    if q.method ~= "GET" then count = count + 1 end
  end
  return count
end

--- Waits until that many requests of all have come: those of a process that was killed are under
--- way for a moment longer.
function Steps:arrived(count)
  self:until_true(count .. " requests have come", function()
    return #self.proxy:report() >= count
  end)
end

--- The journal and what was done agree: what was done is in it, what it calls done was done.
function Steps:agreed(what)
  local fault = jobs.fault_now(self.at, self.place)
  self.check(not fault, "%s: %s", what, fault)
end

--- The newest journal: { about, operations… }, or nil and why; and how many are in each state.
function Steps:journal()
  local path = runs.newest(self.place)
  if not path then return nil, "no journal", {} end
  local journal, why = runs.read(path)
  if not journal then return nil, tostring(why), {} end
  return journal, nil, journal.about.counts
end

function Steps:journal_path() return runs.newest(self.place) end

--- The runs of the folder, as a list of runs shows them.
function Steps:list() return raw.runs(self.place.folder) end

--- A signal for a process of ours.
function Steps:signal(name, pid)
  assert(os.execute(("kill -%s %d"):format(name, pid)))
end

--- Waits until the condition holds.
function Steps:until_true(what, condition)
  for _ = 1, 2000 do
    local value = condition()
    if value then return value end
    kelp.sleep(0.01)
  end
  error("it never came to this: " .. what, 0)
end

--- A list of n-01 to n-COUNT.
function Steps.names(count)
  local list = {}
  for i = 1, count do list[i] = ("n-%02d"):format(i) end
  return list
end

--- A state folder without a run in it, and a world without an effect.
function Steps:afresh()
  runs.forget(self.place)
  self.place = runs.place()
  self.sent_before = self:sent() + (self.sent_before or 0)
  self.proxy:ask("PUT", "/_simulator/state", "{}")
  if self.provider == "confluent" then
    self.proxy:ask("PUT", "/_simulator/state", '{"confluent":{"env-sim/lkc-sim":{}}}')
  else
    self.proxy:ask("PUT", "/_simulator/state", ('{"upstash":{"%s":[]}}'):format(
      bench.upstash_cluster))
  end
end

--- Runs the script once for each N from 1 on, with `rule` (a format, for N), in a world of its own,
--- until it is not hit any more; after each: look(N, result). Then resumes it, and all of
--- `made` must be there once.
function Steps:each(words, rule, made, look, power)
  for n = 1, 400 do
    self:afresh()
    local r = self:kelp({ table.unpack(words) }, { rules = rule:format(n),
      power = power and (n % 2 == 0 and n or 0) })
    local hit = r.killed or r.code ~= 0
    self:agreed(("%s, after"):format(rule:format(n)))
    if hit then look(n, r) end
    if hit and self:journal() then
      self:ended(self:resume(), 0)
    elseif hit then
      self.check(self:journal_path() == nil or not next(self:effects()),
        "%s: something was done, and the journal cannot be read", rule:format(n))
      runs.forget(self.place)
      self:ended(self:kelp { table.unpack(words) }, 0)
    end
    self:made(made, rule:format(n))
    if not hit then return n - 1 end
  end
  error("it never ended", 0)
end

--- All that this row wrote. No credential is in any of it.
function Steps:close()
  local hits = os.execute(("grep -rqF -e %s -e %s %s"):format(bench.quote(bench.canary),
    bench.quote(bench.sink_canary), bench.quote(self.place.state)))
  self.check(not hits, "a secret is in the state folder")
  runs.forget(self.place)
  for _, path in ipairs { self.path or false, self.switch or false, self.at.record,
                          self.at.other_record } do
    if path then os.remove(path) end
  end
end

return Steps
