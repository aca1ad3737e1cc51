#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "secret/secret.h"
#include "lua/json.h"
#include "lua/secret_value.h"

int luaopen_cjson(lua_State *L);

static int open_state(void **state)
{
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    luaopen_kelp_json(L);
    lua_setglobal(L, "json");
    *state = L;
    return 0;
}

static int close_state(void **state)
{
    lua_State *L = *state;
    assert_int_equal(lua_gettop(L), 0);
    lua_close(L);
    secret_forget_all();
    return 0;
}

static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

struct bytes {
    const char *at;
    size_t size;
};

static int call_decode(lua_State *L)
{
    const struct bytes *text = lua_touserdata(L, 1);
    json_decode(L, text->at, text->size);
    assert_int_equal(lua_gettop(L), 2);
    return 1;
}

static int call_encode(lua_State *L)
{
    json_encode(L);
    assert_int_equal(lua_gettop(L), 1);
    return 1;
}

/* Pushes the value or the message. The bytes are given from a block of exactly
 * their size, so that a checker sees one read too many. */
static bool try_decode(lua_State *L, const char *text, size_t size)
{
    char *block = malloc(size > 0 ? size : 1);
    assert_non_null(block);
    memcpy(block, text, size);
    struct bytes bytes = {block, size};
    lua_pushcfunction(L, call_decode);
    lua_pushlightuserdata(L, &bytes);
    bool ok = lua_pcall(L, 1, 1, 0) == LUA_OK;
    free(block);
    return ok;
}

/* Replaces the value at the top by its text or by the message. */
static bool try_encode(lua_State *L)
{
    lua_pushcfunction(L, call_encode);
    lua_insert(L, -2);
    return lua_pcall(L, 1, 1, 0) == LUA_OK;
}

static void run(lua_State *L, const char *chunk)
{
    if (luaL_dostring(L, chunk) != LUA_OK)
        fail_msg("%s: %s", chunk, lua_tostring(L, -1));
}

static bool same(lua_State *L, int a, int b);

static bool same_metatable(lua_State *L, int a, int b)
{
    if (!lua_getmetatable(L, a))
        lua_pushnil(L);
    if (!lua_getmetatable(L, b))
        lua_pushnil(L);
    bool result = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return result;
}

static size_t count_members(lua_State *L, int table)
{
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
        count++;
    return count;
}

static bool same_members(lua_State *L, int a, int b)
{
    luaL_checkstack(L, 8, NULL);
    if (count_members(L, a) != count_members(L, b))
        return false;
    bool result = true;
    lua_pushnil(L);
    while (result && lua_next(L, a)) {
        lua_pushvalue(L, -2);
        lua_rawget(L, b);
        result = same(L, lua_gettop(L) - 1, lua_gettop(L));
        lua_pop(L, 2);
    }
    if (!result)
        lua_pop(L, 1);
    return result;
}

/* Deep equality, marks of arrays included. Absolute indices. */
static bool same(lua_State *L, int a, int b)
{
    if (lua_type(L, a) != LUA_TTABLE || lua_type(L, b) != LUA_TTABLE)
        return lua_rawequal(L, a, b);
    return same_metatable(L, a, b) && same_members(L, a, b);
}

/* The case's field as a string, owned by the case; NULL when it has none. */
static const char *field(lua_State *L, int index, const char *name, size_t *size)
{
    lua_getfield(L, index, name);
    const char *text = lua_tolstring(L, -1, size);
    lua_pop(L, 1);
    return text;
}

static void check_accepted(lua_State *L, int index, const char *name)
{
    size_t size, written_size;
    const char *encoded = field(L, index, "encoded", &size), *kind = field(L, index, "kind", NULL);
    int first = lua_gettop(L);
    if (encoded == NULL)
        fail_msg("%s: the case lacks `encoded`", name);
    if (lua_type(L, first) == LUA_TNUMBER) {
        const char *found = lua_isinteger(L, first) ? "integer" : "float";
        if (kind == NULL || strcmp(kind, found) != 0)
            fail_msg("%s: an %s", name, found);
    }
    lua_pushvalue(L, first);
    if (!try_encode(L))
        fail_msg("%s: %s", name, lua_tostring(L, -1));
    const char *written = lua_tolstring(L, -1, &written_size);
    if (written_size != size || memcmp(written, encoded, size) != 0)
        fail_msg("%s: written as %s", name, written);
    if (!try_decode(L, written, written_size))
        fail_msg("%s: own text refused: %s", name, lua_tostring(L, -1));
    if (!same(L, first, lua_gettop(L)))
        fail_msg("%s: another value after a round trip", name);
    lua_settop(L, first);
}

