/* The redactor over whole texts and over streams, the keyring, commands, and what
 * the host makes of standard output. */
#define _GNU_SOURCE
#include "base/buffer.h"
#include "secret/command.h"
#include "secret/keyring.h"
#include "secret/secret.h"
#include "base/text.h"
#include "providers/provider.h"
#include "secret/hardening.h"
#include "connector/sensitive_values.h"
#include "providers/password_keys.h"
#include "providers/provider.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int forget(void **state)
{
    (void)state;
    secret_judge_keys(NULL);
    secret_forget_all();
    keyring_forget_all();
    return 0;
}

static void expect_redacted(const char *text, const char *expected)
{
    struct buffer b;
    buffer_init(&b, 100000);
    assert_true(secret_redact(&b, text, strlen(text)));
    assert_string_equal(buffer_text(&b), expected);
    buffer_free(&b);
}

/* ---- forms ---- */

static const char value[] = "not a+real/p%41ss\"w\\ord\n\x01\xc3\xa9?";

static void every_form_of_a_value_is_found(void **state)
{
    static const char *const forms[] = {
        value,
        /* percent, digits of either case, '+' for a space, all of it */
        "not%20a%2Breal%2Fp%2541ss%22w%5Cord%0A%01%C3%A9%3F",
        "not%20a%2breal%2fp%2541ss%22w%5cord%0a%01%c3%a9%3f",
        "not+a%2Breal%2Fp%2541ss%22w%5Cord%0A%01%C3%A9%3F",
        "%6Eo%74%20%61%2Breal%2Fp%2541ss%22w%5Cord%0A%01%C3%A9%3F",
        /* JSON: short escapes, with '/' escaped, all by number, non-ASCII by number */
        "not a+real/p%41ss\\\"w\\\\ord\\n\\u0001\xc3\xa9?",
        "not a+real\\/p%41ss\\\"w\\\\ord\\n\\u0001\\u00e9?",
        "\\u006eot\\u0020a\\u002Breal\\u002fp%41ss\\u0022w\\u005cord\\u000a\\u0001\\u00E9?",
        /* Lua's %q, and the \xNN of a terminal */
        "not a+real/p%41ss\\\"w\\\\ord\\\n\\1\xc3\xa9?",
        "not a+real/p%41ss\\\"w\\\\ord\\10\\001\xc3\xa9?",
        "not a+real/p%41ss\"w\\\\ord\\x0a\\x01\\xc3\\xa9?",
        /* JSON in JSON, an address in JSON, JSON in an address */
        "not a+real/p%41ss\\\\\\\"w\\\\\\\\ord\\\\n\\\\u0001\xc3\xa9?",
        "not%20a%2Breal%2Fp%2541ss%22w%5Cord%0A%01%C3%A9%3F",
        "not+a%2Breal%2Fp%2541ss%5C%22w%5C%5Cord%5Cn%5Cu0001%C3%A9%3F",
    };
    (void)state;
    assert_true(secret_register("PW", value, strlen(value)));
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct buffer text, shown;
        buffer_init(&text, 1000);
        buffer_init(&shown, 1000);
        buffer_printf(&text, "{\"%s\"} ", forms[i]);
        assert_true(secret_redact(&shown, text.data, text.size));
        if (i == 13) /* a space as '+' within JSON within an address is one layer too many */
            assert_null(strstr(buffer_text(&shown), "PW"));
        else
            assert_string_equal(buffer_text(&shown), "{\"<secret PW>\"} ");
        buffer_free(&text);
        buffer_free(&shown);
    }
    expect_redacted("not%20a%2Breal%2Fp%2541ss%5C%22w%5C%5Cord%5Cn%5Cu0001%C3%A9%3F.",
                    "<secret PW>.");
}

/* Wherever it starts: the search goes over several bytes at once. */
static void a_value_is_found_at_every_place(void **state)
{
    static const char *const forms[] = {
        "not-a-real-value", "n\\u006ft-a-real-value", "not-a-real%2Dvalue", "\\x6eot-a-real-value",
        "not%2Da-real-value", "not-a-r\\u0065al-value", "bm90LWEtcmVhbC12YWx1Z",
    };
    (void)state;
    assert_true(secret_register("PW", "not-a-real-value", 16));
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        for (int before = 0; before < 40; before++) {
            char text[100], expected[100];
            snprintf(text, sizeof text, "%.*s%s,", before, "once upon a time a not-so-real not-a-rea",
                     forms[i]);
            snprintf(expected, sizeof expected, "%.*s<secret PW>,", before,
                     "once upon a time a not-so-real not-a-rea");
            expect_redacted(text, expected);
        }
    }
}

static void base64url_and_its_escapes_are_found(void **state)
{
    static const char bytes[] = "\xfb\xff\xbe?>~\xfb\xff\xbe"; /* +/++Pz5++/++ */
    (void)state;
    assert_true(secret_register("PW", bytes, strlen(bytes)));
    expect_redacted("Basic +/++Pz5++/++", "Basic <secret PW>");
    expect_redacted("jwt=-_--Pz5--_--", "jwt=<secret PW>");
    expect_redacted("\"+\\/++Pz5++\\/++\"", "\"<secret PW>\"");
    expect_redacted("a=%2B%2F%2B%2BPz5%2B%2b%2f%2b%2b&", "a=<secret PW>&");
}

