#include "transport_scripted.h"

#include "base/clock.h"
#include "secret/log.h"
#include "secret/secret.h"
#include "base/text.h"
#include "lua/interrupt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Far beyond what a run needs, and soon reached by one that spins. */
enum { MOST_WAITS = 2000000 };

/* One transfer under way, or what is left of one that its owner has back. */
struct flight {
    struct transfer *transfer; /* NULL: its owner has it back */
    unsigned number;
    double started, connected;
    size_t events;             /* in the queue */
    size_t arrivals;           /* still to come */
    char *method, *path, *query;
    struct buffer authorization, body;
};

enum event_kind { EVENT_ARRIVAL, EVENT_REPLY, EVENT_TIMEOUT };

struct event {
    enum event_kind kind;
    double time;
    struct flight *flight;
    struct event *next;
};

struct scripted {
    struct transport table;
    struct virtual_clock *clock;
    struct server *server;
    struct weather weather;
    struct clock chance; /* its own randomness: what kelp draws changes nothing here */
    struct event *events;
    struct transfer *first, **last;
    size_t busy;
    unsigned started, waits;
    uint64_t hash;
    bool woken, interrupted;
    const char *overrun;
};

static struct scripted *self(struct transport *t)
{
    return (struct scripted *)t;
}

static void note(struct scripted *s, const void *bytes, size_t size)
{
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < size; i++)
        s->hash = (s->hash ^ byte[i]) * UINT64_C(1099511628211);
}

static void note_event(struct scripted *s, const struct flight *f, const char *what, long status)
{
    double now = s->clock->time;
    note(s, &now, sizeof now);
    note(s, &f->number, sizeof f->number);
    note(s, what, strlen(what));
    note(s, f->method, strlen(f->method));
    note(s, f->path, strlen(f->path));
    note(s, &status, sizeof status);
    log_line(LOG_TRACE, "%.3f #%u %s %s: %s %ld", now, f->number, f->method, f->path, what,
             status);
}

static void add_event(struct scripted *s, enum event_kind kind, double time, struct flight *f)
{
    struct event *e = malloc(sizeof *e), **place = &s->events;
    if (e == NULL)
        abort();
    while (*place != NULL && (*place)->time <= time)
        place = &(*place)->next;
    *e = (struct event){kind, time, f, *place};
    *place = e;
    f->events++;
}

static void flight_free(struct flight *f)
{
    free(f->method);
    free(f->path);
    buffer_wipe(&f->authorization);
    buffer_wipe(&f->body);
    free(f);
}

/* Forgets the events that can only matter to the owner. What has left arrives. */
static void forget_events(struct scripted *s, struct flight *f, bool arrivals_too)
{
    for (struct event **place = &s->events; *place != NULL;) {
        struct event *e = *place;
        if (e->flight == f && (arrivals_too || e->kind != EVENT_ARRIVAL)) {
            *place = e->next;
            f->events--;
            free(e);
        } else {
            place = &e->next;
        }
    }
}

static void reap(struct flight *f)
{
    if (f->transfer == NULL && f->events == 0)
        flight_free(f);
}

/* Gives the transfer back to its owner; whoever calls reaps the flight. */
static void finish(struct scripted *s, struct flight *f)
{
    struct transfer *x = f->transfer;
    f->transfer = NULL;
    x->response.elapsed = s->clock->time - f->started;
    x->private_ = NULL;
    x->next = NULL;
    *s->last = x;
    s->last = &x->next;
    s->server->ended(s->server, f->number, x, f->started);
    note_event(s, f, "ended", x->response.fault == FAULT_NONE ? x->response.status
                                                           : -(long)x->response.fault);
    bool left = s->clock->time >= f->connected;
    forget_events(s, f, !left);
}

static void fail(struct scripted *s, struct flight *f, enum fault fault, const char *message)
{
    struct response *r = &f->transfer->response;
    bool left = fault != FAULT_CONNECT && s->clock->time >= f->connected;
    r->fault = fault;
    r->sent = left ? SENT_MAYBE : SENT_NO;
    if (fault != FAULT_CLOSED) {
        r->status = 0;
        buffer_clear(&r->headers);
        buffer_clear(&r->body);
    }
    snprintf(r->message, sizeof r->message, "%s", message);
    finish(s, f);
}

