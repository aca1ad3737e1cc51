#define _GNU_SOURCE /* memmem */
#include "connector/config.h"

#include "base/buffer.h"
#include "base/number.h"
#include "secret/secret.h"
#include "base/text.h"
#include "lua/error.h"
#include "connector/secret_name.h"
#include "lua/json.h"
#include "lua/secret_value.h"
#include "connector/sensitive_values.h"
#include "providers/provider.h"

#include <lauxlib.h>

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether the value is at least the mask, and repeats its one character only. */
static bool is_mask_of(const char *mask, const char *value, size_t size)
{
    if (mask == NULL || size < strlen(mask))
        return false;
    for (size_t i = 0; i < size; i++) {
        if (value[i] != *mask)
            return false;
    }
    return true;
}

static bool is_provider_mask(const char *value, size_t size)
{
    const struct provider *p;
    for (size_t i = 0; (p = provider_at(i)) != NULL; i++) {
        if (is_mask_of(p->mask, value, size))
            return true;
    }
    return false;
}

/* What kelp itself prints in place of a secret or of a part of the value, and what
 * workers log: no provider takes these back. */
static bool is_printed_mask(const char *value, size_t size)
{
    static const char label[] = "<secret ", part[] = ":<hidden>@", parameter[] = "=<hidden>";
    const char *start = memchr(value, '<', size);
    if (start == NULL)
        return text_equals_word(value, size, "[hidden]");
    if (text_equals_word(value, size, "<hidden>") || text_equals_word(value, size, "<secret>"))
        return true;
    start = memmem(start, size - (size_t)(start - value), label, sizeof label - 1);
    if (start != NULL && memchr(start, '>', size - (size_t)(start - value)) != NULL)
        return true;
    return memmem(value, size, part, sizeof part - 1) != NULL ||
           memmem(value, size, parameter, sizeof parameter - 1) != NULL;
}

bool config_is_mask(const char *value, size_t size)
{
    return is_provider_mask(value, size) || is_printed_mask(value, size);
}

static bool injects(const struct provider *p, const char *key)
{
    for (const char *const *i = p->injected; i != NULL && *i != NULL; i++) {
        size_t size = strlen(*i);
        bool prefix = (*i)[size - 1] == '*';
        if (prefix ? strncmp(key, *i, size - 1) == 0 : strcmp(key, *i) == 0)
            return true;
    }
    return false;
}

bool config_is_injected(const char *key)
{
    const struct provider *p;
    for (size_t i = 0; (p = provider_at(i)) != NULL; i++) {
        if (injects(p, key))
            return true;
    }
    return false;
}

int config_is_mask_call(lua_State *L)
{
    size_t size = 0;
    const char *value = lua_type(L, 1) == LUA_TSTRING ? lua_tolstring(L, 1, &size) : NULL;
    lua_pushboolean(L, value != NULL && config_is_mask(value, size));
    return 1;
}

int config_is_injected_call(lua_State *L)
{
    lua_pushboolean(L, config_is_injected(luaL_checkstring(L, 1)));
    return 1;
}

static int fail(lua_State *L, const char *key, const char *why)
{
    error_push(L, ERROR_INVALID, "config key '%s': %s", key, why);
    lua_pushstring(L, key);
    lua_setfield(L, -2, "key");
    return lua_error(L);
}

/* Pushes a float as Kafka would write it: an integral one without a fraction. */
static void push_float(lua_State *L, const char *key, double d)
{
    char text[NUMBER_TEXT];
    if (!isfinite(d))
        fail(L, key, "is not a finite number");
    if (d == floor(d) && fabs(d) < 9007199254740992.0)
        snprintf(text, sizeof text, "%.0f", d);
    else
        number_write(d, text);
    lua_pushstring(L, text);
}

/* Pushes the string for a scalar at `index` (absolute); false for other types. */
static bool push_scalar(lua_State *L, const char *key, int index)
{
    switch (lua_type(L, index)) {
    case LUA_TSTRING:
        lua_pushvalue(L, index);
        return true;
    case LUA_TBOOLEAN:
        lua_pushstring(L, lua_toboolean(L, index) ? "true" : "false");
        return true;
    case LUA_TNUMBER:
        if (lua_isinteger(L, index))
            lua_pushfstring(L, "%I", (LUAI_UACINT)lua_tointeger(L, index));
        else
            push_float(L, key, lua_tonumber(L, index));
        return true;
    default:
        return false;
    }
}

/* Kafka splits a list at its commas, so an element that holds one would become
 * two. */
