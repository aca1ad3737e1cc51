-- once: values that a run chooses once and keeps when it is resumed: an id, a time, the batch
-- that was picked.

local raw = require "kelp.raw"
local settings = require "kelp.settings"

local values = {} -- label -> { value } or { waiting = { task … } }

local function check(label, fn)
  if type(label) ~= "string" or label == "" then
    raw.misuse("once: a label expected, got " .. type(label))
  end
  if type(fn) ~= "function" then raw.misuse("once: a function expected, got " .. type(fn)) end
end

local function encoded(label, value)
  if value == nil then value = raw.json.null end
  local ok, text = pcall(raw.json.encode, { value })
  if ok then return text end
  raw.misuse(("once: the value of '%s' cannot be recorded: %s"):format(label, tostring(text)))
end

local function decoded(text)
  local value = raw.json.decode(text)[1]
  if value == raw.json.null then return nil end
  return value
end

--- Calls fn() and returns its result (a string, number, boolean, nil or a table of those). In a
--- resumed run, the result of the first time is returned, and fn is not called; so it
--- is when the label is used again.
local function once(label, fn)
  check(label, fn)
  local entry = values[label]
  while entry and entry.waiting do
    table.insert(entry.waiting, raw.current())
    raw.park()
    entry = values[label]
  end
  if entry then return decoded(entry.text) end
  local text = raw.journal_value(label)
  if not text then
    local mine = { waiting = {} }
    values[label] = mine
    local ok, result = pcall(fn)
    if ok then ok, result = pcall(encoded, label, result) end
    if ok and not settings.plan then
      text = result
      ok, result = pcall(raw.journal_set_value, label, text)
    end
    values[label] = nil
    for _, task in ipairs(mine.waiting) do raw.wake(task) end
    if not ok then error(result, 0) end
    text = text or result
  end
  values[label] = { text = text }
  return decoded(text)
end

return once
