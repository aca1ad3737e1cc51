#include "http/limiter.h"

#include "base/clock.h"
#include "http/limiter_rate.h"

#include <math.h>
#include <stdlib.h>

enum { DEFAULT_CONCURRENCY = 32, FIRST_LIMIT = 4 };

/* Seconds between two steps of the limit, below and above EASY_LIMIT or what the
 * user has named. */
enum { EASY_LIMIT = 12 };
static const double easy_step = 0.12, hard_step = 0.4;

/* Of the retry quota, in tokens. */
static const double default_quota = 500, quota_restart_share = 0.2;
static const double cost_failure = 14, cost_throttle = 5;
static const double gain_success = 1;

enum { DEFAULT_CIRCUIT = 10 }; /* failures in a row */
static const double default_probe = 30; /* seconds */

/* A 429 without a hint: seconds, doubled by each group of them without a success. */
static const double blind_gate = 1, blind_gate_least = 0.25, blind_gate_most = 60;
static const double longest_gate = 86400;

struct limiter {
    struct clock *clock;
    struct rate rate;

    double gate;          /* closed until then */
    int blind_gates;      /* without a hint, since the last success */
    double refused_at;    /* when the last group of 429s was noticed */

    int in_flight;
    int set, named;       /* by the settings, and by limiter_reserve; 0: not */
    double limit;
    double cut_at, grown_at;
    bool cut;             /* ever */
    int successes;        /* since the limit last changed */

    double quota, quota_full;
    double probe_every;
    int failures, circuit; /* in a row; how many of them pause */
    const char *paused;   /* why, or NULL */
    double paused_at, probe_at;
};

struct limiter *limiter_new(struct clock *clock, const struct limiter_settings *settings)
{
    struct limiter *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->clock = clock;
    p->set = settings->concurrency > 0 ? settings->concurrency : 0;
    p->limit = p->set > 0 ? p->set : FIRST_LIMIT;
    p->quota_full = settings->quota > 0 ? settings->quota : default_quota;
    p->quota = p->quota_full;
    p->circuit = settings->circuit > 0 ? settings->circuit : DEFAULT_CIRCUIT;
    p->probe_every = settings->probe > 0 ? settings->probe : default_probe;
    p->gate = p->cut_at = p->grown_at = p->refused_at = -INFINITY;
    rate_init(&p->rate, settings->rate, settings->burst, clock_now(clock));
    return p;
}

void limiter_free(struct limiter *p)
{
    free(p);
}

/* The number that the user has named; 0: none. */
static int named(const struct limiter *p)
{
    return p->set > 0 ? p->set : p->named;
}

static int most(const struct limiter *p)
{
    return p->set > 0 || p->named > DEFAULT_CONCURRENCY ? named(p) : DEFAULT_CONCURRENCY;
}

void limiter_reserve(struct limiter *p, int number)
{
    p->named = number;
    if (!p->cut)
        p->limit = fmax(p->limit, named(p));
    p->limit = fmin(p->limit, most(p));
}

/* Seconds until something else than the slots lets a request through, and what
 * holds it back. */
static double held_back(struct limiter *p, double now, const char **why)
{
    *why = NULL;
    if (p->gate > now) {
        *why = "the server asked to wait";
        return p->gate - now;
    }
    if (p->paused != NULL && p->probe_at > now) {
        *why = p->paused;
        return p->probe_at - now;
    }
    double wait = rate_ask(&p->rate, now, p->limit);
    if (wait > 0)
        *why = "rate limit";
    return wait;
}

double limiter_admit(struct limiter *p, struct limiter_slot *slot)
{
    double now = clock_now(p->clock);
    const char *why;
    if (p->in_flight >= (int)p->limit)
        return PACE_FULL;
    double wait = held_back(p, now, &why);
    if (wait > 0)
        return wait;
    if (p->paused != NULL)
        p->probe_at = now + p->probe_every;
    p->in_flight++;
    slot->taken = true;
    slot->at = now;
    slot->number = rate_sent(&p->rate, now);
    return 0;
}

/* One cut for all that was under way when the limit was last cut. */
static void cut_limit(struct limiter *p, const struct limiter_slot *slot, double factor)
{
    if (p->cut && slot->at <= p->cut_at)
        return;
    p->limit = fmax(1, p->limit * factor);
    p->cut = true;
    p->cut_at = clock_now(p->clock);
    p->successes = 0;
}

/* Whether the limit may rise by one, after so many successes at this one. Doubling
 * with each round trip is harmless where a rate is known, for that keeps clear of the
 * server's limit whatever the slots. Else the first sign of a limit is a refusal of
 * much of what is under way: the number of slots then rises no faster than the responses
 * of a server that has had enough come back, until the first cut twice as fast as after
 * it, for nothing is known and 4 is little for a distant server. */