static void check_refused(lua_State *L, int index, const char *name)
{
    const char *error = lua_tostring(L, -1), *message = field(L, index, "message", NULL);
    if (strncmp(error, "invalid JSON: ", 14) != 0 || strstr(error, message) == NULL)
        fail_msg("%s: says %s", name, error);
    const char *tail = strstr(error, " at offset");
    char place[64];
    /* A key that stands twice is seen when all has been read: it has no offset. */
    if (lua_getfield(L, index, "at") == LUA_TNIL) {
        lua_pop(L, 1);
        if (tail != NULL)
            fail_msg("%s: says %s", name, error);
        return;
    }
    snprintf(place, sizeof place, " at offset %lld", (long long)luaL_checkinteger(L, -1));
    lua_pop(L, 1);
    if (tail == NULL || strcmp(tail, place) != 0)
        fail_msg("%s: says %s, not%s", name, error, place);
}

/* The function that scripts call must decide as json_decode has. */
static void check_script(lua_State *L, int index, const char *name, bool accepted)
{
    lua_getglobal(L, "json");
    lua_getfield(L, -1, "decode");
    lua_remove(L, -2);
    lua_getfield(L, index, "text");
    bool ok = lua_pcall(L, 1, 1, 0) == LUA_OK;
    if (ok != accepted || !same(L, lua_gettop(L) - 1, lua_gettop(L)))
        fail_msg("%s: json.decode differs from json_decode", name);
    lua_pop(L, 1);
}

/* Puts the member into the table `whole`, under its key, and leaves that in the place of
 * each, but of the second nothing. */
static void put_member(lua_State *L, void *count)
{
    bool left_out = ++*(int *)count == 2;
    lua_getglobal(L, "whole");
    lua_insert(L, -3);
    lua_rawset(L, -3);
    if (left_out) {
        lua_pop(L, 1);
        lua_pushnil(L);
    }
}

static int call_decode_members(lua_State *L)
{
    const struct bytes *text = lua_touserdata(L, 1);
    lua_settop(L, 0);
    lua_newtable(L);
    lua_setglobal(L, "whole");
    const char *openings = "[{";
    int count = 0;
    for (int i = 0; i < 2; i++) {
        if (json_decode_members(L, text->at, text->size, openings[i], put_member, &count)) {
            assert_int_equal(lua_rawlen(L, 1), count - (count > 1));
            lua_getglobal(L, "whole");
            return 1;
        }
        assert_int_equal(lua_gettop(L), 0);
    }
    return 0;
}

/* One member after the other must give what the whole gives, which is at the top. */
static void check_members(lua_State *L, const char *text, size_t size, const char *name,
                          bool accepted)
{
    char *block = malloc(size > 0 ? size : 1);
    assert_non_null(block);
    memcpy(block, text, size);
    struct bytes bytes = {block, size};
    int top = lua_gettop(L);
    lua_pushcfunction(L, call_decode_members);
    lua_pushlightuserdata(L, &bytes);
    bool ok = lua_pcall(L, 1, LUA_MULTRET, 0) == LUA_OK;
    free(block);
    if (lua_gettop(L) == top)
        return; /* neither an array nor an object */
    if (ok && accepted && lua_istable(L, top) && lua_getmetatable(L, top))
        lua_setmetatable(L, top + 1); /* an array's mark, which `whole` cannot have */
    if (ok != accepted || !same(L, top, top + 1))
        fail_msg("%s: by members: %s", name, ok ? "another value" : lua_tostring(L, top + 1));
    lua_settop(L, top);
}

/* Large, and with an empty array, so that what cjson is given is a marked copy: the name,
 * decoded in between, must leave that alone. */
static void test_large_members(void **state)
{
    lua_State *L = *state;
    run(L, "local pad = ('p'):rep(200000)"
           " text = '{\"a\":{\"x\":[],\"p\":\"' .. pad .. '1\"},\"b\":{\"x\":[],\"p\":\"' .. pad .. '2\"}}'");
    size_t size;
    lua_getglobal(L, "text");
    const char *text = lua_tolstring(L, -1, &size);
    if (!try_decode(L, text, size))
        fail_msg("%s", lua_tostring(L, -1));
    check_members(L, text, size, "large members", true);
    lua_settop(L, 0);
}

