-- world: everything that the simulated providers know, and nothing about how they speak.
-- Pure: time is world.now, set by the caller before each request; ids come from a seed.
--
-- The form of a state, as --state FILE, GET and PUT /_simulator/state have it (secrets in clear):
--
--   { "seed": "0123456789abcdef",                  -- optional: where the id generator stands
--     "PROVIDER": { "PLACE": CONNECTORS, … }, …     -- for each provider that is simulated
--     "effects":   [ … ] }                          -- optional: as GET /_simulator/effects
--
-- A PLACE is the values of the provider's place options, joined by "/". CONNECTORS is an object by
-- name or a list, and a CONNECTOR what the provider's model takes it to be: see there. Each may have
-- a "transition".
-- "transition" is what is under way: {"due_in": seconds, "pending": "start" | "pause" | "stop",
-- "goal": "running" | "paused" | "stopped", "restarting": bool, "rejected": bool, "by_start": bool,
-- "user_error": bool, "flaky": [hosts that have failed once]}.

local text = require "simulator.text"

local format, floor, ceil = string.format, math.floor, math.ceil

local world = {}
local methods = {}
world.methods = methods
local metatable = { __index = methods }

-- options: json (the codec: encode, decode, null), providers (name -> model; see router), and
-- optionally now, seed (integer), provisioning (seconds), rate (requests a second, 0: unlimited)
-- and epoch (Unix time at now == 0).
function world.new(options)
  local w = setmetatable({
    json = options.json,
    write = text.writer(options.json),
    providers = options.providers,
    now = options.now or 0,
    epoch = options.epoch or 1767225600,
    provisioning = options.provisioning or 0,
    rate = options.rate or 0,
    generator = options.seed or 1,
    request_count = 0,
    places = {},
    effects = {},
    first_effect = 1,
    last_effect = 0,
    requests = {},
    buckets = {},
    bucket_count = 0,
    credentials = {},
    credential_count = 0,
  }, metatable)
  for name in pairs(options.providers) do w.places[name] = {} end
  return w
end

-- 64 evenly distributed bits (splitmix64).
function methods:random()
  local z = self.generator + 0x9e3779b97f4a7c15
  self.generator = z
  z = (z ~ (z >> 30)) * 0xbf58476d1ce4e5b9
  z = (z ~ (z >> 27)) * 0x94d049bb133111eb
  return z ~ (z >> 31)
end

function methods:uuid()
  local a, b = self:random(), self:random()
  return format("%08x-%04x-4%03x-%04x-%012x", a >> 32, a >> 16 & 0xffff, a & 0xfff,
    0x8000 | b >> 48 & 0x3fff, b & 0xffffffffffff)
end

-- The prefix and six letters or digits.
function methods:short_id(prefix)
  local digits, n, out = "0123456789abcdefghijklmnopqrstuvwxyz", self:random() >> 1, {}
  for i = 1, 6 do
    local digit = n % 36
    out[i], n = digits:sub(digit + 1, digit + 1), n // 36
  end
  return prefix .. table.concat(out)
end

function methods:request_id()
  self.request_count = self.request_count + 1
  return format("%032x", self.request_count)
end

function methods:wall()
  return floor(self.epoch + self.now)
end

-- The decoded body when it is a JSON object, else nil.
function methods:decode_object(body)
  local ok, value = pcall(self.json.decode, body)
  if not ok or type(value) ~= "table" then return nil end
  for key in pairs(value) do
    if type(key) ~= "string" then return nil end
  end
  return value
end

-- Writes down an effect that was applied; before and after are configs without secrets, as JSON
-- text, or nil.
function methods:effect(provider, place, verb, c, before, after)
  local seq = self.last_effect + 1
  self.last_effect = seq
  self.effects[seq] = {
    seq = seq, time = self.now, provider = provider, cluster = place.key, verb = verb,
    name = c.name, id = c.id, before = before, after = after,
  }
end

local function effect_text(w, e)
  local write = w.write
  return format('{"seq":%d,"time":%s,"provider":%s,"cluster":%s,"verb":%s,"name":%s,"id":%s,'
    .. '"before":%s,"after":%s}', e.seq, write.value(e.time), write.quote(e.provider),
    write.quote(e.cluster), write.quote(e.verb), write.quote(e.name),
    e.id and write.quote(e.id) or "null", e.before or "null", e.after or "null")
end

