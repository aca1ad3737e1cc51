#include "http/limiter_estimate.h"

#include <math.h>

/* The numbers were found by trial on a simulated server (tests/unit/test_limiter.c). */
static const double search_first = 0.3, search_again = 1; /* seconds for a doubling… */
static const double search_lags = 4;     /* … and more for a far server */
static const double climb = 1.9;         /* seconds to rise by the uncertainty, at an uncertainty of 1… */
static const double climb_requests = 10; /* … but never in fewer requests than these */
static const double least_uncertainty = 0.015, most_uncertainty = 0.2;
static const double least_rate = 1.0 / 60; /* less than that is no rate, but a failure */
static const double least_span = 0.1;    /* seconds over which a rate means something */

/* --- what was sent --- */

void estimate_sent(struct limiter_estimate *g, struct rate_point sent)
{
    struct rate_record *c = &g->record;
    if (c->stride == 0)
        c->stride = 1;
    if (c->size > 0 && sent.number < c->point[c->size - 1].number + c->stride)
        return;
    if (c->size == RATE_POINTS) {
        for (size_t i = 0; i < RATE_POINTS / 2; i++)
            c->point[i] = c->point[2 * i];
        c->size = RATE_POINTS / 2;
        c->stride *= 2;
    }
    c->point[c->size++] = sent;
}

/* More may have been sent since the request that was refused. */
static double sends(struct rate_point from, struct rate_point to)
{
    return to.number > from.number ? (double)(to.number - from.number) : 0;
}

