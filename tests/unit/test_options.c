#include "base/buffer.h"
#include "options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_WORDS = 16 };

struct parsed {
    struct options options;
    struct buffer error;
    char *argv[MAX_WORDS + 1];
    char *owned[MAX_WORDS + 1]; /* the same; parsing moves those of argv */
    bool ok;
};

static void parse(struct parsed *p, ...)
{
    *p = (struct parsed){.argv = {strdup("kelp")}};
    buffer_init(&p->error, 4096);
    int argc = 1;
    va_list words;
    va_start(words, p);
    for (const char *w; (w = va_arg(words, const char *)) != NULL;)
        p->argv[argc++] = strdup(w);
    va_end(words);
    memcpy(p->owned, p->argv, sizeof p->owned);
    p->ok = options_parse(&p->options, argc, p->argv, &p->error);
}

static void release(struct parsed *p)
{
    options_free(&p->options);
    buffer_free(&p->error);
    for (char **w = p->owned; *w != NULL; w++)
        free(*w);
}

static void refused(const char *option, const char *value, const char *message)
{
    struct parsed p;
    parse(&p, option, value, NULL);
    assert_false(p.ok);
    assert_string_equal(buffer_text(&p.error), message);
    release(&p);
}

static void test_nothing(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, NULL);
    assert_true(p.ok);
    assert_int_equal(p.options.script.kind, SCRIPT_NONE);
    assert_int_equal(p.options.script.index, 1);
    assert_int_equal(p.options.log_level, LOG_NOTICE);
    assert_int_equal(p.options.action_count, 0);
    assert_int_equal(p.options.concurrency, 0);
    assert_true(p.options.rate >= 0 && p.options.rate <= 0);
    assert_false(p.options.simulator || p.options.json_output || p.options.log_json ||
                 p.options.interactive || p.options.help || p.options.version);
    release(&p);
}

static void test_every_option_in_both_forms(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, "--sim", "--concurrency", "32", "--rate=2.5/s", "--timeout", "0.25", "--output=json",
          "--log", "debug", "--log-format=json", "-i", "-v", "x.lua", NULL);
    assert_true(p.ok);
    assert_true(p.options.simulator && p.options.json_output && p.options.log_json);
    assert_true(p.options.interactive && p.options.version && !p.options.version_only);
    assert_int_equal(p.options.concurrency, 32);
    assert_true(p.options.rate == 2.5);
    assert_true(p.options.timeout == 0.25);
    assert_int_equal(p.options.log_level, LOG_DEBUG);
    release(&p);

    parse(&p, "--concurrency=1", "--rate", "5", "--timeout=30", "--output", "text", "--log=none",
          "--log-format", "text", NULL);
    assert_true(p.ok);
    assert_int_equal(p.options.concurrency, 1);
    assert_true(p.options.rate == 5.0);
    assert_true(p.options.timeout == 30.0);
    assert_false(p.options.json_output || p.options.log_json);
    assert_int_equal(p.options.log_level, LOG_NONE);
    release(&p);
}

static void test_last_one_wins(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, "--output", "json", "--output", "text", "--rate=1", "--rate=0.1", NULL);
    assert_true(p.ok);
    assert_false(p.options.json_output);
    assert_true(p.options.rate == 0.1);
    release(&p);
}

static void test_actions_keep_their_order(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, "-e", "a = 1", "-l", "os2=os", "-eb = -2", "-lstring", "-e", "-- only a comment",
          NULL);
    assert_true(p.ok);
    static const struct script_action expected[] = {
        {SCRIPT_STATEMENT, "a = 1"},
        {SCRIPT_REQUIRE, "os2=os"},
        {SCRIPT_STATEMENT, "b = -2"},
        {SCRIPT_REQUIRE, "string"},
        {SCRIPT_STATEMENT, "-- only a comment"},
    };
    assert_int_equal(p.options.action_count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(p.options.actions[i].kind, expected[i].kind);
        assert_string_equal(p.options.actions[i].text, expected[i].text);
    }
    assert_int_equal(p.options.script.kind, SCRIPT_NONE);
    release(&p);
}

static void runs(const char *before, const char *word, int run, int script)
{
    struct parsed p;
    parse(&p, before, word, "--only", "not-looked-at", NULL);
    assert_true(p.ok);
    assert_int_equal(p.options.script.kind, run);
    assert_int_equal(p.options.script.index, script);
    release(&p);
}

