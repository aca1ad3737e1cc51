-- Translates the config of an Upstash connector into that of a managed one on Confluent Cloud, by
-- the tables of scripts/translate. Nothing that no table knows goes over, and no value gets into
-- a note or a reason: it may be a secret.
--
-- A table says `from` (the old class), `to` (the new one; nil with `why` when there is none),
-- optionally `when`, `kind` ("source" or "sink"), `formats` (the format keywords that the new one
-- takes), `required` (keys without which it cannot be created), `remarks`, and `rules`. A rule is
-- one of these, where KEYS is one or more keys between blanks:
--   { copy = KEYS, when = P, otherwise = REASON }        the same key, perhaps only when P holds
--   { rename = KEY, to = KEY }
--   { map = KEY, to = KEY, values = { [old] = new } }    new = false: nothing is written
--   { split = KEY, with = NAME }                         a function of translate/splitters.lua
--   { drop = KEYS, why = REASON }                        of no use there; without why, silently
--   { unsupported = KEYS, why = REASON }                 of use, but there is no such thing there
--   { matching = PATTERN, copy|unsupported|refuse = true, why = REASON, except =, expect = }
--   { const = KEY, value = TEXT }, { default = KEY, value = TEXT, when = P }
--   { user = KEY, instead = KEY, unless = P, why = REASON, choice = { KEY, VALUE, VALUE } }
-- `weak` on a rule lets another rule's value for the same key win; with `conflict` the user has to
-- decide. A predicate P is { key = KEY, is = TEXT } or { key = KEY, prefix = TEXT }.
local common = require "translate.common"
local splitters = require "translate.splitters"

local translate = {}

local fields = {
  copy = true, rename = true, to = true, map = true, values = true, split = true, with = true,
  drop = true, unsupported = true, refuse = true, matching = true, const = true, default = true,
  value = true, user = true, instead = true, unless = true, why = true, when = true,
  otherwise = true, weak = true, conflict = true, except = true, expect = true, choice = true,
}
local actions = {
  "copy", "rename", "map", "split", "drop", "unsupported", "refuse", "const", "default", "user",
}

local function action_of(rule)
  local found
  for _, action in ipairs(actions) do
    if rule[action] ~= nil then
      assert(not found, "a translation rule with two actions")
      found = action
    end
  end
  for field in pairs(rule) do
    assert(fields[field], "a translation rule with the unknown field " .. tostring(field))
  end
  return assert(found, "a translation rule without an action")
end

local function words(text)
  return text:gmatch("%S+")
end

local function set_of(text)
  local set = {}
  for word in words(text) do set[word] = true end
  return set
end

-- Rules for the two converters of a table, from its list of formats.
local function format_rules(entry)
  local side = entry.kind == "source" and "output." or "input."
  local made = {}
  for part, target in pairs { value = side .. "data.format", key = side .. "key.format" } do
    if entry.formats[part] then
      local values = {}
      for keyword in words(entry.formats[part]) do
        values[assert(common.converters[keyword], keyword)] = keyword
      end
      if part == "value" then
        for class, keyword in pairs(entry.formats.also or {}) do values[class] = keyword end
      end
      made[#made + 1] = { map = part .. ".converter", to = target, values = values,
                          allowed = entry.formats[part] }
    end
  end
  return made
end

-- The rules of a table and the common ones, sorted by how they are found.
local function compile(entry)
  local plan = { exact = {}, patterns = {}, const = {}, default = {}, user = {} }

  local function add(list, rule, action)
    if action == "user" or action == "default" or action == "const" then
      table.insert(plan[action], rule)
      if action ~= "const" then return end
    end
    if rule.matching then
      table.insert(plan.patterns, { pattern = rule.matching, action = action, rule = rule })
      return
    end
    for key in words(rule[action]) do
      local present = plan.exact[key]
      assert(not present or present.list ~= list, "two translation rules for " .. key)
      plan.exact[key] = present or { action = action, rule = rule, list = list }
    end
  end

  for _, rule in ipairs(format_rules(entry)) do add(entry.rules, rule, "map") end
  for _, list in ipairs { entry.rules, common[entry.kind], common.every } do
    for _, rule in ipairs(list) do
      local action = action_of(rule)
      assert(action ~= "split" or splitters[rule.with], "a split with an unknown function")
      add(list, rule, action)
    end
  end
  return plan
