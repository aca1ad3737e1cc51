#define _GNU_SOURCE /* memmem */
/* fuzz_headers: any bytes as a response's headers and body: response_header, the numbers
 * and dates of the rate-limit headers, and what retry and pace make of them.
 *
 * The input is a status in two bytes, then header lines; what follows an empty line
 * is the body. */
#include "base/clock.h"
#include "http/http_date.h"
#include "http/limiter.h"
#include "http/retry.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) do { if (!(condition)) abort(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Copies to exactly as many bytes: a read behind the end is found. */
static void check_date(const char *bytes, size_t size, double wall)
{
    char *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL)
        return;
    memcpy(copy, bytes, size);
    double seconds;
    if (http_date_parse(copy, size, wall, &seconds))
        CHECK(seconds >= -62167219200.0 && seconds <= 253402300800.0 && size >= 24 && size <= 33);
    free(copy);
}

static void check_header(const struct response *r, const char *name, double wall)
{
    size_t size = 0;
    const char *value = response_header(r, name, &size);
    if (value == NULL)
        return;
    const char *begin = r->headers.data, *end = begin + r->headers.size;
    CHECK(value > begin && value + size <= end);
    CHECK(memchr(value, '\n', size) == NULL);
    CHECK(size == 0 || (!strchr(" \t\r", value[0]) || value[0] == '\0'));
    CHECK(size == 0 || (!strchr(" \t\r", value[size - 1]) || value[size - 1] == '\0'));
    check_date(value, size, wall);
}

static void check_decision(struct clock *clock, const struct response *r, bool repeatable)
{
    struct retry_policy policy = retry_policy_default();
    struct retry_past past = { .throttles = (int)(r->headers.size % 100) };
    enum outcome outcome = retry_classify(r, NULL);
    struct retry_decision d = retry_decide(&policy, clock, outcome, r, &past, repeatable);
    CHECK(d.why != NULL);
    CHECK(!d.again || (d.wait >= 0.01 && d.wait <= 330));
    CHECK(!d.pause || (!d.again && d.wait > 300 && d.wait <= 1e9));
    CHECK(!d.again || (outcome != OUTCOME_DONE && outcome != OUTCOME_REFUSED));
    CHECK(!d.again || repeatable || outcome != OUTCOME_AMBIGUOUS);
}

/* However strange the limits are, requests go on leaving. */
static void check_pace(struct virtual_clock *clock, const struct response *r)
{
    struct limiter_settings settings = { 0 };
    struct limiter *p = limiter_new(&clock->clock, &settings);
    if (p == NULL)
        return;
    for (int i = 0; i < 30; i++) {
        struct limiter_slot slot = { 0 };
        double wait;
        for (int asks = 0; (wait = limiter_admit(p, &slot)) != 0; asks++) {
            CHECK(wait > 0 && wait <= 1e9 && asks < 100000);
            clock_advance(clock, wait);
        }
        clock_advance(clock, 0.05);
        limiter_ended(p, &slot, retry_classify(r, NULL), r);
        struct limiter_state state;
        limiter_state(p, &state);
        CHECK(state.limit >= 1 && state.in_flight == 0);
        CHECK(isfinite(state.wait) && isfinite(state.rate) && state.rate >= 0);
    }
    limiter_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct transfer x;
    transfer_init(&x);
    struct response *r = &x.response;
    static const long statuses[] = { 200, 429, 503, 409, 500, 404, 408, 0 };
    r->status = statuses[data[0] % (sizeof statuses / sizeof statuses[0])];
    r->sent = SENT_YES;
    const char *text = (const char *)data + 2;
    size -= 2;
    const char *empty = size > 1 ? memmem(text, size, "\n\n", 2) : NULL;
    size_t headers = empty != NULL ? (size_t)(empty - text) + 1 : size;
    if (buffer_add(&r->headers, text, headers) &&
        buffer_add(&r->body, text + headers, size - headers)) {
        struct virtual_clock clock;
        clock_virtual(&clock, data[1]);
        static const char *const names[] = { "Retry-After", "Date", "X-RateLimit-Limit",
                                             "X-RateLimit-Remaining", "X-RateLimit-Reset", "a" };
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            check_header(r, names[i], clock_wall(&clock.clock));
        check_date(text, size, clock_wall(&clock.clock));
        double seconds;
        if (retry_hint(r, &clock.clock, &seconds))
            CHECK(seconds >= 0 && seconds <= 1e9);
        struct retry_limits limits;
        retry_limits(r, &limits);
        CHECK(limits.limit == -1 || (limits.limit >= 0 && limits.limit <= 1e9));
        CHECK(limits.remaining == -1 || (limits.remaining >= 0 && limits.remaining <= 1e9));
        CHECK(limits.reset == -1 || (limits.reset >= 0 && limits.reset <= 1e9));
        check_decision(&clock.clock, r, true);
        check_decision(&clock.clock, r, false);
        check_pace(&clock, r);
    }
    transfer_free(&x);
    return 0;
}
