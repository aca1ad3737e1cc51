-- rows: the catalogue of faults as data, one row for each. A row may hold, and so may each of its
-- `cases`, which have what they do not say from the row:
--   what       what goes wrong, for the report;  case: which one of several
--   on         "confluent" (if nothing is said), "upstash", or both in a list: a case for each
--   faults     { { METHOD, TEXT, STEP…, skip =, times =, lasting = }, … } as in fault.h, or with
--              connection = true for METHOD and TEXT; $OTHER is the port of a second server that
--              only records
--   calls      { { VERB, ARGUMENT… }, … } or a function that returns it, else one create of the
--              connector "faulty"
--   script     another script than "call", and `spec` what it is told
--   target     options of the target over those of case.lua;  env, clock: the environment's
--   proxy, simulator, tls = { certificate, options }, scheme, host: how they are started
--   other      true when there is a second server
--   expect     exit (0), kind, sent, attempts, status, message: of the last call's error
--              posts: creates sent; seen = { ["METHOD pattern"] = count };
--              effects = { verb = count }
--              most: how often one name may be made (1); within, least: seconds; peak: MiB
--              says: a pattern in standard error. Each number may be { least, most }
--   check      function(result, check) for what these cannot say
--   steps      function(steps) in place of a run: a row that takes several runs, see steps.lua; it
--              returns why it was left out, if it was
-- In every case kelp must end by itself, and no credential may be in its output or at the second
-- server.

local rows = {}
for _, group in ipairs { "network", "tls", "http", "rate", "provider", "process", "script", "input",
                         "clock" } do
  for _, row in ipairs(require("rows." .. group)) do rows[#rows + 1] = row end
end
return rows
