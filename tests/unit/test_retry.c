/* retry: classes of outcomes, hints of servers, decisions. */
#include "base/clock.h"
#include "http/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct transfer transfer;
static struct virtual_clock virtual;

static int set_up(void **state)
{
    (void)state;
    transfer_init(&transfer);
    clock_virtual(&virtual, 11);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    transfer_free(&transfer);
    return 0;
}

static struct response *fault(enum fault f, enum sent sent)
{
    transfer_free(&transfer);
    transfer_init(&transfer);
    transfer.response.fault = f;
    transfer.response.sent = sent;
    return &transfer.response;
}

static struct response *answer(long status, const char *headers, const char *body)
{
    struct response *r = fault(FAULT_NONE, SENT_YES);
    r->status = status;
    assert_true(buffer_add_text(&r->headers, headers));
    assert_true(buffer_add_text(&r->body, body));
    return r;
}

/* --- classes --- */

static const struct response_rule rules[] = {
    { 409, "already exists", OUTCOME_REFUSED },
    { 409, "rebalance", OUTCOME_REJECTED },
    { 409, "stale configuration", OUTCOME_REJECTED },
    { 409, "conflicting operation", OUTCOME_REJECTED },
    { 500, "request timed out", OUTCOME_AMBIGUOUS },
    { 500, "a rebalance is expected", OUTCOME_REJECTED },
    { 0, NULL, OUTCOME_AMBIGUOUS },
};

static void without_rules_a_text_means_nothing(void **state)
{
    (void)state;
    assert_int_equal(retry_classify(answer(409, "", "already exists"), NULL), OUTCOME_AMBIGUOUS);
    assert_int_equal(retry_classify(answer(500, "", "a rebalance is expected"), NULL),
                     OUTCOME_AMBIGUOUS);
    static const struct response_rule busy[] = {
        { 200, "busy", OUTCOME_REJECTED }, { 0, NULL, OUTCOME_AMBIGUOUS } };
    assert_int_equal(retry_classify(answer(200, "", "I am BUSY"), busy), OUTCOME_REJECTED);
    assert_int_equal(retry_classify(answer(201, "", "I am busy"), busy), OUTCOME_DONE);
}

