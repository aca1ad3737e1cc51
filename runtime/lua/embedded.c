#include "lua/embedded.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct embedded_file *find(const char *name)
{
    for (const struct embedded_file *f = embedded_files; f->name != NULL; f++)
        if (strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

int embedded_load(lua_State *L, const char *name)
{
    const struct embedded_file *f = find(name);
    if (f == NULL) {
        lua_pushfstring(L, "no built-in file '%s'", name);
        return LUA_ERRFILE;
    }
    const char *folder = getenv("KELP_SCRIPTS");
    if (folder != NULL && folder[0] != '\0') {
        const char *path = lua_pushfstring(L, "%s/%s.lua", folder, f->name);
        /* Only "there is none" falls back: a file that is there and cannot be
         * read must not be replaced behind its writer's back. */
        bool absent = access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR);
        if (!absent) {
            int status = luaL_loadfilex(L, path, "t");
            lua_remove(L, -2);
            return status;
        }
        lua_pop(L, 1);
    }
    return luaL_loadbufferx(L, f->chunk, f->size, f->name, "b");
}

/* package.searchers[1]: (module) -> loader, file name | why not */
static int search(lua_State *L)
{
    const char *module = luaL_checkstring(L, 1);
    /* With dots only: "kelp/NAME" would be loaded beside "kelp.NAME", twice. */
    if (strchr(module, '/') != NULL) {
        lua_pushfstring(L, "no built-in module '%s'", module);
        return 1;
    }
    const char *name = luaL_gsub(L, module, ".", "/");
    if (find(name) == NULL)
        name = lua_pushfstring(L, "%s/init", name);
    if (find(name) == NULL) {
        lua_pushfstring(L, "no built-in module '%s'", module);
        return 1;
    }
    if (embedded_load(L, name) != LUA_OK)
        return luaL_error(L, "error loading built-in module '%s':\n\t%s", module,
                          lua_tostring(L, -1));
    lua_pushfstring(L, "builtin/%s.lua", name);
    return 2;
}

void embedded_install(lua_State *L)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, LUA_LOADLIBNAME);
    lua_getfield(L, -1, "searchers");
    for (lua_Integer i = (lua_Integer)lua_rawlen(L, -1); i >= 1; i--) {
        lua_rawgeti(L, -1, i);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushcfunction(L, search);
    lua_rawseti(L, -2, 1);
    lua_pop(L, 3);
}
