#include "sandbox/sandbox.h"

#include "secret/log.h"
#include "lua/state.h"
#include "lua/error.h"
#include "sandbox/manifest.h"
#include "providers/provider.h"

#include <lauxlib.h>
#include <lualib.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Raises a `forbidden` error with the message at the top. */
static int forbid(lua_State *L)
{
    error_push(L, ERROR_FORBIDDEN, "%s", lua_tostring(L, -1));
    lua_pushliteral(L, "no");
    lua_setfield(L, -2, "sent");
    return lua_error(L);
}

/* ---- the base library ---- */

/* Upvalue 1 is a weak set of the metatables that the script has set itself: it gets
 * no other, or it could change what kelp's objects and all strings do. */
static int get_metatable(lua_State *L)
{
    luaL_checkany(L, 1);
    if (!lua_getmetatable(L, 1))
        return 0;
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return 1;
    lua_pushvalue(L, -1);
    if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TNIL) {
        lua_pushboolean(L, 0);
        return 1;
    }
    lua_pop(L, 1);
    return 1;
}

static int set_metatable(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2, "nil or table");
    lua_settop(L, 2);
    if (lua_getmetatable(L, 1)) {
        bool closed = luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL;
        lua_settop(L, 3);
        if (closed || lua_rawget(L, lua_upvalueindex(1)) == LUA_TNIL)
            return luaL_error(L, "cannot change a protected metatable");
        lua_settop(L, 2);
    }
    if (lua_istable(L, 2)) {
        lua_pushliteral(L, "__gc");
        /* Finalizers run where no interrupt reaches. */
        if (lua_rawget(L, 2) != LUA_TNIL)
            return luaL_error(L, "setmetatable: __gc is not available to a restricted script");
        lua_pushvalue(L, 2);
        lua_pushboolean(L, 1);
        lua_rawset(L, lua_upvalueindex(1));
        lua_settop(L, 2);
    }
    lua_setmetatable(L, 1);
    return 1;
}

/* load, of text only. Upvalue 1: the library's own. */
static int load_text(lua_State *L)
{
    bool has_environment = lua_gettop(L) >= 4;
    lua_settop(L, 4);
    lua_pushliteral(L, "t");
    lua_replace(L, 3);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_settop(L, has_environment ? 5 : 4);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

static int count_garbage(lua_State *L)
{
    if (strcmp(luaL_optstring(L, 1, "collect"), "count") != 0)
        return luaL_error(L, "collectgarbage: only \"count\" is available to a restricted script");
    lua_pushnumber(L, (lua_Number)lua_gc(L, LUA_GCCOUNT) +
                          (lua_Number)lua_gc(L, LUA_GCCOUNTB) / 1024);
    return 1;
}

/* Upvalue 1: what there is, by name. */
static int require_module(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    lua_pushvalue(L, 1);
    if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TNIL)
        return luaL_error(L, "module '%s' is not available to a restricted script", name);
    return 1;
}

/* ---- coroutines ---- */

/* A task's own coroutine belongs to the scheduler: a script that resumed it while
 * it waits would take its continuation for another. Upvalues: the library's own
 * function, the weak set of coroutines that the script has made. */
static int create_coroutine(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    lua_pushvalue(L, -1);
    lua_pushboolean(L, 1);
    lua_rawset(L, lua_upvalueindex(2));
    return 1;
}

