-- wait: until a state, for how long, what counts as a failure and when it is believed.
-- Run by run.lua.
local kelp = require "kelp"
local lu = require "luaunit"
local raw = require "kelp.raw"
local support = require "support"

local POLL = 0.01

local function status(state, tasks)
  local list = kelp.json.array {}
  for i, task in ipairs(tasks or {}) do
    list[i] = { id = i - 1, state = task, worker_id = "w", msg = task == "FAILED" and "broke" or "" }
  end
  return { status = 200, body = kelp.json.encode {
    name = "orders", type = "sink", connector = { state = state, worker_id = "w", trace = "" },
    tasks = list,
  } }
end

local absent = { status = 404, body = '{"error_code":404,"message":"resource not found"}' }

TestWait = {}

-- Waits against scripted replies; returns the number of polls, then what wait returned or raised.
local function wait(replies, options)
  local server = support.scripted(replies)
  local target = server:confluent_target()
  options = options or {}
  options.poll, options.stable = options.poll or POLL, options.stable or 0
  local ok, value = pcall(target.wait, target, "orders", options)
  return #server:asked(), ok, value
end

function TestWait:test_until_it_runs()
  local polls, ok, c = wait { status "PROVISIONING", status("PROVISIONING"),
    status("RUNNING", { "RUNNING" }) }
  lu.assertTrue(ok, tostring(c))
  lu.assertEquals(polls, 3)
  lu.assertEquals(c.state, "running")
  lu.assertTrue(kelp.is_connector(c))
end

function TestWait:test_running_without_tasks_is_running()
  local polls, ok = wait { status "RUNNING" }
  lu.assertTrue(ok)
  lu.assertEquals(polls, 1)
end

function TestWait:test_tasks_that_restart_are_waited_for()
  local polls, ok = wait { status("RUNNING", { "RUNNING", "RESTARTING" }),
    status("RUNNING", { "UNASSIGNED", "RUNNING" }), status("RUNNING", { "RUNNING", "RUNNING" }) }
  lu.assertTrue(ok)
  lu.assertEquals(polls, 3)
end

function TestWait:test_a_connector_is_as_well_as_its_tasks()
  local _, ok, problem = wait({ status("RUNNING", { "FAILED", "FAILED" }) }, { grace = 0 })
  lu.assertFalse(ok)
  lu.assertEquals(problem.kind, "conflict")
  lu.assertStrContains(problem.message, "broke")
  local polls, reached, c = wait({ status("RUNNING", { "RUNNING" }),
    status("RUNNING", { "FAILED", "RUNNING" }) }, { state = "degraded" })
  lu.assertTrue(reached)
  lu.assertEquals(polls, 2)
  lu.assertEquals(c.state, "degraded")
end

function TestWait:test_a_failure_is_believed_only_after_it_lasts()
  local polls, ok = wait({ status "FAILED", status "FAILED", status "RUNNING" }, { grace = 60 })
  lu.assertTrue(ok)
  lu.assertEquals(polls, 3)
end