static void test_what_runs(void **state)
{
    (void)state;
    runs("--sim", "fix.lua", SCRIPT_FILE, 2);
    runs("--sim", "./fix", SCRIPT_FILE, 2);
    runs("--sim", "/srv/fix", SCRIPT_FILE, 2);
    runs("--sim", "migrate", SCRIPT_COMMAND, 2);
    runs("--sim", ".lua", SCRIPT_COMMAND, 2);
    runs("--sim", "-", SCRIPT_STDIN, 2);
    runs("--", "-dash.lua", SCRIPT_FILE, 2);
    runs("--", "-", SCRIPT_COMMAND, 2);
    runs("list", "--sim", SCRIPT_COMMAND, 1);
    runs("", "list", SCRIPT_COMMAND, 1);

    struct parsed p;
    parse(&p, "-iv", "--", NULL);
    assert_true(p.ok && p.options.interactive && p.options.version);
    assert_int_equal(p.options.script.kind, SCRIPT_NONE);
    assert_int_equal(p.options.script.index, 3);
    release(&p);
}

static void test_help_and_version_quit(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, "--help", "list", NULL);
    assert_true(p.ok && p.options.help && !p.options.version);
    release(&p);
    parse(&p, "--version", NULL);
    assert_true(p.ok && p.options.version_only && p.options.version && !p.options.help);
    release(&p);
}

static void test_numbers_are_strict(void **state)
{
    (void)state;
    static const char *const bad[] = {"",     "abc", "-1",   "+1",  "0",    "0.0", "inf", "nan",
                                      "1e3",  "0x1", " 1",   "1 ",  "1.2.3", ".",  "5/m", "5/s/s",
                                      "1,5",  "1234567890123456", "/s"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char message[256];
        snprintf(message, sizeof message,
                 "--rate: '%s' is not a number of requests per second such as 5 or 5/s",
                 bad[i]);
        refused("--rate", bad[i], message);
        snprintf(message, sizeof message,
                 "--timeout: '%s' is not a number of seconds such as 30 or 2.5", bad[i]);
        refused("--timeout", bad[i], message);
        snprintf(message, sizeof message,
                 "--concurrency: '%s' is not a whole number from 1 to 1000", bad[i]);
        refused("--concurrency", bad[i], message);
    }
    refused("--timeout", "5/s", "--timeout: '5/s' is not a number of seconds such as 30 or 2.5");
    refused("--concurrency", "1.5", "--concurrency: '1.5' is not a whole number from 1 to 1000");
    refused("--concurrency", "2.0", "--concurrency: '2.0' is not a whole number from 1 to 1000");
    refused("--concurrency", "1001",
            "--concurrency: '1001' is not a whole number from 1 to 1000");
}

static void test_options_behind_a_command(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, "list", "--output", "json", "prod", "--timeout=5", "--plan", NULL);
    assert_true(p.ok && p.options.json_output && p.options.plan);
    assert_float_equal(p.options.timeout, 5, 0);
    assert_int_equal(p.options.script.argc, 3);
    assert_string_equal(p.options.script.argv[2], "prod");
    release(&p);
    /* The command's own, what stands behind "--", and what belongs to a script. */
    parse(&p, "migrate", "--timeout", "5", "--", "--output", "json", NULL);
    assert_true(p.ok && p.options.timeout == 0 && !p.options.json_output);
    assert_int_equal(p.options.script.argc, 7);
    release(&p);
    parse(&p, "job.lua", "--output", "json", NULL);
    assert_true(p.ok && !p.options.json_output);
    release(&p);
    parse(&p, "list", "--output", NULL);
    assert_false(p.ok);
    assert_string_equal(buffer_text(&p.error), "--output needs a value: --output FORMAT");
    release(&p);
}

static void test_refusals(void **state)
{
    (void)state;
    refused("--output", "yaml", "--output: 'yaml' is not text or json");
    refused("--log-format", "", "--log-format: '' is not text or json");
    refused("--log", "loud",
            "--log: 'loud' is not none, error, warning, info, debug or trace");
    refused("-l", "=os", "-l: '=os' is not MOD or GLOBAL=MOD");
    refused("-l", "g=", "-l: 'g=' is not MOD or GLOBAL=MOD");
    refused("-l", "", "-l: '' is not MOD or GLOBAL=MOD");
    refused("--sim", "--sim=yes", "--sim takes no value");
    refused("--rate", NULL, "--rate needs a value: --rate N/s");
    refused("-e", NULL, "-e needs a value: -e STAT");
    refused("--rat", "5", "unknown option '--rat'; did you mean '--rate'? (kelp --help lists all)");
    refused("--rates", "5", "unknown option '--rates'; did you mean '--rate'? (kelp --help lists all)");
    refused("--concurrenc=5", NULL, "unknown option '--concurrenc'; did you mean '--concurrency'? (kelp --help lists all)");
    refused("-iE", NULL, "unknown option '-iE' (kelp --help lists all)");
    refused("-E", NULL, "unknown option '-E' (kelp --help lists all)");
    refused("--=", NULL, "unknown option '--' (kelp --help lists all)");
}