static void push_list(lua_State *L, const char *key, int index)
{
    lua_Integer n = (lua_Integer)lua_rawlen(L, index);
    lua_Integer fields = 0;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        fields++;
        lua_pop(L, 1);
    }
    if (fields != n)
        fail(L, key, "a table must be a list");
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (lua_Integer i = 1; i <= n; i++) {
        if (i > 1)
            luaL_addchar(&b, ',');
        lua_rawgeti(L, index, i);
        if (!push_scalar(L, key, lua_gettop(L)))
            fail(L, key, "a list may hold strings, numbers and booleans only");
        if (strchr(lua_tostring(L, -1), ',') != NULL)
            fail(L, key, "a list element holds a comma, which would split it");
        lua_remove(L, -2);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
}

/* Pushes the string, or the kelp.secret, that the value at `index` becomes. */
static void push_value(lua_State *L, const char *key, int index)
{
    if (push_scalar(L, key, index)) {
        size_t size;
        const char *text = lua_tolstring(L, -1, &size);
        if (lua_type(L, index) == LUA_TSTRING && !text_is_utf8(text, size))
            fail(L, key, "is not UTF-8");
    } else if (secret_at(L, index) != NULL) {
        lua_pushvalue(L, index);
    } else if (json_is_null(L, index)) {
        fail(L, key, "kelp.null removes a key in update only");
    } else if (lua_istable(L, index) && !luaL_getmetafield(L, index, "__name")) {
        push_list(L, key, index);
    } else {
        lua_pushfstring(L, "a %s cannot be a config value", luaL_typename(L, index));
        fail(L, key, lua_tostring(L, -1));
    }
}

/* The key at `index` and its length; *plain: it stands for itself in JSON. */
static const char *check_key(lua_State *L, int index, size_t *length, bool *plain)
{
    size_t size;
    if (lua_type(L, index) != LUA_TSTRING) {
        const char *type = luaL_typename(L, index); /* `index` may count from the top */
        luaL_tolstring(L, index, NULL);
        error_push(L, ERROR_INVALID, "config key %s is a %s, not a string: a config is a table of "
                   "values by key", lua_tostring(L, -1), type);
        lua_error(L);
    }
    const char *key = lua_tolstring(L, index, &size);
    *length = size;
    *plain = size > 0 && text_is_plain(key, size);
    if (*plain)
        return key;
    if (size == 0 || text_has_control(key, size) || !text_is_utf8(key, size)) {
        error_push(L, ERROR_INVALID, "config key '%s' %s", key,
                   size == 0 ? "is empty" : "holds control characters or is not UTF-8");
        lua_error(L);
    }
    return key;
}

static bool is_name(const char *key, size_t size)
{
    return size == 4 && memcmp(key, "name", 4) == 0;
}

/* A response may repeat what was sent. */
static void register_value(lua_State *L, const char *key, const char *text, size_t size)
{
    if (!config_is_mask(text, size)
        && !sensitive_value_register(key, text, size))
        luaL_error(L, "not enough memory");
}

/* Replaces the value at the top by the string, or the kelp.secret, that it becomes, and
 * registers it where it is a secret. True for a mask. */
static bool normalise_value(lua_State *L, const char *key)
{
    size_t size;
    bool is_text = lua_type(L, -1) == LUA_TSTRING;
    if (!is_text) {
        push_value(L, key, lua_gettop(L));
        lua_replace(L, -2);
        if (lua_type(L, -1) != LUA_TSTRING)
            return false; /* a kelp.secret */
    }
    const char *text = lua_tolstring(L, -1, &size);
    if (is_text && !text_is_plain(text, size) && !text_is_utf8(text, size))
        fail(L, key, "is not UTF-8");
    register_value(L, key, text, size);
    return config_is_mask(text, size);
}

/* Of the normalised value at the top. */
static size_t size_of_value(lua_State *L)
{
    if (lua_type(L, -1) == LUA_TSTRING)
        return lua_rawlen(L, -1);
    struct secret *s = secret_at(L, -1);
    return s != NULL ? secret_size(s) : 0;
}

/* Most configs have 8 to 40 keys. */
enum { FEW = 64 };

/* Moves the `n` pairs at the top into the table at `out`, which is made, at its
 * size, when there is none yet. */
static void set_pairs(lua_State *L, int out, int n)
{
    if (lua_isnil(L, out)) {
        lua_createtable(L, 0, n + 1);
        lua_replace(L, out);
    }
    for (int i = 0; i < n; i++)
        lua_rawset(L, out);
}

