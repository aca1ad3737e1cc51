/* server: the peer of the benchmarks, Upstash's dialect with no thinking time,
 * so that what is measured is the client.
 *
 *   server [--delay MS] [--connectors N]
 *
 * Listens on a port of 127.0.0.1 that the kernel chose, prints it on the first
 * line, and ends when its standard input does. Answers over keep-alive
 * connections:
 *   POST /v2/kafka/update-connector/ID   one connector, as documented, after MS
 *   GET  /v2/kafka/connectors/CLUSTER    N connectors of about 1.6 kB each
 *   GET  /counts                         updates answered, and bytes of their bodies */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_REQUEST = 64 * 1024, MAX_EVENTS = 256, MAX_LENGTH_DIGITS = 6 };

struct text {
    char *bytes;
    size_t size;
};

struct connection {
    int fd;
    uint32_t interest;        /* what epoll watches for */
    const char *out;          /* what is left of the response; not owned */
    size_t out_size;
    int64_t due;              /* when the response may leave, in ns; while `waiting` */
    bool waiting;
    struct connection *previous, *next; /* among those that wait */
    size_t in_size;
    char counts[256];         /* a response that only this connection gets */
    char in[MAX_REQUEST];
};

/* The delay is the same for all, so the waiting connections are a queue: the
 * first to wait is the first that is due. */
struct server {
    int epoll, listener;
    int64_t delay;
    struct text update, list, not_found, unauthorized;
    struct connection *first, *last;
    uint64_t updates, update_bytes;
};

struct request {
    const char *method, *path;
    size_t method_size, path_size;
    size_t head_size, body_size;
    bool authorized;
};

