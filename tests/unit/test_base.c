/* The lowest storey: buffer, text, clock, secret, log. */
#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/number.h"
#include "base/paths.h"
#include "secret/log.h"
#include "secret/secret.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

/* --- file, paths, number --- */

static char folder[] = "/tmp/kelp-base-XXXXXX";

static void files_are_replaced_and_read_whole(void **state)
{
    (void)state;
    char path[200];
    char *bytes = malloc(100000);
    struct buffer b;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a/b", folder);
    assert_int_equal(file_replace(path, "x", 1), ENOENT);
    snprintf(path, sizeof path, "%s/a/b/c", folder);
    assert_int_equal(file_make_folders(path), 0);
    assert_int_equal(file_make_folders(path), 0);
    assert_int_equal(file_make_folders("/"), 0);
    snprintf(path, sizeof path, "%s/a/b/c/file", folder);
    for (int i = 0; i < 100000; i++)
        bytes[i] = (char)i;
    assert_int_equal(file_replace(path, "old", 3), 0);
    assert_int_equal(file_replace(path, bytes, 100000), 0);
    assert_int_equal(file_make_folders(path), 0); /* what is there is not looked at */
    buffer_init(&b, 100000);
    assert_int_equal(file_read(path, &b), 0);
    assert_int_equal(b.size, 100000);
    assert_memory_equal(b.data, bytes, 100000);
    buffer_free(&b);
    buffer_init(&b, 99999);
    assert_int_equal(file_read(path, &b), EFBIG);
    buffer_free(&b);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(file_read(path, &b), ENOENT);
    for (char *slash; (slash = strrchr(path, '/')) != NULL && strlen(path) > strlen(folder);)  {
        *slash = '\0';
        assert_int_equal(rmdir(path), 0); /* nothing else was left in it */
    }
    free(bytes);
}

static void paths_follow_the_environment(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 100);
    setenv("XDG_CONFIG_HOME", "/x", 1);
    setenv("XDG_STATE_HOME", "relative", 1);
    setenv("HOME", "/h", 1);
    assert_true(paths_add_config(&b, "a.lua") && buffer_add_char(&b, ' ') &&
                paths_add_state(&b, "runs"));
    assert_string_equal(buffer_text(&b), "/x/kelp/a.lua /h/.local/state/kelp/runs");
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("HOME");
    assert_false(paths_add_config(&b, "a.lua"));
    buffer_free(&b);
}

static void floats_have_the_fewest_digits(void **state)
{
    (void)state;
    char text[NUMBER_TEXT];
    assert_int_equal(number_write(0.1, text), 3);
    assert_string_equal(text, "0.1");
    number_write(1.0 / 3, text);
    assert_string_equal(text, "0.33333333333333331");
    number_write(-1e300, text);
    assert_string_equal(text, "-1e+300");
}

static void bytes_become_base64_and_hexadecimal(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 12);
    assert_true(text_add_base64(&b, "", 0));
    assert_true(text_add_base64(&b, "\xff\xfe", 2));
    assert_true(text_add_hexadecimal(&b, "\x00\xab", 2));
    assert_string_equal(buffer_text(&b), "//4=00ab");
    assert_false(text_add_base64(&b, "12345", 5));
    assert_string_equal(buffer_text(&b), "//4=00ab");
    buffer_free(&b);
}

/* --- buffer --- */

static void buffer_grows_and_ends_with_nul(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 100000);
    assert_null(b.data);
    assert_string_equal(buffer_text(&b), "");
    assert_true(buffer_add(&b, NULL, 0));
    assert_null(b.data);
    for (int i = 0; i < 5000; i++)
        assert_true(buffer_add_char(&b, (char)('a' + i % 26)));
    assert_true(buffer_printf(&b, "%d-%s", 42, "end"));
    assert_int_equal(b.size, 5006);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(b.data[i], 'a' + i % 26);
    assert_string_equal(b.data + 5000, "42-end");
    buffer_free(&b);
    assert_null(b.data);
    assert_int_equal(b.limit, 100000);
}