static void statuses_have_classes(void **state)
{
    (void)state;
    static const struct {
        long status;
        enum outcome outcome;
    } rows[] = {
        { 200, OUTCOME_DONE },      { 201, OUTCOME_DONE },      { 202, OUTCOME_DONE },
        { 204, OUTCOME_DONE },      { 301, OUTCOME_REFUSED },   { 307, OUTCOME_REFUSED },
        { 400, OUTCOME_REFUSED },   { 401, OUTCOME_REFUSED },   { 402, OUTCOME_REFUSED },
        { 403, OUTCOME_REFUSED },   { 404, OUTCOME_REFUSED },   { 408, OUTCOME_AMBIGUOUS },
        { 409, OUTCOME_AMBIGUOUS }, { 413, OUTCOME_REFUSED },   { 422, OUTCOME_REFUSED },
        { 429, OUTCOME_REJECTED },  { 500, OUTCOME_AMBIGUOUS }, { 502, OUTCOME_AMBIGUOUS },
        { 503, OUTCOME_AMBIGUOUS }, { 504, OUTCOME_AMBIGUOUS }, { 999, OUTCOME_AMBIGUOUS },
        { 0, OUTCOME_AMBIGUOUS },
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(retry_classify(answer(rows[i].status, "", ""), rules), rows[i].outcome);
}

static void conflicts_are_told_apart_by_their_text(void **state)
{
    (void)state;
    static const struct {
        long status;
        const char *body;
        enum outcome outcome;
    } rows[] = {
        { 409, "{\"error_code\":409,\"message\":\"Connector a already exists\"}",
          OUTCOME_REFUSED },
        { 409, "{\"message\":\"Connector rebalance already exists\"}", OUTCOME_REFUSED },
        { 409, "{\"message\":\"Cannot complete request momentarily due to stale configuration "
               "(typically caused by a concurrent config change)\"}", OUTCOME_REJECTED },
        { 409, "Cannot complete request momentarily due to no known leader URL, likely because "
               "a rebalance was underway.", OUTCOME_REJECTED },
        { 409, "Cannot complete request because of a conflicting operation "
               "(e.g. worker rebalance)", OUTCOME_REJECTED },
        { 409, "A REBALANCE is running", OUTCOME_REJECTED },
        { 409, "the connector is busy", OUTCOME_AMBIGUOUS },
        { 500, "Request cannot be completed because a rebalance is expected",
          OUTCOME_REJECTED },
        { 500, "Request timed out", OUTCOME_AMBIGUOUS },
        /* A name in a text is not a reason to send a create again. */
        { 500, "no class implements Connector for rebalance-orders", OUTCOME_AMBIGUOUS },
        { 500, "Request timed out. The worker is currently writing a config for connector "
               "\"a rebalance is expected\", which began at noon", OUTCOME_AMBIGUOUS },
        { 503, "a rebalance is expected", OUTCOME_AMBIGUOUS },
        { 400, "a rebalance is expected", OUTCOME_REFUSED },
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(retry_classify(answer(rows[i].status, "", rows[i].body), rules),
                         rows[i].outcome);
}

static void only_the_beginning_of_a_text_is_searched(void **state)
{
    (void)state;
    struct response *r = answer(409, "", "");
    for (int i = 0; i < 64 * 1024; i++)
        assert_true(buffer_add_char(&r->body, i % 100 == 0 ? '\0' : 'x'));
    assert_true(buffer_add_text(&r->body, "rebalance"));
    assert_int_equal(retry_classify(r, rules), OUTCOME_AMBIGUOUS);
    memcpy(r->body.data + 64 * 1024 - 9, "rebalance", 9);
    assert_int_equal(retry_classify(r, rules), OUTCOME_REJECTED);
}

static void faults_are_classed_by_what_was_sent(void **state)
{
    (void)state;
    for (int f = FAULT_RESOLVE; f <= FAULT_MEMORY; f++) {
        assert_int_equal(retry_classify(fault((enum fault)f, SENT_NO), rules), OUTCOME_NOT_SENT);
        assert_int_equal(retry_classify(fault((enum fault)f, SENT_MAYBE), rules), OUTCOME_AMBIGUOUS);
        assert_int_equal(retry_classify(fault((enum fault)f, SENT_YES), rules), OUTCOME_AMBIGUOUS);
    }
    /* A status that arrived before the connection broke proves nothing. */
    struct response *r = fault(FAULT_CLOSED, SENT_MAYBE);
    r->status = 429;
    assert_int_equal(retry_classify(r, rules), OUTCOME_AMBIGUOUS);
}

/* --- dates --- */

/* Also that nothing is read behind the end: the copy ends where memory does. */
static bool parse(const char *text, double *seconds)
{
    size_t size = strlen(text);
    char *copy = test_malloc(size > 0 ? size : 1);
    memcpy(copy, text, size);
    bool parsed = transport_date(copy, size, 1767225600.0, seconds);
    test_free(copy);
    return parsed;
}

static void dates_are_read_in_three_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double seconds;
    } rows[] = {
        { "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
        { "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
        { "Sun Nov  6 08:49:37 1994", 784111777 },
        { "Wed Nov 16 08:49:37 1994", 784975777 },
        { "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
        { "Wed, 31 Dec 1969 23:59:58 GMT", -2 },
        { "Thu, 29 Feb 2024 12:00:00 GMT", 1709208000 },
        { "Tue, 29 Feb 2000 00:00:00 GMT", 951782400 },
        { "Sat, 31 Dec 2016 23:59:60 GMT", 1483228800 },
        { "Fri, 31 Dec 9999 23:59:59 GMT", 253402300799.0 },
        { "Friday, 01-Jan-27 00:00:00 GMT", 1798761600 },
        { "Wednesday, 01-Jan-76 00:00:00 GMT", 3345062400.0 },
        { "Saturday, 01-Jan-77 00:00:00 GMT", 220924800 },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        double seconds = -12345;
        assert_true(parse(rows[i].text, &seconds));
        assert_true(seconds == rows[i].seconds);
    }
}

static void what_is_no_date_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "", "Sun", "Sun,", "soon", "1994", "Sun, 06 Nov 1994 08:49:37", "GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT",
        "sun, 06 nov 1994 08:49:37 gmt", "Sun, 06 Nov 94 08:49:37 GMT",
        "Xyz, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Xyz 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 1900 08:49:37 GMT", "Sun, 29 Feb 2023 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 Nov 1994 -8:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:3\xb7 GMT", "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT", "Sun Nov 06 08:49:37 94",
        "Sun Nov   6 08:49:37 1994", "Sun Nov  6 08:49:37 1994 GMT",
        "2026-01-01T00:00:00Z", "Sun, 06 Nov 1994 08:49:37 +0000",
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        double seconds;
        if (parse(rows[i], &seconds))
            fail_msg("taken for a date: \"%s\"", rows[i]);
    }
}

/* --- hints --- */

static void expect_hint(long status, const char *headers, double expected)
{
    double seconds = -1;
    bool found = retry_hint(answer(status, headers, ""), &virtual.clock, &seconds);
    if (!found)
        seconds = -1;
    if (fabs(seconds - expected) > 1e-9)
        fail_msg("%ld \"%s\": %f, not %f", status, headers, seconds, expected);
}

static void retry_after_takes_sensible_values_only(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        double seconds;
    } rows[] = {
        { "0", 0 }, { "1", 1 }, { "12", 12 }, { "1.5", 1.5 }, { "0012", 12 }, { "86400", 86400 },
        { "1000000000", 1e9 }, { "  7\t", 7 },
        { "1000000001", 1000000001 }, { "9999999999", 9999999999 }, { "1767225600000", 1e10 },
        { "99999999999999999999", 1e10 }, { "-5", -1 }, { "+5", 5 }, { "soon", -1 }, { "", -1 },
        { "3600, 5", 3600 }, { "3600;x", 3600 }, { "1 2", 1 }, { "1.5;x", 1.5 }, { "++5", -1 },
        { "+", -1 }, { ", 5", -1 }, { "1.", -1 }, { ".5", -1 }, { "1.2.3", -1 }, { "1e3", -1 },
        { "0x10", -1 }, { "inf", -1 }, { "nan", -1 }, { "1s", -1 }, { "\xb2", -1 }, { ".", -1 },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char headers[100];
        snprintf(headers, sizeof headers, "Retry-After: %s\n", rows[i].value);
        expect_hint(429, headers, rows[i].seconds);
    }
    char digits[2000] = "Retry-After: ";
    memset(digits + strlen(digits), '9', sizeof digits - 20);
    expect_hint(429, digits, 1e10);
    char zeros[2000] = "Retry-After: 1.";
    memset(zeros + strlen(zeros), '0', sizeof zeros - 20);
    expect_hint(429, zeros, 1);
}

