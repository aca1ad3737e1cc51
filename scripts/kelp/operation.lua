-- operation: the verbs as scripts call them. A primitive in C is one exchange;
-- what takes several, and judgement about what it is safe to send, is here.

local raw = require "kelp.raw"
local reconcile = require "kelp.reconcile"
local write = require "kelp.write"
local settings = require "kelp.settings"
local offsets = require "kelp.offsets"
local pages = require "kelp.pages"
local providers = require "kelp.providers"

-- Under --plan, what the script's writes would have made is seen by its reads.
local read = settings.plan and require("kelp.plan").read or pages.exchange

local operation = {}
local verb = {}

-- Raises an error object before anything has been sent.
local function refuse(target, kind, name, of, message, fields)
  fields = fields or {}
  fields.target, fields.provider = target.label, target.provider
  fields.verb, fields.connector, fields.sent = name, of, "no"
  error(raw.error(kind, message, fields), 0)
end

local function need(target, name)
  if not target.can[name] then
    refuse(target, "unsupported", name, nil, ("kelp does not offer %s there"):format(name))
  end
end

local function check_options(name, options, known)
  if options == nil then return {} end
  if type(options) ~= "table" then
    raw.misuse(("%s: a table of options expected, got %s"):format(name, type(options)))
  end
  for key in pairs(options) do
    if not known[key] then raw.misuse(("%s: unknown option '%s'"):format(name, tostring(key))) end
  end
  return options
end

local function check_config(name, config)
  if type(config) ~= "table" or raw.is_connector(config) then
    raw.misuse(("%s: a config table expected, got %s"):format(
      name, raw.is_connector(config) and "a connector" or type(config)))
  end
end

-- A connector argument is a name or a connector that a verb returned.
local function name_of(what, connector)
  if type(connector) == "string" then
    raw.check_name(connector)
    return connector
  end
  if raw.is_connector(connector) and type(connector.name) == "string" then
    raw.check_name(connector.name)
    return connector.name
  end
  raw.misuse(("%s: a connector's name expected, got %s"):format(what, type(connector)))
end

