/* at_end: what kelp's Lua does when the script has come to its end: it registers functions, and
 * main has them called.
 *
 * In Lua (in kelp.raw): at_end(name, fn), one function a name. They are called in this order:
 *   "bulk"   returns how many items of bulk jobs have failed, and of how many nobody knows
 *   "audit"  returns how many connectors it found twice
 *   "plan"   shows the end of the plan; returns how many changes it found */
#ifndef KELP_SESSION_AT_END_H
#define KELP_SESSION_AT_END_H

#include "session/exit_code.h"

#include <lauxlib.h>
#include <lua.h>

/* Calls what is registered, as tasks, until one fails, which is reported. Calls nothing once the
 * run is interrupted. What they return goes into *facts. [-0, +0, m] */
void at_end_run(lua_State *L, struct exit_facts *facts);

/* The function above, for kelp.raw. */
extern const luaL_Reg at_end_functions[];

#endif