/* What a normalised config holds. */
struct content {
    bool masks, nulls;
};

/* Pushes the normalised config; `nulls_allowed`: kelp.null may be a value. */
static struct content normalise(lua_State *L, int index, const char *name, bool nulls_allowed)
{
    struct content content = {false, false};
    index = lua_absindex(L, index);
    luaL_checkstack(L, 2 * FEW + 16, NULL);
    lua_pushnil(L);
    int out = lua_gettop(L), pending = 0;
    size_t bytes = 0;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        size_t size;
        bool plain;
        const char *key = check_key(L, -2, &size, &plain);
        secret_name_refuse(L, "a config key", key, size);
        if (nulls_allowed && lua_type(L, -1) == LUA_TLIGHTUSERDATA && json_is_null(L, -1))
            content.nulls = true;
        else
            content.masks |= normalise_value(L, key);
        bytes += size + size_of_value(L);
        if (bytes > CONFIG_LARGEST) {
            error_push(L, ERROR_INVALID, "the config is too large (at most %d bytes)",
                       CONFIG_LARGEST);
            lua_error(L);
        }
        if (name != NULL && is_name(key, size) &&
            (lua_type(L, -1) != LUA_TSTRING || strcmp(lua_tostring(L, -1), name) != 0))
            fail(L, key, "differs from the connector's name");
        lua_pushvalue(L, -2); /* the pair stays where it is */
        if (++pending == FEW) {
            lua_insert(L, out + 1);
            set_pairs(L, out, pending);
            pending = 0;
        }
    }
    set_pairs(L, out, pending);
    if (name != NULL) {
        lua_pushstring(L, name);
        lua_setfield(L, out, "name");
    }
    return content;
}

/* --- the changes of the last time --- */

/* A script mostly asks for the same changes to one connector after the other. Then the
 * table made of them the last time serves again, and so does what was made of that. */
struct last {
    uint64_t number;     /* of its contents; 0: there are none */
    lua_Integer pairs;
    struct content content;
    struct buffer body;  /* as config_write wrote it, empty when it must write it itself */
    size_t generation;   /* of the redactor when it did */
};

enum { LAST_TABLE = 1, LARGEST_BODY_KEPT = 64 * 1024 };
static char LAST_KEY; /* registry[&LAST_KEY] = the struct; its user value is the table */

static int last_collect(lua_State *L)
{
    struct last *last = lua_touserdata(L, 1);
    buffer_wipe(&last->body);
    return 0;
}

static struct last *push_last(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &LAST_KEY) == LUA_TUSERDATA)
        return lua_touserdata(L, -1);
    lua_pop(L, 1);
    struct last *last = lua_newuserdatauv(L, sizeof *last, 1);
    *last = (struct last){ .number = 0 };
    buffer_init(&last->body, LARGEST_BODY_KEPT);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, last_collect);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &LAST_KEY);
    return last;
}

/* Whether the changes at `index` would become the table at `made`, which holds
 * only what is already as it should be. */
static bool becomes(lua_State *L, int index, int made, lua_Integer pairs)
{
    int top = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pushvalue(L, -2);
        lua_rawget(L, made);
        if (--pairs < 0 || !lua_rawequal(L, -1, -2)) {
            lua_settop(L, top);
            return false;
        }
        lua_pop(L, 2);
    }
    return pairs == 0;
}

static lua_Integer count_pairs(lua_State *L, int index)
{
    lua_Integer n = 0;
    lua_pushnil(L);
    for (; lua_next(L, index); n++)
        lua_pop(L, 1);
    return n;
}

int config_changes_call(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    struct last *last = push_last(L);
    if (lua_getiuservalue(L, 2, LAST_TABLE) != LUA_TTABLE
        || !becomes(L, 1, 3, last->pairs)) {
        last->content = normalise(L, 1, NULL, true);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, 2, LAST_TABLE);
        last->number++;
        last->pairs = count_pairs(L, lua_gettop(L));
        buffer_wipe(&last->body);
    }
    lua_pushboolean(L, last->content.masks);
    lua_pushboolean(L, last->content.nulls);
    return 3;
}

/* True when the table at `index` is the last one; pushes its struct then. */
static struct last *push_if_last(lua_State *L, int index)
{
    index = lua_absindex(L, index);
    struct last *last = push_last(L);
    lua_getiuservalue(L, -1, LAST_TABLE);
    bool is = lua_rawequal(L, -1, index);
    lua_pop(L, is ? 1 : 2);
    return is ? last : NULL;
}

