-- The verbs on Kafka Connect: the requests that each one makes, every shape of error, names,
-- several workers of which one is down. Run by run.lua.
local kelp = require "kelp"
local lu = require "luaunit"
local support = require "support"

local SOURCE = "org.apache.kafka.connect.file.FileStreamSourceConnector"

local function source(changes)
  local config = { ["connector.class"] = "FileStreamSource", topic = "lines", file = "/tmp/in.txt" }
  for key, value in pairs(changes or {}) do config[key] = value end
  return config
end

local function sink(changes)
  local config = { ["connector.class"] = "FileStreamSink", topics = "lines",
                   file = "/tmp/out.txt" }
  for key, value in pairs(changes or {}) do config[key] = value end
  return config
end

local function reply(status, value)
  return { status = status, headers = { ["Content-Type"] = "application/json" },
           body = type(value) == "string" and value or value and kelp.json.encode(value) or "" }
end

local function refusal(status, message)
  return reply(status, { error_code = status, message = message })
end

local function info(name, config)
  return { name = name, config = config or { name = name }, tasks = kelp.json.array {},
           type = "sink" }
end

-- What a scripted server was asked, as "METHOD path?query".
local function lines(server)
  local list = {}
  for i, request in ipairs(server:asked()) do
    list[i] = ("%s %s%s"):format(request.method, request.path:gsub("^/connect", ""),
      (request.query or "") ~= "" and "?" .. request.query or "")
  end
  return list
end

TestConnect = {}

function TestConnect:setUp()
  self.sim = support.simulator()
  self.sim:reset()
  self.target = self.sim:connect_target()
end

