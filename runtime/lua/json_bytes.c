#include "lua/json_bytes.h"

#include <lua.h>

enum { SCRATCH_FIRST = 1024 };

void json_scratch_grow(lua_State *L, struct json_scratch *s, size_t more)
{
    size_t needed, capacity = s->capacity > 0 ? s->capacity : SCRATCH_FIRST;
    char *grown = NULL;
    if (!__builtin_add_overflow(s->size, more, &needed)) {
        while (capacity < needed)
            if (__builtin_mul_overflow(capacity, (size_t)2, &capacity))
                capacity = needed;
        void *context;
        lua_Alloc allocate = lua_getallocf(L, &context);
        grown = allocate(context, s->bytes, s->capacity, capacity);
    }
    if (grown == NULL) {
        lua_pushliteral(L, "not enough memory");
        lua_error(L);
    }
    s->bytes = grown;
    s->capacity = capacity;
}

void json_scratch_trim(lua_State *L, struct json_scratch *s, size_t keep)
{
    s->size = 0;
    if (s->capacity <= keep)
        return;
    void *context;
    lua_Alloc allocate = lua_getallocf(L, &context);
    allocate(context, s->bytes, s->capacity, 0);
    *s = (struct json_scratch){0};
}
