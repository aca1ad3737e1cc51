/* evaluate: a statement that somebody typed, from text to what is shown. No
 * terminal here; repl has one. */
#ifndef KELP_LUA_EVALUATE_H
#define KELP_LUA_EVALUATE_H

#include <lua.h>

#include <stdbool.h>

/* How values are shown. */
struct evaluate {
    int show;    /* registry reference of kelp.show.value, made by evaluate_open */
    int columns; /* of the terminal */
};

/* Finds kelp.show. 0, or the exit code after reporting why not. */
int evaluate_open(lua_State *L, struct evaluate *e);

/* Compiles the text as an expression ("=" before it is allowed), else as a
 * statement. Leaves the function, or the error message and another status. */
int evaluate_compile(lua_State *L, const char *text);

/* True when the status and message of evaluate_compile say that more text could
 * make a whole statement of it. [-0, +0, -] */
bool evaluate_unfinished(lua_State *L, int status);

/* Calls the function at the top as a task, keeps its first result in `_` and
 * writes all of them to standard output, or reports the error. [-1, +0, -] */
void evaluate_run(lua_State *L, const struct evaluate *e);

#endif
