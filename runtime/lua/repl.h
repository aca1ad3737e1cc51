/* repl: the prompt, for terminals only.
 *
 * A line is tried as an expression first and as a statement then; one that is
 * not finished is continued on the next. Values are shown as evaluate.h says, and the
 * first of them is kept in `_`. Errors are reported and the session goes on. */
#ifndef KELP_LUA_REPL_H
#define KELP_LUA_REPL_H

#include "lua/state.h"

#include <lua.h>

#include <stdbool.h>

/* Says on standard error what this is, then runs until Ctrl-D. Ctrl-C clears what is typed; while
 * code runs it is the caller's signal handler that interrupts it. The history is kept in the file
 * of history_path, if there is one. Sets the LC_CTYPE locale from the environment, for the line
 * editor. Returns the code 0, whatever was typed, or a failure. [-0, +0, m] */
struct state_result repl_run(lua_State *L, bool simulated);

#endif
