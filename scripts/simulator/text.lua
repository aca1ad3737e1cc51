-- text: JSON, percent-encoding, Base64 and dates as the provider models write and read them.
-- Objects are written with sorted keys, so that equal worlds give equal bytes.

local byte, char, find, format, gsub = string.byte, string.char, string.find, string.format,
  string.gsub
local concat, sort = table.concat, table.sort

local text = {}

-- Values under such keys are secrets: masked where a provider does so, and in the effect log.
local secret_words = {
  "passw", "passphrase", "secret", "credential", "token", "api%.key", "apikey", "access%.key",
  "account%.key", "private%.key", "keyfile", "sslkey", "user%.info", "keystorefile", "%.sas%f[^%w]",
}

local not_secret = { ["valid.kafka.api.key"] = true }

function text.sorted_keys(map)
  local keys, n = {}, 0
  for key in pairs(map) do
    n = n + 1
    keys[n] = key
  end
  sort(keys)
  return keys
end

-- A function that remembers what `f` made of the last several thousand strings: configs repeat the
-- same few hundred keys.
function text.remember(f)
  local memory, count = {}, 0
  return function(s)
    local known = memory[s]
    if known ~= nil then return known end
    known = f(s)
    if count >= 10000 then memory, count = {}, 0 end
    memory[s], count = known, count + 1
    return known
  end
end

-- What stands for a secret, as JSON.
text.mask = '"****************"'

-- Whether a value is an address with a password in it; rather once too often.
function text.has_password(s)
  return find(s, "@", 1, true) and find(s, "://.*:.*@") ~= nil
end

-- A writer over the host's codec: { quote, value, object, redacted, secret }.
function text.writer(json)
  local encode = json.encode
  local writer = {}

  local function quote(s)
    if find(s, '[%c"\\\127-\255]') then return encode(s) end
    return '"' .. s .. '"'
  end

  -- Whether an empty table is a list or an object only the codec knows.
  local value
  function value(v)
    if type(v) == "string" then return quote(v) end
    if math.type(v) == "integer" then return format("%d", v) end
    if type(v) ~= "table" or next(v) == nil then return encode(v) end
    local parts = {}
    if v[1] ~= nil then
      for i = 1, #v do parts[i] = value(v[i]) end
      return "[" .. concat(parts, ",") .. "]"
    end
    for i, key in ipairs(text.sorted_keys(v)) do parts[i] = quote(key) .. ":" .. value(v[key]) end
    return "{" .. concat(parts, ",") .. "}"
  end

  -- How a key is written, and whether it is a secret's.
  local about = text.remember(function(key)
    local lower, secret = key:lower(), false
    for _, word in ipairs(secret_words) do
      if find(lower, word) then
        secret = not not_secret[key]
        break
      end
    end
    return { quote(key) .. ":", secret }
  end)

  function writer.secret(key) return about(key)[2] end

  local function object(map)
    local keys = text.sorted_keys(map)
    for i = 1, #keys do keys[i] = about(keys[i])[1] .. value(map[keys[i]]) end
    return "{" .. concat(keys, ",") .. "}"
  end

  -- An object whose secrets are masked, be they secret by their key or as user:password@ in an
  -- address.
  function writer.redacted(map)
    local keys = text.sorted_keys(map)
    for i = 1, #keys do
      local entry, v = about(keys[i]), map[keys[i]]
      local masked = entry[2] or (type(v) == "string" and text.has_password(v))
      keys[i] = entry[1] .. (masked and text.mask or value(v))
    end
    return "{" .. concat(keys, ",") .. "}"
  end

  writer.quote, writer.value, writer.object = quote, value, object
  return writer
end

-- nil when a % is not followed by two hexadecimal digits or the bytes are not UTF-8.
function text.percent_decode(s)
  if not find(s, "[%%\128-\255]") then return s end
  if find(gsub(s, "%%%x%x", ""), "%%") then return nil end
  s = gsub(s, "%%(%x%x)", function(digits) return char(tonumber(digits, 16)) end)
  return utf8.len(s) and s or nil
end

-- All values of one query parameter, decoded, in order.
function text.query_values(query, name)
  local values = {}
  for pair in (query or ""):gmatch("[^&]+") do
    local key, value = pair:match("^([^=]*)=?(.*)$")
    if text.percent_decode(key) == name then
      values[#values + 1] = text.percent_decode((gsub(value, "%+", " ")))
    end
  end
  return values
end

local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local digit_of = {}
for i = 1, 64 do digit_of[byte(alphabet, i)] = i - 1 end

function text.base64_encode(s)
  return (gsub(s, "..?.?", function(group)
    local a, b, c = byte(group, 1, 3)
    local n = a << 16 | (b or 0) << 8 | (c or 0)
    local out = {}
    for i = 1, 4 do
      local digit = n >> (24 - 6 * i) & 63
      out[i] = i <= #group + 1 and alphabet:sub(digit + 1, digit + 1) or "="
    end
    return concat(out)
  end))
end

-- nil when it is not Base64 with padding.
function text.base64_decode(s)
  local body, padding = s:match("^([%w+/]*)(=*)$")
  if not body or (#body + #padding) % 4 ~= 0 or #padding > 2 then return nil end
  return (gsub(body, "..?.?.?", function(group)
    local n = 0
    for i = 1, 4 do n = n << 6 | (digit_of[byte(group, i)] or 0) end
    return char(n >> 16, n >> 8 & 255, n & 255):sub(1, #group - 1)
  end))
end

-- Seconds since 1970 as "2026-01-01T00:00:00Z" (days to a date as in the Gregorian calendar).
function text.date(seconds)
  seconds = math.floor(seconds)
  local days, rest = seconds // 86400, seconds % 86400
  local z = days + 719468
  local era = z // 146097
  local day_of_era = z - era * 146097
  local year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524
    - day_of_era // 146096) // 365
  local day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
  local shifted = (5 * day_of_year + 2) // 153
  local day = day_of_year - (153 * shifted + 2) // 5 + 1
  local month = shifted < 10 and shifted + 3 or shifted - 9
  local year = year_of_era + era * 400 + (month <= 2 and 1 or 0)
  return format("%04d-%02d-%02dT%02d:%02d:%02dZ", year, month, day,
    rest // 3600, rest % 3600 // 60, rest % 60)
end

return text
