-- A job with secrets in every place where one can be, that shows what it has in every way that there
-- is: kelp job.lua FOLDER. What comes of it is searched by search.lua; the log is at its highest level.
-- The secrets are in the environment: CANARY_1 … CANARY_5, in the files of CANARY_FOLDER, and in what
-- the simulator holds.
local kelp = require "kelp"
local raw = require "kelp.raw"
local json, cjson = kelp.json, require "cjson"
local folder = arg[1]

-- Taken before kelp.secret takes them away: a script may have a value in clear.
local clear, opaque = {}, {}
for i = 1, 5 do
  clear[i] = os.getenv("CANARY_" .. i)
  opaque[i] = kelp.secret("CANARY_" .. i)
end
do -- only its provider will call this one a secret
  local file <close> = assert(io.open(os.getenv "CANARY_FOLDER" .. "/sixth"))
  clear[6] = file:read "a"
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  assert(os.execute("chmod 600 '" .. path .. "'"))
  return path
end

-- Where the secrets of these come from is outside of what is searched.
local from_env = opaque[1]
local from_file = kelp.secret { file = write(os.getenv "CANARY_FOLDER" .. "/secret", clear[2] .. "\n") }
local from_command = kelp.secret { command = "set -x; cat " .. os.getenv "CANARY_FOLDER" .. "/third" }

local confluent = kelp.confluent { environment = "env-sim", cluster = "lkc-sim" }
local bearer = kelp.confluent { environment = "env-sim", cluster = "lkc-sim", token = opaque[5] }
local upstash = kelp.upstash { cluster = os.getenv "UPSTASH_KAFKA_CLUSTER_ID" }

local DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

local function base64(text, marks)
  local digits, out = DIGITS .. marks, {}
  for at = 1, #text, 3 do
    local a, b, c = text:byte(at, at + 2)
    local n = a << 16 | (b or 0) << 8 | (c or 0)
    for shift = 18, 0, -6 do out[#out + 1] = digits:sub((n >> shift & 63) + 1, (n >> shift & 63) + 1) end
  end
  return table.concat(out)
end

-- Shows a value in every way; what tells them apart is the control.
local function show(value)
  print("control-print", value)
  io.write("control-write ", tostring(value), "\n")
  io.stderr:write("control-stderr ", tostring(value), "\n")
  print("control-show", kelp.show.value(value))
  print("control-show", kelp.show.value { value, a = { b = value } })
  for _, codec in ipairs { json, cjson } do
    local ok, text = pcall(codec.encode, { [tostring(value)] = value, list = { value } })
    print("control-json", ok, text)
    ok, text = pcall(function() return codec.encode { nested = codec.encode { value = value } } end)
    print("control-json", ok, text)
  end
  print("control-error", pcall(error, value))
  raw.log("trace", "control-log " .. tostring(value))
  raw.log("error", "control-log " .. tostring(value))
  if type(value) ~= "string" then return end
  print("control-q", ("%q"):format(value))
  print("control-hex", (value:gsub(".", function(c) return ("%02x"):format(c:byte()) end)))
  print("control-url", (value:gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end)))
  print("control-HEX", (value:gsub(".", function(c) return ("%02X"):format(c:byte()) end)))
  print("control-form", (value:gsub("[^%w]", function(c)
    return c == " " and "+" or ("%%%02x"):format(c:byte())
  end)))
  print("control-number", (value:gsub(".", function(c) return ("\\u%04x"):format(c:byte()) end)))
  for before = 0, 2 do
    local text = ("user:"):sub(1, before) .. value .. "!"
    print("control-base64", base64(text, "+/"), base64(text, "-_"))
    print("control-base64", json.encode(base64(text, "+/")), cjson.encode(base64(text, "+/")))
  end
  for at = 1, #value do
    io.write(value:sub(1, at))
    io.write(value:sub(at + 1), "\n")
    io.stderr:write("x", value:sub(1, at))
    io.stderr:write(value:sub(at + 1), "\n")
  end
  for c in value:gmatch "." do io.write(c) end
  print()
  print(kelp.show.table({ { error = "it was " .. value .. " that was wrong" } }, { "error" },
    { width = 20 }))
  raw.progress("control-progress " .. value)
