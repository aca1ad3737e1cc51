#include "http/retry.h"

#include "base/clock.h"
#include "base/text.h"

#include <math.h>
#include <string.h>
#include <strings.h>

/* In the headers of limits anything above is an epoch, milliseconds or nonsense, not a wait. */
static const double longest_sensible = 1e9;

/* Retry-After says that it wants to be left alone, however long: more is cut to this, which is
 * three centuries. */
static const double longest_retry_after = 1e10;

/* A random backoff may be next to nothing; a loop of those would be a spin. */
static const double least_wait = 0.01;

/* Error texts are short; a large body is not one. */
enum { TEXT_SEARCHED = 64 * 1024 };

/* --- classes --- */

static bool says(const struct response *response, const char *phrase)
{
    size_t size = response->body.size;
    return text_has_phrase(response->body.data, size < TEXT_SEARCHED ? size : TEXT_SEARCHED, phrase);
}

static enum outcome classify_status(const struct response *response)
{
    long status = response->status;
    if (status >= 200 && status < 300)
        return OUTCOME_DONE;
    if (status == 429)
        return OUTCOME_REJECTED;
    if (status == 408 || status == 409 || status >= 500 || status < 200)
        return OUTCOME_AMBIGUOUS;
    return OUTCOME_REFUSED;
}

enum outcome retry_classify(const struct response *response, const struct response_rule *rules)
{
    if (response->fault == FAULT_NONE) {
        for (; rules != NULL && rules->status != 0; rules++)
            if (rules->status == response->status && says(response, rules->text))
                return rules->outcome;
        return classify_status(response);
    }
    /* As if the server had refused for its limits: it comes back when there is room. */
    if (response->fault == FAULT_SCARCE && response->sent == SENT_NO)
        return OUTCOME_REJECTED;
    return response->sent == SENT_NO ? OUTCOME_NOT_SENT : OUTCOME_AMBIGUOUS;
}

/* --- hints --- */

/* Reads a decimal number without sign or exponent from the beginning of the text; the bytes that
 * it takes, 0: there is none. strtod would take far more, and depends on the locale. */
static size_t read_number(const char *text, size_t size, double *number)
{
    double value = 0, place = 1;
    bool fraction = false;
    size_t i = 0;
    for (; i < size; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        if (text[i] == '.' && i > 0 && !fraction && i + 1 < size && text[i + 1] >= '0' &&
            text[i + 1] <= '9') {
            fraction = true;
        } else if (!digit) {
            break;
        } else if (fraction) {
            place /= 10;
            value += (text[i] - '0') * place;
        } else {
            value = value * 10 + (text[i] - '0');
        }
    }
    *number = value;
    return i;
}

static bool parse_number(const char *text, size_t size, double *number)
{
    double value;
    if (size == 0 || read_number(text, size, &value) != size || !(value <= longest_sensible))
        return false;
    *number = value;
    return true;
}

/* The number that stands first, in what proxies make of Retry-After too: "3600, 5", "3600;x",
 * "+3600". */
static bool parse_retry_after(const char *text, size_t size, double *seconds)
{
    double value;
    size_t sign = size > 0 && text[0] == '+';
    size_t used = read_number(text + sign, size - sign, &value);
    if (used == 0 || (sign + used < size && strchr(" \t,;", text[sign + used]) == NULL))
        return false;
    *seconds = value < longest_retry_after ? value : longest_retry_after;
    return true;
}

static double header_number(const struct response *response, const char *name)
{
    size_t size;
    double value;
    const char *text = response_header(response, name, &size);
    return text != NULL && parse_number(text, size, &value) ? value : -1;
}

/* Seconds from the server's own "now", if it says that, to the date. */
static bool parse_date(const struct response *response, struct clock *clock, const char *text,
                       size_t size, double *seconds)
{
    double wall = clock_wall(clock), then, now = wall;
    if (!transport_date(text, size, wall, &then))
        return false;
    const char *date = response_header(response, "Date", &size);
    if (date == NULL || !transport_date(date, size, wall, &now))
        now = wall;
    /* A server whose clock is off by decades says nothing of how long it is. */
    if (then - now > longest_sensible)
        now = wall;
    *seconds = then > now ? then - now : 0;
    if (*seconds > longest_retry_after)
        *seconds = longest_retry_after;
    return true;
}

