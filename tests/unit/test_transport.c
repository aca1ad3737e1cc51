/* The libcurl transport against a raw-socket server that this program runs in a
 * thread: a server that can cut a response anywhere and count what reaches it. */
#include "secret/secret.h"
#include "http/transport.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- the server --- */

enum after {
    KEEP,    /* the connection stays open */
    FIN,     /* it is closed in order */
    RST,     /* it is reset */
    DIE,     /* FIN, and the server accepts nothing any more */
    AT_ONCE, /* RST as soon as the request's header block is there */
    CUT_FIN, /* FIN as soon as anything is there */
    CUT_RST  /* likewise RST */
};

/* What one request is answered with. */
struct answer {
    const char *bytes;  /* NULL: nothing */
    enum after after;
    const char *filler; /* sent after the bytes until the client goes away, or NULL */
};

enum { MAX_PEERS = 128 };

struct peer {
    int fd;
    char *bytes;
    size_t size;
    bool counted; /* the header block of the request that is arriving */
};

struct server {
    int listener, stop[2], port;
    pthread_t thread;
    const struct answer *answers; /* the last one serves all further requests */
    size_t answer_count;
    struct peer peers[MAX_PEERS];
    pthread_mutex_t lock; /* guards what is below */
    pthread_cond_t changed;
    size_t connections, arrivals, closed; /* arrivals: complete header blocks */
    size_t body_bytes;
    char requests[65536]; /* what arrived, as far as it fits */
    size_t requests_size;
};

