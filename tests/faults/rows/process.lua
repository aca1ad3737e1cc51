-- X: what happens to the process and to its journal. boundary.c breaks calls off, lets them fail,
-- or raises signals in the middle of them.

local bench = require "bench"
local kelp = require "kelp"
local raw = require "kelp.raw"

local both = { "confluent", "upstash" }

local one = [[target:create("n-01", config)]]
local all = [[kelp.each(names(%d), function(n) target:create(n, config) end,
  { concurrency = %d, progress = false }):assert()]]

-- ---- kills ----

local function killed_everywhere(s)
  s:script(one)
  local hits = s:each({ s.path }, "* * %d KILL", s.names(1), function(_, r)
    s.check(r.killed, "it was not killed:\n%s", r.err)
  end)
  s.check(hits > 40, "only %d calls", hits)
end

-- All that is begun in one turn is recorded together or not at all.
local function in_a_commit(s)
  s:script(all:format(16, 16))
  local together = 0
  s:each({ s.path }, "write wal %d KILL", s.names(16), function(_, r)
    local journal, _, counts = s:journal()
    local begun = journal and #journal or 0
    if next(s:effects()) then return end
    s.check(begun == 0 or begun == 16, "%d of 16 intents are in the journal", begun)
    if begun == 16 then together = together + 1 end
    s.check(not counts.done or counts.done == 0, "something is done that was not sent")
  end)
  s.check(together > 0, "it was never killed between the commit and the first request")
end

-- ---- signals ----

local function signalled(name)
  return { case = name, steps = function(s)
    s:script(all:format(40, 8))
    local r = s:kelp({ s.path }, { rules = "send tcp 12 " .. name })
    s:ended(r, 130, "interrupted", "to resume it: kelp %-%-resume")
    local journal, why, counts = s:journal()
    s.check(journal, "%s", why)
    s.check(journal.about.state == "interrupted", "the run is %s", journal.about.state)
    s.check(counts.intent == 0 and counts.unknown == 0, "%d writes were not waited for",
      counts.intent + counts.unknown)
    s.check(counts.done >= 1 and counts.done < 40, "%d were done", counts.done)
    s:agreed("after the signal")
    local sent = s:sent()
    s.check(sent == counts.done, "%d were sent and %d done", sent, counts.done)
    s:ended(s:resume(), 0)
    s:made(s.names(40))
  end }
end

local function twice(s)
  s:script("pid() " .. all:format(4, 4))
  local beside = s:start { s.path }
  local pid = math.tointeger(beside:await "^pid (%d+)")
  s:until_true("all are under way", function() return s:sent() == 4 end)
  s:signal("INT", pid)
  beside:await "waiting for 4 writes under way"
  s:signal("INT", pid)
  local r = beside:wait()
  s.check(r.how == "signal" and r.code == 2, "ended by %s %d", r.how, r.code)
  s.check(r.seconds < 8, "it took %.1f s", r.seconds)
  s:agreed("after the second")
  local _, _, counts = s:journal()
  s.check(counts.intent == 4, "%s are ambiguous", counts.intent)
  s:ended(s:resume(), 0, "it was made; adopted")
  s:made(s.names(4))
end

local function while_it_waits(s)
  s:script("pid() " .. one)
  local beside = s:start { s.path }
  local pid = math.tointeger(beside:await "^pid (%d+)")
  beside:await "attempt 2 in 6%d"
  s:signal("INT", pid)
  local r = beside:wait()
  s:ended(r, 130, "to resume it: kelp %-%-resume")
  s.check(r.seconds < 8, "it took %.1f s", r.seconds)
  local _, _, counts = s:journal()
  s.check(counts.refused == 1, "it is not recorded as refused")
  s:ended(s:resume(), 0)
  s:made(s.names(1))
end

-- ---- disks ----