static void check_case(lua_State *L, int index, unsigned *counts)
{
    size_t size;
    const char *name = field(L, index, "name", NULL), *text = field(L, index, "text", &size);
    const char *why = field(L, index, "why", NULL);
    if (name == NULL || text == NULL || why == NULL || *why == '\0')
        fail_msg("case %s lacks a field", name != NULL ? name : "?");
    lua_getfield(L, index, "accepted");
    bool accepted = lua_toboolean(L, -1);
    lua_pop(L, 1);
    const char *kinds = "yni", *kind = strchr(kinds, name[0]);
    if (kind == NULL || (name[0] == 'y' && !accepted) || (name[0] == 'n' && accepted))
        fail_msg("%s: the name and `accepted` disagree", name);
    counts[kind - kinds]++;
    if (try_decode(L, text, size) != accepted)
        fail_msg("%s: %s (%s)", name, accepted ? lua_tostring(L, -1) : "accepted", why);
    if (accepted)
        check_accepted(L, index, name);
    else
        check_refused(L, index, name);
    check_script(L, index, name, accepted);
    check_members(L, text, size, name, accepted);
    lua_pop(L, 1);
}

static void test_cases(void **state)
{
    lua_State *L = *state;
    if (luaL_dofile(L, SOURCE_DIR "/tests/lua/json_cases.lua") != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
    unsigned counts[3] = {0};
    lua_newtable(L);
    for (lua_Integer i = 1; lua_rawgeti(L, 1, i) == LUA_TTABLE; i++) {
        check_case(L, 3, counts);
        lua_getfield(L, 3, "name");
        lua_pushvalue(L, -1);
        if (lua_rawget(L, 2) != LUA_TNIL)
            fail_msg("%s: two cases of one name", lua_tostring(L, -2));
        lua_pop(L, 1);
        lua_pushboolean(L, true);
        lua_rawset(L, 2);
        lua_pop(L, 1);
    }
    lua_settop(L, 0);
    assert_true(counts[0] >= 50 && counts[1] >= 50 && counts[2] >= 20);
}

static void check_integer(lua_State *L, lua_Integer value, const char *text)
{
    if (!try_decode(L, text, strlen(text)))
        fail_msg("%s", lua_tostring(L, -1));
    if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) != value)
        fail_msg("%s was read as something else", text);
    assert_true(try_encode(L));
    char plain[32];
    snprintf(plain, sizeof plain, "%lld", (long long)value);
    assert_string_equal(lua_tostring(L, -1), plain);
    lua_pop(L, 1);
}

/* The integer in each of its spellings: 123, 123.0, 12.3e1, 0.0123e+4, 1230e-1. */
static void check_spellings(lua_State *L, uint64_t magnitude, bool negative)
{
    lua_Integer value = (lua_Integer)(negative ? -magnitude : magnitude);
    const char *sign = negative && magnitude != 0 ? "-" : "";
    char digits[32], text[96];
    int n = snprintf(digits, sizeof digits, "%" PRIu64, magnitude);
    snprintf(text, sizeof text, "%s%s", sign, digits);
    check_integer(L, value, text);
    snprintf(text, sizeof text, "%s%s.000", sign, digits);
    check_integer(L, value, text);
    for (int k = 1; k < n; k++) {
        snprintf(text, sizeof text, "%s%.*s.%se%d", sign, k, digits, digits + k, n - k);
        check_integer(L, value, text);
    }
    snprintf(text, sizeof text, "%s0.0%sE+%d", sign, digits, n + 1);
    check_integer(L, value, text);
    snprintf(text, sizeof text, "%s%s.0e-0", sign, digits);
    check_integer(L, value, text);
    if (magnitude != 0) {
        snprintf(text, sizeof text, "%s%s0e-1", sign, digits);
        check_integer(L, value, text);
    }
}

static void test_integers_are_exact(void **state)
{
    lua_State *L = *state;
    const uint64_t most = (uint64_t)LUA_MAXINTEGER;
    for (int k = 0; k < 63; k++)
        for (int d = -1; d <= 1; d++)
            for (int negative = 0; negative < 2; negative++)
                check_spellings(L, (UINT64_C(1) << k) + (uint64_t)d, negative);
    for (uint64_t ten = 1; ten <= UINT64_C(1000000000000000000); ten *= 10)
        for (int d = -1; d <= 1; d++)
            check_spellings(L, ten + (uint64_t)d, d > 0);
    check_spellings(L, most, false);
    check_spellings(L, most, true);
    check_spellings(L, most + 1, true);
    uint64_t seed = 1;
    for (int i = 0; i < 300; i++)
        check_spellings(L, next_random(&seed) >> 1 >> (i % 40), i % 2);
}

static void test_integers_too_long(void **state)
{
    lua_State *L = *state;
    const char *texts[] = {"9223372036854775808", "-9223372036854775809", "18446744073709551615",
                           "18446744073709551616", "-18446744073709551616",
                           "36893488147419103232", "10000000000000000000",
                           "92233720368547758070", "100000000000000000000000000000000000000000"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_false(try_decode(L, texts[i], strlen(texts[i])));
        assert_non_null(strstr(lua_tostring(L, -1), "does not fit in 64 bits at offset 0"));
        char shown[41];
        snprintf(shown, sizeof shown, "%s", texts[i]);
        assert_non_null(strstr(lua_tostring(L, -1), shown));
        lua_pop(L, 1);
    }
}