end

local tables

local function load_tables()
  if not tables then
    tables = {}
    for position, name in ipairs(require "translate.index") do
      local entry = require("translate." .. name)
      tables[position] = { entry = entry, plan = entry.to and compile(entry) }
    end
  end
  return tables
end

-- What a value is on Confluent's wire: a string, or an opaque secret as it is. nil for JSON null;
-- nil and a reason for what has no form there.
local function text_of(value)
  local kind = math.type(value) or type(value)
  if kind == "string" then return value end
  if kind == "boolean" or kind == "integer" then return tostring(value) end
  if kind == "float" then
    local whole = math.tointeger(value)
    if whole then return tostring(whole) end
    if value ~= value or value == math.huge or value == -math.huge then
      return nil, "is not a finite number"
    end
    local short = ("%.14g"):format(value)
    return tonumber(short) == value and short or ("%.17g"):format(value)
  end
  if kind == "userdata" then
    -- JSON null is a bare pointer; a secret is an object.
    if getmetatable(value) == nil then return nil end
    return value
  end
  if kind == "table" then
    local items = {}
    for position, item in ipairs(value) do
      if type(item) == "table" then return nil, "is a list of lists or objects" end
      local text, why = text_of(item)
      if type(text) ~= "string" then return nil, why or "is a list with a value of no use in it" end
      if text:find(",", 1, true) then return nil, "is a list with a comma in an element" end
      items[position] = text
    end
    local count = 0
    for _ in pairs(value) do count = count + 1 end
    if count ~= #items then return nil, "is an object" end
    return table.concat(items, ",")
  end
  return nil, "is a " .. kind
end