local function fails(rule, what)
  return function(s)
    local before, after = 0, 0
    s:script(all:format(6, 2))
    s:each({ s.path }, rule, s.names(6), function(n, r)
      s.check(r.how == "exit" and r.code ~= 0, "%s: ended by %s %d", rule:format(n), r.how, r.code)
      s.check(r.err:find(what) or r.err:find "journal", "%s: it does not say why:\n%s",
        rule:format(n), r.err)
      if s:sent() == 0 then
        before = before + 1
      else
        after = after + 1
        s.check(r.err:find "kelp %-%-resume", "%s: it does not say how to go on:\n%s",
          rule:format(n), r.err)
      end
    end)
    s.check(before > 0, "it never failed before anything was sent")
    s.check(after > 0, "it never failed after something was sent")
  end
end

local function at_the_intent(s)
  local rule = "allocate wal 1+ ENOSPC"
  s:script(one)
  local sent = s:sent()
  s:ended(s:kelp({ s.path }, { rules = rule }), 1, "no space left")
  s.check(s:sent() == sent, "something was sent")
  local _, _, counts = s:journal()
  s.check((counts.intent or 0) == 0, "the intent is there")
  s:ended(s:kelp { s.path }, 0)
  s:made(s.names(1))
end

-- The answer has come, and what came of it cannot be recorded.
local function at_the_outcome(call, name)
  return { case = name, steps = function(s)
    s:script(one)
    local seen = 0
    s:each({ s.path }, call .. " %d+ " .. name, s.names(1), function(n, r)
      local journal, why, counts = s:journal()
      if not next(s:effects()) then return end
      s:ended(r, 1, "kelp %-%-resume")
      s.check(journal, "%s %d: %s", call, n, why)
      if counts.intent == 1 then
        seen = seen + 1
        s:ended(r, 1, "create n%-01 on .*: done, but that could not be recorded")
      else
        s.check(counts.done == 1, "%s %d: it is neither done nor ambiguous", call, n)
      end
    end)
    s.check(seen > 0, "the outcome was never what failed")
  end }
end

local function full_disk(s)
  local folder = s.place.state
  if not os.execute(("mount -t tmpfs -o size=400k kelp %s 2>/dev/null"):format(
      bench.quote(folder))) then
    return "no tmpfs can be mounted here"
  end
  local ok, why = pcall(function()
    s:script(all:format(60, 4))
    local r = s:kelp { s.path }
    s:ended(r, 1, "no space left")
    s:agreed("when the disk is full")
    assert(os.execute("mount -o remount,size=64m " .. bench.quote(folder)))
    if s:journal() then
      s:ended(s:resume(), 0)
    else
      runs.forget(s.place)
      s:ended(s:kelp { s.path }, 0)
    end
    s:made(s.names(60))
  end)
  os.execute("umount " .. bench.quote(folder))
  if not ok then error(why, 0) end
end

-- A sync that failed is not tried again on that file: the next may succeed without having written.
local function failed_sync(s)
  s:script(all:format(6, 1))
  s:each({ s.path }, "sync wal %d EIO", s.names(6), function(n, r)
    s:ended(r, 1)
    local syncs = 0
    for count in r.log:gmatch "(%d+) sync wal before" do syncs = math.tointeger(count) end
    s.check(syncs == n, "the log was synced %d times, and the %dth failed", syncs, n)
  end)
end

