/* transport_scripted: a transport in one process, on virtual time. A server
 * answers what arrives; a seed decides how long everything takes, what arrives
 * twice and what arrives although nobody waits for it any more. */
#ifndef KELP_TESTS_TRANSPORT_SCRIPTED_H
#define KELP_TESTS_TRANSPORT_SCRIPTED_H

#include "http/transport.h"

#include <stdint.h>

struct virtual_clock;

/* A request as it arrives; texts last for the call only. */
struct delivery {
    unsigned number;      /* of the transfer, from 1 */
    const char *method;
    const char *path;     /* percent-encoded, without the query */
    const char *query;    /* "" when there is none */
    const char *authorization; /* the header's value, "" when there is none */
    const char *body;
    size_t body_size;
};

/* What the server makes of it; texts last until its next call. */
struct answer {
    enum { ANSWER_WHOLE, ANSWER_REFUSE, ANSWER_CLOSE, ANSWER_CUT } ending;
    int status;
    const char *headers;  /* "Name: value\n" lines */
    size_t headers_size;
    const char *body;
    size_t body_size;
    double delay;         /* seconds before it leaves */
};

struct server {
    void (*answer)(struct server *s, const struct delivery *d, struct answer *out);
    /* The transfer has ended for its owner; it began at `started`. */
    void (*ended)(struct server *s, unsigned number, const struct transfer *x, double started);
};

struct weather {
    double latency;       /* seconds one way: from a tenth of it to all of it */
    double slow;          /* share of messages that take up to `slowest` seconds more */
    double slowest;
    double twice;         /* share of repeatable requests that arrive twice */
    double interrupt_at;  /* when interrupt_signal is called; 0: never */
    double latest;        /* a run that goes on for longer is ended as overrun */
};

/* Everything but the transport stays the caller's. NULL: out of memory. */
struct transport *transport_scripted(struct virtual_clock *clock, struct server *server,
                                     const struct weather *weather, uint64_t seed);

/* Lets everything arrive that is still on its way. */
void transport_scripted_drain(struct transport *t);

/* Transfers that were started and not taken. */
size_t transport_scripted_busy(const struct transport *t);

/* Over all that happened, in order: equal runs have equal ones. */
uint64_t transport_scripted_hash(const struct transport *t);

/* Why the run was ended from here (virtual time, or waits without end), or NULL. */
const char *transport_scripted_overrun(const struct transport *t);

#endif