static void dates_are_measured_with_the_servers_clock(void **state)
{
    (void)state;
#define LATER "Retry-After: Thu, 01 Jan 2026 00:01:30 GMT\n"
    expect_hint(429, LATER, 90); /* the virtual clock shows 2026-01-01 */
    expect_hint(429, LATER "Date: Thu, 01 Jan 2026 00:01:00 GMT\n", 30);
    expect_hint(429, LATER "Date: Thursday, 01-Jan-26 00:01:00 GMT\n", 30);
    expect_hint(429, LATER "Date: Thu Jan  1 00:01:00 2026\n", 30);
    expect_hint(429, LATER "Date: Thu, 01 Jan 2026 00:02:00 GMT\n", 0);
    expect_hint(429, LATER "Date: yesterday\n", 90);
    expect_hint(429, LATER "Date: Thu, 01 Jan 1970 00:00:00 GMT\n", 90);
    expect_hint(429, "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\n", 1e10);
    expect_hint(429, "Retry-After: Wed, 31 Dec 1969 23:59:58 GMT\n", 0);
    clock_advance(&virtual, 60);
    expect_hint(429, LATER, 30);
}

static void limits_are_the_second_choice(void **state)
{
    (void)state;
#define RESET "X-RateLimit-Reset: 7\n"
    expect_hint(429, RESET, 7);
    expect_hint(429, RESET "X-RateLimit-Remaining: 3\n", 7);
    expect_hint(200, RESET, -1);
    expect_hint(200, RESET "X-RateLimit-Remaining: 3\n", -1);
    expect_hint(200, RESET "X-RateLimit-Remaining: 0\n", 7);
    expect_hint(200, RESET "x-ratelimit-remaining: 0\n", 7);
    expect_hint(429, "Retry-After: 2\n" RESET, 2);
    expect_hint(429, "Retry-After: soon\n" RESET, 7);
    expect_hint(503, "Retry-After: 3\n", 3);
    expect_hint(429, "X-RateLimit-Reset: 1767225600\n", -1);
    expect_hint(429, "X-RateLimit-Reset: -1\n", -1);
    expect_hint(429, "", -1);

    struct retry_limits limits;
    assert_true(retry_limits(answer(200, "X-RateLimit-Limit: 50\nX-RateLimit-Remaining: 49\n"
                                         "X-RateLimit-Reset: 1\n", ""), &limits));
    assert_true(limits.limit == 50 && limits.remaining == 49 && limits.reset == 1);
    assert_true(retry_limits(answer(200, "X-RateLimit-Remaining: 4\n", ""), &limits));
    assert_true(limits.limit == -1 && limits.remaining == 4 && limits.reset == -1);
    assert_false(retry_limits(answer(200, "X-RateLimit-Limit: 50\n"
                                          "X-RateLimit-Remaining: -4\n", ""), &limits));
}