static void what_only_looks_like_a_form_stays(void **state)
{
    (void)state;
    assert_true(secret_register("PW", "abcdefghij", 10));
    expect_redacted("abcdefghi\\", "abcdefghi\\");
    expect_redacted("abcdefghi%6", "abcdefghi%6");
    expect_redacted("abcdefghi%6b", "abcdefghi%6b");
    expect_redacted("abcdefghi\\u006", "abcdefghi\\u006");
    expect_redacted("abcdefghi\\u006a\\", "<secret PW>\\");
    expect_redacted("\\\\abc %zz%", "\\\\abc %zz%");
    expect_redacted("\\ud83d\\ude00 \\ud83d \\ude00 \\udead\\", "\\ud83d\\ude00 \\ud83d \\ude00 \\udead\\");
}

static void characters_beyond_the_first_plane_are_found(void **state)
{
    (void)state;
    assert_true(secret_register("PW", "key-\xf0\x9f\x98\x80-end", 12));
    expect_redacted("\"key-\\ud83d\\ude00-end\"", "\"<secret PW>\"");
    expect_redacted("\"key-\\ud83d\\ude01-end\"", "\"key-\\ud83d\\ude01-end\"");
}

static void a_label_cannot_break_out(void **state)
{
    (void)state;
    struct secret *s = secret_new("a\"b\\c<d>\n", "not-real-1", 10);
    assert_string_equal(secret_label(s), "a_b_c_d__");
    expect_redacted("not-real-1", "<secret a_b_c_d__>");
    assert_true(secret_register("x\"y", "not-real-2", 10));
    assert_true(secret_register("x\"y", "not-real-3", 10));
    expect_redacted("not-real-2 not-real-3", "<secret x_y> <secret x_y>");
    secret_release(s);
}

static void what_may_be_printed_is_not_registered(void **state)
{
    (void)state;
    struct secret *s = secret_new_printable("KEY", "NOTAREALKEY00001", 16);
    expect_redacted("NOTAREALKEY00001", "NOTAREALKEY00001");
    secret_release(s);
}

static void a_cut_spares_values(void **state)
{
    static const char text[] = "a not-a-real-value, and another: not-a-real-value";
    (void)state;
    assert_int_equal(secret_cut(text, 10, 5), 5);
    assert_true(secret_register("PW", "not-a-real-value", 16));
    assert_int_equal(secret_cut(text, strlen(text), 1), 1);
    assert_int_equal(secret_cut(text, strlen(text), 2), 2);
    for (size_t limit = 3; limit < 18; limit++)
        assert_int_equal(secret_cut(text, strlen(text), limit), 2);
    assert_int_equal(secret_cut(text, strlen(text), 18), 18);
    assert_int_equal(secret_cut(text, strlen(text), 40), 33);
    assert_int_equal(secret_cut(text, strlen(text), 1000), strlen(text));
}

/* ---- streams ---- */

struct shown {
    struct secret_stream stream;
    struct buffer text;
};

static void open_shown(struct shown *s)
{
    secret_stream_init(&s->stream);
    buffer_init(&s->text, 1000000);
}

static void close_shown(struct shown *s)
{
    secret_stream_free(&s->stream);
    buffer_free(&s->text);
}

static void add(struct shown *s, const char *text)
{
    assert_true(secret_stream_add(&s->stream, &s->text, text, strlen(text)));
}

static void let_go(struct shown *s)
{
    assert_true(secret_stream_release(&s->stream, &s->text));
    assert_false(secret_stream_waits(&s->stream));
}

static void expect_shown(struct shown *s, const char *expected)
{
    assert_string_equal(buffer_text(&s->text), expected);
    buffer_clear(&s->text);
}

static void a_stream_holds_back_only_what_may_be_a_value(void **state)
{
    struct shown s;
    (void)state;
    open_shown(&s);
    add(&s, "before anything is registered, not-a-r");
    expect_shown(&s, "before anything is registered, not-a-r");
    assert_true(secret_register("PW", "not-a-real-value", 16));
    add(&s, "plain\n");
    expect_shown(&s, "plain\n");
    add(&s, "a not-a-r");
    expect_shown(&s, "a ");
    assert_true(secret_stream_waits(&s.stream));
    add(&s, "eal-value!");
    expect_shown(&s, "<secret PW>!");
    add(&s, "a not-a-r");
    add(&s, "abbit");
    expect_shown(&s, "a not-a-rabbit");
    add(&s, "not-a-real-valu");
    expect_shown(&s, "");
    add(&s, "not-a-real-value");
    expect_shown(&s, "not-a-real-valu<secret PW>");
    add(&s, "n\\u006ft-a-re\\u00");
    expect_shown(&s, "");
    add(&s, "61l-value.");
    expect_shown(&s, "<secret PW>.");
    close_shown(&s);
}

static void a_released_beginning_is_remembered(void **state)
{
    struct shown s;
    (void)state;
    open_shown(&s);
    assert_true(secret_register("PW", "not-a-real-value", 16));
    add(&s, "x not");
    let_go(&s);
    expect_shown(&s, "x not");
    add(&s, "-a-real-value y");
    expect_shown(&s, "<secret PW> y");
    add(&s, "x not-a-rea");
    let_go(&s);
    expect_shown(&s, "x <secret PW>");
    let_go(&s);
    expect_shown(&s, "");
    add(&s, "l-va");
    let_go(&s);
    add(&s, "lue y");
    expect_shown(&s, " y");
    add(&s, "x not-a-rea");
    let_go(&s);
    add(&s, "dy y");
    expect_shown(&s, "x <secret PW>dy y");
    add(&s, "not");
    let_go(&s);
    add(&s, "-a-real");
    let_go(&s);
    expect_shown(&s, "not<secret PW>");
    add(&s, "-value.");
    expect_shown(&s, ".");
    close_shown(&s);
}

