#define _GNU_SOURCE
#include "simulator/simulator_models.h"

#include "base/buffer.h"
#include "base/file.h"
#include "lua/embedded.h"
#include "lua/json.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct models {
    lua_State *L;
    int handle; /* registry references: router.handle, the world */
    int world;
    double now;                           /* of the request being answered */
    const struct model_request *request;
    struct model_reply *response;
};

__attribute__((format(printf, 2, 3))) static void explain(char **why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(why, format, arguments) < 0)
        *why = NULL;
    va_end(arguments);
}

static int with_traceback(lua_State *L)
{
    const char *message = lua_tostring(L, 1);
    if (message == NULL)
        message = lua_pushfstring(L, "(an error of type %s)", luaL_typename(L, 1));
    luaL_traceback(L, L, message, 1);
    return 1;
}

/* The models are pure: they get neither the system nor files. */
static void open_libraries(lua_State *L)
{
    static const luaL_Reg libraries[] = {
        { LUA_GNAME, luaopen_base },         { LUA_LOADLIBNAME, luaopen_package },
        { LUA_TABLIBNAME, luaopen_table },   { LUA_STRLIBNAME, luaopen_string },
        { LUA_MATHLIBNAME, luaopen_math },   { LUA_UTF8LIBNAME, luaopen_utf8 },
    };
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
        luaL_requiref(L, libraries[i].name, libraries[i].func, 1);
        lua_pop(L, 1);
    }
    lua_getglobal(L, "package");
    lua_pushliteral(L, "");
    lua_setfield(L, -2, "path");
    lua_pushliteral(L, "");
    lua_setfield(L, -2, "cpath");
    lua_pop(L, 1);
    embedded_install(L);
}

static void set_number(lua_State *L, const char *field, double value)
{
    lua_pushnumber(L, value);
    lua_setfield(L, -2, field);
}

static double wall_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec;
}

/* Arguments: the models, the options, the texts of the state and of the faults as
 * buffers or NULL. */
static int open_world(lua_State *L)
{
    struct models *m = lua_touserdata(L, 1);
    const struct simulator_options *o = lua_touserdata(L, 2);
    const struct buffer *state = lua_touserdata(L, 3);
    const struct buffer *faults = lua_touserdata(L, 4);
    open_libraries(L);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "simulator.router");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "handle");
    m->handle = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_getfield(L, -1, "open");
    lua_pushcfunction(L, luaopen_kelp_json);
    lua_call(L, 0, 1);
    lua_newtable(L);
    set_number(L, "provisioning", o->provisioning);
    set_number(L, "rate", o->rate);
    set_number(L, "epoch", wall_time());
    set_number(L, "lag", o->lag);
    lua_pushinteger(L, o->seed != 0 ? o->seed : 1);
    lua_setfield(L, -2, "seed");
    lua_newtable(L);
    for (lua_Integer i = 0; o->providers[i].name != NULL; i++) {
        lua_pushstring(L, o->providers[i].name);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "providers");
    if (faults != NULL) {
        lua_pushlstring(L, buffer_text(faults), faults->size);
        lua_setfield(L, -2, "faults");
    }
    if (state != NULL)
        lua_pushlstring(L, buffer_text(state), state->size);
    else
        lua_pushnil(L);
    lua_call(L, 3, 1);
    m->world = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

/* The specification itself, or the file that it names. */
static bool read_faults(const char *faults, struct buffer *into, char **why)
{
    int error = strchr(faults, '=') == NULL ? file_read(faults, into)
                : buffer_add_text(into, faults) ? 0 : ENOMEM;
    if (error != 0)
        explain(why, "%s: %s", faults, strerror(error));
    return error == 0;
}

struct models *models_new(const struct simulator_options *o, char **why)
{
    *why = NULL;
    struct buffer state, faults;
    buffer_init(&state, JSON_MAX_TEXT);
    bool given = false;
    if (o->state != NULL) {
        int error = file_read(o->state, &state);
        if (error != 0 && error != ENOENT) {
            explain(why, "%s: %s", o->state, strerror(error));
            buffer_wipe(&state);
            return NULL;
        }
        given = error == 0;
    }
    buffer_init(&faults, JSON_MAX_TEXT);
    if (o->faults != NULL && !read_faults(o->faults, &faults, why)) {
        buffer_wipe(&state);
        buffer_free(&faults);
        return NULL;
    }
    struct models *m = calloc(1, sizeof *m);
    if (m != NULL)
        m->L = luaL_newstate();
    if (m == NULL || m->L == NULL) {
        explain(why, "out of memory");
        models_free(m);
        buffer_wipe(&state);
        buffer_free(&faults);
        return NULL;
    }
    lua_pushcfunction(m->L, open_world);
    lua_pushlightuserdata(m->L, m);
    lua_pushlightuserdata(m->L, (void *)(uintptr_t)o);
    lua_pushlightuserdata(m->L, given ? &state : NULL);
    lua_pushlightuserdata(m->L, o->faults != NULL ? &faults : NULL);
    int status = lua_pcall(m->L, 4, 0, 0);
    buffer_wipe(&state);
    buffer_free(&faults);
    if (status != LUA_OK) {
        const char *message = lua_tostring(m->L, -1);
        explain(why, "%s%s%s", given ? o->state : "", given ? ": " : "",
                message != NULL ? message : "the models cannot be loaded");
        models_free(m);
        return NULL;
    }
    lua_gc(m->L, LUA_GCGEN, 0, 0);
    return m;
}