static void buffer_stops_exactly_at_its_limit(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 10);
    assert_true(buffer_add_text(&b, "123456789"));
    assert_true(buffer_add_char(&b, '0'));
    assert_false(b.overflowed);
    assert_false(buffer_add_char(&b, 'x'));
    assert_true(b.overflowed);
    assert_string_equal(buffer_text(&b), "1234567890");
    assert_false(buffer_add(&b, "", 0));

    buffer_clear(&b);
    assert_false(b.overflowed);
    assert_true(buffer_printf(&b, "%s", "abc"));
    assert_false(buffer_printf(&b, "%08d", 7));
    assert_string_equal(buffer_text(&b), "abc");
    assert_false(buffer_add_char(&b, 'd')); /* though it would fit */
    assert_true(b.capacity <= 11);
    buffer_free(&b);

    buffer_init(&b, 0);
    assert_false(buffer_add_char(&b, 'x'));
    buffer_free(&b);
}

/* What was cleared or cut off is still there, and has to be overwritten in the end. */
static void buffer_knows_how_far_it_was_used(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, SIZE_MAX);
    assert_true(buffer_add_text(&b, "0123456789"));
    buffer_cut(&b, 8);
    assert_string_equal(buffer_text(&b), "01234567");
    assert_int_equal(b.cleared, 10);
    buffer_clear(&b);
    assert_true(buffer_add_text(&b, "ab"));
    assert_int_equal(b.cleared, 10);
    assert_string_equal(buffer_text(&b), "ab");
    buffer_wipe(&b);
    assert_int_equal(b.cleared, 0);
}

static void buffer_refuses_what_memory_cannot_hold(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, SIZE_MAX);
    assert_true(buffer_add_text(&b, "kept"));
    assert_false(buffer_add(&b, "x", SIZE_MAX - 4));
    assert_string_equal(buffer_text(&b), "kept");
    buffer_wipe(&b);
}

/* --- text --- */

static bool utf8(const char *s)
{
    return text_is_utf8(s, strlen(s));
}