static void note(struct server *s, size_t *counter)
{
    pthread_mutex_lock(&s->lock);
    ++*counter;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void close_peer(struct server *s, struct peer *p, bool reset)
{
    struct linger now = { .l_onoff = 1 };
    if (reset)
        setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(p->fd);
    free(p->bytes);
    *p = (struct peer){ .fd = -1 };
    note(s, &s->closed);
}

static bool send_text(int fd, const char *text)
{
    size_t size = strlen(text);
    while (size > 0) {
        ssize_t n = send(fd, text, size, MSG_NOSIGNAL);
        if (n < 0)
            return false;
        text += n;
        size -= (size_t)n;
    }
    return true;
}

static void answer(struct server *s, struct peer *p, const struct answer *a)
{
    if (a->bytes != NULL && !send_text(p->fd, a->bytes)) {
        close_peer(s, p, false);
        return;
    }
    if (a->filler != NULL)
        while (send_text(p->fd, a->filler))
            ;
    if (a->after == DIE) {
        close(s->listener);
        s->listener = -1;
    }
    if (a->after != KEEP || a->filler != NULL)
        close_peer(s, p, a->after == RST || a->after == AT_ONCE);
}

static size_t body_length(const char *head)
{
    const char *length = strstr(head, "\r\nContent-Length:");
    return length != NULL ? strtoul(length + 17, NULL, 10) : 0;
}

static void receive(struct server *s, struct peer *p)
{
    char block[65536];
    ssize_t n = recv(p->fd, block, sizeof block, 0);
    if (n <= 0) {
        close_peer(s, p, false);
        return;
    }
    pthread_mutex_lock(&s->lock);
    size_t kept = sizeof s->requests - 1 - s->requests_size;
    kept = kept < (size_t)n ? kept : (size_t)n;
    memcpy(s->requests + s->requests_size, block, kept);
    s->requests_size += kept;
    pthread_mutex_unlock(&s->lock);

    if (s->answers[0].after >= CUT_FIN) {
        if (s->answers[0].bytes != NULL)
            send_text(p->fd, s->answers[0].bytes);
        close_peer(s, p, s->answers[0].after == CUT_RST);
        return;
    }
    p->bytes = realloc(p->bytes, p->size + (size_t)n + 1);
    memcpy(p->bytes + p->size, block, (size_t)n);
    p->size += (size_t)n;
    p->bytes[p->size] = '\0';
    const char *end = strstr(p->bytes, "\r\n\r\n");
    if (end == NULL)
        return;
    size_t index = s->arrivals - (p->counted ? 1 : 0);
    const struct answer *a = &s->answers[index < s->answer_count ? index : s->answer_count - 1];
    if (!p->counted)
        note(s, &s->arrivals);
    p->counted = true;
    size_t head = (size_t)(end - p->bytes) + 4, body = body_length(p->bytes);
    if (a->after != AT_ONCE && p->size < head + body)
        return;
    s->body_bytes += p->size - head;
    p->size = 0;
    p->counted = false;
    answer(s, p, a);
}

static void accept_peer(struct server *s)
{
    int fd = accept(s->listener, NULL, NULL);
    for (struct peer *p = s->peers; fd >= 0 && p < s->peers + MAX_PEERS; p++) {
        if (p->fd >= 0)
            continue;
        struct timeval limit = { .tv_sec = 20 };
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        p->fd = fd;
        note(s, &s->connections);
        return;
    }
}

static void *serve(void *data)
{
    struct server *s = data;
    for (;;) {
        struct pollfd polled[MAX_PEERS + 2] = { { .fd = s->stop[0], .events = POLLIN },
                                                { .fd = s->listener, .events = POLLIN } };
        for (int i = 0; i < MAX_PEERS; i++)
            polled[i + 2] = (struct pollfd){ .fd = s->peers[i].fd, .events = POLLIN };
        poll(polled, MAX_PEERS + 2, -1);
        if (polled[0].revents != 0)
            return NULL;
        for (int i = 0; i < MAX_PEERS; i++)
            if (polled[i + 2].revents != 0)
                receive(s, &s->peers[i]);
        if (polled[1].revents != 0)
            accept_peer(s);
    }
}

static int listen_on_loopback(int backlog, int *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static struct server *serve_answers(const struct answer *answers, size_t count)
{
    struct server *s = calloc(1, sizeof *s);
    s->answers = answers;
    s->answer_count = count;
    for (int i = 0; i < MAX_PEERS; i++)
        s->peers[i].fd = -1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->listener = listen_on_loopback(64, &s->port);
    assert_int_equal(pipe(s->stop), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
    return s;
}
#define SERVE(answers) serve_answers(answers, sizeof(answers) / sizeof((answers)[0]))

/* Ends the thread; what it counted can then be read without the lock. */
static void stop_server(struct server *s)
{
    assert_int_equal(write(s->stop[1], "", 1), 1);
    pthread_join(s->thread, NULL);
    for (int i = 0; i < MAX_PEERS; i++)
        if (s->peers[i].fd >= 0)
            close_peer(s, &s->peers[i], false);
    if (s->listener >= 0)
        close(s->listener);
    close(s->stop[0]);
    close(s->stop[1]);
}

static void free_server(struct server *s)
{
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    free(s);
}

static void wait_for(struct server *s, const size_t *counter, size_t value)
{
    pthread_mutex_lock(&s->lock);
    while (*counter < value)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static size_t read_counter(struct server *s, const size_t *counter)
{
    pthread_mutex_lock(&s->lock);
    size_t value = *counter;
    pthread_mutex_unlock(&s->lock);
    return value;
}

/* --- the client --- */

struct client {
    struct transport *transport;
    struct http_options http;
    struct transfer transfer;
};

static int open_client(void **state)
{
    struct client *c = calloc(1, sizeof *c);
    const char *why = NULL;
    c->transport = transport_curl(&why);
    if (c->transport == NULL)
        return -1;
    c->http = (struct http_options){ .connect_timeout = 10, .max_body = 1 << 20,
                                   .max_headers = 1 << 16 };
    transfer_init(&c->transfer);
    *state = c;
    return 0;
}

static int close_client(void **state)
{
    struct client *c = *state;
    c->transport->free(c->transport);
    transfer_free(&c->transfer);
    secret_release(c->http.password);
    secret_forget_all();
    free(c);
    return 0;
}

static void fill(struct client *c, struct transfer *x, const char *method, const char *url,
                 const char *body, bool repeatable)
{
    struct request *r = &x->request;
    r->http = &c->http;
    r->method = method;
    buffer_clear(&r->url);
    buffer_clear(&r->body);
    assert_true(buffer_add_text(&r->url, url));
    assert_true(body == NULL || buffer_add_text(&r->body, body));
    r->has_body = body != NULL;
    r->repeatable = repeatable;
    r->timeout = 20;
}

static struct response *finish(struct client *c)
{
    struct transfer *x;
    while ((x = c->transport->take(c->transport)) == NULL)
        assert_int_equal(c->transport->wait(c->transport, 30), 0);
    assert_ptr_equal(x, &c->transfer);
    return &x->response;
}

static struct response *fetch_url(struct client *c, const char *method, const char *url,
                               const char *body, bool repeatable)
{
    fill(c, &c->transfer, method, url, body, repeatable);
    c->transport->start(c->transport, &c->transfer);
    return finish(c);
}

static const char *url_of(const struct server *s, const char *path)
{
    static char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", s->port, path);
    return url;
}

static struct response *fetch(struct client *c, struct server *s, const char *method,
                           const char *body, bool repeatable)
{
    return fetch_url(c, method, url_of(s, "/path"), body, repeatable);
}

static void expect(const struct response *r, enum fault fault, enum sent sent, long status)
{
    if (r->fault != fault || r->sent != sent || r->status != status)
        print_message("fault %d, sent %d, status %ld: %s\n", (int)r->fault, (int)r->sent,
                      r->status, r->message);
    assert_int_equal(r->fault, fault);
    assert_int_equal(r->sent, sent);
    assert_int_equal(r->status, status);
    assert_true((r->message[0] != '\0') == (fault != FAULT_NONE));
}

static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Id: 7\r\n\r\nhi";
static const struct answer good[] = { { ok, KEEP, NULL } };

/* --- plain exchanges --- */

static void connections_are_used_again(void **state)
{
    struct client *c = *state;
    struct server *s = SERVE(good);
    for (int i = 0; i < 3; i++) {
        struct response *r = fetch(c, s, "GET", NULL, true);
        expect(r, FAULT_NONE, SENT_YES, 200);
        assert_int_equal(r->version, 11);
        assert_string_equal(buffer_text(&r->body), "hi");
        assert_string_equal(buffer_text(&r->headers), "Content-Length: 2\nX-Id: 7\n");
        assert_true(r->elapsed > 0 && r->elapsed < 20);
    }
    /* Also by what may be sent only once, when it has a body. */
    expect(fetch(c, s, "POST", "{}", false), FAULT_NONE, SENT_YES, 200);
    stop_server(s);
    assert_int_equal(s->connections, 1);
    assert_int_equal(s->arrivals, 4);
    free_server(s);
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;
    for (; (text = strstr(text, part)) != NULL; text += strlen(part))
        n++;
    return n;
}

/* Sends one request and returns what the server saw of it. */
static const char *seen(struct client *c, const char *method, const char *body, bool repeatable)
{
    static char bytes[65536];
    struct server *s = SERVE(good);
    expect(fetch_url(c, method, url_of(s, "/x/../a%2Fb?y=1&z"), body, repeatable), FAULT_NONE,
           SENT_YES, 200);
    stop_server(s);
    assert_int_equal(s->arrivals, 1);
    memcpy(bytes, s->requests, sizeof bytes);
    free_server(s);
    return bytes;
}

static void requests_arrive_as_they_were_meant(void **state)
{
    struct client *c = *state;
    static const struct {
        const char *method, *body;
        bool repeatable;
        const char *line, *length;
    } rows[] = {
        { "GET", NULL, true, "GET /x/../a%2Fb?y=1&z HTTP/1.1\r\n", NULL },
        { "DELETE", NULL, true, "DELETE /x/../a%2Fb", NULL },
        { "DELETE", "{\"k\":1}", false, "DELETE /x/../a%2Fb", "Content-Length: 7\r\n" },
        { "PUT", NULL, true, "PUT /x/../a%2Fb", "Content-Length: 0\r\n" },
        { "PUT", "{\"k\":1}", true, "PUT /x/../a%2Fb", "Content-Length: 7\r\n" },
        { "PUT", "{\"k\":1}", false, "PUT /x/../a%2Fb", "Content-Length: 7\r\n" },
        { "PATCH", "{\"k\":1}", false, "PATCH /x/../a%2Fb", "Content-Length: 7\r\n" },
        { "POST", "{\"k\":1}", true, "POST /x/../a%2Fb", "Content-Length: 7\r\n" },
        { "POST", "{\"k\":1}", false, "POST /x/../a%2Fb", "Content-Length: 7\r\n" },
        { "POST", "", false, "POST /x/../a%2Fb", "Content-Length: 0\r\n" },
        { "POST", NULL, false, "POST /x/../a%2Fb", "Content-Length: 0\r\n" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *text = seen(c, rows[i].method, rows[i].body, rows[i].repeatable);
        assert_memory_equal(text, rows[i].line, strlen(rows[i].line));
        assert_int_equal(count(text, "Content-Length:"), rows[i].length != NULL);
        assert_true(rows[i].length == NULL || strstr(text, rows[i].length) != NULL);
        assert_int_equal(count(text, "Content-Type: application/json\r\n"), rows[i].body != NULL);
        assert_int_equal(count(text, "Content-Type:"), rows[i].body != NULL);
        assert_int_equal(count(text, "Accept: application/json\r\n"), 1);
        assert_int_equal(count(text, "User-Agent: kelp"), 1);
        assert_null(strstr(text, "Expect"));
        assert_null(strstr(text, "Accept-Encoding"));
        assert_null(strstr(text, "Transfer-Encoding"));
        assert_null(strstr(text, "Authorization"));
        const char *end = strstr(text, "\r\n\r\n");
        assert_string_equal(end + 4, rows[i].body != NULL ? rows[i].body : "");
    }
}

/* One handle sends them all, and keeps what it knows of the last address. */
static void paths_arrive_as_they_are_spelt(void **state)
{
    struct client *c = *state;
    static const char *const paths[] = { "/a/../b//c", "/%2E%2E/a%2Fb?y=%C3%A9&z", "/plain",
                                         "/./x;y=1,2:@", "/a%2fb%2F", "/?q", "/" };
    struct server *s = SERVE(good);
    char expected[64], url[64];
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        expect(fetch_url(c, "GET", url_of(s, paths[i]), NULL, true), FAULT_NONE, SENT_YES, 200);
    snprintf(url, sizeof url, "http://127.0.0.1:%d0/", s->port);
    expect(fetch_url(c, "GET", url, NULL, true), FAULT_REFUSED, SENT_NO, 0);
    expect(fetch_url(c, "GET", url_of(s, "/last"), NULL, true), FAULT_NONE, SENT_YES, 200);
    stop_server(s);
    assert_int_equal(s->connections, 1);
    const char *at = s->requests;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        snprintf(expected, sizeof expected, "GET %s HTTP/1.1\r\n", paths[i]);
        assert_memory_equal(at, expected, strlen(expected));
        at = strstr(at, "\r\n\r\n") + 4;
    }
    assert_memory_equal(at, "GET /last HTTP/1.1\r\n", 20);
    free_server(s);
}

static void credentials_are_sent_in_their_form(void **state)
{
    struct client *c = *state;
    c->http.authentication = AUTH_BASIC;
    c->http.user = "ada";
    c->http.password = secret_new("PASSWORD", "not-a-real:password", 19);
    const char *text = seen(c, "GET", NULL, true);
    assert_int_equal(count(text, "Authorization: Basic YWRhOm5vdC1hLXJlYWw6cGFzc3dvcmQ=\r\n"), 1);
    c->http.authentication = AUTH_BEARER;
    text = seen(c, "POST", "{}", false);
    assert_int_equal(count(text, "Authorization: Bearer not-a-real:password\r\n"), 1);
    assert_int_equal(count(text, "Authorization"), 1);
    c->http.authentication = AUTH_NONE;
    text = seen(c, "GET", NULL, true);
    assert_null(strstr(text, "Authorization"));
}

static void one_transfer_serves_again(void **state)
{
    struct client *c = *state;
    static const struct answer answers[] = {
        { "HTTP/1.1 500 No\r\nContent-Length: 9\r\nX-Long-Name: a\r\n\r\ntoo short", FIN, NULL },
        { "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", KEEP, NULL },
    };
    struct server *s = SERVE(answers);
    expect(fetch(c, s, "GET", NULL, true), FAULT_NONE, SENT_YES, 500);
    c->transport->start(c->transport, &c->transfer);
    struct response *r = finish(c);
    expect(r, FAULT_NONE, SENT_YES, 200);
    assert_string_equal(buffer_text(&r->body), "x");
    assert_string_equal(buffer_text(&r->headers), "Content-Length: 1\n");
    stop_server(s);
    c->transport->start(c->transport, &c->transfer);
    r = finish(c);
    expect(r, FAULT_CONNECT, SENT_NO, 0);
    assert_int_equal(r->version, 0);
    assert_string_equal(buffer_text(&r->body), "");
    assert_string_equal(buffer_text(&r->headers), "");
    free_server(s);
}

static void many_transfers_run_at_once(void **state)
{
    struct client *c = *state;
    enum { MANY = 100 };
    struct server *s = SERVE(good);
    struct transfer *all = calloc(MANY, sizeof *all);
    size_t ended = 0;
    for (int i = 0; i < MANY; i++) {
        transfer_init(&all[i]);
        fill(c, &all[i], i % 2 ? "GET" : "POST", url_of(s, "/"), i % 2 ? NULL : "{}", i % 2);
        all[i].owner = &all[i];
        c->transport->start(c->transport, &all[i]);
    }
    while (ended < MANY) {
        assert_int_equal(c->transport->wait(c->transport, 30), 0);
        for (struct transfer *x; (x = c->transport->take(c->transport)) != NULL; ended++) {
            expect(&x->response, FAULT_NONE, SENT_YES, 200);
            assert_ptr_equal(x->owner, x);
            x->owner = NULL; /* each is taken once */
        }
    }
    stop_server(s);
    assert_int_equal(s->arrivals, MANY);
    for (int i = 0; i < MANY; i++)
        transfer_free(&all[i]);
    free(all);
    free_server(s);
}

/* A program that a script runs must not hold the connection open. */
static void connections_are_not_inherited(void **state)
{
    struct client *c = *state;
    struct server *s = SERVE(good);
    expect(fetch(c, s, "GET", NULL, true), FAULT_NONE, SENT_YES, 200);
    int found = 0;
    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_in peer;
        socklen_t size = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &size) != 0 ||
            peer.sin_family != AF_INET || ntohs(peer.sin_port) != s->port)
            continue;
        found++;
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    }
    assert_int_equal(found, 1);
    stop_server(s);
    free_server(s);
}

/* --- at most one send --- */

/* The connection has served a request before it dies with the next one read and
 * not answered: here libcurl resends by itself. */
static void a_request_that_may_go_once_goes_once(void **state)
{
    struct client *c = *state;
    static const struct answer deaths[][3] = {
        { { ok, KEEP, NULL }, { NULL, FIN, NULL }, { ok, KEEP, NULL } },
        { { ok, KEEP, NULL }, { NULL, RST, NULL }, { ok, KEEP, NULL } },
        { { ok, KEEP, NULL }, { "HTTP/1.1 2", FIN, NULL }, { ok, KEEP, NULL } },
        { { ok, KEEP, NULL }, { "HTTP/1.1 2", RST, NULL }, { ok, KEEP, NULL } },
    };
    static const char *const bodies[] = { "{\"name\":\"orders\"}", "", NULL };
    for (size_t i = 0; i < sizeof deaths / sizeof deaths[0]; i++) {
        for (size_t k = 0; k < sizeof bodies / sizeof bodies[0]; k++) {
            struct server *s = SERVE(deaths[i]);
            expect(fetch(c, s, "GET", NULL, true), FAULT_NONE, SENT_YES, 200);
            expect(fetch(c, s, "POST", bodies[k], false), FAULT_CLOSED, SENT_MAYBE, 0);
            stop_server(s);
            assert_int_equal(s->arrivals, 2);
            assert_int_equal(count(s->requests, "POST /path"), 1);
            free_server(s);

            /* The same for a request that may be repeated: it is, and this is what
             * the test above would see if nothing kept libcurl from it. */
            s = SERVE(deaths[i]);
            expect(fetch(c, s, "GET", NULL, true), FAULT_NONE, SENT_YES, 200);
            expect(fetch(c, s, "POST", bodies[k], true), FAULT_NONE, SENT_YES, 200);
            stop_server(s);
            assert_int_equal(count(s->requests, "POST /path"), 2);
            free_server(s);
        }
    }
}

/* After the resend of a request that was read, connecting may fail: that it was
 * never sent would be a lie that makes a second connector. */
static void a_server_that_dies_may_have_acted(void **state)
{
    struct client *c = *state;
    static const struct answer answers[] = { { ok, KEEP, NULL }, { NULL, DIE, NULL } };
    for (int repeatable = 0; repeatable < 2; repeatable++) {
        struct server *s = SERVE(answers);
        expect(fetch(c, s, "GET", NULL, true), FAULT_NONE, SENT_YES, 200);
        expect(fetch(c, s, "POST", "{}", repeatable), FAULT_CLOSED, SENT_MAYBE, 0);
        stop_server(s);
        assert_int_equal(count(s->requests, "POST /path"), 1);
        free_server(s);
    }
}

static void an_idle_connection_that_died_is_replaced(void **state)
{
    struct client *c = *state;
    static const struct answer answers[] = { { ok, FIN, NULL }, { ok, KEEP, NULL } };
    struct server *s = SERVE(answers);
    expect(fetch(c, s, "GET", NULL, true), FAULT_NONE, SENT_YES, 200);
    wait_for(s, &s->closed, 1);
    expect(fetch(c, s, "POST", "{}", false), FAULT_NONE, SENT_YES, 200);
    stop_server(s);
    assert_int_equal(s->arrivals, 2);
    assert_int_equal(s->connections, 2);
    free_server(s);
}

/* The outcome of a restart cannot be looked up, so it avoids the doubt. */
static void what_goes_once_without_a_body_gets_a_new_connection(void **state)
{
    struct client *c = *state;
    struct server *s = SERVE(good);
    expect(fetch(c, s, "GET", NULL, true), FAULT_NONE, SENT_YES, 200);
    expect(fetch(c, s, "POST", NULL, true), FAULT_NONE, SENT_YES, 200);
    assert_int_equal(read_counter(s, &s->connections), 1);
    expect(fetch(c, s, "POST", NULL, false), FAULT_NONE, SENT_YES, 200);
    expect(fetch(c, s, "POST", "", false), FAULT_NONE, SENT_YES, 200);
    stop_server(s);
    assert_int_equal(s->connections, 3);
    free_server(s);
}

static char *big_body(size_t size)
{
    char *body = malloc(size + 1);
    memset(body, 'x', size);
    body[size] = '\0';
    return body;
}

static void large_bodies_go_out_once_and_whole(void **state)
{
    struct client *c = *state;
    /* Around libcurl's upload buffer, and above the size at which it would wait
     * for "100 Continue". */
    static const size_t sizes[] = { 1, 16384, 65535, 65536, 65537, 131072, 3 << 20 };
    struct server *s = SERVE(good);
    size_t total = 0, requests = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *body = big_body(sizes[i]);
        for (int repeatable = 0; repeatable < 2; repeatable++) {
            struct response *r = fetch(c, s, "POST", body, repeatable);
            expect(r, FAULT_NONE, SENT_YES, 200);
            assert_true(r->elapsed < 0.9);
            total += sizes[i];
            requests++;
        }
        free(body);
    }
    stop_server(s);
    assert_int_equal(s->arrivals, requests);
    assert_int_equal(s->body_bytes, total);
    assert_int_equal(s->connections, 1);
    free_server(s);
}

