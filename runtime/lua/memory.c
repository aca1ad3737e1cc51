#include "lua/memory.h"

#include <stdint.h>

/* Lua asks a second time after it has collected garbage; when that fails too, it
 * raises. The handlers of that error then get the reserve: with nothing left, each
 * of their allocations would collect all garbage again. */
static void refuse(struct memory *m, const void *block, size_t size)
{
    if (m->refused_block == block && m->refused_size == size) {
        m->most += m->reserve;
        m->reserve = 0;
    }
    m->refused_block = block;
    m->refused_size = size;
}

static void *allocate(void *data, void *block, size_t old, size_t size)
{
    struct memory *m = data;
    size_t had = block != NULL ? old : 0; /* of a new block, `old` is a type */
    if (size > had && (m->used > m->most || size - had > m->most - m->used)) {
        refuse(m, block, size);
        return NULL;
    }
    m->refused_size = 0;
    void *result = m->below(m->below_data, block, old, size);
    if (result != NULL || size == 0)
        m->used = m->used - had + size;
    return result;
}

void memory_limit(lua_State *L, struct memory *m, size_t most)
{
    m->below = lua_getallocf(L, &m->below_data);
    m->used = (size_t)lua_gc(L, LUA_GCCOUNT) * 1024 + (size_t)lua_gc(L, LUA_GCCOUNTB);
    m->most = most;
    m->reserve = most / 8;
    m->refused_block = NULL;
    m->refused_size = 0;
    lua_setallocf(L, allocate, m);
}

void memory_add_reserve(struct memory *m, size_t more)
{
    if (m->below != NULL && m->most < SIZE_MAX - more)
        m->most += more;
}
