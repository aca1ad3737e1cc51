/* limiter_headers: a server that sends X-RateLimit-*, kept up to date between its
 * responses; private to limiter_rate.c.
 *
 * What may be sent is what it last said to remain, less what was sent since, plus
 * what has come back. Whole seconds in the headers are too coarse for the last, so
 * it is measured: a token bucket lets it flow, a fixed window gives all of it back
 * at once, and the moment of that is learned. */
#ifndef KELP_HTTP_LIMITER_HEADERS_H
#define KELP_HTTP_LIMITER_HEADERS_H

#include "http/retry.h"

#include <stdbool.h>
#include <stdint.h>

/* A place in the sequence of sends: time and number of the last one before it. */
struct rate_point {
    double at;
    uint64_t number;
};

/* A fixed window, once two of its ends were seen. */
struct rate_window {
    bool seen, known;       /* one end; two or more */
    double low, high;       /* between them lay the last end */
    double length;          /* seconds */
    double flowed;          /* requests that came back otherwise since that end */
    double watched;         /* seconds in which they could have */
};

struct limiter_headers {
    bool shown;             /* anything at all */
    struct retry_limits limits; /* of the newest response */
    struct rate_point newest;   /* and its request */
    struct rate_point held_at;  /* `held` could be sent then; from the newest response … */
    double held;            /* … or from the end of a window since */
    int silent;             /* sent since then, and ended without showing limits */
    struct rate_point anchor; /* where the measurement under way began */
    double anchor_remaining;
    double depth;           /* the most that `remaining` was seen to be */
    bool full;              /* seen full since the anchor */
    uint64_t stopped;       /* by a refusal: measure from behind this number on */
    bool measured;          /* `refill` is more than a try */
    double refill;          /* requests a second that flow back */
    struct rate_window window;
};

/* The response to the request at `seen` showed limits; `lag`: seconds that it took. */
void headers_shown(struct limiter_headers *m, struct rate_point seen,
                  const struct retry_limits *limits, double lag);

/* The request of that number ended without showing limits: it was lost, or is of a
 * kind that the server does not count. Either way nothing more will come of it. */
void headers_silent(struct limiter_headers *m, uint64_t number);

/* The server refused although the headers let it pass; `now` holds the number of the
 * last send. */
void headers_refused(struct limiter_headers *m, struct rate_point now);

/* To be called before the next two; `now` holds the number of the last send. */
void headers_turn(struct limiter_headers *m, struct rate_point now);

/* Nothing has been sent for `idle` seconds. What is believed to be under way still
 * would else count for ever if its response was lost, or came out of order. */
void headers_rest(struct limiter_headers *m, struct rate_point now, double idle);

/* Requests a second that spend what is there evenly. */
double headers_rate(const struct limiter_headers *m, struct rate_point now);

/* Seconds until headers_rate jumps; infinite: not known. */
double headers_next(const struct limiter_headers *m, double now);

/* Seconds until one may be sent at all. */
double headers_wait(const struct limiter_headers *m, struct rate_point now);

#endif
