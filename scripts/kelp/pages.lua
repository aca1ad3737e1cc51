-- pages: a list of connectors that a provider gives page by page, as one.

local raw = require "kelp.raw"

local pages = {}

local function fail(target, message)
  error(raw.error("protocol", message, { verb = "list", target = target.label,
    provider = target.provider, sent = "yes" }), 0)
end

--- The connectors of the target that `choose` wants, all when it is nil; see raw.exchange.
--- `options` are those of the exchange, or nil.
function pages.list(target, choose, options)
  local all, page = raw.exchange(target, "list", nil, choose, options)
  local seen = {}
  while page do
    -- A server that names the same page again would never come to an end.
    if seen[page] then fail(target, "unexpected response: the list names a page twice") end
    seen[page] = true
    local more = { page = page }
    for key, value in pairs(options or {}) do more[key] = value end
    local list, after = raw.exchange(target, "list", nil, choose, more)
    table.move(list, 1, #list, #all + 1, all)
    page = after
  end
  return all
end

--- raw.exchange, but of a whole list.
function pages.exchange(target, verb, at, config, options)
  if verb == "list" then return pages.list(target, config, options) end
  return raw.exchange(target, verb, at, config, options)
end

return pages