/* --- decisions --- */

static const struct retry_past none = { 0, 0, 0 };

static struct retry_decision decide(const struct response *response, struct retry_past past,
                                    bool repeatable)
{
    struct retry_policy policy = retry_policy_default();
    struct retry_decision d = retry_decide(&policy, &virtual.clock, retry_classify(response, rules), response,
                                           &past, repeatable);
    assert_non_null(d.why);
    assert_true(!d.again || (d.wait > 0 && d.wait <= 330));
    return d;
}

static void only_what_cannot_have_happened_is_sent_again_unasked(void **state)
{
    (void)state;
    static const struct {
        enum fault fault;
        enum sent sent;
        long status;
        const char *body;
        bool if_repeatable, always, counts;
    } rows[] = {
        { FAULT_NONE, SENT_YES, 200, "", false, false, false },
        { FAULT_NONE, SENT_YES, 302, "", false, false, false },
        { FAULT_NONE, SENT_YES, 400, "", false, false, false },
        { FAULT_NONE, SENT_YES, 401, "", false, false, false },
        { FAULT_NONE, SENT_YES, 402, "", false, false, false },
        { FAULT_NONE, SENT_YES, 404, "", false, false, false },
        { FAULT_NONE, SENT_YES, 408, "", true, false, true },
        { FAULT_NONE, SENT_YES, 409, "already exists", false, false, false },
        { FAULT_NONE, SENT_YES, 409, "rebalance", true, true, false },
        { FAULT_NONE, SENT_YES, 409, "hm", true, false, true },
        { FAULT_NONE, SENT_YES, 429, "", true, true, false },
        { FAULT_NONE, SENT_YES, 500, "", true, false, true },
        { FAULT_NONE, SENT_YES, 503, "", true, false, true },
        { FAULT_RESOLVE, SENT_NO, 0, "", true, true, true },
        { FAULT_CONNECT, SENT_NO, 0, "", true, true, true },
        { FAULT_SCARCE, SENT_NO, 0, "", true, true, false },
        { FAULT_SCARCE, SENT_MAYBE, 0, "", true, false, true },
        { FAULT_TIMEOUT, SENT_NO, 0, "", true, true, true },
        { FAULT_TIMEOUT, SENT_MAYBE, 0, "", true, false, true },
        { FAULT_CLOSED, SENT_MAYBE, 0, "", true, false, true },
        { FAULT_CLOSED, SENT_MAYBE, 201, "", true, false, true },
        { FAULT_PROTOCOL, SENT_MAYBE, 0, "", true, false, true },
        { FAULT_TLS, SENT_NO, 0, "", false, false, false },
        { FAULT_TLS, SENT_MAYBE, 0, "", false, false, false },
        { FAULT_REFUSED, SENT_NO, 0, "", false, false, false },
        { FAULT_CANCELLED, SENT_NO, 0, "", false, false, false },
        { FAULT_CANCELLED, SENT_MAYBE, 0, "", false, false, false },
        { FAULT_TOO_LARGE, SENT_MAYBE, 200, "", false, false, false },
        { FAULT_MEMORY, SENT_MAYBE, 0, "", false, false, false },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct response *r = fault(rows[i].fault, rows[i].sent);
        r->status = rows[i].status;
        assert_true(buffer_add_text(&r->body, rows[i].body));
        struct retry_decision yes = decide(r, none, true), no = decide(r, none, false);
        if (yes.again != rows[i].if_repeatable || no.again != rows[i].always)
            fail_msg("row %zu: %d %d", i, yes.again, no.again);
        assert_false(yes.pause || no.pause);
        if (yes.again)
            assert_int_equal(yes.counts, rows[i].counts);
    }
}

