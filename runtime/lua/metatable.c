#include "lua/metatable.h"

#include <lauxlib.h>

bool metatable_is(lua_State *L, int index, const char *name)
{
    if (!lua_istable(L, index) || !lua_getmetatable(L, index))
        return false;
    luaL_getmetatable(L, name);
    bool equal = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return equal;
}
