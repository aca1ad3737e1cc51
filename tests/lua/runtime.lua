-- The program itself: how scripts are found, called and interrupted, what they find loaded, and
-- with which code it ends. Run by run.lua.
local kelp = require "kelp"
local lu = require "luaunit"
local support = require "support"

local function script(text, name)
  return support.write(support.path(name or "script.lua"), text)
end

-- Runs kelp and expects this exit code.
local function run(code, arguments, what)
  local result = support.kelp(arguments, what)
  lu.assertEquals({ result.how, result.code }, { "exit", code },
    "standard error was: " .. result.err)
  return result
end

TestProgram = {}

function TestProgram:test_a_script_gets_its_arguments()
  local path = script "print(arg[0], #arg, arg[1], arg[2], ...) print(arg[-1] ~= nil)"
  local result = run(0, { path, "a", "--sim" })
  lu.assertEquals(result.out, path .. "\t2\ta\t--sim\ta\t--sim\ntrue\n")
  lu.assertEquals(result.err, "")
end

function TestProgram:test_options_before_the_script_have_negative_indices()
  local path = script "print(arg[-1], arg[-2])"
  lu.assertEquals(run(0, { "--log", "error", path }).out, "error\t--log\n")
end

function TestProgram:test_statements()
  lu.assertEquals(run(0, { "-e", "x = 1", "-e", "print(x, kelp ~= nil)" }).out, "1\ttrue\n")
  lu.assertEquals(run(0, { "-eprint(2)" }).out, "2\n")
  lu.assertEquals(run(0, { "-e", "x = 1", script "print(x, ...)", "y" }).out, "1\ty\n")
  lu.assertEquals(run(0, { "-e", "" }).out, "")
end

function TestProgram:test_modules()
  lu.assertEquals(run(0, { "-l", "kelp.show", "-e", "print(type(_G['kelp.show']))" }).out, "table\n")
  lu.assertEquals(run(0, { "-l", "s=kelp.show", "-e", "print(type(s.value))" }).out, "function\n")
  lu.assertEquals(run(0, { "-e", "print(k)", "-l", "k=kelp", "-e", "print(type(k))" }).out,
    "nil\ntable\n")
  lu.assertStrContains(run(1, { "-l", "nosuchmodule" }).err, "nosuchmodule")
end

function TestProgram:test_standard_input()
  lu.assertEquals(run(0, {}, { stdin = "print('in', ...)" }).out, "in\n")
  lu.assertEquals(run(0, { "-", "a", "b" }, { stdin = "print(arg[0], ...)" }).out, "-\ta\tb\n")
  lu.assertEquals(run(0, {}, { stdin = "#!/usr/bin/env kelp\nprint 'after #!'" }).out, "after #!\n")
  lu.assertEquals(run(0, {}, { stdin = "" }).out, "")
  lu.assertStrContains(run(1, {}, { stdin = "x = = 1" }).err, "stdin:1:")
end

function TestProgram:test_a_first_line_for_the_shell_keeps_line_numbers()
  local path = script "#!/usr/bin/env kelp\nerror 'here'\n"
  lu.assertStrContains(run(1, { path }).err, path .. ":2: here")
end

function TestProgram:test_two_dashes_end_the_options()
  local path = script "print(...)"
  lu.assertEquals(run(0, { "--", path, "-e" }).out, "-e\n")
end

function TestProgram:test_version_and_help()
  lu.assertStrMatches(run(0, { "-v" }).out, "kelp %d+%.%d+%.%d+ %(Lua 5%.4%.%d+%)\n")
  lu.assertEquals(run(0, { "--version" }).out, run(0, { "-v" }).out)
  lu.assertEquals(run(0, { "-v", "-e", "print(1)" }).out, run(0, { "-v" }).out .. "1\n")
  local help = run(0, { "--help" }).out
  for _, option in ipairs { "-e", "-l", "-i", "-v", "--sim", "--output", "--log", "--timeout" } do
    lu.assertStrContains(help, option)
  end
  lu.assertStrContains(run(0, { "sim", "--help" }).out, "--provisioning")
  lu.assertStrContains(run(0, { "list", "--help" }).out, "kelp list")
end

