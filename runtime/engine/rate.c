#include "engine/rate.h"

#include <math.h>
#include <string.h>

/* Sending may catch up this much when asked late. */
static const double slack_seconds = 0.02;
static const double slack_requests = 2;

/* Bounds of what rate_ask returns: no spin, and no sleep over a change of mind. */
static const double shortest_wait = 0.001, longest_wait = 1;

/* The send that the server saw at the same time as one that it saw at `at`, both on
 * the axis of starts. */
static struct rate_point locate(const struct rate *r, double at)
{
    uint64_t high = r->sent, low = high > RATE_STARTS ? high - RATE_STARTS + 1 : 1;
    while (low < high) {
        uint64_t middle = high - (high - low) / 2;
        if (r->started[middle % RATE_STARTS] <= at)
            low = middle;
        else
            high = middle - 1;
    }
    return (struct rate_point){ at, low };
}

struct rate_point rate_seen(struct rate *r, double started, double now)
{
    double lag = now - started;
    r->lag = r->lag > 0 ? 0.9 * r->lag + 0.1 * lag : lag;
    r->guess.lag = r->lag;
    return locate(r, started + (lag - r->lag) / 2);
}

/* --- the server as its headers show it --- */

static const double measure_soon = 0.25, measure_late = 1; /* seconds of one measurement */
static const double full_doubling = 0.25; /* seconds: how fast a full bucket is tried harder… */
static const double full_doubling_lags = 2; /* … and how much slower when answers come late */

/* Kept back for what the mirror cannot know: rounding, others' requests, latency. */
static double reserve(const struct rate_mirror *m)
{
    return fmin(floor((m->depth + 1) / 2), 10);
}

/* What may be sent now, as far as is known. */
static double level(const struct rate *r, double now)
{
    const struct rate_mirror *m = &r->mirror;
    double since = (double)(r->sent - m->newest.number);
    if (m->limits.limit > 0 && m->limits.reset >= 0 && now >= m->newest.at + m->limits.reset)
        return m->limits.limit - since;
    return fmin(m->limits.remaining + m->refill * (now - m->newest.at) - since, m->depth);
}

static double mirror_rate(const struct rate *r, double now)
{
    const struct rate_mirror *m = &r->mirror;
    double horizon = m->limits.reset >= 1 ? m->newest.at + m->limits.reset - now : 1;
    if (horizon < 0.25)
        horizon = 0.25;
    double rate = m->refill + (level(r, now) - reserve(m)) / horizon;
    return rate > 0 ? rate : 0;
}

/* Seconds until the mirror holds one request, as far as is known. */
static double mirror_wait(const struct rate *r, double now)
{
    const struct rate_mirror *m = &r->mirror;
    double need = m->depth >= 3 ? 2 : 1; /* `remaining` was rounded down at best */
    double missing = need - level(r, now);
    if (missing <= 0)
        return 0;
    double wait = m->refill > 0 ? missing / m->refill : longest_wait;
    if (m->limits.limit > 0 && m->limits.reset >= 0) {
        double reset = m->newest.at + m->limits.reset - now;
        if (reset > 0 && reset < wait)
            wait = reset;
    }
    return wait;
}

static void anchor(struct rate_mirror *m)
{
    m->anchor = m->newest;
    m->anchor_remaining = m->limits.remaining;
    m->refused = 0;
    m->full = false;
}

static void measure(struct rate_mirror *m)
{
    double time = m->newest.at - m->anchor.at;
    bool low = m->limits.remaining < reserve(m);
    if (time < measure_soon || (time < measure_late && m->measured && !low))
        return;
    double back = m->limits.remaining - m->anchor_remaining - m->refused +
                  (double)(m->newest.number - m->anchor.number);
    double refill = fmax(back, 0) / time;
    if (m->full)
        m->refill = fmax(m->refill, refill);
    else if (!m->measured || (low && refill < m->refill))
        m->refill = refill;
    else
        m->refill = (m->refill + refill) / 2;
    m->measured = !m->full;
    anchor(m);
}

static void first_shown(struct rate_mirror *m, struct rate_point sent)
{
    m->shown = true;
    m->newest = sent;
    m->depth = m->limits.remaining;
    m->refill = m->limits.reset > 0 ? m->limits.remaining / m->limits.reset : 0;
    anchor(m);
}

