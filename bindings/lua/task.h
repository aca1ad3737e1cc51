/* task: coroutines over the engine. The only caller of lua_resume.
 *
 * Everything that a script does runs in a task; the script's main chunk is the
 * first. A call that waits (an exchange, a sleep) parks its task and lets the
 * others run. Where Lua cannot yield, or in a coroutine that the script made
 * itself, the same call runs the engine until its own answer is there. */
#ifndef KELP_LUA_TASK_H
#define KELP_LUA_TASK_H

#include <lua.h>

#include <stdbool.h>
#include <stddef.h>

struct engine;
struct exchange;

/* Gives the state its scheduler over `e`, which must outlive the state.
 * Replaces coroutine.resume, wrap and close by ones that an interrupt reaches;
 * the coroutine library must be open. [-0, +0, m] */
void task_open(lua_State *L, struct engine *e);

/* Runs the function below `nargs` arguments as a task and the engine until that
 * task has ended. Returns LUA_OK and leaves its results, or another status and
 * leaves the error value, whose traceback is then in *traceback (an owned
 * string that the caller frees, or NULL). Not from inside a task.
 * [-(nargs + 1), +(results | 1), -] */
int task_run(lua_State *L, int nargs, char **traceback);

/* Waits for the exchange, which must be idle and filled: submits it, parks the
 * task, and calls `then` (a continuation: it runs inside lua_resume and may
 * raise) with `context` when it has ended. Call it as the last statement:
 * `return task_await(L, x, then, context)`. The values on the stack stay. */
int task_await(lua_State *L, struct exchange *x, lua_KFunction then, lua_KContext context);

/* kelp.sleep(seconds). [-1, +0, e] */
int task_sleep(lua_State *L);

/* Ends every task but the running one: their waits are cancelled and their
 * <close> variables run. Before lua_close. [-0, +0, -] */
void task_close_all(lua_State *L);

/* What is alive: for the test that nothing is left behind. */
size_t task_count(lua_State *L);

/* From a signal handler: the running code is stopped by an error "interrupted"
 * at its next instruction or wait, and so is each task. */
void task_interrupt(void);

/* True from task_interrupt until task_clear_interrupt. */
bool task_interrupted(void);
void task_clear_interrupt(void);

#endif
