#include "lua/json_write.h"

#include "base/number.h"
#include "base/text.h"
#include "secret/secret.h"
#include "lua/json_bytes.h"
#include "lua/secret_value.h"

#include <lauxlib.h>
#include <lua.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    STACK_PER_LEVEL = 4,
    MAX_PATH = 200 /* bytes of a place in a message */
};

enum kind {
    KIND_NULL, KIND_BOOLEAN, KIND_INTEGER, KIND_FLOAT, KIND_STRING, KIND_SECRET, KIND_TABLE
};

/* A Lua value as C holds it. Bytes belong to the value that is being written. */
struct value {
    enum kind kind;
    union {
        bool boolean;
        lua_Integer integer;
        lua_Number number;
        int index; /* of a table on the stack */
        struct {
            const char *bytes;
            size_t size;
        } string;
    } as;
};

struct entry {
    const char *key;
    size_t key_size;
    struct value value;
};

/* Where the writer is: from the innermost container outwards. */
struct place {
    const struct place *outer;
    const char *key; /* NULL in an array */
    size_t key_size;
    lua_Integer index;
};

struct state {
    lua_State *L;
    struct json_scratch *out, *entries;
    size_t limit;
    int array_mt, depth;
    const struct place *place;
};

static bool is_name(const char *key, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = key[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '_')
            return false;
    }
    return size > 0;
}

static int write_step(char *out, size_t size, const struct place *p)
{
    if (p->key == NULL)
        return snprintf(out, size, "[%lld]", (long long)p->index);
    int shown = p->key_size < 60 ? (int)p->key_size : 60;
    if (is_name(p->key, p->key_size))
        return snprintf(out, size, ".%.*s", shown, p->key);
    int n = snprintf(out, size, "[\"%.*s\"]", shown, p->key);
    for (int i = 2; i < n - 2 && (size_t)i < size - 1; i++)
        if ((unsigned char)out[i] < 0x20 || (unsigned char)out[i] >= 0x7F)
            out[i] = '?';
    return n;
}

/* "value.config["a.b"][2]", cut when long. */
static size_t write_path(char *out, size_t size, const struct place *p)
{
    if (p == NULL)
        return (size_t)snprintf(out, size, "value");
    size_t used = write_path(out, size, p->outer);
    if (used + 1 >= size)
        return used;
    int n = write_step(out + used, size - used, p);
    return n < 0 ? used : used + (size_t)n < size ? used + (size_t)n : size - 1;
}

_Noreturn static void fail(const struct state *s, const char *what)
{
    char path[MAX_PATH];
    write_path(path, sizeof path, s->place);
    lua_pushfstring(s->L, "cannot encode JSON: %s %s", path, what);
    lua_error(s->L);
    __builtin_unreachable();
}

static char *room(struct state *s, size_t size)
{
    if (size > s->limit - s->out->size) {
        lua_pushfstring(s->L, "cannot encode JSON: the text is longer than %I bytes",
                        (lua_Integer)s->limit);
        lua_error(s->L);
    }
    return json_scratch_take(s->L, s->out, size);
}

static void put(struct state *s, const char *bytes, size_t size)
{
    memcpy(room(s, size), bytes, size);
}

static void put_char(struct state *s, char c)
{
    *room(s, 1) = c;
}

