-- between: which translation leads from one provider to another.

local translate = require "translate.managed"

local function as_it_is(record)
  return translate.copy(record, function() return false end)
end

local ways = {
  -- Upstash ran the plugins that anybody can run.
  upstash = { confluent = translate.connector, connect = as_it_is },
}

--- The function that translates a record (see translate.connector) from a place of the provider
--- `from` to one of the provider `to`, another one; nil: there is none.
return function(from, to)
  return ways[from] and ways[from][to]
end
