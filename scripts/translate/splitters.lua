-- Values that have to be taken apart: each function gets the old value and the old config
-- and returns { values =, notes =, needs = }, or nil and a reason. No value gets into a reason.

-- The text with every ${…} reference made of letters, so that positions stay what they are and
-- a "/", ":" or "@" inside of a reference is not taken for the URI's own.
local function without_references(text)
  return (text:gsub("%${[^}]*}", function(reference) return ("x"):rep(#reference) end))
end

local function looks_secret(option)
  option = option:lower()
  return option:find("password", 1, true) or option:find("authmechanismproperties", 1, true)
end

-- "retryWrites=true&w=majority" -> { {"retryWrites", "true"}, … }, or nil when it is malformed.
local function query_options(query)
  local options = {}
  for pair in query:gmatch("[^&;]+") do
    local name, value = pair:match("^(%a[%w.]*)=(.*)$")
    if not name or #name > 48 then return nil end
    options[#options + 1] = { name, value }
  end
  return options
end

local function option_value(options, wanted)
  for _, option in ipairs(options) do
    if option[1]:lower() == wanted then return option[2] end
  end
end

-- The part between "//" and the path: its end, and the user, the password and the hosts in it.
local function authority_of(uri, start)
  local plain = without_references(uri)
  local stop = (plain:find("[/?]", start) or #uri + 1) - 1
  if plain:sub(stop + 1):find("@", 1, true) then
    return nil, "has an @ after the host: write / ? and @ of a password as %2F %3F and %40"
  end
  local at
  for position in plain:sub(start, stop):gmatch("()@") do at = start + position - 1 end
  local user, password
  if at then
    local colon = plain:sub(1, at - 1):find(":", start, true)
    user = uri:sub(start, (colon or at) - 1)
    password = colon and uri:sub(colon + 1, at - 1)
  end
  return { stop = stop, user = user, password = password, hosts = uri:sub((at or start - 1) + 1, stop) }
end

-- mongodb[+srv]://USER:PASSWORD@HOSTS/DATABASE?OPTIONS: { srv, user, password, hosts, database,
-- options }, or nil and what is wrong with it.
local function read_mongodb_uri(uri)
  local scheme, start = "mongodb", uri:match("^mongodb://()")
  if not start then scheme, start = "mongodb+srv", uri:match("^mongodb%+srv://()") end
  if not start then
    return nil, "does not begin with mongodb:// or mongodb+srv://"
  end
  local parts, why = authority_of(uri, start)
  if not parts then return nil, why end
  if parts.hosts == "" or parts.hosts:find("[^%w%-._:,%[%]]") then
    return nil, "has no host, or one with a character that a host cannot have"
  end
  parts.srv = scheme == "mongodb+srv"
  if parts.srv and parts.hosts:find("[,:]") then
    return nil, "is mongodb+srv:// and names a port or more than one host"
  end
  local query
  parts.database, query = uri:sub(parts.stop + 1):match("^/?([^?]*)%??(.*)$")
  parts.options = query_options(query)
  if not parts.options then return nil, "has options that are not name=value" end
  if option_value(parts.options, "authmechanism") == "MONGODB-X509" then
    return nil, "logs in with a certificate, which has to be given to Confluent by hand"
  end
  return parts
end

local function add_note(result, what, why)
  result.notes[#result.notes + 1] = { what = what, why = why }
end

local function add_credential(result, key, value)
  if value and value ~= "" and not value:find("${", 1, true) then
    result.values[key] = value
  elseif value then
    result.needs[#result.needs + 1] =
      { key = key, why = "connection.uri does not hold the value itself" }
  end
end

-- The options that go into connection.host; notes say which do not.
local function host_options(result, parts)
  local kept, dropped = {}, {}
  for _, option in ipairs(parts.options) do
    if parts.srv or looks_secret(option[1]) then
      dropped[#dropped + 1] = option[1]
    else
      kept[#kept + 1] = option[1] .. "=" .. option[2]
    end
  end
  local source, database, user = option_value(parts.options, "authsource"), parts.database, parts.user
  -- A database in the path is where the user is looked up when authSource is not given.
  if database ~= "" and not source and user and not parts.srv then
    kept[#kept + 1] = "authSource=" .. database
    add_note(result, "changed", "the database in the path of connection.uri became authSource")
  elseif parts.srv and user and (source or database ~= "") and (source or database) ~= "admin" then
    add_note(result, "check",
      "the user was looked up in a database other than admin, which has no place here")
  elseif database ~= "" then
    add_note(result, "dropped", "the database in the path of connection.uri has no place here")
  end
  if #dropped > 0 then
    add_note(result, "dropped", "options of connection.uri that have no place here: "
      .. table.concat(dropped, ", "))
  end
  return kept
end

-- A MongoDB address into its parts. Case and percent-encoding stay: the managed connector pastes
-- user and password into a URI again.
local function mongodb_uri(uri)
  local parts, why = read_mongodb_uri(uri)
  if not parts then return nil, why end
  local result = { notes = {}, needs = {}, values = {
    ["mongodb.instance.type"] = parts.srv and "MONGODB_ATLAS" or "MONGODB_SELF_MANAGED",
  } }
  add_credential(result, "connection.user", parts.user)
  add_credential(result, "connection.password", parts.password)
  add_note(result, "changed", "taken apart into connection.host, connection.user,"
    .. " connection.password and mongodb.instance.type")
  local kept = host_options(result, parts)
  result.values["connection.host"] = #kept > 0 and parts.hosts .. "/?" .. table.concat(kept, "&")
    or parts.hosts
  return result
end

-- A PKCS#8 key in PEM form, or only its body, to the body on one line.
local function pem_body(text, config)
  local label = text:match("%-%-%-%-%-BEGIN ([%u%d ]*)%-%-%-%-%-")
  local body = text:gsub("%-%-%-%-%-[%u%d ]+%-%-%-%-%-", ""):gsub("\\n", ""):gsub("%s+", "")
  if body == "" or body:find("[^%w+/=]") then
    return nil, "is neither a PEM text nor the base64 body of one"
  end
  if label and label ~= "PRIVATE KEY" and label ~= "ENCRYPTED PRIVATE KEY" then
    return nil, "is not in PKCS#8 form (BEGIN PRIVATE KEY or BEGIN ENCRYPTED PRIVATE KEY)"
  end
  local result = { values = { ["snowflake.private.key"] = body }, notes = {}, needs = {} }
  if body ~= text then
    result.notes[1] = { what = "changed", why = "without header, footer and line breaks" }
  end
  if label == "ENCRYPTED PRIVATE KEY" and not config["snowflake.private.key.passphrase"] then
    result.needs[1] = { key = "snowflake.private.key.passphrase", why = "the key is encrypted" }
  end
  return result
end

-- The old setting is the whole name of the topic, the new one what follows "<topic.prefix>.".
local function transaction_topic(topic, config)
  local prefix = config["database.server.name"]
  local result = { values = {}, notes = {}, needs = {} }
  local suffix = topic:match("^%${database%.server%.name}%.(.+)$")
  if not suffix and prefix and topic:sub(1, #prefix + 1) == prefix .. "." then
    suffix = topic:sub(#prefix + 2)
  end
  if suffix and suffix ~= "" then
    result.values["topic.transaction"] = suffix
    result.notes[1] = { what = "changed",
      why = "topic.transaction holds only what follows topic.prefix" }
  else
    result.needs[1] = { key = "topic.transaction",
      why = "the topic's name now always begins with topic.prefix; transaction.topic's did not" }
  end
  return result
end

return { mongodb_uri = mongodb_uri, pem_body = pem_body, transaction_topic = transaction_topic }