static double all_sends(const struct rate_record *c, struct rate_point refused)
{
    return c->size > 0 ? sends(c->point[0], refused) : 0;
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

/* --- what follows from a refusal --- */

/* The depth of a bucket of that rate: the most that went through above it, when all
 * began with a full one. */
static double depth(const struct limiter_estimate *g, double rate)
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
static double rate_for(const struct limiter_estimate *g, struct rate_point refused, double most,
                       double *span)
{
    *span = fmax(refused.at - g->refused_at, least_span);
    double rate = all_sends(&g->record, refused) / *span;
    for (size_t i = 0; i < g->record.size; i++) {
        double time = refused.at - g->record.point[i].at;
        if (time < least_span)
            break;
        double found = (sends(g->record.point[i], refused) - most) / time;
        if (found > rate) {
            rate = found;
            *span = time;
        }
    }
    return rate;
}

/* How far off the rate may be that was found over `span` seconds. */
static double uncertainty_of(const struct limiter_estimate *g, struct rate_point refused, double span,
                       double most)
{
    /* The bucket may have been full for most of that time. */
    if (g->depth <= 0 && span >= refused.at - g->refused_at)
        return most_uncertainty;
    double count = 0.6; /* requests */
    if (g->first.size > 0 && g->first_refused.at - g->first.point[0].at >= 1)
        count += 0.25 * most;
    return count / fmax(g->value * span, 1);
}

/* The depth follows from the rate as the rate does from the depth; that may have
 * two solutions, or a wide stretch of them, while all that is known is short. */
static void solve(struct limiter_estimate *g, struct rate_point refused)
{
    /* Right after the beginning: that it was too fast is all that it says. */
    if (g->state == GUESS_HOLD && all_sends(&g->record, refused) < 4) {
        g->value *= 0.85;
        return;
    }
    double span, low = 0, high = throughput(&g->record, refused, 2 * least_span);
    for (int round = 0; round < 8; round++) {
        high = rate_for(g, refused, depth(g, high), &span);
        low = rate_for(g, refused, depth(g, low), &span);
    }
    double least = 0.5 / fmax(refused.at - g->refused_at, 1);
    if (g->state == GUESS_HOLD)
        least = fmax(least, g->value / 2);
    bool vague = high > 1.2 * low && low > least;
    if (vague && g->doubling < search_again) {
        g->state = GUESS_SEARCH;
        g->value = sqrt(low * high);
        g->doubling = search_again;
        return;
    }
    double before = g->state == GUESS_HOLD ? g->value : 0, uncertainty_before = g->uncertainty;
    g->state = GUESS_HOLD;
    g->value = fmax(low, least);
    double most = depth(g, g->value);
    g->uncertainty = fmax(uncertainty_of(g, refused, span, most), vague ? 0.1 : 0);
    if (fabs(g->value - before) < uncertainty_before / 2 * before)
        g->uncertainty = fmin(g->uncertainty, uncertainty_before / 2); /* found a second time */
    if (span >= 1 && g->value > least && g->value * span > 3 * most)
        g->depth = most;
}

static void first_estimate(struct limiter_estimate *g, struct rate_point refused, double until)
{
    g->first = g->record;
    g->first_refused = refused;
    g->state = GUESS_SEARCH;
    double time = g->record.size > 0 ? refused.at - g->record.point[0].at : 0;
    if (time >= 1) {
        g->doubling = search_again;
        /* Nothing else may have been sent for long; a rate of 0 would stay one. */
        g->value = fmax(0.9 * throughput(&g->record, refused, 1), 0.5 / time);
    } else {
        g->doubling = search_first;
        g->value = 2 * fmax(all_sends(&g->record, refused), 0.5) /
                   fmax(until - refused.at + time, least_span);
    }
}

void estimate_refused(struct limiter_estimate *g, struct rate_point seen, struct rate_point now,
                   double until)
{
    if (g->state == GUESS_NONE)
        first_estimate(g, seen, until);
    else
        solve(g, seen);
    g->refused_at = seen.at;
    g->from = until;
    g->record.size = 0;
    g->record.stride = 1;
    g->tail = (struct rate_tail){ .after = seen.number, .last = now.number,
                                  .span = now.at - seen.at };
    g->concluded = false;
}

/* --- what follows from the responses after it --- */

void estimate_responded(struct limiter_estimate *g, uint64_t number, bool refused)
{
    struct rate_tail *t = &g->tail;
    if (number > t->after && number <= t->last) {
        t->responded++;
        t->taken += !refused;
    }
}

/* The requests under way when the server began to refuse found an empty bucket: as much
 * of it was taken as flowed in meanwhile. Far servers show a new rate at once so. */
static void heed_tail(struct limiter_estimate *g)
{
    const struct rate_tail *t = &g->tail;
    if (t->responded < 6 || t->responded != t->last - t->after || t->taken < 3 ||
        t->span < least_span / 4)
        return;
    double taken = (double)t->taken, found = taken / t->span, uncertainty = 0.4 / taken;
    if (g->state == GUESS_HOLD && fabs(g->value / found - 1) <= uncertainty)
        return;
    g->state = GUESS_HOLD;
    g->value = found;
    g->uncertainty = uncertainty;
}

bool estimate_conclude(struct limiter_estimate *g, double now, double *credit)
{
    if (g->state == GUESS_NONE || g->concluded || now < g->from)
        return false;
    g->concluded = true;
    g->from = now;
    heed_tail(g);
    g->uncertainty = fmin(fmax(g->uncertainty, least_uncertainty), most_uncertainty);
    *credit = fmax(1, 0.55 * fmin(g->value * (now - g->refused_at), g->depth));
    return true;
}

double estimate_rate(const struct limiter_estimate *g, double now, double lag)
{
    double time = fmax(now - g->from, 0);
    if (g->state == GUESS_NONE)
        return INFINITY;
    if (g->state == GUESS_SEARCH)
        return fmax(g->value, least_rate) * exp2(fmin(time / (g->doubling + search_lags * lag), 40));
    double x = time * sqrt(g->uncertainty) / fmax(climb, climb_requests / g->value);
    double late = fmax(x - 2, 0);
    return fmax(g->value, least_rate) * (1 + g->uncertainty * (x - 0.5 + 8 * late * late * late));
}
