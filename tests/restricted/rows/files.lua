-- The manifest's file, and the options of the program.

return function(row)

local function bad(name, text, manifest, json)
  row("manifest-" .. name, { manifest = manifest, json = json, script = [[out "it ran"]], code = 1,
    err = { "cannot be used: ", text } })
end
local SIM = "targets = { { provider = 'confluent', environment = 'e', cluster = 'c' } }"
bad("unknown-key", "unknown key 'verb'", "return { " .. SIM .. ", verb = {} }")
bad("no-targets", "targets is missing", "return { verbs = {} }")
bad("no-connectors", "connectors is missing", "return { " .. SIM
  .. ", verbs = { 'put' }, writes = 1 }")
bad("no-writes", "writes is missing", "return { " .. SIM
  .. ", verbs = { 'put' }, connectors = { '*' } }")
bad("no-total", "writes is missing", "return { " .. SIM
  .. ", verbs = { 'put' }, connectors = { '*' }, writes = { put = 1 } }")
bad("verb", "verbs[2]: there is no verb 'delet'", "return { " .. SIM
  .. ", verbs = { 'get', 'delet' } }")
bad("negative", "writes must be a whole number", "return { " .. SIM .. ", writes = -1 }")
bad("fraction", "writes must be a whole number", "return { " .. SIM .. ", writes = 1.5 }")
bad("writes-verb", "'list' is neither", "return { " .. SIM .. ", writes = { list = 1 } }")
bad("rate", "rate must be", "return { " .. SIM .. ", rate = 0 }")
bad("provider", "provider must be", "return { targets = { { provider = 'x' } } }")
bad("place", "'cluster' is missing",
  "return { targets = { { provider = 'confluent', environment = 'e' } } }")
bad("place-key", "'url2' is not known",
  "return { targets = { { provider = 'confluent', url2 = 'e' } } }")
bad("place-url", "'url' is missing", "return { targets = { { provider = 'connect' } } }")
bad("list", "connectors must be a list", "return { " .. SIM .. ", connectors = { a = 'b' } }")
bad("element", "connectors[1] must be a string", "return { " .. SIM .. ", connectors = { 5 } }")
bad("calls", "attempt to call", "return { targets = { getenv 'HOME' } }")
bad("syntax", "line:1:", "return { targets = ")
bad("no-table", "it is no table", "return 5")
bad("bytecode", "binary chunk", string.dump(load "return {}"))
bad("json", "invalid JSON", "{ targets: 1 }", true)
row("manifest-as-json", { json = true, manifest = [[{"targets": ["x", {"provider": "confluent",
  "environment": "env-sim", "cluster": "lkc-sim"}], "verbs": ["pause"], "connectors": ["orders-*"],
  "writes": {"total": 1}}]], script = [[
  require "kelp".confluent { environment = "env-sim", cluster = "lkc-sim" } :pause "orders-to-s3"
]], effects = "pause orders-to-s3" })
row("manifest-that-is-not-there", { options = { "--manifest", "/nonexistent/m.lua" },
  script = [[out "it ran"]], code = 1,
  err = { "/nonexistent/m.lua cannot be used: No such file" } })
row("manifest-literal", { manifest = "  { " .. SIM .. " }", script = [[print "ran"]],
  out = { "ran" } })

row("option-e", { options = { "-e", "print 'ESCAPED'" }, code = 2, err = { "-e, -l, -i" } })
row("option-l", { options = { "-l", "os" }, code = 2, err = { "-e, -l, -i" } })
row("option-i", { options = { "-i" }, code = 2, script = "", err = { "-e, -l, -i" } })
row("option-command", { options = { "list", "confluent" }, code = 2, err = { "not a command" } })
row("option-manifest-alone", { restricted = false, manifest = "{}", code = 2, script = "",
  err = { "--manifest needs --restricted" } })

end
