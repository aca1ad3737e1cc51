-- Making targets: options, credentials from options, the environment and the targets file, and
-- addresses that a credential must not be sent to. Run by run.lua.
local kelp = require "kelp"
local lu = require "luaunit"
local support = require "support"

local function confluent(changes)
  local options = { environment = "env-1", cluster = "lkc-1", api_key = "KEY",
                    api_secret = "not-a-real-api-secret", base_url = "http://127.0.0.1:1" }
  for key, value in pairs(changes or {}) do
    options[key] = value ~= kelp.null and value or nil
  end
  return options
end

TestOptions = {}

function TestOptions:test_unknown_options_are_named()
  support.misuse("unknown option 'enviroment'", kelp.confluent, confluent { enviroment = "x" })
  support.misuse("unknown option 'token'", kelp.upstash,
    { cluster = "c", email = "a@example.com", api_key = "k", token = "t" })
  support.misuse("unknown option 'environment'", kelp.upstash,
    { cluster = "c", email = "a@example.com", api_key = "k", environment = "env-1" })
  support.misuse("unknown option", kelp.confluent, confluent { [1] = "x" })
end

function TestOptions:test_missing_options_are_named()
  support.misuse("option 'cluster' is missing", kelp.confluent, confluent { cluster = kelp.null })
  support.misuse("option 'environment' is missing", kelp.confluent,
    confluent { environment = kelp.null })
  support.misuse("option 'cluster' is missing", kelp.upstash, { email = "a", api_key = "k" })
  for _, value in ipairs { 1, "x", true } do
    support.misuse("a table of options expected, got " .. type(value), kelp.confluent, value)
  end
  support.misuse("a table of options expected", kelp.upstash)
end

function TestOptions:test_wrong_types_are_named()
  support.misuse("cluster must be a string", kelp.confluent, confluent { cluster = 1 })
  support.misuse("timeout must be a number", kelp.confluent, confluent { timeout = "5" })
  support.misuse("allow_http must be", kelp.confluent, confluent { allow_http = 1 })
  support.misuse("api_secret", kelp.confluent, confluent { api_secret = 1 })
  for _, seconds in ipairs { 0, -1, 0 / 0, math.huge, 1e9 } do
    support.misuse("timeout must be", kelp.confluent, confluent { timeout = seconds })
    support.misuse("connect_timeout must be", kelp.confluent,
      confluent { connect_timeout = seconds })
  end
end

function TestOptions:test_the_options_table_stays_the_callers()
  local options = confluent()
  local target = kelp.confluent(options)
  options.cluster, options.base_url = "lkc-2", "http://127.0.0.2:1"
  collectgarbage()
  lu.assertEquals(target.cluster, "lkc-1")
  lu.assertEquals(target.base_url, "http://127.0.0.1:1")
end

function TestOptions:test_base_url()
  for _, url in ipairs { "example.com", "ftp://example.com", "https://", "https:///x", "http://a b",
                         "https://user:pw@example.com", "https://example.com/?q=1",
                         "https://example.com/#f", "https://example.com\\x", "" } do
    lu.assertFalse(pcall(kelp.confluent, confluent { base_url = url }), url)
  end
  lu.assertEquals(kelp.confluent(confluent { base_url = "https://example.com/x//" }).base_url,
    "https://example.com/x")
end

function TestOptions:test_credentials_that_no_header_can_carry()
  support.misuse("colon", kelp.confluent, confluent { api_key = "a:b" })
  for _, bad in ipairs { "a\nb", "a\rb", "a\0b" } do
    lu.assertFalse(pcall(function()
      kelp.confluent(confluent { api_key = bad }):list()
    end))
    lu.assertFalse(pcall(function() kelp.confluent(confluent { api_secret = bad }):list() end))
    lu.assertFalse(pcall(function() kelp.confluent(confluent { token = bad }):list() end))
  end
end

function TestOptions:test_a_credential_with_a_line_end_is_not_sent()
  local server = support.scripted {}
  for _, options in ipairs { { api_secret = "not-a-real\r\nX-Injected: 1" },
                             { token = "not-a-real\r\nX-Injected: 1" } } do
    local target = server:confluent_target(options)
    local problem = support.raises("invalid", target.list, target)
    lu.assertEquals(problem.sent, "no")
    lu.assertNil(tostring(problem):find("not-a-real", 1, true))
  end
  lu.assertEquals(server:asked(), {})
end

function TestOptions:test_plain_http_only_to_this_machine()
  -- 192.0.2.0/24 is for documentation: nothing is there, and nothing may be sent there.
  local target = kelp.confluent(confluent { base_url = "http://192.0.2.1", connect_timeout = 1 })
  local problem = support.raises("invalid", target.list, target)
  lu.assertEquals(problem.sent, "no")
  lu.assertStrContains(problem.message, "http")
end

