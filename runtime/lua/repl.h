/* repl: the prompt, for terminals only.
 *
 * A line is tried as an expression first and as a statement then; one that is
 * not finished is continued on the next. Values are shown by kelp.show and the
 * first of them is kept in `_`. Errors are reported and the session goes on. */
#ifndef KELP_LUA_REPL_H
#define KELP_LUA_REPL_H

#include <lua.h>

#include <stdbool.h>

/* Says on standard error what this is, and how somebody who has never seen it goes on. */
void repl_greet(bool simulated);

/* Runs until Ctrl-D. Ctrl-C clears what is typed; while code runs it is the
 * caller's signal handler that interrupts it. The history is kept in the file
 * at `history_path`, whose folders are made (NULL: none is kept). Sets the
 * LC_CTYPE locale from the environment, for the line editor. Returns the
 * process's exit code. */
int repl_run(lua_State *L, const char *history_path);

#endif
