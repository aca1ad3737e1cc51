-- preparation: what every verb does before it sends anything: names, options and values are
-- checked, the connector is found, and what must not be sent is refused. It is the same under
-- --plan, so that a plan refuses what the run would refuse.

local raw = require "kelp.raw"
local abilities = require "kelp.abilities"
local pages = require "kelp.pages"
local selection = require "kelp.selection"
local secret_sources = require "kelp.secret_sources"
local record = require "kelp.record"
local write = require "kelp.write"
local settings = require "kelp.settings"

local preparation = {}

-- Under --plan, what the script's writes would have made is seen by its reads.
local read = settings.plan and require("kelp.plan").read or pages.exchange
preparation.read = read

--- Raises an error object before anything has been sent.
function preparation.refuse(target, kind, verb, name, message, fields)
  fields = fields or {}
  fields.target, fields.provider = target.label, target.provider
  fields.verb, fields.connector, fields.sent = verb, name, "no"
  error(raw.error(kind, message, fields), 0)
end
local refuse = preparation.refuse

--- Raises `unsupported` unless the target has that verb.
function preparation.need(target, verb, name)
  if not abilities.offers(target, verb) then
    refuse(target, "unsupported", verb, name,
      abilities.reason(target, verb) or ("kelp does not offer %s there"):format(verb))
  end
end

-- ---- arguments ----

local NO_OPTIONS <const> = {}

--- The options of a verb, not to be changed; none for nil. `known`: a set of names. `key`, a script's name for the
--- write by which a resumed run knows it again, must be a string.
function preparation.check_options(verb, options, known)
  if options == nil then return NO_OPTIONS end
  if type(options) ~= "table" then
    raw.misuse(("%s: a table of options expected, got %s"):format(verb, type(options)))
  end
  for name in pairs(options) do
    if not known[name] then
      raw.misuse(("%s: %s"):format(verb, selection.unknown("option", name, known)))
    end
  end
  local key = options.key
  if key ~= nil and (type(key) ~= "string" or key == "") then
    raw.misuse(("%s: key must be a string"):format(verb))
  end
  if key then raw.refuse_secret(verb .. ": key", key) end
  return options
end

function preparation.check_config(verb, config)
  if type(config) ~= "table" or raw.is_connector(config) then
    raw.misuse(("%s: a config table expected, got %s"):format(
      verb, raw.is_connector(config) and "a connector" or type(config)))
  end
  if config[1] ~= nil then
    error(raw.error("invalid", ("a config is a table of values by key, { [\"tasks.max\"] = 2 }, "
      .. "and this is a list: [1] is a %s without its key"):format(type(config[1])),
      { verb = verb, sent = "no" }), 0)
  end
end

--- The config in { name = …, config = { … } }, the form of Kafka Connect's files; any other table as
--- it is. A file of another connector is refused.
function preparation.unwrapped(verb, name, config)
  local inner = config.config
  if type(inner) ~= "table" or getmetatable(inner) then return config end
  for key in pairs(config) do
    if key ~= "name" and key ~= "config" then
      raw.misuse(("%s: 'config' is a table: a config is given by itself, or as in a file of Kafka "
        .. "Connect, { name = …, config = { … } }, without '%s'"):format(verb, tostring(key)))
    end
  end
  if config.name ~= nil and config.name ~= name then
    raw.misuse(("%s: this is the file of connector '%s' ({ name = …, config = … }), not of '%s'")
      :format(verb, tostring(config.name), name))
  end
  preparation.check_config(verb, inner)
  return inner
end

--- The name in a connector argument: a name, or a connector that a verb returned.
function preparation.name_of(verb, connector)
  local name = connector
  if raw.is_connector(connector) then name = connector.name end
  if type(name) ~= "string" then
    raw.misuse(("%s: a connector's name expected, got %s"):format(verb, type(connector)))
  end
  raw.check_name(name)
  return name
end
local name_of = preparation.name_of

--- The keys of a set, sorted.
function preparation.sorted_keys(set)
  local keys = {}
  for key in pairs(set) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

-- ---- configs ----

