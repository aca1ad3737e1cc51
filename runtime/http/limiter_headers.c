#include "http/limiter_headers.h"

#include <math.h>

/* Of one measurement: seconds, and requests, for `remaining` is a whole number. */
static const double measure_soon = 0.25, measure_late = 1, measure_longest = 10;
enum { MEASURE_FEW = 3, MEASURE_MANY = 6 };
static const double full_doubling = 0.25; /* seconds: how fast a full bucket is tried harder… */
static const double full_doubling_lags = 2; /* … and how much slower when responses come late */
static const double least_horizon = 0.25;   /* seconds in which to spend what is there */
static const double default_reset = 1;      /* seconds */
static const double patience = 300; /* seconds: what is shown may be a mistake, ask again then */
static const double shortest = 0.001;       /* seconds: what is not yet is not now */
static const double window_margin = 0.005;  /* seconds: how much later than seen it may end */

/* --- what may be sent --- */

/* Kept back for what the headers do not tell: rounding, others' requests, latency. */
static double reserve(const struct limiter_headers *m)
{
    return fmin(floor((m->depth + 1) / 2), 10);
}

/* When all is back at the latest; a server that does not say is asked again soon. */
static double reset_at(const struct limiter_headers *m)
{
    return m->newest.at + (m->limits.reset >= 0 ? m->limits.reset : default_reset);
}

static double window_end(const struct rate_window *w)
{
    return w->high + w->length + window_margin;
}

static void hold(struct limiter_headers *m, struct rate_point at, double held)
{
    m->held_at = at;
    m->held = held;
    m->silent = 0;
}

/* The requests that may be sent when all are back. */
static double whole(const struct limiter_headers *m)
{
    return fmax(m->limits.limit, fmax(m->depth, 2));
}

static double level(const struct limiter_headers *m, struct rate_point now)
{
    double since = (double)(now.number - m->held_at.number) - m->silent;
    if (m->window.known)
        return m->held - since;
    if (now.at >= reset_at(m))
        return whole(m) - since;
    return fmin(m->held + m->refill * (now.at - m->held_at.at) - since, m->depth);
}

double headers_rate(const struct limiter_headers *m, struct rate_point now)
{
    if (m->window.known) {
        double left = fmax(window_end(&m->window) - now.at, 0.02 * m->window.length);
        return fmax(fmax(level(m, now), 0) / left, 1 / patience);
    }
    double horizon = m->limits.reset >= 1 ? reset_at(m) - now.at : 1;
    double spend = (level(m, now) - reserve(m)) / fmax(horizon, least_horizon);
    return fmax(m->refill + spend, 1 / patience);
}

double headers_next(const struct limiter_headers *m, double now)
{
    return m->window.known ? fmax(window_end(&m->window) - now, 0) : INFINITY;
}

double headers_wait(const struct limiter_headers *m, struct rate_point now)
{
    /* `remaining` was rounded down at best. */
    double need = m->depth >= 3 && !m->window.known ? 2 : 1;
    double missing = need - level(m, now);
    if (missing <= 0)
        return 0;
    double wait = m->refill > 0 ? missing / m->refill : INFINITY;
    double reset = reset_at(m) - now.at;
    if (m->window.known)
        wait = fmax(headers_next(m, now.at), shortest);
    else
        wait = fmin(wait, reset > 0 ? reset : default_reset); /* see headers_rest */
    return fmax(fmin(wait, m->newest.at + patience - now.at), 0);
}

void headers_turn(struct limiter_headers *m, struct rate_point now)
{
    struct rate_window *w = &m->window;
    if (!w->known || now.at < window_end(w))
        return;
    double windows = floor((now.at - w->high - window_margin) / w->length);
    w->low += windows * w->length;
    w->high += windows * w->length;
    hold(m, now, m->limits.limit);
}

void headers_rest(struct limiter_headers *m, struct rate_point now, double idle)
{
    if (!m->window.known && idle > 2 * fmax(m->limits.reset, default_reset))
        hold(m, now, whole(m));
}

/* --- how it comes back --- */

static void anchor(struct limiter_headers *m)
{
    m->anchor = m->newest;
    m->anchor_remaining = m->limits.remaining;
    m->full = false;
}

