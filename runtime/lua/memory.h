/* memory: a cap on what the Lua state may hold. */
#ifndef KELP_LUA_MEMORY_H
#define KELP_LUA_MEMORY_H

#include <lua.h>

#include <stddef.h>

struct memory {
    lua_Alloc below; /* the allocator that the state had */
    void *below_data;
    size_t used, most;
    size_t reserve;            /* added to `most`, once, when memory has run out */
    const void *refused_block; /* the last request that was refused */
    size_t refused_size;
};

/* From now on an allocation that would bring the state above `most` bytes fails as
 * if there were no more: Lua collects garbage, tries again and then raises "not
 * enough memory"; after the first such error an eighth of it more is there, for what cleans
 * up. *m must outlive the state. [-0, +0, -] */
void memory_limit(lua_State *L, struct memory *m, size_t most);

/* So many bytes more, for what reports the end of the script. Nothing without a limit. */
void memory_add_reserve(struct memory *m, size_t more);

#endif