function TestWait:test_a_failure_that_comes_back_begins_anew()
  local start = raw.now()
  local replies = { status "FAILED", status "PROVISIONING" }
  for _ = 1, 200 do replies[#replies + 1] = status "FAILED" end
  local polls, ok, problem = wait(replies, { grace = 0.1, poll = 0.02 })
  lu.assertFalse(ok)
  lu.assertEquals(problem.kind, "conflict")
  lu.assertEquals(problem.verb, "wait")
  lu.assertEquals(problem.connector, "orders")
  lu.assertTrue(polls > 3)
  lu.assertTrue(raw.now() - start >= 0.1)
end

function TestWait:test_until_failed()
  local polls, ok, c = wait({ status "RUNNING", status "FAILED" }, { state = "failed" })
  lu.assertTrue(ok)
  lu.assertEquals(polls, 2)
  lu.assertEquals(c.state, "failed")
end

function TestWait:test_what_was_just_created_may_not_be_visible_yet()
  local polls, ok = wait { absent, absent, status "RUNNING" }
  lu.assertTrue(ok)
  lu.assertEquals(polls, 3)
  local _, seen, problem = wait({ absent }, { visibility_delay = 0 })
  lu.assertFalse(seen)
  lu.assertEquals(problem.kind, "not_found")
end

function TestWait:test_another_error_ends_it()
  local polls, ok, problem = wait { status "PROVISIONING", { status = 403, body = "" } }
  lu.assertFalse(ok)
  lu.assertEquals(polls, 2)
  lu.assertEquals(problem.kind, "forbidden")
end

function TestWait:test_options()
  local target = support.scripted({}):confluent_target()
  support.misuse("unknown state 'happy'", target.wait, target, "orders", { state = "happy" })
  support.misuse("timeout must be a number", target.wait, target, "orders", { timeout = "5" })
  support.misuse("poll must be a number", target.wait, target, "orders", { poll = -1 })
  support.misuse("grace must be a number", target.wait, target, "orders", { grace = 0 / 0 })
  support.misuse("timeout must be a number", target.wait, target, "orders", { timeout = math.huge })
  support.misuse("unknown option 'until'", target.wait, target, "orders", { ["until"] = "running" })
end

TestWaitLive = {}

function TestWaitLive:setUp()
  self.sim = support.simulator()
  self.sim:reset()
end

function TestWaitLive:test_timeout_names_the_state()
  self.sim:control("POST", "/_simulator/connectors/confluent/env-sim/lkc-sim/orders-to-s3/state",
    '{"state":"PROVISIONING"}')
  local target = self.sim:confluent_target()
  local start = raw.now()
  local problem = support.raises("timeout", target.wait, target, "orders-to-s3",
    { timeout = 0.15, poll = POLL })
  local seconds = raw.now() - start
  lu.assertTrue(seconds >= 0.15 and seconds < 5, seconds)
  lu.assertStrContains(problem.message, "provisioning")
  lu.assertStrContains(problem.message, "running")
  lu.assertEquals(problem.state, "provisioning")
end

function TestWaitLive:test_paused()
  for _, case in ipairs { { self.sim:confluent_target(), "orders-to-s3" },
                          { self.sim:upstash_target(), "customers-cdc" } } do
    local target, name = case[1], case[2]
    target:pause(name)
    lu.assertEquals(target:wait(name, { state = "paused", timeout = 10, poll = POLL }).state,
      "paused")
    target:resume(name)
    lu.assertEquals(target:wait(name, { timeout = 10, poll = POLL }).state, "running")
  end
end

function TestWaitLive:test_a_new_connector_provisions_and_runs()
  local sim = support.start "--provisioning 0.2"
  local config = { ["connector.class"] = "S3_SINK", topics = "t", ["kafka.auth.mode"] = "SERVICE_ACCOUNT",
                   ["kafka.service.account.id"] = "sa-1" }
  local confluent, upstash = sim:confluent_target(), sim:upstash_target()
  confluent:create("new", config)
  lu.assertEquals(confluent:get("new").state, "provisioning")
  lu.assertEquals(confluent:wait("new", { timeout = 30, poll = POLL }).state, "running")
  upstash:create("new", { ["connector.class"] = "x.SinkConnector", topics = "t" })
  lu.assertEquals(upstash:wait("new", { timeout = 30, poll = POLL }).state, "running")
  config["s3.endpoint"] = "https://s3.flaky.example/"
  confluent:create("flaky", config)
  local problem = support.raises("conflict", confluent.wait, confluent, "flaky",
    { timeout = 30, poll = POLL, grace = 0 })
  lu.assertStrContains(problem.message, "s3.flaky.example")
  confluent:restart "flaky"
  lu.assertEquals(confluent:wait("flaky", { timeout = 30, poll = POLL }).state, "running")
  sim:stop()
end
