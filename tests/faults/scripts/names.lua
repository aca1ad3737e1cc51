-- names: connector names that no request may be made of, and names that have to reach the server as
-- they are. Prints how many there were, and what was wrong with any.
local kelp = require "kelp"
local show = require "show"

local file = assert(io.open(arg[1], "rb"))
local spec = kelp.json.decode(file:read "a")
file:close()
local target = kelp[spec.provider](spec.target)

local bad = {
  crlf = { "a\r\nX-Injected: yes", "a\nb", "a\rb", "a HTTP/1.1\r\nHost: elsewhere\r\n\r\n" },
  dots = { ".", ".." },
  bytes = { "a\0b", "a\127b", "a\27[31mb", "\xff\xfe", "\xc0\xaf", "\xed\xa0\x80", "a\xe2\x82", "",
            ("x"):rep(5000) },
}

local good = {
  "a/b", "a%2Fb", "../../up", "a?b=c", "a#b", "a;b", "a b", "%", "%41", "a+b", "a&b", "...", "~",
  "é", "e\u{301}", "\u{202e}gnp", "a\u{200b}b", "🦑", "\u{c5}", "A\u{30a}", "'\"`$(id)", "a\\b",
}

local verbs = { "get", "find", "pause", "resume", "restart", "delete", "wait" }
local wrong, count = {}, 0

local function expect_refused(name, what, ...)
  count = count + 1
  local ok, failure = pcall(target[what], target, ...)
  if ok then
    wrong[#wrong + 1] = ("%s %q was done"):format(what, name)
  elseif not kelp.is_error(failure, "invalid") or failure.sent ~= "no" then
    wrong[#wrong + 1] = ("%s %q: %s"):format(what, name, tostring(failure))
  elseif tostring(failure):find "[\0-\9\11-\31\127]" then
    wrong[#wrong + 1] = ("%s %q: the message holds it as it is"):format(what, name)
  end
end

if spec.group ~= "exact" then
  for _, name in ipairs(bad[spec.group]) do
    for _, verb in ipairs(verbs) do expect_refused(name, verb, name) end
    expect_refused(name, "create", name, spec.config)
    expect_refused(name, "put", name, spec.config)
    expect_refused(name, "update", name, { topics = "x" })
  end
  show.results({}, { wrong = wrong, count = count })
  return
end

for _, name in ipairs(good) do
  count = count + 1
  local ok, failure = pcall(function()
    target:create(name, spec.config)
    local c = target:get(name)
    if c.name ~= name then wrong[#wrong + 1] = ("%q came back as %q"):format(name, c.name) end
    target:pause(name)
  end)
  if not ok then wrong[#wrong + 1] = ("%q: %s"):format(name, tostring(failure)) end
end
local listed = {}
for _, c in ipairs(target:list()) do listed[c.name] = (listed[c.name] or 0) + 1 end
for _, name in ipairs(good) do
  if listed[name] ~= 1 then
    wrong[#wrong + 1] = ("%q is listed %s times"):format(name, listed[name])
  end
  target:delete(name)
end
show.results({}, { wrong = wrong, count = count, left = #target:list() })
