/* limiter: when the next request of one credential may leave, so that the server
 * never has to say no. One `struct limiter` for each credential; it knows no names
 * and sends nothing.
 *
 * It holds five things back, each by itself:
 *  - the gate: closed for all until the time that a 429 or 503 named;
 *  - the rate: the user's, and the one learned from X-RateLimit-* or from 429s;
 *  - the slots: how many requests may be under way: what the user names, else few
 *    at first; less after refusals and timeouts (multiplicative decrease, additive
 *    increase);
 *  - the quota of retries, and the circuit: when too much fails, one request
 *    every 30 s asks whether things are better, and nothing else is sent. */
#ifndef KELP_HTTP_LIMITER_H
#define KELP_HTTP_LIMITER_H

#include "http/retry.h"

#include <stdbool.h>
#include <stdint.h>

struct clock;
struct limiter;

/* Zero in a member: the default. */
struct limiter_settings {
    double rate;     /* requests a second at most; default: only what the server shows */
    double burst;    /* requests that may leave at once under `rate`; default 1 */
    int concurrency; /* requests under way at most, and from the start; default: at
                      * most 32, found from 4 on as the server bears them */
    double quota;    /* tokens that failures may use up; default 500 */
    int circuit;     /* failures in a row that pause; default 10 */
    double probe;    /* seconds between the requests that leave while paused; default 30 */
};

/* One request's stay with the limiter. The owner zeroes it before the first ask and
 * keeps it until the request is over, retries included. */
struct limiter_slot {
    bool taken;
    double at;       /* when it was granted */
    uint64_t number; /* of all grants */
    double cost;     /* taken from the retry quota by its last failure */
};

#define PACE_FULL (-1.0)

/* The clock must outlive the limiter. NULL: out of memory. */
struct limiter *limiter_new(struct clock *clock, const struct limiter_settings *settings);
void limiter_free(struct limiter *p); /* NULL is allowed */

/* The jobs that run now name so many requests under way together (0: none names a
 * number). Where the settings name none, so many may be under way from now on, less
 * what refusals and timeouts have cut; 32 or fewer when that ends. */
void limiter_reserve(struct limiter *p, int number);

/* 0: send it now; the slot is taken until limiter_ended. Above 0: ask again after so
 * many seconds, or when a request has ended, if that is sooner. PACE_FULL: ask
 * again when a request has ended. */
double limiter_admit(struct limiter *p, struct limiter_slot *slot);

/* The request of a taken slot has ended. `response` NULL: it was not sent after all. */
void limiter_ended(struct limiter *p, struct limiter_slot *slot, enum outcome outcome,
                const struct response *response);

struct limiter_state {
    double wait;      /* seconds until something may leave again; 0: not held back */
    const char *why;  /* an English phrase, NULL when not held back; a constant */
    bool paused;      /* by quota or circuit: only probes leave */
    int limit;        /* requests that may be under way now */
    int in_flight;
    double rate;      /* requests a second; 0: no limit known */
};
void limiter_state(struct limiter *p, struct limiter_state *out);

#endif