static void measure(struct limiter_headers *m)
{
    double time = m->newest.at - m->anchor.at;
    bool soon = !m->measured || m->limits.remaining < reserve(m);
    uint64_t requests = m->newest.number - m->anchor.number;
    if (time < (soon ? measure_soon : measure_late) ||
        (requests < (soon ? MEASURE_FEW : MEASURE_MANY) && time < measure_longest))
        return;
    double back = m->limits.remaining - m->anchor_remaining + (double)requests;
    double refill = fmax(back, 0) / time;
    if (m->full)
        m->refill = fmax(m->refill, refill);
    else if (!m->measured || (soon && refill < m->refill))
        m->refill = refill;
    else
        m->refill = (m->refill + refill) / 2;
    m->measured = !m->full;
    anchor(m);
}

/* A full bucket says that more flows than is used, not how much: use more. */
static void try_harder(struct limiter_headers *m, double gap, double lag)
{
    double doubling = full_doubling + full_doubling_lags * lag;
    double tried = m->refill > 0 ? fmin(gap, 1.5 / m->refill) : gap;
    m->refill *= exp2(fmin(tried / doubling, 1));
    m->full = true;
}

/* The end of a window lay between two requests. What a bucket lets flow looks like
 * that after a wait, but flows between two such moments too. */
static void end_window(struct limiter_headers *m, double before, double after)
{
    struct rate_window *w = &m->window;
    double time = after - w->high;
    bool still = w->seen && w->flowed <= 0.2 * m->limits.limit && w->watched >= 0.3;
    if (still && !w->known)
        w->length = fmax(1, round(time));
    if (still && w->length > 0) {
        /* None, if headers_turn has counted this one already. */
        double windows = round(time / w->length);
        double early = before - windows * w->length, late = after - windows * w->length;
        w->known = late >= w->low && early <= w->high;
        before = fmax(early, w->low) + windows * w->length;
        after = fmin(late, w->high) + windows * w->length;
    } else {
        w->known = false;
    }
    w->seen = true;
    w->low = before;
    w->high = fmax(before, after);
    w->flowed = w->watched = 0;
}

/* True when the step from the response before was the end of a window. */
static bool watch_window(struct limiter_headers *m, struct rate_point before, double remaining,
                         double reset)
{
    struct rate_window *w = &m->window;
    double gap = m->newest.at - before.at;
    double back = m->limits.remaining - remaining + (double)(m->newest.number - before.number);
    double most = m->limits.limit;
    if (most >= 4 && back >= fmax(3, 0.3 * most) && m->limits.remaining >= 0.6 * most) {
        end_window(m, before.at, m->newest.at);
        /* Long windows show in their header as well. */
        return w->known || m->limits.reset >= reset + 2;
    }
    w->flowed += back;
    w->watched += gap;
    if (w->flowed > 0.3 * most)
        w->known = w->seen = false;
    return false;
}

static void first_shown(struct limiter_headers *m)
{
    m->shown = true;
    m->depth = m->limits.remaining;
    m->refill = m->limits.reset > 0 ? m->limits.remaining / m->limits.reset : 0;
    anchor(m);
}

void headers_shown(struct limiter_headers *m, struct rate_point seen,
                  const struct retry_limits *limits, double lag)
{
    if (m->shown && seen.number <= m->newest.number)
        return;
    struct rate_point before = m->newest;
    double remaining = m->limits.remaining, reset = m->limits.reset;
    m->newest = seen;
    m->limits = *limits;
    if (seen.number > m->held_at.number || !m->window.known)
        hold(m, seen, limits->remaining);
    m->depth = fmax(m->depth, limits->remaining);
    if (limits->limit > 0)
        m->depth = fmin(m->depth, limits->limit);
    if (!m->shown) {
        first_shown(m);
    } else if (seen.number <= m->stopped || watch_window(m, before, remaining, reset) ||
               before.number <= m->stopped) {
        anchor(m);
    } else {
        if (limits->remaining >= m->depth - 0.5)
            try_harder(m, seen.at - before.at, lag);
        measure(m);
    }
}

void headers_silent(struct limiter_headers *m, uint64_t number)
{
    m->silent += number > m->held_at.number;
}

void headers_refused(struct limiter_headers *m, struct rate_point now)
{
    m->refill *= 0.8;
    m->measured = false;
    m->stopped = now.number;
    m->window.known = m->window.seen = false;
}