static void check_float(lua_State *L, double value)
{
    lua_pushnumber(L, value);
    if (!try_encode(L))
        fail_msg("%a: %s", value, lua_tostring(L, -1));
    size_t size;
    const char *text = lua_tolstring(L, -1, &size);
    assert_true(size <= 25);
    if (!try_decode(L, text, size))
        fail_msg("%s: %s", text, lua_tostring(L, -1));
    lua_pushnumber(L, value);
    if (!lua_rawequal(L, -1, -2))
        fail_msg("%a was written as %s and read as another number", value, text);
    lua_Integer integer;
    bool integral = lua_numbertointeger(value, &integer) && (double)integer == value;
    if (lua_isinteger(L, -2) != integral && value != 0)
        fail_msg("%s is read as the wrong kind of number", text);
    lua_pop(L, 3);
}

static void test_floats_round_trip(void **state)
{
    lua_State *L = *state;
    const double edges[] = {0.0, -0.0, 0.1, 1.0 / 3, 1e15, 1e16, 1e17, 1e22, 1e23, 0x1p53, 0x1p63,
                            -0x1p63, 0x1p64, 1e19, -1e19, 5e-324, 0x1p-1022, 1.7976931348623157e308,
                            2.5, 1234567.875, 4503599627370495.5, 123456789012345.67};
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        for (int d = -1; d <= 1; d++) {
            double value = d == 0 ? edges[i] : nextafter(edges[i], d < 0 ? -HUGE_VAL : HUGE_VAL);
            if (isfinite(value)) {
                check_float(L, value);
                check_float(L, -value);
            }
        }
    uint64_t seed = 2;
    for (int i = 0; i < 4000; i++) {
        uint64_t bits = next_random(&seed);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value))
            check_float(L, value);
        check_float(L, (double)(int64_t)bits / 1024);
        check_float(L, ldexp((double)(bits >> 11), (int)(bits % 40)));
    }
}

static void test_floats_read_as_strtod_reads_them(void **state)
{
    lua_State *L = *state;
    uint64_t seed = 3;
    for (int i = 0; i < 4000; i++) {
        uint64_t r = next_random(&seed), s = next_random(&seed);
        char text[96];
        snprintf(text, sizeof text, "%s%" PRIu64 ".%0*" PRIu64 "e%d", r & 1 ? "-" : "",
                 r >> (r >> 1) % 64, (int)(s % 30), s >> (s >> 5) % 64, (int)(s % 660) - 340);
        double expected = strtod(text, NULL);
        bool ok = try_decode(L, text, strlen(text));
        if (ok != (bool)isfinite(expected) || (ok && lua_tonumber(L, -1) != expected))
            fail_msg("%s: %s", text, ok ? "another number" : lua_tostring(L, -1));
        lua_pop(L, 1);
    }
}

static void check_text(lua_State *L, const char *expression, const char *expected, bool accepted)
{
    lua_pushfstring(L, "return %s", expression);
    run(L, lua_tostring(L, -1));
    lua_remove(L, -2);
    if (try_encode(L) != accepted)
        fail_msg("%s gave %s", expression, lua_tostring(L, -1));
    if (strcmp(lua_tostring(L, -1), expected) != 0)
        fail_msg("%s gave %s, not %s", expression, lua_tostring(L, -1), expected);
    lua_pop(L, 1);
}

static void test_encoding(void **state)
{
    static const char *const texts[][2] = {
        {"{}", "{}"},
        {"json.array()", "[]"},
        {"json.array{}", "[]"},
        {"json.array{1,2}", "[1,2]"},
        {"{a=json.array{},b={}}", "{\"a\":[],\"b\":{}}"},
        {"{json.null,json.null}", "[null,null]"},
        {"json.null", "null"},
        {"nil", "cannot encode JSON: value is a nil"},
        {"2.0", "2"},
        {"-0.0", "0"},
        {"1e15", "1000000000000000"},
        {"2^53", "9007199254740992"},
        {"2^63", "9.223372036854775808e+18"},
        {"1e100", "1e+100"},
        {"0.1", "0.1"},
        {"1/3", "0.33333333333333331"},
        {"math.mininteger", "-9223372036854775808"},
        {"{z=1,a={y=2,b=3},m={1,2}}", "{\"a\":{\"b\":3,\"y\":2},\"m\":[1,2],\"z\":1}"},
        {"{[\"1\"]=\"x\",[\"2\"]=\"y\"}", "{\"1\":\"x\",\"2\":\"y\"}"},
        {"{{{}}}", "[[{}]]"},
        {"'\\0\\1\\31\"\\\\/\\127'", "\"\\u0000\\u0001\\u001f\\\"\\\\/\x7F\""},
        {"(function() local t = json.decode '[]'; t[1] = 5; return t end)()", "[5]"},
        {"(function() local t = {} for i = 10, 1, -1 do t[i] = i end return t end)()",
         "[1,2,3,4,5,6,7,8,9,10]"},
        {"(function() local t = {1,2,3} return {t,t} end)()", "[[1,2,3],[1,2,3]]"},
    };
    lua_State *L = *state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check_text(L, texts[i][0], texts[i][1], strncmp(texts[i][1], "cannot", 6) != 0);
}

