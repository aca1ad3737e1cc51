-- providers: what Lua knows of the registered providers (see raw.providers), in the registry's
-- order, and by name.

local raw = require "kelp.raw"

local providers = { list = raw.providers, by_name = {} }

for _, provider in ipairs(providers.list) do providers.by_name[provider.name] = provider end

--- "'a', 'b' or 'c'": the names of all, for a message.
function providers.names(word)
  local quoted = {}
  for i, provider in ipairs(providers.list) do quoted[i] = ("'%s'"):format(provider.name) end
  local last = table.remove(quoted)
  if #quoted == 0 then return last end
  return table.concat(quoted, ", ") .. (" %s "):format(word or "or") .. last
end

return providers
