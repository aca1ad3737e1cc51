#include "session/place.h"

#include "base/buffer.h"
#include "base/text.h"
#include "connector/target_private.h"

#include <string.h>

enum { MAX_PLACE = 64 * 1024 };

/* Pushes what was written and frees the buffer. [-0, +1, e] */
static const char *push_buffer(lua_State *L, struct buffer *b)
{
    bool whole = !b->overflowed;
    if (whole)
        lua_pushlstring(L, buffer_text(b), b->size);
    buffer_free(b);
    if (!whole)
        luaL_error(L, "not enough memory");
    return lua_tostring(L, -1);
}

static void add_member(struct buffer *b, const char *name, const char *value)
{
    buffer_printf(b, "\"%s\":", name);
    text_add_json(b, value, strlen(value));
}

const char *place_push_json(lua_State *L, int index)
{
    const struct target *t = target_check(L, index);
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
    return push_buffer(L, &b);
}

const char *place_push_text(lua_State *L, int index)
{
    const struct target *t = target_check(L, index);
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
    return push_buffer(L, &b);
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