void rate_shown(struct rate *r, struct rate_point sent, const struct retry_limits *limits,
                bool refused, double now)
{
    struct rate_mirror *m = &r->mirror;
    m->refused += refused;
    if (m->shown && sent.number <= m->newest.number)
        return;
    double gap = sent.at - m->newest.at;
    /* A window of some length has ended: all came back at once. */
    bool lump = limits->reset >= m->limits.reset + 2 &&
                limits->remaining > m->limits.remaining + limits->limit / 2;
    m->limits = *limits;
    if (!m->shown) {
        first_shown(m, sent);
        return;
    }
    m->newest = sent;
    m->depth = fmax(m->depth, limits->remaining);
    if (limits->limit > 0)
        m->depth = fmin(m->depth, limits->limit);
    if (lump || m->stopped) {
        m->stopped = false;
        anchor(m);
        return;
    }
    if (limits->remaining >= m->depth - 0.5) {
        double doubling = full_doubling + full_doubling_lags * (now - sent.at);
        m->full = true;
        double tried = fmin(gap, m->refill > 0 ? 1.5 / m->refill : gap);
        m->refill *= exp2(fmin(tried / doubling, 1));
    }
    measure(m);
}

/* --- the server as its refusals show it --- */

static const double search_first = 0.25, search_again = 1; /* seconds for a doubling… */
static const double search_lags = 2;                       /* … and more for a far server */
static const double climb = 2.6; /* seconds from doubt / 2 below to as much above, at 100 % */
static const double least_doubt = 0.015, most_doubt = 0.2;
static const double least_span = 0.15;      /* seconds over which a rate means something */

static void record(struct rate_record *c, struct rate_point p)
{
    if (c->stride == 0)
        c->stride = 1;
    if (c->size > 0 && p.number < c->point[c->size - 1].number + c->stride)
        return;
    if (c->size == RATE_POINTS) {
        for (size_t i = 0; i < RATE_POINTS / 2; i++)
            c->point[i] = c->point[2 * i];
        c->size = RATE_POINTS / 2;
        c->stride *= 2;
    }
    c->point[c->size++] = p;
}

/* Requests sent from one to the other; more may have been sent than were refused. */
static double sends(struct rate_point from, struct rate_point to)
{
    return to.number > from.number ? (double)(to.number - from.number) : 0;
}

/* Requests a second over the last `seconds` before a refusal. */
static double throughput(const struct rate_record *c, struct rate_point refused, double seconds)
{
    for (size_t i = c->size; i-- > 0;) {
        double time = refused.at - c->point[i].at;
        if (time >= seconds || (i == 0 && time > 0))
            return sends(c->point[i], refused) / time;
    }
    return 0;
}

/* The depth of a bucket of that rate: the most that went through above it, when all
 * began with a full one. */
static double depth(const struct rate_guess *g, double rate)
{
    if (g->depth > 0)
        return g->depth;
    double most = 1;
    for (size_t i = 0; i < g->first.size; i++) {
        double above = sends(g->first.point[i], g->first_refused) -
                       rate * (g->first_refused.at - g->first.point[i].at);
        if (above > most)
            most = above;
    }
    return most;
}

/* A bucket that was empty at the last refusal and is empty now let through, since
 * any moment between, at most its depth and what flowed in; and exactly that since
 * the moment when it was last full, or since the last refusal if it never was. So
 * the rate is the greatest that one of those moments yields. */
static double solve_for(const struct rate_guess *g, struct rate_point refused, double most,
                        double *span)
{
    *span = fmax(refused.at - g->refused_at, least_span);
    double rate = (g->record.size > 0 ? sends(g->record.point[0], refused) : 0) / *span;
    for (size_t i = 0; i < g->record.size; i++) {
        double time = refused.at - g->record.point[i].at;
        if (time < least_span)
            break;
        double found = (sends(g->record.point[i], refused) + 0.5 - most) / time;
        if (found > rate) {
            rate = found;
            *span = time;
        }
    }
    return rate;
}

/* The depth follows from the rate as the rate does from the depth; that may have
 * two solutions, or a wide stretch of them, when all that is known is short. */
static void solve(struct rate_guess *g, struct rate_point refused)
{
    double span, low = 0, high = throughput(&g->record, refused, 2 * least_span);
    for (int round = 0; round < 8; round++) {
        high = solve_for(g, refused, depth(g, high), &span);
        low = solve_for(g, refused, depth(g, low), &span);
    }
    double least = 0.5 / fmax(refused.at - g->refused_at, 1);
    g->value = fmax(low, least);
    if (high > 1.2 * low && low > least) {
        g->state = GUESS_SEARCH;
        g->doubling = search_again;
        return;
    }
    g->state = GUESS_HOLD;
    /* The count is right to a request or so. */
    g->doubt = 1.5 / fmax(g->value * span, 1);
    if (span >= 1)
        g->depth = depth(g, g->value);
}

