#define _GNU_SOURCE /* memmem */
#include "session/journal_encode.h"

#include "base/buffer.h"
#include "base/digest.h"
#include "base/number.h"
#include "secret/secret.h"
#include "base/text.h"
#include "connector/config.h"
#include "connector/sensitive_values.h"
#include "connector/connector.h"
#include "lua/json.h"
#include "lua/secret_value.h"

#include <lauxlib.h>

#include <stdint.h>
#include <string.h>

struct entry {
    const char *key;
    size_t key_size;
    int type;          /* of Lua; LUA_TUSERDATA: a kelp.secret, LUA_TNIL: null */
    const char *text;  /* of a string, or a secret's label; alive with the table */
    size_t size;
    lua_Integer integer;
    lua_Number number;
    bool is_integer, flag;
};

/* ---- values ---- */

/* Adds a JSON string in which no registered value is readable. */
static bool add_safe(const char *text, size_t size, struct buffer *out)
{
    struct buffer shown;
    if (size < SECRET_MIN_REDACTED)
        return text_add_json(out, text, size);
    buffer_init(&shown, out->limit);
    bool fits = secret_redact(&shown, text, size)
                && text_add_json(out, buffer_text(&shown), shown.size);
    buffer_wipe(&shown);
    return fits;
}

static bool is_hidden(const struct entry *e)
{
    if (e->size == 0)
        return false;
    return !config_is_mask(e->text, e->size) &&
           sensitivity_of_value(e->key, e->text, e->size) != SENSITIVE_NONE;
}

int journal_hides_call(lua_State *L)
{
    struct entry e = {.type = LUA_TSTRING};
    e.key = luaL_checklstring(L, 1, &e.key_size);
    e.text = luaL_checklstring(L, 2, &e.size);
    lua_pushboolean(L, is_hidden(&e));
    return 1;
}

/* Pairs of texts that are written down as they are: nothing in them is to be
 * hidden or escaped. The configs of many connectors say the same again and again. */
enum { KNOWN = 512, KNOWN_SIZE = 508 };
static struct known {
    uint16_t key_size, size;
    char texts[KNOWN_SIZE]; /* the key, then the value; of a key alone, that */
} known_pairs[KNOWN];
static size_t known_generation;

static uint64_t ends_of(const char *text, size_t size)
{
    uint64_t first = 0, last = 0;
    size_t n = size < sizeof first ? size : sizeof first;
    memcpy(&first, text, n);
    memcpy(&last, text + size - n, n);
    return first ^ last * 31 ^ size;
}

/* The place for that pair, or NULL: it is too long for one. */
static struct known *known_place(const struct entry *e)
{
    if (e->key_size + e->size > KNOWN_SIZE)
        return NULL;
    if (known_generation != secret_generation()) {
        memset(known_pairs, 0, sizeof known_pairs);
        known_generation = secret_generation();
    }
    uint64_t hash = ends_of(e->key, e->key_size) * 7 ^ ends_of(e->text, e->size);
    return &known_pairs[(hash * UINT64_C(0x9e3779b97f4a7c15) >> 48) % KNOWN];
}

static bool is_known(const struct known *k, const struct entry *e)
{
    return k->key_size == e->key_size && k->size == e->size && k->key_size > 0
           && memcmp(k->texts, e->key, e->key_size) == 0
           && memcmp(k->texts + e->key_size, e->text, e->size) == 0;
}

static bool add_known(const struct entry *e, struct buffer *out)
{
    return text_add_plain_pair(out, e->key, e->key_size, e->text, e->size);
}

static void learn(struct known *k, const struct entry *e)
{
    k->key_size = (uint16_t)e->key_size;
    k->size = (uint16_t)e->size;
    memcpy(k->texts, e->key, e->key_size);
    memcpy(k->texts + e->key_size, e->text, e->size);
}