uint64_t config_changes_number(lua_State *L, int index)
{
    const struct last *last = push_if_last(L, index);
    if (last == NULL)
        return 0;
    lua_pop(L, 1);
    return last->number;
}

int config_normalise_call(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    struct content content = normalise(L, 1, luaL_optstring(L, 2, NULL), false);
    lua_pushboolean(L, content.masks);
    return 2;
}

struct pair {
    uint64_t order; /* the key's first eight bytes: what most keys differ in */
    const char *key;
    const char *value;
    size_t key_size, size;
    bool plain; /* both stand for themselves in JSON */
};

static void raise_masked(lua_State *L, const struct pair *pairs, size_t n, bool keep_masked)
{
    luaL_Buffer names;
    lua_Integer count = 0;
    lua_newtable(L);
    int keys = lua_gettop(L);
    for (size_t i = 0; i < n; i++) {
        bool kept = keep_masked && is_provider_mask(pairs[i].value, pairs[i].size);
        if (!kept && config_is_mask(pairs[i].value, pairs[i].size)) {
            lua_pushstring(L, pairs[i].key);
            lua_rawseti(L, keys, ++count);
        }
    }
    luaL_buffinit(L, &names);
    for (lua_Integer i = 1; i <= count; i++) {
        if (i > 1)
            luaL_addstring(&names, ", ");
        lua_rawgeti(L, keys, i);
        luaL_addvalue(&names);
    }
    luaL_pushresult(&names);
    error_push(L, ERROR_MASKED, "these values are masks that are shown in place of "
                                "secrets; supply them: %s", lua_tostring(L, -1));
    lua_pushvalue(L, keys);
    lua_setfield(L, -2, "keys");
    lua_error(L);
}

/* As a number that sorts as the bytes do; a shorter key is filled up with NULs. */
static uint64_t first_bytes(const char *key, size_t size)
{
    unsigned char bytes[8] = {0};
    memcpy(bytes, key, size < sizeof bytes ? size : sizeof bytes);
    uint64_t order = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        order = order << 8 | bytes[i];
    return order;
}

/* Fills in the pair for the key and value at the top two places. A value that is
 * no string is converted; the string is kept alive by the table at `anchors`. */
static void read_pair(lua_State *L, int anchors, const struct config_format *format,
                      struct pair *pair)
{
    const char *name = format->name;
    int value = lua_gettop(L);
    pair->key = check_key(L, value - 1, &pair->key_size, &pair->plain);
    pair->order = first_bytes(pair->key, pair->key_size);
    if (lua_type(L, value) != LUA_TSTRING) {
        push_value(L, pair->key, value);
        lua_pushvalue(L, -1);
        lua_rawseti(L, anchors, (lua_Integer)lua_rawlen(L, anchors) + 1);
        lua_replace(L, value);
    }
    struct secret *s = NULL;
    if (lua_type(L, value) == LUA_TSTRING) {
        pair->value = lua_tolstring(L, value, &pair->size);
        if (!format->is_prepared)
            register_value(L, pair->key, pair->value, pair->size);
    } else {
        s = secret_at(L, value);
        pair->value = secret_bytes(s);
        pair->size = secret_size(s);
    }
    bool plain = text_is_plain(pair->value, pair->size);
    pair->plain &= plain;
    if (!plain && (!format->is_prepared || s != NULL) && !text_is_utf8(pair->value, pair->size))
        fail(L, pair->key, s != NULL ? "the secret is not UTF-8" : "is not UTF-8");
    if (name != NULL && is_name(pair->key, pair->key_size) &&
        (s != NULL || strcmp(pair->value, name) != 0))
        fail(L, pair->key, "differs from the connector's name");
}

static int by_key(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return strcmp(x->key, y->key);
}

/* Keys are few and mostly come in the order of the last time. */
static void sort_by_key(struct pair *pairs, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct pair moved = pairs[i];
        size_t place = i;
        for (; place > 0 && by_key(&pairs[place - 1], &moved) > 0; place--)
            pairs[place] = pairs[place - 1];
        pairs[place] = moved;
    }
}

static size_t count_fields(lua_State *L, int index)
{
    size_t n = 0;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        n++;
        lua_pop(L, 1);
    }
    return n;
}

