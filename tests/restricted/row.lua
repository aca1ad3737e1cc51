-- row.lua [ROW]: runs one row of rows.lua, or lists them all.
local here = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = here .. "/../lua/?.lua;" .. package.path
local support = require "support"
local rows = require "rows"

if not arg[1] then
  for _, row in ipairs(rows) do print(row.name) end
  return 0
end

local row
for _, candidate in ipairs(rows) do
  if candidate.name == arg[1] then row = candidate end
end
if not row then error("there is no row " .. arg[1], 0) end

-- Every script may call these. What got out says so on its output.
local PRELUDE = [==[
local function out(what) print("ESCAPED: " .. what) end
-- f(…) must fail, with this text in the message
local function fails(text, f, ...)
  local ok, why = pcall(f, ...)
  if ok then out("no error: " .. text) end
  why = tostring(why)
  if not why:find(text, 1, true) then out(why .. " (not: " .. text .. ")") end
end
local function same(a, b) if a ~= b then out(tostring(a) .. " is not " .. tostring(b)) end end
]==]

local FAKE = "not-a-real-credential"
local sim = support.start "--provisioning 0"

local function environment()
  local result = {
    CONFLUENT_CLOUD_API_KEY = "NOTAREALKEY00003", CONFLUENT_CLOUD_API_SECRET = FAKE,
    CONFLUENT_CLOUD_REST_ENDPOINT = sim.confluent,
    KAFKA_CONNECT_URL = sim.connect,
    UPSTASH_EMAIL = "somebody@example.com", UPSTASH_API_KEY = FAKE, UPSTASH_API_URL = sim.upstash,
    KELP_TEST_LISTED = "a-listed-value", KELP_TEST_OTHER = "another-value",
  }
  for name, value in pairs(row.env or {}) do result[name] = value end
  return result
end

local complaints = {}
local function check(good, format, ...)
  if not good then complaints[#complaints + 1] = format:format(...) end
end

local function arguments()
  local words = {}
  if row.restricted ~= false then words[1] = "--restricted" end
  if row.manifest then
    local path = support.path(row.json and "manifest.json" or "manifest.lua")
    words[#words + 1] = "--manifest"
    words[#words + 1] = support.write(path, row.manifest)
  end
  for _, word in ipairs(row.options or {}) do words[#words + 1] = word end
  local code = type(row.script) == "function" and row.script()
    or PRELUDE .. (row.script or "")
  if row.script then words[#words + 1] = support.write(support.path "script.lua", code) end
  return words
end

-- The verbs and names of what the simulator did, "update orders-to-s3".
local function effects()
  local list = {}
  for i, effect in ipairs(sim:effects()) do
    list[i] = ("%s %s"):format(effect.verb or effect.effect or "?", effect.name or "?")
  end
  return table.concat(list, ", ")
end

local function look(result)
  check(result.how == "exit", "it was killed by signal %d", result.code)
  check(result.code == (row.code or 0), "exit code %d, not %d", result.code, row.code or 0)
  check(not result.out:find "ESCAPED", "it got out")
  for _, text in ipairs(row.err or {}) do
    check(result.err:find(text, 1, true), "nothing on standard error says: %s", text)
  end
  for _, text in ipairs(row.out or {}) do
    check(result.out:find(text, 1, true), "nothing on standard output says: %s", text)
  end
  local did = effects()
  check(did == (row.effects or ""), "the simulator did: %s; not: %s", did, row.effects or "")
end

local raw = require "kelp.raw"
local start = raw.now()
local ok, why = pcall(function()
  local result = support.kelp(arguments(), { env = environment(), seconds = row.seconds or 60 })
  local seconds = raw.now() - start
  look(result)
  check(seconds <= (row.seconds or 60), "it took %.1f s", seconds)
  if row.after then row.after(support, environment(), check) end
  if #complaints > 0 then
    complaints[#complaints + 1] = ("output:\n%s\nstandard error:\n%s"):format(
      result.out:sub(1, 2000), result.err:sub(1, 3000))
  end
end)
if not ok then complaints[#complaints + 1] = tostring(why) end
ok, why = pcall(support.close)
if not ok then complaints[#complaints + 1] = tostring(why) end
local line = ("%s %s (%.1f s)\n"):format(#complaints == 0 and "ok     " or "FAILED ", row.name,
  raw.now() - start)
io.stdout:write(line, #complaints > 0 and table.concat(complaints, "\n") .. "\n" or "")
return 0