static bool may_grow(const struct limiter *p, double now)
{
    if (!p->cut && isfinite(rate_now(&p->rate, now)))
        return true;
    double step = p->limit < EASY_LIMIT || p->limit < named(p) ? easy_step : hard_step;
    return p->successes >= (p->cut ? p->limit : p->limit / 2) && now >= p->grown_at + step;
}

/* `in_flight` counts the one that has just succeeded. */
static void grow_limit(struct limiter *p, int in_flight)
{
    double now = clock_now(p->clock);
    if (in_flight < p->limit / 2)
        return;
    p->successes++;
    if (!may_grow(p, now))
        return;
    p->limit = fmin(most(p), p->limit + 1);
    p->successes = 0;
    p->grown_at = now;
}

static void pause_sending(struct limiter *p, const char *why)
{
    if (p->paused != NULL)
        return;
    p->paused = why;
    p->paused_at = clock_now(p->clock);
    p->probe_at = p->paused_at + p->probe_every;
}

static void succeeded(struct limiter *p, struct limiter_slot *slot)
{
    p->failures = 0;
    p->blind_gates = 0;
    p->quota = fmin(p->quota_full, p->quota + gain_success + slot->cost);
    slot->cost = 0;
    if (p->paused != NULL && slot->at >= p->paused_at) {
        p->paused = NULL;
        p->quota = fmax(p->quota, quota_restart_share * p->quota_full);
    }
}

static void failed(struct limiter *p, struct limiter_slot *slot, double cost, bool broken)
{
    p->quota = fmax(0, p->quota - cost);
    slot->cost = cost;
    if (broken && ++p->failures >= p->circuit)
        pause_sending(p, "too many failures in a row");
    else if (p->quota < cost_failure)
        pause_sending(p, "too many failures");
}

static void close_gate(struct limiter *p, double seconds)
{
    double until = clock_now(p->clock) + fmin(seconds, longest_gate);
    p->gate = fmax(p->gate, until);
}

static void refused_for_rate(struct limiter *p, const struct limiter_slot *slot,
                             const struct response *response)
{
    double now = clock_now(p->clock), hint;
    bool first = slot->at > p->refused_at; /* of its group */
    if (retry_hint(response, p->clock, &hint) && hint > 0) {
        close_gate(p, hint);
    } else if (first) {
        double most = fmin(blind_gate_most, ldexp(blind_gate, p->blind_gates));
        close_gate(p, fmax(blind_gate_least, most * clock_fraction(p->clock)));
        p->blind_gates += p->blind_gates < 10;
    }
    cut_limit(p, slot, 0.7);
    if (first) {
        p->refused_at = now;
        rate_refused(&p->rate, (struct rate_point){ slot->at, slot->number }, now, p->gate);
    }
}

/* Faults of this side say nothing about the server. */
static bool is_our_own(enum fault fault)
{
    return fault == FAULT_REFUSED || fault == FAULT_CANCELLED || fault == FAULT_MEMORY ||
           fault == FAULT_TOO_LARGE;
}

void limiter_ended(struct limiter *p, struct limiter_slot *slot, enum outcome outcome,
                const struct response *response)
{
    if (!slot->taken)
        return;
    slot->taken = false;
    int in_flight = p->in_flight--;
    if (response != NULL && response->fault == FAULT_NONE)
        rate_responded(&p->rate, (struct rate_point){ slot->at, slot->number }, response,
                      clock_now(p->clock));
    else
        rate_lost(&p->rate, slot->number);
    if (response == NULL || is_our_own(response->fault))
        return;
    switch (outcome) {
    case OUTCOME_DONE:
    case OUTCOME_REFUSED:
        grow_limit(p, in_flight);
        succeeded(p, slot);
        break;
    case OUTCOME_REJECTED:
        if (response->status == 429)
            refused_for_rate(p, slot, response);
        if (response->fault == FAULT_SCARCE)
            cut_limit(p, slot, 0.7);
        failed(p, slot, cost_throttle, false);
        break;
    case OUTCOME_NOT_SENT:
    case OUTCOME_AMBIGUOUS: {
        double hint;
        if (response->status == 503 && retry_hint(response, p->clock, &hint))
            close_gate(p, hint);
        if (response->fault == FAULT_TIMEOUT)
            cut_limit(p, slot, 0.9);
        failed(p, slot, cost_failure, true);
        break;
    }
    }
}

void limiter_state(struct limiter *p, struct limiter_state *out)
{
    double now = clock_now(p->clock);
    double rate = rate_now(&p->rate, now);
    *out = (struct limiter_state){ .paused = p->paused != NULL, .limit = (int)p->limit,
                                .in_flight = p->in_flight, .rate = isfinite(rate) ? rate : 0 };
    out->wait = held_back(p, now, &out->why);
}