static void fail(const char *what)
{
    fprintf(stderr, "server: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- responses, made once ---- */

static struct text response(const char *status, struct text body)
{
    struct text r;
    FILE *f = open_memstream(&r.bytes, &r.size);
    if (f == NULL)
        fail("open_memstream");
    fprintf(f, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
            status, body.size);
    fwrite(body.bytes, 1, body.size, f);
    if (fclose(f) != 0)
        fail("open_memstream");
    return r;
}

static struct text constant_reply(const char *status, const char *body)
{
    return response(status, (struct text){(char *)(uintptr_t)body, strlen(body)});
}

/* Every field that the documentation shows for this call, and no properties. */
static const char updated[] =
    "{\"connector_id\":\"00000000-0000-4000-8000-000000000000\",\"name\":\"orders-00000\","
    "\"customer_id\":\"bench@example.com\","
    "\"cluster_id\":\"7568431c-88d5-4409-a808-2167f22a7133\",\"creation_time\":1684369147,"
    "\"deletion_time\":0,\"state\":\"running\",\"state_error_message\":\"\","
    "\"connector_state\":\"RUNNING\",\"tasks\":[{\"id\":0,\"state\":\"RUNNING\","
    "\"worker_id\":\"10.0.13.37:8083\",\"trace\":\"\"}],"
    "\"topics\":[\"orders.public.orders\",\"orders.public.order_lines\","
    "\"orders.public.customers\",\"orders.public.payments\",\"orders.public.refunds\","
    "\"orders.public.shipments\"],"
    "\"connector_class\":\"io.debezium.connector.postgresql.PostgresConnector\","
    "\"encoded_username\":"
    "\"YXBwYXJlbnQta2l0ZS0xMTMwMiTIqFhTItzgDdE56au6LgnnbtlN7ITzh4QATDw\","
    "\"TTL\":1684370947}";

/* One of ten has failed, which is what the clients look for. */
static void print_connector(FILE *f, unsigned i)
{
    bool failed = i % 10 == 3;
    fprintf(f,
            "{\"connector_id\":\"00000000-0000-4000-8000-%012u\",\"name\":\"orders-%05u\","
            "\"customer_id\":\"bench@example.com\","
            "\"cluster_id\":\"7568431c-88d5-4409-a808-2167f22a7133\","
            "\"creation_time\":%u,\"deletion_time\":0,\"state\":\"%s\","
            "\"state_error_message\":\"%s\",\"connector_state\":\"%s\","
            "\"tasks\":[{\"id\":0,\"state\":\"%s\",\"worker_id\":\"10.0.13.%u:8083\","
            "\"trace\":\"\"}],\"topics\":[\"orders.%05u.orders\",\"orders.%05u.customers\","
            "\"orders.%05u.payments\",\"orders.%05u.shipments\"],"
            "\"connector_class\":\"io.debezium.connector.postgresql.PostgresConnector\",",
            i, i, 1684369147 + i, failed ? "failed" : "running",
            failed ? "The connection attempt failed." : "", failed ? "FAILED" : "RUNNING",
            failed ? "FAILED" : "RUNNING", i % 250, i, i, i, i);
    fprintf(f,
            "\"properties\":{"
            "\"connector.class\":\"io.debezium.connector.postgresql.PostgresConnector\","
            "\"tasks.max\":\"1\",\"database.hostname\":\"orders-%05u.db.example\","
            "\"database.port\":\"5432\",\"database.user\":\"kelp-bench\","
            "\"database.password\":\"not-a-real-password-%05u\",\"database.dbname\":\"orders\","
            "\"topic.prefix\":\"orders.%05u\","
            "\"table.include.list\":\"public.orders,public.order_lines,public.order_events,"
            "public.customers,public.customer_addresses,public.payments,public.refunds,"
            "public.shipments,public.shipment_events,public.returns,public.vouchers,"
            "public.price_lists,public.price_list_entries,public.stock_movements\","
            "\"plugin.name\":\"pgoutput\",\"slot.name\":\"orders_slot_%05u\","
            "\"publication.name\":\"orders_publication\",\"snapshot.mode\":\"initial\","
            "\"heartbeat.interval.ms\":\"30000\",\"poll.interval.ms\":\"500\","
            "\"max.batch.size\":\"4096\",\"max.queue.size\":\"16384\","
            "\"decimal.handling.mode\":\"string\",\"time.precision.mode\":\"connect\","
            "\"tombstones.on.delete\":\"true\"},",
            i, i, i, i);
    fputs("\"encoded_username\":"
          "\"YXBwYXJlbnQta2l0ZS0xMTMwMiTIqFhTItzgDdE56au6LgnnbtlN7ITzh4QATDw\","
          "\"TTL\":1684370947}", f);
}

static struct text list_reply(unsigned connectors)
{
    struct text body;
    FILE *f = open_memstream(&body.bytes, &body.size);
    if (f == NULL)
        fail("open_memstream");
    fputc('[', f);
    for (unsigned i = 0; i < connectors; i++) {
        if (i > 0)
            fputc(',', f);
        print_connector(f, i);
    }
    fputc(']', f);
    if (fclose(f) != 0)
        fail("open_memstream");
    struct text r = response("200 OK", body);
    free(body.bytes);
    return r;
}

/* ---- requests ---- */

static bool is(const char *bytes, size_t size, const char *word)
{
    return size == strlen(word) && memcmp(bytes, word, size) == 0;
}

static bool starts_with(const char *bytes, size_t size, const char *word)
{
    size_t length = strlen(word);
    return size > length && memcmp(bytes, word, length) == 0;
}

static bool read_length(const char *value, const char *end, size_t *out)
{
    size_t n = 0;
    while (value < end && *value == ' ')
        value++;
    if (value == end || end - value > MAX_LENGTH_DIGITS)
        return false;
    for (; value < end; value++) {
        if (*value < '0' || *value > '9')
            return false;
        n = n * 10 + (size_t)(*value - '0');
    }
    *out = n;
    return true;
}

static bool read_header(struct request *q, const char *line, const char *end)
{
    static const char length[] = "Content-Length:", credential[] = "Authorization: Basic ",
                      encoding[] = "Transfer-Encoding:", expect[] = "Expect:";
    size_t size = (size_t)(end - line);
    if (size >= sizeof length - 1 && strncasecmp(line, length, sizeof length - 1) == 0)
        return read_length(line + sizeof length - 1, end, &q->body_size);
    if (size > sizeof credential - 1 && strncasecmp(line, credential, sizeof credential - 1) == 0)
        q->authorized = true;
    return strncasecmp(line, encoding, sizeof encoding - 1) != 0 &&
           strncasecmp(line, expect, sizeof expect - 1) != 0;
}

enum parsed { PARSED, INCOMPLETE, MALFORMED };

/* Just enough HTTP for the clients that are measured; anything else ends the
 * connection, which ends the client with an error. */
static enum parsed parse(struct request *q, const char *bytes, size_t size)
{
    memset(q, 0, sizeof *q);
    const char *end = memmem(bytes, size, "\r\n\r\n", 4);
    if (end == NULL)
        return size == MAX_REQUEST ? MALFORMED : INCOMPLETE;
    q->head_size = (size_t)(end - bytes) + 4;
    const char *line_end = memmem(bytes, q->head_size, "\r\n", 2);
    const char *blank = memchr(bytes, ' ', (size_t)(line_end - bytes));
    if (blank == NULL)
        return MALFORMED;
    q->method = bytes;
    q->method_size = (size_t)(blank - bytes);
    q->path = blank + 1;
    blank = memchr(q->path, ' ', (size_t)(line_end - q->path));
    if (blank == NULL)
        return MALFORMED;
    q->path_size = (size_t)(blank - q->path);
    while (line_end < end) {
        const char *line = line_end + 2;
        line_end = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);
        if (!read_header(q, line, line_end))
            return MALFORMED;
    }
    if (q->head_size + q->body_size > MAX_REQUEST)
        return MALFORMED;
    return q->head_size + q->body_size > size ? INCOMPLETE : PARSED;
}

/* ---- connections ---- */

static void leave_queue(struct server *s, struct connection *c)
{
    if (!c->waiting)
        return;
    if (c->previous != NULL)
        c->previous->next = c->next;
    else
        s->first = c->next;
    if (c->next != NULL)
        c->next->previous = c->previous;
    else
        s->last = c->previous;
    c->previous = c->next = NULL;
    c->waiting = false;
}

static void join_queue(struct server *s, struct connection *c)
{
    c->due = now() + s->delay;
    c->waiting = true;
    c->previous = s->last;
    c->next = NULL;
    if (s->last != NULL)
        s->last->next = c;
    else
        s->first = c;
    s->last = c;
}

static void hang_up(struct server *s, struct connection *c)
{
    leave_queue(s, c);
    close(c->fd);
    free(c);
}

static void watch(struct server *s, struct connection *c, uint32_t interest)
{
    if (c->interest == interest)
        return;
    struct epoll_event e = {.events = interest, .data.ptr = c};
    if (epoll_ctl(s->epoll, EPOLL_CTL_MOD, c->fd, &e) != 0)
        fail("epoll_ctl");
    c->interest = interest;
}

/* False when the connection is gone. */
static bool send_some(struct server *s, struct connection *c)
{
    ssize_t n = send(c->fd, c->out, c->out_size, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        hang_up(s, c);
        return false;
    }
    if (n > 0) {
        c->out += n;
        c->out_size -= (size_t)n;
    }
    return true;
}

static void set_reply(struct connection *c, struct text reply_text)
{
    c->out = reply_text.bytes;
    c->out_size = reply_text.size;
}

static void set_counts(struct server *s, struct connection *c)
{
    char body[64];
    int size = snprintf(body, sizeof body, "%llu %llu\n", (unsigned long long)s->updates,
                        (unsigned long long)s->update_bytes);
    int all = snprintf(c->counts, sizeof c->counts,
                       "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, body);
    set_reply(c, (struct text){c->counts, (size_t)all});
}

static void answer(struct server *s, struct connection *c, const struct request *q)
{
    if (is(q->method, q->method_size, "GET") && is(q->path, q->path_size, "/counts")) {
        set_counts(s, c);
    } else if (!q->authorized) {
        set_reply(c, s->unauthorized);
    } else if (is(q->method, q->method_size, "POST") &&
               starts_with(q->path, q->path_size, "/v2/kafka/update-connector/")) {
        s->updates++;
        s->update_bytes += q->body_size;
        set_reply(c, s->update);
        if (s->delay > 0)
            join_queue(s, c);
    } else if (is(q->method, q->method_size, "GET") &&
               starts_with(q->path, q->path_size, "/v2/kafka/connectors/")) {
        set_reply(c, s->list);
    } else {
        set_reply(c, s->not_found);
    }
}

/* Carries on with a connection as far as it goes: one request at a time. */
static void advance(struct server *s, struct connection *c)
{
    for (;;) {
        if (c->out_size > 0 && !c->waiting && !send_some(s, c))
            return;
        if (c->out_size > 0) {
            watch(s, c, c->waiting ? EPOLLRDHUP : EPOLLOUT | EPOLLRDHUP);
            return;
        }
        struct request q;
        enum parsed parsed = parse(&q, c->in, c->in_size);
        if (parsed == MALFORMED) {
            hang_up(s, c);
            return;
        }
        if (parsed == INCOMPLETE) {
            watch(s, c, EPOLLIN);
            return;
        }
        answer(s, c, &q);
        size_t used = q.head_size + q.body_size;
        memmove(c->in, c->in + used, c->in_size - used);
        c->in_size -= used;
    }
}

static void on_event(struct server *s, struct connection *c, uint32_t events)
{
    if (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) {
        hang_up(s, c);
        return;
    }
    if (events & EPOLLIN) {
        ssize_t n = recv(c->fd, c->in + c->in_size, MAX_REQUEST - c->in_size, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            hang_up(s, c);
            return;
        }
        if (n > 0)
            c->in_size += (size_t)n;
    }
    advance(s, c);
}

static void accept_all(struct server *s)
{
    int fd;
    while ((fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = malloc(sizeof *c);
        if (c == NULL)
            fail("malloc");
        memset(c, 0, offsetof(struct connection, in));
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        c->fd = fd;
        c->interest = EPOLLIN;
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) != 0)
            fail("epoll_ctl");
    }
    if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
        fail("accept");
}

static void send_due(struct server *s)
{
    while (s->first != NULL && s->first->due <= now()) {
        struct connection *c = s->first;
        leave_queue(s, c);
        advance(s, c);
    }
}

static bool input_ended(void)
{
    char ignored[64];
    ssize_t n = read(STDIN_FILENO, ignored, sizeof ignored);
    return n == 0 || (n < 0 && errno != EINTR);
}

static void serve(struct server *s)
{
    struct epoll_event events[MAX_EVENTS];
    for (;;) {
        int64_t left = s->first != NULL ? s->first->due - now() : 0;
        struct timespec limit = {left / 1000000000, left % 1000000000};
        if (left <= 0)
            limit = (struct timespec){0, 0};
        int n = epoll_pwait2(s->epoll, events, MAX_EVENTS, s->first != NULL ? &limit : NULL, NULL);
        if (n < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < n; i++) {
            void *of = events[i].data.ptr;
            if (of == s)
                accept_all(s);
            else if (of != NULL)
                on_event(s, of, events[i].events);
            else if (input_ended())
                return;
        }
        send_due(s);
    }
}

static unsigned short start_listening(struct server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->listener < 0 || bind(s->listener, (struct sockaddr *)&a, sizeof a) != 0 ||
        listen(s->listener, SOMAXCONN) != 0 ||
        getsockname(s->listener, (struct sockaddr *)&a, &size) != 0)
        fail("cannot listen on loopback");
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event listener = {.events = EPOLLIN, .data.ptr = s};
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
    if (s->epoll < 0 || epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->listener, &listener) != 0 ||
        epoll_ctl(s->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input) != 0)
        fail("epoll (standard input must be a pipe or a terminal)");
    return ntohs(a.sin_port);
}

