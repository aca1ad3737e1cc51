-- record: what a connector's record tells of its state. `state` is the worst of the connector and its
-- tasks, judged where records are read; what the provider said of the connector alone is in
-- details.state where it is another.

local record = {}

--- The state that the provider gives the connector itself: what pause, resume and stop set.
function record.own_state(c)
  return c.details and c.details.state or c.state
end

--- Takes the state of a status into the record of the same connector. Returns the record.
function record.with_status(c, status)
  c.state, c.error, c.tasks = status.state, status.error, status.tasks or c.tasks
  local own = status.details and status.details.state
  if own then c.details = c.details or {} end
  if c.details then c.details.state = own end
  return c
end

return record