local function refuse_masks(target, verb, name, config)
  local masked = {}
  for key, value in pairs(config) do
    if raw.is_mask(value) then masked[key] = true end
  end
  local keys = preparation.sorted_keys(masked)
  refuse(target, "masked", verb, name, ("these values are masks that the provider shows in place "
    .. "of secrets; supply them, or name where they come from in the target's option secrets: %s"):format(table.concat(keys, ", ")), { keys = keys })
end

-- Calls make(…), an error of which says which connector it was for; refuses masks unless they are
-- to be kept.
local function checked(target, verb, name, keep_masked, make, ...)
  local ok, result, has_mask, has_null = pcall(make, ...)
  if not ok then
    if raw.is_error(result) then
      result.target, result.provider = target.label, target.provider
      result.verb, result.connector, result.sent = verb, name, "no"
    end
    error(result, 0)
  end
  if has_mask and not keep_masked then refuse_masks(target, verb, name, result) end
  return result, has_null
end

--- The whole config of a connector as it will be sent: secrets of the target's sources filled in,
--- checked, its secrets registered, values as strings or kelp.secrets, the name filled in where the
--- provider's configs have it.
function preparation.config(target, verb, name, config)
  config = secret_sources.fill(target, name, config, true)
  return checked(target, verb, name, false, raw.normalise, config,
    not abilities.of(target).address_by_id and name or nil)
end

--- The same for changes, in which kelp.null removes a key; and whether one is in them.
function preparation.changes(target, name, changes, keep_masked)
  changes = secret_sources.fill(target, name, changes)
  return checked(target, "update", name, keep_masked, raw.changes, changes)
end

--- Whether masks of a config that is updated are sent back.
preparation.keeps_masked = secret_sources.keeps_masked

--- The config as the provider shows it, with secrets of the target's sources in place of masks.
preparation.unmasked = secret_sources.fill

--- The same, for a config that is only looked at.
function preparation.normalise(target, verb, name, config)
  return checked(target, verb, name, true, raw.normalise, config)
end

-- ---- finding a connector ----

