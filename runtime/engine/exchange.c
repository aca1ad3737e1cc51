#include "engine/exchange.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct list {
    struct exchange *first, *last;
};

struct lane {
    char *credential;
    struct pace *pace;
    struct list queued;
    struct lane *next;
};

struct engine {
    struct transport *transport;
    struct clock *clock;
    struct lane *lanes;
    struct list waiting; /* to be sent again, soonest first */
    struct list ended;
    size_t busy;
};

static void insert_before(struct list *l, struct exchange *x, struct exchange *next)
{
    x->next = next;
    x->previous = next != NULL ? next->previous : l->last;
    if (x->previous != NULL)
        x->previous->next = x;
    else
        l->first = x;
    if (next != NULL)
        next->previous = x;
    else
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

void engine_free(struct engine *e)
{
    if (e == NULL)
        return;
    while (e->lanes != NULL) {
        struct lane *lane = e->lanes;
        e->lanes = lane->next;
        pace_free(lane->pace);
        free(lane->credential);
        free(lane);
    }
    free(e);
}

struct lane *engine_lane(struct engine *e, const char *credential,
                         const struct pace_settings *settings)
{
    for (struct lane *lane = e->lanes; lane != NULL; lane = lane->next) {
        if (strcmp(lane->credential, credential) == 0)
            return lane;
    }
    struct lane *lane = calloc(1, sizeof *lane);
    if (lane == NULL)
        return NULL;
    lane->credential = strdup(credential);
    lane->pace = pace_new(e->clock, settings);
    if (lane->credential == NULL || lane->pace == NULL) {
        free(lane->credential);
        pace_free(lane->pace);
        free(lane);
        return NULL;
    }
    lane->next = e->lanes;
    e->lanes = lane;
    return lane;
}

void exchange_init(struct exchange *x)
{
    memset(x, 0, sizeof *x);
    transfer_init(&x->transfer);
    x->transfer.owner = x;
    x->policy = retry_policy_default();
}

void exchange_free(struct exchange *x)
{
    transfer_free(&x->transfer);
}

void engine_submit(struct engine *e, struct exchange *x)
{
    x->state = EXCHANGE_QUEUED;
    x->begun = clock_now(e->clock);
    insert_before(&x->lane->queued, x, NULL);
    e->busy++;
}

static void end(struct engine *e, struct exchange *x)
{
    x->state = EXCHANGE_ENDED;
    insert_before(&e->ended, x, NULL);
}

static void wait_to_resend(struct engine *e, struct exchange *x, double seconds)
{
    x->state = EXCHANGE_WAITING;
    x->due = clock_now(e->clock) + seconds;
    x->waited += seconds;
    struct exchange *later = e->waiting.first;
    while (later != NULL && later->due <= x->due)
        later = later->next;
    insert_before(&e->waiting, x, later);
}

/* An attempt has ended: tells the pace, and ends the exchange or lets it wait
 * for the next one. */
static void attempted(struct engine *e, struct exchange *x)
{
    struct reply *reply = &x->transfer.reply;
    if (reply->fault == FAULT_CANCELLED) {
        pace_ended(x->lane->pace, &x->slot, OUTCOME_NOT_SENT, NULL);
        x->outcome = reply->sent == SENT_NO ? OUTCOME_NOT_SENT : OUTCOME_AMBIGUOUS;
        x->doubt |= x->outcome == OUTCOME_AMBIGUOUS;
        end(e, x);
        return;
    }
    x->outcome = retry_classify(reply);
    x->doubt |= x->outcome == OUTCOME_AMBIGUOUS;
    pace_ended(x->lane->pace, &x->slot, x->outcome, reply);
    if (x->outcome == OUTCOME_DONE || x->outcome == OUTCOME_REFUSED) {
        end(e, x);
        return;
    }
    x->past.elapsed = clock_now(e->clock) - x->begun;
    struct retry_decision decision =
        retry_decide(&x->policy, e->clock, x->outcome, reply, &x->past, x->resend);
    x->why = decision.why;
    x->wait = decision.wait;
    x->paused = decision.pause;
    if (!decision.again) {
        end(e, x);
        return;
    }
    if (decision.counts)
        x->past.attempts++;
    else
        x->past.throttles++;
    log_line(LOG_INFO, "%s %s: %s; attempt %d in %.1f s", x->transfer.request.method,
             buffer_text(&x->transfer.request.url), decision.why, x->attempts + 1, decision.wait);
    wait_to_resend(e, x, decision.wait);
}

static void collect(struct engine *e)
{
    struct transfer *t;
    while ((t = e->transport->take(e->transport)) != NULL)
        attempted(e, t->owner);
}

static void end_unsent(struct engine *e, struct exchange *x)
{
    struct reply *reply = &x->transfer.reply;
    reply->fault = FAULT_CANCELLED;
    reply->sent = x->doubt ? SENT_MAYBE : SENT_NO;
    snprintf(reply->message, sizeof reply->message, "cancelled before it was sent");
    x->outcome = x->doubt ? OUTCOME_AMBIGUOUS : OUTCOME_NOT_SENT;
    end(e, x);
}

void engine_cancel(struct engine *e, struct exchange *x)
{
    if (x->state == EXCHANGE_QUEUED) {
        detach(&x->lane->queued, x);
        pace_ended(x->lane->pace, &x->slot, OUTCOME_NOT_SENT, NULL);
        end_unsent(e, x);
    } else if (x->state == EXCHANGE_WAITING) {
        detach(&e->waiting, x);
        pace_ended(x->lane->pace, &x->slot, OUTCOME_NOT_SENT, NULL);
        end_unsent(e, x);
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

static double sooner(double a, double b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* What is due goes before what has not been tried yet: it is the older promise. */
static double requeue_due(struct engine *e)
{
    double now = clock_now(e->clock);
    struct exchange *x;
    while ((x = e->waiting.first) != NULL && x->due <= now) {
        detach(&e->waiting, x);
        x->state = EXCHANGE_QUEUED;
        insert_before(&x->lane->queued, x, x->lane->queued.first);
    }
    return x != NULL ? x->due - now : -1;
}

/* Starts what the lane's pace lets go; the seconds until it may let go more, or
 * negative when only an end can change that. */
static double start_queued(struct engine *e, struct lane *lane)
{
    struct exchange *x;
    while ((x = lane->queued.first) != NULL) {
        double ask = pace_ask(lane->pace, &x->slot);
        if (ask != 0)
            return ask;
        detach(&lane->queued, x);
        x->state = EXCHANGE_UNDER_WAY;
        x->attempts++;
        e->transport->start(e->transport, &x->transfer);
    }
    return -1;
}

int engine_wait(struct engine *e, double seconds)
{
    seconds = sooner(requeue_due(e), seconds);
    for (struct lane *lane = e->lanes; lane != NULL; lane = lane->next)
        seconds = sooner(start_queued(e, lane), seconds);
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

void engine_pace(struct engine *e, struct pace_state *out)
{
    memset(out, 0, sizeof *out);
    for (struct lane *lane = e->lanes; lane != NULL; lane = lane->next) {
        struct pace_state state;
        pace_state(lane->pace, &state);
        bool worst = state.wait > out->wait || out->limit == 0;
        int in_flight = out->in_flight + state.in_flight;
        if (worst)
            *out = state;
        out->in_flight = in_flight;
    }
}

struct clock *engine_clock(struct engine *e)
{
    return e->clock;
}
