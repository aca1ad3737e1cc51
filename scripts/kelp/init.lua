-- kelp: the module that scripts require. Targets, values and errors come from
-- the C primitives in kelp.raw; what takes judgement is in the modules beside
-- this file.

local raw = require "kelp.raw"
local operation = require "kelp.operation"
local targets = require "kelp.targets"
local providers = require "kelp.providers"
local bulk = require "kelp.bulk"

local kelp = {
  --- The target of that name in the targets file.
  target = targets.named,

  --- A value that is never shown: kelp.secret "ENV_NAME", or { file = … } or
  --- { command = … }.
  secret = raw.secret,
  --- Many items, some at a time; see bulk.lua.
  each = bulk.each,
  map = bulk.map,
  async = bulk.async,
  --- once(label, fn): what fn returned the first time, also in a resumed run.
  once = require "kelp.once",
  --- Waits without holding up other tasks.
  sleep = raw.sleep,
  --- encode, decode and null: exact with integers of up to 64 bits.
  json = raw.json,
  --- JSON's null; as a value in update it removes the key.
  null = raw.json.null,
  --- What the program was called with: output, sim.
  settings = require "kelp.settings",
  show = require "kelp.show",
  --- help() and help "update" print what there is; at the prompt, where it is a global,
  --- `help` shows the same.
  help = setmetatable({}, {
    __call = function(_, topic) print(require("kelp.help").text(topic)) end,
    __tostring = function() return require("kelp.help").text() end,
  }),
}

-- kelp.NAME(options), for each provider: where a connector's API is; see the table of options in
-- README.md.
for _, provider in ipairs(providers.list) do
  kelp[provider.name] = function(options) return targets.make(provider, options) end
end

--- True when `value` is an error that a verb raised (of that kind, if given).
function kelp.is_error(value, kind)
  return raw.is_error(value) and (kind == nil or value.kind == kind)
end

--- True when `value` is a connector that a verb returned.
kelp.is_connector = raw.is_connector

operation.install()
raw.at_prompt(kelp.show.value, { help = kelp.help })

return kelp