static void write_pairs(const struct pair *pairs, size_t n, struct buffer *out)
{
    buffer_add_char(out, '{');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buffer_add_char(out, ',');
        if (pairs[i].plain) {
            text_add_plain_pair(out, pairs[i].key, pairs[i].key_size, pairs[i].value,
                                pairs[i].size);
            continue;
        }
        text_add_json(out, pairs[i].key, pairs[i].key_size);
        buffer_add_char(out, ':');
        text_add_json(out, pairs[i].value, pairs[i].size);
    }
    buffer_add_char(out, '}');
}

/* Writes what was written for the same table before; a body with masks, or with an
 * opened secret in it, never is. */
static bool write_again(lua_State *L, int index, struct buffer *out)
{
    const struct last *last = push_if_last(L, index);
    if (last == NULL)
        return false;
    lua_pop(L, 1);
    return last->body.size > 0 && last->generation == secret_generation()
           && buffer_add(out, last->body.data, last->body.size);
}

static void keep_written(lua_State *L, int index, const char *text, size_t size)
{
    struct last *last = push_if_last(L, index);
    if (last == NULL)
        return;
    lua_pop(L, 1);
    buffer_wipe(&last->body);
    last->generation = secret_generation();
    if (size <= LARGEST_BODY_KEPT)
        (void)buffer_add(&last->body, text, size);
}

void config_write(lua_State *L, int index, const struct config_format *format, struct buffer *out)
{
    const char *name = format->name;
    struct pair few[FEW], *pairs = few;
    size_t n = 0, room = FEW, bytes = 64, from = out->size;
    bool masked = false, printed = false, opened = false, named = name == NULL;
    index = lua_absindex(L, index);
    luaL_checkstack(L, 12, NULL);
    if (name == NULL && write_again(L, index, out))
        return;
    lua_newtable(L);
    int anchors = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (n == room - 1) { /* one is kept for `name` */
            lua_settop(L, anchors);
            room = count_fields(L, index) + 2;
            pairs = lua_newuserdatauv(L, room * sizeof *pairs, 0);
            lua_rawseti(L, anchors, 1); /* Lua owns it: an error cannot leak it */
            n = 0;
            lua_pushnil(L);
            continue;
        }
        struct pair *pair = &pairs[n++];
        opened |= lua_type(L, -1) != LUA_TSTRING;
        read_pair(L, anchors, format, pair);
        masked |= is_provider_mask(pair->value, pair->size);
        printed |= is_printed_mask(pair->value, pair->size);
        named |= is_name(pair->key, pair->key_size);
        lua_pop(L, 1);
    }
    if (!named)
        pairs[n++] = (struct pair){first_bytes("name", 4), "name", name, 4, strlen(name), false};
    if (n < FEW)
        sort_by_key(pairs, n);
    else
        qsort(pairs, n, sizeof *pairs, by_key);
    if (printed || (masked && !format->keep_masked))
        raise_masked(L, pairs, n, format->keep_masked);
    for (size_t i = 0; i < n; i++)
        bytes += pairs[i].key_size + pairs[i].size + 8;
    buffer_reserve(out, bytes);
    write_pairs(pairs, n, out);
    lua_settop(L, anchors - 1);
    if (name == NULL && !masked && !opened && !out->overflowed)
        keep_written(L, index, out->data + from, out->size - from);
}

/* Makes unprintable what nobody but the connector should see. */
static void hide(lua_State *L, const char *key, int value)
{
    size_t size;
    const char *text = lua_tolstring(L, value, &size);
    if (!config_is_mask(text, size) && !sensitive_value_register(key, text, size))
        luaL_error(L, "not enough memory");
}

void config_receive(lua_State *L, int index)
{
    index = lua_absindex(L, index);
    luaL_checkstack(L, 8, NULL);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        /* Only existing fields are assigned, which lua_next allows. */
        int value = lua_gettop(L);
        bool changed = true;
        if (lua_type(L, -2) != LUA_TSTRING || json_is_null(L, value)) {
            lua_pushnil(L);
        } else if (lua_type(L, value) == LUA_TSTRING) {
            changed = false;
        } else if (lua_istable(L, value)) {
            lua_pushvalue(L, value);
            json_encode(L);
        } else if (!push_scalar(L, "", value)) {
            lua_pushnil(L);
        }
        if (changed) {
            lua_pushvalue(L, value - 1);
            lua_pushvalue(L, value + 1);
            lua_rawset(L, index);
            lua_settop(L, value + 1);
            lua_replace(L, value);
        }
        if (lua_type(L, value) == LUA_TSTRING)
            hide(L, lua_tostring(L, value - 1), value);
        lua_settop(L, value - 1);
    }
}

int config_receive_call(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    config_receive(L, 1);
    return 1;
}
