#include "connector/connector.h"

#include "base/buffer.h"
#include "base/text.h"
#include "lua/metatable.h"
#include "lua/json_write.h"

#include <lauxlib.h>

#include <stdint.h>

static const char METATABLE[] = "kelp.connector";

/* Adds the text field, harmless to a terminal, on one line. */
static bool add_field(lua_State *L, const char *field, struct buffer *out)
{
    size_t size = 1;
    bool is_text = lua_getfield(L, 1, field) == LUA_TSTRING;
    const char *text = is_text ? lua_tolstring(L, -1, &size) : "?";
    bool done = text_add_line(out, text, size);
    lua_pop(L, 1);
    return done;
}

/* "connector orders (S3_SINK, running)" */
static int show(lua_State *L)
{
    struct buffer shown;
    luaL_checktype(L, 1, LUA_TTABLE);
    buffer_init(&shown, SIZE_MAX);
    bool done = buffer_add_text(&shown, "connector ") && add_field(L, "name", &shown) &&
                buffer_add_text(&shown, " (") && add_field(L, "class", &shown) &&
                buffer_add_text(&shown, ", ") && add_field(L, "state", &shown) &&
                buffer_add_char(&shown, ')');
    if (done)
        lua_pushlstring(L, shown.data, shown.size);
    buffer_free(&shown);
    return done ? 1 : luaL_error(L, "not enough memory");
}

void connector_push_metatable(lua_State *L)
{
    if (luaL_newmetatable(L, METATABLE)) {
        lua_pushcfunction(L, show);
        lua_setfield(L, -2, "__tostring");
        lua_newtable(L);
        lua_setfield(L, -2, "__index");
        json_write_omit(L, "target");
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
