/* visit: one connection to the proxy, from its first byte to its end, and the list of all requests
 * that came. */
#ifndef KELP_TESTS_FAULTS_VISIT_H
#define KELP_TESTS_FAULTS_VISIT_H

#include "wire.h"

struct fault;

/* What all connections share. */
struct proxy {
    int upstream;         /* port; 0: there is none, and every answer is a 502 */
    FILE *record;         /* gets every byte that clients send, or NULL */
    struct fault *faults; /* guarded, as everything about requests, inside visit.c */
};

void visit_start(struct proxy *p, int fd); /* a thread of its own */
void visit_add_fault(struct proxy *p, struct fault *f);

/* Writes "request SECONDS CONNECTION METHOD TARGET FORWARDED STATUS" for each request so far, the
 * last two being how often it was forwarded and what was answered (0: not a whole head). */
void visit_report(FILE *out);

#endif