void models_free(struct models *m)
{
    if (m == NULL)
        return;
    if (m->L != NULL)
        lua_close(m->L);
    free(m);
}

static void push_lower(lua_State *L, const char *text)
{
    luaL_Buffer lower;
    size_t size = strlen(text);
    char *out = luaL_buffinitsize(L, &lower, size);
    for (size_t i = 0; i < size; i++)
        out[i] = (char)tolower((unsigned char)text[i]);
    luaL_pushresultsize(&lower, size);
}

static void push_request(lua_State *L, const struct model_request *request)
{
    lua_createtable(L, 0, 5);
    lua_pushstring(L, request->method);
    lua_setfield(L, -2, "method");
    lua_pushstring(L, request->path);
    lua_setfield(L, -2, "path");
    lua_pushstring(L, request->query);
    lua_setfield(L, -2, "query");
    lua_pushlstring(L, request->body != NULL ? request->body : "", request->body_size);
    lua_setfield(L, -2, "body");
    lua_createtable(L, 0, (int)request->header_count);
    for (size_t i = 0; i < request->header_count; i++) {
        push_lower(L, request->headers[i].name);
        lua_pushstring(L, request->headers[i].value);
        lua_rawset(L, -3);
    }
    lua_setfield(L, -2, "headers");
}

/* Fills the response with pointers into the table at the top. Only strings are
 * looked at, so nothing is converted in place and lua_next stays sound. */
static void read_reply(lua_State *L, struct model_reply *response)
{
    if (!lua_istable(L, -1))
        luaL_error(L, "the models returned no response");
    response->header_count = 0;
    if (lua_getfield(L, -1, "headers") == LUA_TTABLE) {
        lua_pushnil(L);
        while (lua_next(L, -2) != 0) {
            if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING
                || response->header_count == MODEL_MAX_HEADERS)
                luaL_error(L, "the models returned a header that cannot be sent");
            struct model_header *h = &response->headers[response->header_count++];
            h->name = lua_tostring(L, -2);
            h->value = lua_tostring(L, -1);
            lua_pop(L, 1);
        }
    }
    lua_pop(L, 1);
    int is_integer = 0;
    lua_getfield(L, -1, "status");
    lua_Integer status = lua_tointegerx(L, -1, &is_integer);
    if (!is_integer || status < 100 || status > 599)
        luaL_error(L, "the models returned no HTTP status");
    response->status = (unsigned)status;
    lua_pop(L, 1);
    if (lua_getfield(L, -1, "body") != LUA_TSTRING)
        luaL_error(L, "the models returned no body");
    response->body = lua_tolstring(L, -1, &response->body_size);
    lua_pop(L, 1);
    lua_getfield(L, -1, "delay");
    response->delay = lua_tonumber(L, -1);
    lua_pop(L, 1);
    /* A connection that is there cannot be refused any more: closed is the nearest. */
    lua_getfield(L, -1, "connection");
    const char *ending = lua_tostring(L, -1);
    response->ending = ending == NULL                ? MODEL_WHOLE
                    : strcmp(ending, "cut") == 0 ? MODEL_CUT
                                                 : MODEL_CLOSE;
    lua_pop(L, 1);
}

static void push_world(lua_State *L, const struct models *m)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, m->world);
    set_number(L, "now", m->now);
}

static int answer(lua_State *L)
{
    struct models *m = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, m->handle);
    push_world(L, m);
    push_request(L, m->request);
    lua_call(L, 2, 1);
    read_reply(L, m->response);
    return 1;
}

bool models_answer(struct models *m, double now, const struct model_request *request,
                   struct model_reply *response)
{
    lua_State *L = m->L;
    m->now = now;
    m->request = request;
    m->response = response;
    lua_settop(L, 0);
    lua_pushcfunction(L, with_traceback);
    lua_pushcfunction(L, answer);
    lua_pushlightuserdata(L, m);
    if (lua_pcall(L, 1, 1, 1) == LUA_OK)
        return true; /* the response's table stays on the stack, and with it its strings */
    const char *message = lua_tostring(L, -1);
    if (message == NULL)
        message = "out of memory";
    response->status = 500;
    response->delay = 0;
    response->ending = MODEL_WHOLE;
    response->body = message;
    response->body_size = strlen(message);
    response->header_count = 1;
    response->headers[0] = (struct model_header){ "Content-Type", "text/plain" };
    return false;
}

static int save_world(lua_State *L)
{
    struct models *m = lua_touserdata(L, 1);
    push_world(L, m);
    lua_getfield(L, -1, "save");
    lua_rotate(L, -2, 1);
    lua_call(L, 1, 1);
    luaL_checktype(L, -1, LUA_TSTRING);
    return 1;
}

bool models_save(struct models *m, double now, const char *file, char **why)
{
    *why = NULL;
    lua_State *L = m->L;
    m->now = now;
    lua_settop(L, 0);
    lua_pushcfunction(L, with_traceback);
    lua_pushcfunction(L, save_world);
    lua_pushlightuserdata(L, m);
    if (lua_pcall(L, 1, 1, 1) != LUA_OK) {
        explain(why, "%s", lua_tostring(L, -1));
        return false;
    }
    size_t size = 0;
    const char *text = lua_tolstring(L, -1, &size);
    int error = file_replace(file, text, size);
    if (error != 0)
        explain(why, "%s: %s", file, strerror(error));
    return error == 0;
}