/* The connection dies while the body is on its way. */
static void a_cut_upload_is_not_sent_again(void **state)
{
    struct client *c = *state;
    static const struct answer answers[] = {
        { ok, KEEP, NULL }, { NULL, AT_ONCE, NULL }, { ok, KEEP, NULL }
    };
    char *body = big_body(8 << 20);
    struct server *s = SERVE(answers);
    expect(fetch(c, s, "GET", NULL, true), FAULT_NONE, SENT_YES, 200);
    expect(fetch(c, s, "POST", body, false), FAULT_CLOSED, SENT_MAYBE, 0);
    stop_server(s);
    assert_int_equal(count(s->requests, "POST /path"), 1);
    free_server(s);
    free(body);
}

/* --- responses that are not what they should be --- */

/* One GET of one answer. */
static struct response *answered(struct client *c, const char *bytes, enum after after,
                              const char *filler)
{
    struct answer answers[] = { { bytes, after, filler } };
    struct server *s = SERVE(answers);
    struct response *r = fetch(c, s, "GET", NULL, true);
    stop_server(s);
    assert_int_equal(s->arrivals, 1);
    free_server(s);
    return r;
}

static void a_truncated_reply_keeps_its_status(void **state)
{
    struct client *c = *state;
    struct response *r = answered(
        c, "HTTP/1.1 201 Created\r\nContent-Length: 100\r\nX-Id: 7\r\n\r\n{\"id\":", FIN, NULL);
    expect(r, FAULT_CLOSED, SENT_MAYBE, 201);
    assert_string_equal(buffer_text(&r->body), "{\"id\":");
    assert_string_equal(buffer_text(&r->headers), "Content-Length: 100\nX-Id: 7\n");
    r = answered(c, "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n{\"id\":\r\n",
                 FIN, NULL);
    expect(r, FAULT_CLOSED, SENT_MAYBE, 201);
    r = answered(c, "HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{", RST, NULL);
    expect(r, FAULT_CLOSED, SENT_MAYBE, 201);
    r = answered(c, "HTTP/1.1 200 OK\r\nContent-Le", FIN, NULL);
    assert_int_equal(r->fault, FAULT_CLOSED);
    assert_int_equal(r->sent, SENT_MAYBE);
    r = answered(c, NULL, FIN, NULL);
    expect(r, FAULT_CLOSED, SENT_MAYBE, 0);
}

