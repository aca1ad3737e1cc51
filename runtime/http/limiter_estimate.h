/* limiter_estimate: a server that only refuses; private to limiter_rate.c.
 *
 * Taken for a token bucket, its rate follows from the number of requests that it
 * took between two refusals. After that the rate creeps up until the next one, at
 * first slowly, later (when the limit may have been lifted) fast. */
#ifndef KELP_HTTP_LIMITER_ESTIMATE_H
#define KELP_HTTP_LIMITER_ESTIMATE_H

#include "http/limiter_headers.h"

#include <stddef.h>

/* Every send since some moment, thinned out when there are many. */
enum { RATE_POINTS = 256 };
struct rate_record {
    struct rate_point point[RATE_POINTS];
    size_t size;
    uint64_t stride; /* numbers between two points */
};

/* The requests under way when a refusal was noticed. */
struct rate_tail {
    uint64_t after, last;   /* its numbers: above the first, up to the second */
    uint64_t responded, taken;
    double span;            /* seconds in which it was sent */
};

struct limiter_estimate {
    enum { GUESS_NONE, GUESS_SEARCH, GUESS_HOLD } state;
    struct rate_record record; /* since the last refusal */
    struct rate_record first;  /* until the first one: from a full bucket on */
    struct rate_point first_refused;
    double refused_at;      /* the last refusal, on the axis of starts */
    double from;            /* when sending began again */
    struct rate_tail tail;
    bool concluded;           /* what the tail shows is in `value` */
    double value;           /* requests a second */
    double uncertainty;           /* of it, relative: how far around it the rate creeps */
    double doubling;        /* seconds in which it doubles, while searching */
    double depth;           /* of the server's bucket; 0: not known yet */
};

void estimate_sent(struct limiter_estimate *g, struct rate_point sent);

/* The request at `seen` was refused as the first of a group; that was noticed `now`,
 * which holds the number of the last send; nothing is sent before `until`. */
void estimate_refused(struct limiter_estimate *g, struct rate_point seen, struct rate_point now,
                   double until);

/* The request of that number has its response; `refused`: for the rate. */
void estimate_responded(struct limiter_estimate *g, uint64_t number, bool refused);

/* Sending begins again, if that is not known yet. True once: the server can be
 * expected to take `credit` requests at once. */
bool estimate_conclude(struct limiter_estimate *g, double now, double *credit);

/* Requests a second; infinite: nothing is known. `lag`: seconds that responses take. */
double estimate_rate(const struct limiter_estimate *g, double now, double lag);

#endif
