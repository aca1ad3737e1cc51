#include "lua/error.h"

#include "lua/metatable.h"

#include "base/buffer.h"
#include "base/text.h"

#include <lauxlib.h>

#include <string.h>

static const char METATABLE[] = "kelp.error";

static const char *const kind_names[] = {
    "invalid", "unauthorized", "forbidden", "not_found", "exists", "conflict", "masked",
    "unsupported", "rate_limited", "server", "timeout", "network", "tls", "protocol",
    "unknown_outcome", "cancelled", "journal", NULL,
};

const char *error_kind_name(enum error_kind kind)
{
    return kind_names[kind];
}

/* A line of kelp's own Lua would tell them nothing. */
void error_push_where(lua_State *L)
{
    lua_Debug ar;
    for (int level = 0; lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "Sl", &ar);
        if (ar.currentline > 0 && strncmp(ar.source, "@builtin/", 9) != 0) {
            lua_pushfstring(L, "%s:%d", ar.short_src, ar.currentline);
            return;
        }
    }
    lua_pushnil(L);
}

static void add_text(luaL_Buffer *b, const char *bytes, size_t size)
{
    struct buffer printable;
    buffer_init(&printable, 4 * size + 16);
    if (text_add_line(&printable, bytes, size))
        luaL_addlstring(b, printable.data != NULL ? printable.data : "", printable.size);
    buffer_free(&printable);
}

static bool add_field(lua_State *L, luaL_Buffer *b, const char *field, const char *before)
{
    int type = lua_getfield(L, 1, field);
    bool present = type == LUA_TSTRING || type == LUA_TNUMBER;
    if (present) {
        /* A buffer keeps its place on the stack: the copy goes above it and off again. */
        char copy[512];
        size_t size;
        const char *text = lua_tolstring(L, -1, &size);
        if (size >= sizeof copy)
            size = sizeof copy - 1;
        memcpy(copy, text, size);
        lua_pop(L, 1);
        luaL_addstring(b, before);
        add_text(b, copy, size);
    } else {
        lua_pop(L, 1);
    }
    return present;
}

/* "create orders on acme eu/orders: exists: Connector … already exists
 * (HTTP 409, code 40901, request 8f3e)". */
static int error_tostring(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    /* The message may be long; it is made printable before the buffer is begun. */
    size_t size = 0;
    lua_getfield(L, 1, "message");
    const char *message = lua_tolstring(L, 2, &size);

    luaL_Buffer b;
    luaL_buffinit(L, &b);
    bool said = add_field(L, &b, "verb", "");
    said |= add_field(L, &b, "connector", said ? " " : "");
    said |= add_field(L, &b, "target", said ? " on " : "");
    add_field(L, &b, "kind", said ? ": " : "");
    luaL_addstring(&b, ": ");
    if (message != NULL)
        add_text(&b, message, size);
    bool open = add_field(L, &b, "status", " (HTTP ");
    open |= add_field(L, &b, "code", open ? ", code " : " (code ");
    open |= add_field(L, &b, "request_id", open ? ", request " : " (request ");
    if (open)
        luaL_addchar(&b, ')');
    luaL_pushresult(&b);
    return 1;
}

static void push_metatable(lua_State *L)
{
    if (luaL_newmetatable(L, METATABLE)) {
        lua_pushcfunction(L, error_tostring);
        lua_setfield(L, -2, "__tostring");
    }
}

void error_push(lua_State *L, enum error_kind kind, const char *format, ...)
{
    luaL_checkstack(L, 6, NULL);
    lua_createtable(L, 0, 12);
    va_list arguments;
    va_start(arguments, format);
    lua_pushvfstring(L, format, arguments);
    va_end(arguments);
    lua_setfield(L, -2, "message");
    lua_pushstring(L, kind_names[kind]);
    lua_setfield(L, -2, "kind");
    error_push_where(L);
    lua_setfield(L, -2, "where");
    push_metatable(L);
    lua_setmetatable(L, -2);
}

int error_misuse(lua_State *L, const char *format, ...)
{
    luaL_checkstack(L, 6, NULL);
    error_push_where(L);
    va_list arguments;
    va_start(arguments, format);
    const char *message = lua_pushvfstring(L, format, arguments);
    va_end(arguments);
    if (lua_type(L, -2) == LUA_TSTRING)
        lua_pushfstring(L, "%s: %s", lua_tostring(L, -2), message);
    return lua_error(L);
}

int error_misuse_call(lua_State *L)
{
    return error_misuse(L, "%s", luaL_checkstring(L, 1));
}

bool error_is(lua_State *L, int index)
{
    return metatable_is(L, index, METATABLE);
}

int error_make(lua_State *L)
{
    enum error_kind kind = (enum error_kind)luaL_checkoption(L, 1, NULL, kind_names);
    const char *message = luaL_checkstring(L, 2);
    if (!lua_isnoneornil(L, 3))
        luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 3);
    error_push(L, kind, "%s", message);
    if (lua_istable(L, 3)) {
        lua_pushnil(L);
        while (lua_next(L, 3)) {
            lua_pushvalue(L, -2);
            lua_insert(L, -2);
            lua_rawset(L, 4);
        }
    }
    return 1;
}