static void what_is_not_http_is_refused(void **state)
{
    struct client *c = *state;
    expect(answered(c, "<html>old times</html>", FIN, NULL), FAULT_PROTOCOL, SENT_MAYBE, 0);
    expect(answered(c, "SSH-2.0-OpenSSH_9.2\r\n", FIN, NULL), FAULT_PROTOCOL, SENT_MAYBE, 0);
    struct response *r = answered(
        c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc", KEEP, NULL);
    expect(r, FAULT_PROTOCOL, SENT_MAYBE, 200);
    assert_string_equal(r->message, "the response has two lengths that differ");
    r = answered(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length:2\r\n\r\nab", KEEP,
                 NULL);
    expect(r, FAULT_NONE, SENT_YES, 200);
}

static void a_large_body_is_cut_off(void **state)
{
    struct client *c = *state;
    c->http.max_body = 5000;
    static const char chunk[] = "a\r\n0123456789\r\n";
    struct response *r = answered(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", KEEP,
                               chunk);
    expect(r, FAULT_TOO_LARGE, SENT_MAYBE, 200);
    assert_string_equal(r->message, "the response's body is larger than 5000 bytes");
    assert_true(r->body.size <= 5000);
    r = answered(c, "HTTP/1.1 200 OK\r\n\r\n", KEEP, "as long as the connection stands ");
    expect(r, FAULT_TOO_LARGE, SENT_MAYBE, 200);

    c->http.max_body = 2;
    expect(answered(c, ok, KEEP, NULL), FAULT_NONE, SENT_YES, 200);
    c->http.max_body = 1;
    expect(answered(c, ok, KEEP, NULL), FAULT_TOO_LARGE, SENT_MAYBE, 200);
}

static void endless_headers_are_cut_off(void **state)
{
    struct client *c = *state;
    struct response *r = answered(c, "HTTP/1.1 200 OK\r\n", KEEP, "X-Filler: and more\r\n");
    expect(r, FAULT_TOO_LARGE, SENT_MAYBE, 200);
    assert_string_equal(r->message, "the response's headers are larger than 65536 bytes");
    assert_true(r->headers.size <= 65536);
    r = answered(c, NULL, KEEP, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
    expect(r, FAULT_TOO_LARGE, SENT_MAYBE, 0);
    /* One line without an end: libcurl has its own limit on those. */
    r = answered(c, "HTTP/1.1 200 OK\r\nX-Filler: ", KEEP, "and more, ");
    expect(r, FAULT_TOO_LARGE, SENT_MAYBE, 200);
    expect(answered(c, "HTTP/1.1 200 ", KEEP, "and more, "), FAULT_TOO_LARGE, SENT_MAYBE, 0);
    /* Trailers count as well. */
    r = answered(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n", KEEP,
                 "X-Filler: and more\r\n");
    assert_int_not_equal(r->fault, FAULT_NONE);
}

static void only_the_last_header_block_counts(void **state)
{
    struct client *c = *state;
    struct response *r = answered(c,
                               "HTTP/1.1 100 Continue\r\nRetry-After: 1\r\n\r\n"
                               "HTTP/1.1 103 Early Hints\r\nRetry-After: 2\r\n\r\n"
                               "HTTP/1.1 429 Slow down\r\nRetry-After: 3\r\nTrailer: X\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n"
                               "2\r\nhi\r\n0\r\nRetry-After: 4\r\n\r\n",
                               KEEP, NULL);
    expect(r, FAULT_NONE, SENT_YES, 429);
    size_t size = 0;
    const char *found = response_header(r, "retry-after", &size);
    assert_int_equal(size, 1);
    assert_memory_equal(found, "3", 1);
    assert_int_equal(count(buffer_text(&r->headers), "Retry-After:"), 1);
    assert_string_equal(buffer_text(&r->body), "hi");
}

static void nothing_is_decompressed(void **state)
{
    struct client *c = *state;
    struct response *r = answered(
        c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 7\r\n\r\n{\"a\":1}", KEEP,
        NULL);
    expect(r, FAULT_NONE, SENT_YES, 200);
    assert_string_equal(buffer_text(&r->body), "{\"a\":1}");
}

static void redirects_are_returned(void **state)
{
    struct client *c = *state;
    struct server *other = SERVE(good);
    char bytes[256];
    static const int codes[] = { 301, 302, 307, 308 };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        snprintf(bytes, sizeof bytes,
                 "HTTP/1.1 %d Elsewhere\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", codes[i],
                 url_of(other, "/stolen"));
        expect(answered(c, bytes, KEEP, NULL), FAULT_NONE, SENT_YES, codes[i]);
    }
    stop_server(other);
    assert_int_equal(other->connections, 0);
    free_server(other);
}

/* --- what never leaves --- */

/* Starts a request and expects that it ends there and then. */
static void expect_refused(struct client *c, const char *url, const char *message)
{
    fill(c, &c->transfer, "GET", url, NULL, true);
    c->transport->start(c->transport, &c->transfer);
    assert_ptr_equal(c->transport->take(c->transport), &c->transfer);
    expect(&c->transfer.response, FAULT_REFUSED, SENT_NO, 0);
    if (strstr(c->transfer.response.message, message) == NULL)
        fail_msg("%s: %s", url, c->transfer.response.message);
}

static void plain_http_stays_on_this_machine(void **state)
{
    struct client *c = *state;
    expect_refused(c, "http://192.0.2.1/", "allow_http");
    expect_refused(c, "HTTP://192.0.2.1/", "allow_http");
    expect_refused(c, "http://example.invalid/", "allow_http");
    expect_refused(c, "http://localhost.example.invalid/", "allow_http");
    expect_refused(c, "http://127.0.0.1.example.invalid/", "allow_http");
    expect_refused(c, "http://128.0.0.1/", "allow_http");
    expect_refused(c, "http://0.0.0.0/", "allow_http");
    expect_refused(c, "http://[2001:db8::1]/", "allow_http");
    expect_refused(c, "http://[::ffff:192.0.2.1]/", "allow_http");
    expect_refused(c, "http://127.0.0.1@192.0.2.1/", "credentials");

    struct server *s = SERVE(good);
    char url[64];
    static const char *const hosts[] = { "127.0.0.1", "localhost", "LOCALHOST" };
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        snprintf(url, sizeof url, "http://%s:%d/", hosts[i], s->port);
        expect(fetch_url(c, "GET", url, NULL, true), FAULT_NONE, SENT_YES, 200);
    }
    stop_server(s);
    free_server(s);
    /* The other loopback addresses are tried, and nothing listens there. */
    static const char *const closed[] = { "http://127.9.9.9:1/", "http://[::1]:1/" };
    for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++)
        expect(fetch_url(c, "GET", closed[i], NULL, true), FAULT_CONNECT, SENT_NO, 0);
}