static void attempts_are_counted_but_throttles_are_not(void **state)
{
    (void)state;
    struct retry_past past = none;
    const struct response *closed = fault(FAULT_CLOSED, SENT_MAYBE);
    int sends = 1;
    for (struct retry_decision d; (d = decide(closed, past, true)).again; sends++)
        past.attempts++;
    assert_int_equal(sends, 4);

    past = (struct retry_past){ .attempts = 3, .throttles = 100 };
    assert_true(decide(answer(429, "", ""), past, false).again);
    past.elapsed = 899.999;
    struct retry_decision d = decide(answer(429, "Retry-After: 1\n", ""), past, false);
    assert_false(d.again);
    assert_false(d.pause);
    assert_string_equal(d.why, "the deadline would pass");
    past.elapsed = 898;
    assert_true(decide(answer(429, "Retry-After: 1\n", ""), past, false).again);
}

static void backoff_is_fully_jittered_and_doubles(void **state)
{
    (void)state;
    static const struct {
        long status;
        int before;
        double most;
    } rows[] = {
        { 500, 0, 0.25 }, { 500, 1, 0.5 }, { 500, 2, 1 }, { 500, 6, 16 }, { 500, 7, 20 },
        { 500, 1000, 20 }, { 429, 0, 1 }, { 429, 1, 2 }, { 429, 5, 32 }, { 429, 6, 60 },
        { 429, 100000, 60 },
    };
    struct retry_policy policy = retry_policy_default();
    policy.attempts = 2000;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct response *r = answer(rows[i].status, "", "");
        struct retry_past past = { rows[i].before, rows[i].before, 0 };
        double least = INFINITY, most = 0, sum = 0;
        for (int n = 0; n < 1000; n++) {
            struct retry_decision d =
                retry_decide(&policy, &virtual.clock, retry_classify(r, rules), r, &past, true);
            assert_true(d.again);
            least = fmin(least, d.wait);
            most = fmax(most, d.wait);
            sum += d.wait;
        }
        assert_true(most <= rows[i].most && most > 0.95 * rows[i].most);
        assert_true(least >= 0.01 && least < fmax(0.011, 0.05 * rows[i].most));
        assert_true(fabs(sum / 1000 - rows[i].most / 2) < 0.05 * rows[i].most);
    }
}

static void a_hint_is_the_floor_of_the_wait(void **state)
{
    (void)state;
    double least = INFINITY, most = 0;
    for (int n = 0; n < 1000; n++) {
        struct retry_decision d = decide(answer(429, "Retry-After: 10\n", ""), none, false);
        least = fmin(least, d.wait);
        most = fmax(most, d.wait);
    }
    assert_true(least >= 10 && least < 10.05 && most <= 11 && most > 10.95);

    struct retry_decision d = decide(answer(503, "Retry-After: 10\n", ""), none, true);
    assert_true(d.again && d.counts && d.wait >= 10);
    /* No hint at all would be better than that one. */
    for (int n = 0; n < 1000; n++)
        assert_true(decide(answer(429, "Retry-After: 0\n", ""), none, false).wait >= 0.01);
}

static void a_far_hint_pauses_the_run(void **state)
{
    (void)state;
    struct retry_decision d = decide(answer(429, "Retry-After: 86400\n", ""), none, false);
    assert_false(d.again);
    assert_true(d.pause && d.wait == 86400);
    d = decide(answer(429, "Retry-After: 300\n", ""), none, false);
    assert_true(d.again && !d.pause);
    d = decide(answer(503, "Retry-After: 301\n", ""), none, true);
    assert_true(d.pause && !d.again);
    /* It does not matter to what is not sent again anyway. */
    d = decide(answer(503, "Retry-After: 301\n", ""), none, false);
    assert_false(d.pause || d.again);
    d = decide(answer(400, "Retry-After: 301\n", ""), none, true);
    assert_false(d.pause || d.again);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest retry[] = {
        TEST(statuses_have_classes),
        TEST(without_rules_a_text_means_nothing),
        TEST(conflicts_are_told_apart_by_their_text),
        TEST(only_the_beginning_of_a_text_is_searched),
        TEST(faults_are_classed_by_what_was_sent),
        TEST(dates_are_read_in_three_forms),
        TEST(what_is_no_date_is_refused),
        TEST(retry_after_takes_sensible_values_only),
        TEST(dates_are_measured_with_the_servers_clock),
        TEST(limits_are_the_second_choice),
        TEST(only_what_cannot_have_happened_is_sent_again_unasked),
        TEST(attempts_are_counted_but_throttles_are_not),
        TEST(backoff_is_fully_jittered_and_doubles),
        TEST(a_hint_is_the_floor_of_the_wait),
        TEST(a_far_hint_pauses_the_run),
    };
    return cmocka_run_group_tests(retry, NULL, NULL);
}