static double guess_rate(const struct rate_guess *g, double now)
{
    double time = now > g->from ? now - g->from : 0;
    if (g->state == GUESS_SEARCH)
        return g->value * exp2(fmin(time / (g->doubling + search_lags * g->lag), 40));
    double x = time * sqrt(g->doubt) / climb, late = fmax(x - 2, 0);
    return g->value * (1 + g->doubt * (x - 0.5 + 8 * late * late * late));
}

static void first_guess(struct rate_guess *g, struct rate_point refused, double until)
{
    g->first = g->record;
    g->first_refused = refused;
    g->state = GUESS_SEARCH;
    double time = g->record.size > 0 ? refused.at - g->record.point[0].at : 0;
    double count = g->record.size > 0 ? sends(g->record.point[0], refused) : 0;
    if (time >= 1) {
        g->doubling = search_again;
        g->value = 0.9 * throughput(&g->record, refused, 1);
    } else {
        g->doubling = search_first;
        g->value = 2 * fmax(count, 0.5) / fmax(until - refused.at + time, 0.1);
    }
}

void rate_refused(struct rate *r, struct rate_point sent, double now, double until)
{
    struct rate_guess *g = &r->guess;
    r->credit = 0;
    if (r->mirror.shown) {
        r->mirror.refill *= 0.8;
        r->mirror.measured = false;
        r->mirror.stopped = true;
        return;
    }
    if (g->state == GUESS_NONE)
        first_guess(g, sent, until);
    else
        solve(g, sent);
    g->refused_at = sent.at;
    g->from = until;
    g->record.size = 0;
    g->record.stride = 1;
    g->tail = (struct rate_tail){ .after = sent.number, .last = r->sent, .span = now - sent.at };
    g->settled = false;
}

void rate_answered(struct rate *r, uint64_t number, bool refused)
{
    struct rate_tail *t = &r->guess.tail;
    if (number > t->after && number <= t->last) {
        t->answered++;
        t->taken += !refused;
    }
}

/* What was under way when the server began to refuse found an empty bucket: as much
 * of it was taken as flowed in meanwhile. Far servers show a new rate at once so. */
static void heed_tail(struct rate_guess *g)
{
    const struct rate_tail *t = &g->tail;
    if (t->answered < 6 || t->answered != t->last - t->after || t->taken < 3)
        return;
    double taken = (double)t->taken, found = taken / t->span, doubt = 1.5 / taken;
    if (g->state == GUESS_HOLD && fabs(g->value / found - 1) <= doubt)
        return;
    g->state = GUESS_HOLD;
    g->value = found;
    g->doubt = doubt;
}

/* Sending begins again. */
static void settle(struct rate *r)
{
    struct rate_guess *g = &r->guess;
    g->settled = true;
    heed_tail(g);
    g->doubt = fmin(fmax(g->doubt, least_doubt), most_doubt);
    double back = g->value * (g->from - g->refused_at);
    r->credit = fmax(1, fmin(back, depth(g, g->value)) / 2);
}

/* --- both --- */

void rate_init(struct rate *r, double fixed, double burst, double now)
{
    memset(r, 0, sizeof *r);
    r->fixed = fixed > 0 ? fixed : 0;
    r->burst = burst >= 1 ? burst : 1;
    r->credit = r->burst;
    r->credited_at = now;
}

double rate_now(const struct rate *r, double now)
{
    double rate = r->fixed > 0 ? r->fixed : INFINITY;
    if (r->mirror.shown)
        rate = fmin(rate, mirror_rate(r, now));
    else if (r->guess.state != GUESS_NONE)
        rate = fmin(rate, guess_rate(&r->guess, now));
    return rate;
}

double rate_ask(struct rate *r, double now)
{
    if (r->guess.state != GUESS_NONE && !r->guess.settled && now >= r->guess.from)
        settle(r);
    double rate = rate_now(r, now);
    double wait = 0;
    if (isfinite(rate)) {
        double most = r->fixed > 0 && r->fixed <= rate
                          ? r->burst + slack_seconds * rate
                          : fmax(slack_requests, slack_seconds * rate);
        double credit = r->credit + rate * (now - r->credited_at);
        r->credit = fmax(r->credit, fmin(credit, most));
        if (r->credit < 1 - 1e-9)
            wait = rate > 0 ? (1 - r->credit) / rate : longest_wait;
    }
    r->credited_at = now;
    if (r->mirror.shown)
        wait = fmax(wait, mirror_wait(r, now));
    return wait > 0 ? fmin(fmax(wait, shortest_wait), longest_wait) : 0;
}

uint64_t rate_sent(struct rate *r, double now)
{
    struct rate_point p = { now, ++r->sent };
    r->started[p.number % RATE_STARTS] = now;
    if (isfinite(rate_now(r, now)))
        r->credit -= 1;
    record(&r->guess.record, p);
    return p.number;
}
