-- values: the codec by itself: what it must not take, what must come back byte for byte. Prints how
-- many there were, and what was wrong with any.
local kelp = require "kelp"
local show = require "show"

local json = kelp.json
local wrong, count = {}, 0

local same = {
  "[]", "{}", "null", "[[]]", "[{}]", '{"a":[]}', '{"a":{}}', '{"a":null}', "[null]", "[[],{}]",
  "9007199254740993", "-9223372036854775808", "9223372036854775807", "[1712907333000000]",
  '{"lsn":24458896,"ts_usec":1712907333000000}', "0", "-1", "0.1", '"a\\u0000b"',
}
for _, text in ipairs(same) do
  count = count + 1
  local ok, back = pcall(function() return json.encode(json.decode(text)) end)
  if not ok or back ~= text then
    wrong[#wrong + 1] = ("%s came back as %s"):format(text, tostring(back))
  end
end

local refused = {
  "NaN", "[NaN]", "Infinity", "-Infinity", "nan", "inf", "0x10", "01", "-01", "1.", ".5", "+1",
  "1e",
  "// a\n1", "/* a */ 1", "\xef\xbb\xbf1", "[1,]", "{\"a\":1,}", "{'a':1}", "{a:1}", "\"a\nb\"",
  "\"\\ud800\"", "\"\\udc00\\ud800\"", "\"\xff\"", "\"\\x41\"", "1 2", "", "[", "\"", "1e999",
  "9223372036854775808", "123456789012345678901234567890", "tru", "[1 2]", "\0",
  ("["):rep(100000) .. ("]"):rep(100000), ("["):rep(100000), ('{"a":'):rep(100000),
}
for _, text in ipairs(refused) do
  count = count + 1
  local ok, value = pcall(json.decode, text)
  if ok then wrong[#wrong + 1] = ("%s was taken as %s"):format(text:sub(1, 40), tostring(value)) end
end

local deep = {}
for _ = 1, 100000 do deep = { deep } end
local loop = {}
loop[1] = loop
for what, value in pairs { deep = deep, loop = loop, huge = math.huge, nan = 0 / 0, f = print } do
  count = count + 1
  local ok = pcall(json.encode, value)
  if ok then wrong[#wrong + 1] = what .. " was written" end
end
show.results({}, { wrong = wrong, count = count })