function TestConnect:verbs(name)
  local verbs = {}
  for _, effect in ipairs(self.sim:effects()) do
    if effect.name == name then verbs[#verbs + 1] = effect.verb end
  end
  return table.concat(verbs, " ")
end

function TestConnect:stored(name)
  return self.sim:state().connect["local"][name]
end

-- ---- reading ----

function TestConnect:test_list_is_one_request_that_repeats_expand()
  local server = support.scripted { reply(200, "{}") }
  lu.assertEquals(server:connect_target():list(), {})
  lu.assertEquals(lines(server), { "GET /connectors?expand=info&expand=status" })
  local made, list = self.sim:requests_of(self.target.list, self.target)
  lu.assertEquals(made, { ["GET /connectors"] = 1 })
  local names = {}
  for i, c in ipairs(list) do names[i] = c.name end
  lu.assertEquals(names,
    { "access-log-source", "audit-file-sink", "heartbeats-to-dr", "orders-to-lost-disk" })
end

function TestConnect:test_a_listed_connector_has_all_fields()
  local c = self.target:list { name = "access*" }[1]
  lu.assertTrue(kelp.is_connector(c))
  lu.assertEquals(c.class, SOURCE)
  lu.assertEquals(c.type, "source")
  lu.assertEquals(c.state, "running")
  lu.assertNil(c.id)
  lu.assertNil(c.error)
  lu.assertEquals(#c.tasks, 1)
  lu.assertEquals(c.tasks[1].id, 0)
  lu.assertEquals(c.tasks[1].state, "running")
  lu.assertEquals(c.tasks[1].worker, "127.0.0.1:8083")
  lu.assertEquals(c.config.topic, "access-log")
  lu.assertIs(c.target, self.target)
end

function TestConnect:test_a_failed_task_of_a_running_connector_says_why()
  local c = self.target:get "orders-to-lost-disk"
  lu.assertEquals(c.state, "failed")
  lu.assertEquals(c.details.state, "running")
  lu.assertEquals(c.tasks[1].state, "failed")
  lu.assertStrContains(c.error, "Couldn't find or create file")
  local problem = support.raises("conflict", self.target.wait, self.target, c, { grace = 0 })
  lu.assertStrContains(problem.message, "Couldn't find or create file")
end

function TestConnect:test_every_state_has_its_word()
  for word, state in pairs { RUNNING = "running", PAUSED = "paused", STOPPED = "stopped",
                             FAILED = "failed", UNASSIGNED = "unassigned",
                             RESTARTING = "restarting", DESTROYED = "unknown" } do
    local server = support.scripted { reply(200, info "a"), reply(200, { name = "a",
      connector = { state = word, worker_id = "w", trace = word == "FAILED" and "broke" or nil },
      tasks = kelp.json.array {}, type = "sink" }) }
    local c = server:connect_target():get "a"
    lu.assertEquals(c.state, state)
    lu.assertEquals(c.error, word == "FAILED" and "broke" or nil)
  end
end

function TestConnect:test_an_absent_connector_is_not_found()
  for verb, message in pairs {
    get = "Connector nothing not found", delete = "Connector nothing not found",
    pause = "Connector nothing not found",
    resume = "Connector nothing not found",
    stop = "Connector nothing not found",
    restart = "Connector nothing not found",
    tasks = "Connector nothing not found", offsets = "Connector nothing not found",
    reset_offsets = "No status found for connector nothing",
  } do
    local problem = support.raises("not_found", self.target[verb], self.target, "nothing")
    lu.assertEquals(problem.message, message)
    lu.assertEquals(problem.verb, verb)
    lu.assertEquals(problem.connector, "nothing")
    lu.assertEquals(problem.status, 404)
  end
  support.raises("not_found", self.target.update, self.target, "nothing", { a = 1 })
  support.raises("not_found", self.target.restart, self.target, "nothing", { tasks = "all" })
  lu.assertNil(self.target:find "nothing")
end

function TestConnect:test_secrets_come_in_clear_and_are_not_shown()
  local c = self.target:get "heartbeats-to-dr"
  lu.assertEquals(c.config["target.cluster.sasl.jaas.config"], "not-a-real-jaas-config")
  local result = support.kelp { "--no-journal", "-e", ([[
    local c = require "kelp".connect { url = "%s" }:get "heartbeats-to-dr"
    print(c.config["target.cluster.sasl.jaas.config"])]]):format(self.sim.connect) }
  lu.assertEquals(result.code, 0)
  lu.assertNil(result.out:find("not-a-real-jaas-config", 1, true))
end

function TestConnect:test_placeholders_of_a_config_provider_are_no_secrets()
  local placeholder = "${file:/etc/kafka/secrets.properties:password}"
  self.target:create("new", sink { ["sasl.password"] = placeholder })
  local result = support.kelp { "--no-journal", "-e", ([[
    print(require "kelp".connect { url = "%s" }:get "new".config["sasl.password"])]])
      :format(self.sim.connect) }
  lu.assertEquals(result.out, placeholder .. "\n")
end

-- ---- writing ----

function TestConnect:test_create()
  local made, c = self.sim:requests_of(self.target.create, self.target, "new",
    source { ["batch.size"] = 5, ["tasks.max"] = 1 })
  lu.assertEquals(made, { ["POST /connectors"] = 1 })
  lu.assertEquals(c.name, "new")
  lu.assertEquals(c.type, "source")
  lu.assertEquals(self:stored("new").config,
    source { name = "new", ["batch.size"] = "5", ["tasks.max"] = "1" })
  local problem = support.raises("exists", self.target.create, self.target, "new", source())
  lu.assertEquals(problem.status, 409)
  lu.assertEquals(self:verbs "new", "create")
end

function TestConnect:test_create_with_a_starting_state()
  for _, state in ipairs { "running", "paused", "stopped" } do
    self.target:create(state, source(), { state = state })
    lu.assertEquals(self.target:get(state).state, state)
  end
  local server = support.scripted { reply(200, { version = "4.1.0" }), reply(201, info "a") }
  server:connect_target():create("a", sink(), { state = "stopped" })
  lu.assertEquals(kelp.json.decode(server:asked()[2].body),
    { name = "a", config = sink { name = "a" }, initial_state = "STOPPED" })
  support.misuse("state must be", self.target.create, self.target, "b", sink(), { state = "off" })
  support.misuse("unknown option 'start'", self.target.create, self.target, "b", sink(),
    { start = 1 })
end

function TestConnect:test_create_that_begins_at_offsets()
  local start = { { partition = { filename = "/tmp/in.txt" },
                    offset = { position = 9007199254740993 } } }
  local made = self.sim:requests_of(function()
    self.target:create("new", source(), { offsets = start })
  end)
  lu.assertEquals(made, { ["GET /"] = 1, ["POST /connectors"] = 1, ["PATCH /connectors/{name}/offsets"] = 1,
                          ["PUT /connectors/{name}/resume"] = 1 })
  lu.assertEquals(self:verbs "new", "create alter_offsets resume")
  lu.assertEquals(self.target:offsets "new", start)
  lu.assertEquals(self.target:get("new").state, "running")
  self.target:create("still", source(), { offsets = start, state = "stopped" })
  lu.assertEquals(self:verbs "still", "create alter_offsets")
  lu.assertEquals(self.target:get("still").state, "stopped")
  self.target:create("pausing", source(), { offsets = start, state = "paused" })
  lu.assertEquals(self.target:get("pausing").state, "paused")
end

function TestConnect:test_create_says_when_its_offsets_are_refused()
  local problem = support.raises("server", self.target.create, self.target, "new", source(),
    { offsets = { { partition = { wrong = "x" }, offset = { position = 1 } } } })
  lu.assertTrue(problem.made)
  lu.assertEquals(problem.verb, "create")
  lu.assertStrContains(problem.message, "it was made and is stopped")
  lu.assertStrContains(problem.message, "filename")
  lu.assertEquals(self.target:get("new").state, "stopped")
end

function TestConnect:test_a_config_that_the_plugin_refuses()
  local problem = support.raises("invalid", self.target.create, self.target, "new",
    source { ["tasks.max"] = "none", topic = "" })
  lu.assertEquals(problem.status, 400)
  lu.assertStrContains(problem.message, "Not a number of type INT")
  lu.assertStrContains(problem.message, "String must be non-empty")
  problem = support.raises("invalid", self.target.create, self.target, "new",
    source { ["connector.class"] = "NoSuch" })
  lu.assertStrContains(problem.message, "Failed to find any class")
  support.raises("invalid", self.target.update, self.target, "audit-file-sink",
    { ["tasks.max"] = 0 })
  support.raises("invalid", self.target.put, self.target, "audit-file-sink", { topics = "a" })
  lu.assertEquals(self.sim:effects(), {})
end

function TestConnect:test_update_is_one_patch()
  local made, c = self.sim:requests_of(self.target.update, self.target, "audit-file-sink",
    { ["tasks.max"] = 2, file = kelp.null })
  lu.assertEquals(made, { ["GET /connectors/{name}"] = 1, ["PATCH /connectors/{name}/config"] = 1 })
  lu.assertEquals(c.config["tasks.max"], "2")
  lu.assertNil(c.config.file)
  lu.assertEquals(self:verbs "audit-file-sink", "update")
  local server = support.scripted { reply(200, info "a") }
  local target = server:connect_target()
  target:update(support.at_hand(target, "a"), { x = 1, y = kelp.null })
  lu.assertEquals(server:asked()[1].body, '{"name":"a","x":"1","y":null}')
end

function TestConnect:test_an_older_worker_is_found_out_once()
  for _, status in ipairs { 405, 404 } do
    local old = { connector = "a", config = { name = "a", x = "1", y = "2" } }
    local server = support.scripted {
      refusal(status, ("HTTP %d"):format(status)), reply(200, info("a", old.config)),
      reply(200, info "a"), reply(200, info("a", old.config)), reply(200, info "a"),
    }
    local target = server:connect_target()
    lu.assertTrue(require("kelp.abilities").of(target).merge)
    target:update(support.at_hand(target, "a"), { x = 5, y = kelp.null })
    lu.assertFalse(require("kelp.abilities").of(target).merge)
    target:update("a", { x = 6 })
    lu.assertEquals(lines(server), { "PATCH /connectors/a/config", "GET /connectors/a",
      "PUT /connectors/a/config", "GET /connectors/a", "PUT /connectors/a/config" })
    lu.assertEquals(kelp.json.decode(server:asked()[3].body), { name = "a", x = "5" })
    lu.assertEquals(kelp.json.decode(server:asked()[5].body), { name = "a", x = "6", y = "2" })
  end
  -- What is not there is not taken for an old worker.
  local server = support.scripted { refusal(404, "Connector a not found"),
                                    refusal(404, "Connector a not found") }
  local target = server:connect_target()
  support.raises("not_found", target.update, target, support.at_hand(target, "a"), { x = 5 })
  lu.assertTrue(require("kelp.abilities").of(target).merge)
end

function TestConnect:test_put_makes_and_replaces()
  local made, c = self.sim:requests_of(self.target.put, self.target, "new", sink())
  lu.assertEquals(made, { ["GET /connectors/{name}"] = 1, ["PUT /connectors/{name}/config"] = 1 })
  lu.assertEquals(c.name, "new")
  self.target:put("audit-file-sink", sink())
  lu.assertEquals(self:stored("audit-file-sink").config, sink { name = "audit-file-sink" })
  support.raises("invalid", self.target.put, self.target, "new", sink { name = "other" })
end

function TestConnect:test_restarts()
  local server = support.scripted {
    reply(204), reply(202, { name = "a", connector = { state = "RESTARTING", worker_id = "w" },
      tasks = { { id = 0, state = "RESTARTING", worker_id = "w" } }, type = "sink" }),
    reply(202, { name = "a", connector = { state = "RUNNING", worker_id = "w" },
      tasks = { { id = 0, state = "RESTARTING", worker_id = "w" } }, type = "sink" }), reply(204),
  }
  local target = server:connect_target()
  local a = support.at_hand(target, "a")
  lu.assertTrue(target:restart(a, { tasks = "none" }))
  local c = target:restart(a, { tasks = "all" })
  lu.assertEquals(c.state, "restarting")
  lu.assertEquals(target:restart(a, { tasks = "failed" }).tasks[1].state, "restarting")
  lu.assertTrue(target:restart(a, { tasks = 3 }))
  lu.assertEquals(lines(server), { "POST /connectors/a/restart",
    "POST /connectors/a/restart?includeTasks=true&onlyFailed=false",
    "POST /connectors/a/restart?includeTasks=true&onlyFailed=true",
    "POST /connectors/a/tasks/3/restart" })
  for _, tasks in ipairs { "some", -1, 1.5, true } do
    support.misuse("tasks must be", target.restart, target, "a", { tasks = tasks })
  end
end

function TestConnect:test_restart_of_a_task_that_is_not_there()
  local problem = support.raises("not_found", self.target.restart, self.target,
    "access-log-source", { tasks = 7 })
  lu.assertEquals(problem.message, "Unknown task: access-log-source-7")
  lu.assertEquals(problem.verb, "restart")
end

function TestConnect:test_restart_failed_takes_what_failed()
  local c = self.target:restart("orders-to-lost-disk", { tasks = "failed" })
  lu.assertEquals(c.state, "restarting")
  lu.assertEquals(c.details.state, "running")
  lu.assertEquals(c.tasks[1].state, "restarting")
  c = self.target:restart("access-log-source", { tasks = "failed" })
  lu.assertEquals(c.tasks[1].state, "running")
end

function TestConnect:test_pause_resume_stop_delete()
  local name = "access-log-source"
  local made = self.sim:requests_of(function()
    lu.assertTrue(self.target:pause(name))
    lu.assertEquals(self.target:get(name).state, "paused")
    lu.assertTrue(self.target:stop(name))
    local c = self.target:get(name)
    lu.assertEquals(c.state, "stopped")
    lu.assertEquals(c.tasks, {})
    lu.assertTrue(self.target:resume(name))
    lu.assertEquals(self.target:wait(name, { poll = 0.01 }).state, "running")
    lu.assertTrue(self.target:delete(name))
    lu.assertNil(self.target:find(name))
  end)
  lu.assertEquals(made["PUT /connectors/{name}/stop"], 1)
  lu.assertEquals(made["DELETE /connectors/{name}"], 1)
  lu.assertEquals(self:verbs(name), "pause stop resume delete")
end

function TestConnect:test_a_new_connector_runs_when_it_has_its_tasks()
  local function status(tasks)
    return reply(200, { name = "a", connector = { state = "RUNNING", worker_id = "w" },
                        tasks = tasks or kelp.json.array {}, type = "sink" })
  end
  local running = { { id = 0, state = "RUNNING", worker_id = "w" } }
  local server = support.scripted { refusal(404, "No status found for connector a"), status(),
                                    status(running) }
  local target = server:connect_target()
  lu.assertEquals(#target:wait("a", { poll = 0.01 }).tasks, 1)
  lu.assertEquals(#server:asked(), 3)
  server = support.scripted { reply(200, info "a"), refusal(404, "No status found for connector a") }
  lu.assertEquals(server:connect_target():get("a").state, "unassigned")
  -- It may take longer than a connector takes to show.
  local none = refusal(404, "No status found for connector a")
  server = support.scripted { none, reply(200, info "a"), none, status(running) }
  lu.assertEquals(server:connect_target():wait("a", { poll = 0.01, visibility_delay = 0 }).state, "running")
  server = support.scripted { none, refusal(404, "Connector a not found") }
  target = server:connect_target()
  support.raises("not_found", target.wait, target, "a", { poll = 0.01, visibility_delay = 0 })
  -- One that never has any is running all the same.
  server = support.scripted { status() }
  lu.assertEquals(server:connect_target():wait("a", { poll = 0.01, visibility_delay = 0 }).state, "running")
end

function TestConnect:test_what_it_does_not_offer()
  local made, problem = self.sim:requests_of(support.raises, "unsupported", self.target.translate,
    self.target, "S3_SINK", {})
  lu.assertEquals(made, {})
  lu.assertEquals(problem.verb, "translate")
  lu.assertFalse(self.target.can.translate)
  for _, verb in ipairs { "stop", "tasks", "validate", "plugins", "offsets", "alter_offsets",
                          "reset_offsets", "wait", "update", "put", "find" } do
    lu.assertTrue(self.target.can[verb], verb)
  end
  local internal = require("kelp.abilities").of(self.target)
  for _, name in ipairs { "restart_tasks", "merge", "remove_keys" } do
    lu.assertTrue(internal[name], name)
    lu.assertNil(self.target.can[name], name)
  end
  lu.assertFalse(internal.masks)
  lu.assertFalse(internal.address_by_id)
end

-- ---- errors ----

function TestConnect:test_the_shapes_of_errors()
  local cases = {
    { refusal(400, "Connector configuration is invalid"), "invalid",
      "Connector configuration is invalid" },
    { { status = 401, body = "User cannot access the resource." }, "unauthorized",
      "User cannot access the resource." },
    { refusal(403, "Topic tracking is disabled."), "forbidden", "Topic tracking is disabled." },
    { refusal(404, "Unknown connector a"), "not_found", "Unknown connector a" },
    { refusal(405, "HTTP 405 Method Not Allowed"), "unsupported", "HTTP 405 Method Not Allowed" },
    { { status = 400, headers = { ["Content-Type"] = "text/html" },
        body = "<html>\n<head>\n<title>Error 400 Bad things</title></head></html>" }, "invalid",
      "the answer is a web page, not the provider's API: Error 400 Bad things" },
  }
  for _, case in ipairs(cases) do
    local server = support.scripted { case[1] }
    local target = server:connect_target()
    local problem = support.raises(case[2], target.pause, target, support.at_hand(target, "a"))
    lu.assertEquals(problem.message, case[3])
    lu.assertEquals(problem.status, case[1].status)
    lu.assertEquals(problem.provider, "connect")
  end
end

function TestConnect:test_two_conflicts()
  local server = support.scripted {
    refusal(409, "Connector rebalance already exists"),
    refusal(409, "Cannot complete request momentarily due to stale configuration (typically "
      .. "caused by a concurrent config change)"), reply(201, info "b"),
    refusal(409, "Cannot complete request because of a conflicting operation (e.g. worker "
      .. "rebalance)"), reply(204),
    refusal(500, "Request cannot be completed because a rebalance is expected"),
    reply(200, info "b"),
  }
  local target = server:connect_target { deadline = 60, attempts = 4 }
  support.raises("exists", target.create, target, "rebalance", sink())
  lu.assertEquals(target:create("b", sink()).name, "b")
  lu.assertTrue(target:restart(support.at_hand(target, "b"), { tasks = "none" }))
  target:update(support.at_hand(target, "b"), { x = 1 })
  lu.assertEquals(#server:asked(), 7)
end

local function count_of(server, line)
  local n = 0
  for _, asked in ipairs(lines(server)) do
    if asked == line then n = n + 1 end
  end
  return n
end

-- Replies to requests that stay ambiguous, each with the looks that follow it.
local function never_done(n, ...)
  local replies = {}
  for _ = 1, n do
    replies[#replies + 1] = { status = 502, body = "bad gateway" }
    for _, one in ipairs { ... } do replies[#replies + 1] = one end
  end
  return replies
end

function TestConnect:test_all_requests_of_a_write_are_as_many_as_its_attempts()
  local running = reply(200, { name = "a", connector = { state = "RUNNING", worker_id = "w" },
                               tasks = kelp.json.array {}, type = "sink" })
  local server = support.scripted(never_done(20, running))
  local target = server:connect_target { url = { server.connect, server.connect }, attempts = 4,
    deadline = 60, backoff = 0.001, longest_backoff = 0.001 }
  local problem = support.raises("unknown_outcome", target.pause, target, "a")
  lu.assertEquals(count_of(server, "PUT /connectors/a/pause"), 4)
  lu.assertEquals(problem.attempts, 4)
  server = support.scripted(never_done(20, refusal(404, "no"), refusal(404, "no"),
    refusal(404, "no"), refusal(404, "no")))
  target = server:connect_target { attempts = 3, deadline = 60 }
  support.raises("unknown_outcome", target.create, target, "a", sink())
  lu.assertEquals(count_of(server, "POST /connectors"), 3)
  support.scripted { reply(200, {}) }
  require "kelp.reconcile".audit()
end

function TestConnect:test_the_deadline_is_that_of_the_whole_write()
  local absent = refusal(404, "no")
  local server = support.scripted(never_done(20, absent, absent, absent, absent))
  local target = server:connect_target { attempts = 4, deadline = 1, visibility_delay = 0.6,
    url = server.connect }
  support.raises("unknown_outcome", target.create, target, "a", sink())
  lu.assertEquals(count_of(server, "POST /connectors"), 1)
  support.scripted { reply(200, {}) }
  require "kelp.reconcile".audit()
end

function TestConnect:test_a_request_whose_time_was_up_may_have_been_carried_out()
  local late = refusal(500, "Request timed out. The worker is currently ensuring membership in the "
    .. "cluster, which began at 2026-01-01T00:00:00Z")
  local server = support.scripted { late, reply(200, info("a", sink { name = "a" })) }
  local c = server:connect_target { attempts = 4, deadline = 60 }:create("a", sink())
  lu.assertEquals(c.name, "a")
  lu.assertEquals(lines(server), { "POST /connectors", "GET /connectors/a" })
  support.scripted { reply(200, { a = { info = info "a" } }) }
  lu.assertEquals(require "kelp.reconcile".audit(), 0)
  server = support.scripted { late }
  local target = server:connect_target()
  support.raises("unknown_outcome", target.restart, target, support.at_hand(target, "a"),
    { at_most_once = true })
  lu.assertEquals(#server:asked(), 1)
end

function TestConnect:test_an_update_in_doubt_that_removes_a_key_is_looked_at()
  local lost = { status = 502, body = "bad gateway" }
  local config = { name = "a", x = "1", y = "2" }
  local server = support.scripted { lost, reply(200, info("a", config)), reply(200, info("a",
    { name = "a", x = "1" })) }
  local target = server:connect_target { attempts = 4, deadline = 60 }
  target:update(support.at_hand(target, "a"), { x = 1, y = kelp.null })
  lu.assertEquals(lines(server), { "PATCH /connectors/a/config", "GET /connectors/a",
                                   "PATCH /connectors/a/config" })
end

-- ---- names ----

function TestConnect:test_names_that_an_address_can_hold()
  for _, name in ipairs { "with space", "dots.and..more", ".hidden", "ünïcödé-連接", "a+b", "a?b#c",
                          "a;b", "a&b=c", "quote'\"" } do
    lu.assertEquals(self.target:create(name, sink()).name, name)
    lu.assertEquals(self.target:get(name).name, name)
    self.target:update(name, { ["tasks.max"] = 2 })
    self.target:pause(name)
    self.target:restart(name, { tasks = "all" })
    lu.assertEquals(self.target:tasks(name)[1].id, 0)
    lu.assertEquals(self:verbs(name), "create update pause restart")
    self.target:delete(name)
  end
end

function TestConnect:test_names_that_a_current_worker_cannot_be_asked_for()
  for _, name in ipairs { "a/b", "100%", "back\\slash" } do
    local problem = support.raises("invalid", self.target.get, self.target, name)
    lu.assertStrContains(problem.message, "does not take the connector's name in an address")
    support.raises("invalid", self.target.delete, self.target, name)
  end
  -- Older ones can.
  local server = support.scripted { reply(200, info "a/b%c d") }
  local old = server:connect_target()
  old:update(support.at_hand(old, "a/b%c d"), { x = 1 })
  lu.assertEquals(lines(server), { "PATCH /connectors/a%2Fb%25c%20d/config" })
  for _, name in ipairs { "", ".", "..", "a\nb", "a\0b" } do
    lu.assertFalse(pcall(self.target.get, self.target, name))
  end
end

-- ---- credentials and addresses ----

function TestConnect:test_credentials_are_optional()
  local server = support.scripted { reply(200, "{}"), reply(200, "{}") }
  kelp.connect { url = server.connect }:list()
  kelp.connect { url = server.connect .. "/", username = "me", password = "not-a-real-one" }:list()
  local asked = server:asked()
  lu.assertNil(asked[1].headers.authorization)
  lu.assertEquals(asked[2].headers.authorization, "Basic bWU6bm90LWEtcmVhbC1vbmU=")
  local wrong = self.sim:connect_target { username = "wrong-user" }
  support.raises("unauthorized", wrong.list, wrong)
  support.misuse("username is set but password is not", kelp.connect,
    { url = server.connect, username = "me" })
  support.misuse("password is set but username is not", kelp.connect,
    { url = server.connect, password = "not-a-real-one" })
end

function TestConnect:test_an_address_is_needed()
  support.misuse("set option url or environment variable KAFKA_CONNECT_URL", kelp.connect, {})
  support.misuse("KAFKA_CONNECT_URL", kelp.connect)
  support.misuse("unknown option 'base_url'", kelp.connect, { base_url = "http://127.0.0.1:1" })
  support.misuse("url 'localhost:8083' is not an address", kelp.connect,
    { url = "localhost:8083" })
  support.misuse("url '' is not an address", kelp.connect, { url = "http://127.0.0.1:1," })
  support.misuse("url must be a string", kelp.connect, { url = { "http://127.0.0.1:1", 5 } })
  local many = {}
  for i = 1, 17 do many[i] = "http://127.0.0.1:" .. i end
  support.misuse("more than 16", kelp.connect, { url = many })
  support.misuse("key_file is set but cert_file is not", kelp.connect,
    { url = "https://127.0.0.1:1", key_file = "x" })
end

function TestConnect:test_the_environment()
  local server = support.scripted { reply(200, "{}") }
  local result = support.kelp({ "--no-journal", "-e",
    [[local t = kelp.target "connect" print(t, #t:list())]] }, { env = {
      KAFKA_CONNECT_URL = "http://127.0.0.1:1, " .. server.connect,
      KAFKA_CONNECT_BASIC_AUTH_USERNAME = "me",
      KAFKA_CONNECT_BASIC_AUTH_PASSWORD = "not-a-real-one" } })
  lu.assertEquals(result.err, "")
  lu.assertEquals(result.out,
    ("target connect http://127.0.0.1:1,%s\t0\n"):format(server.connect))
  lu.assertEquals(server:asked()[1].headers.authorization, "Basic bWU6bm90LWEtcmVhbC1vbmU=")
  result = support.kelp({ "--no-journal", "-e", "kelp.connect {}" },
    { env = { KAFKA_CONNECT_URL = server.connect, KAFKA_CONNECT_BASIC_AUTH_USERNAME = "me" } })
  lu.assertStrContains(result.err, "KAFKA_CONNECT_BASIC_AUTH_PASSWORD")
end

function TestConnect:test_plain_http_carries_no_credential_to_another_machine()
  -- 192.0.2.0/24 is for documentation: nothing is there, and nothing may be sent there.
  local options = { url = "http://192.0.2.1:8083", connect_timeout = 0.2, attempts = 1,
                    username = "me", password = "not-a-real-one" }
  local target = kelp.connect(options)
  local problem = support.raises("invalid", target.list, target)
  lu.assertStrContains(problem.message, "allow_http")
  options.username, options.password = nil, nil
  target = kelp.connect(options)
  local ok, failure = pcall(target.list, target)
  lu.assertFalse(ok)
  lu.assertNotEquals(failure.kind, "invalid")
  local file = support.write(support.path "secret", "not-a-real-secret")
  assert(os.execute("chmod 600 " .. support.quote(file)))
  problem = support.raises("invalid", target.create, target, "a",
    sink { ["sasl.password"] = kelp.secret { file = file } })
  lu.assertStrContains(problem.message, "allow_http")
  -- nor does a plain text where a secret stands, by its key or within a value
  for key, value in pairs { ["database.password"] = "zq7", ["function.key"] = "k",
      url = "jdbc:x://h/db?password=zq7", headers = "Authorization:Bearer x1" } do
    problem = support.raises("invalid", target.create, target, "a", sink { [key] = value })
    lu.assertStrContains(problem.message, "allow_http", key)
  end
  for key, value in pairs { ["database.password"] = "${file:/etc/x:pw}", ["ssl.key.password"] = "",
      url = "jdbc:x://h/db", ["ssl.keystore.location"] = "/etc/x", headers = "Accept:text" } do
    ok, failure = pcall(target.create, target, "a", sink { [key] = value })
    lu.assertFalse(ok)
    lu.assertNotEquals(failure.kind, "invalid", key)
  end
  options.allow_http = true
  target = kelp.connect(options)
  ok, failure = pcall(target.create, target, "a", sink { ["database.password"] = "zq7" })
  lu.assertFalse(ok)
  lu.assertNotEquals(failure.kind, "invalid")
end

function TestConnect:test_sim_is_the_default_of_sim()
  local result = support.kelp({ "--sim", "--no-journal", "-e", [[
    local t = kelp.connect { url = "http://192.0.2.1", username = "me", password = "not-a-real" }
    print(#t:list(), kelp.target "connect":get "audit-file-sink".state)]] })
  lu.assertEquals(result.out, "4\tpaused\n")
end

-- ---- several workers ----

local DOWN = "http://127.0.0.1:1"

function TestConnect:test_a_worker_that_is_down_is_passed_over()
  local target = self.sim:connect_target { url = { DOWN, self.sim.connect }, attempts = 1 }
  lu.assertEquals(target:create("new", sink()).name, "new")
  lu.assertEquals(#target:list(), 5)
  lu.assertTrue(target:pause "new")
  lu.assertTrue(target:restart "new")
  lu.assertEquals(self:verbs "new", "create pause restart")
end

function TestConnect:test_all_down_is_an_error_that_names_it()
  local target = kelp.connect { url = { DOWN, "http://127.0.0.1:2" }, attempts = 2, backoff = 0.01 }
  local problem = support.raises("network", target.create, target, "new", sink())
  lu.assertEquals(problem.sent, "no")
  lu.assertEquals(problem.attempts, 4)
end

function TestConnect:test_a_read_goes_on_after_a_server_failure_and_a_write_does_not()
  local server = support.scripted { refusal(503, "no"), reply(200, "{}") }
  local other = server.connect .. "/other"
  local target = server:connect_target { url = { server.connect, other }, attempts = 1 }
  lu.assertEquals(target:list(), {})
  local asked = server:asked()
  lu.assertEquals(asked[1].path, "/connect/connectors")
  lu.assertEquals(asked[2].path, "/connect/other/connectors")
  for _, case in ipairs { { "restart", "a" }, { "delete", "a" }, { "put", "a", sink() } } do
    server = support.scripted { refusal(503, "no") }
    target = server:connect_target { url = { server.connect, other }, attempts = 1 }
    pcall(target[case[1]], target, support.at_hand(target, case[2]), case[3])
    local writes = 0
    for _, request in ipairs(server:asked()) do
      if request.method ~= "GET" then
        writes = writes + 1
        lu.assertNil(request.path:find("other", 1, true))
      end
    end
    lu.assertEquals(writes, 1, case[1])
  end
end

function TestConnect:test_a_state_in_doubt_is_looked_at_before_another_worker_is_asked()
  local lost = { status = 502, body = "bad gateway" }
  local function status(state)
    return reply(200, { name = "a", connector = { state = state, worker_id = "w" },
                        tasks = kelp.json.array {}, type = "sink" })
  end
  local server = support.scripted { lost, status "PAUSED" }
  local urls = { server.connect, server.connect .. "/other" }
  local target = server:connect_target { url = urls, attempts = 1 }
  lu.assertTrue(target:pause(support.at_hand(target, "a")))
  lu.assertEquals(lines(server), { "PUT /connectors/a/pause", "GET /connectors/a/status" })
  server = support.scripted { lost, status "RUNNING", reply(202) }
  target = server:connect_target { url = urls, attempts = 1 }
  lu.assertTrue(target:pause(support.at_hand(target, "a")))
  lu.assertEquals(lines(server), { "PUT /connectors/a/pause", "GET /connectors/a/status",
                                   "PUT /connectors/a/pause" })
end

function TestConnect:test_the_worker_that_answered_is_asked_first_from_then_on()
  local server = support.scripted { refusal(503, "no"), reply(200, "{}"), reply(200, "{}") }
  local target = server:connect_target { url = { server.connect, server.connect .. "/other" } }
  target:list()
  target:list()
  lu.assertEquals(server:asked()[3].path, "/connect/other/connectors")
end

-- ---- client certificates ----

local function openssl(arguments)
  local ok = os.execute("openssl " .. arguments .. " >/dev/null 2>&1")
  assert(ok, "openssl " .. arguments .. " failed")
end

-- A certificate authority, a server's and a client's certificate of it, the client's key locked.
local function make_certificates(folder)
  local f = support.quote(folder)
  openssl(("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca "
    .. "-keyout %s/ca.key -out %s/ca.pem"):format(f, f))
  support.write(folder .. "/san", "subjectAltName=IP:127.0.0.1\n")
  for _, name in ipairs { "server", "client" } do
    openssl(("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 %s -subj /CN=%s -keyout %s/%s.key "
      .. "-out %s/%s.csr"):format(name == "client" and "-passout pass:not-a-real-phrase"
        or "-nodes", name, f, name, f, name))
    openssl(("x509 -req -days 2 -in %s/%s.csr -CA %s/ca.pem -CAkey %s/ca.key -CAcreateserial "
      .. "-extfile %s/san -out %s/%s.pem"):format(f, name, f, f, f, f, name))
  end
end

function TestConnect:test_a_client_certificate()
  local folder = support.make_folder(support.path "tls")
  make_certificates(folder)
  local f = support.quote(folder)
  local pipe = assert(io.popen(("exec openssl s_server -accept 127.0.0.1:0 -www -Verify 1 "
    .. "-verify_return_error -CAfile %s/ca.pem -cert %s/server.pem -key %s/server.key 2>&1 "
    .. "& echo PID $!; wait"):format(f, f, f), "r"))
  local pid, port
  for line in pipe:lines() do
    pid = pid or line:match "^PID (%d+)"
    port = port or line:match "^ACCEPT .*:(%d+)$"
    if pid and port then break end
  end
  local function ask(options)
    options.url, options.ca_file = "https://127.0.0.1:" .. port, folder .. "/ca.pem"
    options.attempts, options.timeout = 1, 20
    local ok, problem = pcall(function() return kelp.connect(options):list() end)
    return not ok and problem
  end
  local good = { cert_file = folder .. "/client.pem", key_file = folder .. "/client.key",
                 key_password = "not-a-real-phrase" }
  local accepted = ask(good)
  local none = ask {}
  good.key_password = "not-a-real-mistake"
  local locked = ask(good)
  local missing = ask { cert_file = folder .. "/nothing.pem" }
  os.execute("kill " .. pid)
  pipe:close()
  -- The server has a web page for whoever it lets in.
  lu.assertEquals(accepted.kind, "protocol")
  lu.assertEquals(accepted.status, 200)
  for _, problem in ipairs { none, locked, missing } do
    lu.assertTrue(problem.kind == "tls" or problem.kind == "network", tostring(problem))
  end
  lu.assertNil(tostring(locked):find("not-a-real-mistake", 1, true))
end

-- ---- kelp migrate from Upstash's connectors ----

TestMigrateToConnect = {}

local function migrate(sim, entries)
  local list = kelp.json.array {}
  for i, config in ipairs(entries) do
    list[i] = { name = config.name, connector_class = config["connector.class"], state = "running",
                connector_id = ("00000000-0000-4000-8000-%012d"):format(i), properties = config,
                tasks = kelp.json.array {}, topics = kelp.json.array {} }
  end
  local path = support.write(support.path "saved.json", kelp.json.encode(list))
  return support.kelp({ "--no-journal", "--output", "json", "migrate", "--from", path, "--to",
    "connect" }, { env = { KAFKA_CONNECT_URL = sim.connect } })
end

function TestMigrateToConnect:test_the_worker_is_asked_before_anything_is_created()
  local sim = support.simulator()
  sim:reset()
  local result = migrate(sim, {
    { name = "good", ["connector.class"] = "FileStreamSink", topics = "a", file = "/tmp/a" },
    { name = "bad", ["connector.class"] = "FileStreamSink", file = "/tmp/a" },
    { name = "absent", ["connector.class"] = "com.example.NobodyHasIt", topics = "a" },
  })
  lu.assertEquals(result.code, 1)
  local document = kelp.json.decode(result.out)
  lu.assertEquals(document.summary.created, 1)
  lu.assertEquals(document.summary.refused, 2)
  local why = {}
  for _, one in ipairs(document.results) do why[one.name] = one.why end
  lu.assertStrContains(why.absent, "there is no plugin 'com.example.NobodyHasIt' there")
  lu.assertStrContains(why.bad, "topics: Must configure one of topics or topics.regex")
  local effects = sim:effects()
  lu.assertEquals(#effects, 1)
  lu.assertEquals(effects[1].name, "good")
end