function TestProgram:test_wrong_use_is_exit_2_and_says_why()
  local cases = {
    { { "--nosuch" }, "'--nosuch'" }, { { "-x" }, "'-x'" }, { { "--output", "xml" }, "--output" },
    { { "--timeout", "0" }, "--timeout" }, { { "--rate=abc" }, "abc" }, { { "-e" }, "-e" },
    { { "--concurrency", "1.5" }, "1.5" }, { { "--log", "loud" }, "loud" },
    { { "nosuchcommand" }, "nosuchcommand" }, { { "sim", "--nosuch" }, "nosuch" },
    { { "--sim=yes" }, "--sim" },
  }
  for _, case in ipairs(cases) do
    local result = run(2, case[1])
    lu.assertStrContains(result.err, case[2])
    lu.assertEquals(result.out, "")
  end
  lu.assertStrContains(run(2, { "nosuchcommand" }).err, "list") -- it tells the commands there are
end

function TestProgram:test_a_missing_script()
  local result = run(1, { "/nowhere/script.lua" })
  lu.assertStrContains(result.err, "/nowhere/script.lua")
end

function TestProgram:test_compiled_chunks_are_not_run()
  local chunk = string.dump(load "print 'it ran'")
  for _, result in ipairs { run(1, { script(chunk) }), run(1, {}, { stdin = chunk }) } do
    lu.assertEquals(result.out, "")
    lu.assertStrContains(result.err, "binary chunk")
  end
end

TestExit = {}

function TestExit:test_what_a_script_returns()
  for returned, code in pairs { [""] = 0, ["return 0"] = 0, ["return 3"] = 3, ["return 'x'"] = 0,
                                ["return nil"] = 0, ["return true"] = 0, ["return 255"] = 255,
                                ["return 256"] = 1, ["return -1"] = 1 } do
    run(code, { script(returned) })
  end
  run(5, { script "os.exit(5)" })
  run(1, { script "os.exit(false)" })
end

function TestExit:test_a_raised_error()
  lu.assertStrContains(run(1, { script "error 'no'" }).err, "no")
  lu.assertStrContains(run(1, { "-e", "error {}" }).err, "table")
  lu.assertStrContains(run(1, { "-e", "error()" }).err, "nil")
  lu.assertStrContains(run(1, { "-e", "x = = 1" }).err, "command line")
  lu.assertEquals(run(1, { "-e", "error 'no'", "-e", "print 'not reached'" }).out, "")
  local odd = [[error(setmetatable({}, { __tostring = function() error "again" end }))]]
  run(1, { "-e", odd })
end

function TestExit:test_a_provider_error()
  local path = script [[
kelp = require "kelp"
local target = kelp.confluent {}
target:get "nothing"
]]
  local result = run(1, { "--sim", path })
  lu.assertStrContains(result.err, path .. ":3: get nothing on confluent env-sim/lkc-sim: "
    .. "not_found: resource not found (HTTP 404")
  lu.assertNil(result.err:find("traceback", 1, true))
end

function TestExit:test_an_unknown_outcome_is_4()
  local sim = support.start "--latency 60000"
  local result = run(4, { "--timeout", "0.2", "-e", [[
    kelp.confluent { environment = "env-sim", cluster = "lkc-sim" }:create("new", { a = "b" })]] },
    { env = { CONFLUENT_CLOUD_REST_ENDPOINT = sim.confluent, CONFLUENT_CLOUD_API_KEY = "KEY",
              CONFLUENT_CLOUD_API_SECRET = "not-a-real-api-secret" } })
  lu.assertStrContains(result.err, "unknown_outcome")
  lu.assertStrContains(result.err, "new")
  sim:stop()
end

function TestExit:test_output_that_cannot_be_written_is_an_error()
  for _, text in ipairs { "print(1)", "io.write 'x'", "io.stdout:write('x')" } do
    local result = run(1, { "-e", text }, { stdout = "/dev/full" })
    lu.assertStrContains(result.err, "No space left")
  end
  for _, arguments in ipairs { { "--help" }, { "--version" }, { "-v" } } do
    run(1, arguments, { stdout = "/dev/full" })
  end
  run(1, { "--sim", "list" }, { stdout = "/dev/full" })
end

