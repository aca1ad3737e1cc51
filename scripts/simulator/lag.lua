-- lag: reads that are behind: they show what had been written some seconds before.
-- Reads are answered from a second copy of the places, to which each write that succeeded is
-- applied again once it is old enough, with the clock and the id generator that it had.

local lag = {}
local methods = {}
methods.__index = methods

-- stale: the places as they are at the start, sharing no connector with world.places.
function lag.new(seconds, stale)
  return setmetatable({ seconds = seconds, stale = stale, writes = {}, first = 1, last = 0 },
    methods)
end

-- What a repeated write must neither see nor change.
local private = { "places", "now", "generator", "rate", "requests", "request_count", "effects",
                  "first_effect", "last_effect" }

local function repeated(self, w, write, serve)
  local kept = {}
  for _, field in ipairs(private) do kept[field] = w[field] end
  w.places, w.now, w.generator = self.stale, write.time, write.generator
  w.rate, w.requests, w.effects = 0, {}, {}
  serve(w, write.request)
  self.stale = w.places -- a state that was put has replaced them
  for _, field in ipairs(private) do w[field] = kept[field] end
end

local function catch_up(self, w, until_time, serve)
  while self.first <= self.last and self.writes[self.first].time <= until_time do
    local write = self.writes[self.first]
    self.writes[self.first] = nil
    self.first = self.first + 1
    repeated(self, w, write, serve)
  end
end

-- The reply to the request, which `serve(world, request)` carries out; `at_once` is for what is no
-- provider's and shows itself without lag.
function methods:handle(w, request, serve, at_once)
  if request.method == "GET" then
    if at_once then return serve(w, request) end
    catch_up(self, w, w.now - self.seconds, serve)
    local places = w.places
    w.places = self.stale
    local reply = serve(w, request)
    w.places = places
    return reply
  end
  local generator = w.generator
  local reply = serve(w, request)
  if reply.status < 300 then
    self.last = self.last + 1
    self.writes[self.last] = { time = w.now, generator = generator, request = request }
    if at_once then catch_up(self, w, w.now, serve) end
  end
  return reply
end

return lag