static void test_encoding_refuses(void **state)
{
    static const char *const texts[][2] = {
        {"print", "value is a function"},
        {"{a={1,print}}", "value.a[2] is a function"},
        {"{config={[\"flush.size\"]=coroutine.create(print)}}",
         "value.config[\"flush.size\"] is a thread"},
        {"{x=io.stdout}", "value.x is a userdata"},
        {"{[\"a\\n\\\"\\200\"]=print}", "value[\"a?\"?\"] is a function"},
        {"0/0", "value is not a number (NaN)"},
        {"{1,{n=-1/0}}", "value[2].n is an infinity"},
        {"{1,2,x=3}", "value is an array with a key that is not an index"},
        {"{a={1,nil,3}}", "value.a is an array with holes"},
        {"{[2]=1}", "value is an array with holes"},
        {"{[0]=1,2}", "value is an array with holes"},
        {"{[1.5]=1}", "value is an array with a key that is not an index"},
        {"{[true]=1}", "value has a key that is not a string"},
        {"{a={[print]=1}}", "value.a has a key that is not a string"},
        {"(function() local t = json.array() t.x = 1 return {t} end)()",
         "value[1] is an array with a key that is not an index"},
        {"{a={\"ok\",\"\\xE9\"}}", "value.a[2] holds a string that is not UTF-8"},
        {"{[\"\\xE9\"]=1}", "value[\"?\"] holds a string that is not UTF-8"},
    };
    lua_State *L = *state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char message[128];
        snprintf(message, sizeof message, "cannot encode JSON: %s", texts[i][1]);
        check_text(L, texts[i][0], message, false);
    }
}

static void check_round_trip(lua_State *L, const char *chunk)
{
    run(L, chunk);
    assert_int_equal(lua_gettop(L), 1);
    lua_pushvalue(L, -1);
    bool ok = try_encode(L);
    size_t size;
    const char *text = lua_tolstring(L, -1, &size);
    if (!ok)
        fail_msg("%s", text);
    assert_true(try_decode(L, text, size));
    assert_true(same(L, 1, 3));
    lua_settop(L, 0);
}

static void test_encoding_depth(void **state)
{
    lua_State *L = *state;
    check_round_trip(L, "local t = {} for i = 2, 128 do t = {t} end return t");
    check_round_trip(L, "local t = {} for i = 2, 127 do t = {a = t, b = {}, c = {i}} end return t");
    run(L, "local t = {} for i = 2, 129 do t = {t} end return t");
    assert_false(try_encode(L));
    assert_non_null(strstr(lua_tostring(L, -1), "is nested deeper than 128"));
    assert_true(strlen(lua_tostring(L, -1)) < 300);
    run(L, "local t = {} t.again = {t} return t");
    assert_false(try_encode(L));
    assert_non_null(strstr(lua_tostring(L, -1), "value.again[1].again[1]"));
    lua_settop(L, 0);
}

/* An object of `count` keys, the last of which is the one of number `last`. All have
 * the same beginning, end and length. */
static bool decode_object(lua_State *L, int count, int last)
{
    char text[8192];
    int size = 0;
    for (int i = 0; i < count; i++)
        size += snprintf(text + size, sizeof text - (size_t)size,
                         "%c\"beginning.%03d.of.the.end\":%d", i == 0 ? '{' : ',',
                         i == count - 1 ? last : i, i);
    text[size++] = '}';
    return try_decode(L, text, (size_t)size);
}

/* However large the object, and wherever in it the key has been. */
static void test_a_key_stands_once(void **state)
{
    lua_State *L = *state;
    for (int count = 2; count <= 200; count += count < 70 ? 1 : 13) {
        if (!decode_object(L, count, count - 1))
            fail_msg("%d keys: %s", count, lua_tostring(L, -1));
        assert_int_equal(count_members(L, lua_gettop(L)), count);
        lua_pop(L, 1);
        for (int twice = 0; twice < count - 1; twice += count < 70 ? 1 : 11) {
            if (decode_object(L, count, twice))
                fail_msg("key %d of %d may stand twice", twice, count);
            assert_string_equal(lua_tostring(L, -1),
                                "invalid JSON: a key stands twice in an object");
            lua_pop(L, 1);
        }
    }
}