static void a_value_of_several_lines_is_found_line_by_line(void **state)
{
    static const char key[] = "-----BEGIN KEY-----\nMIIB\n-----END KEY-----";
    struct shown s;
    (void)state;
    open_shown(&s);
    assert_true(secret_register("KEY", key, strlen(key)));
    add(&s, "the key:\n");
    expect_shown(&s, "the key:\n");
    add(&s, "-----BEGIN KEY-----\n");
    add(&s, "MIIB\n");
    expect_shown(&s, "");
    add(&s, "-----END KEY-----\n");
    expect_shown(&s, "<secret KEY>\n");
    add(&s, "-----BEGIN KEY-----\n");
    let_go(&s);
    expect_shown(&s, "<secret KEY>\n");
    close_shown(&s);
}

static void overlapping_values_are_held_together(void **state)
{
    struct shown s;
    (void)state;
    open_shown(&s);
    assert_true(secret_register("SHORT", "abcdefgh", 8));
    assert_true(secret_register("LONG", "abcdefghij", 10));
    assert_true(secret_register("TAIL", "ghijklmnop", 10));
    add(&s, "-abcdefgh");
    expect_shown(&s, "-");
    add(&s, "-");
    expect_shown(&s, "<secret SHORT>-");
    add(&s, "abcdefghij");
    expect_shown(&s, "");
    add(&s, "klmnop.");
    expect_shown(&s, "<secret LONG>.");
    add(&s, "abcdefgh");
    let_go(&s);
    expect_shown(&s, "<secret SHORT>");
    close_shown(&s);
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    return *seed ^= *seed << 17;
}

/* However a text is cut, and wherever it is let go: a stream shows what the whole
 * text would show when it is let go only at its end, and never eight bytes of a
 * value in a row. */
static void streams_are_redacted_however_they_are_cut(void **state)
{
    static const char *const values[] = {"not-a-real-value", "xyzzy\"/\\xyzzy", "aaaaaaaaab"};
    static const char *const words[] = {
        "not-a-real-value", "xyzzy\"/\\xyzzy", "aaaaaaaaab", "not-a-", "real", "aaaaaaaaaaaa",
        "xyzzy\\\"\\/\\\\xyzzy", "xyzzy%22%2F%5Cxyzzy", "6e6f742d612d7265616c2d76616c7565",
        "bm90LWEtcmVhbC12YWx1ZQ==", " ", "\n", "\\", "%", "b", "n",
    };
    (void)state;
    uint64_t seed = 20260101;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        assert_true(secret_register("PW", values[i], strlen(values[i])));
    for (int round = 0; round < 20000; round++) {
        struct buffer text, whole;
        struct shown s;
        buffer_init(&text, 10000);
        buffer_init(&whole, 10000);
        open_shown(&s);
        size_t count = 1 + next_random(&seed) % 8;
        for (size_t i = 0; i < count; i++)
            buffer_add_text(&text, words[next_random(&seed) % (sizeof words / sizeof *words)]);
        bool release = round % 2 == 1;
        for (size_t at = 0, n; at < text.size; at += n) {
            n = 1 + next_random(&seed) % 12;
            n = n < text.size - at ? n : text.size - at;
            assert_true(secret_stream_add(&s.stream, &s.text, text.data + at, n));
            if (release && next_random(&seed) % 3 == 0)
                let_go(&s);
        }
        if (!release) {
            /* Enough of what belongs to no value lets go of all that was held. */
            buffer_add_text(&text, "~~~~~~~~");
            add(&s, "~~~~~~~~");
            assert_true(secret_redact(&whole, text.data, text.size));
            assert_string_equal(buffer_text(&s.text), buffer_text(&whole));
        }
        let_go(&s);
        for (size_t i = 0; i < sizeof values / sizeof *values; i++)
            assert_null(strstr(buffer_text(&s.text), values[i]));
        close_shown(&s);
        buffer_free(&text);
        buffer_free(&whole);
    }
}

/* ---- the keyring ---- */

extern char **environ;

static void a_variable_is_taken_out_of_the_environment(void **state)
{
    const char *why = NULL;
    (void)state;
    static char entry[] = "KELP_TEST_SECRET=not-a-real-value";
    putenv(entry);
    struct secret *s = keyring_take("KELP_TEST_SECRET", &why);
    assert_non_null(s);
    assert_string_equal(secret_bytes(s), "not-a-real-value");
    assert_null(getenv("KELP_TEST_SECRET"));
    for (size_t i = sizeof "KELP_TEST_SECRET=" - 1; i < sizeof entry; i++)
        assert_int_equal(entry[i], 0);
    assert_ptr_equal(keyring_take("KELP_TEST_SECRET", &why), s);
    assert_ptr_equal(keyring_find("KELP_TEST_SECRET"), s);
    expect_redacted("not-a-real-value", "<secret KELP_TEST_SECRET>");
    assert_null(keyring_find("KELP_TEST_OTHER"));
    assert_null(keyring_take("KELP_TEST_OTHER", &why));
    assert_string_equal(why, "is not set");
    setenv("KELP_TEST_OTHER", "", 1);
    assert_null(keyring_take("KELP_TEST_OTHER", &why));
    assert_string_equal(why, "is empty");
    unsetenv("KELP_TEST_OTHER");
}