bool retry_limits(const struct response *response, struct retry_limits *limits)
{
    limits->limit = header_number(response, "X-RateLimit-Limit");
    limits->remaining = header_number(response, "X-RateLimit-Remaining");
    limits->reset = header_number(response, "X-RateLimit-Reset");
    return limits->remaining >= 0;
}

bool retry_hint(const struct response *response, struct clock *clock, double *seconds)
{
    size_t size;
    const char *text = response_header(response, "Retry-After", &size);
    if (text != NULL && (parse_retry_after(text, size, seconds) ||
                         parse_date(response, clock, text, size, seconds)))
        return true;
    struct retry_limits limits;
    retry_limits(response, &limits);
    if (limits.reset < 0 || (response->status != 429 && limits.remaining != 0))
        return false;
    *seconds = limits.reset;
    return true;
}

/* Also in words that cannot be read. */
static bool asks_to_wait(const struct response *response)
{
    size_t size;
    return response_header(response, "Retry-After", &size) != NULL && size > 0;
}

/* --- decisions --- */

struct retry_policy retry_policy_default(void)
{
    return (struct retry_policy){ .attempts = 4, .base = 0.25, .cap = 20, .throttle_base = 1,
                                  .throttle_cap = 60, .deadline = 900, .longest_hint = 300 };
}

static double full_jitter(struct clock *clock, double base, double cap, int doublings)
{
    double most = ldexp(base, doublings < 60 ? doublings : 60);
    double wait = clock_fraction(clock) * (most < cap ? most : cap);
    return wait < least_wait ? least_wait : wait;
}

double retry_backoff(const struct retry_policy *policy, struct clock *clock, int n)
{
    return full_jitter(clock, policy->base, policy->cap, n);
}

/* Why another try cannot end differently or is not wanted, or NULL. */
static const char *hopeless(enum fault fault)
{
    switch (fault) {
    case FAULT_TLS:
        return "no trusted connection";
    case FAULT_REFUSED:
        return "this side does not send it";
    case FAULT_TOO_LARGE:
        return "the response is too large";
    case FAULT_CANCELLED:
        return "cancelled";
    case FAULT_MEMORY:
        return "out of memory";
    default:
        return NULL;
    }
}

static struct retry_decision no(const char *why)
{
    return (struct retry_decision){ .why = why };
}

static const char *reason(enum outcome outcome, const struct response *response)
{
    if (response->fault == FAULT_SCARCE)
        return "too few file descriptors";
    if (outcome == OUTCOME_REJECTED)
        return response->status == 429 ? "rate limit" : "the server asks to try later";
    if (outcome == OUTCOME_NOT_SENT)
        return "could not be sent";
    return response->fault == FAULT_NONE ? "server failure" : "lost response";
}

struct retry_decision retry_decide(const struct retry_policy *policy, struct clock *clock,
                                   enum outcome outcome, const struct response *response,
                                   const struct retry_past *past, bool repeatable)
{
    if (outcome == OUTCOME_DONE)
        return no("done");
    if (outcome == OUTCOME_REFUSED)
        return no("refused");
    const char *why = hopeless(response->fault);
    if (why != NULL)
        return no(why);
    if (outcome == OUTCOME_AMBIGUOUS && !repeatable)
        return no("it may have been done");

    struct retry_decision d = { .why = reason(outcome, response) };
    bool throttled = outcome == OUTCOME_REJECTED;
    double hint = 0;
    bool hinted = retry_hint(response, clock, &hint);
    d.counts = !throttled;
    if (d.counts && past->attempts + 1 >= policy->attempts) {
        d.why = "all attempts are used up";
        return d;
    }
    if (hinted && hint > policy->longest_hint) {
        d.why = "the server wants a longer pause";
        d.wait = hint;
        d.pause = true;
        return d;
    }
    if (hinted && hint > 0)
        d.wait = fmax(hint * (1 + 0.1 * clock_fraction(clock)), least_wait);
    else if (throttled || asks_to_wait(response))
        d.wait = full_jitter(clock, policy->throttle_base, policy->throttle_cap, past->throttles);
    else
        d.wait = retry_backoff(policy, clock, past->attempts);
    if (policy->deadline > 0 && past->elapsed + d.wait > policy->deadline) {
        d.why = "the deadline would pass";
        return d;
    }
    d.again = true;
    return d;
}