static void utf8_is_judged_strictly(void **state)
{
    (void)state;
    assert_true(utf8(""));
    assert_true(utf8("plain"));
    assert_true(utf8("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
    assert_true(utf8("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"));
    assert_true(text_is_utf8("a\0b", 3));
    assert_false(utf8("\x80"));
    assert_false(utf8("\xc0\xaf"));         /* overlong */
    assert_false(utf8("\xe0\x9f\xbf"));     /* overlong */
    assert_false(utf8("\xf0\x8f\xbf\xbf")); /* overlong */
    assert_false(utf8("\xed\xa0\x80"));     /* surrogate */
    assert_false(utf8("\xf4\x90\x80\x80")); /* above U+10FFFF */
    assert_false(utf8("\xf5\x80\x80\x80"));
    assert_false(utf8("\xc3"));
    assert_false(utf8("\xe2\x82"));
    assert_false(utf8("\xc3(") || utf8("\xe2\x82("));
    assert_false(utf8("\xff"));
}

static const char *segment(const char *s)
{
    const char *fault = text_segment_fault(s, strlen(s));
    return fault != NULL ? fault : "good";
}

static void segments_that_mean_something_else_are_refused(void **state)
{
    (void)state;
    char longest[4097];
    memset(longest, 'x', sizeof longest);
    assert_string_equal(segment("orders"), "good");
    assert_string_equal(segment("a/b?c#d;e f%2F..\xc3\xa9"), "good");
    assert_string_equal(segment("..."), "good");
    assert_null(text_segment_fault(longest, 4096));
    assert_string_equal(text_segment_fault(longest, 4097), "is longer than 4096 bytes");
    assert_string_equal(segment(""), "is empty");
    assert_string_equal(segment("."), "is \".\" or \"..\"");
    assert_string_equal(segment(".."), "is \".\" or \"..\"");
    assert_string_equal(segment("a\r\nb"), "holds a control character");
    assert_string_equal(segment("a\x7f"), "holds a control character");
    assert_string_equal(text_segment_fault("a\0b", 3), "holds a control character");
    assert_string_equal(segment("a\xff"), "is not valid UTF-8");
}

/* Applies a text_add_ function and compares. */
static void expect_added(bool (*add)(struct buffer *, const char *, size_t), const char *bytes,
                         size_t size, const char *expected)
{
    struct buffer b;
    buffer_init(&b, 1000);
    assert_true(add(&b, bytes, size));
    assert_string_equal(buffer_text(&b), expected);
    buffer_free(&b);
    if (expected[0] != '\0') {
        buffer_init(&b, strlen(expected) - 1);
        assert_false(add(&b, bytes, size));
        buffer_free(&b);
    }
}

static void percent_encoding_spares_only_unreserved_characters(void **state)
{
    (void)state;
    expect_added(text_add_percent, "", 0, "");
    expect_added(text_add_percent, "AZaz09-._~", 10, "AZaz09-._~");
    expect_added(text_add_percent, "a/b c%\xc3\xa9", 8, "a%2Fb%20c%25%C3%A9");
    expect_added(text_add_percent, "\0+", 2, "%00%2B");
}

static void json_strings_are_escaped(void **state)
{
    (void)state;
    expect_added(text_add_json, "", 0, "\"\"");
    expect_added(text_add_json, "a\"b\\c/\x7f\xc3\xa9", 9, "\"a\\\"b\\\\c/\x7f\xc3\xa9\"");
    expect_added(text_add_json, "\n\t\r\b\f", 5, "\"\\n\\t\\r\\b\\f\"");
    expect_added(text_add_json, "\0\x1f", 2, "\"\\u0000\\u001f\"");
}

static void plain_pairs_are_written_whole_or_not_at_all(void **state)
{
    (void)state;
    static const char both[] = "\"key\":\"value\"\"a\":\"\"";
    struct buffer b;
    buffer_init(&b, sizeof both - 1);
    assert_true(text_add_plain_pair(&b, "key", 3, "value", 5));
    assert_true(text_add_plain_pair(&b, "a", 1, "", 0)); /* exactly to the limit */
    assert_string_equal(buffer_text(&b), both);
    assert_false(text_add_plain_pair(&b, "", 0, "", 0));
    assert_string_equal(buffer_text(&b), both);
    buffer_free(&b);
}

static void base64_follows_rfc_4648(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" }, { "\xff\xef\xbe", "/+++" },
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        expect_added(text_add_base64, pairs[i][0], strlen(pairs[i][0]), pairs[i][1]);
}

static void printable_text_cannot_command_a_terminal(void **state)
{
    (void)state;
    expect_added(text_add_printable, "a\tb\nc\xc3\xa9", 7, "a\tb\nc\xc3\xa9");
    expect_added(text_add_printable, "\x1b[2J\r\0\x7f", 7, "\\x1b[2J\\x0d\\x00\\x7f");
    expect_added(text_add_printable, "\xc2\x9b" "31m\xc2\xa0", 7, "\\xc2\\x9b31m\xc2\xa0");
    expect_added(text_add_printable, "x\xffy\xe2\x82", 5, "x\\xffy\\xe2\\x82");
    /* U+0085, U+202E, U+2066, U+200B, U+FEFF, U+061C, a tag; U+00A0, U+2010, U+1F600 stay */
    expect_added(text_add_printable, "a\xc2\x85" "b", 4, "a\\xc2\\x85b");
    expect_added(text_add_printable, "\xe2\x80\xae\xe2\x81\xa6", 6,
                 "\\xe2\\x80\\xae\\xe2\\x81\\xa6");
    expect_added(text_add_printable, "\xe2\x80\x8b\xef\xbb\xbf", 6,
                 "\\xe2\\x80\\x8b\\xef\\xbb\\xbf");
    expect_added(text_add_printable, "\xd8\x9c\xf3\xa0\x81\x81", 6,
                 "\\xd8\\x9c\\xf3\\xa0\\x81\\x81");
    expect_added(text_add_printable, "\xc2\xa0\xe2\x80\x90\xf0\x9f\x98\x80", 9,
                 "\xc2\xa0\xe2\x80\x90\xf0\x9f\x98\x80");
    expect_added(text_add_line, "a\n\xe2\x80\xad", 5, "a \\xe2\\x80\\xad");
}

static void words_compare_without_case(void **state)
{
    (void)state;
    assert_true(text_equals_word("Retry-After", 11, "retry-after"));
    assert_false(text_equals_word("Retry-Afte", 10, "retry-after"));
    assert_false(text_equals_word("Retry-After:", 12, "retry-after"));
    assert_false(text_equals_word("@", 1, "`")); /* 0x20 apart, but not letters */
    assert_false(text_equals_word("[", 1, "{"));
    assert_true(text_equals_word("", 0, ""));
}

/* --- clock --- */

static void virtual_clocks_repeat_themselves(void **state)
{
    (void)state;
    struct virtual_clock a, b, other;
    clock_virtual(&a, 7);
    clock_virtual(&b, 7);
    clock_virtual(&other, 8);
    assert_true(clock_now(&a.clock) == 1000.0);
    assert_true(clock_wall(&a.clock) == 1767225600.0);
    clock_advance(&a, 2.5);
    clock_advance(&a, -1);
    assert_true(clock_now(&a.clock) == 1002.5);
    assert_true(clock_wall(&a.clock) == 1767225602.5);
    int differ = 0;
    double sum = 0;
    for (int i = 0; i < 10000; i++) {
        double x = clock_fraction(&a.clock);
        assert_true(x >= 0 && x < 1);
        assert_true(x == clock_fraction(&b.clock));
        differ += x != clock_fraction(&other.clock);
        sum += x;
    }
    assert_int_equal(differ, 10000);
    assert_true(sum > 4800 && sum < 5200);
}

static void the_system_clock_moves_on(void **state)
{
    (void)state;
    struct clock c;
    clock_system(&c);
    double start = clock_now(&c), wall = clock_wall(&c);
    assert_true(wall > 1767225600.0);
    while (clock_now(&c) == start)
        ;
    assert_true(clock_now(&c) > start);
    uint64_t first = c.random(&c), bits = first;
    for (int i = 0; i < 4; i++)
        bits |= c.random(&c) ^ first;
    assert_true(bits != first);
    assert_in_range((uintmax_t)(clock_fraction(&c) * 1000), 0, 999);
}

/* --- secret --- */

static int forget_secrets(void **state)
{
    (void)state;
    secret_forget_all();
    return 0;
}

static void expect_redacted_bytes(const char *bytes, size_t size, const char *expected)
{
    struct buffer b;
    buffer_init(&b, 10000);
    assert_true(secret_redact(&b, bytes, size));
    assert_string_equal(buffer_text(&b), expected);
    buffer_free(&b);
}

static void expect_redacted(const char *text, const char *expected)
{
    expect_redacted_bytes(text, strlen(text), expected);
}

static void secrets_hold_and_count_references(void **state)
{
    (void)state;
    struct secret *s = secret_new("API_KEY", "fake\0secret", 11);
    assert_non_null(s);
    assert_ptr_equal(secret_retain(s), s);
    secret_release(s);
    assert_int_equal(secret_size(s), 11);
    assert_memory_equal(secret_bytes(s), "fake\0secret", 12);
    assert_string_equal(secret_label(s), "API_KEY");
    secret_release(s);
    secret_release(NULL);
    /* Secret once, unprintable for good. */
    expect_redacted_bytes("<fake\0secret>", 13, "<<secret API_KEY>>");
}

static void nothing_registered_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(secret_longest(), 0);
    expect_redacted("not-a-real-password", "not-a-real-password");
    assert_true(secret_register("SHORT", "seven77", 7));
    assert_int_equal(secret_longest(), 7);
    expect_redacted("seven77", "seven77");
}

static const char value[] = "not/a+real\"pass word\\?";

/* The value inside a longer text in Base64, at each of the three alignments. */
static void base64_is_found_at_each_alignment(void **state)
{
    (void)state;
    assert_true(secret_register("PW", value, strlen(value)));
    for (size_t before = 0; before < 6; before++) {
        for (size_t after = 0; after < 4; after++) {
            char plain[64];
            struct buffer coded, shown;
            buffer_init(&coded, 1000);
            buffer_init(&shown, 1000);
            int size = snprintf(plain, sizeof plain, "%.*s%s%.*s", (int)before, "user42", value,
                                (int)after, "\"}\n");
            assert_true(text_add_base64(&coded, plain, (size_t)size));
            assert_true(secret_redact(&shown, coded.data, coded.size));
            const char *label = strstr(buffer_text(&shown), "<secret PW>");
            assert_non_null(label);
            /* What is left are the neighbours' characters and at most two that
             * share bits with them at each end. */
            size_t left = shown.size - strlen("<secret PW>");
            assert_true(left <= (before + 2) / 3 * 4 + (after + 2) / 3 * 4 + 4);
            buffer_free(&coded);
            buffer_free(&shown);
        }
    }
}

static void every_encoding_is_found(void **state)
{
    (void)state;
    assert_true(secret_register("PW", value, strlen(value)));
    expect_redacted("x not/a+real\"pass word\\? y", "x <secret PW> y");
    expect_redacted("?p=not%2Fa%2Breal%22pass%20word%5C%3F&", "?p=<secret PW>&");
    expect_redacted("{\"p\":\"not/a+real\\\"pass word\\\\?\"}", "{\"p\":\"<secret PW>\"}");
    expect_redacted("{\"p\":\"not\\/a+real\\\"pass word\\\\?\"}", "{\"p\":\"<secret PW>\"}");
    expect_redacted("6e6f742f612b7265616c227061737320776f72645c3f", "<secret PW>");
    expect_redacted("6E6F742F612B7265616C227061737320776F72645C3F", "<secret PW>");
    expect_redacted("bm90L2ErcmVhbCJwYXNzIHdvcmRcPw==", "<secret PW>w==");
    expect_redacted("not/a+real\"pass word\\", "not/a+real\"pass word\\");
    assert_int_equal(secret_longest(), 2 * strlen(value));
}

static void a_value_is_registered_once(void **state)
{
    (void)state;
    assert_true(secret_register("FIRST", "fake-value-1", 12));
    assert_true(secret_register("SECOND", "fake-value-1", 12));
    expect_redacted("fake-value-1fake-value-1", "<secret FIRST><secret FIRST>");
    /* A value that is known as an encoding of another still gets its own. */
    assert_true(secret_register("THIRD", "66616b652d76616c75652d31", 24));
    expect_redacted("NjY2MTZiNjUyZDc2NjE2Yzc1NjUyZDMx", "<secret THIRD>");
}

/* The end of a label is no character that stands for one that cannot be shown. */
static void a_label_ends_where_it_ends(void **state)
{
    (void)state;
    char *shorter = strdup("key");
    assert_non_null(shorter);
    assert_true(secret_register("key<<<<", "fake-secret-one", 15));
    assert_true(secret_register(shorter, "fake-secret-two", 15));
    free(shorter);
    expect_redacted("fake-secret-two", "<secret key>");
}

static void overlapping_values_leave_nothing_behind(void **state)
{
    (void)state;
    assert_true(secret_register("SHORT", "abcdefgh", 8));
    assert_true(secret_register("LONG", "abcdefghij", 10));
    assert_true(secret_register("TAIL", "ghijklmnop", 10));
    expect_redacted("-abcdefgh-", "-<secret SHORT>-");
    expect_redacted("-abcdefghij-", "-<secret LONG>-");
    expect_redacted("-abcdefghijklmnop-", "-<secret LONG>-");
    expect_redacted("-abcdefghghijklmnop-", "-<secret SHORT><secret TAIL>-");
    expect_redacted("-abcdefabcdefgh", "-abcdef<secret SHORT>");
    expect_redacted("abcdefg", "abcdefg");
}

static void basic_credentials_are_hidden_in_base64(void **state)
{
    (void)state;
    struct secret *password = secret_new("KEY", "not-real", 8);
    assert_true(secret_register_basic("ada", password));
    expect_redacted("Authorization: Basic YWRhOm5vdC1yZWFs", "Authorization: Basic <secret KEY>");
    secret_release(password);
    secret_forget_all();
    password = secret_new("KEY", "tiny", 4);
    assert_true(secret_register_basic("ada", password));
    expect_redacted("Basic YWRhOnRpbnk=", "Basic <secret KEY>");
    expect_redacted("Basic YWRhOnRpbnk%3D", "Basic <secret KEY>");
    secret_release(password);
}

static void many_values_are_all_found(void **state)
{
    (void)state;
    char text[64], expected[64];
    for (int i = 0; i < 2000; i++) {
        int size = snprintf(text, sizeof text, "fake-%d-value", i * 7919);
        assert_true(secret_register(i % 2 ? "ODD" : "EVEN", text, (size_t)size));
    }
    for (int i = 0; i < 2000; i++) {
        snprintf(text, sizeof text, "[fake-%d-value]", i * 7919);
        snprintf(expected, sizeof expected, "[<secret %s>]", i % 2 ? "ODD" : "EVEN");
        expect_redacted(text, expected);
    }
    expect_redacted("fake-1-value", "fake-1-value");
}

static void redaction_reports_a_full_buffer(void **state)
{
    (void)state;
    assert_true(secret_register("PW", "fake-secret", 11));
    struct buffer b;
    buffer_init(&b, 12);
    assert_false(secret_redact(&b, "a fake-secret", 13));
    assert_null(strstr(buffer_text(&b), "fake"));
    buffer_free(&b);
}

/* --- log --- */

struct pipe {
    int read, write;
};

static int open_pipe(void **state)
{
    static struct pipe p;
    int ends[2];
    if (pipe(ends) != 0)
        return -1;
    p = (struct pipe){ ends[0], ends[1] };
    log_set_level(LOG_INFO);
    log_set_json(false);
    log_set_descriptor(p.write);
    *state = &p;
    return 0;
}

static int close_pipe(void **state)
{
    struct pipe *p = *state;
    log_set_descriptor(STDERR_FILENO);
    log_set_json(false);
    log_set_level(LOG_WARNING);
    secret_forget_all();
    close(p->read);
    return p->write >= 0 ? close(p->write) : 0;
}

/* Reads until as much has arrived as is expected: a terminal hands on its bytes
 * when it pleases. What is too much shows in the next call. */
static const char *written(struct pipe *p, char *into, size_t size)
{
    size_t got = 0;
    while (got < size) {
        struct pollfd polled = { .fd = p->read, .events = POLLIN };
        if (poll(&polled, 1, 5000) != 1)
            break;
        ssize_t n = read(p->read, into + got, size - got);
        assert_true(n > 0);
        got += (size_t)n;
    }
    into[got] = '\0';
    return into;
}

static void expect_written(struct pipe *p, const char *expected)
{
    char text[512];
    assert_true(strlen(expected) < sizeof text);
    assert_string_equal(written(p, text, strlen(expected)), expected);
}

static void lines_have_a_level(void **state)
{
    struct pipe *p = *state;
    assert_int_equal(log_level_of("none"), LOG_NONE);
    assert_int_equal(log_level_of("trace"), LOG_TRACE);
    assert_int_equal(log_level_of("loud"), -1);
    assert_true(log_enabled(LOG_INFO));
    assert_false(log_enabled(LOG_DEBUG));
    assert_false(log_enabled(LOG_NONE));
    log_line(LOG_DEBUG, "unseen");
    errno = ENOENT;
    log_line(LOG_WARNING, "%s is %d", "it", 7);
    assert_int_equal(errno, ENOENT);
    log_line(LOG_INFO, "next\n");
    expect_written(p, "kelp: warning: it is 7\nkelp: info: next\n");
}

static void lines_are_redacted_and_harmless(void **state)
{
    struct pipe *p = *state;
    assert_true(secret_register("PW", "fake\x1bsecret", 11));
    log_line(LOG_ERROR, "server said \x1b[2Jfake\x1bsecret\nkelp: error: forged");
    expect_written(p, "kelp: error: server said \\x1b[2J<secret PW>\n  kelp: error: forged\n");
}

static void json_lines_are_one_object_each(void **state)
{
    struct pipe *p = *state;
    char text[256], date[32];
    log_set_json(true);
    log_line(LOG_WARNING, "a \"b\"\nc\xff");
    int read = 0;
    static const char rest[] =
        "\"level\":\"warning\",\"message\":\"a \\\"b\\\"\\nc\\\\xff\"}\n";
    written(p, text, strlen("{\"time\":\"2026-01-01T00:00:00.000Z\",") + strlen(rest));
    assert_int_equal(sscanf(text, "{\"time\":\"%25[0-9T:.Z-]\",%n", date, &read), 1);
    assert_int_equal(strlen(date), strlen("2026-01-01T00:00:00.000Z"));
    assert_int_equal(date[23], 'Z');
    assert_string_equal(text + read, rest);
}

struct reader {
    struct pipe *pipe;
    char *bytes;
    size_t size;
};

static void *read_all(void *data)
{
    struct reader *r = data;
    char block[4096];
    ssize_t n;
    while ((n = read(r->pipe->read, block, sizeof block)) > 0) {
        r->bytes = realloc(r->bytes, r->size + (size_t)n + 1);
        memcpy(r->bytes + r->size, block, (size_t)n);
        r->size += (size_t)n;
        r->bytes[r->size] = '\0';
    }
    return NULL;
}

/* The cut must not leave the first half of a secret that straddles it. */
static void long_lines_are_cut_after_redaction(void **state)
{
    struct pipe *p = *state;
    enum { LIMIT = 64 * 1024 };
    static char message[2 * LIMIT];
    memset(message, 'x', sizeof message - 1);
    memcpy(message + LIMIT - 8, "fake-secret-value", 17);
    assert_true(secret_register("PASSWORD", "fake-secret-value", 17));
    struct reader r = { .pipe = p };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_all, &r), 0);
    log_line(LOG_ERROR, "%s", message);
    close(p->write);
    p->write = -1;
    pthread_join(thread, NULL);
    assert_null(strstr(r.bytes, "fake"));
    size_t start = strlen("kelp: error: ");
    assert_int_equal(r.size, start + LIMIT + strlen("…\n"));
    assert_string_equal(r.bytes + r.size - strlen("x<secret …\n"), "x<secret …\n");
    free(r.bytes);
}

