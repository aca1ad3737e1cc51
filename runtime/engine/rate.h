/* rate: how many requests a second one server grants, learned from what it says
 * and from what it refuses; private to pace.c.
 *
 * Two teachers. A server that sends X-RateLimit-* is mirrored: `remaining` less
 * what was sent since, plus what came back, is what may be sent; the flow back is
 * measured. Of a server that only refuses, the rate follows from the number of
 * requests that it took between two refusals, if it counts with a token bucket;
 * after that the rate creeps up (a cubic) until the next refusal.
 * Times are those of base/clock, and where a request's matters it is that of its
 * start, so that the latency cancels out. */
#ifndef KELP_ENGINE_RATE_H
#define KELP_ENGINE_RATE_H

#include "engine/retry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rate_point {
    double at;
    uint64_t number;
};

enum { RATE_STARTS = 1024 };

/* Every send between two refusals, thinned out when there are many. */
enum { RATE_POINTS = 256 };
struct rate_record {
    struct rate_point point[RATE_POINTS];
    size_t size;
    uint64_t stride; /* numbers between two points */
};

/* The server as its headers show it. */
struct rate_mirror {
    bool shown;
    struct retry_limits limits; /* of the newest answer */
    struct rate_point newest;   /* and its request */
    struct rate_point anchor;   /* where the measurement under way began */
    double anchor_remaining;
    int refused;                /* since then: those took nothing */
    double depth;               /* the most that `remaining` was seen to be */
    bool full;                  /* seen full since the anchor */
    bool stopped;               /* by a refusal: begin the measurement anew */
    bool measured;              /* `refill` is more than a try */
    double refill;              /* requests a second that come back */
};

/* What was under way when a refusal was noticed. */
struct rate_tail {
    uint64_t after, last;       /* its numbers: above the first, up to the second */
    uint64_t answered, taken;
    double span;                /* seconds in which it was sent */
};

/* The server as its refusals show it. */
struct rate_guess {
    enum { GUESS_NONE, GUESS_SEARCH, GUESS_HOLD } state;
    struct rate_record record;  /* since the last refusal */
    struct rate_record first;   /* until the first refusal: from a full bucket on */
    struct rate_point first_refused;
    double refused_at;          /* the last refusal, on the axis of starts */
    double from;                /* when sending began again */
    double value;               /* requests a second at `from`, or the plateau */
    struct rate_tail tail;
    bool settled;               /* what the tail shows is in `value` */
    double depth;               /* of the server's bucket; 0: not known yet */
    double doubling;            /* seconds, while searching */
    double lag;
    double doubt;               /* relative: how far below the plateau it starts */
};

struct rate {
    double fixed, burst;        /* the user's; 0: none */
    double credit, credited_at; /* the bucket through which every send passes */
    uint64_t sent;
    double started[RATE_STARTS]; /* of the last ones, by number */
    double lag;                 /* seconds from a start to its answer, smoothed */
    struct rate_mirror mirror;
    struct rate_guess guess;
};

void rate_init(struct rate *r, double fixed, double burst, double now);

/* 0: one may be sent now; else seconds after which to ask again. */
double rate_ask(struct rate *r, double now);

/* One was sent; returns its number. */
uint64_t rate_sent(struct rate *r, double now);

/* Where in the sequence of sends the server was when it saw a request that was
 * started then and is answered now: for the three below. With latencies that differ
 * it is not the request itself. */
struct rate_point rate_seen(struct rate *r, double started, double now);

/* The answer to request `sent`, which may have been a refusal, showed limits. */
void rate_shown(struct rate *r, struct rate_point sent, const struct retry_limits *limits,
                bool refused, double now);

/* Request `sent` was refused for the rate, as the first of a group, and nothing is
 * sent before `until`. */
void rate_refused(struct rate *r, struct rate_point sent, double now, double until);

/* The server has answered that request; `refused`: for the rate. */
void rate_answered(struct rate *r, uint64_t number, bool refused);

/* Requests a second that may leave now; infinite: no limit known. */
double rate_now(const struct rate *r, double now);

#endif
