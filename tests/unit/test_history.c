#define _GNU_SOURCE /* asprintf */
#include "base/buffer.h"
#include "lua/history.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char folder[32];
    char *path; /* two folders that do not exist yet below it */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    strcpy(f->folder, "/tmp/kelp-recall-XXXXXX");
    if (mkdtemp(f->folder) == NULL || asprintf(&f->path, "%s/a/b/history", f->folder) < 0)
        return -1;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    unlink(f->path);
    while (strlen(f->path) > strlen(f->folder)) {
        *strrchr(f->path, '/') = '\0';
        if (rmdir(f->path) != 0 && errno != ENOENT)
            return -1; /* something was left behind */
    }
    free(f->path);
    free(f);
    return 0;
}

static void collect(void *data, const char *statement)
{
    buffer_printf(data, "[%s]", statement);
}

static void holds(const char *path, size_t keep, const char *expected)
{
    struct buffer all;
    buffer_init(&all, 1 << 20);
    assert_int_equal(history_read(path, keep, collect, &all), 0);
    assert_string_equal(buffer_text(&all), expected);
    buffer_free(&all);
}

static void write_raw(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void test_what_is_added_comes_back(void **state)
{
    struct fixture *f = *state;
    holds(f->path, 10, "");
    assert_int_equal(history_add(f->path, "x = 1"), 0);
    assert_int_equal(history_add(f->path, "for i = 1, 2 do\n  print \"a\\nb\\\\\"\nend"), 0);
    assert_int_equal(history_add(f->path, "\\"), 0);
    holds(f->path, 10, "[x = 1][for i = 1, 2 do\n  print \"a\\nb\\\\\"\nend][\\]");
}

static void test_owner_only(void **state)
{
    struct fixture *f = *state;
    mode_t old = umask(0);
    assert_int_equal(history_add(f->path, "x"), 0);
    struct stat about;
    assert_int_equal(stat(f->path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    assert_int_equal(chmod(f->path, 0644), 0);
    assert_int_equal(history_add(f->path, "y"), 0);
    assert_int_equal(stat(f->path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    *strrchr(f->path, '/') = '\0';
    assert_int_equal(stat(f->path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0700);
    f->path[strlen(f->path)] = '/';
    umask(old);
}

static void test_only_the_newest_are_kept(void **state)
{
    struct fixture *f = *state;
    struct stat about;
    for (char name[] = "a"; name[0] <= 'e'; name[0]++)
        assert_int_equal(history_add(f->path, name), 0);
    holds(f->path, 4, "[b][c][d][e]");
    assert_int_equal(stat(f->path, &about), 0);
    assert_int_equal(about.st_size, 10); /* a quarter too many is left alone */
    assert_int_equal(history_add(f->path, "f"), 0);
    holds(f->path, 4, "[c][d][e][f]");
    assert_int_equal(stat(f->path, &about), 0);
    assert_int_equal(about.st_size, 8);
    holds(f->path, 4, "[c][d][e][f]");
}

static void test_damaged_files(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(history_add(f->path, "x"), 0);
    write_raw(f->path, "", 0);
    holds(f->path, 4, "");
    write_raw(f->path, "half", 4);
    holds(f->path, 4, "");
    write_raw(f->path, "a\n\nb\\x\\", 8);
    holds(f->path, 4, "[a]");
    write_raw(f->path, "a\0b\nc\\\nd", 9);
    holds(f->path, 4, "[a][c\\]");
}

static void test_failures_are_told(void **state)
{
    struct fixture *f = *state;
    struct buffer none;
    buffer_init(&none, 0);
    assert_int_equal(history_add("/dev/null/history", "x"), ENOTDIR);
    assert_int_equal(history_read("/dev/null/history", 1, collect, &none), ENOTDIR);
    assert_int_equal(history_read(f->folder, 1, collect, &none), EISDIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_added_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_owner_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_the_newest_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures_are_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