function TestExit:test_print_and_write_keep_their_order()
  lu.assertEquals(run(0, { "-e", "io.write 'a' print 'b' io.write 'c\\n' print 'd'" }).out,
    "ab\nc\nd\n")
end

TestTraceback = {}

function TestTraceback:test_lines_of_the_script_and_names_of_built_in_files()
  local path = script [[
local kelp = require "kelp"
local function inner()
  kelp.confluent({}):get(17)
end
local function outer()
  inner()
  return 1
end
outer()
]]
  local err = run(1, { "--sim", path }).err
  lu.assertStrContains(err, "stack traceback:")
  lu.assertStrContains(err, path .. ":3: in upvalue 'inner'")
  lu.assertStrContains(err, path .. ":6: in local 'outer'")
  lu.assertStrContains(err, "builtin/kelp/verbs/read.lua:")
end

function TestTraceback:test_misuse_names_the_line_of_the_script()
  local path = script "local kelp = require 'kelp'\nkelp.confluent({}):pause('a', { b = 1 })\n"
  lu.assertStrContains(run(1, { "--sim", path }).err, path .. ":2: pause: unknown option 'b'")
end

TestModules = {}

function TestModules:setUp()
  self.folder = support.make_folder(support.path "folder")
end

function TestModules:test_a_module_beside_the_script()
  support.write(self.folder .. "/beside.lua", "return 'beside'")
  support.make_folder(self.folder .. "/inner")
  support.write(self.folder .. "/inner/init.lua", "return 'inner'")
  local path = support.write(self.folder .. "/main.lua", "print((require 'beside'), (require 'inner'))")
  lu.assertEquals(run(0, { path }).out, "beside\tinner\n")
  lu.assertEquals(run(0, { "main.lua" }, { folder = self.folder }).out, "beside\tinner\n")
  assert(os.execute(("ln -s %s %s"):format(support.quote(path),
    support.quote(support.folder() .. "/link.lua"))))
  lu.assertEquals(run(0, { support.folder() .. "/link.lua" }).out, "beside\tinner\n")
end

