#include "engine/rate.h"

#include <math.h>
#include <string.h>

/* Sending may catch up this much when asked late. */
static const double slack_seconds = 0.02;
static const double slack_requests = 2;

/* Bounds of what rate_ask returns: no spin, and no sleep over a change of mind. */
static const double shortest_wait = 0.001, longest_wait = 1;

/* --- the server as its headers show it --- */

static const double measure_soon = 0.25, measure_late = 1; /* seconds of one measurement */
static const double full_doubling = 0.25; /* seconds: how fast a full bucket is tried harder */

/* Kept back for what the mirror cannot know: rounding, others' requests, latency. */
static double reserve(const struct rate_mirror *m)
{
    double part = 0.2 * (m->depth + 1);
    return part < 10 ? floor(part) : 10;
}

/* What may be sent now, as far as is known. */
static double level(const struct rate *r, double now)
{
    const struct rate_mirror *m = &r->mirror;
    double since = (double)(r->sent - m->newest.number);
    if (m->limits.limit > 0 && m->limits.reset >= 0 && now >= m->newest.at + m->limits.reset)
        return m->limits.limit - since;
    double back = m->refill * (now - m->newest.at);
    double held = m->limits.remaining + back < m->depth ? m->limits.remaining + back : m->depth;
    return held - since;
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
}

static void measure(struct rate_mirror *m)
{
    double time = m->newest.at - m->anchor.at;
    bool low = m->limits.remaining < reserve(m);
    if (time < measure_soon || (time < measure_late && m->measured && !low))
        return;
    double back = m->limits.remaining - m->anchor_remaining +
                  (double)(m->newest.number - m->anchor.number);
    double refill = back > 0 ? back / time : 0;
    if (m->full)
        m->refill = m->refill > refill ? m->refill : refill;
    else
        m->refill = m->measured ? (m->refill + refill) / 2 : refill;
    m->measured = m->measured || !m->full;
    m->full = false;
    anchor(m);
}

void rate_shown(struct rate *r, struct rate_point sent, const struct retry_limits *limits)
{
    struct rate_mirror *m = &r->mirror;
    if (!m->shown) {
        m->shown = true;
        m->newest = sent;
        m->limits = *limits;
        m->depth = limits->remaining;
        m->refill = limits->reset > 0 ? limits->remaining / limits->reset : 0;
        anchor(m);
        return;
    }
    if (sent.number <= m->newest.number)
        return;
    double gap = sent.at - m->newest.at;
    /* A window of some length has ended: all came back at once. */
    bool lump = limits->reset >= m->limits.reset + 2 &&
                limits->remaining > m->limits.remaining + limits->limit / 2;
    m->newest = sent;
    m->limits = *limits;
    if (limits->remaining > m->depth)
        m->depth = limits->remaining;
    if (limits->limit > 0 && m->depth > limits->limit)
        m->depth = limits->limit;
    if (lump) {
        anchor(m);
        m->full = false;
        return;
    }
    if (limits->remaining >= m->depth - 0.5) {
        m->full = true;
        m->refill *= exp2((gap < full_doubling ? gap : full_doubling) / full_doubling);
    }
    measure(m);
}

/* --- the server as its refusals show it --- */

static const double search_doubling = 0.25; /* seconds */
static const double plateau_after = 15;     /* seconds from a refusal until the old rate */
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

/* Requests a second over the last `seconds` before a refusal. */
static double throughput(const struct rate_record *c, struct rate_point refused, double seconds)
{
    for (size_t i = c->size; i-- > 0;) {
        double time = refused.at - c->point[i].at;
        if (time >= seconds || (i == 0 && time > 0))
            return (double)(refused.number - c->point[i].number) / time;
    }
    return 0;
}

/* The depth of a bucket of that rate: the most that went through above it. */
static double depth(const struct rate_guess *g, double rate)
{
    double most = 1;
    for (size_t i = 0; i < g->first.size; i++) {
        const struct rate_point *p = &g->first.point[i];
        double above = (double)(g->first_refused.number - p->number) -
                       rate * (g->first_refused.at - p->at);
        if (above > most)
            most = above;
    }
    return most;
}

/* A bucket that was empty at the last refusal and is empty now let through, since
 * any moment between, at most its depth and what flowed in; and exactly that since
 * the moment when it was last full, or since the last refusal if it never was. So
 * the rate is the greatest that one of those moments yields. */
static double solve(const struct rate_guess *g, struct rate_point refused, double *doubt)
{
    double whole = refused.at - g->refused_at;
    double first = (double)(g->record.size > 0 ? g->record.point[0].number : refused.number);
    double count = (double)refused.number - first;
    double rate = count / (whole > least_span ? whole : least_span);
    double span = whole;
    for (int round = 0; round < 8; round++) {
        double most = depth(g, rate);
        for (size_t i = 0; i < g->record.size; i++) {
            const struct rate_point *p = &g->record.point[i];
            double time = refused.at - p->at;
            if (time < least_span)
                break;
            double found = ((double)(refused.number - p->number) - most) / time;
            if (found > rate) {
                rate = found;
                span = time;
            }
        }
    }
    /* The count is right to a request or so. */
    *doubt = rate * span > 0 ? 1.5 / (rate * span) : 1;
    double least = 0.5 / (whole > 1 ? whole : 1);
    return rate > least ? rate : least;
}

static double guess_rate(const struct rate_guess *g, double now)
{
    double time = now > g->from ? now - g->from : 0;
    if (g->state == GUESS_SEARCH)
        return ldexp(g->value, 0) * exp2(fmin(time / search_doubling, 40));
    double x = time / plateau_after - 1;
    return g->value * (1 + g->doubt * x * x * x);
}

void rate_refused(struct rate *r, struct rate_point sent, double until)
{
    struct rate_guess *g = &r->guess;
    r->credit = 0;
    if (r->mirror.shown) {
        anchor(&r->mirror);
        return;
    }
    if (g->state == GUESS_NONE) {
        g->first = g->record;
        g->first_refused = sent;
        double time = sent.at - (g->record.size > 0 ? g->record.point[0].at : sent.at);
        double count = (double)(sent.number - (g->record.size > 0 ? g->record.point[0].number
                                                                  : sent.number));
        if (time >= 1) {
            g->state = GUESS_HOLD;
            g->value = 0.9 * throughput(&g->record, sent, 1);
            g->doubt = 0.05;
        } else {
            double whole = until - sent.at + time;
            g->state = GUESS_SEARCH;
            g->value = fmax(count, 0.5) / fmax(whole, 0.1);
        }
    } else {
        g->value = solve(g, sent, &g->doubt);
        g->doubt = fmin(fmax(g->doubt, 0.03), 0.2);
        g->state = GUESS_HOLD;
    }
    g->refused_at = sent.at;
    g->from = until;
    g->record.size = 0;
    g->record.stride = 1;
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
    double rate = rate_now(r, now);
    double wait = 0;
    if (isfinite(rate)) {
        double most = r->fixed > 0 && r->fixed <= rate
                          ? r->burst + slack_seconds * rate
                          : fmax(slack_requests, slack_seconds * rate);
        r->credit = fmin(r->credit + rate * (now - r->credited_at), most);
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
    if (isfinite(rate_now(r, now)))
        r->credit -= 1;
    record(&r->guess.record, p);
    return p.number;
}