static void the_credentials_of_every_provider_are_taken(void **state)
{
    (void)state;
    const struct provider *p;
    size_t count = 0;
    for (size_t i = 0; (p = provider_at(i)) != NULL; i++, count++) {
        setenv(p->password.variable, "not-a-real-password", 1);
        setenv(p->user.variable, "NOTAREALNAME0001", 1);
    }
    assert_true(count >= 2);
    setenv("SSLKEYLOGFILE", "/nowhere", 1);
    assert_null(hardening_take_credentials(provider_credentials()));
    hardening_clean_environment();
    assert_null(getenv("SSLKEYLOGFILE"));
    for (size_t i = 0; (p = provider_at(i)) != NULL; i++) {
        assert_null(getenv(p->password.variable));
        assert_string_equal(secret_bytes(keyring_find(p->password.variable)),
                            "not-a-real-password");
    }
    assert_null(getenv("CONFLUENT_CLOUD_API_KEY"));
    assert_string_equal(secret_bytes(keyring_find("CONFLUENT_CLOUD_API_KEY")), "NOTAREALNAME0001");
    assert_string_equal(getenv("UPSTASH_EMAIL"), "NOTAREALNAME0001");
    expect_redacted("NOTAREALNAME0001", "NOTAREALNAME0001");
    unsetenv("UPSTASH_EMAIL");
}

/* ---- commands ---- */

static struct command_result run(const char *line, double seconds, const char *expected)
{
    struct command_result r;
    struct buffer out, complaints;
    buffer_init(&out, 1000);
    buffer_init(&complaints, 1000);
    bool good = command_run(line, seconds, NULL, &out, &complaints, &r);
    assert_int_equal(good, expected != NULL);
    if (expected != NULL)
        assert_string_equal(buffer_text(&out), expected);
    buffer_free(&out);
    buffer_free(&complaints);
    return r;
}

static void a_command_gives_what_it_prints(void **state)
{
    (void)state;
    run("printf 'a b'; printf c", 60, "a bc");
    run("true", 60, "");
    assert_int_equal(run("printf x; exit 3", 60, NULL).code, 3);
    assert_int_equal(run("kill -9 $$", 60, NULL).signal, 9);
    assert_int_equal(run("no-such-command-at-all 2>/dev/null", 60, NULL).code, 127);
    assert_true(run("head -c 2000 /dev/zero", 60, NULL).too_much);
}

static void a_command_has_a_time_limit(void **state)
{
    (void)state;
    struct command_result r = run("exec sleep 1000", 0.05, NULL);
    assert_true(r.timed_out);
    assert_int_equal(r.signal, 15);
    r = run("trap '' TERM; printf x; while :; do sleep 1000 & wait; done", 0.05, NULL);
    assert_true(r.timed_out);
    assert_int_equal(r.signal, 9);
}

/* What it leaves running is not waited for, even if it holds the pipe. */
static void a_command_has_ended_when_its_shell_has(void **state)
{
    (void)state;
    run("exec 3>&1; sleep 1000 >&3 & printf %s done; kill $!", 60, "done");
    run("sleep 2 & printf done", 60, "done");
}

/* Only the three descriptors, whatever is open here without CLOEXEC. */
static void a_command_has_no_other_descriptor(void **state)
{
    (void)state;
    int fd = open("/dev/null", O_RDONLY); /* not CLOEXEC, on purpose */
    assert_true(fd > 2);
    run("ls /proc/$$/fd; true", 60, "0\n1\n2\n");
    close(fd);
}

static void complaints_are_kept_apart(void **state)
{
    struct command_result r;
    struct buffer out, complaints;
    (void)state;
    if (isatty(STDERR_FILENO))
        skip();
    buffer_init(&out, 100);
    buffer_init(&complaints, 10);
    assert_true(command_run("echo 1234567890123 >&2; echo out", 60, NULL, &out, &complaints, &r));
    assert_string_equal(buffer_text(&out), "out\n");
    assert_true(complaints.size <= 10);
    buffer_free(&complaints);
    assert_true(command_run("echo said >&2", 60, NULL, &out, &complaints, &r));
    assert_string_equal(buffer_text(&complaints), "said\n");
    buffer_free(&out);
    buffer_free(&complaints);
}

/* ---- which keys, and what of their values ---- */

