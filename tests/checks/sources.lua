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

local STOREYS = { base = 1, engine = 2, providers = 3, lua = 3, host = 4 }

local function storey_of(path)
  return STOREYS[path:match "^runtime/(%w+)/" or path:match "^bindings/(%w+)/"]
end

local function includes_go_down(files, bad)
  for _, file in ipairs(files) do
    local own = in_program(file) and storey_of(file.path)
    for _, name in ipairs(own and file.includes or {}) do
      local theirs = STOREYS[name:match "^(%w+)/"]
      if theirs and theirs > own then bad(file.path, "includes " .. name) end
    end
  end
end

local function no_lua_below_the_bindings(files, bad)
  for _, file in ipairs(files) do
    if in_program(file) and storey_of(file.path) <= 2 then
      for _, name in ipairs(file.includes) do
        if name:find "^lua" or name == "lauxlib.h" then bad(file.path, "includes " .. name) end
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
    if in_program(file) and file.path ~= "bindings/lua/json.c" then
      for _, name in ipairs(file.includes) do
        if name:find "cjson" and file.path ~= "runtime/host/host.c" then
          bad(file.path, "includes " .. name)
        end
      end
      for word in file.code:gsub("#%s*include[^\n]*", ""):gmatch "[%w_]*cjson[%w_]*" do
        if file.path ~= "runtime/host/host.c" or word ~= "luaopen_cjson" then
          bad(file.path, "uses " .. word)
        end
      end
    end
  end
end

local function only_the_scheduler_resumes(files, bad)
  for _, file in ipairs(files) do
    if in_program(file) and file.path ~= "bindings/lua/task.c"
      and file.code:find "%f[%w_]lua_resume%f[^%w_]" then
      bad(file.path, "calls lua_resume")
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

-- name, the rule, and files that break it: path -> text
local rules = {
  { "includes go down", includes_go_down, {
    ["runtime/base/a.c"] = '#include "engine/transport.h"\n',
    ["runtime/engine/a.h"] = '  #  include "lua/json.h"\n',
    ["bindings/lua/a.c"] = '#include "host/host.h"\n',
    ["bindings/providers/a.c"] = '#include <host/host.h>\n' } },
  { "no Lua below the bindings", no_lua_below_the_bindings, {
    ["runtime/base/a.c"] = "#include <lua.h>\n", ["runtime/engine/b.c"] = "#include <lauxlib.h>\n",
    ["runtime/engine/c.c"] = "#include <lua5.4/lua.h>\n" } },
  { "only the transport includes curl", only({ "^curl/" },
    { "^runtime/engine/transport[%w_]*%.[ch]$" }), {
    ["runtime/engine/exchange.c"] = "#include <curl/curl.h>\n",
    ["bindings/lua/a.c"] = "#include <curl/multi.h>\n" } },
  { "only the journal includes sqlite", only({ "^sqlite3" },
    { "^runtime/engine/journal[%w_]*%.[ch]$" }), {
    ["runtime/engine/exchange.c"] = "#include <sqlite3.h>\n" } },
  { "only the simulator includes microhttpd", only({ "^microhttpd" },
    { "^runtime/host/simulator[%w_]*%.c$" }), {
    ["runtime/host/main.c"] = "#include <microhttpd.h>\n" } },
  { "only the REPL includes libedit", only({ "^histedit", "^editline/", "^readline/" },
    { "^runtime/host/repl%.c$" }), {
    ["runtime/host/main.c"] = "#include <histedit.h>\n",
    ["runtime/host/complete.c"] = "#include <editline/readline.h>\n" } },
  { "only the codec uses cjson", only_the_codec_uses_cjson, {
    ["bindings/lua/a.c"] = "#include <lua-cjson.h>\n",
    ["runtime/host/host.c"] = "int cjson_new(void);\n",
    ["runtime/host/main.c"] = "int luaopen_cjson(void);\n" } },
  { "only the scheduler resumes", only_the_scheduler_resumes, {
    ["bindings/lua/a.c"] = "int f(void) { return lua_resume (0); }\n",
    ["runtime/host/host.c"] = "#define RESUME lua_resume\n" } },
  { "no unbounded functions", no_unbounded_functions, {
    ["runtime/base/a.c"] = "void f(char *a) { strcpy(a, \"'\"); }\n",
    ["bindings/lua/a.c"] = "int f(char *a) { /* it's */ return sprintf (a, \"\\\"\"); }\n",
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
  ["runtime/base/a.c"] = '#include "base/a.h"\n\nchar q = \'"\'; // strcpy(a)\n',
  ["runtime/engine/transport_curl.c"] = '#include "base/a.h"\n#include <curl/curl.h>\n',
  ["runtime/engine/journal.c"] = "#include <sqlite3.h>\n",
  ["bindings/lua/task.c"] = '#include "engine/a.h"\n#include <lua.h>\n\nint a = lua_resume();\n',
  ["bindings/lua/json.c"] = "#include <lua-cjson.h>\n\nint a = luaopen_cjson();\n",
  ["bindings/lua/b.c"] = '/* lua_resume, cjson */\nconst char *s = "cjson strcpy( \\" x";\n',
  ["runtime/host/host.c"] = '#include <lua-cjson.h>\n\nint a = luaopen_cjson;\n',
  ["runtime/host/simulator_http.c"] = "#include <microhttpd.h>\n",
  ["runtime/host/repl.c"] = "#include <histedit.h>\n\nint n = snprintf(), m = my_atoi();\n",
  ["scripts/kelp/a.lua"] = "#!/usr/bin/env kelp\nreturn 1\n",
  ["tests/unit/test_a.c"] = '#include "host/host.h"\n#include <curl/curl.h>\n',
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
      make_tree(tree, { [path] = text })
      if #broken_by(read_tree(tree), rule) == 0 then
        complaints[#complaints + 1] = "it does not notice " .. path .. ": " .. text
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
