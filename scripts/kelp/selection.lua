-- selection: by what connectors are chosen (globs, states, types, classes), and "did you mean" for
-- every name that is not known. The glob and the nearest word are C's (base/glob, base/nearest).

local raw = require "kelp.raw"

local selection = {}

--- "; did you mean 'running'?" for the one of the words that was probably meant, else "".
function selection.did_you_mean(word, words)
  local nearest = type(word) == "string" and raw.nearest(word, words)
  return nearest and ("; did you mean '%s'?"):format(nearest) or ""
end

--- The string keys of a table, sorted.
function selection.words_of(map)
  local words = {}
  for key in pairs(map) do
    if type(key) == "string" then words[#words + 1] = key end
  end
  table.sort(words)
  return words
end

--- What is wrong with a glob, as a sentence about it; nil when nothing is.
function selection.glob_fault(glob)
  local fault = raw.glob_fault(glob)
  return fault and ("'%s' %s (a glob such as orders-*, ? or [a-z] is expected)"):format(glob, fault)
end

--- Whether the connector's name matches; a plain name matches itself.
selection.glob_matches = raw.glob_matches

-- ---- a filter's fields ----

--- "unknown state 'faild' (states: failed, …); did you mean 'failed'?"; `known`: a set of names.
function selection.unknown(what, value, known)
  local words = selection.words_of(known)
  value = tostring(value)
  return ("unknown %s '%s'%s%s"):format(what, value,
    words[1] and (" (%ss: %s)"):format(what, table.concat(words, ", ")) or "",
    selection.did_you_mean(value, words))
end

local function set_of(words)
  local set = {}
  for _, word in ipairs(words) do set[word] = true end
  return set
end

local types, states = { source = true, sink = true }, set_of(raw.states)

local function one_of(what, value, known)
  return not known[value:lower()] and selection.unknown(what, value, known) or nil
end

--- What is wrong with a filter { state, class, type, name }: the field and a sentence; nil when
--- nothing is. What its class is, only a list tells.
function selection.fault(filter)
  for _, key in ipairs(selection.words_of(filter)) do
    local value, why = filter[key], nil
    if type(value) ~= "string" then
      why = ("a string expected, got %s"):format(type(value))
    elseif key == "name" then
      why = selection.glob_fault(value)
    elseif key == "state" then
      why = one_of("state", value, states)
    elseif key == "type" then
      why = one_of("type", value, types)
    end
    if why then return key, why end
  end
end

--- The fields that a filter may have.
selection.fields = { class = true, name = true, state = true, type = true }

local function last_part(class) return class:match "[^.]*$" end

--- Whether a class is meant by `wanted`: in full, or by the part after the last dot.
function selection.class_matches(wanted, class)
  return class ~= nil and (class == wanted or last_part(class) == wanted)
end

--- A function that tells whether a record is chosen by the filter, and the set of the classes that
--- it has seen.
function selection.matcher(filter)
  local state, kind = filter.state and filter.state:lower(), filter.type and filter.type:lower()
  local classes = {}
  return function(c)
    if c.class then classes[c.class] = true end
    return (not state or c.state == state)
      and (not filter.class or selection.class_matches(filter.class, c.class))
      and (not kind or c.type == kind)
      and (not filter.name or selection.glob_matches(filter.name, c.name))
  end, classes
end

--- What is wrong with a class that none of the connectors has; nil when one has it, or when there
--- is none to tell.
function selection.class_fault(wanted, classes)
  if wanted == nil or next(classes) == nil then return nil end
  local words, shown = {}, {}
  for _, class in ipairs(selection.words_of(classes)) do
    if selection.class_matches(wanted, class) then return nil end
    local short = last_part(class)
    shown[#shown + 1] = short
    words[#words + 1] = short
    words[#words + 1] = class
  end
  return ("no connector has class '%s' (classes: %s)%s"):format(wanted, table.concat(shown, ", "),
    selection.did_you_mean(wanted, words))
end

return selection
