#include "http/limiter_rate.h"

#include <math.h>
#include <string.h>

/* Sending may catch up this much when asked late. */
static const double slack_seconds = 0.02;
static const double slack_requests = 2;

/* Until a limit is known, requests are only kept from leaving in lumps of as many as
 * there are slots, which would meet the server's limit long before their number does:
 * at so many times the rate at which responses free slots. */
static const double spread = 1.25;

/* Bounds of what rate_ask returns: no spin, and as the rate changes with time, no
 * long wait for what it would be worth now. */
static const double shortest_wait = 0.001, longest_nap = 0.25;

void rate_init(struct rate *r, double fixed, double burst, double now)
{
    memset(r, 0, sizeof *r);
    r->fixed = fixed > 0 ? fixed : 0;
    r->burst = burst >= 1 ? burst : 1;
    r->credit = r->burst;
    r->credited_at = now;
}

static struct rate_point point_of(const struct rate *r, double now)
{
    return (struct rate_point){ now, r->sent };
}

double rate_now(const struct rate *r, double now)
{
    double rate = r->fixed > 0 ? r->fixed : INFINITY;
    double learned = r->headers.shown ? headers_rate(&r->headers, point_of(r, now))
                                     : estimate_rate(&r->estimate, now, r->lag);
    return fmin(rate, learned);
}

/* Requests that may leave at once. */
static double most_credit(const struct rate *r, double rate)
{
    if (r->fixed > 0)
        return r->burst + slack_seconds * r->fixed;
    return fmax(slack_requests, slack_seconds * rate);
}

double rate_ask(struct rate *r, double now, double slots)
{
    double wait = 0, credit;
    headers_turn(&r->headers, point_of(r, now));
    if (r->sent > 0)
        headers_rest(&r->headers, point_of(r, now), now - r->started[r->sent % RATE_STARTS]);
    if (estimate_conclude(&r->estimate, now, &credit))
        r->credit = r->fixed > 0 ? fmin(credit, r->burst) : credit;
    double rate = rate_now(r, now);
    if (!isfinite(rate) && r->lag > 0)
        rate = spread * slots / r->lag;
    if (isfinite(rate)) {
        double more = fmin(r->credit + rate * (now - r->credited_at), most_credit(r, rate));
        r->credit = fmax(r->credit, more);
        if (r->credit < 1 - 1e-9)
            wait = fmin(fmin((1 - r->credit) / rate, longest_nap), headers_next(&r->headers, now));
    }
    r->credited_at = now;
    if (r->headers.shown)
        wait = fmax(wait, headers_wait(&r->headers, point_of(r, now)));
    return wait > 0 ? fmax(wait, shortest_wait) : 0;
}

uint64_t rate_sent(struct rate *r, double now)
{
    r->sent++;
    r->started[r->sent % RATE_STARTS] = now;
    r->credit = fmax(r->credit - 1, 0);
    estimate_sent(&r->estimate, point_of(r, now));
    return r->sent;
}

/* The number of the last send that was started by then. */
static uint64_t last_started(const struct rate *r, double at)
{
    uint64_t high = r->sent, low = high > RATE_STARTS ? high - RATE_STARTS + 1 : 1;
    while (low < high) {
        uint64_t middle = high - (high - low) / 2;
        if (r->started[middle % RATE_STARTS] <= at)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* Where in the sequence of sends the server was when it saw a request that is
 * responded to now. Where latencies differ that is not where the request itself stands:
 * one that took longer than others was overtaken by some. */
static struct rate_point seen_at(const struct rate *r, struct rate_point sent, double now)
{
    struct rate_point seen = { sent.at + (now - sent.at - r->lag) / 2, sent.number };
    seen.number += last_started(r, seen.at) - last_started(r, sent.at);
    return seen;
}

void rate_responded(struct rate *r, struct rate_point sent, const struct response *response, double now)
{
    double lag = now - sent.at;
    r->lag = r->lag > 0 ? 0.9 * r->lag + 0.1 * lag : lag;
    struct retry_limits limits;
    if (retry_limits(response, &limits))
        headers_shown(&r->headers, seen_at(r, sent, now), &limits, lag);
    else
        headers_silent(&r->headers, sent.number);
    estimate_responded(&r->estimate, sent.number, response->status == 429);
}

void rate_lost(struct rate *r, uint64_t number)
{
    headers_silent(&r->headers, number);
}

void rate_refused(struct rate *r, struct rate_point sent, double now, double until)
{
    r->credit = 0;
    if (r->headers.shown)
        headers_refused(&r->headers, point_of(r, now));
    else
        estimate_refused(&r->estimate, seen_at(r, sent, now), point_of(r, now), until);
}