function TestOptions:test_an_unencrypted_server_is_no_https_server()
  local server = support.scripted {}
  local url = server.confluent:gsub("^http:", "https:")
  local target = server:confluent_target { base_url = url, timeout = 10 }
  local ok, problem = pcall(target.list, target)
  lu.assertFalse(ok)
  -- Which of the two is a matter of how fast the server gives up.
  lu.assertTrue(kelp.is_error(problem, "tls") or kelp.is_error(problem, "network"), problem)
  lu.assertEquals(problem.sent, "no")
  lu.assertEquals(server:asked(), {})
end

-- ---- the environment and the targets file, seen by a kelp of its own ----

TestEnvironment = {}

local function run(text, variables)
  return support.kelp({ "-e", text }, { env = variables })
end

local ENVIRONMENT = {
  CONFLUENT_CLOUD_API_KEY = "KEY", CONFLUENT_CLOUD_API_SECRET = "not-a-real-api-secret",
  UPSTASH_EMAIL = "somebody@example.com", UPSTASH_API_KEY = "not-a-real-upstash-key",
}

local function with(changes)
  local variables = {}
  for name, value in pairs(ENVIRONMENT) do variables[name] = value end
  for name, value in pairs(changes) do variables[name] = value or nil end
  return variables
end

function TestEnvironment:test_credentials_and_addresses()
  local server = support.scripted { { status = 200, body = "{}" }, { status = 200, body = "[]" } }
  local result = run([[
    print(#kelp.confluent { environment = "e", cluster = "c" }:list())
    print(#kelp.upstash { cluster = "c" }:list())]],
    with { CONFLUENT_CLOUD_REST_ENDPOINT = server.confluent, UPSTASH_API_URL = server.upstash })
  lu.assertEquals(result, { code = 0, how = "exit", out = "0\n0\n", err = "" })
  local asked = server:asked()
  lu.assertEquals(asked[1].headers.authorization, "Basic S0VZOm5vdC1hLXJlYWwtYXBpLXNlY3JldA==")
  lu.assertEquals(asked[2].headers.authorization,
    "Basic c29tZWJvZHlAZXhhbXBsZS5jb206bm90LWEtcmVhbC11cHN0YXNoLWtleQ==")
end

function TestEnvironment:test_addresses_default_to_the_providers()
  local result = run([[print(kelp.confluent { environment = "e", cluster = "c" }.base_url,
    kelp.upstash { cluster = "c" }.base_url)]], ENVIRONMENT)
  lu.assertEquals(result.out, "https://api.confluent.cloud\thttps://api.upstash.com/v2/kafka\n")
end

function TestEnvironment:test_half_a_pair_is_an_error()
  local cases = {
    { [[kelp.confluent { environment = "e", cluster = "c" }]], "CONFLUENT_CLOUD_API_KEY",
      "CONFLUENT_CLOUD_API_SECRET" },
    { [[kelp.upstash { cluster = "c" }]], "UPSTASH_EMAIL", "UPSTASH_API_KEY" },
  }
  for _, case in ipairs(cases) do
    for _, half in ipairs { { case[2], case[3] }, { case[3], case[2] } } do
      for _, nothing in ipairs { false, "" } do
        local result = run(case[1], with { [half[1]] = nothing })
        lu.assertEquals(result.code, 1)
        lu.assertStrContains(result.err, half[1])
        lu.assertNil(result.err:find("not-a-real", 1, true))
      end
    end
    local result = run(case[1], {})
    lu.assertEquals(result.code, 1)
    lu.assertStrContains(result.err, "no credentials")
    lu.assertStrContains(result.err, case[2])
    lu.assertStrContains(result.err, case[3])
  end
end

function TestEnvironment:test_options_win_over_the_environment()
  local server = support.scripted { { status = 200, body = "{}" } }
  run([[kelp.confluent { environment = "e", cluster = "c", api_key = "OTHER",
    api_secret = "not-a-real-other-secret" }:list()]],
    with { CONFLUENT_CLOUD_REST_ENDPOINT = server.confluent })
  lu.assertEquals(server:asked()[1].headers.authorization,
    "Basic T1RIRVI6bm90LWEtcmVhbC1vdGhlci1zZWNyZXQ=")
end

-- Writes a targets file and runs a script that sees it.
local function with_targets(text, script, mode, variables)
  local config = support.path "config"
  support.make_folder(config .. "/kelp")
  local path = support.write(config .. "/kelp/targets.lua", text)
  assert(os.execute(("chmod %s %s"):format(mode or "600", support.quote(path))))
  variables = with(variables or {})
  variables.XDG_CONFIG_HOME = config
  return run(script, variables)
end

local TARGETS = [[return {
  prod = { provider = "confluent", environment = "env-1", cluster = "lkc-1",
           api_key = env "PROD_KEY", api_secret = command "printf not-a-real-prod-secret",
           base_url = "http://127.0.0.1:1" },
  old = { provider = "upstash", cluster = "c", email = "a@example.com", api_key = env "NOT_SET" },
  odd = { provider = "elsewhere", url = "x" },
}]]

function TestEnvironment:test_targets_file()
  local result = with_targets(TARGETS, [[print(kelp.target "prod")]], nil, { PROD_KEY = "PRODKEY" })
  lu.assertEquals(result, { code = 0, how = "exit", err = "", out = "target confluent env-1/lkc-1\n" })
end

function TestEnvironment:test_targets_file_without_return()
  local result = with_targets(TARGETS:gsub("^return ", ""), [[print(kelp.target "prod".cluster)]], nil,
    { PROD_KEY = "PRODKEY" })
  lu.assertEquals(result.out, "lkc-1\n")
end

function TestEnvironment:test_targets_file_faults()
  local function fails(words, text, script, mode)
    local result = with_targets(text, script, mode, { PROD_KEY = "PRODKEY" })
    lu.assertEquals(result.code, 1)
    for _, word in ipairs(words) do lu.assertStrContains(result.err, word) end
  end
  fails({ "no target 'prdo'", "odd, old, prod" }, TARGETS, [[kelp.target "prdo"]])
  fails({ "NOT_SET" }, TARGETS, [[kelp.target "old"]])
  fails({ "odd", "provider must be" }, TARGETS, [[kelp.target "odd"]])
  fails({ "targets.lua", "read or written by others" }, TARGETS, [[kelp.target "prod"]], "640")
  fails({ "targets.lua", "read or written by others" }, TARGETS, [[kelp.target "prod"]], "604")
  fails({ "must return a table" }, "return 1", [[kelp.target "prod"]])
  fails({ "cannot be read" }, "return {", [[kelp.target "prod"]])
  fails({ "must be a table" }, "return { prod = 1 }", [[kelp.target "prod"]])
  fails({ "os" }, "return { prod = { provider = os.getenv 'X' } }", [[kelp.target "prod"]])
end

-- No way through code that is not the user's: what is wrong is in a file or the environment.
function TestEnvironment:test_a_described_target_is_refused_in_one_line()
  local function says(message, text, script, variables)
    local result = with_targets(text, script, nil, variables)
    lu.assertEquals(result.err, "kelp: error: (command line):1: invalid: " .. message .. "\n")
  end
  says("target 'c': unknown option 'frob'",
    'return { c = { provider = "connect", url = "http://localhost:1", frob = 1 } }',
    'kelp.target "c"')
  says("target 'connect': no address: set option url or environment variable KAFKA_CONNECT_URL",
    "return {}", 'kelp.target "connect"')
  says("target 'upstash': no credentials: set UPSTASH_EMAIL and UPSTASH_API_KEY", "return {}",
    'kelp.target "upstash"', { UPSTASH_EMAIL = false, UPSTASH_API_KEY = false,
                               UPSTASH_KAFKA_CLUSTER_ID = "c7" })
end

function TestEnvironment:test_the_environment_names_places()
  local result = run([[print(kelp.target "confluent", kelp.target "upstash")]], with {
    CONFLUENT_ENVIRONMENT_ID = "env-7", KAFKA_CLUSTER_ID = "lkc-7", UPSTASH_KAFKA_CLUSTER_ID = "c7" })
  lu.assertEquals(result.out, "target confluent env-7/lkc-7\ttarget upstash c7\n")
  result = run([[kelp.target "confluent"]], with { CONFLUENT_ENVIRONMENT_ID = "env-7" })
  lu.assertStrContains(result.err, "set KAFKA_CLUSTER_ID")
  result = run([[kelp.target "confluent"]], with {})
  lu.assertStrContains(result.err, "set CONFLUENT_ENVIRONMENT_ID")
end

function TestEnvironment:test_no_proxy_variable_is_obeyed()
  local server = support.scripted { { status = 200, body = "{}" } }
  local result = run([[print(#kelp.confluent { environment = "e", cluster = "c" }:list())]], with {
    CONFLUENT_CLOUD_REST_ENDPOINT = server.confluent, http_proxy = "http://127.0.0.1:1",
    HTTP_PROXY = "http://127.0.0.1:1", all_proxy = "http://127.0.0.1:1" })
  lu.assertEquals(result.out, "0\n")
end

function TestEnvironment:test_sim_never_leaves_the_machine()
  local server = support.scripted {}
  local result = support.kelp({ "--sim", "-e", [[
    local t = kelp.confluent { base_url = "]] .. server.confluent .. [[" }
    print(#t:list(), t.cluster, kelp.settings.sim ~= nil)]] },
    { env = with { CONFLUENT_CLOUD_REST_ENDPOINT = server.confluent } })
  lu.assertEquals(result.out, "5\tlkc-sim\ttrue\n")
  lu.assertEquals(server:asked(), {})
end
