-- matrix: what the cells are. Each verb says what it is asked for in each outcome, which error is
-- the right one, and how the world tells that it was done. A cell is named
-- VERB.PROVIDER.OUTCOME.CHECK.
--
-- Outcomes: ok; refused (by what can be seen before anything is sent); denied (the server says 403
-- to the write); done and lost (the answer to the first write is lost after, or before, it was
-- carried out); unknown (no write ever gets through, and nobody answers); nothing (there is nothing
-- to change); masked (the connector has a secret, which some providers show as asterisks); secret
-- (the script gives one). A verb that a provider lacks has one outcome: unsupported.
local matrix = {}

matrix.outcomes = { "ok", "refused", "denied", "done", "lost", "unknown", "nothing", "masked",
  "secret" }

local function is_state(state)
  return function(world) return (world.subject or {}).state == state end
end

local function has_changes(world)
  local config = (world.subject or {}).config or {}
  return config["tasks.max"] == "2" and config.note == "added"
end

local WAIT = "{ timeout = 10, poll = 0.01, visibility_delay = 0.05, grace = 0.05 }"
local CHANGES = '["tasks.max"] = "2", note = "added"'

-- writes: it does; state: the subject's at first ("running"); call: the text of a script by
-- outcome, where `t` is the target and `own` and `with_secret` are configs; without one there is no
-- such cell. kinds: the error by outcome; masked_kind: where secrets are shown as asterisks.
-- wish(world): it was done. again: what a second run gets, "nothing" sent or an error's kind.
-- repeats: it may happen more than once when an answer is lost.
local verbs = {
  create = {
    writes = true, again = "exists", kinds = { refused = "exists", masked = "masked" },
    wish = function(world) return world.fresh ~= nil and world.fresh.config["tasks.max"] == "1" end,
    call = { ok = 't:create("fresh", own)', refused = 't:create("subject", own)',
      masked = 'with_secret[key] = ("*"):rep(16) return t:create("fresh", with_secret)',
      secret = 't:create("fresh", with_secret)' },
  },
  update = {
    writes = true, again = "nothing", kinds = { refused = "not_found" }, masked_kind = "masked",
    wish = has_changes,
    call = { ok = 't:update("subject", { ' .. CHANGES .. " })",
      refused = 't:update("nobody", { ' .. CHANGES .. " })",
      nothing = 't:update("subject", { ["tasks.max"] = "1" })',
      masked = 't:update("subject", { ' .. CHANGES .. " })",
      secret = "local changes = { " .. CHANGES .. " } for name, value in pairs(with_secret) do "
        .. 'if own[name] ~= value then changes[name] = value end end '
        .. 'return t:update("subject", changes)' },
  },
  put = {
    writes = true, again = "nothing", kinds = { refused = "invalid" }, masked_kind = "masked",
    wish = has_changes,
    call = { ok = 'own["tasks.max"], own.note = "2", "added" return t:put("subject", own)',
      refused = 'own.note = 0/0 return t:put("subject", own)',
      nothing = 't:put("subject", own)',
      masked = 'local config = t:get("subject").config config["tasks.max"], config.note = "2", '
        .. '"added" return t:put("subject", config)',
      secret = 'with_secret["tasks.max"], with_secret.note = "2", "added" '
        .. 'return t:put("subject", with_secret)' },
  },
  restart = { writes = true, kinds = { refused = "not_found" }, repeats = true },
  pause = { writes = true, again = "nothing", kinds = { refused = "not_found" }, repeats = true,
            wish = is_state "paused", there = "paused" },
  resume = { writes = true, again = "nothing", kinds = { refused = "not_found" }, repeats = true,
             wish = is_state "running", there = "running", state = "paused" },
  stop = { writes = true, again = "nothing", kinds = { refused = "not_found" }, repeats = true,
           wish = is_state "stopped", there = "stopped" },
  delete = { writes = true, again = "not_found", kinds = { refused = "not_found" },
             wish = function(world) return world.subject == nil end },
  alter_offsets = {
    writes = true, kinds = { refused = "not_found" }, repeats = true, state = "stopped",
    wish = function(world, encode)
      return encode(world.subject.offsets or {}):find(":99[%D]") ~= nil
    end,
    call = { ok = 't:alter_offsets("subject", offsets, quick)',
      refused = 't:alter_offsets("nobody", offsets, quick)',
      masked = 't:alter_offsets("subject", offsets, quick)' },
  },
  reset_offsets = {
    writes = true, kinds = { refused = "not_found" }, repeats = true, state = "stopped",
    wish = function(world) return #(world.subject.offsets or {}) == 0 end,
    call = { ok = 't:reset_offsets("subject", quick)', refused = 't:reset_offsets("nobody", quick)',
      masked = 't:reset_offsets("subject", quick)' },
  },
  get = { kinds = { refused = "not_found" } },
  -- What the script prints of it is the script's affair; `kelp list` is judged.
  list = { call = { ok = "t:list()", masked = "#t:list()" } },
  wait = { kinds = { refused = "not_found" }, call = { ok = 't:wait("subject", ' .. WAIT .. ")",
    refused = 't:wait("nobody", ' .. WAIT .. ")", masked = 't:wait("subject", ' .. WAIT .. ")" } },
  tasks = { kinds = { refused = "not_found" } },
  offsets = { kinds = { refused = "not_found" } },
  validate = { call = { ok = "t:validate(own)", masked = "t:validate(with_secret)" } },
  plugins = { call = { ok = "t:plugins()" } },
}

--- The verbs, in the order of the table.
matrix.order = { "create", "update", "put", "restart", "pause", "resume", "stop", "delete",
  "alter_offsets", "reset_offsets", "get", "list", "wait", "tasks", "validate", "plugins",
  "offsets" }

-- What most verbs about one connector are asked for.
local function usual_calls(name, verb)
  return { ok = ('t:%s("subject")'):format(name), refused = ('t:%s("nobody")'):format(name),
    masked = ('t:%s("subject")'):format(name),
    nothing = verb.there and ('t:%s("subject")'):format(name) or nil }
end

for name, verb in pairs(verbs) do
  verb.name, verb.kinds = name, verb.kinds or {}
  verb.call = verb.call or usual_calls(name, verb)
  verb.wish = verb.wish or function() return true end
  -- What goes wrong on the way goes wrong with what would else be well.
  verb.call.lost = verb.call.ok
  if verb.writes then
    verb.call.denied, verb.call.done, verb.call.unknown = verb.call.ok, verb.call.ok, verb.call.ok
    verb.kinds.denied, verb.kinds.unknown = "forbidden", "unknown_outcome"
  end
end

matrix.verbs = verbs

--- The state that the subject of a cell begins in. stops: the provider can stop a connector.
function matrix.first_state(verb, outcome, stops)
  if outcome == "nothing" and verb.there then return verb.there end
  return verb.state ~= "stopped" and verb.state or verb.state and stops and "stopped" or "running"
end

--- The kind of error that the cell's script must end with, or nil. masks: the provider shows
--- asterisks in place of secrets.
function matrix.kind(verb, outcome, masks)
  if outcome == "unsupported" then return "unsupported" end
  if outcome == "masked" and masks and verb.masked_kind then return verb.masked_kind end
  return verb.kinds[outcome]
end

--- True when only what comes of the write tells the error: no plan can know it.
function matrix.shows_late(outcome)
  return outcome == "denied" or outcome == "unknown"
end

--- True when the script is to change something.
function matrix.acts(verb, outcome, masks)
  return verb.writes and outcome ~= "nothing" and not matrix.kind(verb, outcome, masks)
end

return matrix