/* "KEY": */
static bool add_key(const struct entry *e, struct buffer *out)
{
    const struct entry alone = {.key = e->key, .key_size = e->key_size, .text = ""};
    struct known *k = known_place(&alone);
    if (k != NULL && is_known(k, &alone)) {
        if (!add_known(&alone, out)) /* "KEY":"" */
            return false;
        buffer_cut(out, out->size - 2);
        return true;
    }
    size_t from = out->size;
    if (!add_safe(e->key, e->key_size, out) || !buffer_add_char(out, ':'))
        return false;
    if (k != NULL && out->size - from == e->key_size + 3 && text_is_plain(e->key, e->key_size)
        && memcmp(out->data + from + 1, e->key, e->key_size) == 0)
        learn(k, &alone);
    return true;
}

static bool add_texts(const struct entry *e, struct buffer *out)
{
    struct known *k = known_place(e);
    if (k != NULL && is_known(k, e))
        return add_known(e, out);
    size_t from = out->size;
    if (!add_key(e, out))
        return false;
    if (is_hidden(e))
        return buffer_add_text(out, "{\"$hidden\":true}");
    bool fits = add_safe(e->text, e->size, out);
    size_t plain = e->key_size + e->size + 5;
    /* As long as it would be with nothing done to it: then nothing was. */
    if (fits && k != NULL && out->size - from == plain && text_is_plain(e->key, e->key_size)
        && text_is_plain(e->text, e->size)
        && memcmp(out->data + from + e->key_size + 4, e->text, e->size) == 0) {
        learn(k, e);
    }
    return fits;
}

static bool add_integer(lua_Integer n, struct buffer *out)
{
    char digits[24];
    size_t at = sizeof digits;
    lua_Unsigned rest = n < 0 ? 0u - (lua_Unsigned)n : (lua_Unsigned)n;
    do
        digits[--at] = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (n < 0)
        digits[--at] = '-';
    return buffer_add(out, digits + at, sizeof digits - at);
}

static bool add_entry(const struct entry *e, struct buffer *out)
{
    if (e->type == LUA_TSTRING)
        return add_texts(e, out);
    if (!add_key(e, out))
        return false;
    char number[NUMBER_TEXT];
    switch (e->type) {
    case LUA_TUSERDATA:
        return buffer_add_text(out, "{\"$secret\":") && text_add_json(out, e->text, e->size)
               && buffer_add_char(out, '}');
    case LUA_TBOOLEAN:
        return buffer_add_text(out, e->flag ? "true" : "false");
    case LUA_TNUMBER:
        return e->is_integer ? add_integer(e->integer, out)
                             : buffer_add(out, number, number_write(e->number, number));
    default:
        return buffer_add_text(out, "null");
    }
}

/* Reads the value at the top. False: nothing that is written down. */
static bool read_value(lua_State *L, struct entry *e)
{
    e->type = lua_type(L, -1);
    switch (e->type) {
    case LUA_TSTRING:
        e->text = lua_tolstring(L, -1, &e->size);
        return true;
    case LUA_TNUMBER:
        e->is_integer = lua_isinteger(L, -1);
        e->integer = lua_tointeger(L, -1);
        e->number = lua_tonumber(L, -1);
        return true;
    case LUA_TBOOLEAN:
        e->flag = lua_toboolean(L, -1);
        return true;
    default: {
        if (json_is_null(L, -1)) {
            e->type = LUA_TNIL;
            return true;
        }
        struct secret *s = secret_at(L, -1);
        if (s == NULL)
            return false;
        e->type = LUA_TUSERDATA;
        e->text = secret_label(s);
        e->size = strlen(e->text);
        return true;
    }
    }
}

/* Reads the key and value at the top. False: nothing that is written down. */
static bool read_entry(lua_State *L, struct entry *e)
{
    if (lua_type(L, -2) != LUA_TSTRING)
        return false;
    e->key = lua_tolstring(L, -2, &e->key_size);
    return read_value(L, e);
}

/* ---- tables ---- */