static void log_write_redacts_and_reports(void **state)
{
    struct pipe *p = *state;
    assert_true(secret_register("PW", "fake-secret", 11));
    assert_int_equal(log_write(p->write, "a fake-secret b", 15), 0);
    assert_int_equal(log_write(p->write, "", 0), 0);
    expect_written(p, "a <secret PW> b");
    assert_int_equal(log_write(-1, "x", 1), EBADF);
}

/* A pipe takes 64 KiB at most, so writing more is short, and a non-blocking one
 * says EAGAIN. */
static void log_write_writes_everything(void **state)
{
    struct pipe *p = *state;
    enum { SIZE = 300000 };
    char *bytes = malloc(SIZE);
    for (int i = 0; i < SIZE; i++)
        bytes[i] = (char)('a' + i % 23);
    assert_int_equal(fcntl(p->write, F_SETFL, O_NONBLOCK), 0);
    struct reader r = { .pipe = p };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_all, &r), 0);
    assert_int_equal(log_write(p->write, bytes, SIZE), 0);
    close(p->write);
    p->write = -1;
    pthread_join(thread, NULL);
    assert_int_equal(r.size, SIZE);
    assert_memory_equal(r.bytes, bytes, SIZE);
    free(r.bytes);
    free(bytes);
}

static void progress_needs_a_terminal(void **state)
{
    struct pipe *p = *state;
    assert_false(log_progress_is_live());
    log_progress("3 of 9");
    log_line(LOG_INFO, "line");
    log_progress(NULL);
    expect_written(p, "kelp: info: line\n");
}

