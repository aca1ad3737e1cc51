/* embedded: what is linked in loads, is found by require, and gives way to
 * KELP_SCRIPTS. The table under test is the program's own. */
#define _GNU_SOURCE /* asprintf */
#include "lua/embedded.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int setup(void **state)
{
    unsetenv("KELP_SCRIPTS");
    lua_State *L = luaL_newstate();
    if (L == NULL)
        return -1;
    luaL_openlibs(L);
    embedded_install(L);
    *state = L;
    return 0;
}

static int teardown(void **state)
{
    lua_close(*state);
    return 0;
}

static void run(lua_State *L, const char *code)
{
    if (luaL_dostring(L, code) != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
}

static const struct embedded_file *file(const char *name)
{
    for (const struct embedded_file *f = embedded_files; f->name != NULL; f++)
        if (strcmp(f->name, name) == 0)
            return f;
    fail_msg("%s is not embedded", name);
    return NULL;
}

static void test_sorted(void **state)
{
    (void)state;
    assert_non_null(embedded_files[0].name);
    for (const struct embedded_file *f = embedded_files; f[1].name != NULL; f++)
        assert_true(strcmp(f[0].name, f[1].name) < 0);
    file("argparse");
}

static int same_bytes(lua_State *L, const void *bytes, size_t size, void *rest)
{
    (void)L;
    const char **expected = rest;
    assert_memory_equal(*expected, bytes, size);
    *expected += size;
    return 0;
}

/* What is embedded is the file on disk, compiled under its built-in name. */
static void test_is_the_file(void **state)
{
    lua_State *L = *state;
    const struct embedded_file *show = file("kelp/show");
    char *path = NULL;
    assert_true(asprintf(&path, "%s/scripts/kelp/show.lua", SOURCE_DIR) > 0);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    char *text = malloc(1 << 20);
    size_t size = fread(text, 1, 1 << 20, in);
    assert_int_equal(luaL_loadbufferx(L, text, size, "@builtin/kelp/show.lua", "t"), LUA_OK);
    const char *expected = show->chunk;
    assert_int_equal(lua_dump(L, same_bytes, &expected, 0), 0);
    assert_int_equal(expected - show->chunk, show->size);
    lua_settop(L, 0);
    fclose(in);
    free(text);
    free(path);
}

static void test_every_file_compiles(void **state)
{
    lua_State *L = *state;
    for (const struct embedded_file *f = embedded_files; f->name != NULL; f++) {
        if (embedded_load(L, f->name) != LUA_OK)
            fail_msg("%s", lua_tostring(L, -1));
        assert_int_equal(lua_gettop(L), 1);
        lua_Debug about;
        assert_int_equal(lua_getinfo(L, ">S", &about), 1);
        char *source = NULL;
        assert_true(asprintf(&source, "@builtin/%s.lua", f->name) > 0);
        assert_string_equal(about.source, source);
        free(source);
    }
}

static void test_absent(void **state)
{
    lua_State *L = *state;
    assert_int_equal(embedded_load(L, "kelp/none"), LUA_ERRFILE);
    assert_string_equal(lua_tostring(L, -1), "no built-in file 'kelp/none'");
    assert_int_equal(lua_gettop(L), 1);
}

static void test_require(void **state)
{
    lua_State *L = *state;
    run(L, "local lag, from = require 'simulator.lag'\n"
           "assert(type(lag) == 'table')\n"
           "assert(from == 'builtin/simulator/lag.lua', from)\n"
           "assert(require 'simulator.lag' == lag)\n"
           "assert(type(require 'argparse') == 'table' or type(require 'argparse') == 'function')");
    run(L, "local ok, why = pcall(require, 'kelp/show')\n"
           "assert(not ok and why:find(\"no built-in module 'kelp/show'\", 1, true), why)");
    run(L, "local ok, why = pcall(require, 'no.such')\n"
           "assert(not ok and why:find(\"no built-in module 'no.such'\", 1, true), why)");
}

static void test_other_searchers_stay(void **state)
{
    lua_State *L = *state;
    run(L, "assert(#package.searchers == 5)\n"
           "package.preload.mine = function() return 'preloaded' end\n"
           "assert(require 'mine' == 'preloaded')");
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char *path = NULL;
    assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
    free(path);
}

static void remove_in(const char *folder, const char *name)
{
    char *path = NULL;
    assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
    assert_int_equal(remove(path), 0);
    free(path);
}

static void test_folder_replaces(void **state)
{
    lua_State *L = *state;
    char folder[] = "/tmp/kelp-embedded-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *below = NULL;
    assert_true(asprintf(&below, "%s/kelp", folder) > 0);
    assert_int_equal(mkdir(below, 0700), 0);
    assert_int_equal(setenv("KELP_SCRIPTS", folder, 1), 0);

    write_file(below, "show.lua",
               "#!first line\nreturn { mine = debug.getinfo(1, 'l').currentline }");
    write_file(folder, "argparse.lua", "return return");
    write_file(folder, "extra.lua", "return 'only files that are built in are replaced'");
    run(L, "assert(require 'kelp.show'.mine == 2)");
    run(L, "local ok, why = pcall(require, 'argparse')\n"
           "local said = \"error loading built-in module 'argparse'\"\n"
           "assert(not ok and why:find(said, 1, true), why)\n"
           "assert(why:find('argparse.lua:1:', 1, true), why)");
    run(L, "assert(not pcall(require, 'extra'))");
    remove_in(folder, "argparse.lua");
    run(L, "assert(require 'argparse')");

    remove_in(folder, "extra.lua");
    remove_in(below, "show.lua");
    assert_int_equal(rmdir(below), 0);
    assert_int_equal(rmdir(folder), 0);
    free(below);
    unsetenv("KELP_SCRIPTS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sorted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_is_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_file_compiles, setup, teardown),
        cmocka_unit_test_setup_teardown(test_absent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_require, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_searchers_stay, setup, teardown),
        cmocka_unit_test_setup_teardown(test_folder_replaces, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