--- The connectors of a target that `match` wants, all when it is nil. Each is asked about as
--- soon as it has been read, so that no more of a long list is held than is wanted; what a
--- plan lists has still to be gone through here.
function preparation.listed(target, match)
  local found = {}
  for _, c in ipairs(read(target, "list", nil, match)) do
    if not match or match(c) then found[#found + 1] = c end
  end
  return found
end

-- By target: the names of its connectors and when they were read.
local names_of = setmetatable({}, { __mode = "k" })
local NAMES_AGE <const> = 1 -- seconds; a bulk job with many wrong names asks once in that time

local function names_at_hand(target)
  local known = names_of[target]
  if known and raw.now() - known.at < NAMES_AGE then return known.names end
  local names = {}
  names_of[target] = { at = raw.now(), names = names } -- one that cannot be read is not asked again
  local ok = pcall(preparation.listed, target, function(c)
    names[#names + 1] = c.name
    return false
  end)
  return ok and names or {}
end

--- To an error that there is no such connector, adds the nearest name that there is. At most one
--- list for each target and second.
function preparation.suggest_name(target, connector, failure)
  local name = raw.is_connector(connector) and connector.name or connector
  if type(name) ~= "string" or failure.nearest then return end
  local nearest = raw.nearest(name, names_at_hand(target))
  if not nearest or nearest == name then return end
  failure.nearest = nearest
  failure.message = ("%s; did you mean '%s'?"):format(failure.message, nearest)
end

function preparation.with_name(target, name)
  return preparation.listed(target, function(c) return c.name == name end)
end

--- The one connector of that name, or nil; two of one name are an error that tells both ids, since
--- any choice between them would be a guess.
function preparation.pick(target, verb, name)
  local found = preparation.with_name(target, name)
  if #found > 1 then
    local ids = {}
    for i, c in ipairs(found) do ids[i] = c.id end
    table.sort(ids)
    refuse(target, "conflict", verb, name,
      ("%d connectors are named '%s' (ids %s); pass the connector that you mean")
        :format(#found, name, table.concat(ids, ", ")), { ids = ids })
  end
  return found[1]
end

--- The same; none is an error.
function preparation.pick_one(target, verb, name)
  local found = preparation.pick(target, verb, name)
  if not found then
    refuse(target, "not_found", verb, name, ("there is no connector '%s'"):format(name))
  end
  return found
end
local pick_one = preparation.pick_one

--- True for a connector of this target whose id is known already.
function preparation.is_at_hand(target, connector)
  return type(connector) == "table" and connector.id ~= nil and connector.target == target
end
local is_at_hand = preparation.is_at_hand

--- What the provider addresses the connector by: its name, or its id; and its name.
function preparation.address(target, verb, connector)
  local name = name_of(verb, connector)
  if not abilities.of(target).address_by_id then return name, name end
  if is_at_hand(target, connector) then return connector.id, name end
  return pick_one(target, verb, name).id, name
end

--- Calls f(…); an error of a request by id says the connector's name to the user.
function preparation.named(id, name, f, ...)
  if id == name then return f(...) end
  local ok, result = pcall(f, ...)
  if ok then return result end
  if raw.is_error(result) then result.connector, result.id = name, id end
  error(result, 0)
end

--- A read of one connector, for a verb that is not the primitive's own.
function preparation.exchange(target, verb, id, name)
  return preparation.named(id, name, read, target, verb, id)
end

--- True for the failure of a worker that has no status yet of a new connector.
function preparation.is_unassigned(target, failure)
  return abilities.of(target).assigns_later and raw.is_error(failure) and failure.kind == "not_found"
end

-- ---- the connector as it is ----

local needs_config <const> = { update = true, put = true, delete = true }

-- What a plan needs to show, or the record to undo the write: the config of what is updated, the
-- state of what is paused, both of what is deleted.
local function read_current(target, verb, name)
  local options, config = { verb = verb }, needs_config[verb]
  local c = (config or settings.plan) and read(target, "get", name, nil, options) or nil
  if c and verb ~= "delete" and config then return c end
  local ok, status = pcall(read, target, "status", name, nil, options)
  if not ok then
    if not preparation.is_unassigned(target, status) then error(status, 0) end
    -- One that no worker has yet, or none at all.
    return c or read(target, "get", name, nil, options)
  end
  if not c then return status end
  return record.with_status(c, status)
end

--- True for a connector of this target that holds what the verb must know of it.
function preparation.is_known(target, verb, connector)
  return not settings.plan and type(connector) == "table" and connector.target == target
    and connector.state ~= nil and (connector.config ~= nil or not needs_config[verb])
end

--- The connector as it is, as far as it is known or worth a request, and its address. The record
--- that the script passed serves when it has what is needed.
function preparation.current(target, verb, connector)
  local name = name_of(verb, connector)
  local plan = settings.plan
  if abilities.of(target).address_by_id then
    if not is_at_hand(target, connector) then
      local found = pick_one(target, verb, name)
      return found, found.id
    end
    return plan and read(target, "get", connector.id, nil, { verb = verb }) or connector,
      connector.id
  end
  if verb == "delete" and not write.wants_pre_image() then return nil, name end
  if preparation.is_known(target, verb, connector) then return connector, name end
  return read_current(target, verb, name), name
end

--- True when the write would change nothing: is_same(connector) says so of the connector as it is
--- in w.pre_image. A record that the script passed may be old: it is only believed when it says
--- that there is something to change, and read again when it does not. What this process has just
--- sent may not be visible yet, and what an earlier run may have sent is for reconciliation.
function preparation.is_unchanged(w, connector, is_same)
  if w.ambiguous or not w.pre_image or write.is_fresh(w) or not is_same(w.pre_image) then
    return false
  end
  if w.pre_image == connector then
    w.pre_image = abilities.of(w.target).address_by_id
      and preparation.exchange(w.target, "get", w.id, w.name)
      or read_current(w.target, w.verb, w.name)
  end
  return w.pre_image ~= nil and is_same(w.pre_image)
end

--- True when a config has all of `set`, and none of the keys of `removed` (a set). A value given
--- as a kelp.secret counts as a change: which one is there cannot be seen.
function preparation.has_all(config, set, removed)
  for key, value in pairs(set) do
    local there = config[key]
    if type(value) ~= "string" then return false end
    if value ~= there and not (raw.is_mask(value) and raw.is_mask(there)) then return false end
  end
  for key in pairs(removed) do
    if config[key] ~= nil then return false end
  end
  return true
end

return preparation