static void test_restricted(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, "--restricted", "--manifest=m.lua", "--memory-limit", "16", "--time-limit=1.5", "x.lua",
          NULL);
    assert_true(p.ok && p.options.restricted);
    assert_string_equal(p.options.manifest, "m.lua");
    assert_true(p.options.memory_limit == (size_t)16 * 1024 * 1024);
    assert_true(p.options.time_limit == 1.5);
    release(&p);
    parse(&p, "--restricted", "-", NULL);
    assert_true(p.ok && p.options.manifest == NULL && p.options.memory_limit == 0);
    release(&p);
    static const char *const mixed[][3] = {
        {"-e", "x = 1", "--restricted runs a script: it goes with none of -e, -l, -i"},
        {"-l", "os", "--restricted runs a script: it goes with none of -e, -l, -i"},
        {"-i", "x.lua", "--restricted runs a script: it goes with none of -e, -l, -i"},
        {"--", "list", "--restricted runs a script, not a command (a script's name ends in .lua)"},
    };
    for (size_t i = 0; i < sizeof mixed / sizeof *mixed; i++) {
        parse(&p, "--restricted", mixed[i][0], mixed[i][1], NULL);
        assert_false(p.ok);
        assert_string_equal(buffer_text(&p.error), mixed[i][2]);
        release(&p);
    }
    refused("--manifest", "m.lua", "--manifest needs --restricted");
    refused("--manifest", "", "--manifest: '' is not a file");
    static const char *const sizes[] = {"0", "1.5", "-1", "1048577", "16M", ""};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char message[128];
        snprintf(message, sizeof message,
                 "--memory-limit: '%s' is not a whole number of MiB from 1 to 1048576", sizes[i]);
        refused("--memory-limit", sizes[i], message);
    }
    refused("--time-limit", "0", "--time-limit: '0' is not a number of seconds such as 30 or 2.5");
    refused("--time-limit", "200000000",
            "--time-limit: '200000000' is not a number of seconds such as 30 or 2.5");
}

static void test_values_are_shown_harmless(void **state)
{
    (void)state;
    refused("--output", "\033[2Jx", "--output: '\\x1b[2Jx' is not text or json");
    refused("--password=not-a-real-password", NULL,
            "unknown option '--password' (kelp --help lists all)");
}

static void test_full_error_buffer(void **state)
{
    (void)state;
    char *argv[] = {strdup("kelp"), strdup("--rate"), strdup("abc"), NULL};
    struct buffer error;
    struct options o;
    buffer_init(&error, 0);
    assert_false(options_parse(&o, 3, argv, &error));
    assert_string_equal(buffer_text(&error), "");
    options_free(&o);
    buffer_free(&error);
    for (int i = 0; i < 3; i++)
        free(argv[i]);
}

/* Each line of the help that starts with a dash is fed back to the parser: what
 * is listed is taken, with an argument exactly when one is listed. */
static void test_help_and_parser_agree(void **state)
{
    (void)state;
    struct buffer usage;
    buffer_init(&usage, 1 << 16);
    assert_true(options_usage(&usage));
    int lines = 0, options = 0;
    for (char *line = strtok(usage.data, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        lines++;
        assert_true(strlen(line) <= 80);
        if (strncmp(line, "  -", 3) != 0)
            continue;
        options++;
        char name[32], next[32];
        assert_int_equal(sscanf(line, " %31s %31s", name, next), 2);
        bool takes = next[0] >= 'A' && next[0] <= 'Z';
        struct parsed p;
        parse(&p, name, NULL);
        assert_int_equal(p.ok, !takes);
        release(&p);
        char message[128];
        snprintf(message, sizeof message, "%s needs a value: %s %s", name, name, next);
        parse(&p, name, NULL);
        assert_string_equal(buffer_text(&p.error), takes ? message : "");
        release(&p);
    }
    assert_int_equal(options, 24);
    assert_true(lines <= 40);
    buffer_free(&usage);
}

static void test_version(void **state)
{
    (void)state;
    struct buffer text;
    buffer_init(&text, 256);
    assert_true(options_version(&text));
    int major, minor, patch;
    char newline;
    assert_int_equal(sscanf(buffer_text(&text), "kelp %d.%d.%d (Lua 5.4.%*d)%c", &major, &minor,
                            &patch, &newline), 4);
    assert_int_equal(newline, '\n');
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_every_option_in_both_forms),
        cmocka_unit_test(test_last_one_wins),
        cmocka_unit_test(test_actions_keep_their_order),
        cmocka_unit_test(test_what_runs),
        cmocka_unit_test(test_help_and_version_quit),
        cmocka_unit_test(test_numbers_are_strict),
        cmocka_unit_test(test_options_behind_a_command),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_restricted),
        cmocka_unit_test(test_values_are_shown_harmless),
        cmocka_unit_test(test_full_error_buffer),
        cmocka_unit_test(test_help_and_parser_agree),
        cmocka_unit_test(test_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
