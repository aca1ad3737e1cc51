/* exchange: carries out exchanges (one request, one response as the caller sees
 * it) over a transport: queues them by credential, asks the limiter of each when
 * the next may leave, sends again what may be sent again, hands back what has
 * ended. Every request passes here. */
#ifndef KELP_HTTP_EXCHANGE_H
#define KELP_HTTP_EXCHANGE_H

#include "http/limiter.h"
#include "http/retry.h"
#include "http/transport.h"

#include <stdint.h>

struct clock;
struct engine;
struct journal;
struct request_queue; /* the requests of one credential */

struct exchange {
    struct transfer transfer;
    /* For the owner to fill: */
    struct request_queue *queue;
    struct retry_policy policy;
    bool resend;               /* an AMBIGUOUS end may be followed by a second send */
    bool writes;               /* cutting it off would leave its outcome unknown */
    int64_t op;                /* the journal's operation that it is sent for; 0: none */
    /* Turns the request to another server that can carry it out; false when all of
     * them have been asked in turn: the next attempt, if there is one, begins with
     * the first again. NULL: there is one server. */
    bool (*failover)(struct exchange *x);
    /* What earlier exchanges for the same write have used of the policy; all zero for a
     * first one. When this one has ended: what is used now, its last failure left out. */
    struct retry_past past;
    void *owner;               /* not looked at */
    /* For the owner to read when it has ended: */
    int attempts;              /* times that it was handed to the transport */
    enum outcome outcome;      /* of the last attempt */
    bool is_ambiguous;         /* an attempt, the last one or an earlier, was AMBIGUOUS */
    bool paused;               /* the server named a time too far away: `wait` seconds */
    double wait;
    double waited;             /* seconds spent waiting to be sent again */
    const char *why;           /* the reason of the last wait, or NULL; a constant */
    /* The engine's own: */
    enum { EXCHANGE_IDLE, EXCHANGE_QUEUED, EXCHANGE_WAITING, EXCHANGE_UNDER_WAY,
           EXCHANGE_ENDED } state;
    struct exchange *next, *previous;
    bool last;                 /* no attempt follows the present one */
    struct limiter_slot slot;
    double delay;              /* seconds from engine_submit to the attempt */
    double begun, due;         /* `begun`: with the time that `past` says, the first of them */
};

/* Both stay the caller's and must outlive the engine. NULL: out of memory. */
struct engine *engine_new(struct transport *transport, struct clock *clock);

/* Nothing may be queued or under way any more. NULL is allowed. */
void engine_free(struct engine *e);

/* The queue of that credential (a text that is the same for the same one),
 * made with these settings when there is none yet; owned by the engine. NULL:
 * out of memory. */
struct request_queue *engine_queue(struct engine *e, const char *credential,
                                   const struct limiter_settings *settings);

/* A job that has begun names so many requests that may be under way at a time; when it
 * has ended, the same number negative. The sum counts for each queue whose settings
 * name none; see limiter_reserve. */
void engine_reserve(struct engine *e, int more);

void exchange_init(struct exchange *x); /* with the default policy */
void exchange_free(struct exchange *x); /* must be idle */

/* Submits an idle exchange whose request is filled; it must stay where it is
 * until engine_take returns it. */
void engine_submit(struct engine *e, struct exchange *x);

/* The response of an exchange that has ended OUTCOME_DONE turns out to be none: it cannot be read.
 * The attempt counts as AMBIGUOUS after all. True: another one may follow and engine_submit sends
 * it, after the wait that the policy asks for. */
bool engine_retries_unreadable(struct engine *e, struct exchange *x);

/* Ends the exchange soon, with FAULT_CANCELLED unless it has ended by itself;
 * engine_take returns it. */
void engine_cancel(struct engine *e, struct exchange *x);

/* As engine_cancel, but a write that is under way is left to its end. */
void engine_drain(struct engine *e, struct exchange *x);

/* Withdraws the exchange, wherever it is: when this returns, the engine holds no
 * pointer to it and it will not be handed back. */
void engine_withdraw(struct engine *e, struct exchange *x);

/* From now on what is staged in the journal is committed at the start of each
 * engine_wait, and an exchange with an `op` is only sent while the journal says
 * that its intent is on disk; else it ends with FAULT_UNRECORDED. The journal stays
 * the caller's. NULL: none, and nothing with an `op` is sent. */
void engine_set_journal(struct engine *e, struct journal *j);

/* How often this engine has sent a request for that operation (at most 255). */
int engine_sends(const struct engine *e, int64_t op);

/* Commits what is staged, now. False: the journal has failed. */
bool engine_commit(struct engine *e);

/* Starts what may start and waits until something has ended, engine_wake is
 * called, an exchange becomes due or `seconds` passed (negative: no limit).
 * Returns 0 or an errno. */
int engine_wait(struct engine *e, double seconds);
void engine_wake(struct engine *e); /* safe in a signal handler */

/* The next exchange that has ended, or NULL. */
struct exchange *engine_take(struct engine *e);

/* Exchanges that were submitted and not yet returned. */
size_t engine_busy(const struct engine *e);

/* The state of one credential's limiter. */
void queue_limiter_state(struct request_queue *queue, struct limiter_state *out);

/* That of the limiter which holds requests back most, with the requests in flight of all. */
void engine_limiter_state(struct engine *e, struct limiter_state *out);

/* One that waits to be sent again after a response that says no, which is still there; NULL: none. */
struct exchange *engine_failed(struct engine *e);

struct clock *engine_clock(struct engine *e);

#endif
