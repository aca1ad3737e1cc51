#include "engine/exchange.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

struct list {
    struct exchange *first, *last;
};

struct engine {
    struct transport *transport;
    struct clock *clock;
    struct list queued, ended;
    size_t busy; /* queued or under way */
};

static void append(struct list *l, struct exchange *x)
{
    x->next = NULL;
    x->previous = l->last;
    if (l->last != NULL)
        l->last->next = x;
    else
        l->first = x;
    l->last = x;
}

static void detach(struct list *l, struct exchange *x)
{
    if (x->previous != NULL)
        x->previous->next = x->next;
    else
        l->first = x->next;
    if (x->next != NULL)
        x->next->previous = x->previous;
    else
        l->last = x->previous;
    x->next = x->previous = NULL;
}

struct engine *engine_new(struct transport *transport, struct clock *clock)
{
    struct engine *e = calloc(1, sizeof *e);
    if (e != NULL) {
        e->transport = transport;
        e->clock = clock;
    }
    return e;
}

static void end(struct engine *e, struct exchange *x)
{
    x->state = EXCHANGE_ENDED;
    append(&e->ended, x);
}

static void collect(struct engine *e)
{
    struct transfer *t;
    while ((t = e->transport->take(e->transport)) != NULL)
        end(e, t->owner);
}

void engine_free(struct engine *e)
{
    free(e);
}

void exchange_init(struct exchange *x)
{
    memset(x, 0, sizeof *x);
    transfer_init(&x->transfer);
    x->transfer.owner = x;
}

void exchange_free(struct exchange *x)
{
    transfer_free(&x->transfer);
}

void engine_submit(struct engine *e, struct exchange *x)
{
    x->state = EXCHANGE_QUEUED;
    x->attempts = 0;
    append(&e->queued, x);
    e->busy++;
}

void engine_cancel(struct engine *e, struct exchange *x)
{
    if (x->state == EXCHANGE_QUEUED) {
        detach(&e->queued, x);
        x->transfer.reply.fault = FAULT_CANCELLED;
        x->transfer.reply.sent = SENT_NO;
        end(e, x);
    } else if (x->state == EXCHANGE_UNDER_WAY) {
        e->transport->cancel(e->transport, &x->transfer);
        collect(e);
    }
}

void engine_withdraw(struct engine *e, struct exchange *x)
{
    engine_cancel(e, x);
    if (x->state == EXCHANGE_ENDED) {
        detach(&e->ended, x);
        x->state = EXCHANGE_IDLE;
        e->busy--;
    }
}

static void start_queued(struct engine *e)
{
    while (e->queued.first != NULL) {
        struct exchange *x = e->queued.first;
        detach(&e->queued, x);
        x->state = EXCHANGE_UNDER_WAY;
        x->attempts++;
        e->transport->start(e->transport, &x->transfer);
    }
}

int engine_wait(struct engine *e, double seconds)
{
    start_queued(e);
    int failure = e->transport->wait(e->transport, e->ended.first != NULL ? 0 : seconds);
    collect(e);
    return failure;
}

void engine_wake(struct engine *e)
{
    e->transport->wake(e->transport);
}

struct exchange *engine_take(struct engine *e)
{
    struct exchange *x = e->ended.first;
    if (x != NULL) {
        detach(&e->ended, x);
        x->state = EXCHANGE_IDLE;
        e->busy--;
    }
    return x;
}

size_t engine_busy(const struct engine *e)
{
    return e->busy;
}

struct clock *engine_clock(struct engine *e)
{
    return e->clock;
}
