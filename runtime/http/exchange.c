#include "http/exchange.h"

#include "base/clock.h"
#include "secret/log.h"
#include "journal/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct list {
    struct exchange *first, *last;
};

struct request_queue {
    char *credential;
    struct limiter *limiter;
    struct list queued;
    struct request_queue *next;
};

struct engine {
    struct transport *transport;
    struct clock *clock;
    struct journal *journal;
    struct request_queue *queues;
    int named; /* see engine_reserve */
    struct list waiting; /* to be sent again, soonest first */
    struct list ended;
    size_t busy;
    unsigned char *sent; /* by the number of the operation */
    size_t sent_size;
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
    while (e->queues != NULL) {
        struct request_queue *queue = e->queues;
        e->queues = queue->next;
        limiter_free(queue->limiter);
        free(queue->credential);
        free(queue);
    }
    free(e->sent);
    free(e);
}

struct request_queue *engine_queue(struct engine *e, const char *credential,
                                   const struct limiter_settings *settings)
{
    for (struct request_queue *queue = e->queues; queue != NULL; queue = queue->next) {
        if (strcmp(queue->credential, credential) == 0)
            return queue;
    }
    struct request_queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL)
        return NULL;
    queue->credential = strdup(credential);
    queue->limiter = limiter_new(e->clock, settings);
    if (queue->credential == NULL || queue->limiter == NULL) {
        free(queue->credential);
        limiter_free(queue->limiter);
        free(queue);
        return NULL;
    }
    limiter_reserve(queue->limiter, e->named);
    queue->next = e->queues;
    e->queues = queue;
    return queue;
}

