#include "lua/state.h"

#include "base/clock.h"
#include "base/pool.h"
#include "base/terminal.h"
#include "secret/log.h"
#include "http/exchange.h"
#include "http/transport.h"
#include "lua/embedded.h"
#include "lua/error.h"
#include "lua/interrupt.h"
#include "lua/json.h"
#include "lua/memory.h"
#include "lua/output.h"
#include "lua/task.h"

#include <lauxlib.h>
#include <lua-cjson.h>
#include <lualib.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct state {
    lua_State *L;
    struct state_settings settings;
    struct clock clock;          /* the machine's, when the settings name none */
    struct transport *transport; /* owned; NULL when it is the caller's */
    struct engine *engine;
    struct pool *pool;           /* the Lua state's memory; NULL: the caller allocates it */
    struct memory memory;        /* the limit of state_limit_memory */
};

lua_State *state_lua(struct state *h)
{
    return h->L;
}

/* Removes the entries of a search path that do not start at the root: stock Lua
 * would load code from whatever folder it is started in. [-0, +0, m] */
static void strip_relative(lua_State *L, int package, const char *field)
{
    lua_getfield(L, package, field);
    const char *path = lua_tostring(L, -1);
    luaL_Buffer kept;
    luaL_buffinit(L, &kept);
    for (const char *entry = path; entry != NULL && *entry != '\0';) {
        size_t size = strcspn(entry, ";");
        if (*entry == '/') {
            luaL_addlstring(&kept, entry, size);
            luaL_addchar(&kept, ';');
        }
        entry += size + (entry[size] == ';');
    }
    luaL_pushresult(&kept);
    size_t size;
    const char *text = lua_tolstring(L, -1, &size);
    lua_pushlstring(L, text, size > 0 ? size - 1 : 0);
    lua_setfield(L, package, field);
    lua_pop(L, 2);
}

static void prepend_path(lua_State *L, const char *folder)
{
    /* Not the global: a restricted script's globals have none. */
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, LUA_LOADLIBNAME);
    lua_getfield(L, -1, "path");
    lua_pushfstring(L, "%s/?.lua;%s/?/init.lua;%s", folder, folder, lua_tostring(L, -1));
    lua_setfield(L, -3, "path");
    lua_pop(L, 3);
}

void state_add_folder(lua_State *L, const char *path)
{
    char *real = realpath(path, NULL);
    if (real == NULL)
        return; /* opening the script will say why */
    char *slash = strrchr(real, '/');
    if (slash == real)
        slash++;
    *slash = '\0';
    lua_pushstring(L, real);
    free(real);
    prepend_path(L, lua_tostring(L, -1));
    lua_pop(L, 1);
}

/* print, through the redactor. What io.write has buffered goes first, so that
 * the order is the script's. */
static int print(lua_State *L)
{
    int n = lua_gettop(L);
    luaL_Buffer line;
    for (int i = 1; i <= n; i++) {
        luaL_tolstring(L, i, NULL);
        lua_replace(L, i);
    }
    luaL_buffinit(L, &line);
    for (int i = 1; i <= n; i++) {
        if (i > 1)
            luaL_addchar(&line, '\t');
        lua_pushvalue(L, i);
        luaL_addvalue(&line);
    }
    luaL_addchar(&line, '\n');
    luaL_pushresult(&line);
    size_t size;
    const char *text = lua_tolstring(L, -1, &size);
    fflush(stdout);
    int failure = output_write(output_descriptor(), text, size);
    if (failure != 0)
        return luaL_error(L, "cannot write to standard output: %s", strerror(failure));
    return 0;
}

static int set_up(lua_State *L)
{
    struct state *h = lua_touserdata(L, 1);
    lua_settop(L, 0);
    /* LUA_PATH and LUA_CPATH are obeyed, but for their relative entries. */
    luaL_openlibs(L);
    output_install(L);
    lua_getglobal(L, LUA_LOADLIBNAME);
    strip_relative(L, 1, "path");
    strip_relative(L, 1, "cpath");
    lua_settop(L, 0);
    prepend_path(L, KELP_SHARE);
    embedded_install(L);
    lua_pushcfunction(L, print);
    lua_setglobal(L, "print");

    luaL_requiref(L, "kelp.json", luaopen_kelp_json, 0);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, luaopen_cjson);
    lua_setfield(L, -2, "cjson");
    lua_settop(L, 0);

    task_open(L, h->engine);
    if (h->settings.open != NULL)
        h->settings.open(L, h->engine, h->settings.context);
    return 0;
}

/* Under AddressSanitizer each block is malloc's, so that it sees all of them. */
#if defined(__SANITIZE_ADDRESS__)
#define POOLED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOLED 0
#endif
#endif
#ifndef POOLED
#define POOLED 1
#endif

static void *allocate_pooled(void *pool, void *block, size_t old, size_t size)
{
    if (POOLED)
        return pool_resize(pool, block, old, size);
    if (size > 0)
        return realloc(block, size);
    free(block);
    return NULL;
}

static int panic(lua_State *L)
{
    const char *message = lua_tostring(L, -1);
    log_line(LOG_ERROR, "unprotected error in a call to Lua: %s",
             message != NULL ? message : "not a string");
    return 0;
}

static struct state *fail(struct state *h, const char *fault, char **why)
{
    *why = strdup(fault != NULL ? fault : "unknown error");
    state_free(h);
    return NULL;
}

