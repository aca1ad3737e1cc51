-- routes: finds the entry for a path whose segments are fixed words or names.
-- A pattern is written "connectors/{name}/config"; a name is handed on decoded.

local text = require "simulator.text"

local routes = {}

-- entries: pattern -> anything. The result maps a path, below the prefix, to (entry, prefix ..
-- pattern, name, name, name), or nil and why: "unknown" or "encoding".
function routes.compile(prefix, entries)
  local root = {}
  for pattern, entry in pairs(entries) do
    local node = root
    for segment in pattern:gmatch("[^/]+") do
      local key = segment:find("^{") and "{}" or segment
      node[key] = node[key] or {}
      node = node[key]
    end
    node["/"] = { entry = entry, pattern = prefix .. pattern }
  end
  return function(path)
    if path:find("//", 1, true) or path:find("/$") then return nil, "unknown" end
    local node, first, second, third = root, nil, nil, nil
    for segment in path:gmatch("[^/]+") do
      local next_node = node[segment]
      if not next_node then
        next_node = node["{}"]
        if not next_node then return nil, "unknown" end
        local name = text.percent_decode(segment)
        if not name then return nil, "encoding" end
        if not first then first = name elseif not second then second = name else third = name end
      end
      node = next_node
    end
    local leaf = node["/"]
    if not leaf then return nil, "unknown" end
    return leaf.entry, leaf.pattern, first, second, third
  end
end

return routes
