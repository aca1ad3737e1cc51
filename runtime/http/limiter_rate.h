/* rate: how many requests a second may leave for one server: what the user allows,
 * and what the server is found to grant; private to limiter.c.
 *
 * Times are those of base/clock. Where a request's matters it is that of its start,
 * so that the latency, as far as it is the same for all, cancels out. */
#ifndef KELP_HTTP_LIMITER_RATE_H
#define KELP_HTTP_LIMITER_RATE_H

#include "http/limiter_estimate.h"
#include "http/limiter_headers.h"

enum { RATE_STARTS = 1024 };

struct rate {
    double fixed, burst;         /* the user's; 0: none */
    double credit, credited_at;  /* the bucket through which every send passes */
    uint64_t sent;
    double started[RATE_STARTS]; /* when the last ones were, by number */
    double lag;                  /* seconds from a start to its response, smoothed */
    struct limiter_headers headers;
    struct limiter_estimate estimate;
};

void rate_init(struct rate *r, double fixed, double burst, double now);

/* 0: one may be sent now; else seconds after which to ask again. `slots`: how many
 * may be under way. */
double rate_ask(struct rate *r, double now, double slots);

/* One was sent; returns its number. */
uint64_t rate_sent(struct rate *r, double now);

/* The server responded to that request. */
void rate_responded(struct rate *r, struct rate_point sent, const struct response *response,
                   double now);

/* That request ended without a response, or was not sent. */
void rate_lost(struct rate *r, uint64_t number);

/* After rate_responded: the response refused for the rate, the first of a group
 * of them, and nothing is sent before `until`. */
void rate_refused(struct rate *r, struct rate_point sent, double now, double until);

/* Requests a second that may leave now; infinite: no limit known. */
double rate_now(const struct rate *r, double now);

#endif