void engine_reserve(struct engine *e, int more)
{
    e->named += more;
    for (struct request_queue *queue = e->queues; queue != NULL; queue = queue->next)
        limiter_reserve(queue->limiter, e->named);
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

void engine_submit(struct engine *e, struct exchange *x)
{
    double delay = x->delay;
    x->delay = 0;
    x->begun = clock_now(e->clock) - x->past.elapsed;
    e->busy++;
    if (delay > 0) {
        wait_to_resend(e, x, delay);
        return;
    }
    x->state = EXCHANGE_QUEUED;
    insert_before(&x->queue->queued, x, NULL);
}

/* The outcome is what counts; an attempt that cannot be noted stops nothing here:
 * the journal is dead then, and the next commit says so. */
static void note_attempt(struct engine *e, const struct exchange *x, double wait)
{
    static const char *const classes[] = {"done", "refused", "rejected", "not sent", "ambiguous"};
    struct journal_attempt attempt = {classes[x->outcome], (int)x->transfer.response.status, wait};
    if (x->op != 0 && e->journal != NULL)
        (void)journal_attempt(e->journal, x->op, &attempt);
}

/* Whether another server is asked at once. A write is sent to it only while no
 * server can have seen it; a read also when this one failed. */
static bool fails_over(struct exchange *x)
{
    switch (x->transfer.response.fault) {
    case FAULT_NONE:
    case FAULT_RESOLVE:
    case FAULT_CONNECT:
    case FAULT_TIMEOUT:
    case FAULT_CLOSED:
    case FAULT_PROTOCOL:
        break;
    default:
        return false;
    }
    bool unseen = x->outcome == OUTCOME_NOT_SENT && !(x->writes && x->is_ambiguous);
    bool may = unseen || (x->outcome == OUTCOME_AMBIGUOUS && !x->writes);
    return may && !x->last && x->failover != NULL && x->failover(x);
}

/* An attempt has ended: tells the limiter, and ends the exchange or lets it wait
 * for the next one. */
static void attempted(struct engine *e, struct exchange *x)
{
    struct response *response = &x->transfer.response;
    if (response->fault == FAULT_CANCELLED) {
        limiter_ended(x->queue->limiter, &x->slot, OUTCOME_NOT_SENT, NULL);
        x->outcome = response->sent == SENT_NO ? OUTCOME_NOT_SENT : OUTCOME_AMBIGUOUS;
        x->is_ambiguous |= x->outcome == OUTCOME_AMBIGUOUS;
        end(e, x);
        return;
    }
    x->outcome = retry_classify(response, x->transfer.request.rules);
    x->is_ambiguous |= x->outcome == OUTCOME_AMBIGUOUS;
    if (fails_over(x)) {
        /* One server of several being down does not slow down the others. */
        limiter_ended(x->queue->limiter, &x->slot, OUTCOME_NOT_SENT, NULL);
        note_attempt(e, x, 0);
        log_line(LOG_INFO, "%s %s: sent to another address", x->transfer.request.method,
                 buffer_text(&x->transfer.request.url));
        wait_to_resend(e, x, 0);
        return;
    }
    /* Whoever answers for a server that is not there is not overloaded. */
    bool is_foreign = response->status == 404 && x->outcome == OUTCOME_AMBIGUOUS;
    limiter_ended(x->queue->limiter, &x->slot, is_foreign ? OUTCOME_REFUSED : x->outcome, response);
    if (x->outcome == OUTCOME_DONE || x->outcome == OUTCOME_REFUSED) {
        end(e, x);
        return;
    }
    x->past.elapsed = clock_now(e->clock) - x->begun;
    struct retry_decision decision =
        retry_decide(&x->policy, e->clock, x->outcome, response, &x->past, x->resend);
    x->why = decision.why;
    x->wait = decision.wait;
    x->paused = decision.pause;
    if (!decision.again || x->last) {
        end(e, x);
        return;
    }
    note_attempt(e, x, decision.wait);
    if (decision.counts)
        x->past.attempts++;
    else
        x->past.throttles++;
    log_line(LOG_INFO, "%s %s: %s; attempt %d in %.1f s", x->transfer.request.method,
             buffer_text(&x->transfer.request.url), decision.why, x->attempts + 1, decision.wait);
    wait_to_resend(e, x, decision.wait);
}

bool engine_retries_unreadable(struct engine *e, struct exchange *x)
{
    x->outcome = OUTCOME_AMBIGUOUS;
    x->is_ambiguous = true;
    x->past.elapsed = clock_now(e->clock) - x->begun;
    struct retry_decision decision = retry_decide(&x->policy, e->clock, x->outcome,
                                                  &x->transfer.response, &x->past, x->resend);
    if (!decision.again || x->last)
        return false;
    note_attempt(e, x, decision.wait);
    x->past.attempts++;
    x->delay = decision.wait;
    log_line(LOG_INFO, "%s %s: the response cannot be read; attempt %d in %.1f s",
             x->transfer.request.method, buffer_text(&x->transfer.request.url), x->attempts + 1,
             decision.wait);
    return true;
}

static void collect(struct engine *e)
{
    struct transfer *t;
    while ((t = e->transport->take(e->transport)) != NULL)
        attempted(e, t->owner);
}

static void end_unsent(struct engine *e, struct exchange *x, enum fault fault, const char *why)
{
    struct response *response = &x->transfer.response;
    response->fault = fault;
    response->sent = x->is_ambiguous ? SENT_MAYBE : SENT_NO;
    snprintf(response->message, sizeof response->message, "%.255s", why);
    x->outcome = x->is_ambiguous ? OUTCOME_AMBIGUOUS : OUTCOME_NOT_SENT;
    end(e, x);
}

static const char cancelled_unsent[] = "cancelled before it was sent";

void engine_cancel(struct engine *e, struct exchange *x)
{
    if (x->state == EXCHANGE_QUEUED) {
        detach(&x->queue->queued, x);
        limiter_ended(x->queue->limiter, &x->slot, OUTCOME_NOT_SENT, NULL);
        end_unsent(e, x, FAULT_CANCELLED, cancelled_unsent);
    } else if (x->state == EXCHANGE_WAITING) {
        detach(&e->waiting, x);
        limiter_ended(x->queue->limiter, &x->slot, OUTCOME_NOT_SENT, NULL);
        end_unsent(e, x, FAULT_CANCELLED, cancelled_unsent);
    } else if (x->state == EXCHANGE_UNDER_WAY) {
        e->transport->cancel(e->transport, &x->transfer);
        collect(e);
    }
}

void engine_drain(struct engine *e, struct exchange *x)
{
    x->last = true;
    if (x->state != EXCHANGE_UNDER_WAY || !x->writes)
        engine_cancel(e, x);
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

static double earlier(double a, double b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* A repeat goes before the first attempts that are queued: it has waited longer. */
static double requeue_due(struct engine *e)
{
    double now = clock_now(e->clock);
    struct exchange *x;
    while ((x = e->waiting.first) != NULL && x->due <= now) {
        detach(&e->waiting, x);
        x->state = EXCHANGE_QUEUED;
        insert_before(&x->queue->queued, x, x->queue->queued.first);
    }
    return x != NULL ? x->due - now : -1;
}

void engine_set_journal(struct engine *e, struct journal *j)
{
    e->journal = j;
}

bool engine_commit(struct engine *e)
{
    return e->journal == NULL || journal_commit(e->journal);
}

/* Makes room to remember that the operation was sent. */
static bool remember(struct engine *e, int64_t op)
{
    size_t at = (size_t)op;
    if (at < e->sent_size)
        return true;
    size_t size = 2 * at + 64;
    unsigned char *sent = realloc(e->sent, size);
    if (sent == NULL)
        return false;
    memset(sent + e->sent_size, 0, size - e->sent_size);
    e->sent = sent;
    e->sent_size = size;
    return true;
}

int engine_sends(const struct engine *e, int64_t op)
{
    return op > 0 && (size_t)op < e->sent_size ? e->sent[op] : 0;
}

static bool may_send(struct engine *e, const struct exchange *x)
{
    return x->op == 0
           || (e->journal != NULL && journal_may_send(e->journal, x->op) && remember(e, x->op));
}

/* Starts what the limiter admits; the seconds until it may admit more, or
 * negative when only an end can change that. */
static double start_queued(struct engine *e, struct request_queue *queue)
{
    struct exchange *x;
    while ((x = queue->queued.first) != NULL) {
        if (!may_send(e, x)) {
            detach(&queue->queued, x);
            limiter_ended(queue->limiter, &x->slot, OUTCOME_NOT_SENT, NULL);
            end_unsent(e, x, FAULT_UNRECORDED,
                       e->journal != NULL ? journal_fault(e->journal)->message
                                          : "there is no journal for it");
            continue;
        }
        double ask = limiter_admit(queue->limiter, &x->slot);
        if (ask != 0)
            return ask;
        detach(&queue->queued, x);
        x->state = EXCHANGE_UNDER_WAY;
        x->attempts++;
        if (x->op != 0)
            e->sent[x->op] = (unsigned char)(e->sent[x->op] + (e->sent[x->op] < 255));
        e->transport->start(e->transport, &x->transfer);
    }
    return -1;
}

int engine_wait(struct engine *e, double seconds)
{
    /* If it fails, nothing is sent that needs it: may_send asks the journal again. */
    (void)engine_commit(e);
    seconds = earlier(requeue_due(e), seconds);
    for (struct request_queue *queue = e->queues; queue != NULL; queue = queue->next)
        seconds = earlier(start_queued(e, queue), seconds);
    /* The output so far is shown before the wait. */
    (void)log_release(STDOUT_FILENO);
    (void)log_release(STDERR_FILENO);
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

void queue_limiter_state(struct request_queue *queue, struct limiter_state *out)
{
    limiter_state(queue->limiter, out);
}

void engine_limiter_state(struct engine *e, struct limiter_state *out)
{
    memset(out, 0, sizeof *out);
    for (struct request_queue *queue = e->queues; queue != NULL; queue = queue->next) {
        struct limiter_state state;
        limiter_state(queue->limiter, &state);
        bool worst = state.wait > out->wait || out->limit == 0;
        int in_flight = out->in_flight + state.in_flight;
        if (worst)
            *out = state;
        out->in_flight = in_flight;
    }
}

static struct exchange *find_failed(const struct list *l)
{
    struct exchange *x = l->first;
    while (x != NULL && (x->attempts == 0 || x->transfer.response.fault != FAULT_NONE ||
                         x->transfer.response.status < 400))
        x = x->next;
    return x;
}

struct exchange *engine_failed(struct engine *e)
{
    struct exchange *x = find_failed(&e->waiting);
    for (struct request_queue *queue = e->queues; x == NULL && queue != NULL; queue = queue->next)
        x = find_failed(&queue->queued);
    return x;
}

struct clock *engine_clock(struct engine *e)
{
    return e->clock;
}