bool journal_encode_request(lua_State *L, int index, struct buffer *out, uint64_t *digest)
{
    index = lua_absindex(L, index);
    luaL_checkstack(L, 8, NULL);
    bool fits = buffer_add_char(out, '{'), first = true;
    int top = lua_gettop(L);
    lua_pushnil(L);
    while (fits && lua_next(L, index)) {
        struct entry e;
        if (read_entry(L, &e)) {
            fits = first || buffer_add_char(out, ',');
            size_t from = out->size;
            fits = fits && add_entry(&e, out);
            if (fits)
                *digest += digest_quick(out->data + from, out->size - from);
            first = false;
        }
        lua_pop(L, 1);
    }
    lua_settop(L, top);
    return fits && buffer_add_char(out, '}');
}

/* What is recorded of a config, given the request: all of it; of the keys that were
 * asked for what is not as asked; or of all keys what is not as asked. */
enum keep { KEEP_ALL, KEEP_ASKED, KEEP_OTHER };

static bool add_pair(lua_State *L, bool *first, struct buffer *out)
{
    struct entry e;
    if (!read_entry(L, &e))
        return true;
    bool fits = (*first || buffer_add_char(out, ',')) && add_entry(&e, out);
    *first = false;
    return fits;
}

/* The key at the top but one; what is not there is a null. */
static bool add_absent(lua_State *L, bool *first, struct buffer *out)
{
    struct entry e = {.type = LUA_TNIL};
    if (lua_type(L, -2) != LUA_TSTRING)
        return true;
    e.key = lua_tolstring(L, -2, &e.key_size);
    bool fits = (*first || buffer_add_char(out, ',')) && add_entry(&e, out);
    *first = false;
    return fits;
}

static bool add_asked(lua_State *L, int config, int request, bool *first, struct buffer *out)
{
    bool fits = true;
    lua_pushnil(L);
    while (fits && lua_next(L, request)) {
        lua_pushvalue(L, -2);
        lua_rawget(L, config);
        if (!lua_rawequal(L, -1, -2)) {
            lua_replace(L, -2);
            fits = lua_isnil(L, -1) ? add_absent(L, first, out) : add_pair(L, first, out);
            lua_pop(L, 1);
        } else {
            lua_pop(L, 2);
        }
    }
    return fits;
}

static bool add_other(lua_State *L, int config, int request, bool *first, struct buffer *out)
{
    bool fits = true;
    lua_pushnil(L);
    while (fits && lua_next(L, config)) {
        bool same = false;
        if (request != 0) {
            lua_pushvalue(L, -2);
            lua_rawget(L, request);
            same = lua_rawequal(L, -1, -2);
            lua_pop(L, 1);
        }
        fits = same || add_pair(L, first, out);
        lua_pop(L, 1);
    }
    return fits;
}

static bool add_config(lua_State *L, enum keep keep, int request, struct buffer *out)
{
    int config = lua_gettop(L);
    bool first = true;
    bool fits = buffer_add_char(out, '{')
                && (keep == KEEP_ASKED ? add_asked(L, config, request, &first, out)
                                       : add_other(L, config, request, &first, out));
    lua_settop(L, config);
    return fits && buffer_add_char(out, '}');
}

static bool add_field(lua_State *L, int index, const char *field, bool *first, struct buffer *out)
{
    struct entry e;
    bool fits = true;
    e.key = field;
    lua_pushstring(L, field);
    e.key_size = strlen(field);
    lua_rawget(L, index);
    if (!lua_isnil(L, -1) && read_value(L, &e)) {
        fits = (*first || buffer_add_char(out, ',')) && add_entry(&e, out);
        *first = false;
    }
    lua_pop(L, 1);
    return fits;
}