local function read_only(s)
  s:script(one)
  for _, rule in ipairs { "open lock 1+ EROFS", "open db 1+ EROFS", "open db 1+ ENOSPC" } do
    local r = s:kelp({ s.path }, { rules = rule })
    s:ended(r, 1, rule:find "EROFS" and "Read%-only file system" or "No space left")
    s.check(#s.proxy:report() == 0, "%s: something was asked for", rule)
  end
  assert(os.execute("id -u | grep -qx 0 || chmod 500 " .. bench.quote(s.place.state)))
  if not os.execute "id -u | grep -qx 0" then
    s:ended(s:kelp { s.path }, 1, "Permission denied")
    s.check(#s.proxy:report() == 0, "something was asked for")
    assert(os.execute("chmod 700 " .. bench.quote(s.place.state)))
  end
  -- A journal that others could have written.
  s:ended(s:kelp({ s.path }, { rules = "send tcp 1 KILL" }).killed and s:resume() or {}, 0)
  local path = s:journal_path()
  for _, mode in ipairs { "644", "660" } do
    assert(os.execute(("chmod %s %s"):format(mode, bench.quote(path))))
    local sent = s:sent()
    s:ended(s:resume(), 1, "is open to others")
    s.check(s:sent() == sent, "something was sent")
  end
  assert(os.execute("chmod 600 " .. bench.quote(path)))
  s:made(s.names(1))
end

-- ---- two processes ----

local function one_journal(s)
  s:script("pid() " .. all:format(4, 4))
  local beside = s:start { s.path }
  local pid = beside:await "^pid (%d+)"
  s:until_true("all are under way", function() return s:sent() == 4 end)
  local r = s:resume()
  s:ended(r, 1, "is in use by process " .. pid .. "%f[%D]")
  r = s:kelp { "undo", "last" }
  s:ended(r, 1, "is in use by process " .. pid .. "%f[%D]")
  local list = s:list()
  s.check(#list == 1 and list[1].problem and list[1].problem.kind == "busy"
    and list[1].problem.pid == math.tointeger(pid), "the list of runs does not say who has it")
  s.check(s:sent() == 4, "%d were sent", s:sent())
  s:signal("INT", pid)
  beside:await "waiting for 4 writes under way"
  s:signal("INT", pid)
  beside:wait()
  -- The lock goes with its holder.
  s:ended(s:resume(), 0)
  s:made(s.names(4))
end

local function two_runs(s)
  s:script(one)
  local r = s:kelp { s.path }
  if s.provider == "confluent" then
    s:ended(r, 1, "exists", "somebody else", "1 refused")
    s.check(s:effects()["create n-01"] == 1, "it was made twice")
  else
    -- Names are not unique there: the other one's is seen when ours is looked for.
    s:ended(r, 4, "2 connectors of that name exist now")
  end
end

local function stale_lock(s)
  s:script(all:format(6, 2))
  s.check(s:kelp({ s.path }, { rules = "send tcp 3 KILL" }).killed, "it was not killed")
  s.check(s:resume({ rules = "recv tcp 2 KILL" }).killed, "it was not killed again")
  s:ended(s:resume(), 0)
  s:made(s.names(6))
end

-- ---- damage ----

local function copy_of(s)
  local kept = {}
  local path = s:journal_path()
  for _, suffix in ipairs { "", "-wal" } do kept[suffix] = bench.read(path .. suffix) end
  kept.lock = bench.read((path:gsub("%.db$", ".lock")))
  return kept
end

local function put_back(path, kept)
  for _, suffix in ipairs { "", "-wal" } do bench.write(path .. suffix, kept[suffix]) end
  bench.write((path:gsub("%.db$", ".lock")), kept.lock)
  assert(os.execute(("rm -f %s %s; chmod 600 %s*"):format(bench.quote(path .. "-shm"),
    bench.quote(path .. "-journal"), bench.quote(path))))
end

-- Of a write-ahead log: the size of a frame, and how many belong to its present round, as SQLite's
-- description of the format says: their salts are the header's.
local function frames(log)
  local size, live = 24 + (">I4"):unpack(log, 9), 0
  local function salts(at) return log:sub(at + 1, at + 8) end
  while salts(32 + live * size + 8) == salts(16) do live = live + 1 end
  return size, live
end

-- A journal that was damaged is refused, or it is what it was: it is never begun anew.
local function damaged(s)
  s:script(all:format(3, 1))
  s.check(s:kelp({ s.path }, { rules = "recv tcp 2 KILL" }).killed, "it was not killed")
  local path, sent = s:journal_path(), s:sent()
  local kept = copy_of(s)
  local refused = 0
  -- All that is recorded of the writes, as `kelp runs` tells it.
  local function told()
    local r = s:kelp { "--output", "json", "runs", "show", path }
    local document = r.code == 0 and kelp.json.decode(r.out)
    return document and kelp.json.encode(document.operations)
  end
  local whole = told()
  s.check(whole and whole:find "n%-01", "the journal tells of nothing")
  local function try(what, change, must)
    put_back(path, kept)
    change()
    -- A plan opens the journal and sends nothing.
    local r = s:kelp { "undo", "--plan", path }
    local fine = r.how == "exit" and (r.code == 3 or r.code == 0)
    local says = r.err:match "is damaged" or r.err:match "not a database"
    if r.how == "exit" and r.code == 1 and says then
      refused = refused + 1
      s:ended(s:resume(), 1, says)
    elseif must then
      s.check(false, "%s: taken for whole: exit %d: %s", what, r.code, r.err)
    else
      s.check(fine, "%s: exit %d: %s", what, r.code, r.err)
      s.check(told() == whole, "%s: it tells something else, and was not refused", what)
    end
    s.check(#s:list() == 1, "%s: there are %d runs now", what, #s:list())
    s.check(s:sent() == sent, "%s: something was sent", what)
  end
  local function rewrite(suffix, f)
    return function() bench.write(path .. suffix, f(kept[suffix])) end
  end
  local function flip(suffix, at, must)
    try(("byte %d of *.db%s"):format(at, suffix), rewrite(suffix, function(text)
      return text:sub(1, at) .. string.char(text:byte(at + 1) ~ 4) .. text:sub(at + 2)
    end), must)
  end
  for i = 0, 15 do flip("", math.tointeger(#kept[""] * i // 16 + 37)) end
  for i = 0, 15 do flip("-wal", math.tointeger(#kept["-wal"] * i // 16 + 41)) end
  -- Every frame that counts; behind them may be what is left of an earlier round.
  local size, live = frames(kept["-wal"])
  s.check(live >= 1, "the log has no frame")
  for i = 1, live do flip("-wal", 32 + (i - 1) * size + 24 + 100 * i % 4096, true) end
  try("no log", function() os.remove(path .. "-wal") end, true)
  try("an empty log", rewrite("-wal", function() return "" end), true)
  -- Half of it may be all that counts: what follows can be left over from an earlier round.
  try("half a log", rewrite("-wal", function(text) return text:sub(1, #text // 2) end))
  try("the head of a log", rewrite("-wal", function(text) return text:sub(1, 32) end), true)
  try("half a database", rewrite("", function(text) return text:sub(1, #text // 2) end), true)
  try("an empty database", rewrite("", function() return "" end), true)
  try("another file", rewrite("", function() return ("not a journal\n"):rep(1000) end), true)
  s.check(refused >= live + 6, "only %d were refused", refused)
  put_back(path, kept)
  s:ended(s:resume(), 0)
  s:made(s.names(3))
end

local function other_version(s)
  s:script(one)
  s:ended(s:kelp { s.path }, 0)
  local path = s:journal_path()
  local text = bench.read(path)
  for _, version in ipairs { 99, 0 } do
    -- SQLite keeps the user's version at byte 60 of its file.
    bench.write(path, text:sub(1, 60) .. (">I4"):pack(version) .. text:sub(65))
    for _, words in ipairs { { "--resume", "last" }, { "undo", "last" } } do
      s:ended(s:kelp(words), 1, "written by %l+ %l* ?version of kelp")
    end
    s.check(#s:list() == 1, "it was begun anew")
  end
  s:made(s.names(1))
end

local function network_disk(s)
  s:script(one)
  local r = s:kelp({ s.path }, { env = { BOUNDARY_STATFS = "0x6969" } })
  s:ended(r, 1, "network file system %(NFS%)")
  s.check(#s.proxy:report() == 0, "something was asked for")
end

-- ---- limits ----

local function output_gone(what, name)
  return { case = name, steps = function(s)
    s:script [[io.stdout:setvbuf "no"
      for _, n in ipairs(names(6)) do target:create(n, config) print(n, ("x"):rep(100000)) end]]
    local r = s:kelp({ s.path }, what(s))
    if name == "closed" then -- as the end of a pipe ends others
      s.check(r.how == "signal" and r.code == 13, "ended by %s %d", r.how, r.code)
    else
      s:ended(r, 1, "cannot write to standard output")
    end
    s:agreed("without an output")
    local _, _, counts = s:journal()
    s.check(counts.done >= 1 and counts.intent == 0, "%s are done, %s ambiguous", counts.done,
      counts.intent)
    s:ended(s:resume(), 0)
    s:made(s.names(6))
  end }
end

-- A pipe whose reader is gone after the first byte.
local function reader_leaves()
  local fifo = bench.quote(bench.path "fifo")
  assert(os.execute("mkfifo " .. fifo))
  return { before = ("(head -c 1 %s >/dev/null &)"):format(fifo), out = fifo:sub(2, -2),
           unread = true }
end

local function little_memory(s)
  if (os.getenv "ASAN_OPTIONS" or ""):find "address_space" then return "not with this build" end
  s:script(all:format(12, 4))
  local ended, enough = 0, false
  for kib = 12000, 400000, 6000 do
    s:afresh()
    local r = s:kelp({ s.path }, { before = "ulimit -v " .. kib, plain = true })
    s.check(r.how == "exit" or r.code == 9, "with %d KiB: ended by %s %d: %s", kib, r.how, r.code,
      r.err)
    s:agreed(("with %d KiB"):format(kib))
    if r.code ~= 0 then
      ended = ended + 1
      if s:journal() then s:ended(s:resume(), 0) else s:ended(s:kelp { s.path }, 0) end
    end
    s:made(s.names(12), ("with %d KiB"):format(kib))
    if r.code == 0 then
      enough = true
      break
    end
  end
  s.check(enough, "400 MB are not enough")
  s.check(ended > 0, "it never had too little")
end

local function few_files(s)
  s:script(all:format(60, 30), "probe = 0.1, deadline = 8")
  for _, count in ipairs { 24, 20, 16 } do
    s:afresh()
    local r = s:kelp({ s.path }, { before = "ulimit -n " .. count, plain = true })
    s:agreed(("with %d files"):format(count))
    if count > 16 then
      s:ended(r, 0, "too few file descriptors")
    else
      s.check(r.how == "exit", "with %d files: ended by %s %d", count, r.how, r.code)
    end
    if r.code ~= 0 and s:journal() then s:ended(s:resume(), 0) end
    if r.code ~= 0 and not s:journal() then s:ended(s:kelp { s.path }, 0) end
    s:made(s.names(60), ("with %d files"):format(count))
  end
end

local function child(s)
  local out = bench.path "child"
  s:script(([[target:create("n-01", config)
    os.execute("(ls -l /proc/self/fd; env) >%s 2>&1")
    local p = io.popen("ls -l /proc/self/fd", "r") io.write(p:read "a") p:close()
    for line in io.lines "/proc/net/tcp" do io.write("TCP ", line, "\n") end
    target:create("n-02", config)]]):format(out))
  local r = s:kelp({ s.path }, { plain = true })
  s:ended(r, 0)
  local seen = bench.read(out) .. r.out
  bench.done_with(out)
  s.check(seen:find "PATH=" and seen:find "TCP ", "the child did not say what it has")
  for _, word in ipairs { ".db", ".lock", bench.canary } do
    s.check(not seen:find(word, 1, true), "a child has %s:\n%s", word, seen)
  end
  local connections = {}
  for inode in seen:gmatch "TCP +%d+: %S+ %S+ 01 %S+ %S+ %S+ +%d+ +%d+ (%d+)" do
    connections[inode] = true
  end
  s.check(next(connections), "there was no connection")
  for inode in seen:gmatch "socket:%[(%d+)%]" do
    s.check(not connections[inode], "a child has a connection:\n%s", seen)
  end
  s:made(s.names(2))
end

-- ---- time ----

local function suspended(s)
  s:script("pid() " .. all:format(30, 8), "timeout = 1")
  local beside = s:start({ s.path }, { rules = "send tcp 9 STOP" })
  local pid = math.tointeger(beside:await "^pid (%d+)")
  s:until_true("it is stopped", function() return beside:log():find("stopped " .. pid) end)
  local stopped = raw.now()
  s:until_true("its time-outs are past", function() return raw.now() - stopped > 1.5 end)
  s.check(next(s:effects()), "nothing was done before it was stopped")
  s:signal("CONT", pid)
  s:ended(beside:wait(), 0)
  s:made(s.names(30))
end

local function power_loss(s)
  s:script(all:format(4, 2))
  s:each({ s.path }, "* * %d KILL", s.names(4), function(_, r)
    s.check(r.killed, "it was not killed:\n%s", r.err)
  end, true)
end

-- Answers a create that was carried out with nothing, once.
local function held(times)
  return { { "POST", "/connector", times = times, "forward", "stall" } }
end

return {
  { row = "X1", what = "kill -9 between any two calls", on = both, steps = killed_everywhere },
  { row = "X2", what = "kill -9 in the middle of a group commit", steps = in_a_commit },
  { row = "X3", what = "SIGINT once and twice, SIGTERM, SIGHUP", cases = {
    signalled "INT", signalled "TERM", signalled "HUP",
    { case = "INT twice", faults = held(4), on = both, steps = twice },
  } },
  { row = "X4", what = "Ctrl-C while a Retry-After is waited for", steps = while_it_waits,
    faults = { { "POST", "/connector", times = 1, "answer 429 Too Many Requests",
                 "header Retry-After: 60", "send" } } },
  { row = "X5", what = "no space for an intent", cases = {
    { case = "none set aside", steps = at_the_intent },
    { case = "write", steps = fails("write wal %d+ ENOSPC", "[Ff]ull") },
    { case = "full tmpfs", steps = full_disk },
  } },
  { row = "X6", what = "no space for an outcome", cases = {
    at_the_outcome("write wal", "ENOSPC"), at_the_outcome("write wal", "EDQUOT"),
  } },
  { row = "X7", what = "the disk fails", cases = {
    { case = "write", steps = fails("write * %d+ EIO", "[Ii]/?[Oo]") },
    { case = "sync", steps = fails("sync * %d+ EIO", "[Ii]/?[Oo]") },
    { case = "sync once", steps = failed_sync },
  } },
  { row = "X8", what = "a journal that cannot be written, or that others can", steps = read_only },
  { row = "X9", what = "two runs with one journal", steps = one_journal, faults = held(4) },
  { row = "X10", what = "two runs that make the same", cases = {
    { on = "confluent", steps = two_runs, faults = { { "POST", "/connector", times = 1,
      "meanwhile POST /confluent/connect/v1/environments/env-sim/clusters/lkc-sim/connectors "
        .. '{"name":"n-01","config":{"name":"n-01","connector.class":"DatagenSource",'
        .. '"kafka.auth.mode":"SERVICE_ACCOUNT","kafka.service.account.id":"sa-other",'
        .. '"topics":"b","tasks.max":"1"}}',
      "answer 502 Bad Gateway", "send" } } },
    { on = "upstash", steps = two_runs, faults = { { "POST", "/connector", times = 1,
      "again", "forward", "rst" } } },
  } },
  { row = "X11", what = "a lock whose holder was killed", steps = stale_lock },
  { row = "X12", what = "a damaged journal", steps = damaged },
  { row = "X13", what = "a journal on a network's disk", steps = network_disk },
  { row = "X14", what = "a journal of another version", steps = other_version },
  { row = "X15", what = "nobody takes the output", cases = {
    output_gone(function() return { out = "/dev/full", unread = true } end, "full"),
    output_gone(reader_leaves, "closed"),
  } },
  { row = "X16", what = "too little memory", steps = little_memory },
  { row = "X17", what = "too few files", steps = few_files },
  { row = "X18", what = "what a child process inherits", steps = child },
  { row = "X19", what = "suspended, and woken later", on = both, steps = suspended },
  { row = "X20", what = "the power goes", on = both, steps = power_loss },
}
