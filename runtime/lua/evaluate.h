/* evaluate: a statement that somebody typed, from text to what is shown. No
 * terminal here; repl has one. */
#ifndef KELP_LUA_EVALUATE_H
#define KELP_LUA_EVALUATE_H

#include <lua.h>

#include <stdbool.h>

/* at_prompt(show, globals), for Lua: show(value, { width = columns }) returns the text of a value;
 * the fields of `globals` become globals at the prompt, where there are none of these names.
 * Until it is called values are shown by tostring. [-2, +0, m] */
int evaluate_at_prompt(lua_State *L);

/* Sets the globals of the prompt. [-0, +0, m] */
void evaluate_open(lua_State *L);

/* Compiles the text as an expression ("=" before it is allowed), else as a
 * statement. Leaves the function, or the error message and another status. */
int evaluate_compile(lua_State *L, const char *text);

/* True when the status and message of evaluate_compile say that more text could
 * make a whole statement of it. [-0, +0, -] */
bool evaluate_unfinished(lua_State *L, int status);

/* Calls the function at the top as a task, keeps its first result in `_` and
 * writes all of them to standard output, at most so many columns wide, or reports the error.
 * [-1, +0, -] */
void evaluate_run(lua_State *L, int columns);

#endif
