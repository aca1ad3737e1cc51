-- Tests of what README.md shows: kelp tests/lua/run.lua readme.
local lu = require "luaunit"
local support = require "support"

-- The first block of Lua in it, as it stands.
local function first_example()
  local text = support.read(support.root .. "/README.md")
  return assert(text:match "\n```lua\n(.-)\n```\n", "README.md has no example in Lua")
end

local function run(code, text, ...)
  local words = { "--sim", ... }
  words[#words + 1] = support.write(support.path "fix.lua", text)
  local result = support.kelp(words)
  lu.assertEquals({ result.how, result.code }, { "exit", code }, result.err)
  return result
end

TestReadme = {}

function TestReadme:test_the_first_example_works_as_printed()
  local example = first_example()
  local shown = assert(example:match "%-%-> ([^\n]+)$", "it does not say what it prints")
  local result = run(0, example .. [[

for _, c in ipairs(prod:list()) do c:wait { poll = 0.2 } end
print(#prod:list { state = "failed" }, #prod:list())
for _, c in ipairs(prod:list { class = "S3_SINK" }) do assert(c.config["flush.size"] == "5000", c.name) end]])
  local lines = {}
  for line in result.out:gmatch "[^\n]+" do lines[#lines + 1] = line end
  lu.assertStrContains(lines[1], "\torg.apache.kafka.connect.errors.ConnectException: ")
  lu.assertEquals(#lines, 4, result.out)
  lu.assertEquals(lines[3], shown)
  lu.assertEquals(lines[4], "0\t" .. shown:match "^%d+")
end

function TestReadme:test_the_first_example_under_plan()
  local result = run(3, first_example(), "--plan")
  lu.assertStrContains(result.out, "plan: 2 to restart, 12 to update; nothing was sent")
end