static void test_array_marks(void **state)
{
    lua_State *L = *state;
    run(L, "local t = {}\n"
           "assert(json.array(t) == t and json.array(t) == t)\n"
           "assert(getmetatable(t) == getmetatable(json.decode '[[]]'[1]))\n"
           "assert(getmetatable(json.decode '[1]') == nil)\n"
           "assert(getmetatable(json.decode '{}') == nil)\n"
           "local ok, message = pcall(json.array, setmetatable({}, {}))\n"
           "assert(not ok and message:find 'another metatable')\n"
           "assert(not pcall(json.array, 'x') and not pcall(json.decode, 1))\n"
           "assert(not pcall(json.decode) and not pcall(json.encode))\n"
           "local a, b = table.unpack(json.decode '[[],[]]')\n"
           "assert(a ~= b)");
}

static void test_secrets_stay_closed(void **state)
{
    lua_State *L = *state;
    const char value[] = "not-a-real-password";
    struct secret *s = secret_new("API \"KEY\"", value, strlen(value));
    lua_createtable(L, 0, 1);
    secret_push(L, s);
    secret_release(s);
    lua_setfield(L, -2, "password");
    assert_true(try_encode(L));
    assert_string_equal(lua_tostring(L, -1), "{\"password\":\"<secret API _KEY_>\"}");
    lua_pop(L, 1);
}

static void test_text_caps(void **state)
{
    lua_State *L = *state;
    json_set_max_text(L, 10);
    assert_true(try_decode(L, "[1234567] ", 10));
    assert_false(try_decode(L, "[1234567]  ", 11));
    assert_string_equal(lua_tostring(L, -1), "invalid JSON: the text is longer than 10 bytes");
    lua_pushliteral(L, "12345678");
    assert_true(try_encode(L));
    lua_pushliteral(L, "123456789");
    assert_false(try_encode(L));
    assert_string_equal(lua_tostring(L, -1),
                        "cannot encode JSON: the text is longer than 10 bytes");
    run(L, "return {1, {2, 3}}");
    assert_true(try_encode(L));
    run(L, "return {1, {2, 34}}");
    assert_true(try_encode(L));
    run(L, "return {1, {2, 345}}");
    assert_false(try_encode(L));
    lua_settop(L, 0);

    json_set_max_text(L, SIZE_MAX);
    struct bytes huge = {"", JSON_MAX_TEXT + 1};
    lua_pushcfunction(L, call_decode);
    lua_pushlightuserdata(L, &huge);
    assert_int_equal(lua_pcall(L, 1, 1, 0), LUA_ERRRUN);
    assert_non_null(strstr(lua_tostring(L, -1), "longer than 67108864 bytes"));
    lua_settop(L, 0);
}

/* A response may hold a password at any place: cut and damaged in turn at each byte. */
static void test_messages_hide_the_text(void **state)
{
    lua_State *L = *state;
    const char text[] = "{\"hunter2\":[\"hunter2\",1.5,{\"hunter2\":\"a\\u00e9hunter2\"}],"
                        "\"t\":true}";
    size_t size = sizeof text - 1;
    for (size_t at = 0; at < size; at++) {
        assert_false(try_decode(L, text, at));
        assert_null(strstr(lua_tostring(L, -1), "hunter2"));
        lua_pop(L, 1);
        for (const char *c = "\"\\\n\x80" "0x,:[{"; *c != '\0'; c++) {
            char damaged[sizeof text];
            memcpy(damaged, text, sizeof text);
            damaged[at] = *c;
            if (!try_decode(L, damaged, size)) {
                assert_memory_equal(lua_tostring(L, -1), "invalid JSON: ", 14);
                assert_null(strstr(lua_tostring(L, -1), "hunter"));
            }
            lua_pop(L, 1);
        }
    }
}

static void test_scripts_cannot_reconfigure(void **state)
{
    lua_State *L = *state;
    luaopen_cjson(L);
    lua_setglobal(L, "cjson");
    run(L, "cjson.decode_invalid_numbers(true) cjson.decode_max_depth(1)\n"
           "assert(cjson.null == json.null)\n"
           "assert(not pcall(cjson.decode, '[[1]]'))\n"
           "assert(json.decode '[[1]]'[1][1] == 1)\n"
           "assert(not pcall(json.decode, 'NaN'))\n"
           "local known = {encode = 1, decode = 1, array = 1, null = 1}\n"
           "for name in pairs(json) do assert(known[name], name) end");
}