/* ---- starting ---- */

static double between(struct scripted *s, double least, double most)
{
    return least + (most - least) * clock_fraction(&s->chance);
}

static double one_way(struct scripted *s)
{
    double seconds = between(s, s->weather.latency / 10, s->weather.latency);
    if (clock_fraction(&s->chance) < s->weather.slow)
        seconds += between(s, 0, s->weather.slowest);
    return seconds;
}

static bool add_authorization(struct buffer *out, const struct http_options *c)
{
    if (c->authentication == AUTH_BEARER)
        return buffer_printf(out, "Bearer %s", secret_bytes(c->password));
    if (c->authentication == AUTH_NONE)
        return true;
    struct buffer pair;
    buffer_init(&pair, 4096);
    buffer_printf(&pair, "%s:%s", c->user, secret_bytes(c->password));
    bool added = buffer_add_text(out, "Basic ") && text_add_base64(out, pair.data, pair.size);
    buffer_wipe(&pair);
    return added;
}

static struct flight *flight_new(struct scripted *s, struct transfer *x)
{
    struct flight *f = calloc(1, sizeof *f);
    if (f == NULL)
        abort();
    const struct request *q = &x->request;
    f->transfer = x;
    f->number = ++s->started;
    f->started = s->clock->time;
    const char *host = strstr(buffer_text(&q->url), "://");
    const char *path = host != NULL ? strchr(host + 3, '/') : NULL;
    f->method = strdup(q->method);
    f->path = strdup(path != NULL ? path : "/");
    if (f->method == NULL || f->path == NULL)
        abort();
    f->query = strchr(f->path, '?');
    if (f->query != NULL)
        *f->query++ = '\0';
    buffer_init(&f->authorization, 8192);
    buffer_init(&f->body, SIZE_MAX / 2);
    if (!add_authorization(&f->authorization, q->http) ||
        !buffer_add(&f->body, q->body.data, q->body.size))
        abort();
    return f;
}

static void start(struct transport *t, struct transfer *x)
{
    struct scripted *s = self(t);
    struct flight *f = flight_new(s, x);
    const struct request *q = &x->request;
    buffer_clear(&x->response.headers);
    buffer_clear(&x->response.body);
    x->response.status = 0;
    x->response.version = 0;
    x->response.fault = FAULT_NONE;
    x->response.message[0] = '\0';
    x->private_ = f;
    s->busy++;
    note_event(s, f, "starts", (long)f->body.size);

    /* Some requests need a new connection, and until it stands nothing leaves. */
    bool fresh = clock_fraction(&s->chance) < 0.3;
    f->connected = f->started + (fresh ? one_way(s) : 0);
    double limit = q->http->connect_timeout;
    double end = f->started + q->timeout;
    if (limit > 0 && f->started + limit < end && f->connected >= f->started + limit)
        end = f->started + limit;
    add_event(s, EVENT_TIMEOUT, end, f);
    if (f->connected >= end)
        return;
    double arrives = f->connected + one_way(s);
    f->arrivals = 1;
    add_event(s, EVENT_ARRIVAL, arrives, f);
    /* What libcurl does when a connection that it used again has died. */
    if (q->repeatable && clock_fraction(&s->chance) < s->weather.twice) {
        f->arrivals = 2;
        add_event(s, EVENT_ARRIVAL, arrives + one_way(s), f);
    }
}

static void cancel(struct transport *t, struct transfer *x)
{
    struct flight *f = x->private_;
    if (f == NULL)
        return; /* it has ended already */
    fail(self(t), f, FAULT_CANCELLED, "cancelled");
    reap(f);
}

/* ---- what happens ---- */

