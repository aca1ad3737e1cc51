/* Any bytes: refused with a message that says where, or accepted, and then
 *  - every integer in the text is in the value, digit by digit, and every other
 *    number is what strtod makes of it: read here by a second, independent reader;
 *  - the value, written and read again, is the same, and is written the same. */
#include "lua/json.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

enum { MAX_NUMBERS = 4096 };

struct numbers {
    size_t count, integers;
    double all[MAX_NUMBERS];        /* every number as a double */
    int64_t integer[MAX_NUMBERS]; /* those that are integers */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

static void add_number(struct numbers *n, double value)
{
    if (n->count < MAX_NUMBERS)
        n->all[n->count] = value;
    n->count++;
}

static void add_integer(struct numbers *n, int64_t value)
{
    if (n->integers < MAX_NUMBERS)
        n->integer[n->integers] = value;
    n->integers++;
    add_number(n, (double)value);
}

static bool in_number(char c)
{
    return c != '\0' && strchr("0123456789+-.eE", c) != NULL;
}

/* The numbers of an accepted text, in no other way than by looking for them. */
static void read_text(struct numbers *n, const char *at)
{
    while (*at != '\0') {
        if (*at == '"') {
            for (at++; *at != '"'; at++)
                at += *at == '\\';
            at++;
        } else if (*at == '-' || (*at >= '0' && *at <= '9')) {
            size_t length = 0;
            bool integer = true;
            for (; in_number(at[length]); length++)
                integer = integer && strchr(".eE", at[length]) == NULL;
            errno = 0;
            if (integer) {
                add_integer(n, strtoll(at, NULL, 10));
                require(errno == 0, "an accepted integer fits in 64 bits");
            } else {
                add_number(n, strtod(at, NULL));
            }
            at += length;
        } else {
            at++;
        }
    }
}

static void read_value(struct numbers *n, lua_State *L, int index)
{
    luaL_checkstack(L, 8, NULL);
    if (lua_isinteger(L, index)) {
        add_integer(n, lua_tointeger(L, index));
    } else if (lua_type(L, index) == LUA_TNUMBER) {
        require(isfinite(lua_tonumber(L, index)), "a number is finite");
        add_number(n, lua_tonumber(L, index));
    } else if (lua_type(L, index) == LUA_TTABLE) {
        for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
            read_value(n, L, lua_gettop(L));
    }
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int compare_integers(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void sort(struct numbers *n)
{
    qsort(n->all, n->count, sizeof *n->all, compare_doubles);
    qsort(n->integer, n->integers, sizeof *n->integer, compare_integers);
}

/* A value may hold fewer numbers than its text, where a key is repeated. */
static void check_numbers(struct numbers *text, struct numbers *value)
{
    require(value->count <= text->count, "no number comes from nowhere");
    if (text->count > MAX_NUMBERS || value->count != text->count)
        return;
    sort(text);
    sort(value);
    for (size_t i = 0; i < text->count; i++)
        require(text->all[i] == value->all[i], "every number is the nearest double");
    for (size_t i = 0, j = 0; i < text->integers; i++, j++) {
        while (j < value->integers && value->integer[j] < text->integer[i])
            j++;
        require(j < value->integers && value->integer[j] == text->integer[i],
                "every integer is exact");
    }
}

static bool same(lua_State *L, int a, int b)
{
    luaL_checkstack(L, 8, NULL);
    if (lua_type(L, a) != LUA_TTABLE || lua_type(L, b) != LUA_TTABLE)
        return lua_rawequal(L, a, b);
    size_t left = 0, right = 0;
    for (lua_pushnil(L); lua_next(L, b); lua_pop(L, 1))
        right++;
    for (lua_pushnil(L); lua_next(L, a); lua_pop(L, 2)) {
        left++;
        lua_pushvalue(L, -2);
        lua_rawget(L, b);
        if (!same(L, lua_gettop(L) - 1, lua_gettop(L)))
            return false;
    }
    bool marked = lua_getmetatable(L, a), also = lua_getmetatable(L, b);
    bool alike = marked == also && (!marked || lua_rawequal(L, -1, -2));
    lua_pop(L, marked + also);
    return left == right && alike;
}

static int check(lua_State *L)
{
    const char *bytes = lua_touserdata(L, 1);
    size_t size = (size_t)lua_tointeger(L, 2), first_size, second_size;
    static struct numbers text, value;
    text.count = text.integers = value.count = value.integers = 0;

    json_decode(L, bytes, size);
    lua_replace(L, 1);
    lua_pushlstring(L, bytes, size);
    read_text(&text, lua_tostring(L, -1));
    read_value(&value, L, 1);
    check_numbers(&text, &value);

    lua_settop(L, 1);
    lua_pushvalue(L, 1);
    json_encode(L);
    const char *first = lua_tolstring(L, 2, &first_size);
    json_decode(L, first, first_size);
    require(same(L, 1, 3), "a value that was written is read as the same");
    lua_settop(L, 3);
    json_encode(L);
    const char *second = lua_tolstring(L, 3, &second_size);
    require(first_size == second_size && memcmp(first, second, first_size) == 0,
            "what was read from an own text is written as it was");
    lua_settop(L, 1);
    return 1;
}

static void count_member(lua_State *L, void *context)
{
    (void)context;
    lua_pop(L, 1);
}

/* Returns the number of members, 0 too for what is neither an array nor an object. */
static int decode_members(lua_State *L)
{
    const char *bytes = lua_touserdata(L, 1);
    size_t size = (size_t)lua_tointeger(L, 2);
    bool any = json_decode_members(L, bytes, size, '[', count_member, NULL)
               || json_decode_members(L, bytes, size, '{', count_member, NULL);
    lua_pushinteger(L, any ? (lua_Integer)lua_rawlen(L, -1) : 0);
    return 1;
}

static int count_keys(lua_State *L, int index)
{
    int keys = 0;
    if (lua_istable(L, index))
        for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
            keys++;
    return keys;
}

/* One member after the other: as many as there are in the whole, and refused when the
 * whole is. */
static void check_members(lua_State *L, const uint8_t *data, size_t size, bool accepted)
{
    lua_settop(L, 1);
    lua_pushcfunction(L, decode_members);
    lua_pushlightuserdata(L, (void *)(uintptr_t)data);
    lua_pushinteger(L, (lua_Integer)size);
    bool ok = lua_pcall(L, 2, 1, 0) == LUA_OK;
    if (accepted)
        require(ok && lua_tointeger(L, 2) == count_keys(L, 1), "members are those of the whole");
    else
        require(!ok || lua_tointeger(L, 2) == 0, "what is refused is refused by members");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static lua_State *L;
    if (L == NULL) {
        L = luaL_newstate();
        luaL_openlibs(L);
        luaopen_kelp_json(L);
        lua_settop(L, 0);
    }
    lua_pushcfunction(L, check);
    lua_pushlightuserdata(L, (void *)(uintptr_t)data);
    lua_pushinteger(L, (lua_Integer)size);
    bool accepted = lua_pcall(L, 2, 1, 0) == LUA_OK;
    check_members(L, data, size, accepted);
    if (!accepted) {
        const char *message = lua_tostring(L, 1);
        require(strncmp(message, "invalid JSON: ", 14) == 0, message);
        require(strstr(message, " at offset ") != NULL ||
                    strcmp(message, "invalid JSON: a key stands twice in an object") == 0, message);
    }
    lua_settop(L, 0);
    return 0;
}
