-- once: values that a run chooses once and keeps when it is resumed: an id, a time, the batch
-- that was picked.

local raw = require "kelp.raw"
local settings = require "kelp.settings"

local values = {} -- label -> { value } or { waiting = { task … } }

local function check(label, fn)
  if type(label) ~= "string" or label == "" then
    raw.misuse("once: a label expected, got " .. type(label))
  end
  raw.refuse_secret("the label of once", label)
  if type(fn) ~= "function" then raw.misuse("once: a function expected, got " .. type(fn)) end
end

-- What a provider would show in place of it. A resumed run gets no more, and so the first does not
-- either: what works now works then.
local MASK <const> = ("*"):rep(16)

local function refuse(label, path, what)
  error(raw.error("invalid", ("once: %s at %s is a secret, or holds one, and cannot be recorded; "
    .. "return what tells where it comes from, and ask kelp.secret for it outside of once")
    :format(what, label .. path), { sent = "no" }), 0)
end

local function step_of(key)
  return type(key) == "string" and ("[%q]"):format(key) or ("[%s]"):format(tostring(key))
end

local copy_of

-- A table as it is recorded: the values of sensitive config keys are masks. `copies`: those that are
-- made, by table, so that a table within itself does not go on for ever (JSON refuses it).
local function table_of(label, path, value, copies)
  if copies[value] then return copies[value] end
  local copy = setmetatable({}, getmetatable(value))
  copies[value] = copy
  for key, field in next, value do
    if type(key) == "string" and raw.redact(key) ~= key then refuse(label, path, "a key of the table") end
    local is_text = type(field) == "string" or math.type(field)
    if type(key) == "string" and is_text and raw.journal_hides(key, tostring(field)) then
      rawset(copy, key, MASK)
    else
      rawset(copy, key, copy_of(label, path .. step_of(key), field, copies))
    end
  end
  return copy
end

function copy_of(label, path, value, copies)
  if type(value) == "table" then return table_of(label, path, value, copies) end
  if type(value) == "string" and raw.redact(value) ~= value then refuse(label, path, "the value") end
  return value
end

local function encoded(label, value)
  value = copy_of(label, "", value, {})
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

--- Calls fn() and returns its result (a string, number, boolean, nil or a table of those; the
--- values of sensitive config keys as masks, any other secret is an error that says where). In a
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