static bool add_tasks(lua_State *L, int record, struct buffer *out)
{
    bool fits = true;
    if (lua_getfield(L, record, "tasks") == LUA_TTABLE && lua_rawlen(L, -1) > 0) {
        fits = buffer_add_text(out, ",\"tasks\":[");
        for (lua_Integer i = 1; fits && lua_rawgeti(L, record + 1, i) == LUA_TTABLE; i++) {
            bool first = true;
            fits = (i == 1 || buffer_add_char(out, ',')) && buffer_add_char(out, '{')
                   && add_field(L, record + 2, "id", &first, out)
                   && add_field(L, record + 2, "state", &first, out)
                   && buffer_add_char(out, '}');
            lua_settop(L, record + 1);
        }
        fits = fits && buffer_add_char(out, ']');
    }
    lua_settop(L, record);
    return fits;
}

/* The provider's own state of the connector, which is what a write sets, under "state". */
static bool add_state(lua_State *L, int record, bool *first, struct buffer *out)
{
    bool has_own = lua_getfield(L, record, "details") == LUA_TTABLE
                   && lua_getfield(L, -1, "state") == LUA_TSTRING;
    bool fits = add_field(L, has_own ? record + 1 : record, "state", first, out);
    lua_settop(L, record);
    return fits;
}

static bool add_record(lua_State *L, int index, enum keep keep, int request, struct buffer *out)
{
    static const char *const fields[] = {"name", "id", "class", "type", "state", "error",
                                         "created", "offsets", "same_keys"};
    luaL_checkstack(L, 12, NULL);
    lua_pushvalue(L, index);
    int record = lua_gettop(L);
    bool first = true, fits = buffer_add_char(out, '{');
    for (size_t i = 0; i < sizeof fields / sizeof *fields && fits; i++)
        fits = strcmp(fields[i], "state") == 0 ? add_state(L, record, &first, out)
                                               : add_field(L, record, fields[i], &first, out);
    if (fits && lua_getfield(L, record, "config") == LUA_TTABLE)
        fits = (first || buffer_add_char(out, ',')) && buffer_add_text(out, "\"config\":")
               && add_config(L, keep, request, out);
    lua_settop(L, record);
    fits = fits && add_tasks(L, record, out) && buffer_add_char(out, '}');
    lua_settop(L, record - 1);
    return fits;
}

bool journal_encode_pre_image(lua_State *L, int index, int request, struct buffer *out)
{
    if (!connector_is(L, index))
        return buffer_add_text(out, "null");
    return add_record(L, index, request != 0 ? KEEP_ASKED : KEEP_ALL, request, out);
}

bool journal_encode_result(lua_State *L, int index, int request, struct buffer *out)
{
    if (lua_isboolean(L, index))
        return buffer_add_text(out, lua_toboolean(L, index) ? "true" : "false");
    if (!connector_is(L, index))
        return buffer_add_text(out, "null");
    return add_record(L, index, request != 0 ? KEEP_OTHER : KEEP_ALL, request, out);
}

/* The table that the text is the JSON of, or nil. [-0, +1, e] */
static bool push_decoded(lua_State *L, const char *text)
{
    if (text == NULL) {
        lua_pushnil(L);
        return false;
    }
    json_decode(L, text, strlen(text));
    return lua_istable(L, -1);
}

void journal_push_pre_image(lua_State *L, const char *before, const char *request)
{
    luaL_checkstack(L, 10, NULL);
    int top = lua_gettop(L);
    bool both = push_decoded(L, before) && push_decoded(L, request);
    if (!both || lua_getfield(L, top + 1, "config") != LUA_TTABLE) {
        lua_settop(L, top);
        lua_pushstring(L, before);
        return;
    }
    lua_pushnil(L);
    while (lua_next(L, top + 2)) {
        lua_pushvalue(L, -2); /* what was as asked is taken from what was asked */
        lua_pushvalue(L, -1);
        if (lua_rawget(L, top + 3) == LUA_TNIL) {
            lua_pop(L, 1);
            lua_pushvalue(L, -2);
        } else if (json_is_null(L, -1)) {
            lua_pop(L, 1);
            lua_pushnil(L);
        }
        lua_rawset(L, top + 3);
        lua_pop(L, 1);
    }
    lua_settop(L, top + 1);
    json_encode(L);
}