static unsigned number(const char *option, const char *value)
{
    char *end = NULL;
    unsigned long n = value != NULL ? strtoul(value, &end, 10) : 0;
    if (value == NULL || *value < '0' || *value > '9' || *end != '\0' || n > 1000000) {
        fprintf(stderr, "server: %s needs a number up to 1000000\n", option);
        exit(2);
    }
    return (unsigned)n;
}

int main(int argc, char **argv)
{
    unsigned connectors = 1, delay = 0;
    for (int i = 1; i < argc; i += 2) {
        if (strcmp(argv[i], "--delay") == 0) {
            delay = number(argv[i], argv[i + 1]);
        } else if (strcmp(argv[i], "--connectors") == 0) {
            connectors = number(argv[i], argv[i + 1]);
        } else {
            fprintf(stderr, "usage: server [--delay MS] [--connectors N]\n");
            return 2;
        }
    }
    struct server s = {
        .delay = (int64_t)delay * 1000000,
        .update = constant_reply("200 OK", updated),
        .list = list_reply(connectors),
        .not_found = constant_reply("404 Not Found", "\"not found\""),
        .unauthorized = constant_reply("401 Unauthorized", "\"unauthorized\""),
    };
    unsigned short port = start_listening(&s);
    if (printf("%u\n", port) < 0 || fflush(stdout) != 0)
        fail("cannot print the port");
    serve(&s);
    free(s.update.bytes);
    free(s.list.bytes);
    free(s.not_found.bytes);
    free(s.unauthorized.bytes);
    return 0;
}
