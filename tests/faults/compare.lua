-- compare: `kelp compare.lua RUNS PROVIDER CLIENT FAULT` makes connectors with one client while one
-- fault meets each create once, and writes down what came of them; without arguments it lists what
-- there is to run; with `table` it prints the Markdown tables of what was written.
local bench = require "bench"
local kelp = require "kelp"

-- What happens to the first sending of each create. After it, the server is well again.
local faults = {
  { "answer lost", "forward", "rst" },
  { "connection closed", "forward", "fin" },
  { "closed, nothing done", "fin" },
  { "500 after", "forward", "status 500 Internal Server Error",
    'body {"error":{"code":500,"message":"internal"}}', "send" },
  { "500 before", "answer 500 Internal Server Error",
    'body {"error":{"code":500,"message":"internal"}}', "send" },
  { "garbage", "forward", "raw \\x16\\x03\\x01 not HTTP\\r\\n", "fin" },
  { "truncated", "forward", "send 25", "fin" },
  { "429", "answer 429 Too Many Requests", "header Retry-After: 1", "send" },
}

local clients = { "kelp", "curl --retry", "Python requests" }
local providers = { "upstash", "confluent" }
local outcomes = { "made once and said so", "duplicated", "lost", "made but called failed" }
local quote = bench.quote

local function request(provider, name)
  if provider == "confluent" then
    local config = { name = name }
    for key, value in pairs(bench.configs.confluent) do config[key] = tostring(value) end
    return "/connect/v1/environments/env-sim/clusters/lkc-sim/connectors",
      { name = name, config = config }, bench.user
  end
  return "/connector", { name = name, cluster_id = bench.upstash_cluster,
                         properties = bench.configs.upstash }, bench.email
end

-- Whether that client says that it made the connector.
local run = {}

run["kelp"] = function(provider, base_url, name)
  local target = { base_url = base_url, visibility_delay = 0.1, timeout = 10 }
  if provider == "confluent" then
    target.environment, target.cluster = "env-sim", "lkc-sim"
  else
    target.cluster = bench.upstash_cluster
  end
  local r = bench.kelp("call", { provider = provider, target = target,
      calls = { { "create", name, bench.configs[provider] } } },
    { CONFLUENT_CLOUD_API_KEY = bench.user, CONFLUENT_CLOUD_API_SECRET = bench.canary,
      UPSTASH_EMAIL = bench.email, UPSTASH_API_KEY = bench.canary })
  return r.code == 0
end

run["curl --retry"] = function(provider, base_url, name)
  local path, body, user = request(provider, name)
  local file = bench.write(bench.path "body", kelp.json.encode(body))
  local config = bench.write(bench.path "curl", ('user = "%s:%s"\n'):format(user, bench.canary))
  local ok = os.execute(("curl -q -sS --noproxy '*' --fail --retry 4 --retry-all-errors -m 60 "
    .. "-K %s -H 'Content-Type: application/json' -d @%s -o /dev/null %s 2>/dev/null"):format(
    quote(config), quote(file), quote(base_url .. path)))
  os.remove(file)
  os.remove(config)
  return ok == true
end

run["Python requests"] = function(provider, base_url, name)
  local path, body, user = request(provider, name)
  local file = bench.write(bench.path "body", kelp.json.encode(body))
  local ok = os.execute(("FAULTS_SECRET=%s python3 %s/compare_requests.py %s %s <%s "
    .. ">/dev/null 2>&1"):format(quote(bench.canary), quote(bench.here), quote(base_url .. path),
    quote(user), quote(file)))
  os.remove(file)
  return ok == true
end

local function results_path() return bench.folder .. "/compare.results" end

local function measure(runs, provider, client, fault)
  local world = bench.simulator()
  local proxy = bench.proxy("--upstream " .. world.url:match ":(%d+)$")
  local base_url = ("http://127.0.0.1:%d%s"):format(proxy.port,
    world[provider]:match "^%w+://[^/]*(/.*)$")
  local count = { 0, 0, 0, 0 }
  for i = 1, runs do
    local name = ("compared-%d"):format(i)
    proxy:add_fault { "POST", "/connector", times = 1, table.unpack(fault, 2) }
    local said = run[client](provider, base_url, name)
    local made = 0
    for _, effect in ipairs(proxy:effects()) do
      if effect.verb == "create" and effect.name == name then made = made + 1 end
    end
    local outcome = made > 1 and 2 or made == 0 and 3 or said and 1 or 4
    count[outcome] = count[outcome] + 1
  end
  bench.stop()
  local file = assert(io.open(results_path(), "a"))
  local words = { provider, client, fault[1], table.unpack(count) }
  assert(file:write(table.concat(words, "\t") .. "\n"))
  assert(file:close())
end

local function tables()
  local sums, detail = {}, {}
  for line in io.lines(results_path()) do
    local provider, client, fault, rest = line:match "^(.-)\t(.-)\t(.-)\t(.*)$"
    local key = provider .. client
    sums[key] = sums[key] or { 0, 0, 0, 0 }
    local i, said = 0, {}
    for n in rest:gmatch "%d+" do
      i = i + 1
      sums[key][i] = sums[key][i] + tonumber(n)
      if i > 1 and n ~= "0" then said[#said + 1] = n .. " " .. outcomes[i] end
    end
    detail[key] = detail[key] or {}
    detail[key][fault] = said
  end
  local titles = { upstash = "Names need not be unique (Upstash)",
                   confluent = "Names are unique (Confluent Cloud)" }
  for _, provider in ipairs(providers) do
    print(("\n%s\n\n| | %s |\n|---|%s"):format(titles[provider], table.concat(outcomes, " | "),
      ("---|"):rep(#outcomes)))
    for _, client in ipairs(clients) do
      local sum = sums[provider .. client]
      print(("| %s | %s |"):format(client, sum and table.concat(sum, " | ")
        or "not measured | | |"))
    end
  end
  print "\nWhat was not made once and said so, by fault:"
  for _, provider in ipairs(providers) do
    for _, client in ipairs(clients) do
      for _, fault in ipairs(faults) do
        local said = (detail[provider .. client] or {})[fault[1]] or {}
        if #said > 0 then
          print(("%s, %s, %s: %s"):format(provider, client, fault[1], table.concat(said, ", ")))
        end
      end
    end
  end
end

if arg[1] == nil then
  for _, provider in ipairs(providers) do
    for _, client in ipairs(clients) do
      for _, fault in ipairs(faults) do
        print(("%s\n%s\n%s"):format(provider, client, fault[1]))
      end
    end
  end
elseif arg[1] == "table" then
  tables()
else
  for _, fault in ipairs(faults) do
    if fault[1] == arg[4] then measure(math.tointeger(arg[1]), arg[2], arg[3], fault) end
  end
end