local function texts_of(config)
  local texts, empty = {}, {}
  for key, value in pairs(config) do
    if type(key) ~= "string" then return nil, "the config has a key that is not a string" end
    local text, why = text_of(value)
    if why then return nil, ("the value of %s %s"):format(key, why) end
    if text == nil then empty[#empty + 1] = key else texts[key] = text end
  end
  return texts, empty
end

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

local function holds(predicate, config)
  if predicate == nil then return true end
  local value = config[predicate.key]
  if type(value) ~= "string" then return false end
  if predicate.is then return value == predicate.is end
  return value:sub(1, #predicate.prefix) == predicate.prefix
end

local function find_table(class, config)
  local known = false
  for _, candidate in ipairs(load_tables()) do
    if candidate.entry.from == class then
      known = true
      if holds(candidate.entry.when, config) then return candidate end
    end
  end
  if known then return nil, "no managed connector fits this config of " .. class end
  return nil, "no translation for class " .. class
end

local function masked(value)
  return type(value) == "string" and value:find("^%*%*+$") ~= nil
end

local function matches_any(value, patterns)
  for _, pattern in ipairs(patterns) do
    if type(value) == "string" and value:find(pattern) then return true end
  end
  return false
end

local function rule_for(plan, key)
  local found = plan.exact[key]
  if found then return found.action, found.rule end
  for _, candidate in ipairs(plan.patterns) do
    if key:find(candidate.pattern) then return candidate.action, candidate.rule end
  end
  return nil
end

-- The result in the making: config, notes and needs, and what became of each new key.
local Draft = {}
Draft.__index = Draft

function Draft:note(key, what, why)
  self.notes[#self.notes + 1] = { key = key, what = what, why = why }
end

function Draft:need(key, why, extra)
  self.config[key] = nil
  if self.needed[key] then return end
  local item = { key = key, why = why, instead = extra and extra.instead,
                 choice = extra and extra.choice }
  self.needed[key] = item
  self.needs[#self.needs + 1] = item
end

function Draft:put(from, key, value, rule)
  if self.needed[key] then return end
  local present = self.config[key]
  if present == nil or present == value then
    self.config[key] = value
  elseif rule.conflict then
    self:need(key, rule.conflict)
  elseif rule.weak then
    self:note(from, "dropped", key .. " is given too")
  else
    self:need(key, "two old settings ask for different values")
  end
end

local apply = {}

function apply.copy(draft, key, value, rule)
  if rule.when and not holds(rule.when, draft.old) then
    return draft:note(key, "dropped", rule.otherwise)
  end
  if masked(value) then return draft:need(key, "the saved value is masked") end
  if rule.except and matches_any(value, rule.except) then return draft:need(key, rule.why) end
  if rule.expect and not matches_any(value, rule.expect) then
    draft:note(key, "check", "make sure that Confluent offers this class to managed connectors")
  end
  draft:put(key, key, value, rule)
end

function apply.rename(draft, key, value, rule)
  if masked(value) then return draft:need(rule.to, "the saved value is masked") end
  draft:note(key, "changed", "is called " .. rule.to .. " there")
  draft:put(key, rule.to, value, rule)
end

function apply.map(draft, key, value, rule)
  local new = rule.values[value]
  if new == nil then
    local allowed = rule.allowed and rule.allowed:gsub("%s+", ", ")
    return draft:need(rule.to, "the value of " .. key .. " has no counterpart"
      .. (allowed and "; choose one of " .. allowed or ""))
  end
  if not new then return end
  if key ~= rule.to or new ~= value then
    draft:note(key, "changed", key == rule.to and "another name for the same value"
      or "is called " .. rule.to .. " there")
  end
  draft:put(key, rule.to, new, rule)
end

function apply.split(draft, key, value, rule)
  if masked(value) then return draft:note(key, "dropped", "the saved value is masked") end
  if type(value) ~= "string" then
    return nil, key .. " is a sealed secret and cannot be taken apart"
  end
  local parts, why = splitters[rule.with](value, draft.old)
  if not parts then return nil, key .. " " .. why end
  for _, item in ipairs(parts.notes) do draft:note(key, item.what, item.why) end
  for _, item in ipairs(parts.needs) do draft:need(item.key, item.why) end
  for _, target in ipairs(sorted_keys(parts.values)) do
    draft:put(key, target, parts.values[target], rule)
  end
end

function apply.drop(draft, key, _, rule)
  if rule.why then draft:note(key, "dropped", rule.why) end
end

function apply.unsupported(draft, key, _, rule)
  draft:note(key, "unsupported", rule.why)
end

function apply.refuse(_, key, _, rule)
  return nil, key .. " has no counterpart: " .. rule.why
end

function apply.const(draft, key, value, rule)
  if value ~= rule.value then draft:note(key, "changed", rule.why) end
end

-- Runs the rules of every old key, first the strong ones. false and a reason when one refuses.
local function apply_all(draft, plan)
  local keys = sorted_keys(draft.old)
  for pass = 1, 2 do
    for _, key in ipairs(keys) do
      local action, rule = rule_for(plan, key)
      if not action then
        if pass == 1 then
          draft:note(key, "unknown", "no rule for this key; it is left out")
        end
      elseif (rule.weak == true) == (pass == 2) then
        local _, why = apply[action](draft, key, draft.old[key], rule)
        if why then return false, why end
      end
    end
  end
  return true
end

local function fill_in(draft, entry, plan)
  for _, rule in ipairs(plan.const) do draft.config[rule.const] = rule.value end
  for _, rule in ipairs(plan.default) do
    local key = rule.default
    if draft.config[key] == nil and not draft.needed[key] and holds(rule.when, draft.old) then
      draft.config[key] = rule.value
      draft:note(key, "defaulted", ("%s is written: %s"):format(rule.value, rule.why))
    end
  end
  local side = entry.kind == "source" and "output." or "input."
  if draft.config[side .. "data.format"] == nil then
    draft:need(side .. "data.format", "value.converter is not given; choose one of "
      .. entry.formats.value:gsub("%s+", ", "))
  end
  if entry.formats.key and draft.old["key.converter"] == nil then
    draft:note(side .. "key.format", "check",
      "key.converter is not given: Confluent's default holds")
  end
  if entry.kind == "sink" and draft.config["topics"] == nil
    and draft.config["topics.regex"] == nil then
    draft:need("topics", "a sink reads topics", { instead = "topics.regex" })
  end
  for _, key in ipairs(sorted_keys(set_of(entry.required or ""))) do
    if draft.config[key] == nil then draft:need(key, "required by Confluent") end
  end
  for _, rule in ipairs(plan.user) do
    if not (rule.unless and holds(rule.unless, draft.old)) and draft.config[rule.user] == nil then
      draft:need(rule.user, rule.why, rule)
    end
  end
  for _, remark in ipairs(entry.remarks or {}) do draft:note("", "check", remark) end
end

-- connector{ class =, name =, config = } returns
--   { name =, class =, kind =, config =, notes = {{ key =, what =, why = }, …},
--     needs = {{ key =, why =, instead = }, …} }
-- or nil and a reason when there is no translation. `config` holds strings (and secrets that were
-- secrets before) and no `name`; `needs` are the keys that only the user can give, by `supply`. A
-- note's `what` is changed, dropped, unsupported, unknown, defaulted or check.
function translate.connector(record)
  assert(type(record) == "table" and type(record.config) == "table",
    "translate.connector: a table with a config is expected")
  local old, empty = texts_of(record.config)
  if not old then return nil, empty end
  local class = record.class or old["connector.class"]
  if type(class) ~= "string" or class == "" then return nil, "no connector class is given" end
  local found, why = find_table(class, old)
  if not found then return nil, why end
  local entry = found.entry
  if not entry.to then return nil, entry.why end

  local draft = setmetatable(
    { old = old, config = { ["connector.class"] = entry.to }, notes = {}, needs = {}, needed = {} },
    Draft)
  table.sort(empty)
  for _, key in ipairs(empty) do draft:note(key, "dropped", "its value is null") end
  local done
  done, why = apply_all(draft, found.plan)
  if not done then return nil, why end
  fill_in(draft, entry, found.plan)
  return { name = record.name, class = entry.to, kind = entry.kind, config = draft.config,
           notes = draft.notes, needs = draft.needs }
end

-- supply(result, values): the config with the user's values over it, and the list of needs that
-- are still open.
function translate.supply(result, values)
  local config, open = {}, {}
  for key, value in pairs(result.config) do config[key] = value end
  for key, value in pairs(values) do config[key] = value end
  for _, item in ipairs(result.needs) do
    local given = config[item.key] ~= nil
    local other = item.instead ~= nil and config[item.instead] ~= nil
    if not given and not other then open[#open + 1] = item end
    local choice = item.choice
    if choice and config[choice[1]] == nil then
      if given and other then
        open[#open + 1] = { key = choice[1], why = ("say which of %s and %s is meant: %s or %s")
          :format(item.key, item.instead, choice[2], choice[3]) }
      elseif given or other then
        config[choice[1]] = given and choice[2] or choice[3]
      end
    end
  end
  return config, open
end

-- For a config that goes to a place of the same provider: keys that `is_injected` knows as the
-- provider's own are left out, and values that it masked are needs.
function translate.copy(record, is_injected)
  local result = { name = record.name, class = record.class, config = {}, notes = {}, needs = {} }
  for _, key in ipairs(sorted_keys(record.config)) do
    local value = record.config[key]
    if is_injected(key) then
      result.notes[#result.notes + 1] =
        { key = key, what = "dropped", why = "added by the provider itself" }
    elseif masked(value) then
      result.needs[#result.needs + 1] = { key = key, why = "the provider shows it only masked" }
    elseif key ~= "name" then
      result.config[key] = value
    end
  end
  return result
end

return translate
