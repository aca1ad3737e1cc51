/* selection: base/glob and base/nearest as Lua sees them. */
#ifndef KELP_LUA_SELECTION_H
#define KELP_LUA_SELECTION_H

#include <lauxlib.h>

/* For kelp.raw:
 *   glob_matches(pattern, name)  whether the whole name matches; a name with a NUL never does
 *   glob_fault(pattern)  what is wrong with it, or nil
 *   nearest(word, words)  the one of the array that was probably meant, or nil; what is no string
 *       in it is passed over */
extern const luaL_Reg selection_functions[];

#endif