end

for _, secret in ipairs { from_env, from_file, from_command } do show(secret) end
for i = 1, 5 do show(clear[i]) end

-- ---- the verbs ----

local function sink(secret)
  return { ["connector.class"] = "S3_SINK", topics = "control-topic", ["input.data.format"] = "JSON",
           ["output.data.format"] = "JSON", ["kafka.auth.mode"] = "KAFKA_API_KEY",
           ["kafka.api.key"] = "NOTAREALKEY00001", ["kafka.api.secret"] = secret,
           ["aws.access.key.id"] = "NOTAREALKEY00002", ["aws.secret.access.key"] = secret,
           ["s3.bucket.name"] = "bucket", ["time.interval"] = "HOURLY", ["tasks.max"] = 1,
           ["flush.size"] = 1000 }
end

local function try(label, fn, ...)
  local ok, value = pcall(fn, ...)
  print("control-verb", label, ok)
  show(value)
  if type(value) == "table" then
    for key, field in pairs(value) do print(key, field) end
    if value.config then
      for _, field in pairs(value.config) do show(field) end
    end
  end
  return ok and value
end

for i, secret in ipairs { from_env, from_file, from_command, clear[4] } do
  try("create", confluent.create, confluent, "canary-" .. i, sink(secret))
end
for _, target in ipairs { confluent, bearer, upstash } do
  for _, connector in ipairs(try("list", target.list, target) or {}) do
    try("get", target.get, target, connector.name)
    try("update", target.update, target, connector, { ["database.password"] = from_file,
      ["connection.uri"] = "mongodb://app:" .. clear[6] .. "@db.example/shop",
      ["my.note"] = "made with " .. clear[1] })
    try("wrong", target.update, target, connector, { ["database.password"] = { from_file } })
    try("restart", target.restart, target, connector)
  end
  try("refused", target.get, target, "no-such-" .. clear[4])
  try("refused", target.get, target, ("x"):rep(76) .. clear[4] .. "\0")
end
try("no key", kelp.upstash, { cluster = "c", email = "a:" .. clear[4], api_key = from_env })
try("no address", kelp.upstash, { cluster = "c", base_url = "https://u:" .. clear[6] .. "@h/" })

local report = kelp.each(confluent:list(), function(c)
  c:update { ["flush.size"] = 4242, ["kafka.api.secret"] = from_env, ["aws.secret.access.key"] = from_file }
  if c.name:find "2" then error("control-bulk " .. clear[2]) end
  if c.name:find "3" then error { message = clear[3] } end
end, { concurrency = 4 })
print("control-report", report)
show(report.errors)

-- ---- another server: nothing is sent to where a provider sends us on ----

local away = kelp.confluent { environment = "e", cluster = "c", base_url = os.getenv "CANARY_REDIRECTS",
                              token = from_env, attempts = 1 }
try("redirect", away.list, away)
try("redirect", away.create, away, "canary", sink(from_file))

-- ---- the process, as others see it ----

local pid = io.open "/proc/self/stat":read "n"
for _, name in ipairs { "cmdline", "environ" } do
  local file = assert(io.open("/proc/self/" .. name, "rb"))
  write(folder .. "/proc-" .. name, file:read "a")
  os.execute(("cat /proc/%d/%s >'%s/proc-other-%s' 2>&1"):format(pid, name, folder, name))
end
os.execute(("env >'%s/child-env'; ls -l /proc/self/fd >'%s/child-fd'"):format(folder, folder))

if arg[2] == "abort" then
  io.stdout:flush()
  os.execute("kill -ABRT " .. pid)
end
error("control-end " .. clear[1] .. clear[5])