function TestModules:test_the_current_folder_is_not_searched()
  support.write(self.folder .. "/evil.lua", "print 'it ran'")
  for _, variable in ipairs { "LUA_PATH", "LUA_PATH_5_4" } do
    local result = run(1, { "-e", "require 'evil'" },
      { folder = self.folder, env = { [variable] = "./?.lua;?.lua;;" } })
    lu.assertEquals(result.out, "")
  end
  local result = run(0, { "-e", [[
    for entry in (package.path .. ";" .. package.cpath):gmatch "[^;]+" do
      assert(entry:sub(1, 1) == "/", entry)
    end
    print(#package.path > 0, #package.cpath > 0)]] }, { folder = self.folder })
  lu.assertEquals(result.out, "true\ttrue\n")
end

function TestModules:test_absolute_entries_of_lua_path_are_obeyed()
  support.write(self.folder .. "/found.lua", "return 'found'")
  lu.assertEquals(run(0, { "-e", "print((require 'found'))" },
    { env = { LUA_PATH = self.folder .. "/?.lua" } }).out, "found\n")
end

function TestModules:test_built_in_modules()
  lu.assertEquals(run(0, { "-e", [[
    print(require "cjson".encode { 1 }, require "argparse" ~= nil, require "kelp" == kelp)
    print(pcall(require, "kelp/show"))]] }).out:match "[^\n]*", "[1]\ttrue\ttrue")
end

function TestModules:test_a_script_cannot_break_the_codec_through_cjson()
  lu.assertEquals(run(0, { "-e", [=[
    local cjson = require "cjson"
    cjson.encode_number_precision(1)
    cjson.decode_max_depth(1)
    print(kelp.json.encode { a = { 0.123456789 } }, kelp.json.decode "[[[1]]]"[1][1][1])]=] }).out,
    '{"a":[0.123456789]}\t1\n')
end

function TestModules:test_exact_integers()
  for _, text in ipairs { "1712907333000000", "9223372036854775807", "-9223372036854775808",
                          "9007199254740993", "123456789012345678", "0" } do
    local value = kelp.json.decode(text)
    lu.assertEquals(math.type(value), "integer")
    lu.assertEquals(("%d"):format(value), text)
    lu.assertEquals(kelp.json.encode(value), text)
    lu.assertEquals(kelp.json.encode(kelp.json.decode('{"a":[' .. text .. "]}")),
      '{"a":[' .. text .. "]}")
  end
  lu.assertEquals(math.type(kelp.json.decode "1e3"), "integer")
  lu.assertEquals(kelp.json.decode(kelp.json.encode(0.1 + 0.2)), 0.1 + 0.2)
  lu.assertStrContains(support.misuse("invalid JSON", kelp.json.decode, "92233720368547758080"),
    "92233720368547758080")
  lu.assertIs(kelp.json.decode "null", kelp.null)
  lu.assertEquals(kelp.json.encode(kelp.json.decode "[]"), "[]")
  lu.assertEquals(kelp.json.encode {}, "{}")
end

function TestModules:test_scripts_from_a_folder_override_the_built_in_ones()
  support.make_folder(self.folder .. "/kelp")
  support.write(self.folder .. "/kelp/show.lua", "return { value = function() return 'mine' end }")
  lu.assertEquals(run(0, { "-e", "print(kelp.show.value(1))" },
    { env = { KELP_SCRIPTS = self.folder } }).out, "mine\n")
  support.write(self.folder .. "/kelp/show.lua", "x = = 1")
  lu.assertStrContains(run(1, { "-e", "print(1)" }, { env = { KELP_SCRIPTS = self.folder } }).err,
    self.folder .. "/kelp/show.lua:1:")
end

TestCommands = {}

function TestCommands:setUp()
  self.config = support.path "config"
  support.make_folder(self.config .. "/kelp/commands")
end

function TestCommands:own(name, text)
  support.write(self.config .. "/kelp/commands/" .. name .. ".lua", text)
end

function TestCommands:test_a_command_of_ones_own()
  self:own("hello", "print('hello', arg[0], ...) return 7")
  local env = { XDG_CONFIG_HOME = self.config }
  lu.assertEquals(run(7, { "hello", "a", "-e" }, { env = env }).out, "hello\thello\ta\t-e\n")
end

function TestCommands:test_it_is_found_below_home()
  local home = support.folder() .. "/.config/kelp/commands"
  support.make_folder(home)
  support.write(home .. "/homely.lua", "print 'at home'")
  lu.assertEquals(run(0, { "homely" }).out, "at home\n")
  os.remove(home .. "/homely.lua")
end

function TestCommands:test_it_overrides_a_built_in_one()
  lu.assertNil(run(0, { "--sim", "list" }, { env = { XDG_CONFIG_HOME = self.config } }).out
    :find "mine")
  self:own("list", "print 'mine'")
  lu.assertEquals(run(0, { "list" }, { env = { XDG_CONFIG_HOME = self.config } }).out, "mine\n")
end

function TestCommands:test_it_finds_modules_beside_itself()
  self:own("helper", "return 'helped'")
  self:own("hello", "print((require 'helper'))")
  lu.assertEquals(run(0, { "hello" }, { env = { XDG_CONFIG_HOME = self.config } }).out, "helped\n")
end

function TestCommands:test_a_broken_one_is_no_unknown_one()
  self:own("hello", "x = = 1")
  lu.assertStrContains(run(1, { "hello" }, { env = { XDG_CONFIG_HOME = self.config } }).err,
    "commands/hello.lua:1:")
end

function TestCommands:test_a_name_is_no_path()
  for _, name in ipairs { "..", ".", "a b", "%s", "../commands/list" } do
    lu.assertNotEquals(support.kelp({ name }).code, 0, name)
  end
end

function TestCommands:test_list_as_text_and_json()
  local text = run(0, { "--sim", "list", "confluent" }).out
  lu.assertStrContains(text, "orders-to-s3")
  lu.assertStrContains(text, "payments-sink")
  local list = kelp.json.decode(run(0, { "--sim", "--output", "json", "list", "upstash" }).out)
  lu.assertEquals(#list, 4)
  lu.assertEquals(list[1].name, "catalog-mongo-source")
  list = kelp.json.decode(run(0, { "--output=json", "list", "--file",
    support.root .. "/tests/fixtures/upstash-connectors.json" }).out)
  lu.assertEquals(#list, 12)
  lu.assertEquals(run(0, { "--output", "json", "-e", "print(kelp.settings.output)" }).out, "json\n")
  lu.assertEquals(run(0, { "-e", "print(kelp.settings.output)" }).out, "text\n")
end

TestHelp = {}

-- What there is and what help tells of are the same.
function TestHelp:test_everything_has_a_topic()
  local raw = require "kelp.raw"
  local there, topics = {}, require("kelp.help").names()
  for name, value in pairs(raw.target_metatable.methods) do
    if type(value) == "function" then there[#there + 1] = name end
  end
  for name in pairs(kelp) do there[#there + 1] = name end
  table.sort(there)
  table.sort(topics)
  lu.assertEquals(topics, there)
end

function TestHelp:test_it_fits_a_terminal_and_ends_with_a_line()
  local out = run(0, { "-e", "kelp.help()" }).out
  lu.assertEquals(out, tostring(kelp.help) .. "\n")
  for line in out:gmatch "[^\n]+" do lu.assertTrue(utf8.len(line) <= 100, line) end
end

function TestHelp:test_one_topic_by_each_of_its_names()
  local text = run(0, { "-e", "kelp.help 'update'" }).out
  lu.assertStrContains(text, "update(name, changes, opts): changes these keys")
  lu.assertStrContains(text, "kelp.null")
  lu.assertStrContains(run(0, { "-e", "kelp.help 'kelp.each'" }).out, "report:assert()")
  lu.assertStrContains(run(0, { "-e", "kelp.help 'target:list'" }).out, "state = \"failed\"")
  support.misuse("no topic 'updat'", kelp.help, "updat")
  support.misuse("a topic's name expected, got number", kelp.help, 7)
end

-- A SIGINT ends whatever the script does, soon, with code 130. Under a slow instrumented build
-- "soon" is still far below the minute after which support.interrupt gives up.
TestInterrupt = {}

local function interrupted(text, arguments)
  local result, seconds = support.interrupt(text, arguments)
  lu.assertEquals({ result.how, result.code }, { "exit", 130 }, result.err)
  lu.assertTrue(seconds < 20, ("it took %g s"):format(seconds))
  lu.assertTrue(result.err:find "interrupted" ~= nil or result.err:find "cancelled" ~= nil, result.err)
  return result
end

function TestInterrupt:test_a_loop()
  interrupted "here() while true do end"
end

function TestInterrupt:test_a_loop_of_protected_calls()
  interrupted [[here() while true do pcall(function() while true do end end) end]]
  interrupted [[here() while true do pcall(pcall, error) end]]
end

function TestInterrupt:test_a_loop_in_a_coroutine()
  interrupted [[coroutine.wrap(function() here() while true do end end)()]]
  interrupted [[
    local co = coroutine.create(function() here() while true do end end)
    local ok, problem = coroutine.resume(co)
    error(problem, 0)]]
  interrupted [[
    coroutine.resume(coroutine.create(function() here() while true do end end))
    while true do end]]
end

function TestInterrupt:test_a_loop_of_coroutines()
  interrupted [[here() while true do coroutine.wrap(function() coroutine.yield() end)() end]]
end

function TestInterrupt:test_a_sleep()
  interrupted [[here() require "kelp".sleep(1000)]]
end

function TestInterrupt:test_a_sleep_in_a_coroutine()
  interrupted [[coroutine.wrap(function() here() require "kelp".sleep(1000) end)()]]
end

function TestInterrupt:test_a_request()
  local sim = support.start "--latency 60000"
  interrupted(([[
    local target = require "kelp".confluent { base_url = %q, environment = "e", cluster = "c",
      api_key = "KEY", api_secret = "not-a-real-api-secret" }
    here()
    target:list()]]):format(sim.confluent))
  sim:stop()
end

function TestInterrupt:test_a_wait()
  interrupted([[
    local target = require "kelp".confluent {}
    here()
    target:wait("search-index", { timeout = 1000 })]], { "--sim" })
end

function TestInterrupt:test_closing_and_protected_code_gets_to_clean_up()
  local result = interrupted [[
    local closed <close> = setmetatable({}, { __close = function() print "closed" end })
    local ok, problem = pcall(function() here() while true do end end)
    print(ok, require "kelp".is_error(problem, "cancelled"))
    error(problem, 0)]]
  lu.assertStrContains(result.out, "false\ttrue\nclosed\n")
end

function TestInterrupt:test_the_simulator_ends_in_order()
  local state = support.path "state.json"
  local pipe = assert(io.popen(("echo $$; exec %s sim --port 0 --state %s"):format(
    support.quote(support.program), support.quote(state)), "r"))
  local pid = pipe:read "n"
  pipe:read "l"
  lu.assertStrContains(pipe:read "l", '"url"')
  assert(os.execute(("kill -INT %d"):format(pid)))
  lu.assertEquals({ pipe:close() }, { true, "exit", 0 })
  lu.assertEquals(#kelp.json.decode(support.read(state)).upstash[support.upstash_cluster], 4)
end

-- Calls from where Lua cannot yield run the engine until their own answer is there.
TestCalls = {}

function TestCalls:setUp()
  support.simulator():reset()
  self.target = support.simulator():confluent_target()
end

function TestCalls:test_in_coroutines()
  local list = coroutine.wrap(function() return self.target:list() end)()
  lu.assertEquals(#list, 5)
  local co = coroutine.create(function(...)
    local got = coroutine.yield(#self.target:list(), ...)
    return got, #self.target:list { type = "sink" }
  end)
  lu.assertEquals({ coroutine.resume(co, "a") }, { true, 5, "a" })
  lu.assertEquals({ coroutine.resume(co, "b") }, { true, "b", 4 })
  lu.assertEquals(coroutine.status(co), "dead")
  local nested = coroutine.wrap(function()
    return coroutine.wrap(function() return self.target:get("orders-to-s3").state end)()
  end)
  lu.assertEquals(nested(), "running")
  local ok, problem = coroutine.resume(coroutine.create(function() self.target:get "nothing" end))
  lu.assertFalse(ok)
  lu.assertTrue(kelp.is_error(problem, "not_found"))
end

function TestCalls:test_where_lua_cannot_yield()
  local names = { "search-index", "orders-to-s3" }
  table.sort(names, function(a, b)
    return #self.target:get(a).tasks < #self.target:get(b).tasks
  end)
  lu.assertEquals(names[2], "orders-to-s3")
  lu.assertEquals((("orders-to-s3"):gsub(".+", function(name)
    return self.target:get(name).state
  end)), "running")
  local lazy = setmetatable({}, { __index = function(_, name) return self.target:get(name).class end })
  lu.assertEquals(lazy["orders-to-s3"], "S3_SINK")
  lu.assertEquals(load(function()
    self.target:list()
    return nil
  end) ~= nil, true)
  local shown = tostring(setmetatable({}, { __tostring = function()
    return self.target:get("payments-sink").state
  end }))
  lu.assertEquals(shown, "failed")
  lu.assertStrContains(support.raises("not_found", table.sort, { 1, 2 }, function()
    self.target:get "nothing"
  end).message, "not found")
end

function TestCalls:test_sleep()
  local raw = require "kelp.raw"
  local start = raw.now()
  kelp.sleep(0.05)
  coroutine.wrap(function() kelp.sleep(0.05) end)()
  local seconds = raw.now() - start
  lu.assertTrue(seconds >= 0.1 and seconds < 10, seconds)
  kelp.sleep(0)
  for _, value in ipairs { -1, 0 / 0, "x", 1e10 } do lu.assertFalse(pcall(kelp.sleep, value)) end
end

function TestCalls:test_an_abandoned_coroutine_leaves_nothing()
  local co = coroutine.create(function()
    self.target:list()
    coroutine.yield()
    self.target:list()
  end)
  coroutine.resume(co)
  co = nil -- the check after the test looks for what it left
end

function TestCalls:test_connections_are_used_again()
  local server = support.scripted {}
  local replies = {}
  for i = 1, 200 do replies[i] = { status = 200, body = "{}" } end
  local target = support.scripted(replies):confluent_target()
  for _ = 1, 200 do target:list() end
  lu.assertEquals(#server:asked(), 200)
end
