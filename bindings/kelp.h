/* kelp: the module table that `require "kelp"` returns. */
#ifndef KELP_BINDINGS_H
#define KELP_BINDINGS_H

#include <lua.h>

struct engine;

/* Makes kelp.raw, the C primitives that the Lua side of kelp is written over:
 * not documented for scripts. task_open must have been called. [-0, +1, m] */
void kelp_push_raw(lua_State *L, struct engine *e);

#endif
