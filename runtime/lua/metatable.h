/* metatable: what a table is, by its metatable. */
#ifndef KELP_LUA_METATABLE_H
#define KELP_LUA_METATABLE_H

#include <lua.h>

#include <stdbool.h>

/* True for a table whose metatable is the one that luaL_newmetatable made for `name`.
 * [-0, +0, -] */
bool metatable_is(lua_State *L, int index, const char *name);

#endif