static void test_null(void **state)
{
    lua_State *L = *state;
    assert_int_equal(lua_gettop(L), 0);
    json_push_null(L);
    lua_pushnil(L);
    lua_pushlightuserdata(L, L);
    lua_pushinteger(L, 0);
    assert_true(json_is_null(L, 1));
    for (int i = 2; i <= 5; i++)
        assert_false(json_is_null(L, i));
    lua_settop(L, 0);
    assert_true(try_decode(L, "null", 4));
    assert_true(json_is_null(L, -1));
    lua_pop(L, 1);
}

/* Finalizers are scripts that run in the middle of any allocation. */
static void test_finalizers_may_use_the_codec(void **state)
{
    lua_State *L = *state;
    run(L, "collectgarbage('incremental', 1, 1000, 1)\n"
           "local runs, value = 0, {}\n"
           "local function again()\n"
           "  runs = runs + 1\n"
           "  value.k1 = nil value.k1 = {text = ('y'):rep(100)}\n"
           "  local text = '[12345678901234567,[]]'\n"
           "  assert(json.encode(json.decode(text)) == text)\n"
           "  setmetatable({}, {__gc = again})\n"
           "end\n"
           "again()\n"
           "for i = 1, 50 do\n"
           "  value['k' .. i] = {id = i, big = 12345678901234567, none = json.array()}\n"
           "end\n"
           "for i = 1, 200 do\n"
           "  local text = json.encode(value)\n"
           "  local back = json.decode(text)\n"
           "  assert(back.k2.big == 12345678901234567 and back.k50.id == 50)\n"
           "  assert(json.encode(back) == text)\n"
           "end\n"
           "assert(runs > 100, runs)\n"
           "again = function() end");
}

/* The names of an object's members are decoded between the scan of a value and its use. */
static void test_finalizers_may_use_the_codec_between_members(void **state)
{
    lua_State *L = *state;
    run(L, "collectgarbage('incremental', 1, 1000, 1)\n"
           "runs = 0\n"
           "local function again()\n"
           "  runs = runs + 1\n"
           "  local text = '[12345678901234567,[],\"' .. ('y'):rep(300) .. '\"]'\n"
           "  assert(json.encode(json.decode(text)) == text)\n"
           "  if runs < 3000 then setmetatable({}, {__gc = again}) end\n"
           "end\n"
           "again()\n"
           "local members = {}\n"
           "for i = 1, 300 do\n"
           "  members[i] = ('\"%s%d\":{\"big\":12345678901234567,\"none\":[],\"id\":%d}')"
           ":format(('n'):rep(50), i, i)\n"
           "end\n"
           "text = '{' .. table.concat(members, ',') .. '}'\n");
    size_t size;
    lua_getglobal(L, "text");
    const char *text = lua_tolstring(L, -1, &size);
    for (int i = 0; i < 5; i++) {
        lua_settop(L, 1);
        if (!try_decode(L, text, size))
            fail_msg("%s", lua_tostring(L, -1));
        check_members(L, text, size, "members between finalizers", true);
    }
    lua_settop(L, 0);
    run(L, "assert(runs > 100, runs) runs = 3000");
}

static int use_late(lua_State *L)
{
    int *status = lua_touserdata(L, lua_upvalueindex(1));
    lua_pushcfunction(L, call_encode);
    lua_pushinteger(L, 1);
    *status = lua_pcall(L, 1, 0, 0);
    return 0;
}

/* What was made before the codec is finalized after it. */
static void test_closed_state(void **state)
{
    (void)state;
    lua_State *L = luaL_newstate();
    int status = -1;
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushlightuserdata(L, &status);
    lua_pushcclosure(L, use_late, 1);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    luaopen_kelp_json(L);
    luaopen_kelp_json(L);
    lua_pushinteger(L, 1);
    json_encode(L);
    lua_close(L);
    assert_int_equal(status, LUA_ERRRUN);
}

struct budget {
    size_t left, held, peak;
    bool failed;
};

/* Every allocation from the first refused one on fails, as when memory is out. */
static void *allocate(void *context, void *block, size_t old_size, size_t size)
{
    struct budget *b = context;
    if (block == NULL)
        old_size = 0;
    if (size == 0) {
        b->held -= old_size;
        free(block);
        return NULL;
    }
    if (size > old_size) {
        b->failed = b->failed || b->left == 0;
        if (b->failed)
            return NULL;
        b->left--;
    }
    void *moved = realloc(block, size);
    if (moved != NULL)
        b->held = b->held - old_size + size;
    if (b->held > b->peak)
        b->peak = b->held;
    return moved;
}

