#include "connector/connector.h"

#include "lua/metatable.h"

#include <lauxlib.h>

static const char METATABLE[] = "kelp.connector";

/* "connector orders (S3_SINK, running)" */
static int show(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    static const char *const fields[] = {"name", "class", "state"};
    for (int i = 0; i < 3; i++) {
        if (lua_getfield(L, 1, fields[i]) != LUA_TSTRING) {
            lua_pop(L, 1);
            lua_pushliteral(L, "?");
        }
    }
    lua_pushfstring(L, "connector %s (%s, %s)", lua_tostring(L, -3), lua_tostring(L, -2),
                    lua_tostring(L, -1));
    return 1;
}

void connector_push_metatable(lua_State *L)
{
    if (luaL_newmetatable(L, METATABLE)) {
        lua_pushcfunction(L, show);
        lua_setfield(L, -2, "__tostring");
        lua_newtable(L);
        lua_setfield(L, -2, "__index");
    }
}

void connector_new(lua_State *L)
{
    lua_createtable(L, 0, 12);
    connector_push_metatable(L);
    lua_setmetatable(L, -2);
}

bool connector_is(lua_State *L, int index)
{
    return metatable_is(L, index, METATABLE);
}