static void put_escape(struct state *s, unsigned char c)
{
    static const char names[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    static const char hex[] = "0123456789abcdef";
    const char *name = c != '\0' ? strchr(names, c) : NULL;
    if (name != NULL) {
        char *at = room(s, 2);
        at[0] = '\\';
        at[1] = letters[name - names];
    } else {
        char *at = room(s, 6);
        memcpy(at, "\\u00", 4);
        at[4] = hex[c >> 4];
        at[5] = hex[c & 15];
    }
}

static void put_unit(struct state *s, unsigned unit)
{
    char text[8];
    snprintf(text, sizeof text, "\\u%04x", unit & 0xffff);
    put(s, text, 6);
}

static void put_code_point(struct state *s, uint32_t code)
{
    if (code < 0x10000) {
        put_unit(s, code);
        return;
    }
    put_unit(s, 0xd800 + ((code - 0x10000) >> 10));
    put_unit(s, 0xdc00 + ((code - 0x10000) & 0x3ff));
}

/* The text may be printed: what a terminal obeys, or a reader does not see, is written
 * by its number. */
static void put_escaped(struct state *s, const char *bytes, size_t size)
{
    const char *end = bytes + size, *from = bytes, *at = bytes;
    bool ascii = true;
    for (;;) {
        at = json_plain_end(at, end);
        if (at < end && (unsigned char)*at >= 0x80) {
            ascii = false;
            uint32_t code;
            size_t deceptive = text_deceptive(at, (size_t)(end - at), &code);
            if (deceptive > 0) {
                put(s, from, (size_t)(at - from));
                put_code_point(s, code);
                from = at += deceptive;
                continue;
            }
            at++;
            continue;
        }
        put(s, from, (size_t)(at - from));
        if (at == end)
            break;
        put_escape(s, (unsigned char)*at);
        from = ++at;
    }
    if (!ascii && !text_is_utf8(bytes, size))
        fail(s, "holds a string that is not UTF-8");
}

static void put_string(struct state *s, const char *bytes, size_t size)
{
    put_char(s, '"');
    put_escaped(s, bytes, size);
    put_char(s, '"');
}

/* Writes a secret as tostring shows it. */
static void put_secret(struct state *s, const char *label, size_t size)
{
    put(s, "\"<secret ", 9);
    put_escaped(s, label, size);
    put(s, ">\"", 2);
}

static void put_integer(struct state *s, lua_Integer value)
{
    char digits[24];
    char *at = digits + sizeof digits;
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do
        *--at = (char)('0' + rest % 10);
    while ((rest /= 10) != 0);
    if (value < 0)
        *--at = '-';
    put(s, at, (size_t)(digits + sizeof digits - at));
}

static void put_float(struct state *s, lua_Number value)
{
    if (value != value)
        fail(s, "is not a number (NaN)");
    if (value - value != 0)
        fail(s, "is an infinity");
    lua_Integer integer;
    if (lua_numbertointeger(value, &integer) && (lua_Number)integer == value) {
        put_integer(s, integer);
        return;
    }
    char text[NUMBER_TEXT];
    /* 2^63 with 17 digits would read as an integer that is a little smaller. */
    if (value == 0x1p63)
        put(s, "9.223372036854775808e+18", 24);
    else
        put(s, text, number_write(value, text));
}

/* The value at `index`, which may be relative. Errors name s->place. */
static struct value value_at(struct state *s, int index)
{
    lua_State *L = s->L;
    struct value v = {.kind = KIND_NULL};
    switch (lua_type(L, index)) {
    case LUA_TSTRING:
        v.kind = KIND_STRING;
        v.as.string.bytes = lua_tolstring(L, index, &v.as.string.size);
        return v;
    case LUA_TTABLE:
        v.kind = KIND_TABLE;
        return v;
    case LUA_TNUMBER:
        if (lua_isinteger(L, index)) {
            v.kind = KIND_INTEGER;
            v.as.integer = lua_tointeger(L, index);
        } else {
            v.kind = KIND_FLOAT;
            v.as.number = lua_tonumber(L, index);
        }
        return v;
    case LUA_TBOOLEAN:
        v.kind = KIND_BOOLEAN;
        v.as.boolean = lua_toboolean(L, index);
        return v;
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(L, index) == NULL)
            return v;
        break;
    case LUA_TUSERDATA: {
        const struct secret *secret = secret_at(L, index);
        if (secret == NULL)
            break;
        v.kind = KIND_SECRET;
        v.as.string.bytes = secret_label(secret);
        v.as.string.size = strlen(v.as.string.bytes);
        return v;
    }
    default:
        break;
    }
    char what[40];
    snprintf(what, sizeof what, "is a %s", lua_typename(L, lua_type(L, index)));
    fail(s, what);
}

static void put_table(struct state *s, int index);

static void put_value(struct state *s, const struct value *v)
{
    switch (v->kind) {
    case KIND_NULL: put(s, "null", 4); break;
    case KIND_BOOLEAN: v->as.boolean ? put(s, "true", 4) : put(s, "false", 5); break;
    case KIND_INTEGER: put_integer(s, v->as.integer); break;
    case KIND_FLOAT: put_float(s, v->as.number); break;
    case KIND_STRING: put_string(s, v->as.string.bytes, v->as.string.size); break;
    case KIND_SECRET: put_secret(s, v->as.string.bytes, v->as.string.size); break;
    case KIND_TABLE: put_table(s, v->as.index); break;
    }
}

/* The number of elements of a table whose keys are 1 .. n and no others. */
static lua_Integer array_length(struct state *s, int index)
{
    lua_State *L = s->L;
    lua_Integer length = (lua_Integer)lua_rawlen(L, index), count = 0;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        if (!lua_isinteger(L, -1))
            fail(s, "is an array with a key that is not an index");
        lua_Integer key = lua_tointeger(L, -1);
        if (key < 1 || key > length)
            fail(s, "is an array with holes");
        count++;
    }
    if (count != length)
        fail(s, "is an array with holes");
    return length;
}