static void keys_are_judged(void **state)
{
    static const struct {
        const char *key;
        enum sensitivity expected;
    } cases[] = {
        {"database.password", SENSITIVE_WHOLE}, {"aws_secret_access_key", SENSITIVE_WHOLE},
        {"kafka.api.key", SENSITIVE_WHOLE}, {"AZURE.ACCOUNT-KEY", SENSITIVE_WHOLE}, {"privateKey", SENSITIVE_WHOLE},
        {"basic.auth.user.info", SENSITIVE_WHOLE}, {"sasl.jaas.config", SENSITIVE_WHOLE},
        {"basic.auth.credentials.source", SENSITIVE_NONE}, {"connection.uri", SENSITIVE_PART},
        {"azure.connection.string", SENSITIVE_PART}, {"connection.url", SENSITIVE_NONE},
        {"sasl.oauthbearer.token.endpoint.url", SENSITIVE_NONE}, {"topics", SENSITIVE_NONE}, {"", SENSITIVE_NONE},
        {"my.private.setting", SENSITIVE_NONE}, {"kelp.test.pin", SENSITIVE_NONE},
        /* as providers define them */
        {"function.key", SENSITIVE_WHOLE}, {"s3.sse.customer.key", SENSITIVE_WHOLE},
        {"azure.eventhubs.sas.key", SENSITIVE_WHOLE}, {"connect.cosmos.master.key", SENSITIVE_WHOLE},
        {"azure.datalake.gen2.client.key", SENSITIVE_WHOLE}, {"tls.pemfile", SENSITIVE_WHOLE},
        {"azure.cosmos.auth.aad.clientSecret", SENSITIVE_WHOLE}, {"mqtt.username", SENSITIVE_WHOLE},
        {"mq.tls.keystore.location", SENSITIVE_WHOLE}, {"sensitive.headers", SENSITIVE_WHOLE},
        {"api15.http.request.sensitive.headers", SENSITIVE_WHOLE},
        /* their neighbours, by words */
        {"azure.datalake.client.key", SENSITIVE_WHOLE}, {"my.function.key", SENSITIVE_WHOLE},
        {"blob.sas.key", SENSITIVE_WHOLE}, {"shared_access_signature", SENSITIVE_WHOLE},
        /* where a secret is, how it is made, what it is called */
        {"password.provider.class", SENSITIVE_NONE}, {"ssl.keystore.location", SENSITIVE_NONE},
        {"ssl.key.keystore_location", SENSITIVE_NONE}, {"token.file.name", SENSITIVE_NONE},
        {"ssl.keyfactory.algorithm", SENSITIVE_NONE}, {"password.encryption.key.algorithm", SENSITIVE_NONE},
        {"ssl.key.type", SENSITIVE_NONE}, {"credentials.provider", SENSITIVE_NONE},
        {"token.enabled", SENSITIVE_NONE}, {"oauth2.token.url", SENSITIVE_NONE},
        {"azure.eventhubs.sas.keyname", SENSITIVE_NONE}, {"api.key.name", SENSITIVE_NONE},
        {"secret.manager", SENSITIVE_NONE}, {"secret.manager.managed.configs", SENSITIVE_NONE},
        {"key.converter", SENSITIVE_NONE}, {"message.key.columns", SENSITIVE_NONE},
        {"rabbitmq.routing.key", SENSITIVE_NONE}, {"s3.sse.kms.key.id", SENSITIVE_NONE},
        {"headers", SENSITIVE_NONE}, {"queryable", SENSITIVE_NONE}, {".class", SENSITIVE_NONE},
    };
    (void)state;
    for (int again = 0; again < 2; again++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            if (sensitivity_of(cases[i].key) != cases[i].expected)
                fail_msg("%s", cases[i].key);
    char endless[400];
    memset(endless, 'x', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_int_equal(sensitivity_of(endless), SENSITIVE_WHOLE);
    assert_true(sensitive_keys_add("kelp.test.PIN"));
    assert_true(sensitive_keys_add("kelp.test.a-very-long-key-that-is-longer-than-what-is-remembered"));
    assert_int_equal(sensitivity_of("kelp.test.pin"), SENSITIVE_WHOLE);
    assert_int_equal(sensitivity_of("kelp.test.a.very.long.key.that.is.longer.than.what.is.remembered"),
                     SENSITIVE_WHOLE);
    assert_int_equal(sensitivity_of("kelp.test.pins"), SENSITIVE_NONE);
}

static void the_secret_part_of_a_value_is_registered(void **state)
{
    static const struct {
        const char *key, *value, *shown;
    } cases[] = {
        {"connection.url", "jdbc:oracle:thin:SCOTT/not-a-real-1@h:1521/x",
         "jdbc:oracle:thin:SCOTT/<secret connection.url>@h:1521/x"},
        {"connection.url", "jdbc:oracle:thin:SCOTT/not-a-real-2@//h:1521/x",
         "jdbc:oracle:thin:SCOTT/<secret connection.url>@//h:1521/x"},
        {"connection.url", "jdbc:oracle:thin:@//h.example:1521/service",
         "jdbc:oracle:thin:@//h.example:1521/service"},
        {"connection.url", "jdbc:sqlserver://h;user=u;password={not;a;real;1};encrypt=true",
         "jdbc:sqlserver://h;user=u;password={<secret connection.url>};encrypt=true"},
        {"connection.url", "jdbc:sqlserver://h;password={not}}a}}real};x=y",
         "jdbc:sqlserver://h;password={<secret connection.url>};x=y"},
        {"urls", "http://a:not-a-real-1@h1:9200,http://b:not-a-real-2@h2:9200,http://h3:9200",
         "http://a:<secret urls>@h1:9200,http://b:<secret urls>@h2:9200,http://h3:9200"},
        {"urls", "amqps://a:not-a-real-1@h1 redis://:not-a-real-2@h2",
         "amqps://a:<secret urls>@h1 redis://:<secret urls>@h2"},
        {"blob.url", "https://h.example/c?sv=2024&sig=not%2Fa-real%3D&se=2027-01-01",
         "https://h.example/c?sv=2024&sig=<secret blob.url>&se=2027-01-01"},
        {"hub", "Endpoint=sb://h/;SharedAccessKeyName=app;SharedAccessKey=bm90YXJlYWw3Nw==",
         "Endpoint=sb://h/;SharedAccessKeyName=app;SharedAccessKey=<secret hub>"},
        {"hub", "BlobEndpoint=https://h/;SharedAccessSignature=sv=1&sig=not-a-real-9",
         "BlobEndpoint=https://h/;SharedAccessSignature=sv=1&sig=<secret hub>"},
        {"headers", "Authorization:Bearer not-a-real-1", "Authorization:Bearer <secret headers>"},
        {"headers", "Accept:text/plain|Authorization: Basic bm90LXJlYWw6eA==|X-A:b",
         "Accept:text/plain|Authorization: Basic <secret headers>|X-A:b"},
        {"http.headers.additional", "X-Api-Key: not-a-real-1, Accept: text/plain",
         "X-Api-Key: <secret http.headers.additional>, Accept: text/plain"},
        {"some.text", "Bearer not-a-real-1", "Bearer <secret some.text>"},
        {"some.text", "Basic authentication is used here", "Basic authentication is used here"},
        {"options", "x.LoginModule required username=\"u\" password=\"not-a-real-1\";",
         "x.LoginModule required username=\"u\" password=\"<secret options>\";"},
        {"options", "{\"user\":\"u\",\"password\":\"not-a-real-1\"}",
         "{\"user\":\"u\",\"password\":\"<secret options>\"}"},
        {"renames", "password:not_a_password,token:not_a_token",
         "password:not_a_password,token:not_a_token"},
        {"database.password", "${file:/etc/not-a-secret:key}", "${file:/etc/not-a-secret:key}"},
        {"connection.url", "jdbc:x://h/db?password=${file:/etc/not-a-secret:key}&a=b",
         "jdbc:x://h/db?password=${file:/etc/not-a-secret:key}&a=b"},
        {"database.password", "not-a-real-1", "<secret database.password>"},
        {"connection.uri", "mongodb+srv://app:not-a-real-2@h.example/db?w=1",
         "mongodb+srv://app:<secret connection.uri>@h.example/db?w=1"},
        {"connection.uri", "mongodb://a:not%2Fa-real%3A3@h/db",
         "mongodb://a:<secret connection.uri>@h/db"},
        {"connection.uri", "mongodb://a:not/a/real/4@h:27017/db",
         "mongodb://a:<secret connection.uri>@h:27017/db"},
        {"connection.uri", "mongodb://h.example:27017/db@not-a-real",
         "mongodb://h.example:27017/db@not-a-real"},
        {"connection.uri", "not-a-real-uri", "<secret connection.uri>"},
        {"connection.url", "jdbc:postgresql://h/db?user=app&password=not-a-real-5&ssl=true",
         "jdbc:postgresql://h/db?user=app&password=<secret connection.url>&ssl=true"},
        {"connection.url", "jdbc:sqlserver://h:1433;user=app;password=not-a-real-6",
         "jdbc:sqlserver://h:1433;user=app;password=<secret connection.url>"},
        {"azure.connection.string",
         "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=bm90YXJlYWw3Nw==;X=y",
         "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=<secret "
         "azure.connection.string>;X=y"},
        {"basic.auth.user.info", "user-name:not-a-real-8", "<secret basic.auth.user.info>"},
        {"topics", "not-a-secret-topic", "not-a-secret-topic"},
        {"url", "https://h.example/not-a-secret", "https://h.example/not-a-secret"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        secret_forget_all();
        assert_true(sensitive_value_register(cases[i].key, cases[i].value, strlen(cases[i].value)));
        expect_redacted(cases[i].value, cases[i].shown);
    }
    secret_forget_all();
    assert_true(sensitive_value_register("a.jaas.config", "x required password=\"not-a-real-9\";", 34));
    expect_redacted("[not-a-real-9]", "[<secret a.jaas.config>]");
    assert_true(sensitive_value_register("user.info", "user:not-a-real-10", 18));
    expect_redacted("[not-a-real-10]", "[<secret user.info>]");
    assert_true(sensitive_value_register("connection.uri", "m://a:p%40ss%2Dword@h", 21));
    expect_redacted("[p@ss-word]", "[<secret connection.uri>]");
}

static void a_value_is_judged_with_its_key(void **state)
{
    static const struct {
        const char *key, *value;
        enum sensitivity expected;
    } cases[] = {
        {"database.password", "x", SENSITIVE_WHOLE}, {"database.password", "", SENSITIVE_NONE},
        {"database.password", "${file:/etc/x:pw}", SENSITIVE_NONE},
        {"database.password", "${env:PW}", SENSITIVE_NONE},
        {"database.password", "${secretsManager:orders/db:pw}", SENSITIVE_NONE},
        {"database.password", "${env:A}-${env:B}", SENSITIVE_NONE},
        {"database.password", "${env:A}hunter", SENSITIVE_WHOLE},
        {"database.password", "${env:}", SENSITIVE_WHOLE}, {"database.password", "${env}", SENSITIVE_WHOLE},
        {"database.password", "${:x}", SENSITIVE_WHOLE}, {"database.password", "$2a$10:x}", SENSITIVE_WHOLE},
        {"sasl.jaas.config", "x.M required username=\"a\" password=\"${file:/x:y}\";", SENSITIVE_NONE},
        {"sasl.jaas.config", "x.M required username=\"a\" password=\"pw\";", SENSITIVE_WHOLE},
        {"sasl.jaas.config", "x.M required a=\"${env:A}\" password=\"pw\";", SENSITIVE_WHOLE},
        {"basic.auth.user.info", "${env:U}:${env:P}", SENSITIVE_NONE},
        {"basic.auth.user.info", "u:p", SENSITIVE_WHOLE},
        {"connection.uri", "mongodb://h.example/db", SENSITIVE_NONE},
        {"connection.uri", "mongodb://u:p@h.example/db", SENSITIVE_PART},
        {"connection.uri", "mongodb://u:${env:P}@h.example/db", SENSITIVE_NONE},
        {"connection.uri", "what-is-this", SENSITIVE_PART},
        {"topics", "mongodb://u:p@h.example/db", SENSITIVE_PART},
        {"connection.url", "jdbc:x://h/db?password=${env:P}", SENSITIVE_NONE},
        {"connection.url", "jdbc:x://h/db?password=", SENSITIVE_NONE},
        {"url", "https://h.example:8443/a@b", SENSITIVE_NONE}, {"topics", "a,b", SENSITIVE_NONE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (sensitivity_of_value(cases[i].key, cases[i].value, strlen(cases[i].value)) !=
            cases[i].expected)
            fail_msg("%s = %s", cases[i].key, cases[i].value);
}

/* What is common stays where it is structure, and goes where it is the value. */
static void common_values_are_hidden_where_they_are_the_value(void **state)
{
    static const char *const common[] = {"connector", "password", "postgres", "running", "secret",
                                         "Postgres", "ORACLE", "tasks.max", "connector_class",
                                         "12345678", "--------", "hunter2", "a\"b", "x"};
    static const char *const texts[][2] = {
        {"{\"connector\":\"connector\",\"database.password\":\"connector\"}",
         "{\"connector\":\"connector\",\"database.password\":\"<secret PW>\"}"},
        {"{\"password\":\"password\",\"state\":\"running\"}",
         "{\"password\":\"<secret PW>\",\"state\":\"running\"}"},
        {"{\"password\": \"a\\\"b\", \"x\": \"x\"}", "{\"password\": \"<secret PW>\", \"x\": \"x\"}"},
        {"{\"pin.secret\":12345678,\"at\":12345678}", "{\"pin.secret\":\"<secret PW>\",\"at\":12345678}"},
        {"{\\\"password\\\":\\\"hunter2\\\"}", "{\\\"password\\\":\\\"<secret PW>\\\"}"},
        {"x?user=postgres&password=postgres&db=postgres", "x?user=postgres&password=<secret PW>&db=postgres"},
        {"mongodb://postgres:postgres@postgres/db", "mongodb://postgres:<secret PW>@postgres/db"},
        {"redis://:running@running:6379", "redis://:<secret PW>@running:6379"},
        {"password = secret, connection.password: ORACLE", "password = <secret PW>, connection.password: <secret PW>"},
        {"[\"database.password\"] = \"Postgres\"", "[\"database.password\"] = \"<secret PW>\""},
        {"io.debezium.connector.postgres.PostgresConnector", "io.debezium.connector.postgres.PostgresConnector"},
        {"<secret database.password> is not the password", "<secret database.password> is not the password"},
        {"database.password: connectors, password=passwords", "database.password: connectors, password=passwords"},
        {"tasks.max=1 connector_class -------- 12345678", "tasks.max=1 connector_class -------- 12345678"},
        {"connector running: running, name=connector", "connector running: running, name=connector"},
        {"Y29ubmVjdG9y 636f6e6e6563746f72", "<secret PW> <secret PW>"},
    };
    (void)state;
    secret_judge_keys(sensitive_name);
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        assert_true(secret_register("PW", common[i], strlen(common[i])));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        expect_redacted(texts[i][0], texts[i][1]);
}

/* What could not be guessed is searched for everywhere. */
static void other_values_are_not_common(void **state)
{
    static const char *const values[] = {
        "xkqjzvbw", "qzpfgkxw", "aK3kd93k", "correct-horse", "connector1", "conNector",
        "administratively", "1234567890123456", "abcdefgh", "tasks..max", "postgres!",
    };
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        assert_true(secret_register("PW", values[i], strlen(values[i])));
        char text[64];
        snprintf(text, sizeof text, "a%sb", values[i]);
        expect_redacted(text, "a<secret PW>b");
    }
}

/* However the text is cut: as the whole text is shown. */
static void common_values_are_found_in_streams(void **state)
{
    static const char text[] = "connector {\"connector\":\"x\",\"password\":\"connector\"} "
                               "password=hunter2&a=hunter2 not-a-password: not-a-real-value\n"
                               "password: not-a-real-value, token=no\n~~~~~~~~";
    struct buffer whole;
    (void)state;
    secret_judge_keys(sensitive_name);
    assert_true(secret_register("PW", "connector", 9));
    assert_true(secret_register("PW", "hunter2", 7));
    assert_true(secret_register("PW", "no", 2));
    assert_true(secret_register("LONG", "not-a-real-value", 16));
    buffer_init(&whole, 1000);
    assert_true(secret_redact(&whole, text, strlen(text)));
    assert_null(strstr(buffer_text(&whole), "password=hunter2"));
    assert_null(strstr(buffer_text(&whole), "=no"));
    for (size_t n = 1; n < 40; n++) {
        struct shown s;
        open_shown(&s);
        for (size_t at = 0; at < strlen(text); at += n) {
            size_t size = n < strlen(text) - at ? n : strlen(text) - at;
            assert_true(secret_stream_add(&s.stream, &s.text, text + at, size));
        }
        let_go(&s);
        if (n > 8) /* a key that two writes cut is not known */
            assert_null(strstr(buffer_text(&s.text), "not-a-real"));
        close_shown(&s);
    }
    struct shown s;
    open_shown(&s);
    add(&s, "password=");
    add(&s, "hun");
    add(&s, "ter2\n");
    let_go(&s);
    expect_shown(&s, "password=<secret PW>\n");
    add(&s, "password=hunter2");
    let_go(&s);
    expect_shown(&s, "password=<secret PW>");
    add(&s, "password=n");
    add(&s, "o");
    let_go(&s);
    expect_shown(&s, "password=<secret PW>");
    close_shown(&s);
    buffer_free(&whole);
}

/* `input` as it is shown, at once and byte by byte. */
static void expect_shown_so(const char *input, const char *expected)
{
    struct buffer out;
    struct secret_stream s;
    buffer_init(&out, SIZE_MAX);
    assert_true(secret_redact(&out, input, strlen(input)));
    assert_string_equal(buffer_text(&out), expected);
    buffer_clear(&out);
    secret_stream_init(&s);
    for (const char *c = input; *c != '\0'; c++)
        assert_true(secret_stream_add(&s, &out, c, 1));
    assert_true(secret_stream_release(&s, &out));
    assert_string_equal(buffer_text(&out), expected);
    secret_stream_free(&s);
    buffer_free(&out);
}

static void a_label_stands_in_no_other(void **state)
{
    (void)state;
    const char first[] = "not-a-real-value", second[] = "not-a-real-other";
    assert_true(secret_register("database.password", first, strlen(first)));
    assert_true(secret_register("KEY", "database.password", 17));
    assert_true(secret_register("of not-a-real-value.", second, strlen(second)));
    expect_shown_so("x not-a-real-value y", "x <secret> y");
    expect_shown_so("x not-a-real-other y", "x <secret of > y");
    expect_shown_so("x database.password y", "x <secret KEY> y");
    /* what was printed once is printed again */
    expect_shown_so("<secret database.password>", "<secret >");
    expect_shown_so("<secret a.not-a-real-value.b>, database.password",
                    "<secret a..b>, <secret KEY>");
    expect_shown_so("<<secret not-a-real-value not-a-real-other", "<<secret  ");
    /* what only looks like the beginning of one hides nothing */
    expect_shown_so("<secret\ndatabase.password", "<secret\n<secret KEY>");
    expect_shown_so("<secre> database.password", "<secre> <secret KEY>");
    expect_shown_so("<secret x\n\"database.password", "<secret x\n\"<secret KEY>");
}

/* bsearch needs the order; what is not folded would never be found. */
static void the_defined_keys_are_sorted_and_sensitive(void **state)
{
    (void)state;
    assert_int_equal(password_key_count, 165); /* the definitions have 166; `query` is shown */
    assert_int_equal(sensitivity_of("query"), SENSITIVE_NONE);
    for (size_t i = 0; i < password_key_count; i++) {
        assert_int_equal(sensitivity_of(password_keys[i]), SENSITIVE_WHOLE);
        assert_true(i == 0 || strcmp(password_keys[i - 1], password_keys[i]) < 0);
        assert_null(strpbrk(password_keys[i], "_-ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_form_of_a_value_is_found, forget),
        cmocka_unit_test_teardown(a_value_is_found_at_every_place, forget),
        cmocka_unit_test_teardown(base64url_and_its_escapes_are_found, forget),
        cmocka_unit_test_teardown(what_only_looks_like_a_form_stays, forget),
        cmocka_unit_test_teardown(characters_beyond_the_first_plane_are_found, forget),
        cmocka_unit_test_teardown(a_label_cannot_break_out, forget),
        cmocka_unit_test_teardown(what_may_be_printed_is_not_registered, forget),
        cmocka_unit_test_teardown(a_label_stands_in_no_other, forget),
        cmocka_unit_test_teardown(a_cut_spares_values, forget),
        cmocka_unit_test_teardown(a_stream_holds_back_only_what_may_be_a_value, forget),
        cmocka_unit_test_teardown(a_released_beginning_is_remembered, forget),
        cmocka_unit_test_teardown(a_value_of_several_lines_is_found_line_by_line, forget),
        cmocka_unit_test_teardown(overlapping_values_are_held_together, forget),
        cmocka_unit_test_teardown(streams_are_redacted_however_they_are_cut, forget),
        cmocka_unit_test_teardown(a_variable_is_taken_out_of_the_environment, forget),
        cmocka_unit_test_teardown(the_credentials_of_every_provider_are_taken, forget),
        cmocka_unit_test_teardown(a_command_gives_what_it_prints, forget),
        cmocka_unit_test_teardown(a_command_has_a_time_limit, forget),
        cmocka_unit_test_teardown(a_command_has_ended_when_its_shell_has, forget),
        cmocka_unit_test_teardown(a_command_has_no_other_descriptor, forget),
        cmocka_unit_test_teardown(complaints_are_kept_apart, forget),
        cmocka_unit_test_teardown(keys_are_judged, forget),
        cmocka_unit_test_teardown(common_values_are_hidden_where_they_are_the_value, forget),
        cmocka_unit_test_teardown(other_values_are_not_common, forget),
        cmocka_unit_test_teardown(common_values_are_found_in_streams, forget),
        cmocka_unit_test_teardown(the_defined_keys_are_sorted_and_sensitive, forget),
        cmocka_unit_test_teardown(the_secret_part_of_a_value_is_registered, forget),
        cmocka_unit_test_teardown(a_value_is_judged_with_its_key, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