static int open_terminal(void **state)
{
    static struct pipe p;
    struct termios raw;
    struct winsize size = { .ws_row = 24, .ws_col = 20 };
    if (openpty(&p.read, &p.write, NULL, NULL, &size) != 0 || tcgetattr(p.write, &raw) != 0)
        return -1;
    cfmakeraw(&raw); /* bytes arrive as they were written */
    if (tcsetattr(p.write, TCSANOW, &raw) != 0)
        return -1;
    log_set_level(LOG_INFO);
    log_set_descriptor(p.write);
    *state = &p;
    return 0;
}

static void progress_stays_below_other_lines(void **state)
{
    struct pipe *p = *state;
    assert_true(log_progress_is_live());
    log_progress("1 of 3");
    expect_written(p, "1 of 3");
    log_line(LOG_INFO, "line");
    expect_written(p, "\r\033[Kkelp: info: line\n1 of 3");
    log_progress("2 of 3\n\x1b[2J and a long tail");
    expect_written(p, "\r\033[K2 of 3 \\x1b[2J and ");
    log_progress("");
    expect_written(p, "\r\033[K");
    log_progress(NULL);
    log_line(LOG_INFO, "after");
    expect_written(p, "kelp: info: after\n");
}

static void progress_spares_an_unfinished_line(void **state)
{
    struct pipe *p = *state;
    log_progress("1 of 3");
    assert_int_equal(log_write(p->write, "out\n", 4), 0);
    expect_written(p, "1 of 3\r\033[Kout\n1 of 3");
    assert_int_equal(log_write(p->write, "half", 4), 0);
    log_progress("2 of 3");
    expect_written(p, "\r\033[Khalf");
    assert_int_equal(log_write(p->write, " whole\n", 7), 0);
    expect_written(p, " whole\n2 of 3");
    assert_int_equal(log_write(p->write, "half", 4), 0);
    log_line(LOG_INFO, "line");
    expect_written(p, "\r\033[Khalf\nkelp: info: line\n2 of 3");
    log_progress(NULL);
}

