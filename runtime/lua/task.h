/* task: coroutines over the engine.
 *
 * Everything that a script does runs in a task; the script's main chunk is the
 * first. A call that waits (an exchange, a sleep, another task) parks its task
 * and lets the others run. Where Lua cannot yield, or in a coroutine that the
 * script made itself, the same call runs the scheduler until what it waits for is
 * there.
 *
 * A task is a userdata, anchored in the registry until it has ended. */
#ifndef KELP_LUA_TASK_H
#define KELP_LUA_TASK_H

#include <lua.h>

#include <stdbool.h>
#include <stddef.h>

struct engine;
struct exchange;

/* Gives the state its scheduler over `e`, which must outlive the state.
 * Replaces coroutine.resume, wrap and yield by ones that an interrupt reaches;
 * the coroutine library must be open. [-0, +0, m] */
void task_open(lua_State *L, struct engine *e);

/* Runs the function below `nargs` arguments as a task and the scheduler until
 * it, and every task that it left behind, has ended. Returns LUA_OK and leaves
 * its results, or another status and leaves the error value, whose traceback is
 * then in *traceback (an owned string that the caller frees, or NULL). Not from
 * inside a task. [-(nargs + 1), +(results | 1), m] */
int task_run(lua_State *L, int nargs, char **traceback);

/* Waits for the exchange, which must be idle and filled: submits it, parks the
 * task, and calls `then` (a continuation: it runs inside lua_resume and may
 * raise) with `context` when it has ended. Call it as the last statement:
 * `return task_await(L, x, then, context)`. The values on the stack stay. */
int task_await(lua_State *L, struct exchange *x, lua_KFunction then, lua_KContext context);

/* Waits until what is staged in the engine's journal is on disk, together with
 * all that the other tasks stage in the same turn; then calls `then` as
 * task_await does, also when that failed (engine_commit tells). Neither an
 * interrupt nor task_cancel ends this wait. */
int task_await_commit(lua_State *L, lua_KFunction then, lua_KContext context);

/* kelp.sleep(seconds). [-1, +0, e] */
int task_sleep(lua_State *L);

/* raw.spawn(f, …): a new task that calls f(…); it starts at the caller's next
 * wait. [-n, +1, e] */
int task_spawn(lua_State *L);

/* raw.join(task): waits for its end. true and its results, or false, its error
 * value and its traceback (or nil); its failure counts as seen from then on.
 * [-1, +n, e] */
int task_join(lua_State *L);

/* raw.cancel(task): ends its waits, the present one and all later, by a
 * `cancelled` error, so that its <close> variables run; a write that is under
 * way is left to its end first, for cutting it off would only leave it unknown
 * what came of it. Nothing when it has ended. [-1, +0, -] */
int task_cancel(lua_State *L);

/* raw.park(): waits until another task wakes this one. [-0, +0, e]
 * raw.wake(task): ends the park of a task that is in one; otherwise nothing.
 * [-1, +0, -] */
int task_park(lua_State *L);
int task_wake(lua_State *L);

/* raw.current(): the running task, or nil. [-0, +1, -] */
int task_current(lua_State *L);

/* Ends every task: waits are withdrawn and <close> variables run. Before
 * lua_close. [-0, +0, -] */
void task_close_all(lua_State *L);

/* Pushes the tasks' metatable, whose __index the Lua side fills. [-0, +1, m] */
void task_push_metatable(lua_State *L);

/* Tasks that have not ended: for the test that nothing is left behind. */
size_t task_count(lua_State *L);

#endif