static void odd_urls_and_methods_are_refused(void **state)
{
    struct client *c = *state;
    c->http.allow_http = true;
    expect_refused(c, "", "https://");
    expect_refused(c, "file:///etc/passwd", "https://");
    expect_refused(c, "ftp://127.0.0.1/", "https://");
    expect_refused(c, "127.0.0.1", "https://");
    expect_refused(c, "https://", "https://");
    expect_refused(c, "https:///path", "no host");
    expect_refused(c, "https://fake-user:fake-password@127.0.0.1/", "credentials");
    expect_refused(c, "https://127.0.0.1\\@192.0.2.1/", "backslash");
    expect_refused(c, "http://127.0.0.1/a b", "percent-encoded");
    expect_refused(c, "http://127.0.0.1/a\r\nX-Injected: 1", "percent-encoded");
    expect_refused(c, "http://127.0.0.1/\xc3\xa9", "percent-encoded");

    static const char *const methods[] = { "", "get", "GET /x HTTP/1.1\r\nX-Injected: 1\r\n" };
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        fill(c, &c->transfer, methods[i], "http://127.0.0.1/", NULL, true);
        c->transport->start(c->transport, &c->transfer);
        expect(finish(c), FAULT_REFUSED, SENT_NO, 0);
    }
    fill(c, &c->transfer, "POST", "http://127.0.0.1/", "", true);
    c->transfer.request.body.limit = 4;
    assert_false(buffer_add_text(&c->transfer.request.body, "{\"half\":"));
    c->transport->start(c->transport, &c->transfer);
    expect(finish(c), FAULT_REFUSED, SENT_NO, 0);
}

