/* What chooses by name, and what helps when a name is misspelt: base/glob, base/nearest. */
#include "base/glob.h"
#include "base/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_a_glob_matches_whole_names(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *name;
        bool matches;
    } rows[] = {
        {"orders", "orders", true},        {"orders", "orders-2", false},
        {"orders-*", "orders-", true},     {"orders-*", "orders-eu/west", true},
        {"*", "", true},                   {"*", ".hidden", true},
        {"a?c", "abc", true},              {"a?c", "ac", false},
        {"s[0-9]", "s7", true},            {"s[!0-9]", "s7", false},
        {"s[]x]", "s]", true},             {"a.c", "abc", false},
        {"audit-s3-020", "audit-s3-020", true}, {"a\\*", "a*", false},
        {"a\\*", "a\\b", true},            {"Orders", "orders", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (glob_matches(rows[i].pattern, rows[i].name) != rows[i].matches)
            fail_msg("'%s' and '%s'", rows[i].pattern, rows[i].name);
    }
}

static void test_a_glob_that_cannot_be_meant_is_told(void **state)
{
    (void)state;
    assert_string_equal(glob_fault("x["), "has a '[' without its ']'");
    assert_string_equal(glob_fault("x[]"), "has a '[' without its ']'");
    assert_string_equal(glob_fault("x[!]"), "has a '[' without its ']'");
    assert_string_equal(glob_fault("[a][b"), "has a '[' without its ']'");
    assert_string_equal(glob_fault(""), "is empty");
    static const char *const good[] = {"x", "x]", "[]]", "[!]]", "[a-z]*?[^b]"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_null(glob_fault(good[i]));
    assert_true(glob_is_pattern("a*") && glob_is_pattern("?") && glob_is_pattern("[a]"));
    assert_false(glob_is_pattern("a.b-c]"));
}

static void test_the_nearest_word(void **state)
{
    (void)state;
    static const char *const words[] = {"failed", "running", "paused", "stopped", "pending",
                                        "orders-sink", "orders-source", "flush.size"};
    static const struct {
        const char *word, *nearest;
    } rows[] = {
        {"faild", "failed"},          {"FAILED", "failed"},          {"flsh.size", "flush.size"},
        {"oders-sink", "orders-sink"}, {"runnign", "running"},        {"pased", "paused"},
        {"orders-sorce", "orders-source"}, {"xyz", NULL},            {"", NULL},
        {"flush", "flush.size"},      {"orders-", NULL},             {"s", NULL},
        {"completely different", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *found = nearest_word(rows[i].word, words, sizeof words / sizeof *words);
        const char *wanted = rows[i].nearest;
        if ((found == NULL) != (wanted == NULL) || (found != NULL && strcmp(found, wanted) != 0))
            fail_msg("'%s': %s", rows[i].word, found != NULL ? found : "none");
    }
    assert_null(nearest_word("a", NULL, 0));
}

static void test_a_long_word_is_near_to_none(void **state)
{
    (void)state;
    char word[600];
    memset(word, 'a', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    const char *const words[] = {word, "aaa"};
    assert_null(nearest_word(word, words, 2));
    assert_string_equal(nearest_word("aaaa", words, 2), "aaa");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_glob_matches_whole_names),
        cmocka_unit_test(test_a_glob_that_cannot_be_meant_is_told),
        cmocka_unit_test(test_the_nearest_word),
        cmocka_unit_test(test_a_long_word_is_near_to_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
