/* exchange: carries out exchanges (one request, one answer as the caller sees
 * it) over a transport: queues them, starts them, hands back what has ended.
 *
 * This is the one place through which every request passes, so it is where
 * pacing and retrying belong. */
#ifndef KELP_ENGINE_EXCHANGE_H
#define KELP_ENGINE_EXCHANGE_H

#include "engine/transport.h"

struct clock;

struct exchange {
    struct transfer transfer;
    int attempts;              /* times that it was handed to the transport */
    enum { EXCHANGE_IDLE, EXCHANGE_QUEUED, EXCHANGE_UNDER_WAY, EXCHANGE_ENDED } state;
    struct exchange *next, *previous;
    void *owner;               /* not looked at */
};

struct engine;

/* Both stay the caller's and must outlive the engine. NULL: out of memory. */
struct engine *engine_new(struct transport *transport, struct clock *clock);

/* Nothing may be queued or under way any more. NULL is allowed. */
void engine_free(struct engine *e);

void exchange_init(struct exchange *x);
void exchange_free(struct exchange *x); /* must not be queued or under way */

/* Takes an idle exchange whose request is filled; it must stay where it is
 * until engine_take returns it. */
void engine_submit(struct engine *e, struct exchange *x);

/* Ends the exchange soon, with FAULT_CANCELLED unless it has ended by itself;
 * engine_take returns it. */
void engine_cancel(struct engine *e, struct exchange *x);

/* Withdraws the exchange, wherever it is: when this returns, the engine holds no
 * pointer to it and it will not be handed back. */
void engine_withdraw(struct engine *e, struct exchange *x);

/* Starts what may start and waits until something has ended, engine_wake is
 * called or `seconds` passed (negative: no limit). Returns 0 or an errno. */
int engine_wait(struct engine *e, double seconds);
void engine_wake(struct engine *e); /* safe in a signal handler */

/* The next exchange that has ended, or NULL. */
struct exchange *engine_take(struct engine *e);

/* Exchanges queued or under way. */
size_t engine_busy(const struct engine *e);

struct clock *engine_clock(struct engine *e);

#endif
