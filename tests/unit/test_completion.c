#include "lua/completion.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char world[] =
    "kelp = { confluent = print, connect = print, version = '1', ['not-a-name'] = 1, _raw = 1 }\n"
    "local base = { wait = print, restart = print, limit = 1 }\n"
    "target = setmetatable({ name = 'prod', can = { stop = true } },\n"
    "  { __index = base, __completions = { 'list', 'update', 'bad name' } })\n"
    "keyed = setmetatable({}, { __completions = { create = true } })\n"
    "trap = setmetatable({ inside = 1 }, { __index = function() error 'read' end,\n"
    "  __pairs = function() error 'walked' end, __len = function() error 'measured' end })\n"
    "ring = {}\n"
    "setmetatable(ring, { __index = ring })\n"
    "text = 'abc'\n"
    "setmetatable(_G, { __index = { inherited = { deep = 1 } } })\n";

static int setup(void **state)
{
    lua_State *L = luaL_newstate();
    if (L == NULL)
        return -1;
    luaL_openlibs(L);
    *state = L;
    return luaL_dostring(L, world) == LUA_OK ? 0 : -1;
}

static int teardown(void **state)
{
    lua_close(*state);
    return 0;
}

/* The candidates joined by spaces are `expected`, and `typed` bytes are there. */
static void offers(lua_State *L, const char *line, const char *expected, int typed)
{
    lua_settop(L, 0);
    lua_pushcfunction(L, completion_line);
    lua_pushstring(L, line);
    if (lua_pcall(L, 1, 2, 0) != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
    assert_int_equal(lua_gettop(L), 2);
    if (typed >= 0)
        assert_int_equal(lua_tointeger(L, 2), typed);
    luaL_Buffer joined;
    luaL_buffinit(L, &joined);
    for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, 1); i++) {
        if (i > 1)
            luaL_addchar(&joined, ' ');
        lua_rawgeti(L, 1, i);
        luaL_addvalue(&joined);
    }
    luaL_pushresult(&joined);
    assert_string_equal(lua_tostring(L, -1), expected);
}

static void test_globals_and_keywords(void **state)
{
    offers(*state, "ke", "kelp keyed", 2);
    offers(*state, "x = 1 + targ", "target", 4);
    offers(*state, "f(re", "repeat require return", 2);
    offers(*state, "inh", "inherited", 3);
    offers(*state, "_VER", "_VERSION", 4);
    offers(*state, "nosuch", "", 6);
}

/* Without libraries a state has no globals but these. */
static void test_nothing_typed_lists_plain_globals(void **state)
{
    (void)state;
    lua_State *L = luaL_newstate();
    assert_non_null(L);
    assert_int_equal(luaL_dostring(L, "zebra, apple, _hidden = 1, 2, 3"), LUA_OK);
    offers(L, "", "apple zebra", 0);
    offers(L, "f(apple..", "apple zebra", 0);
    offers(L, "_", "_hidden", 1);
    lua_close(L);
}

static void test_fields(void **state)
{
    offers(*state, "kelp.", "confluent connect version", 0);
    offers(*state, "kelp.con", "confluent connect", 3);
    offers(*state, "kelp._", "_raw", 1);
    offers(*state, "return #kelp.v", "version", 1);
    offers(*state, "inherited.d", "deep", 1);
    offers(*state, "target.can.", "stop", 0);
    offers(*state, "string.form", "format", 4);
}

static void test_inherited_and_listed(void **state)
{
    offers(*state, "target.", "can limit list name restart update wait", 0);
    offers(*state, "target:", "list restart update wait", 0);
    offers(*state, "target:re", "restart", 2);
    offers(*state, "keyed:c", "create", 1);
    offers(*state, "text:up", "upper", 2);
}

static void test_nothing_runs(void **state)
{
    offers(*state, "trap.", "inside", 0);
    offers(*state, "trap.other.", "", -1);
    offers(*state, "ring.x.", "", -1);
    offers(*state, "ring.", "", 0);
}

static void test_what_has_no_value_yet(void **state)
{
    offers(*state, "f().", "", -1);
    offers(*state, "t[1].na", "", -1);
    offers(*state, "('x'):up", "", -1);
    offers(*state, "kelp.nosuch.", "", -1);
    offers(*state, "target:can.st", "", -1);
    offers(*state, "1.", "", -1);
    offers(*state, "12", "", -1);
    offers(*state, "text.", "byte char dump find format gmatch gsub len lower match pack packsize "
           "rep reverse sub unpack upper", 0);
}

static void test_concatenation(void **state)
{
    offers(*state, "text..ke", "kelp keyed", 2);
    offers(*state, "text..kelp.v", "version", 1);
}

static void test_strings_and_comments(void **state)
{
    offers(*state, "kelp.target \"ke", "", -1);
    offers(*state, "kelp.target 'it\\'s ke", "", -1);
    offers(*state, "f(\"don't\") ke", "kelp keyed", 2);
    offers(*state, "x = 1 -- ke", "", -1);
    offers(*state, "x = 1 - ke", "kelp keyed", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_globals_and_keywords, setup, teardown),
        cmocka_unit_test(test_nothing_typed_lists_plain_globals),
        cmocka_unit_test_setup_teardown(test_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inherited_and_listed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_has_no_value_yet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_concatenation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_strings_and_comments, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
