-- kelp.help: what there is, at the prompt. README.md has the whole of it.
local raw = require "kelp.raw"
local providers = require "kelp.providers"

local help = {}

-- What there is to say of a verb beyond its line in verbs.def.
local more = {
  list = { 'prod:list { state = "failed" }    prod:list { name = "orders-*" }',
    "prod:list(function(c) return #c.tasks > 1 end)" },
  create = { 'opts: key, offsets (where it starts), state ("stopped", "paused")' },
  update = {
    'c:update { ["flush.size"] = 5000, ["old.key"] = kelp.null }    kelp.null removes a key',
    "opts: key, keep_masked" },
  restart = { 'opts: tasks ("all", "failed", "none" or a number), key, at_most_once' },
  wait = { "opts: state, and in seconds timeout, grace, poll, stable, visibility_delay" },
}

-- Each topic is { how it is called, what it does in a line, more lines … }.
local chapters = {
  { "Where connectors live",
    { "kelp.target(name)", "the one of that name in the targets file" },
  },
  { "Verbs of a target; `name` is a connector's name, or a connector that a verb returned" },
  { "Many at once",
    { "kelp.each(items, fn, opts)", "calls fn for each, some at a time; returns a report",
      "kelp.each(prod:list(), function(c) c:restart() end, { concurrency = 8 })",
      "report.done, .failed, .unknown, .errors; report:assert()" },
    { "kelp.map(items, fn, opts)", "the results in the order of the items, and the report" },
    { "kelp.async(fn, …)", "starts a task: task:await(), task:cancel()" },
    { "kelp.sleep(seconds)", "waits; other tasks go on" },
  },
  { "The rest",
    { "kelp.secret(name)", "a value that is never shown, from the environment",
      "kelp.secret { file = … }    kelp.secret { command = … }" },
    { "kelp.once(label, fn)", "what fn returned the first time, also in a resumed run" },
    { "kelp.is_error(value, kind)", "true for an error that a verb raised (of that kind)",
      "its fields: kind, message, verb, connector, target, status, sent, request_id, …" },
    { "kelp.is_connector(value)", "true for a connector that a verb returned" },
    { "kelp.json", "encode, decode, array and null, exact with integers of 64 bits" },
    { "kelp.null", "JSON's null; in update it removes the key" },
    { "kelp.show", "value(v), table(rows, columns): text, as the prompt shows it" },
    { "kelp.settings", "what the program was called with" },
    { "kelp.help(topic)", "this; of a topic more, where there is more" },
  },
}

local VERBS <const> = 2 -- the chapter that verbs.def fills
for _, verb in ipairs(raw.verbs) do
  if verb.usage then
    table.insert(chapters[VERBS], { verb.usage, verb.help, table.unpack(more[verb.name] or {}) })
  end
end

-- kelp.NAME(options) as a topic.
local function maker(provider)
  local places, credentials = {}, {}
  for _, place in ipairs(provider.places) do places[#places + 1] = place.name .. ' = "…"' end
  if provider.address ~= "base_url" then
    table.insert(places, 1, provider.address .. ' = "https://…"')
  end
  for _, one in ipairs(provider.credentials) do credentials[#credentials + 1] = one.option end
  return { ("kelp.%s(options)"):format(provider.name), provider.title,
    ("prod = kelp.%s { %s }"):format(provider.name, table.concat(places, ", ")),
    ("options: %s (else from the environment), and those of all"):format(
      table.concat(credentials, ", ")) }
end

for i, provider in ipairs(providers.list) do
  table.insert(chapters[1], i + 1, maker(provider)) -- after its title
end

local WIDTH <const> = 34

local function line(topic)
  return ("  %s%s  %s"):format(topic[1], (" "):rep(WIDTH - utf8.len(topic[1])), topic[2])
end

--- "update" of "update(name, changes, opts)", "each" of "kelp.each(items, fn, opts)".
local function name_of(topic)
  return topic[1]:gsub("^kelp%.", ""):match "^[%w_]+"
end

--- The names of all topics, in their order.
function help.names()
  local names = {}
  for _, chapter in ipairs(chapters) do
    for i = 2, #chapter do names[#names + 1] = name_of(chapter[i]) end
  end
  return names
end

local function overview()
  local lines = {}
  for _, chapter in ipairs(chapters) do
    lines[#lines + 1] = chapter[1] .. ":"
    for i = 2, #chapter do lines[#lines + 1] = line(chapter[i]) end
    lines[#lines + 1] = ""
  end
  lines[#lines + 1] = 'More of one: help "update". What a provider lacks raises `unsupported`.'
  return table.concat(lines, "\n")
end

--- What there is to say of a topic, of all when it is nil, as text without a last newline.
function help.text(topic)
  if topic == nil then return overview() end
  if type(topic) ~= "string" then
    raw.misuse(("help: a topic's name expected, got %s"):format(type(topic)))
  end
  local wanted = topic:gsub("^kelp%.", ""):gsub("^.*:", ""):gsub("%(.*$", "")
  for _, chapter in ipairs(chapters) do
    for i = 2, #chapter do
      if name_of(chapter[i]) == wanted then
        local lines = { table.concat(chapter[i], "\n    ", 2) }
        return chapter[i][1] .. ": " .. lines[1]
      end
    end
  end
  raw.misuse(("help: there is no topic '%s'; help() lists them"):format(topic))
end

return help