static void arrive(struct scripted *s, struct flight *f)
{
    struct answer a = {.ending = ANSWER_WHOLE};
    struct delivery d = {f->number, f->method, f->path, f->query != NULL ? f->query : "",
                         buffer_text(&f->authorization), buffer_text(&f->body), f->body.size};
    s->server->answer(s->server, &d, &a);
    f->arrivals--;
    note_event(s, f, "arrives", a.status);
    if (f->transfer == NULL || f->arrivals > 0)
        return;
    struct response *r = &f->transfer->response;
    if (a.ending == ANSWER_REFUSE) {
        fail(s, f, FAULT_CONNECT, "connection refused");
        return;
    }
    r->fault = a.ending == ANSWER_WHOLE ? FAULT_NONE : FAULT_CLOSED;
    r->sent = SENT_YES;
    if (a.ending != ANSWER_CLOSE) {
        r->status = a.status;
        r->version = 11;
        size_t size = a.ending == ANSWER_CUT ? a.body_size / 2 : a.body_size;
        if (!buffer_add(&r->headers, a.headers, a.headers_size) ||
            !buffer_add(&r->body, a.body, size))
            abort();
    }
    add_event(s, EVENT_REPLY, s->clock->time + one_way(s) + a.delay, f);
}

static void happen(struct scripted *s)
{
    struct event *e = s->events;
    struct flight *f = e->flight;
    enum event_kind kind = e->kind;
    s->events = e->next;
    f->events--;
    clock_advance(s->clock, e->time - s->clock->time);
    free(e);
    if (kind == EVENT_ARRIVAL)
        arrive(s, f);
    else if (kind == EVENT_TIMEOUT)
        fail(s, f, FAULT_TIMEOUT, "no answer in time");
    else if (f->transfer->response.fault == FAULT_CLOSED)
        fail(s, f, FAULT_CLOSED, "the connection ended before the response did");
    else
        finish(s, f);
    reap(f);
}

static void give_up(struct scripted *s, const char *why)
{
    if (s->overrun == NULL)
        s->overrun = why;
    interrupt_signal();
}

static int wait(struct transport *t, double seconds)
{
    struct scripted *s = self(t);
    double end = seconds >= 0 ? s->clock->time + seconds : -1;
    if (++s->waits > MOST_WAITS)
        give_up(s, "it waits again and again");
    while (s->first == NULL && !s->woken) {
        double next = s->events != NULL ? s->events->time : -1;
        bool to_end = end >= 0 && (next < 0 || end <= next);
        double until = to_end ? end : next;
        if (until < 0) {
            give_up(s, "it waits for nothing");
            return EDEADLK;
        }
        if (s->weather.interrupt_at > 0 && !s->interrupted && until >= s->weather.interrupt_at) {
            s->interrupted = true;
            clock_advance(s->clock, s->weather.interrupt_at - s->clock->time);
            interrupt_signal();
            continue;
        }
        if (until > s->weather.latest)
            give_up(s, "virtual time runs away");
        if (to_end) {
            clock_advance(s->clock, end - s->clock->time);
            break;
        }
        happen(s);
    }
    s->woken = false;
    return 0;
}

static void wake(struct transport *t)
{
    self(t)->woken = true;
}

static struct transfer *take(struct transport *t)
{
    struct scripted *s = self(t);
    struct transfer *x = s->first;
    if (x == NULL)
        return NULL;
    s->first = x->next;
    if (s->first == NULL)
        s->last = &s->first;
    s->busy--;
    return x;
}

static void free_transport(struct transport *t)
{
    struct scripted *s = self(t);
    while (s->events != NULL) {
        struct flight *f = s->events->flight;
        forget_events(s, f, true);
        if (f->transfer != NULL)
            f->transfer->private_ = NULL;
        f->transfer = NULL;
        reap(f);
    }
    free(s);
}

struct transport *transport_scripted(struct virtual_clock *clock, struct server *server,
                                     const struct weather *weather, uint64_t seed)
{
    struct scripted *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    struct virtual_clock chance;
    clock_virtual(&chance, seed);
    s->table = (struct transport){start, cancel, wait, wake, take, free_transport};
    s->clock = clock;
    s->server = server;
    s->weather = *weather;
    s->chance = chance.clock;
    s->last = &s->first;
    s->hash = UINT64_C(14695981039346656037);
    return &s->table;
}

void transport_scripted_drain(struct transport *t)
{
    while (self(t)->events != NULL)
        happen(self(t));
}

size_t transport_scripted_busy(const struct transport *t)
{
    return ((const struct scripted *)t)->busy;
}

uint64_t transport_scripted_hash(const struct transport *t)
{
    return ((const struct scripted *)t)->hash;
}

const char *transport_scripted_overrun(const struct transport *t)
{
    return ((const struct scripted *)t)->overrun;
}
