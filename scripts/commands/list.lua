-- kelp list: the connectors of a target, or of a saved response to a list call, as a table or as
-- JSON. The state of a connector does not change the exit code; only a failed listing does.
local argparse = require "argparse"
local kelp = require "kelp"
local print_document = require "kelp.document"
local raw = require "kelp.raw"
local selection = require "kelp.selection"
local providers = require "kelp.providers"
local saved = require "kelp.saved"

local parser = argparse("kelp list", "Lists connectors.")
parser:argument("target", ("%s, or a name in the targets file."):format(providers.names()))
  :args "?"
parser:option("--file", ("List a saved response to %s's list call instead."):format(
  saved.provider.title)):argname "FILE"
parser:option("--state", "Only connectors in this state: running, failed, paused, …")
  :argname "STATE"
parser:option("--class", "Only connectors of this class, in full or its last part."):argname "CLASS"
parser:option("--type", "Only sources, or only sinks."):choices { "source", "sink" }
parser:option("--name", "Only connectors whose name matches this glob, such as orders-*.")
  :argname "GLOB"

local function usage(message)
  io.stderr:write("kelp list: ", message, "\n", parser:get_usage(), "\n")
  return 2
end

local function listed(options, filter)
  if not options.file then
    return kelp.target(options.target or providers.list[1].name):list(filter)
  end
  local match, classes = selection.matcher(filter)
  local kept = {}
  for _, connector in ipairs(saved.read(options.file)) do
    if match(connector) then kept[#kept + 1] = connector end
  end
  local why = #kept == 0 and selection.class_fault(filter.class, classes)
  if why then error(raw.error("invalid", why, { verb = "list", sent = "no" }), 0) end
  return kept
end

-- What is said of a connector in JSON. Not its config: a provider may show the secrets in it.
local function described(connector)
  local tasks = kelp.json.array {}
  for position, task in ipairs(connector.tasks or {}) do
    tasks[position] = { id = task.id, state = task.state, error = task.error }
  end
  return {
    name = connector.name, id = connector.id, class = connector.class, type = connector.type,
    state = connector.state, error = connector.error, created = connector.created, tasks = tasks,
    topics = connector.topics and kelp.json.array(table.move(connector.topics, 1,
      #connector.topics, 1, {})),
  }
end

local function main(...)
  local ok, options = parser:pparse { ... }
  if not ok then return usage(options) end
  if options.file and options.target then return usage "give a target or --file, not both" end
  local filter = { state = options.state, class = options.class, type = options.type,
                   name = options.name }
  local field, why = selection.fault(filter)
  if field then return usage(("--%s: %s"):format(field, why)) end
  local list = listed(options, filter)
  if kelp.settings.output == "json" then
    local described_list = kelp.json.array {}
    for position, connector in ipairs(list) do
      described_list[position] = described(connector)
    end
    print_document(described_list)
  elseif #list == 0 then
    io.stderr:write "no connectors\n"
  else
    print(kelp.show.table(list, { "name", "class", "type", "state", "tasks", "error" }))
  end
  return 0
end

return main(...)