static int encode_under_budget(lua_State *L)
{
    lua_settop(L, 1);
    json_encode(L);
    return 1;
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    bool done = false;
    size_t refused = 0;
    for (size_t n = 0; !done; n++) {
        struct budget budget = {.left = SIZE_MAX};
        lua_State *L = lua_newstate(allocate, &budget);
        luaL_openlibs(L);
        luaopen_kelp_json(L);
        lua_setglobal(L, "json");
        lua_pushcfunction(L, encode_under_budget);
        run(L, "local t = {}\n"
               "for i = 1, 40 do t['k' .. i] = {('x'):rep(50), i, {i + 0.5}} end\n"
               "return t");
        budget.left = n;
        done = lua_pcall(L, 1, 1, 0) == LUA_OK;
        budget = (struct budget){.left = SIZE_MAX, .held = budget.held};
        if (!done) {
            refused++;
            assert_string_equal(lua_tostring(L, -1), "not enough memory");
            run(L, "assert(json.encode {1, {}} == '[1,{}]')");
        }
        lua_close(L);
        assert_int_equal(budget.held, 0);
    }
    assert_true(refused >= 4);
}

/* Scratch follows the text and the depth, not the number of members, and what a
 * large text needed is given back. */
static void test_memory_stays_small(void **state)
{
    (void)state;
    struct budget budget = {.left = SIZE_MAX};
    lua_State *L = lua_newstate(allocate, &budget);
    luaL_openlibs(L);
    luaopen_kelp_json(L);
    lua_settop(L, 0);
    lua_gc(L, LUA_GCCOLLECT);
    size_t empty = budget.held;
    run(L, "local t = {} for i = 1, 20000 do t[i] = {a = true} end return t");
    lua_gc(L, LUA_GCCOLLECT);
    size_t before = budget.held;
    budget.peak = before;
    assert_true(try_encode(L));
    assert_int_equal(lua_rawlen(L, -1), 20000 * 11 + 1);
    assert_true(budget.peak - before < 700000);
    lua_settop(L, 0);
    lua_gc(L, LUA_GCCOLLECT);
    assert_true(budget.held < empty + 100000);
    lua_close(L);
    assert_int_equal(budget.held, 0);
}

/* os.setlocale is in every script's reach. */
static void test_locale_with_a_comma(void **state)
{
    lua_State *L = *state;
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR"};
    const char *found = NULL;
    for (size_t i = 0; found == NULL && i < sizeof names / sizeof *names; i++)
        found = setlocale(LC_NUMERIC, names[i]);
    if (found == NULL)
        skip();
    check_text(L, "{1.5, -1/3, 1e-7}", "[1.5,-0.33333333333333331,1e-07]", true);
    bool read = try_decode(L, "[1.5]", 5);
    setlocale(LC_NUMERIC, "C");
    assert_true(read);
    assert_true(try_encode(L));
    assert_string_equal(lua_tostring(L, -1), "[1.5]");
    lua_pop(L, 1);
}

static void test_large_values(void **state)
{
    lua_State *L = *state;
    check_round_trip(L, "local t = {}\n"
                        "for i = 1, 20000 do t['key' .. i] = {n = i * 1000000007 * 1000003} end\n"
                        "return t");
    check_round_trip(L, "local t = {} for i = 1, 20000 do t[i] = i + 0.25 end return t");
    check_round_trip(L, "return {('\\1'):rep(300000),"
                        "('\\u{4E2D}'):rep(100000), ('a'):rep(70000)}");
}

int main(void)
{
#define WITH_STATE(test) cmocka_unit_test_setup_teardown(test, open_state, close_state)
    const struct CMUnitTest tests[] = {
        WITH_STATE(test_cases),
        WITH_STATE(test_large_members),
        WITH_STATE(test_integers_are_exact),
        WITH_STATE(test_integers_too_long),
        WITH_STATE(test_floats_round_trip),
        WITH_STATE(test_floats_read_as_strtod_reads_them),
        WITH_STATE(test_encoding),
        WITH_STATE(test_encoding_refuses),
        WITH_STATE(test_encoding_depth),
        WITH_STATE(test_a_key_stands_once),
        WITH_STATE(test_array_marks),
        WITH_STATE(test_secrets_stay_closed),
        WITH_STATE(test_text_caps),
        WITH_STATE(test_messages_hide_the_text),
        WITH_STATE(test_scripts_cannot_reconfigure),
        WITH_STATE(test_null),
        WITH_STATE(test_finalizers_may_use_the_codec),
        WITH_STATE(test_finalizers_may_use_the_codec_between_members),
        cmocka_unit_test(test_closed_state),
        cmocka_unit_test(test_memory_runs_out),
        cmocka_unit_test(test_memory_stays_small),
        WITH_STATE(test_locale_with_a_comma),
        WITH_STATE(test_large_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
