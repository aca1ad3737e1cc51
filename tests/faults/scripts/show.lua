-- show: what verbs return and raise, as JSON on one line of output, and the most memory that this
-- process has used.
local kelp = require "kelp"

local show = {}

local function connector(c)
  return { name = c.name, id = c.id, state = c.state, class = c.class, type = c.type,
           error = c.error, created = c.created, config = c.config, topics = c.topics }
end

function show.value(value)
  if kelp.is_connector(value) then return { ok = connector(value) } end
  if type(value) ~= "table" then return { ok = value == nil and true or value } end
  local list = {}
  for i, one in ipairs(value) do list[i] = kelp.is_connector(one) and connector(one) or one end
  return { ok = list, count = #list }
end

local fields = { "kind", "message", "status", "code", "sent", "attempts", "retry_after", "paused",
                 "cause", "connector", "verb", "provider", "ids", "keys", "id", "retryable" }

function show.failure(failure)
  if not kelp.is_error(failure) then return { misuse = tostring(failure) } end
  local result = { text = tostring(failure) }
  for _, field in ipairs(fields) do result[field] = failure[field] end
  return result
end

-- In MiB, as the kernel counts it.
local function peak()
  for line in io.lines "/proc/self/status" do
    local size = line:match "^VmHWM:%s*(%d+) kB"
    if size then return tonumber(size) / 1024 end
  end
end

function show.results(results, more)
  local out = { results = results, peak = peak() }
  for key, value in pairs(more or {}) do out[key] = value end
  print(kelp.json.encode(out))
end

return show
