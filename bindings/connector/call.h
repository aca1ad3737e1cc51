/* call: the primitive verbs. Each is one exchange: arguments checked, request
 * built, sent, its response read into a record or an error object. */
#ifndef KELP_CONNECTOR_CALL_H
#define KELP_CONNECTOR_CALL_H

#include <lua.h>

#include <stddef.h>

/* raw.exchange(target, verb, connector, config, options): carries out one
 * primitive verb. `connector` is the name, or the id where the provider
 * addresses by id; `config` a config table for the verbs that send one, and of list a
 * function or nil: it gets each record as soon as that is read, must not wait, and says
 * whether the record is wanted;
 * `options` may hold `keep_masked`, and `op`: the operation in the run's journal
 * that the write is sent for, required when there is one (lua/run); `as`: the verb that
 * an error shall name, when this is a step of another than `verb`; where the
 * route has them, `plugin` and `task` (a number); and `members`, a table whose JSON
 * members are added to the body; of list `page`, as the page before it named it. Of a target with several addresses the one that
 * answered last is asked first; see exchange->failover for the others. Returns the
 * record, what record_read hands on, or true; of list the array of records and what names
 * the next page, or nil; raises an error object.
 * [-5, +(1|2), e] */
int call_exchange(lua_State *L);

/* raw.check_name(name): raises `invalid` when it cannot name a connector.
 * [-1, +0, e] */
int call_check_name(lua_State *L);

/* raw.backoff(n, target): seconds to wait before try n + 1 of an operation: full
 * jitter, doubling, as the target's options say. [-2, +1, e] */
int call_backoff(lua_State *L);

/* raw.limiter([target]): what holds the requests of its credential back, or of all
 * credentials the most: { wait, why, paused, limit, in_flight, rate }. [-1, +1, e] */
int call_limiter_state(lua_State *L);

#endif
