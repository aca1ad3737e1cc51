-- kelp.show: every kind of value, what it hides, what it makes harmless, and the shape of tables.
-- Runs under kelp, or under plain lua5.4 with the scripts folder in LUA_PATH.
local lu = require "luaunit"
local show = require "kelp.show"

local METATABLE = { __name = "kelp.connector", __index = { wait = function() end } }

local function connector(fields)
  return setmetatable(fields, METATABLE)
end

local function tasks(...)
  local list = {}
  for i, state in ipairs { ... } do list[i] = { id = i - 1, state = state } end
  return list
end

local function lines_of(text)
  local lines = {}
  for line in (text .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = line end
  return lines
end

TestValue = {}

function TestValue:test_scalars()
  lu.assertEquals(show.value(nil), "nil")
  lu.assertEquals(show.value(true), "true")
  lu.assertEquals(show.value(1712907333000000), "1712907333000000")
  lu.assertEquals(show.value(2.0), "2.0")
  lu.assertEquals(tonumber(show.value(0.1 + 0.2)), 0.1 + 0.2)
  lu.assertEquals(show.value(0 / 0), "nan")
  lu.assertEquals(show.value(-math.huge), "-inf")
  lu.assertStrMatches(show.value(print), "function: .+")
end

function TestValue:test_strings_are_quoted_only_inside()
  lu.assertEquals(show.value 'say "hi"\n\tand go', 'say "hi"\n\tand go')
  lu.assertEquals(show.value { 'say "hi"\n\tand \\go' }, '{ "say \\"hi\\"\\n\\tand \\\\go" }')
end

-- As text_deceptive of runtime/base/text.c has them.
function TestValue:test_what_deceives_a_reader_is_escaped()
  local function escaped(text)
    return (text:gsub(".", function(c) return ("\\x%02x"):format(c:byte()) end))
  end
  for _, code in ipairs { 0x80, 0x85, 0x9b, 0x9f, 0x61c, 0x180e, 0x200b, 0x200f, 0x2028, 0x202a,
      0x202e, 0x2060, 0x2066, 0x2069, 0x206f, 0xfeff, 0xfff9, 0xe0001, 0xe007f } do
    local c = utf8.char(code)
    lu.assertEquals(show.value("a" .. c .. "b"), "a" .. escaped(c) .. "b")
    lu.assertEquals(show.line(c), escaped(c))
    lu.assertEquals(show.value { [c] = c }, ('{ ["%s"] = "%s" }'):format(escaped(c), escaped(c)))
    lu.assertEquals(show.table({ { a = c } }, { "a" }):match "\n(.*)", escaped(c))
    lu.assertEquals(show.value(connector { name = c }), "connector " .. escaped(c))
  end
  for _, code in ipairs { 0xa0, 0xe9, 0x300, 0x2010, 0x2030, 0x2070, 0x65e5, 0x1f600, 0xe0100 } do
    lu.assertEquals(show.value("a" .. utf8.char(code)), "a" .. utf8.char(code))
  end
end

function TestValue:test_control_bytes_are_escaped()
  lu.assertEquals(show.value "\27[2J\0\127\rx", "\\x1b[2J\\x00\\x7f\\x0dx")
  lu.assertEquals(show.value "a\255b\xC3\xA9\xC2\x9Bc\xE2\x82", "a\\xffb\xC3\xA9\\xc2\\x9bc\\xe2\\x82")
  lu.assertEquals(show.value "\u{80}\u{9F}\u{A0}", "\\xc2\\x80\\xc2\\x9f\u{A0}")
  lu.assertEquals(show.value "\xED\xA0\x80", "\\xed\\xa0\\x80")
  lu.assertEquals(show.value { ["\27k"] = "\27" }, '{ ["\\x1bk"] = "\\x1b" }')
  lu.assertEquals(show.value(setmetatable({}, { __tostring = function() return "\27c" end })), "\\x1bc")
end

function TestValue:test_every_byte_alone_and_in_a_table()
  for byte = 0, 255 do
    for _, text in ipairs { show.value(string.char(byte)), show.value { string.char(byte) },
                            show.table({ { a = string.char(byte) } }, { "a" }) } do
      lu.assertNotNil(utf8.len(text), ("byte %d"):format(byte))
      lu.assertNil(text:find("[\0-\8\11-\31\127]"), ("byte %d"):format(byte))
    end
  end
end

function TestValue:test_keys_are_sorted_numbers_first()
  lu.assertEquals(show.value { b = 1, a = 2, [10] = 3, [-1] = 4, [2.5] = 5, [true] = 6, "x", ["end"] = 7 },
    '{ "x", [-1] = 4, [2.5] = 5, [10] = 3, a = 2, b = 1, ["end"] = 7, [true] = 6 }')
end

function TestValue:test_nested_tables_are_indented_when_they_do_not_fit()
  local value = { name = "orders", config = { ["topics"] = "a", ["flush.size"] = "5000" }, tags = {} }
  lu.assertEquals(show.value(value),
    '{ config = { ["flush.size"] = "5000", topics = "a" }, name = "orders", tags = {} }')
  lu.assertEquals(show.value(value, { width = 40 }), table.concat({
    '{',
    '  config = {',
    '    ["flush.size"] = "5000",',
    '    topics = "a",',
    '  },',
    '  name = "orders",',
    '  tags = {},',
    '}' }, "\n"))
end

function TestValue:test_no_line_is_wider_than_asked()
  local value = {}
  for i = 1, 90 do value[i] = { id = i, words = { "alpha", "beta", "gamma" }, n = 10 ^ (i % 9) // 1 | 0 } end
  for width = 40, 100 do
    for _, line in ipairs(lines_of(show.value(value, { width = width }))) do
      lu.assertTrue(#line <= width, line)
    end
  end
end

function TestValue:test_long_arrays_are_cut()
  local list = {}
  for i = 1, 140 do list[i] = i end
  local text = show.value(list)
  lu.assertStrContains(text, " 100,\n  … 40 more\n}")
  lu.assertNotStrContains(text, "101")
  lu.assertStrContains(show.value(list, { limit = 3 }), "{\n  1, 2, 3,\n  … 137 more\n}")
  lu.assertNotStrContains(show.value(list, { limit = 140 }), "more")
  lu.assertTrue(#lines_of(text) < 12, "short items share lines")
end

function TestValue:test_cycles_and_shared_parts()
  local value = { name = "a" }
  value.self = value
  lu.assertEquals(show.value(value), '{ name = "a", self = <cycle> }')
  local part = { 1 }
  lu.assertEquals(show.value { part, part }, "{ { 1 }, { 1 } }")
end

function TestValue:test_hostile_shapes_end()
  local deep = {}
  for _ = 1, 100000 do deep = { deep } end
  lu.assertStrContains(show.value(deep), "{ … }")
  local wide = {}
  for _ = 1, 60 do wide = { wide, wide } end
  lu.assertTrue(#lines_of(show.value(wide)) < 50000)
end

function TestValue:test_no_code_of_the_value_runs_but_tostring()
  local proxy = setmetatable({ 1 }, {
    __index = function() error "read" end,
    __pairs = function() error "walked" end,
    __len = function() error "measured" end,
  })
  lu.assertEquals(show.value(proxy), "{ 1 }")
  local broken = setmetatable({}, { __tostring = function() error("no text", 0) end })
  lu.assertEquals(show.value(broken), "<table that cannot be shown: no text>")
  lu.assertEquals(show.value { broken }, "{ <table that cannot be shown: no text> }")
  local object = setmetatable({}, { __tostring = function() return "two\nlines" end })
  lu.assertEquals(show.value(object), "two\nlines")
  lu.assertEquals(show.value { object }, "{ two lines }")
end

function TestValue:test_null_and_userdata()
  local had = package.loaded.kelp
  local null = io.stderr -- any userdata can play the part
  if not had then package.loaded.kelp = { null = null } else null = had.null end
  local text, plain = show.value { null }, show.value(null)
  package.loaded.kelp = had
  lu.assertEquals(text, "{ null }")
  lu.assertEquals(plain, "null")
  lu.assertStrMatches(show.value { io.stdout }, "{ file %(0x%x+%) }")
end

TestSecrets = {}

function TestSecrets:test_keys()
  for _, key in ipairs { "password", "database.password", "aws.secret.access.key", "SASL_PASSWORD",
    "bearer.token", "kafka.api.key", "snowflake.private.key", "gcs.credentials.config",
    "value.converter.basic.auth.user.info", "sasl.jaas.config", "apiKey", "api-key", "Authorization",
    "snowflake.private.key.passphrase", "oauth2.client.secret" } do
    lu.assertEquals(show.value { [key] = "hunter2-not-real" }:match("= (.*) }"), "<hidden>", key)
  end
  for _, key in ipairs { "topics", "tasks.max", "name", "flush.size", "key.converter",
    "basic.auth.credentials.source" } do
    lu.assertEquals(show.value { [key] = "plain" }:match("= (.*) }"), '"plain"', key)
  end
end

function TestSecrets:test_references_are_not_secrets()
  lu.assertEquals(show.value { password = "${file:/etc/x:pw}", token = "${env:T}" },
    '{ password = "${file:/etc/x:pw}", token = "${env:T}" }')
  lu.assertEquals(show.value { password = "${file}" }, "{ password = <hidden> }")
  lu.assertEquals(show.value { { name = "sasl.password", value = "${env:T}" } },
    '{ { name = "sasl.password", value = "${env:T}" } }')
end

function TestSecrets:test_what_is_worth_seeing_stays()
  lu.assertEquals(show.value { password = "****************", token = "" },
    '{ password = "****************", token = "" }')
  lu.assertEquals(show.value { password = 1234, secret = true }, "{ password = <hidden>, secret = true }")
end

function TestSecrets:test_everything_below_a_secret_key()
  lu.assertEquals(show.value { credentials = { user = "u-value", keys = { "k-value" } } },
    "{ credentials = { keys = { <hidden> }, user = <hidden> } }")
end

function TestSecrets:test_pairs_spelled_as_records()
  lu.assertEquals(show.value { { name = "sasl.password", value = "x-value" }, { key = "ssl", value = "t" } },
    '{ { name = "sasl.password", value = <hidden> }, { key = "ssl", value = "t" } }')
end

function TestSecrets:test_passwords_in_addresses()
  -- passwords that no other suite uses: a known one would be shown as <secret LABEL>
  local cases = {
    ["mongodb+srv://user:q%40zs@h.example/db?w=1"] = "mongodb+srv://user:<hidden>@h.example/db?w=1",
    ["mongodb://u:pa/ss@word@h:27017"] = "mongodb://u:<hidden>@h:27017",
    ["redis://:1239@h.example:6379"] = "redis://:<hidden>@h.example:6379",
    ["http://h.example:8083/a@b"] = "http://h.example:8083/a@b",
    ["http://h.example:8083"] = "http://h.example:8083",
    ["jdbc:postgresql://h/db?user=u&password=wqz&ssl=true"] =
      "jdbc:postgresql://h/db?user=u&password=<hidden>&ssl=true",
    ["jdbc:sqlserver://h;user=u;password=wqz"] = "jdbc:sqlserver://h;user=u;password=<hidden>",
    ["see http://u:wqz@a and http://v:wqz@b."] = "see http://u:<hidden>@a and http://v:<hidden>@b.",
  }
  for text, expected in pairs(cases) do
    lu.assertEquals(show.value(text), expected)
    lu.assertEquals(show.value({ uri = text }, { width = 200 }), '{ uri = "' .. expected .. '" }')
    lu.assertStrContains(show.table({ { uri = text } }, { "uri" }), expected)
  end
end

function TestSecrets:test_cells()
  lu.assertEquals(show.table({ { name = "a", password = "x-value" } }, { "name", "password" }),
    "NAME  PASSWORD\na     <hidden>")
end

TestConnector = {}

function TestConnector:test_block()
  local value = connector {
    name = "orders", id = "lcc-a1b2c3", class = "S3_SINK", type = "sink", state = "degraded",
    created = 1712907333, topics = { "a", "b" }, config = { a = "1", b = "2" },
    tasks = { { id = 0, state = "running" }, { id = 1, state = "failed", error = "boom:\n\tat x" } },
  }
  lu.assertEquals(lines_of(show.value(value)), {
    "connector orders",
    "  id       lcc-a1b2c3",
    "  class    S3_SINK",
    "  type     sink",
    "  state    degraded",
    "  tasks    1/2 running",
    "  topics   a, b",
    "  created  2024-04-12 07:35:33 UTC",
    "  config   2 keys",
    "  task 1   failed: boom: at x",
  })
end

function TestConnector:test_block_with_hardly_anything_and_hostile_text()
  lu.assertEquals(show.value(connector { name = "a\27[1mb" }), "connector a\\x1b[1mb")
  local text = show.value(connector { name = "n", error = ("é"):rep(200) }, { width = 30 })
  lu.assertEquals(lines_of(text)[2], "  error    " .. ("é"):rep(18) .. "…")
end

function TestConnector:test_list_is_a_table()
  local list = {
    connector { name = "orders", class = "io.example.S3SinkConnector", type = "sink",
      state = "running", tasks = tasks("running", "running", "running") },
    connector { name = "payments", class = "S3_SINK", type = "sink", state = "failed",
      tasks = tasks("running", "failed"), error = "first line\nsecond line" },
    connector { name = "new" },
  }
  lu.assertEquals(lines_of(show.value(list)), {
    "NAME      CLASS            TYPE  STATE    TASKS  ERROR",
    "orders    S3SinkConnector  sink  running  3/3",
    "payments  S3_SINK          sink  failed   1/2    first line second line",
    "new",
  })
end

function TestConnector:test_list_fits_the_width_and_keeps_names()
  local list = {}
  for i = 1, 5 do
    list[i] = connector { name = "a-rather-long-connector-name-" .. i, class = ("C"):rep(60),
      type = "source", state = "provisioning", error = ("é"):rep(300) }
  end
  local lines = lines_of(show.value(list, { width = 100 }))
  lu.assertEquals(#lines, 6)
  for i, line in ipairs(lines) do
    lu.assertTrue(utf8.len(line) <= 100, line)
    if i > 1 then lu.assertStrContains(line, "a-rather-long-connector-name-" .. i - 1) end
  end
  lu.assertStrContains(show.value(list, { width = false }), ("é"):rep(300))
end

function TestConnector:test_long_lists_are_cut()
  local list = {}
  for i = 1, 12 do list[i] = connector { name = "c" .. i } end
  local lines = lines_of(show.value(list, { limit = 10 }))
  lu.assertEquals(#lines, 12)
  lu.assertEquals(lines[12], "… 2 more")
end

function TestConnector:test_inside_another_value()
  lu.assertEquals(show.value { c = connector { name = "orders", state = "running" } },
    "{ c = <connector orders, running> }")
end

TestTable = {}

function TestTable:test_alignment_and_titles()
  lu.assertEquals(show.table({ { name = "a", n = 5 }, { name = "bbb", n = 1234 }, { name = "c" } },
    { "name", { key = "n", title = "How many" } }),
    "NAME  How many\na            5\nbbb       1234\nc")
  lu.assertEquals(show.table({ { a = "x", b = "y" } }, { { key = "a", align = "right" }, "b" }),
    "A  B\nx  y")
  lu.assertEquals(show.table({ { a = "x" } }, { { key = "a", title = "long", align = "right" } }),
    "long\n   x")
  lu.assertEquals(show.table({}, { "name", "state" }), "NAME  STATE")
end

function TestTable:test_wide_and_joining_characters()
  local rows = { { a = "日本", b = "1" }, { a = "e\u{301}", b = "2" }, { a = "xyz", b = "3" } }
  lu.assertEquals(show.table(rows, { "a", "b" }), "A     B\n日本  1\ne\u{301}     2\nxyz   3")
end

function TestTable:test_cut_falls_between_characters()
  for width = 6, 40 do
    local row = { a = ("日é"):rep(20), b = ("ü"):rep(50) }
    local text = show.table({ row }, { "a", "b" }, { width = width })
    lu.assertNotNil(utf8.len(text), "width " .. width)
    lu.assertStrContains(text, "…")
  end
end

function TestTable:test_line_ends_become_spaces()
  lu.assertEquals(show.table({ { a = " x\r\n\ty\n", b = "\27" } }, { "a", "b" }), "A    B\nx y  \\x1b")
end

function TestTable:test_other_values_in_cells()
  lu.assertEquals(show.table({ { a = true, b = { 1, 2 }, c = 1.5 } }, { "a", "b", "c" }),
    "A     B           C\ntrue  { 1, 2 }  1.5")
end

os.exit(lu.LuaUnit.run())