-- The connectors of a target that `match` wants, all when it is nil. Each is asked about as
-- soon as it has been read, so that no more of a long list is held than is wanted; what a
-- plan lists has still to be gone through here.
local function listed(target, match)
  local found = {}
  for _, c in ipairs(read(target, "list", nil, match)) do
    if not match or match(c) then found[#found + 1] = c end
  end
  return found
end

local function with_name(target, name)
  return listed(target, function(c) return c.name == name end)
end

-- The one connector of that name, or nil; two of one name are an error that
-- tells both ids, since any choice between them would be a guess.
local function pick(target, what, name)
  local found = with_name(target, name)
  if #found > 1 then
    local ids = {}
    for i, c in ipairs(found) do ids[i] = c.id end
    table.sort(ids)
    refuse(target, "conflict", what, name,
      ("%d connectors are named '%s' (ids %s); pass the connector that you mean")
        :format(#found, name, table.concat(ids, ", ")), { ids = ids })
  end
  return found[1]
end

local function absent(target, what, name)
  refuse(target, "not_found", what, name, ("there is no connector '%s'"):format(name))
end

-- True for a connector of this target whose id is known already.
local function at_hand(target, connector)
  return type(connector) == "table" and connector.id ~= nil and connector.target == target
end

-- What the provider addresses the connector by: its name, or its id.
local function address(target, what, connector)
  local name = name_of(what, connector)
  if not target.can.address_by_id then return name, name end
  if at_hand(target, connector) then return connector.id, name end
  local found = pick(target, what, name)
  if not found then absent(target, what, name) end
  return found.id, name
end

-- The config as it will be sent; an error in it says which connector it was for.
local function normalise(target, what, of, config, name)
  local ok, result, has_null
  if what == "update" then
    ok, result, has_null = pcall(raw.changes, config)
  else
    ok, result = pcall(raw.normalise, config, name)
  end
  if ok then return result, has_null end
  if raw.is_error(result) then
    result.target, result.provider = target.label, target.provider
    result.verb, result.connector, result.sent = what, of, "no"
  end
  error(result, 0)
end

-- Calls f(…); an error of a call by id says the connector's name to the user.
local function named(at, name, f, ...)
  if at == name then return f(...) end
  local ok, result = pcall(f, ...)
  if ok then return result end
  if raw.is_error(result) then
    result.connector, result.id = name, at
  end
  error(result, 0)
end

local function exchange(target, what, at, name)
  return named(at, name, read, target, what, at)
end

-- A key that the script gives a write, to know it again when it is gone on with.
local function check_key(what, key)
  if key ~= nil and (type(key) ~= "string" or key == "") then
    raw.misuse(("%s: key must be a string"):format(what))
  end
  return key
end

-- ---- reading ----

local filters = { state = true, class = true, type = true, name = true }

local function matcher(filter)
  if filter == nil then return nil end
  check_options("list", filter, filters)
  for key, value in pairs(filter) do
    if type(value) ~= "string" then
      raw.misuse(("list: filter '%s' must be a string, got %s"):format(key, type(value)))
    end
  end
  local fine, why = pcall(string.find, "", filter.name or "")
  if not fine then raw.misuse("list: filter 'name' is no pattern: " .. why) end
  return function(c)
    return (not filter.state or c.state == filter.state:lower())
      and (not filter.class or c.class == filter.class)
      and (not filter.type or c.type == filter.type)
      and (not filter.name or c.name:find(filter.name) ~= nil)
  end
end

-- A script's own function may do anything, ask the provider too: it sees the records of a
-- list that is complete.
local function chosen(list, choose)
  local kept = {}
  for _, c in ipairs(list) do
    if choose(c) then kept[#kept + 1] = c end
  end
  return kept
end

function verb.list(target, filter)
  local choose = type(filter) == "function" and filter or nil
  local match = matcher(not choose and filter or nil)
  if write.resumed() then
    local wanted = match or function() return true end
    match = function(c)
      raw.journal_saw(target, c.name)
      return wanted(c)
    end
  end
  local list = listed(target, match)
  if choose then list = chosen(list, choose) end
  table.sort(list, function(a, b)
    if a.name ~= b.name then return a.name < b.name end
    return (a.id or "") < (b.id or "")
  end)
  return list
end

-- Kafka Connect has no status of a connector that no worker has been given yet.
local function is_unassigned(target, failure)
  return target.can.assigns_later and raw.is_error(failure) and failure.kind == "not_found"
end

function verb.get(target, connector)
  local name = name_of("get", connector)
  if write.resumed() then raw.journal_saw(target, name) end
  if target.can.address_by_id then
    if at_hand(target, connector) then
      return exchange(target, "get", connector.id, name)
    end
    local found = pick(target, "get", name)
    if not found then absent(target, "get", name) end
    return found
  end
  local c = read(target, "get", name)
  local ok, status = pcall(read, target, "status", name)
  if not ok then
    if not is_unassigned(target, status) then error(status, 0) end
    c.state = "unassigned"
    return c
  end
  c.state, c.error, c.tasks = status.state, status.error, status.tasks or c.tasks
  return c
end

function verb.find(target, connector)
  local ok, result = pcall(verb.get, target, connector)
  if ok then return result end
  if raw.is_error(result) and result.kind == "not_found" then return nil end
  error(result, 0)
end

-- ---- writing ----

-- What is recorded of a create: where it starts is part of what is asked for.
local function with_start(request, options)
  if not options.offsets and not options.state then return request end
  local asked = {}
  for key, value in pairs(request) do asked[key] = value end
  asked["$state"] = options.state
  asked["$offsets"] = options.offsets and raw.json.encode(options.offsets) or nil
  return asked
end

function verb.create(target, name, config, options)
  if type(name) ~= "string" then
    raw.misuse(("create: a name expected, got %s"):format(type(name)))
  end
  check_config("create", config)
  options = check_options("create", options, { key = true, offsets = true, state = true })
  check_key("create", options.key)
  raw.check_name(name)
  local start = offsets.check_start({ refuse = refuse }, target, name, options)
  local request = normalise(target, "create", name, config,
    not target.can.address_by_id and name or nil)
  local asked = with_start(request, options)
  local entry, recorded = write.begin(target, "create", name, asked, options.key)
  if recorded then return recorded end
  entry.config = request
  -- Names are not documented to be unique where connectors go by id, so the
  -- provider cannot be trusted to refuse a second one.
  if (target.can.address_by_id or settings.plan) and not entry.ambiguous then
    local found = with_name(target, name)
    if #found > 0 then
      refuse(target, "exists", "create", name,
        ("a connector '%s' exists already%s"):format(name,
          found[1].id and (" (id %s)"):format(found[1].id) or ""), { id = found[1].id })
    end
  end
  return write.carry_out(entry, nil, offsets.create, target, name, request, start, options.state)
end

-- What is there of that name, or nil: for the record of a put.
local function config_if_there(target, name)
  local ok, c = pcall(read, target, "get", name, nil, { as = "put" })
  if ok then return c end
  if raw.is_error(c) and c.kind == "not_found" then return nil end
  error(c, 0)
end

-- The connector as it is, as far as it need not be asked for, and its address. Only
-- what is recorded is worth a request where the name is the address: the config of
-- what is updated, the state of what is paused, both of what is deleted.
local function current_of(target, what, connector)
  local name = name_of(what, connector)
  local can, plan = target.can, settings.plan
  if can.address_by_id then
    if at_hand(target, connector) then
      return plan and read(target, "get", connector.id, nil, { as = what }) or connector,
        connector.id
    end
    local found = pick(target, what, name)
    if not found then absent(target, what, name) end
    return found, found.id
  end
  if not write.wants_before() then return nil, name end
  local config = what == "update" or what == "delete"
  local known = type(connector) == "table" and connector.target == target and not plan
  if known and connector.state and (connector.config or not config) then
    return connector, name
  end
  local as = { as = what }
  local c = (config or plan) and read(target, "get", name, nil, as) or nil
  if c and what == "update" then return c, name end
  local ok, status = pcall(read, target, "status", name, nil, as)
  if not ok then
    -- A worker has no status yet of what was made a moment ago.
    if not is_unassigned(target, status) then error(status, 0) end
    return c, name
  end
  if not c then return status, name end
  c.state = status.state
  return c, name
end

local function sorted_keys(set)
  local keys = {}
  for key in pairs(set) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

-- Splits changes into what to set and what to remove (kelp.null).
local function split(changes)
  local set, removed = {}, {}
  for key, value in pairs(changes) do
    if value == raw.json.null then removed[key] = true else set[key] = value end
  end
  return set, removed
end

-- The config that is to be written when only these keys change: what the
-- provider adds itself is left out, and no mask goes back by accident.
local function overlay(target, name, config, changes, removed, keep_masked)
  local result, masked = {}, {}
  for key, value in pairs(config) do
    if not raw.is_injected(key) and not removed[key] then result[key] = value end
  end
  for key, value in pairs(changes) do result[key] = value end
  for key, value in pairs(result) do
    if changes[key] == nil and raw.is_mask(value) then masked[key] = true end
  end
  if next(masked) and not keep_masked then
    local keys = sorted_keys(masked)
    refuse(target, "masked", "update", name,
      ("the provider shows only asterisks for these keys, and an update sends the whole config: "
        .. "supply them, or say keep_masked = true: %s"):format(table.concat(keys, ", ")),
      { keys = keys })
  end
  return result
end

-- Changes these keys in one request. Where the worker turns out to be too old for
-- it, the target's updates read and replace from then on.
local function merge(entry, target, at, name, set, removed, keep_masked)
  if next(removed) then
    entry.members = {}
    for key in pairs(removed) do entry.members[key] = raw.json.null end
  end
  local ok, result = pcall(reconcile.config, entry, target, "update", at, name, set)
  entry.members = nil
  if ok then return result end
  local lacks = raw.is_error(result) and (result.status == 404 or result.status == 405)
  if not (lacks and target.can.put) then error(result, 0) end
  local current = raw.exchange(target, "get", name, nil, { as = "update" })
  target.can.merge = false
  local config = overlay(target, name, current.config or {}, set, removed, keep_masked)
  entry.keep_masked, entry.config = keep_masked, config
  return reconcile.config(entry, target, "put", name, name, config)
end

function verb.update(target, connector, changes, options)
  check_config("update", changes)
  options = check_options("update", options, { keep_masked = true, key = true })
  check_key("update", options.key)
  local shown, can = name_of("update", connector), target.can
  -- Bad values are refused before the first of several requests.
  local request, has_null = normalise(target, "update", shown, changes)
  local set, removed = request, {}
  if has_null then set, removed = split(request) end
  if next(removed) and not can.remove_keys then
    refuse(target, "unsupported", "update", shown,
      ("a key cannot be removed there: %s"):format(table.concat(sorted_keys(removed), ", ")))
  end
  if removed.name or removed["connector.class"] then
    refuse(target, "invalid", "update", shown, "name and connector.class cannot be removed")
  end
  if not next(request) then
    refuse(target, "invalid", "update", shown, "there is nothing to change: the table is empty")
  end
  local entry, recorded = write.begin(target, "update", shown, request, options.key)
  if recorded then return recorded end
  if can.merge then
    local before, at = current_of(target, "update", connector)
    return named(at, shown, write.carry_out, entry, before, merge, target, at, shown, set, removed,
      options.keep_masked)
  end
  local current = read(target, "get", shown, nil, { as = "update" })
  local config = overlay(target, shown, current.config or {}, set, removed, options.keep_masked)
  entry.keep_masked, entry.config = options.keep_masked, config
  return write.carry_out(entry, current, reconcile.config, target, "put", shown, shown, config)
end

function verb.put(target, connector, config, options)
  check_config("put", config)
  options = check_options("put", options, { key = true })
  check_key("put", options.key)
  local name = name_of("put", connector)
  local wanted = normalise(target, "put", name, config,
    not target.can.address_by_id and name or nil)
  local entry, recorded = write.begin(target, "put", name, wanted, options.key)
  if recorded then return recorded end
  entry.config = wanted
  if target.can.put then
    local before = write.wants_before() and config_if_there(target, name) or nil
    return write.carry_out(entry, before, reconcile.config, target, "put", name, name, wanted)
  end
  local current = pick(target, "put", name)
  local made_it = entry.ambiguous and not (entry.found and entry.found.before)
  if not current or made_it then
    return write.carry_out(entry, nil, reconcile.create, target, name, wanted)
  end
  local extra = {}
  for key in pairs(current.config or {}) do
    if wanted[key] == nil and not raw.is_injected(key) then extra[key] = true end
  end
  if next(extra) and not target.can.remove_keys then
    refuse(target, "unsupported", "put", name,
      ("a key cannot be removed there, and the connector has more than the new config: %s")
        :format(table.concat(sorted_keys(extra), ", ")), { keys = sorted_keys(extra) })
  end
  return named(current.id, name, write.carry_out, entry, current, merge, target, current.id, name,
    wanted, extra)
end

local restarts = { all = "restart_tasks", failed = "restart_failed" }

function verb.restart(target, connector, options)
  options = check_options("restart", options, { tasks = true, at_most_once = true, key = true })
  check_key("restart", options.key)
  local name = name_of("restart", connector)
  local tasks = options.tasks
  if tasks ~= nil then
    if not restarts[tasks] and not (math.type(tasks) == "integer" and tasks >= 0) then
      raw.misuse("restart: tasks must be \"all\", \"failed\" or a task's number")
    end
    if not target.can.restart_tasks then
      refuse(target, "unsupported", "restart", name,
        "only the whole connector can be restarted there, not chosen tasks")
    end
  end
  local entry, recorded = write.begin(target, "restart", name, tasks and { tasks = tasks } or nil,
    options.key)
  if recorded then return recorded end
  local before, at
  if settings.plan then
    before, at = current_of(target, "restart", connector)
  else
    at = address(target, "restart", connector)
  end
  entry.task = math.type(tasks) and tasks or nil
  local how = tasks == nil and "restart" or restarts[tasks] or "restart_task"
  return named(at, name, write.carry_out, entry, before, reconcile.event, target, how, at, name,
    options.at_most_once)
end

-- True when the connector is not the one that an earlier run meant: made anew since.
local function is_another(entry, current)
  local before = entry.found and entry.found.before and raw.json.decode(entry.found.before)
  return type(before) == "table" and before.id ~= nil and current ~= nil
    and current.id ~= nil and current.id ~= before.id
end

function verb.delete(target, connector, options)
  options = check_options("delete", options, { key = true })
  check_key("delete", options.key)
  local name = name_of("delete", connector)
  local entry, recorded = write.begin(target, "delete", name, nil, options.key)
  if recorded then return recorded end
  local ok, before, at = pcall(current_of, target, "delete", connector)
  if not ok then
    -- What an earlier run may have deleted, and is not there, is deleted.
    if not (entry.ambiguous and raw.is_error(before) and before.kind == "not_found") then
      error(before, 0)
    end
    before, at = nil, nil
  end
  local gone = entry.ambiguous and (not at or is_another(entry, before))
  return named(at or name, name, write.carry_out, entry, before,
    gone and function() return true end or reconcile.delete, target, at, name)
end

for _, name in ipairs { "pause", "resume", "stop" } do
  verb[name] = function(target, connector, options)
    options = check_options(name, options, { key = true })
    check_key(name, options.key)
    local shown = name_of(name, connector)
    if not target.can[name] then
      refuse(target, "unsupported", name, shown, ("kelp does not offer %s there"):format(name))
    end
    local entry, recorded = write.begin(target, name, shown, nil, options.key)
    if recorded then return recorded end
    local before, at = current_of(target, name, connector)
    return named(at, shown, write.carry_out, entry, before, reconcile.state, target, name, at)
  end
end

-- The verbs that take more room, over what is above.
local shared = {
  refuse = refuse, need = need, check_options = check_options, check_config = check_config,
  check_key = check_key, name_of = name_of, normalise = normalise, address = address,
  exchange = exchange, is_unassigned = is_unassigned, get = verb.get,
}
for _, module in ipairs { offsets, (require "kelp.validate"), (require "kelp.wait") } do
  for name, call in pairs(module.verbs(shared)) do verb[name] = call end
end

-- Puts the verbs on targets, and those about one connector on connectors.
function operation.install()
  local methods = raw.target_metatable.methods
  local of_connector = raw.connector_metatable.__index
  local names = {}
  for name, call in pairs(verb) do
    methods[name] = call
    names[#names + 1] = name
  end
  local on_connector = {}
  for _, name in ipairs { "get", "update", "put", "restart", "pause", "resume", "stop", "delete",
                          "wait", "tasks", "offsets", "alter_offsets", "reset_offsets" } do
    on_connector[#on_connector + 1] = name
    of_connector[name] = function(connector, ...)
      local target = rawget(connector, "target")
      if not target then raw.misuse(name .. ": this connector belongs to no target") end
      return verb[name](target, connector, ...)
    end
  end
  -- `tasks` and `offsets` are fields or verbs of the target, not of a record.
  of_connector.tasks = nil
  for _, field in ipairs { "can", "provider", "label", "base_url" } do
    names[#names + 1] = field
  end
  local is_named = {}
  for _, provider in ipairs(providers.list) do
    for _, place in ipairs(provider.places) do
      if not is_named[place.name] then names[#names + 1] = place.name end
      is_named[place.name] = true
    end
  end
  raw.target_metatable.__completions = names
  raw.connector_metatable.__completions = on_connector
end

return operation