static int use_coroutine(lua_State *L)
{
    if (lua_isthread(L, 1)) {
        lua_pushvalue(L, 1);
        if (lua_rawget(L, lua_upvalueindex(2)) == LUA_TNIL)
            return luaL_error(L, "this coroutine is not the script's own");
        lua_pop(L, 1);
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

/* ---- kelp ---- */

static bool is_one_of(const char *name, const char *const *list)
{
    for (; *list != NULL; list++) {
        if (strcmp(*list, name) == 0)
            return true;
    }
    return false;
}

/* Options that only say how patient the target is; `rate` is lowered to the
 * manifest's. */
static const char *const harmless[] = {
    "timeout", "connect_timeout", "stall_timeout", "deadline", "backoff", "longest_backoff",
    "longest_wait", "visibility_delay", "attempts", "concurrency", "rate", NULL,
};

static bool is_place(const struct provider *p, const char *name)
{
    for (int i = 0; p->places[i].name != NULL; i++) {
        if (strcmp(p->places[i].name, name) == 0)
            return true;
    }
    return false;
}

/* A script that may choose the address, or whose credentials are used there, could
 * carry off what it reads. The option's value is at the top. */
static void check_option(lua_State *L, const char *provider, const char *name)
{
    const struct provider *p = provider_named(provider);
    int type = lua_type(L, -1);
    bool is_url = p != NULL && p->url_option != NULL && strcmp(name, p->url_option) == 0;
    if (type == LUA_TNUMBER && is_one_of(name, harmless))
        return;
    if (type == LUA_TSTRING && p != NULL && is_place(p, name))
        return;
    if (is_url && manifest_lists_targets(L)) /* which compares it */
        return;
    if (is_url)
        lua_pushfstring(L, "kelp.%s: a restricted script may only name an address that its "
                        "manifest lists: targets = { { provider = \"%s\", url = \"…\" } }",
                        provider, provider);
    else
        lua_pushfstring(L, "kelp.%s: option '%s' is not a restricted script's to set: addresses "
                        "and credentials come from the environment or the targets file", provider,
                        name);
    forbid(L);
}

/* kelp.PROVIDER. Upvalues: its own function, the provider's name. The options are
 * copied, so that what is checked is what is used. */
static int make_target(lua_State *L)
{
    const char *provider = lua_tostring(L, lua_upvalueindex(2));
    lua_settop(L, 1);
    if (lua_istable(L, 1)) {
        lua_newtable(L);
        lua_pushnil(L);
        while (lua_next(L, 1)) {
            const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
            check_option(L, provider, name);
            lua_pushvalue(L, -2);
            lua_insert(L, -2);
            lua_rawset(L, 2);
        }
        lua_replace(L, 1);
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

/* kelp.target. Upvalue 1: its own function. */
static int named_target(lua_State *L)
{
    luaL_checkstring(L, 1);
    lua_settop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    manifest_call_named(L, 1);
    return 1;
}

/* kelp.secret, of the environment only. Upvalue 1: its own function. */
static int make_secret(lua_State *L)
{
    lua_settop(L, 1);
    if (lua_istable(L, 1)) {
        lua_pushliteral(L, "env");
        lua_rawget(L, 1);
        lua_pushnil(L);
        while (lua_next(L, 1)) {
            if (lua_type(L, -2) != LUA_TSTRING || strcmp(lua_tostring(L, -2), "env") != 0) {
                lua_pushliteral(L, "kelp.secret: a restricted script may only read environment "
                                   "variables that its manifest lists");
                return forbid(L);
            }
            lua_pop(L, 1);
        }
        lua_replace(L, 1);
    }
    if (lua_type(L, 1) != LUA_TSTRING)
        return error_misuse(L, "kelp.secret: the name of a variable expected, got %s",
                            luaL_typename(L, 1));
    manifest_check_secret(L, lua_tostring(L, 1));
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

/* Replaces the table at the top by a copy. */
static void copy_table(lua_State *L)
{
    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, -3)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
    lua_replace(L, -2);
}

/* Replaces the kelp at the top by the script's: what is not named here it does not
 * have. */
static void limit_kelp(lua_State *L)
{
    static const char *const functions[] = {
        "each", "map", "async", "sleep", "once", "is_error", "is_connector", "null", NULL,
    };
    static const char *const tables[] = {"json", "show", "settings", NULL};
    int own = lua_gettop(L), limited = own + 1;
    lua_newtable(L);
    for (const char *const *name = functions; *name != NULL; name++) {
        lua_getfield(L, own, *name);
        lua_setfield(L, limited, *name);
    }
    for (const char *const *name = tables; *name != NULL; name++) {
        lua_getfield(L, own, *name);
        copy_table(L);
        lua_setfield(L, limited, *name);
    }
    const struct provider *p;
    for (size_t i = 0; (p = provider_at(i)) != NULL; i++) {
        if (lua_getfield(L, own, p->name) == LUA_TNIL) {
            lua_pop(L, 1);
            continue;
        }
        lua_pushstring(L, p->name);
        lua_pushcclosure(L, make_target, 2);
        lua_setfield(L, limited, p->name);
    }
    lua_getfield(L, own, "target");
    lua_pushcclosure(L, named_target, 1);
    lua_setfield(L, limited, "target");
    lua_getfield(L, own, "secret");
    lua_pushcclosure(L, make_secret, 1);
    lua_setfield(L, limited, "secret");
    lua_replace(L, own);
}

/* Puts the manifest in front of each verb in the table at the top; pops it. */
static void guard_verbs(lua_State *L)
{
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        if (lua_type(L, -2) == LUA_TSTRING && lua_isfunction(L, -1)) {
            manifest_guard(L, lua_tostring(L, -2));
            lua_pushvalue(L, -2);
            lua_insert(L, -2);
            lua_rawset(L, -4);
        } else {
            lua_pop(L, 1);
        }
    }
    lua_pop(L, 1);
}

/* ---- the script's globals ---- */

static void push_weak_set(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
}

static void add_base(lua_State *L, int globals)
{
    static const char *const kept[] = {
        "assert", "error", "ipairs", "next", "pairs", "pcall", "print", "rawequal", "rawget",
        "rawlen", "rawset", "select", "tonumber", "tostring", "type", "xpcall", "_VERSION", NULL,
    };
    for (const char *const *name = kept; *name != NULL; name++) {
        lua_getglobal(L, *name);
        lua_setfield(L, globals, *name);
    }
    lua_pushvalue(L, globals);
    lua_setfield(L, globals, LUA_GNAME);
    lua_getglobal(L, "load");
    lua_pushcclosure(L, load_text, 1);
    lua_setfield(L, globals, "load");
    lua_pushcfunction(L, count_garbage);
    lua_setfield(L, globals, "collectgarbage");
    push_weak_set(L);
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, get_metatable, 1);
    lua_setfield(L, globals, "getmetatable");
    lua_pushcclosure(L, set_metatable, 1);
    lua_setfield(L, globals, "setmetatable");
}

/* The function of that name in the table at the top, over the weak set at `set`. */
static void replace_over(lua_State *L, const char *name, lua_CFunction function, int set)
{
    lua_getfield(L, -1, name);
    lua_pushvalue(L, set);
    lua_pushcclosure(L, function, 2);
    lua_setfield(L, -2, name);
}

static void add_libraries(lua_State *L, int globals)
{
    static const char *const names[] = {
        LUA_COLIBNAME, LUA_MATHLIBNAME, LUA_STRLIBNAME, LUA_TABLIBNAME, LUA_UTF8LIBNAME, NULL,
    };
    /* Strings have it as a method from the library's own table. */
    lua_getglobal(L, LUA_STRLIBNAME);
    lua_pushnil(L);
    lua_setfield(L, -2, "dump");
    lua_pop(L, 1);
    for (const char *const *name = names; *name != NULL; name++) {
        lua_getglobal(L, *name);
        copy_table(L);
        lua_setfield(L, globals, *name);
    }
    push_weak_set(L);
    int set = lua_gettop(L);
    lua_getfield(L, globals, LUA_COLIBNAME);
    replace_over(L, "create", create_coroutine, set);
    replace_over(L, "resume", use_coroutine, set);
    replace_over(L, "close", use_coroutine, set);
    lua_settop(L, set - 1);
}

/* require knows "kelp", which is at `kelp`, and "kelp.json". */
static void add_require(lua_State *L, int globals, int kelp)
{
    lua_createtable(L, 0, 2);
    lua_pushvalue(L, kelp);
    lua_setfield(L, -2, "kelp");
    lua_getfield(L, kelp, "json");
    lua_setfield(L, -2, "kelp.json");
    lua_pushcclosure(L, require_module, 1);
    lua_setfield(L, globals, "require");
}

static int open_manifest(lua_State *L)
{
    manifest_open(L, lua_tostring(L, 1), lua_touserdata(L, 2));
    return 0;
}

void sandbox_enter(lua_State *L, const char *manifest, const char *simulator)
{
    int top = lua_gettop(L);
    lua_pushcfunction(L, open_manifest);
    lua_pushstring(L, manifest);
    lua_pushlightuserdata(L, (void *)(uintptr_t)simulator);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK)
        luaL_error(L, "the manifest %s cannot be used: %s", manifest, lua_tostring(L, -1));
    manifest_set_hooks(L);
    manifest_push_text(L);
    log_line(LOG_NOTICE, "%s", lua_tostring(L, -1));
    lua_settop(L, top);

    lua_getglobal(L, "require");
    lua_pushliteral(L, "kelp");
    if (state_call(L, 1) != LUA_OK)
        lua_error(L);
    lua_settop(L, top + 1);
    luaL_getmetatable(L, "kelp.target");
    lua_getfield(L, -1, "methods");
    guard_verbs(L);
    luaL_getmetatable(L, "kelp.connector");
    lua_getfield(L, -1, "__index");
    guard_verbs(L);
    lua_settop(L, top + 1);
    limit_kelp(L);

    lua_newtable(L);
    int globals = lua_gettop(L);
    add_base(L, globals);
    add_libraries(L, globals);
    add_require(L, globals, top + 1);
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    lua_settop(L, top);
}
