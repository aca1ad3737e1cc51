#include "session/place.h"

#include "base/buffer.h"
#include "base/text.h"
#include "connector/target_private.h"

#include <string.h>

enum { MAX_PLACE = 64 * 1024 };

/* Pushes what was written and frees the buffer. [-0, +1, e] */
static void push_buffer(lua_State *L, struct buffer *b)
{
    bool whole = !b->overflowed;
    if (whole)
        lua_pushlstring(L, buffer_text(b), b->size);
    buffer_free(b);
    if (!whole)
        luaL_error(L, "not enough memory");
}

static void add_member(struct buffer *b, const char *name, const char *value)
{
    buffer_printf(b, "\"%s\":", name);
    text_add_json(b, value, strlen(value));
}

static void push_json(lua_State *L, const struct target *t)
{
    struct buffer b;
    buffer_init(&b, MAX_PLACE);
    buffer_add_char(&b, '{');
    add_member(&b, "provider", t->provider->name);
    buffer_add_char(&b, ',');
    add_member(&b, "base_url", t->base_url);
    buffer_add_text(&b, ",\"options\":[");
    for (int i = 0; i < MAX_PLACES && t->provider->places[i].name != NULL; i++) {
        buffer_add_text(&b, i > 0 ? ",{" : "{");
        add_member(&b, "name", t->provider->places[i].name);
        buffer_add_char(&b, ',');
        add_member(&b, "value", t->places[i]);
        buffer_add_char(&b, '}');
    }
    buffer_add_text(&b, "]}");
    push_buffer(L, &b);
}

static void push_text(lua_State *L, const struct target *t)
{
    const char *usual = t->provider->base_url;
    struct buffer b;
    buffer_init(&b, MAX_PLACE);
    buffer_add_text(&b, t->provider->name);
    for (int i = 0; i < MAX_PLACES && t->provider->places[i].name != NULL; i++) {
        buffer_add_char(&b, i > 0 ? '/' : ' ');
        text_add_percent(&b, t->places[i], strlen(t->places[i]));
    }
    if (usual == NULL || strcmp(t->base_url, usual) != 0)
        buffer_printf(&b, "%s%s", t->provider->places[0].name != NULL ? " at " : " ", t->base_url);
    push_buffer(L, &b);
}

/* registry[address of the function] = its text by target, as long as the target lives: every write
 * of a job asks for the same one. */
static const char *push_once(lua_State *L, int index,
                             void (*push)(lua_State *L, const struct target *t))
{
    const struct target *t = target_check(L, index);
    index = lua_absindex(L, index);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, (void *)push) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_createtable(L, 0, 1);
        lua_pushliteral(L, "k");
        lua_setfield(L, -2, "__mode");
        lua_setmetatable(L, -2);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, (void *)push);
    }
    lua_pushvalue(L, index);
    if (lua_rawget(L, -2) != LUA_TSTRING) {
        lua_pop(L, 1);
        push(L, t);
        lua_pushvalue(L, index);
        lua_pushvalue(L, -2);
        lua_rawset(L, -4);
    }
    lua_remove(L, -2);
    return lua_tostring(L, -1);
}

const char *place_push_json(lua_State *L, int index)
{
    return push_once(L, index, push_json);
}

const char *place_push_text(lua_State *L, int index)
{
    return push_once(L, index, push_text);
}

static int place(lua_State *L)
{
    place_push_json(L, 1);
    return 1;
}

static int is_provider(lua_State *L)
{
    lua_pushboolean(L, provider_named(luaL_checkstring(L, 1)) != NULL);
    return 1;
}

const luaL_Reg place_functions[] = {
    {"place", place},
    {"is_provider", is_provider},
    {NULL, NULL},
};
