-- call: makes the calls that a JSON file lists, and prints as JSON what came of each. Ends as the
-- first error would have ended it, so that the exit code is kelp's own.
local kelp = require "kelp"
local show = require "show"

local file = assert(io.open(arg[1], "rb"))
local spec = kelp.json.decode(file:read "a")
file:close()

-- {"$env": NAME} stands for the secret of that name.
local function resolved(config)
  for key, value in pairs(config) do
    if type(value) == "table" and value["$env"] then config[key] = kelp.secret(value["$env"]) end
  end
  return config
end

local ok, target = pcall(kelp[spec.provider], resolved(spec.target))
if not ok then
  show.results { show.failure(target) }
  error(target, 0)
end

local calls = {}

function calls.sleep(seconds) kelp.sleep(seconds) end

-- Until so many of that name are listed, as when a slow server gets round to it.
function calls.await_count(name, count)
  for _ = 1, 200 do
    local found = target:list { name = name }
    if #found >= count then return #found end
    kelp.sleep(0.05)
  end
  error(("there are never %d of %s"):format(count, name), 0)
end

-- What the script holds on to from before, used later.
local kept
function calls.keep(name) kept = target:get(name) end
function calls.delete_kept() return kept:delete() end

local results, failure = {}, nil
for i, call in ipairs(spec.calls) do
  local verb = table.remove(call, 1)
  if type(call[2]) == "table" then resolved(call[2]) end
  local done, value
  if calls[verb] then
    done, value = pcall(calls[verb], table.unpack(call))
  else
    done, value = pcall(target[verb], target, table.unpack(call))
  end
  results[i] = done and show.value(value) or show.failure(value)
  if not done then
    failure = { value }
    if not spec.go_on then break end
  end
end
show.results(results)
if failure then error(failure[1], 0) end
