#include "lua/selection.h"

#include "base/glob.h"
#include "base/nearest.h"

#include <string.h>

static int matches(lua_State *L)
{
    size_t size;
    const char *pattern = luaL_checkstring(L, 1);
    const char *name = luaL_checklstring(L, 2, &size);
    lua_pushboolean(L, strlen(name) == size && glob_matches(pattern, name));
    return 1;
}

static int fault(lua_State *L)
{
    size_t size;
    const char *pattern = luaL_checklstring(L, 1, &size);
    lua_pushstring(L, strlen(pattern) != size ? "holds a NUL" : glob_fault(pattern));
    return 1;
}

static int nearest(lua_State *L)
{
    const char *word = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    size_t most = lua_rawlen(L, 2), count = 0;
    /* The strings stay alive with the array. */
    const char **words = lua_newuserdatauv(L, (most + 1) * sizeof *words, 0);
    for (size_t i = 1; i <= most; i++) {
        if (lua_rawgeti(L, 2, (lua_Integer)i) == LUA_TSTRING)
            words[count++] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    lua_pushstring(L, nearest_word(word, words, count));
    return 1;
}

const luaL_Reg selection_functions[] = {
    {"glob_matches", matches},
    {"glob_fault", fault},
    {"nearest", nearest},
    {NULL, NULL},
};