int main(void)
{
    const struct CMUnitTest buffer[] = {
        cmocka_unit_test(files_are_replaced_and_read_whole),
        cmocka_unit_test(paths_follow_the_environment),
        cmocka_unit_test(floats_have_the_fewest_digits),
        cmocka_unit_test(bytes_become_base64_and_hexadecimal),
        cmocka_unit_test(buffer_grows_and_ends_with_nul),
        cmocka_unit_test(buffer_stops_exactly_at_its_limit),
        cmocka_unit_test(buffer_knows_how_far_it_was_used),
        cmocka_unit_test(buffer_refuses_what_memory_cannot_hold),
    };
    const struct CMUnitTest text[] = {
        cmocka_unit_test(utf8_is_judged_strictly),
        cmocka_unit_test(segments_that_mean_something_else_are_refused),
        cmocka_unit_test(percent_encoding_spares_only_unreserved_characters),
        cmocka_unit_test(json_strings_are_escaped),
        cmocka_unit_test(plain_pairs_are_written_whole_or_not_at_all),
        cmocka_unit_test(base64_follows_rfc_4648),
        cmocka_unit_test(printable_text_cannot_command_a_terminal),
        cmocka_unit_test(words_compare_without_case),
    };
    const struct CMUnitTest clock[] = {
        cmocka_unit_test(virtual_clocks_repeat_themselves),
        cmocka_unit_test(the_system_clock_moves_on),
    };
#define SECRET_TEST(f) cmocka_unit_test_setup_teardown(f, forget_secrets, forget_secrets)
    const struct CMUnitTest secret[] = {
        SECRET_TEST(secrets_hold_and_count_references),
        SECRET_TEST(nothing_registered_changes_nothing),
        SECRET_TEST(base64_is_found_at_each_alignment),
        SECRET_TEST(every_encoding_is_found),
        SECRET_TEST(a_value_is_registered_once),
        SECRET_TEST(a_label_ends_where_it_ends),
        SECRET_TEST(overlapping_values_leave_nothing_behind),
        SECRET_TEST(basic_credentials_are_hidden_in_base64),
        SECRET_TEST(many_values_are_all_found),
        SECRET_TEST(redaction_reports_a_full_buffer),
    };
#define PIPE_TEST(f) cmocka_unit_test_setup_teardown(f, open_pipe, close_pipe)
#define TERMINAL_TEST(f) cmocka_unit_test_setup_teardown(f, open_terminal, close_pipe)
    const struct CMUnitTest log[] = {
        PIPE_TEST(lines_have_a_level),
        PIPE_TEST(lines_are_redacted_and_harmless),
        PIPE_TEST(json_lines_are_one_object_each),
        PIPE_TEST(long_lines_are_cut_after_redaction),
        PIPE_TEST(log_write_redacts_and_reports),
        PIPE_TEST(log_write_writes_everything),
        PIPE_TEST(progress_needs_a_terminal),
        TERMINAL_TEST(progress_stays_below_other_lines),
        TERMINAL_TEST(progress_spares_an_unfinished_line),
    };
    int failed = cmocka_run_group_tests(buffer, NULL, NULL);
    failed += cmocka_run_group_tests(text, NULL, NULL);
    failed += cmocka_run_group_tests(clock, NULL, NULL);
    failed += cmocka_run_group_tests(secret, NULL, NULL);
    failed += cmocka_run_group_tests(log, NULL, NULL);
    return failed != 0;
}
