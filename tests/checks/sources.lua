-- Rules that the source files keep, beyond what a compiler sees: kelp sources.lua ROOT.
-- Each rule is also tried on a small tree that breaks it, so that it is known to notice.
local root = arg[1] or "."

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

-- ---- what a tree holds ----

-- C without comments and without what stands in literals; line ends stay where they are.
local function code_of(text)
  local out, at = {}, 1
  while at <= #text do
    local start = text:find("[\"'/]", at)
    if not start then break end
    out[#out + 1] = text:sub(at, start - 1)
    local two, stop = text:sub(start, start + 1), nil
    if two == "//" then
      stop = (text:find("\n", start, true) or #text + 1) - 1
    elseif two == "/*" then
      stop = select(2, text:find("*/", start + 2, true)) or #text
    elseif two:sub(1, 1) == "/" then
      out[#out + 1], stop = "/", start
    else
      local mark, escape = text:sub(start, start), false
      stop = start + 1
      while stop <= #text and (escape or text:sub(stop, stop) ~= mark) do
        escape = not escape and text:sub(stop, stop) == "\\"
        stop = stop + 1
      end
      out[#out + 1] = mark .. mark
    end
    if two == "/*" then out[#out + 1] = " " .. text:sub(start, stop):gsub("[^\n]", "") end
    at = stop + 1
  end
  out[#out + 1] = text:sub(at)
  return table.concat(out)
end

-- Every file that somebody wrote: { path, text, kind ("c", "lua", …), code, includes }.
local function read_tree(folder)
  local files = {}
  local pipe = assert(io.popen(("cd %s && find . -name .git -prune -o -name 'build*' -prune -o "
    .. "-type f -print"):format(quote(folder)), "r"))
  for line in pipe:lines() do
    local path = line:sub(3)
    local file = { path = path, text = read(folder .. "/" .. path) }
    file.kind = path:match "%.(%w+)$"
    if file.kind == "c" or file.kind == "h" then
      file.code, file.includes = code_of(file.text), {}
      for name in ("\n" .. file.text):gmatch "\n%s*#%s*include%s*[<\"]([^>\"]+)[>\"]" do
        file.includes[#file.includes + 1] = name
      end
    end
    files[#files + 1] = file
  end
  assert(pipe:close(), "find failed")
  table.sort(files, function(a, b) return a.path < b.path end)
  return files
end

local function in_program(file)
  return file.code and (file.path:find "^runtime/" or file.path:find "^bindings/")
end

-- ---- rules: each calls bad(path, what) ----

-- What may include what: a folder's own files and those of the folders before it.
local STOREYS = { "runtime/base", "runtime/secret", "runtime/journal", "runtime/http", "runtime/lua",
                  "runtime/simulator", "runtime", "bindings/providers", "bindings/connector",
                  "bindings/session", "bindings/sandbox", "bindings" }
local STOREY_OF = {}
for i, folder in ipairs(STOREYS) do STOREY_OF[folder] = i end

local function folder_of(path) return path:match "^(.*)/[^/]*$" or "" end

local function storey_of(path) return STOREY_OF[folder_of(path)] end

-- The file of the tree that an include names: from runtime or bindings, as the compiler looks.
local function included(by_path, name)
  return by_path["runtime/" .. name] or by_path["bindings/" .. name]
end

local function by_path(files)
  local result = {}
  for _, file in ipairs(files) do result[file.path] = file end
  return result
end

local function includes_go_down(files, bad)
  local paths = by_path(files)
  for _, file in ipairs(files) do
    local own = in_program(file) and file.path ~= "runtime/main.c" and storey_of(file.path)
    for _, name in ipairs(own and file.includes or {}) do
      local other = included(paths, name)
      local theirs = other and other.code and storey_of(other.path) -- a table (.def) has none
      if theirs and theirs > own then bad(file.path, "includes " .. other.path) end
    end
  end
end

local function every_folder_has_a_storey(files, bad)
  for _, file in ipairs(files) do
    if in_program(file) and not storey_of(file.path) and file.path ~= "runtime/lua/embed/embed.c" then
      bad(file.path, "stands in no storey")
    end
  end
end

-- A header and the C file of its name are one module.
local function module_of(path) return (path:gsub("%.[ch]$", "")) end

local function no_circles(files, bad)
  local paths, uses = by_path(files), {}
  for _, file in ipairs(files) do
    if in_program(file) then
      local own = module_of(file.path)
      uses[own] = uses[own] or {}
      for _, name in ipairs(file.includes) do
        local other = included(paths, name)
        if other and module_of(other.path) ~= own then uses[own][module_of(other.path)] = true end
      end
    end
  end
  local state = {}
  local function visit(name, trail)
    if state[name] == "done" then return end
    if state[name] == "open" then
      bad(name, "is in a circle: " .. trail .. " -> " .. name)
      return
    end
    state[name] = "open"
    local names = {}
    for other in pairs(uses[name] or {}) do names[#names + 1] = other end
    table.sort(names)
    for _, other in ipairs(names) do visit(other, trail .. " -> " .. other) end
    state[name] = "done"
  end
  local names = {}
  for name in pairs(uses) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do visit(name, name) end
end

local function no_lua_below_runtime_lua(files, bad)
  for _, file in ipairs(files) do
    local own = in_program(file) and storey_of(file.path)
    if own and own < STOREY_OF["runtime/lua"] or file.path:find "^bindings/providers/" then
      for _, name in ipairs(file.includes or {}) do
        if name:find "^lua" or name == "lauxlib.h" then bad(file.path, "includes " .. name) end
      end
    end
  end
end

-- The program is put together in one place.
local function only_main_names_both(files, bad)
  local paths = by_path(files)
  for _, file in ipairs(files) do
    local below = in_program(file) and file.path:find "^runtime/" and file.path ~= "runtime/main.c"
    for _, name in ipairs(below and file.includes or {}) do
      local other = included(paths, name)
      if other and other.path:find "^bindings/" then
        bad(file.path, "includes " .. other.path)
      end
    end
  end
end

-- C calls what Lua has registered; it does not look for Lua's modules by their names. What is
-- made in C itself may be named: kelp.raw, kelp.json, kelp.settings.
local MADE_IN_C = { ["kelp.raw"] = true, ["kelp.json"] = true, ["kelp.settings"] = true }

local function c_reaches_into_no_module(files, bad)
  local modules = {}
  for _, file in ipairs(files) do
    local name = file.path:match "^scripts/(kelp/.*)%.lua$"
    if name then modules[name:gsub("/", ".")] = true end
  end
  for _, file in ipairs(files) do
    for name in (in_program(file) and file.text or ""):gmatch '"(kelp%.[%w_.]+)"' do
      if modules[name] and not MADE_IN_C[name] then bad(file.path, "names the module " .. name) end
    end
  end
end

local LONGEST_FUNCTION = 60

local function c_functions_are_short(files, bad)
  for _, file in ipairs(files) do
    local line, signature, start = 0, nil, nil
    for text in ((in_program(file) and file.code or "") .. "\n"):gmatch "(.-)\n" do
      line = line + 1
      if text:find "^[%a_]" and not start then signature = line end
      if text:find "^{" and signature then start = signature end
      if text:find "^}" and start then
        local lines = line - start + 1
        if lines > LONGEST_FUNCTION then
          bad(("%s:%d"):format(file.path, start), ("has a function of %d lines"):format(lines))
        end
        start, signature = nil, nil
      end
    end
  end
end

-- Lua without comments and strings; line ends stay.
local function lua_code_of(text)
  local out, at = {}, 1
  local function blank(s) out[#out + 1] = " " .. s:gsub("[^\n]", "") end
  while at <= #text do
    local start = text:find("[%-%[\"']", at)
    if not start then break end
    out[#out + 1] = text:sub(at, start - 1)
    local comment = text:sub(start, start + 1) == "--"
    local from = comment and start + 2 or start
    local level = text:match("^%[(=*)%[", from)
    local stop
    if level then
      stop = select(2, text:find("]" .. level .. "]", from, true)) or #text
    elseif comment then
      stop = (text:find("\n", from, true) or #text + 1) - 1
    elseif text:find("^[\"']", start) then
      local mark = text:sub(start, start)
      stop = start + 1
      while stop <= #text and text:sub(stop, stop) ~= mark do
        stop = stop + (text:sub(stop, stop) == "\\" and 2 or 1)
      end
    end
    if stop then blank(text:sub(start, stop)) else out[#out + 1] = text:sub(start, start) end
    at = (stop or start) + 1
  end
  out[#out + 1] = text:sub(at)
  return table.concat(out)
end

local OPENS = { ["function"] = true, ["if"] = true, ["do"] = true, ["repeat"] = true }

-- Calls report(first line, number of lines) for each function of that Lua code.
local function each_lua_function(code, report)
  local line, open = 0, {}
  for text in (code .. "\n"):gmatch "(.-)\n" do
    line = line + 1
    for word in text:gmatch "[%a_][%w_]*" do
      if OPENS[word] then
        open[#open + 1] = { word = word, line = line }
      elseif word == "end" or word == "until" then
        local block = table.remove(open)
        if block and block.word == "function" then report(block.line, line - block.line + 1) end
      end
    end
  end
end

local function lua_functions_are_short(files, bad)
  for _, file in ipairs(files) do
    if file.kind == "lua" and file.path:find "^scripts/" then
      each_lua_function(lua_code_of(file.text), function(line, lines)
        if lines > LONGEST_FUNCTION then
          bad(("%s:%d"):format(file.path, line), ("has a function of %d lines"):format(lines))
        end
      end)
    end
  end
end

-- The providers' names and titles, as the files that describe them give them, and words that only
-- they use. "connect" is also an ordinary word.
local function names_of_providers(files)
  local names, titles = {}, {}
  for _, file in ipairs(files) do
    local text = file.path:find "^bindings/providers/" and file.text or ""
    local name, title = text:match '%.name%s*=%s*"([^"]+)"', text:match '%.title%s*=%s*"([^"]+)"'
    if name then names[#names + 1] = name:lower() end
    if title and title ~= "Kafka Connect" then titles[#titles + 1] = title:lower() end
  end
  return names, titles
end

local ONLY_THEIRS = { "upstash", "confluent", "debezium", "lkc%-", "env%-", "lcc%-", "ccloud",
                      "snowflake", "mongo" }

local function words_of_providers(files)
  local names, words = names_of_providers(files)
  for _, name in ipairs(names) do
    if name ~= "connect" then words[#words + 1] = name end
  end
  table.move(ONLY_THEIRS, 1, #ONLY_THEIRS, #words + 1, words)
  return words, names
end

-- A provider's own files, what translates from one to another, and tests.
local function may_name_a_provider(path, names)
  for _, name in ipairs(names) do
    if path:find("scripts/simulator/" .. name, 1, true) == 1 then return true end
  end
  return path:find "^bindings/providers/[%w_]+%.c$" or path:find "^bindings/providers/connect_rest%.h$"
    or path:find "^scripts/translate/" or path:find "^tests/"
end

local function providers_stand_in_their_files(files, bad)
  local words, names = words_of_providers(files)
  for _, file in ipairs(files) do
    local covered = (in_program(file) or file.path:find "^scripts/.*%.lua$")
      and not may_name_a_provider(file.path, names)
    local text = covered and file.text:lower() or ""
    for _, word in ipairs(words) do
      local at = text:find("%f[%w]" .. word)
      if at then
        local _, line = text:sub(1, at):gsub("\n", "")
        bad(("%s:%d"):format(file.path, line + 1), "names a provider: " .. word)
      end
    end
  end
end

-- Only files whose path matches one of `allowed` include headers that match one of `headers`.
local function only(headers, allowed)
  return function(files, bad)
    for _, file in ipairs(files) do
      local may = not in_program(file)
      for _, pattern in ipairs(allowed) do may = may or file.path:find(pattern) ~= nil end
      for _, name in ipairs(not may and file.includes or {}) do
        for _, header in ipairs(headers) do
          if name:find(header) then bad(file.path, "includes " .. name) end
        end
      end
    end
  end
end

local function only_the_codec_uses_cjson(files, bad)
  for _, file in ipairs(files) do
    if in_program(file) and file.path ~= "runtime/lua/json.c" then
      for _, name in ipairs(file.includes) do
        if name:find "cjson" and file.path ~= "runtime/lua/state.c" then
          bad(file.path, "includes " .. name)
        end
      end
      for word in file.code:gsub("#%s*include[^\n]*", ""):gmatch "[%w_]*cjson[%w_]*" do
        if file.path ~= "runtime/lua/state.c" or word ~= "luaopen_cjson" then
          bad(file.path, "uses " .. word)
        end
      end
    end
  end
end

local function only_the_scheduler_resumes(files, bad)
  for _, file in ipairs(files) do
    if in_program(file) and not file.path:find "^runtime/lua/task[%w_]*%.c$"
      and file.code:find "%f[%w_]lua_resume%f[^%w_]" then
      bad(file.path, "calls lua_resume")
    end
  end
end

-- What stores a text in a journal, and where it may be called.
local STORES = { "create", "intend", "plan", "end", "value_set", "set_targets", "attempt" }

local function only_journal_text_stores(files, bad)
  for _, file in ipairs(files) do
    if file.code and file.path:find "^bindings/" and file.path ~= "bindings/session/journal_text.c" then
      for _, name in ipairs(STORES) do
        if (" " .. file.code):find("[^%w_]journal_" .. name .. "[^%w_]") then
          bad(file.path, "stores by journal_" .. name .. ", without journal_text")
        end
      end
    end
  end
end

local function no_unbounded_functions(files, bad)
  for _, file in ipairs(files) do
    for _, name in ipairs { "strcpy", "strcat", "sprintf", "vsprintf", "gets", "atoi", "atol",
                            "strtok" } do
      if in_program(file) and file.code:find("%f[%w_]" .. name .. "%s*%(") then
        bad(file.path, "calls " .. name)
      end
    end
  end
end

-- Written in pieces: this file is read too.
local MARKS = { "TO" .. "DO", "FIX" .. "ME" }
local HOMES = { "/ho" .. "me/%w", "/ro" .. "ot/%w", "/Us" .. "ers/%w" }

local function anywhere(patterns)
  return function(files, bad)
    for _, file in ipairs(files) do
      for _, pattern in ipairs(patterns) do
        local found = file.text:match("%f[%w/]" .. pattern .. "[%w_./-]*")
        if found then bad(file.path, "has " .. found) end
      end
    end
  end
end

local function lua_parses(files, bad)
  for _, file in ipairs(files) do
    if file.kind == "lua" then
      local chunk, message = load(file.text:gsub("^#[^\n]*", ""), "@" .. file.path, "t")
      if not chunk then bad(file.path, message) end
    end
  end
end

local plain = { c = true, h = true, lua = true, sh = true, txt = true }

local function whitespace_is_plain(files, bad)
  for _, file in ipairs(files) do
    if plain[file.kind] then
      local line = 0
      for text in (file.text .. "\n"):gmatch "(.-)\n" do
        line = line + 1
        if text:find "%s$" then bad(file.path .. ":" .. line, "ends in whitespace") end
        if text:find "^ *\t" then bad(file.path .. ":" .. line, "is indented by a tab") end
      end
      if file.text ~= "" and file.text:sub(-1) ~= "\n" then
        bad(file.path, "does not end in a newline")
      end
    end
  end
end

-- Private words, in place of which the manuals have others.
local PRIVATE = {
  "go%a* on with", "gone on with", "took back", "takes? back", "taken back", "taking back",
  "in doubt", "%f[%w]doubt", "%f[%w]veil", "%f[%w]lanes?%f[%W]", "%f[%w]widen", "%f[%w]recall",
  "%f[%w]settle", "%f[%w]elsewhere%f[%W]", "lay to rest", "laid to rest", "%f[%w]journaling",
}

local function words_are_plain(files, bad)
  for _, file in ipairs(files) do
    local covered = in_program(file) or file.path:find "^scripts/" or file.kind == "md"
    local line = 0
    for text in (covered and file.text:lower() .. "\n" or ""):gmatch "(.-)\n" do
      line = line + 1
      for _, word in ipairs(PRIVATE) do
        local found = text:match(word)
        if found then bad(("%s:%d"):format(file.path, line), "says '" .. found .. "'") end
      end
    end
  end
end

-- name, the rule, and what breaks it: files (path -> text), each by itself, or trees of such files
local rules = {
  { "includes go down", includes_go_down, {
    { ["runtime/base/a.c"] = '#include "http/transport.h"\n', ["runtime/http/transport.h"] = "" },
    { ["runtime/http/a.h"] = '  #  include "lua/json.h"\n', ["runtime/lua/json.h"] = "" },
    { ["runtime/lua/a.c"] = '#include "options.h"\n', ["runtime/options.h"] = "" },
    { ["runtime/lua/a.c"] = '#include "providers/provider.h"\n',
      ["bindings/providers/provider.h"] = "" },
    { ["bindings/connector/a.c"] = '#include <sandbox/manifest.h>\n',
      ["bindings/sandbox/manifest.h"] = "" },
    { ["bindings/providers/a.c"] = '#include "connector/record.h"\n',
      ["bindings/connector/record.h"] = "" } } },
  { "every folder has a storey", every_folder_has_a_storey, {
    ["runtime/host/a.c"] = "int a;\n", ["bindings/lua/a.h"] = "int a;\n" } },
  { "no circles", no_circles, {
    { ["runtime/base/a.c"] = '#include "base/b.h"\n', ["runtime/base/b.h"] = "int b;\n",
      ["runtime/base/a.h"] = "int a;\n", ["runtime/base/b.c"] = '#include "base/a.h"\n' },
    { ["bindings/session/a.h"] = '#include "session/b.h"\n',
      ["bindings/session/b.h"] = '#include "session/c.h"\n',
      ["bindings/session/c.h"] = '#include "session/a.h"\n' } } },
  { "no Lua below runtime/lua, and none in a provider", no_lua_below_runtime_lua, {
    ["runtime/base/a.c"] = "#include <lua.h>\n", ["runtime/http/b.c"] = "#include <lauxlib.h>\n",
    ["bindings/providers/a.c"] = "#include <lua.h>\n",
    ["runtime/journal/c.c"] = "#include <lua5.4/lua.h>\n" } },
  { "only main.c names runtime and bindings", only_main_names_both, {
    { ["runtime/lua/a.c"] = '#include "kelp.h"\n', ["bindings/kelp.h"] = "" },
    { ["runtime/options.c"] = '#include "session/session.h"\n',
      ["bindings/session/session.h"] = "" } } },
  { "C reaches into no module of Lua", c_reaches_into_no_module, {
    { ["runtime/lua/a.c"] = 'const char *a = "kelp.plan";\n', ["scripts/kelp/plan.lua"] = "return 1\n" },
    { ["bindings/session/a.c"] = 'f("kelp.verbs.create");\n',
      ["scripts/kelp/verbs/create.lua"] = "return 1\n" } } },
  { "functions in C are short", c_functions_are_short, {
    ["runtime/base/a.c"] = "int f(void)\n{\n" .. ("    g();\n"):rep(58) .. "}\n",
    ["bindings/a.c"] = "static int\nf(int a)\n{\n" .. ("\n"):rep(60) .. "}\n" } },
  { "functions in Lua are short", lua_functions_are_short, {
    ["scripts/kelp/a.lua"] = "local function f()\n" .. ("  g()\n"):rep(59) .. "end\n",
    ["scripts/commands/a.lua"] = "local s = [[\nend]]\nf(function() -- end\n  if a then\n  end\n"
      .. ("\n"):rep(60) .. "end)\n" } },
  { "a provider is named in its own files only", providers_stand_in_their_files, {
    ["runtime/http/a.c"] = "/* as Confluent Cloud has it */\n",
    ["scripts/kelp/a.lua"] = 'local kinds = { upstash = true }\nreturn kinds\n',
    { ["bindings/connector/a.c"] = 'const char *a = "acme cloud";\n',
      ["bindings/providers/acme.c"] = '    .title = "Acme Cloud",\n' } } },
  { "words are those of the glossary", words_are_plain, {
    ["runtime/base/a.c"] = "/* The lane is gone. */\n",
    ["README.md"] = "A run can be taken back.\n",
    ["scripts/kelp/a.lua"] = "-- Goes on with an earlier run.\nreturn 1\n" } },
  { "only the transport includes curl", only({ "^curl/" },
    { "^runtime/http/transport[%w_]*%.[ch]$" }), {
    ["runtime/http/exchange.c"] = "#include <curl/curl.h>\n",
    ["bindings/connector/a.c"] = "#include <curl/multi.h>\n" } },
  { "only the journal includes sqlite", only({ "^sqlite3" },
    { "^runtime/journal/journal[%w_]*%.[ch]$" }), {
    ["runtime/http/exchange.c"] = "#include <sqlite3.h>\n" } },
  { "only the simulator includes microhttpd", only({ "^microhttpd" },
    { "^runtime/simulator/[%w_]*%.c$" }), {
    ["runtime/main.c"] = "#include <microhttpd.h>\n" } },
  { "only the REPL includes libedit", only({ "^histedit", "^editline/", "^readline/" },
    { "^runtime/lua/repl%.c$" }), {
    ["runtime/main.c"] = "#include <histedit.h>\n",
    ["runtime/lua/completion.c"] = "#include <editline/readline.h>\n" } },
  { "only the codec uses cjson", only_the_codec_uses_cjson, {
    ["bindings/connector/a.c"] = "#include <lua-cjson.h>\n",
    ["runtime/lua/state.c"] = "int cjson_new(void);\n",
    ["runtime/main.c"] = "int luaopen_cjson(void);\n" } },
  { "only the scheduler resumes", only_the_scheduler_resumes, {
    ["bindings/connector/a.c"] = "int f(void) { return lua_resume (0); }\n",
    ["runtime/lua/state.c"] = "#define RESUME lua_resume\n" } },
  { "only journal_text stores in a journal", only_journal_text_stores, {
    ["bindings/session/a.c"] = "bool f(void) { return journal_end(j, op, &outcome); }\n",
    ["bindings/b.c"] = "bool (*f)() = journal_value_set;\n",
    ["bindings/connector/c.c"] = "void f(void) { journal_intend (j, &i, &op); journal_create(o, f); }\n" } },
  { "no unbounded functions", no_unbounded_functions, {
    ["runtime/base/a.c"] = "void f(char *a) { strcpy(a, \"'\"); }\n",
    ["bindings/connector/a.c"] = "int f(char *a) { /* it's */ return sprintf (a, \"\\\"\"); }\n",
    ["runtime/base/b.c"] = "int f(char *a) { return 'x' + atoi(a); }\n" } },
  { "nothing is left to be done", anywhere(MARKS), {
    ["runtime/base/a.c"] = "/* " .. MARKS[1] .. ": all of it */\n",
    ["scripts/kelp/a.lua"] = "-- " .. MARKS[2] .. "\n" } },
  { "no home of anybody", anywhere(HOMES), {
    ["scripts/demo.sh"] = "cd /ho" .. "me/someone/kelp\n", ["README.md"] = "in /ro" .. "ot/kelp\n" } },
  { "Lua parses", lua_parses, {
    ["scripts/kelp/a.lua"] = "return = 1\n", ["tests/lua/a.lua"] = "#!/bin/kelp\nlocal function\n" } },
  { "whitespace is plain", whitespace_is_plain, {
    ["runtime/base/a.c"] = "int a; \n", ["tests/run.sh"] = "\tx\n", ["scripts/kelp/a.lua"] = "return 1" } },
}

-- What each rule must let pass.
local good = {
  ["runtime/main.c"] = '#include "kelp.h"\n#include "lua/state.h"\n',
  ["runtime/lua/state.h"] = "int a;\n", ["bindings/kelp.h"] = "int b;\n",
  ["bindings/c.c"] = "int f(void)\n{\n" .. ("    g();\n"):rep(57) .. "}\n\nint t[] = {\n"
    .. ("    1,\n"):rep(90) .. "};\n",
  ["bindings/providers/upstash.c"] = '/* Upstash */ const char *n = .name = "upstash";\nconst char *a = "kelp.raw";\n',
  ["scripts/simulator/upstash.lua"] = "-- Upstash\nreturn 1\n",
  ["scripts/kelp/long.lua"] = "local t = {\n" .. ("  1,\n"):rep(90) .. "}\nlocal function f()\n"
    .. ("  if a then b() end -- end\n"):rep(58) .. "end\nreturn f\n",
  ["runtime/base/a.c"] = '#include "base/a.h"\n\nchar q = \'"\'; // strcpy(a)\n',
  ["runtime/http/transport_curl.c"] = '#include "base/a.h"\n#include <curl/curl.h>\n',
  ["runtime/journal/journal.c"] = "#include <sqlite3.h>\n",
  ["runtime/lua/task.c"] = '#include "http/a.h"\n#include <lua.h>\n\nint a = lua_resume();\n',
  ["runtime/lua/json.c"] = "#include <lua-cjson.h>\n\nint a = luaopen_cjson();\n",
  ["bindings/session/journal_text.c"] = "bool f(void) { return journal_end(j, op, &outcome); }\n",
  ["bindings/session/d.c"] = 'bool g = journal_text_end(L), h = my_journal_end(); /* journal_end */\n'
    .. 'const char *n = "journal_intend", *journal_end_name;\n',
  ["bindings/connector/b.c"] = '/* lua_resume, cjson */\nconst char *s = "cjson strcpy( \\" x";\n',
  ["runtime/lua/state.c"] = '#include <lua-cjson.h>\n\nint a = luaopen_cjson;\n',
  ["runtime/simulator/simulator_http.c"] = "#include <microhttpd.h>\n",
  ["runtime/lua/repl.c"] = "#include <histedit.h>\n\nint n = snprintf(), m = my_atoi();\n",
  ["scripts/kelp/a.lua"] = "#!/usr/bin/env kelp\nreturn 1\n",
  ["bindings/providers/confluent.c"] = '    .name = "confluent",\n',
  ["scripts/simulator/confluent_plugins.lua"] = "return 'SnowflakeSink'\n",
  ["tests/unit/test_a.c"] = '#include "kelp.h"\n#include <curl/curl.h>\n',
}

local function broken_by(files, rule)
  local found = {}
  rule(files, function(path, what) found[#found + 1] = path .. ": " .. what end)
  return found
end

local function make_tree(folder, files)
  for path, text in pairs(files) do
    assert(os.execute("mkdir -p " .. quote(folder .. "/" .. (path:match "^(.*)/" or ""))))
    local file = assert(io.open(folder .. "/" .. path, "wb"))
    assert(file:write(text))
    assert(file:close())
  end
end

local passed, failed = 0, 0

local function result(name, complaints)
  if #complaints == 0 then
    passed = passed + 1
  else
    failed = failed + 1
    print(("not kept: %s\n  %s"):format(name, table.concat(complaints, "\n  ")))
  end
end

local function try_rules(folder)
  make_tree(folder .. "/good", good)
  local good_files = read_tree(folder .. "/good")
  assert(#good_files > 0)
  for i, entry in ipairs(rules) do
    local name, rule, bad = entry[1], entry[2], entry[3]
    local complaints = broken_by(good_files, rule)
    for path, text in pairs(bad) do
      local tree = ("%s/%d"):format(folder, i)
      local whole = type(text) == "table" and text or { [path] = text }
      make_tree(tree, whole)
      if #broken_by(read_tree(tree), rule) == 0 then
        complaints[#complaints + 1] = "it does not notice example " .. path
      end
      assert(os.execute("rm -rf " .. quote(tree)))
    end
    result(name .. " (the rule itself)", complaints)
  end
end

local pipe = assert(io.popen("mktemp -d", "r"))
local folder = assert(pipe:read "l")
pipe:close()
local ok, message = pcall(try_rules, folder)
assert(os.execute("rm -rf " .. quote(folder)))
if not ok then error(message, 0) end

local files = read_tree(root)
assert(#files > 50, "this is not kelp's source tree: " .. root)
for _, entry in ipairs(rules) do result(entry[1], broken_by(files, entry[2])) end
print(("checks: %d passed, %d failed"):format(passed, failed))
return failed == 0 and 0 or 1
