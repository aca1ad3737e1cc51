-- row.lua [VERB.PROVIDER…]: without arguments, the names of the rows of the matrix; else carries
-- these rows out, and writes a line "ok|FAILED CELL WHY" for each of their cells to
-- $PROMISES_FOLDER/ROW.result. Run by run.sh.
local kelp = require "kelp"

local here = (arg[0] or ""):match "^(.*)/[^/]*$" or "."
package.path = ("%s/?.lua;%s/../lua/?.lua;%s"):format(here, here, package.path)

local support = require "support"
local cell = require "cell"
local matrix = require "matrix"
local providers = require "providers"
local stage = require "stage"

-- Provider -> what it is like: those that the program's simulator has, and so `kelp`.
local function all_providers()
  local sim = stage.simulator()
  local described = {}
  for name, places in pairs(sim:state()) do
    if name ~= "seed" and name ~= "effects" then
      assert(type(kelp[name]) == "function", "there is a simulator of " .. name
        .. ", and kelp does not offer it")
      described[name] = providers.describe(name, sim, places)
    end
  end
  sim:stop()
  return described
end

-- What must be known before the cells of a verb: whether the provider has it, whether it can stop
-- a connector, and how it shows secrets. What it has is tried, not asked: `can` is judged by it.
local function ask_about(p, verb)
  local on_stage = stage.new(p, {
    subject = { config = providers.config(p, "subject"), state = "running" },
    hidden = { config = providers.config(p, "hidden", true), state = "running" } })
  local path = support.write(support.path "ask.lua", ([[
    local kelp = require "kelp"
    local t = kelp.target "subject"
    local shown = tostring(t:get("hidden").config[%q])
    local file = assert(io.open(os.getenv "PROMISES_SAID", "wb"))
    file:write(kelp.json.encode { stops = t.can.stop == true,
      masks = shown:find "^%%*+$" ~= nil })
    assert(file:close())]]):format(p.key))
  local asked = on_stage:kelp("asked", path)
  local tried = on_stage:kelp("asked", cell.write_script(p, verb, verb.call.ok))
  if not asked.said then error("the provider cannot be asked: " .. asked.err, 0) end
  if not tried.said then error("the verb cannot be tried: " .. tried.err, 0) end
  on_stage:close()
  asked.said.has = tried.said.kind ~= "unsupported"
  return asked.said
end

local function outcomes_of(verb, about)
  if not about.has then return { "unsupported" } end
  local list = {}
  for _, outcome in ipairs(matrix.outcomes) do
    if verb.call[outcome] then list[#list + 1] = outcome end
  end
  return list
end

local function carry_out(name, described)
  local verb_name, provider = name:match "^([%w_]+)%.([%w_]+)$"
  local verb, p = matrix.verbs[verb_name], described[provider]
  if not verb or not p then error("there is no row " .. name, 0) end
  local about, lines = ask_about(p, verb), {}
  for _, outcome in ipairs(outcomes_of(verb, about)) do
    local fine, results = pcall(cell.run, p, verb, outcome, about)
    if not fine then results = { run = tostring(results) } end
    for check, result in pairs(results) do
      lines[#lines + 1] = ("%s %s.%s.%s.%s %s\n"):format(result == true and "ok" or "FAILED",
        verb_name, provider, outcome, check,
        result == true and "" or result:gsub("%s+", " "))
    end
  end
  return table.concat(lines)
end

local function main()
  local described = all_providers()
  if not arg[1] then
    for _, verb in ipairs(matrix.order) do
      for provider in pairs(described) do print(verb .. "." .. provider) end
    end
    return
  end
  for i = 1, #arg do
    support.write(("%s/%s.result"):format(os.getenv "PROMISES_FOLDER", arg[i]),
      carry_out(arg[i], described))
  end
end

local fine, why = pcall(main)
local closed, complaint = pcall(support.close)
if not fine then error(why, 0) end
if not closed then error(complaint, 0) end