/* Makes the transport and the clock that the settings do not name; NULL, or what is wrong. */
static const char *choose_transport(struct state *h)
{
    struct state_settings *s = &h->settings;
    const char *fault = "not enough memory";
    if (s->clock == NULL) {
        clock_system(&h->clock);
        s->clock = &h->clock;
    }
    if (s->transport == NULL) {
        h->transport = transport_curl(&fault);
        if (h->transport == NULL)
            return fault;
        s->transport = h->transport;
    }
    h->engine = engine_new(s->transport, s->clock);
    return h->engine == NULL ? "not enough memory" : NULL;
}

static const char *choose_memory(struct state *h)
{
    struct state_settings *s = &h->settings;
    if (s->allocate == NULL) {
        h->pool = pool_new();
        if (h->pool == NULL)
            return "not enough memory";
        s->allocate = allocate_pooled;
        s->allocate_data = h->pool;
    }
    return NULL;
}

struct state *state_new(const struct state_settings *settings, char **why)
{
    *why = NULL;
    struct state *h = calloc(1, sizeof *h);
    if (h == NULL)
        return fail(NULL, "not enough memory", why);
    h->settings = *settings;
    const char *fault = choose_transport(h);
    if (fault == NULL)
        fault = choose_memory(h);
    if (fault != NULL)
        return fail(h, fault, why);
    h->L = lua_newstate(h->settings.allocate, h->settings.allocate_data);
    if (h->L == NULL)
        return fail(h, "not enough memory", why);
    lua_atpanic(h->L, panic);
    lua_gc(h->L, LUA_GCGEN, 0, 0);
    lua_pushcfunction(h->L, set_up);
    lua_pushlightuserdata(h->L, h);
    if (lua_pcall(h->L, 1, 0, 0) != LUA_OK)
        return fail(h, lua_tostring(h->L, -1), why);
    return h;
}

void state_limit_memory(struct state *h, size_t most)
{
    memory_limit(h->L, &h->memory, most);
}

void state_add_reserve(struct state *h)
{
    enum { RESERVE = 4 * 1024 * 1024 };
    memory_add_reserve(&h->memory, RESERVE);
}

void state_free(struct state *h)
{
    if (h == NULL)
        return;
    if (h->L != NULL) {
        task_close_all(h->L);
        if (h->settings.close != NULL)
            h->settings.close(h->L, h->settings.context);
        lua_close(h->L);
    }
    pool_free(h->pool);
    engine_free(h->engine);
    if (h->transport != NULL)
        h->transport->free(h->transport);
    free(h);
}

int state_call(lua_State *L, int nargs)
{
    char *traceback = NULL;
    int status = task_run(L, nargs, &traceback);
    if (status != LUA_OK && traceback != NULL && lua_type(L, -1) == LUA_TSTRING)
        lua_pushfstring(L, "%s\n%s", lua_tostring(L, -1), traceback);
    else if (status != LUA_OK)
        lua_pushvalue(L, -1);
    free(traceback);
    if (status != LUA_OK)
        lua_remove(L, -2);
    return status;
}

/* Replaces the error value at 1 by its text. */
static int error_text(lua_State *L)
{
    if (error_is(L, 1)) {
        lua_getfield(L, 1, "where");
        luaL_tolstring(L, 1, NULL);
        if (lua_type(L, 2) == LUA_TSTRING) {
            lua_pushfstring(L, "%s: %s", lua_tostring(L, 2), lua_tostring(L, 3));
        }
        return 1;
    }
    if (!lua_isstring(L, 1) && !luaL_getmetafield(L, 1, "__tostring"))
        lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
    else
        luaL_tolstring(L, 1, NULL);
    return 1;
}

bool state_has_raised(lua_State *L)
{
    bool raised = lua_getfield(L, LUA_REGISTRYINDEX, "kelp.raised") != LUA_TNIL;
    lua_pop(L, 1);
    return raised;
}

static enum state_ending ending_of_error(lua_State *L)
{
    bool is_unknown = false;
    if (error_is(L, -1)) {
        lua_getfield(L, -1, "kind");
        const char *kind = lua_tostring(L, -1);
        is_unknown = kind != NULL && strcmp(kind, error_kind_name(ERROR_UNKNOWN_OUTCOME)) == 0;
        lua_pop(L, 1);
    }
    if (interrupt_pending())
        return interrupt_is_limit() ? STATE_FAILED : STATE_INTERRUPTED;
    return is_unknown ? STATE_UNKNOWN : STATE_FAILED;
}

struct state_result state_report(lua_State *L)
{
    struct state_result result = {.ending = ending_of_error(L)};
    lua_pushboolean(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, "kelp.raised");
    lua_pushcfunction(L, error_text);
    lua_insert(L, -2);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
        lua_pop(L, 1);
        lua_pushliteral(L, "(the error value cannot be shown)");
    }
    if (!output_is_unread())
        log_line(LOG_ERROR, "%s", lua_tostring(L, -1));
    lua_pop(L, 1);
    return result;
}

struct state_result state_run(lua_State *L, int nargs)
{
    int base = lua_gettop(L) - nargs;
    if (state_call(L, nargs) != LUA_OK)
        return state_report(L);
    struct state_result result = {.ending = STATE_DONE};
    if (lua_gettop(L) >= base && lua_isinteger(L, base)) {
        lua_Integer n = lua_tointeger(L, base);
        result.ending = STATE_RETURNED;
        result.code = n >= 0 && n <= 255 ? (int)n : 1;
    }
    lua_settop(L, base - 1);
    return result;
}
