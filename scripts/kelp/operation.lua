-- operation: the verbs as scripts call them. A primitive in C is one exchange;
-- what takes several, and judgement about what it is safe to send, is here.

local raw = require "kelp.raw"
local reconcile = require "kelp.reconcile"

local operation = {}
local verb = {}

-- Raises an error object before anything has been sent.
local function refuse(target, kind, name, of, message, fields)
  fields = fields or {}
  fields.target, fields.provider = target.label, target.provider
  fields.verb, fields.connector, fields.sent = name, of, "no"
  error(raw.error(kind, message, fields), 0)
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

local function with_name(list, name)
  local found = {}
  for _, c in ipairs(list) do
    if c.name == name then found[#found + 1] = c end
  end
  return found
end

-- The one connector of that name, or nil; two of one name are an error that
-- tells both ids, since any choice between them would be a guess.
local function pick(target, what, name)
  local found = with_name(raw.exchange(target, "list"), name)
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
  local ok, result = pcall(raw.normalise, config, name)
  if ok then return result end
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
  return named(at, name, raw.exchange, target, what, at)
end

-- ---- reading ----

local filters = { state = true, class = true, type = true, name = true }

local function matcher(filter)
  if filter == nil then return nil end
  if type(filter) == "function" then return filter end
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

function verb.list(target, filter)
  local match = matcher(filter)
  local list = raw.exchange(target, "list")
  if match then
    local kept = {}
    for _, c in ipairs(list) do
      if match(c) then kept[#kept + 1] = c end
    end
    list = kept
  end
  table.sort(list, function(a, b)
    if a.name ~= b.name then return a.name < b.name end
    return (a.id or "") < (b.id or "")
  end)
  return list
end

function verb.get(target, connector)
  local name = name_of("get", connector)
  if target.can.address_by_id then
    if at_hand(target, connector) then
      return exchange(target, "get", connector.id, name)
    end
    local found = pick(target, "get", name)
    if not found then absent(target, "get", name) end
    return found
  end
  local c = raw.exchange(target, "get", name)
  local status = raw.exchange(target, "status", name)
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

function verb.create(target, name, config, options)
  if type(name) ~= "string" then
    raw.misuse(("create: a name expected, got %s"):format(type(name)))
  end
  check_config("create", config)
  check_options("create", options, {})
  raw.check_name(name)
  normalise(target, "create", name, config, not target.can.address_by_id and name or nil)
  -- Names are not documented to be unique where connectors go by id, so the
  -- provider cannot be trusted to refuse a second one.
  if target.can.address_by_id then
    local found = with_name(raw.exchange(target, "list"), name)
    if #found > 0 then
      refuse(target, "exists", "create", name,
        ("a connector '%s' exists already (id %s)"):format(name, found[1].id),
        { id = found[1].id })
    end
  end
  return reconcile.create(target, name, config)
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
  if not raw.has_null(changes) then return changes, removed end
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

function verb.update(target, connector, changes, options)
  check_config("update", changes)
  options = check_options("update", options, { keep_masked = true })
  local set, removed = split(changes)
  local shown, can = name_of("update", connector), target.can
  if next(removed) and not can.remove_keys then
    refuse(target, "unsupported", "update", shown,
      ("a key cannot be removed there: %s"):format(table.concat(sorted_keys(removed), ", ")))
  end
  if removed.name or removed["connector.class"] then
    refuse(target, "invalid", "update", shown, "name and connector.class cannot be removed")
  end
  if not next(changes) then
    refuse(target, "invalid", "update", shown, "there is nothing to change: the table is empty")
  end
  if can.merge and at_hand(target, connector) then
    return named(connector.id, shown, reconcile.config, target, "update", connector.id, shown, set)
  end
  -- Bad values are refused before the first of several requests.
  normalise(target, "update", shown, set)
  local at, name = address(target, "update", connector)
  if can.merge then
    return named(at, name, reconcile.config, target, "update", at, name, set)
  end
  local current = raw.exchange(target, "get", name)
  local config = overlay(target, name, current.config or {}, set, removed, options.keep_masked)
  return reconcile.config(target, "put", name, name, config, { keep_masked = options.keep_masked })
end

function verb.put(target, connector, config, options)
  check_config("put", config)
  check_options("put", options, {})
  local name = name_of("put", connector)
  local wanted = normalise(target, "put", name, config,
    not target.can.address_by_id and name or nil)
  if target.can.put then return reconcile.config(target, "put", name, name, config) end
  local current = pick(target, "put", name)
  if not current then return reconcile.create(target, name, config) end
  local extra = {}
  for key in pairs(current.config or {}) do
    if wanted[key] == nil then extra[key] = true end
  end
  if next(extra) then
    refuse(target, "unsupported", "put", name,
      ("a key cannot be removed there, and the connector has more than the new config: %s")
        :format(table.concat(sorted_keys(extra), ", ")), { keys = sorted_keys(extra) })
  end
  return named(current.id, name, reconcile.config, target, "update", current.id, name, config)
end

function verb.restart(target, connector, options)
  options = check_options("restart", options, { tasks = true, at_most_once = true })
  local name = name_of("restart", connector)
  local tasks = options.tasks
  if tasks ~= nil then
    if tasks ~= "all" and tasks ~= "failed" and math.type(tasks) ~= "integer" then
      raw.misuse("restart: tasks must be \"all\", \"failed\" or a task's number")
    end
    if not target.can.restart_tasks then
      refuse(target, "unsupported", "restart", name,
        "only the whole connector can be restarted there, not chosen tasks")
    end
  end
  local at = address(target, "restart", connector)
  return named(at, name, reconcile.event, target, "restart", at, name, options.at_most_once)
end

function verb.delete(target, connector, options)
  check_options("delete", options, {})
  local at, name = address(target, "delete", connector)
  return named(at, name, reconcile.delete, target, at, name)
end

for _, name in ipairs { "pause", "resume" } do
  verb[name] = function(target, connector, options)
    check_options(name, options, {})
    local at, shown = address(target, name, connector)
    return named(at, shown, reconcile.state, target, name, at)
  end
end

-- ---- waiting ----

-- The worst of the connector and its tasks. A running connector with no tasks,
-- or with stopped ones, has been seen at Confluent and is running.
local function health(c)
  if c.state ~= "running" then return c.state end
  local failed, total, other = 0, 0, nil
  for _, task in ipairs(c.tasks or {}) do
    total = total + 1
    if task.state == "failed" then failed = failed + 1 end
    if task.state == "restarting" or task.state == "unassigned" then other = task.state end
  end
  if failed > 0 then return failed == total and "failed" or "degraded" end
  return other or "running"
end

local reachable = { running = true, paused = true, failed = true, stopped = true, degraded = true }

local function wait_options(options)
  options = check_options("wait", options,
    { state = true, timeout = true, grace = true, poll = true, settle = true })
  local result = { state = "running", timeout = 300, grace = 15, poll = 1, settle = 10 }
  for key, value in pairs(options) do
    if key == "state" then
      if not reachable[value] then
        raw.misuse("wait: state must be one of running, paused, stopped, failed, degraded")
      end
    elseif type(value) ~= "number" or not (value >= 0) or value == math.huge then
      raw.misuse(("wait: %s must be a number of seconds"):format(key))
    end
    result[key] = value
  end
  return result
end

local function wait_failed(target, name, c, options, kind, why)
  local fields = { state = c and c.state, target = target.label, provider = target.provider,
                   verb = "wait", connector = name, sent = "yes" }
  local reason = c and c.error and ": " .. c.error or ""
  error(raw.error(kind, why:format(options.state) .. reason, fields), 0)
end

function verb.wait(target, connector, options)
  options = wait_options(options)
  local at, name = address(target, "wait", connector)
  local start = raw.now()
  local poll, failed_since, last = options.poll, nil, nil
  while true do
    local ok, c = pcall(exchange, target, "status", at, name)
    local now = raw.now()
    if ok then
      last = c
      local state = health(c)
      if state == options.state then
        c.state = state
        return c
      end
      if state == "failed" then
        failed_since = failed_since or now
        if now - failed_since >= options.grace then
          wait_failed(target, name, c, options, "conflict",
            "it failed while waited for to be %s")
        end
      else
        failed_since = nil
      end
    elseif not (raw.is_error(c) and c.kind == "not_found" and now - start < options.settle) then
      -- A connector that was just created may not be visible for a moment.
      error(c, 0)
    end
    local left = start + options.timeout - now
    if left <= 0 then
      wait_failed(target, name, last, options, "timeout",
        ("it is %s after %g s, not %%s"):format(last and health(last) or "not visible",
          options.timeout))
    end
    raw.sleep(math.min(poll, left))
    poll = math.min(poll * 1.5, 10 * options.poll)
  end
end

-- Verbs that none of these providers offers, or not through kelp yet: a clear
-- refusal before any request, where a misspelt name is an ordinary Lua error.
for _, name in ipairs { "stop", "tasks", "validate", "plugins", "translate", "offsets",
                        "alter_offsets", "reset_offsets" } do
  verb[name] = function(target)
    refuse(target, "unsupported", name, nil, ("kelp does not offer %s there"):format(name))
  end
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
  for _, field in ipairs { "can", "provider", "label", "base_url", "environment", "cluster" } do
    names[#names + 1] = field
  end
  raw.target_metatable.__completions = names
  raw.connector_metatable.__completions = on_connector
end

return operation
