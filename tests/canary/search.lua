-- Searches a folder of artefacts for secrets: kelp search.lua FOLDER SPEC.
-- SPEC is JSON: { secrets = [TEXT…], controls = [{ token, path (a Lua pattern), least }…] }. A secret
-- counts as found when eight characters in a row of it, in whatever way encoded, or of its Base64 are
-- in a file; a control is what must be found, at least so often, or the search has proven nothing.
-- This file knows nothing of the redactor that it judges.
local kelp = require "kelp"

local WINDOW = 8

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function files_below(folder)
  local pipe = assert(io.popen("find " .. quote(folder) .. " -type f", "r"))
  local paths = {}
  for path in pipe:lines() do paths[#paths + 1] = path end
  assert(pipe:close(), "find failed")
  table.sort(paths)
  return paths
end

-- ---- encodings ----

local function base64(text, digits)
  local out = {}
  for at = 1, #text, 3 do
    local a, b, c = text:byte(at, at + 2)
    local n = a << 16 | (b or 0) << 8 | (c or 0)
    for shift = 18, 0, -6 do
      local digit = n >> shift & 63
      out[#out + 1] = digits:sub(digit + 1, digit + 1)
    end
  end
  return table.concat(out)
end

local LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

-- Only the characters that the text alone decides, wherever it stands.
local function aligned(text, skew, marks)
  local first = (skew * 8 + 5) // 6
  local last = (skew + #text) * 8 // 6
  return base64(("\0"):rep(skew) .. text, LETTERS .. marks):sub(first + 1, last)
end

local function each_byte(text, format)
  return (text:gsub(".", function(c) return format:format(c:byte()) end))
end

local function percent(text, keep, format, space)
  return (text:gsub("[^" .. keep .. "]", function(c)
    return c == " " and space or format:format(c:byte())
  end))
end

local SHORT = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r" }

local function escaped(text, more)
  return (text:gsub("[%c\"\\/]", function(c)
    if c == "/" then return more and "\\/" or c end
    return SHORT[c] or ("\\u%04x"):format(c:byte())
  end))
end

-- Ways to write a text, character by character.
local WRITINGS = {
  ["as it is"] = function(text) return text end,
  ["hexadecimal"] = function(text) return each_byte(text, "%02x") end,
  ["HEXADECIMAL"] = function(text) return each_byte(text, "%02X") end,
  ["percent"] = function(text) return percent(text, "%w%-._~", "%%%02X", "%20") end,
  ["percent, small"] = function(text) return percent(text, "%w%-._~", "%%%02x", "%20") end,
  ["percent, all others"] = function(text) return percent(text, "%w", "%%%02X", "%20") end,
  ["form"] = function(text) return percent(text, "%w%-._~", "%%%02X", "+") end,
  ["all percent"] = function(text) return each_byte(text, "%%%02X") end,
  ["JSON"] = function(text) return escaped(text, false) end,
  ["JSON with \\/"] = function(text) return escaped(text, true) end,
  ["JSON by number"] = function(text) return each_byte(text, "\\u%04x") end,
  ["JSON in JSON"] = function(text) return escaped(escaped(text, false), false) end,
  ["%q"] = function(text) return ("%q"):format(text):sub(2, -2) end,
  ["\\xNN"] = function(text) return each_byte(text, "\\x%02x") end,
  ["backwards"] = function(text) return text:reverse() end,
}

-- What to search for: calls found(text, name of the writing).
local function each_piece(secret, found)
  for at = 1, #secret - WINDOW + 1 do
    for name, write in pairs(WRITINGS) do found(write(secret:sub(at, at + WINDOW - 1)), name) end
  end
  for skew = 0, 2 do
    for _, marks in ipairs { "+/", "-_" } do
      local form = aligned(secret, skew, marks)
      for at = 1, #form - WINDOW + 1 do
        local piece = form:sub(at, at + WINDOW - 1)
        found(piece, "Base64")
        found(escaped(piece, true), "Base64 in JSON")
        found(percent(piece, "%w", "%%%02X", "%20"), "Base64, percent")
      end
    end
  end
end

-- ---- the search ----

-- The first characters of each piece -> the pieces that start so.
local function pieces_of(secrets)
  local pieces = {}
  for number, secret in ipairs(secrets) do
    assert(#secret >= WINDOW, "a secret is shorter than what is searched for")
    each_piece(secret, function(text, writing)
      local start = text:sub(1, WINDOW)
      pieces[start] = pieces[start] or {}
      table.insert(pieces[start], { text = text, number = number, writing = writing })
    end)
  end
  return pieces
end

local MOST_SHOWN = 5

local function search(path, text, pieces, hits)
  local shown = 0
  for at = 1, #text - WINDOW + 1 do
    for _, piece in ipairs(pieces[text:sub(at, at + WINDOW - 1)] or {}) do
      if text:sub(at, at + #piece.text - 1) == piece.text then
        hits[piece.number] = (hits[piece.number] or 0) + 1
        shown = shown + 1
        if shown > MOST_SHOWN then break end
        print(("%s: byte %d: secret %d, %s: …%s…"):format(path, at, piece.number, piece.writing,
          text:sub(math.max(1, at - 60), at + 60):gsub("%c", " ")))
      end
    end
  end
end

local function count(text, token)
  local n, at = 0, 1
  while true do
    local start, stop = text:find(token, at, true)
    if not start then return n end
    n, at = n + 1, stop + 1
  end
end

local folder, spec = arg[1], kelp.json.decode(read(arg[2]))
local pieces, hits, found = pieces_of(spec.secrets), {}, {}
local paths, bytes = files_below(folder), 0
for _, path in ipairs(paths) do
  local text, name = read(path), path:sub(#folder + 2)
  bytes = bytes + #text
  search(name, text, pieces, hits)
  search(name .. " (its name)", path, pieces, hits)
  for i, control in ipairs(spec.controls) do
    if name:find(control.path) then found[i] = (found[i] or 0) + count(text, control.token) end
  end
end

local passed, failed = 0, 0
local function result(ok, format, ...)
  if ok then
    passed = passed + 1
  else
    failed = failed + 1
    print("FAILED: " .. format:format(...))
  end
end
for number in ipairs(spec.secrets) do
  result(not hits[number], "secret %d was found %d times", number, hits[number] or 0)
end
for i, control in ipairs(spec.controls) do
  result((found[i] or 0) >= control.least, "%s was found %d times in %s, %d are expected",
    control.token, found[i] or 0, control.path, control.least)
end
print(("%d files, %d bytes, %d secrets"):format(#paths, bytes, #spec.secrets))
print(("canary: %d passed, %d failed"):format(passed, failed))
return failed == 0 and 0 or 1
