/* completion: the names that could stand at the end of a line of Lua.
 *
 * Looks only: no function, metamethod or __index function of a value runs. A
 * metatable may list names that cannot be found by looking in a table
 * `__completions` (an array of names, or names as keys). */
#ifndef KELP_LUA_COMPLETION_H
#define KELP_LUA_COMPLETION_H

struct lua_State;

/* Called by Lua as (line up to the cursor) -> sorted array of whole names, bytes
 * of the name that are there already. Globals and keywords after nothing, fields
 * after "a.b.", functions after "a.b:"; an empty array inside a string or a
 * comment, and after what would have to be evaluated. [-1, +2, m] */
int completion_line(struct lua_State *L);

#endif