function methods:effects_text(after)
  local out = {}
  for seq = math.max(self.first_effect, after + 1), self.last_effect do
    out[#out + 1] = effect_text(self, self.effects[seq])
  end
  return "[" .. table.concat(out, ",\n") .. "]"
end

-- Forgets the effects so far; the sequence goes on.
function methods:forget_effects()
  self.effects, self.first_effect = {}, self.last_effect + 1
end

function methods:count_request(method, pattern)
  local counts = self.requests[pattern]
  if not counts then
    counts = {}
    self.requests[pattern] = counts
  end
  counts[method] = (counts[method] or 0) + 1
end

-- {"METHOD PATTERN": count, …}
function methods:requests_text()
  local flat = {}
  for pattern, counts in pairs(self.requests) do
    for method, count in pairs(counts) do flat[method .. " " .. pattern] = count end
  end
  return self.write.object(flat)
end

-- Takes a token from the bucket of that credential, which holds one second's worth. Returns nil
-- when there is no limit, else { limited, limit, remaining, reset, retry_after }.
function methods:take_token(credential)
  local rate = self.rate
  if rate <= 0 then return nil end
  local capacity = math.max(1, rate)
  local bucket = self.buckets[credential]
  if not bucket then
    if self.bucket_count >= 10000 then self.buckets, self.bucket_count = {}, 0 end
    bucket = { tokens = capacity, at = self.now }
    self.buckets[credential], self.bucket_count = bucket, self.bucket_count + 1
  end
  local tokens = math.min(capacity, bucket.tokens + (self.now - bucket.at) * rate)
  bucket.at = self.now
  local limited = tokens < 1
  if not limited then tokens = tokens - 1 end
  bucket.tokens = tokens
  return {
    limited = limited,
    limit = floor(capacity),
    remaining = floor(tokens),
    reset = ceil((capacity - tokens) / rate),
    retry_after = limited and math.max(1, ceil((1 - tokens) / rate)) or nil,
  }
end

-- Who an Authorization header stands for: { kind = "basic", user } or { kind = "bearer", user },
-- false when it is not one of these.
function methods:credential(authorization)
  if not authorization then return false end
  local known = self.credentials[authorization]
  if known ~= nil then return known end
  known = false
  local scheme, rest = authorization:match("^(%a+) +(%S+)$")
  scheme = scheme and scheme:lower()
  if scheme == "basic" then
    local user, password = (text.base64_decode(rest) or ""):match("^([^:]+):(.+)$")
    if user and password then known = { kind = "basic", user = user } end
  elseif scheme == "bearer" then
    known = { kind = "bearer", user = rest }
  end
  if self.credential_count >= 1000 then self.credentials, self.credential_count = {}, 0 end
  self.credentials[authorization], self.credential_count = known, self.credential_count + 1
  return known
end

-- The whole world in the form above, one connector a line.
function methods:save()
  local write, out = self.write, {}
  out[1] = format('{"seed":"%016x"', self.generator)
  for _, name in ipairs(text.sorted_keys(self.providers)) do
    local provider, clusters = self.providers[name], {}
    for _, key in ipairs(text.sorted_keys(self.places[name])) do
      clusters[#clusters + 1] = write.quote(key) .. ":"
        .. provider.save_place(self, self.places[name][key])
    end
    out[#out + 1] = write.quote(name) .. ":{" .. table.concat(clusters, ",\n") .. "}"
  end
  out[#out + 1] = '"effects":' .. self:effects_text(0) .. "}\n"
  return table.concat(out, ",\n")
end

local function load_effects(list, null, write)
  local effects, first, last = {}, 1, 0
  for i, e in ipairs(list or {}) do
    local seq = type(e) == "table" and math.tointeger(e.seq)
    if not seq or (i > 1 and seq ~= last + 1) then error("effects: not numbered in order", 0) end
    if i == 1 then first = seq end
    local function given(value) if value ~= null then return value end end
    local function config(value)
      value = given(value)
      return value and write.value(value)
    end
    effects[seq] = {
      seq = seq, time = e.time, provider = e.provider, cluster = e.cluster, verb = e.verb,
      name = e.name, id = given(e.id), before = config(e.before), after = config(e.after),
    }
    last = seq
  end
  return effects, first, math.max(last, first - 1)
end

-- Replaces the world by the one in that form. Raises a string, and changes nothing, when the form
-- is wrong.
function methods:load(form)
  if type(form) ~= "table" then error("a state must be an object", 0) end
  local generator = self.generator
  if form.seed ~= nil then
    generator = type(form.seed) == "string" and #form.seed <= 16 and tonumber(form.seed, 16)
    if not generator then error("seed: not 16 hexadecimal digits", 0) end
  end
  local previous = self.generator
  self.generator = generator
  local places = {}
  local ok, message = pcall(function()
    for name in pairs(self.providers) do places[name] = {} end
    for _, name in ipairs(text.sorted_keys(form)) do
      local provider = self.providers[name]
      if provider then
        if type(form[name]) ~= "table" then error(name .. ": not an object", 0) end
        for _, key in ipairs(text.sorted_keys(form[name])) do
          if type(form[name][key]) ~= "table" then
            error(format("%s: %s: not a list of connectors", name, key), 0)
          end
          places[name][key] = provider.load_place(self, key, form[name][key])
        end
      elseif name ~= "seed" and name ~= "effects" then
        error(format("unknown member %q", name), 0)
      end
    end
    local effects, first, last = load_effects(form.effects, self.json.null, self.write)
    self.effects, self.first_effect, self.last_effect = effects, first, last
  end)
  if not ok then
    self.generator = previous
    error(message, 0)
  end
  self.places = places
end

return world
