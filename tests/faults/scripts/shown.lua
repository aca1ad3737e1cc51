-- shown: what a server's words look like on a terminal: the list as the prompt and the commands
-- show it, and an error that nobody catches.
local kelp = require "kelp"

local file = assert(io.open(arg[1], "rb"))
local spec = kelp.json.decode(file:read "a")
file:close()
local target = kelp[spec.provider](spec.target)

local list = target:list()
print(kelp.show.value(list))
for _, c in ipairs(list) do print(kelp.show.value(c)) end
print(kelp.show.table(list, { "name", "state", "error" }))
target:get "orders-to-s3"