static void put_array(struct state *s, int index)
{
    lua_Integer length = array_length(s, index);
    struct place here = {.outer = s->place};
    s->place = &here;
    put_char(s, '[');
    for (lua_Integer i = 1; i <= length; i++) {
        here.index = i;
        if (i > 1)
            put_char(s, ',');
        lua_rawgeti(s->L, index, i);
        struct value v = value_at(s, -1);
        if (v.kind == KIND_TABLE)
            v.as.index = lua_gettop(s->L);
        put_value(s, &v);
        lua_pop(s->L, 1);
    }
    put_char(s, ']');
    s->place = here.outer;
}

static int compare_entries(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    size_t shorter = a->key_size < b->key_size ? a->key_size : b->key_size;
    int order = memcmp(a->key, b->key, shorter);
    return order != 0 ? order : (a->key_size > b->key_size) - (a->key_size < b->key_size);
}

static const char OMITTED; /* its address is the key in a metatable */

void json_write_omit(lua_State *L, const char *member)
{
    lua_pushstring(L, member);
    lua_rawsetp(L, -2, &OMITTED);
}

/* The member that is left out of the table at `index`, or NULL. Kept alive by the metatable. */
static const char *omitted_member(lua_State *L, int index)
{
    if (!lua_getmetatable(L, index))
        return NULL;
    lua_rawgetp(L, -1, &OMITTED);
    const char *member = lua_tostring(L, -1);
    lua_pop(L, 2);
    return member;
}

/* Adds the members to s->entries. The tables among them stay on the stack: to
 * fetch one by its key later would run the collector. */
static void gather_members(struct state *s, int index, struct place *here)
{
    lua_State *L = s->L;
    const char *omitted = omitted_member(L, index);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (lua_type(L, -2) != LUA_TSTRING) {
            s->place = here->outer;
            fail(s, "has a key that is not a string");
        }
        here->key = lua_tolstring(L, -2, &here->key_size);
        if (omitted != NULL && strcmp(here->key, omitted) == 0) {
            lua_pop(L, 1);
            continue;
        }
        struct entry e = {.key = here->key, .key_size = here->key_size, .value = value_at(s, -1)};
        if (e.value.kind == KIND_TABLE) {
            if (!lua_checkstack(L, STACK_PER_LEVEL))
                fail(s, "is one table too many");
            lua_insert(L, -2);
            e.value.as.index = lua_gettop(L) - 1;
        } else {
            lua_pop(L, 1);
        }
        json_scratch_add(L, s->entries, (const char *)&e, sizeof e);
    }
}

static void put_object(struct state *s, int index)
{
    int top = lua_gettop(s->L);
    size_t first = s->entries->size;
    struct place here = {.outer = s->place, .key = ""};
    s->place = &here;
    gather_members(s, index, &here);
    size_t count = (s->entries->size - first) / sizeof(struct entry);
    if (count > 1)
        qsort(s->entries->bytes + first, count, sizeof(struct entry), compare_entries);
    put_char(s, '{');
    for (size_t i = 0; i < count; i++) {
        struct entry e; /* a copy: the scratch may move while the value is written */
        memcpy(&e, s->entries->bytes + first + i * sizeof e, sizeof e);
        here.key = e.key;
        here.key_size = e.key_size;
        if (i > 0)
            put_char(s, ',');
        put_string(s, e.key, e.key_size);
        put_char(s, ':');
        put_value(s, &e.value);
    }
    put_char(s, '}');
    s->entries->size = first;
    lua_settop(s->L, top);
    s->place = here.outer;
}

static bool is_marked_array(struct state *s, int index)
{
    if (!lua_getmetatable(s->L, index))
        return false;
    bool marked = lua_rawequal(s->L, -1, s->array_mt);
    lua_pop(s->L, 1);
    return marked;
}

static void put_table(struct state *s, int index)
{
    lua_State *L = s->L;
    if (++s->depth > JSON_MAX_DEPTH)
        fail(s, "is nested deeper than 128, or holds itself");
    if (!lua_checkstack(L, STACK_PER_LEVEL))
        fail(s, "is one table too many");
    lua_pushnil(L);
    int first_key = LUA_TNIL;
    if (lua_next(L, index)) {
        first_key = lua_type(L, -2);
        lua_pop(L, 2);
    }
    if (is_marked_array(s, index) || first_key == LUA_TNUMBER)
        put_array(s, index);
    else
        put_object(s, index);
    s->depth--;
}

void json_write(struct lua_State *L, const struct json_writer *writer, int array_mt)
{
    struct state s = {.L = L, .out = writer->out, .entries = writer->entries,
                      .limit = writer->limit, .array_mt = array_mt};
    s.out->size = 0;
    s.entries->size = 0;
    luaL_checkstack(L, STACK_PER_LEVEL, "JSON");
    struct value v = value_at(&s, -1);
    if (v.kind == KIND_TABLE)
        v.as.index = lua_gettop(L);
    put_value(&s, &v);
}
