#include "connector/hooks.h"

/* registry[&REGISTRY_KEY] = the struct's userdata */
static char REGISTRY_KEY;

void hooks_open(lua_State *L)
{
    struct connector_hooks *hooks = lua_newuserdatauv(L, sizeof *hooks, 0);
    *hooks = (struct connector_hooks){0};
    lua_rawsetp(L, LUA_REGISTRYINDEX, &REGISTRY_KEY);
}

struct connector_hooks *hooks_of(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &REGISTRY_KEY);
    struct connector_hooks *hooks = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return hooks;
}