static void credentials_cannot_inject_a_header(void **state)
{
    struct client *c = *state;
    struct server *s = SERVE(good);
    char url[64];
    snprintf(url, sizeof url, "%s", url_of(s, "/"));
    c->http.authentication = AUTH_BASIC;
    expect_refused(c, url, "a credential is missing");
    c->http.password = secret_new("KEY", "fake\r\nX-Injected: 1", 19);
    expect_refused(c, url, "a credential is missing");
    c->http.user = "ada";
    expect_refused(c, url, "the password holds a control character");
    c->http.authentication = AUTH_BEARER;
    expect_refused(c, url, "the token holds a control character");
    secret_release(c->http.password);
    c->http.password = secret_new("KEY", "not-a-real-password", 19);
    c->http.authentication = AUTH_BASIC;
    c->http.user = "a:b";
    expect_refused(c, url, "the user name holds a ':'");
    c->http.user = "ada\n";
    expect_refused(c, url, "the user name holds a control character");
    c->http.user = "ada";
    expect(fetch_url(c, "GET", url, NULL, true), FAULT_NONE, SENT_YES, 200);
    stop_server(s);
    assert_int_equal(s->arrivals, 1);
    free_server(s);
}

static void the_environment_names_no_proxy(void **state)
{
    struct client *c = *state;
    static const char *const names[] = { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                         "ALL_PROXY" };
    struct server *proxy = SERVE(good);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        setenv(names[i], url_of(proxy, ""), 1);
    /* Not a loopback name, so that no other rule keeps it from the proxy; the name
     * is too long for any resolver to ask about. */
    c->http.allow_http = true;
    static const char host[] = "http://a-label-of-more-than-sixty-three-characters-is-never-a-"
                               "name-in-the-dns.invalid/";
    expect(fetch_url(c, "GET", host, NULL, true), FAULT_RESOLVE, SENT_NO, 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unsetenv(names[i]);
    assert_int_equal(read_counter(proxy, &proxy->connections), 0);

    /* The one that the channel names is used, but not for this machine. */
    char url[64];
    snprintf(url, sizeof url, "%s", url_of(proxy, ""));
    c->http.proxy = url;
    expect(fetch_url(c, "GET", host, NULL, true), FAULT_NONE, SENT_YES, 200);
    struct server *s = SERVE(good);
    expect(fetch(c, s, "GET", NULL, true), FAULT_NONE, SENT_YES, 200);
    stop_server(proxy);
    stop_server(s);
    assert_int_equal(proxy->arrivals, 1);
    assert_memory_equal(proxy->requests, "GET http://a-label", 18);
    assert_int_equal(s->arrivals, 1);
    free_server(proxy);
    free_server(s);
}

/* --- connections that do not come about, and time --- */

static int closed_port(void)
{
    int port;
    close(listen_on_loopback(1, &port));
    return port;
}

static void a_refused_connection_sent_nothing(void **state)
{
    struct client *c = *state;
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", closed_port());
    expect(fetch_url(c, "POST", url, "{}", false), FAULT_CONNECT, SENT_NO, 0);
    expect(fetch_url(c, "GET", url, NULL, true), FAULT_CONNECT, SENT_NO, 0);
}

static void silence_ends_in_a_timeout(void **state)
{
    struct client *c = *state;
    static const struct answer silent[] = { { NULL, KEEP, NULL } };
    struct server *s = SERVE(silent);
    fill(c, &c->transfer, "POST", url_of(s, "/"), "{}", false);
    c->transfer.request.timeout = 0.2;
    c->transport->start(c->transport, &c->transfer);
    struct response *r = finish(c);
    expect(r, FAULT_TIMEOUT, SENT_MAYBE, 0);
    assert_true(r->elapsed >= 0.2 && r->elapsed < 5);

    /* No TLS handshake: the request has not begun. */
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%d/", s->port);
    fill(c, &c->transfer, "POST", url, "{}", false);
    c->transfer.request.timeout = 0.2;
    c->transport->start(c->transport, &c->transfer);
    expect(finish(c), FAULT_TIMEOUT, SENT_NO, 0);
    stop_server(s);
    free_server(s);
}

/* A full queue of connections answers no further one. */
static void connecting_has_its_own_timeout(void **state)
{
    struct client *c = *state;
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int port, listener = listen_on_loopback(0, &port), fds[8];
    address.sin_port = htons((uint16_t)port);
    for (int i = 0; i < 8; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fds[i], (struct sockaddr *)&address, sizeof address);
    }
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
    c->http.connect_timeout = 0.2;
    struct response *r = fetch_url(c, "POST", url, "{}", false);
    expect(r, FAULT_TIMEOUT, SENT_NO, 0);
    assert_true(r->elapsed < 5);
    for (int i = 0; i < 8; i++)
        close(fds[i]);
    close(listener);
}

static void a_reply_that_stops_is_a_timeout(void **state)
{
    struct client *c = *state;
    c->http.stall_timeout = 1;
    struct response *r = answered(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", KEEP, NULL);
    expect(r, FAULT_TIMEOUT, SENT_MAYBE, 200);
    assert_true(r->elapsed < 15); /* of the 20 that the request has */
}

static void cancelled_transfers_are_taken(void **state)
{
    struct client *c = *state;
    static const struct answer silent[] = { { NULL, KEEP, NULL } };
    struct server *s = SERVE(silent);
    struct transport *t = c->transport;

    fill(c, &c->transfer, "POST", url_of(s, "/"), "{}", false);
    t->start(t, &c->transfer);
    t->cancel(t, &c->transfer);
    expect(finish(c), FAULT_CANCELLED, SENT_NO, 0);

    t->start(t, &c->transfer);
    while (read_counter(s, &s->arrivals) == 0) {
        assert_int_equal(t->wait(t, 0.01), 0);
        assert_null(t->take(t));
    }
    t->cancel(t, &c->transfer);
    t->cancel(t, &c->transfer); /* it has ended: nothing happens */
    expect(finish(c), FAULT_CANCELLED, SENT_MAYBE, 0);
    assert_null(t->take(t));

    /* Freeing the transport ends what is under way. */
    t->start(t, &c->transfer);
    assert_int_equal(t->wait(t, 0), 0);
    stop_server(s);
    free_server(s);
}

static void *wake_it(void *data)
{
    struct transport *t = data;
    t->wake(t);
    return NULL;
}

static struct transport *signalled;

static void on_signal(int number)
{
    (void)number;
    signalled->wake(signalled);
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void waits_can_be_ended(void **state)
{
    struct client *c = *state;
    struct transport *t = c->transport;
    pthread_t thread;
    double start = seconds_now();
    for (int i = 0; i < 50; i++) {
        assert_int_equal(pthread_create(&thread, NULL, wake_it, t), 0);
        assert_int_equal(t->wait(t, i % 2 ? -1 : 60), 0);
        pthread_join(thread, NULL);
    }
    signalled = t;
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1); /* before the wait: it must not be lost */
    assert_int_equal(t->wait(t, 60), 0);
    signal(SIGUSR1, SIG_DFL);
    assert_true(seconds_now() - start < 30);

    start = seconds_now();
    assert_int_equal(t->wait(t, 0.1), 0);
    assert_true(seconds_now() - start >= 0.1);
    assert_int_equal(t->wait(t, 0), 0);
}

static void a_wait_returns_what_has_ended(void **state)
{
    struct client *c = *state;
    struct transport *t = c->transport;
    double start = seconds_now();
    fill(c, &c->transfer, "GET", "http://192.0.2.1/", NULL, true);
    t->start(t, &c->transfer);
    assert_int_equal(t->wait(t, 60), 0);
    assert_true(seconds_now() - start < 30);
    assert_ptr_equal(t->take(t), &c->transfer);
}

/* --- TLS --- */

extern char **environ;

static char folder[] = "/tmp/kelp-test-XXXXXX";

static const char *in_folder(const char *name)
{
    static char paths[16][64]; /* several are needed at a time */
    static int next;
    char *path = paths[next++ % 16];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

enum { MAX_ARGUMENTS = 24 };

static void open_pipe(int ends[2])
{
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fcntl(ends[0], F_SETFD, FD_CLOEXEC), 0);
    assert_int_equal(fcntl(ends[1], F_SETFD, FD_CLOEXEC), 0);
}

/* Runs openssl with its standard input and output on pipes. */
static pid_t spawn_openssl(const char *const *arguments, int *in, int *out)
{
    char *argv[MAX_ARGUMENTS] = { (char *)(uintptr_t) "openssl" };
    for (int i = 0; arguments[i] != NULL; i++)
        argv[i + 1] = (char *)(uintptr_t)arguments[i];
    int input[2], output[2];
    open_pipe(input);
    open_pipe(output);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input[0], 0);
    posix_spawn_file_actions_adddup2(&actions, output[1], 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    pid_t pid;
    assert_int_equal(posix_spawnp(&pid, "openssl", &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(input[0]);
    close(output[1]);
    *in = input[1];
    *out = output[0];
    return pid;
}

static void run_openssl(const char *const *arguments)
{
    int in, out, status;
    pid_t pid = spawn_openssl(arguments, &in, &out);
    close(in);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(out);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int make_certificates(void **state)
{
    (void)state;
    const char *key = in_folder("key"), *request = in_folder("request");
    run_openssl((const char *const[]){ "req", "-x509", "-newkey", "ec", "-pkeyopt",
                                       "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                                       "-subj", "/CN=localhost", "-addext",
                                       "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key,
                                       "-out", in_folder("good"), NULL });
    run_openssl((const char *const[]){ "req", "-x509", "-key", key, "-days", "2", "-subj",
                                       "/CN=other.invalid", "-addext",
                                       "subjectAltName=DNS:other.invalid", "-out",
                                       in_folder("other"), NULL });
    run_openssl((const char *const[]){ "req", "-new", "-key", key, "-subj", "/CN=localhost",
                                       "-out", request, NULL });
    run_openssl((const char *const[]){ "x509", "-req", "-in", request, "-signkey", key, "-days",
                                       "-1", "-out", in_folder("expired"), NULL });
    return 0;
}

static int remove_certificates(void **state)
{
    (void)state;
    static const char *const names[] = { "key", "good", "other", "request", "expired", "keylog" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unlink(in_folder(names[i]));
    return rmdir(folder);
}

struct tls_server {
    pid_t pid;
    int in, out, port;
    char seen[65536]; /* its output so far: also what it decrypts */
    size_t size;
};

/* Reads on until the output holds the text; false when it ends before. */
static bool read_until(struct tls_server *s, const char *text)
{
    while (text == NULL || strstr(s->seen, text) == NULL) {
        ssize_t n = read(s->out, s->seen + s->size, sizeof s->seen - 1 - s->size);
        if (n <= 0)
            return false;
        s->size += (size_t)n;
        s->seen[s->size] = '\0';
    }
    return true;
}

/* `mode` is "-www" for a server that answers, "-quiet" or the like for one that
 * shows what it receives. */
static struct tls_server *serve_tls(const char *certificate, const char *mode)
{
    struct tls_server *s = calloc(1, sizeof *s);
    s->pid = spawn_openssl((const char *const[]){ "s_server", "-accept", "127.0.0.1:0", "-cert",
                                                  in_folder(certificate), "-key",
                                                  in_folder("key"), mode, NULL },
                           &s->in, &s->out);
    assert_true(read_until(s, "ACCEPT 127.0.0.1:"));
    const char *port = strstr(s->seen, "ACCEPT 127.0.0.1:") + strlen("ACCEPT 127.0.0.1:");
    while (strchr(port, '\n') == NULL)
        assert_true(read_until(s, "\n"));
    s->port = atoi(port);
    return s;
}

/* Ends the server and returns all that it showed; the caller frees s. */
static const char *stop_tls(struct tls_server *s)
{
    kill(s->pid, SIGTERM);
    assert_false(read_until(s, NULL));
    waitpid(s->pid, NULL, 0);
    close(s->in);
    close(s->out);
    return s->seen;
}

static struct response *fetch_tls(struct client *c, const struct tls_server *s, const char *host)
{
    char url[64];
    snprintf(url, sizeof url, "https://%s:%d/", host, s->port);
    return fetch_url(c, "GET", url, NULL, true);
}

static void trusted_servers_are_talked_to(void **state)
{
    struct client *c = *state;
    struct tls_server *s = serve_tls("good", "-www");
    c->http.ca_file = in_folder("good");
    struct response *r = fetch_tls(c, s, "localhost");
    expect(r, FAULT_NONE, SENT_YES, 200);
    assert_true(r->body.size > 0);
    expect(fetch_tls(c, s, "127.0.0.1"), FAULT_NONE, SENT_YES, 200);
    stop_tls(s);
    free(s);
}

static void untrusted_servers_see_nothing(void **state)
{
    struct client *c = *state;
    c->http.authentication = AUTH_BEARER;
    c->http.password = secret_new("TOKEN", "not-a-real-token", 16);

    struct tls_server *s = serve_tls("good", "-no_ticket"); /* nobody vouches for it */
    expect(fetch_tls(c, s, "localhost"), FAULT_TLS, SENT_NO, 0);
    assert_null(strstr(stop_tls(s), "not-a-real-token"));
    free(s);

    s = serve_tls("other", "-no_ticket"); /* vouched for, under another name */
    c->http.ca_file = in_folder("other");
    expect(fetch_tls(c, s, "localhost"), FAULT_TLS, SENT_NO, 0);
    assert_null(strstr(c->transfer.response.message, "clock"));
    assert_null(strstr(stop_tls(s), "not-a-real-token"));
    free(s);

    s = serve_tls("good", "-no_ticket"); /* the token would show if it were sent */
    c->http.ca_file = in_folder("good");
    char url[64];
    snprintf(url, sizeof url, "https://localhost:%d/", s->port);
    fill(c, &c->transfer, "GET", url, NULL, true);
    c->transfer.request.timeout = 0.5;
    c->transport->start(c->transport, &c->transfer);
    expect(finish(c), FAULT_TIMEOUT, SENT_MAYBE, 0);
    assert_non_null(strstr(stop_tls(s), "not-a-real-token"));
    free(s);
}

static void an_expired_certificate_casts_doubt_on_the_clock(void **state)
{
    struct client *c = *state;
    struct tls_server *s = serve_tls("expired", "-www");
    c->http.ca_file = in_folder("expired");
    expect(fetch_tls(c, s, "localhost"), FAULT_TLS, SENT_NO, 0);
    assert_non_null(strstr(c->transfer.response.message, "this machine's clock"));
    stop_tls(s);
    free(s);
}

static void a_server_without_tls_is_a_tls_fault(void **state)
{
    struct client *c = *state;
    static const struct answer plain[] = { { "HTTP/1.1 400 What?\r\n\r\n", CUT_FIN, NULL } };
    struct server *s = SERVE(plain);
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%d/", s->port);
    expect(fetch_url(c, "GET", url, NULL, true), FAULT_TLS, SENT_NO, 0);
    c->http.ca_file = in_folder("missing");
    expect(fetch_url(c, "GET", url, NULL, true), FAULT_TLS, SENT_NO, 0);
    stop_server(s);
    free_server(s);
}

/* Not the same as a handshake that came to no agreement: it may be tried again. */
static void a_cut_handshake_is_a_closed_connection(void **state)
{
    struct client *c = *state;
    static const struct answer cuts[][1] = { { { NULL, CUT_FIN, NULL } },
                                             { { NULL, CUT_RST, NULL } } };
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        struct server *s = SERVE(cuts[i]);
        char url[64];
        snprintf(url, sizeof url, "https://127.0.0.1:%d/", s->port);
        expect(fetch_url(c, "POST", url, "{}", false), FAULT_CLOSED, SENT_NO, 0);
        stop_server(s);
        assert_int_equal(s->connections, 1);
        free_server(s);
    }
}

/* main sets the variable before libcurl starts. */
static void session_keys_are_not_written(void **state)
{
    (void)state;
    assert_null(getenv("SSLKEYLOGFILE"));
    assert_int_equal(access(in_folder("keylog"), F_OK), -1);
}

static void a_broken_pipe_is_an_error_and_not_the_end(void **state)
{
    (void)state;
    int ends[2], status;
    open_pipe(ends);
    close(ends[0]);
    assert_int_equal(write(ends[1], "x", 1), -1);
    assert_int_equal(errno, EPIPE);
    close(ends[1]);
    /* The programs that scripts run are ended by it as ever. */
    char *argv[] = { (char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
                     (char *)(uintptr_t) "kill -PIPE $$; exit 0", NULL };
    pid_t pid;
    assert_int_equal(posix_spawnp(&pid, "sh", NULL, NULL, argv, environ), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
}

/* --- headers --- */

static const char *header(const struct response *r, const char *name)
{
    static char value[64];
    size_t size;
    const char *found = response_header(r, name, &size);
    if (found == NULL)
        return "missing";
    snprintf(value, sizeof value, "%.*s", (int)size, found);
    return value;
}

static void headers_are_found_by_name(void **state)
{
    (void)state;
    struct transfer x;
    transfer_init(&x);
    assert_string_equal(header(&x.response, "a"), "missing");
    assert_true(buffer_add_text(&x.response.headers, "Retry-After: 5\n"
                                                  "X-Id:\t 7 8 \t\r\n"
                                                  "retry-after:6\n"
                                                  " Folded: no\n"
                                                  "no colon\n"
                                                  "Empty:\n"
                                                  "Time: 12:30\n"
                                                  "Last: x"));
    assert_string_equal(header(&x.response, "RETRY-AFTER"), "6");
    assert_string_equal(header(&x.response, "x-id"), "7 8");
    assert_string_equal(header(&x.response, "Empty"), "");
    assert_string_equal(header(&x.response, "Time"), "12:30");
    assert_string_equal(header(&x.response, "last"), "x");
    assert_string_equal(header(&x.response, "Folded"), "missing");
    assert_string_equal(header(&x.response, "no colon"), "missing");
    assert_string_equal(header(&x.response, "Retry"), "missing");
    assert_string_equal(header(&x.response, "ry-After"), "missing");
    transfer_free(&x);
}

static void the_version_names_libcurl(void **state)
{
    (void)state;
    assert_memory_equal(transport_version(), "libcurl/", 8);
}

int main(void)
{
    if (mkdtemp(folder) == NULL) {
        perror(folder);
        return 1;
    }
    setenv("SSLKEYLOGFILE", in_folder("keylog"), 1);
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_client, close_client)
    const struct CMUnitTest exchanges[] = {
        TEST(connections_are_used_again),
        TEST(requests_arrive_as_they_were_meant),
        TEST(paths_arrive_as_they_are_spelt),
        TEST(credentials_are_sent_in_their_form),
        TEST(one_transfer_serves_again),
        TEST(many_transfers_run_at_once),
        TEST(connections_are_not_inherited),
    };
    const struct CMUnitTest sends[] = {
        TEST(a_request_that_may_go_once_goes_once),
        TEST(a_server_that_dies_may_have_acted),
        TEST(an_idle_connection_that_died_is_replaced),
        TEST(what_goes_once_without_a_body_gets_a_new_connection),
        TEST(large_bodies_go_out_once_and_whole),
        TEST(a_cut_upload_is_not_sent_again),
    };
    const struct CMUnitTest responses[] = {
        TEST(a_truncated_reply_keeps_its_status),
        TEST(what_is_not_http_is_refused),
        TEST(a_large_body_is_cut_off),
        TEST(endless_headers_are_cut_off),
        TEST(only_the_last_header_block_counts),
        TEST(nothing_is_decompressed),
        TEST(redirects_are_returned),
        cmocka_unit_test(headers_are_found_by_name),
    };
    const struct CMUnitTest refusals[] = {
        TEST(plain_http_stays_on_this_machine),
        TEST(odd_urls_and_methods_are_refused),
        TEST(credentials_cannot_inject_a_header),
        TEST(the_environment_names_no_proxy),
    };
    const struct CMUnitTest times[] = {
        TEST(a_refused_connection_sent_nothing),
        TEST(silence_ends_in_a_timeout),
        TEST(connecting_has_its_own_timeout),
        TEST(a_reply_that_stops_is_a_timeout),
        TEST(cancelled_transfers_are_taken),
        TEST(waits_can_be_ended),
        TEST(a_wait_returns_what_has_ended),
    };
    const struct CMUnitTest tls[] = {
        TEST(trusted_servers_are_talked_to),
        TEST(untrusted_servers_see_nothing),
        TEST(an_expired_certificate_casts_doubt_on_the_clock),
        TEST(a_server_without_tls_is_a_tls_fault),
        TEST(a_cut_handshake_is_a_closed_connection),
        cmocka_unit_test(session_keys_are_not_written),
        TEST(a_broken_pipe_is_an_error_and_not_the_end),
        cmocka_unit_test(the_version_names_libcurl),
    };
    int failed = cmocka_run_group_tests(exchanges, NULL, NULL);
    failed += cmocka_run_group_tests(sends, NULL, NULL);
    failed += cmocka_run_group_tests(responses, NULL, NULL);
    failed += cmocka_run_group_tests(refusals, NULL, NULL);
    failed += cmocka_run_group_tests(times, NULL, NULL);
    failed += cmocka_run_group_tests(tls, make_certificates, remove_certificates);
    return failed != 0;
}
