#define _GNU_SOURCE
#include "visit.h"

#include "fault.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
    double at;
    int connection;
    char *method, *target;
    int forwarded, status;
    struct request *next;
};

struct visit {
    struct proxy *proxy;
    struct stream client;
    int number;
    struct message asked;
    struct request *request; /* in the list; NULL before one has come */
    struct message answer;   /* its head without any framing */
    size_t fill;
    const char *length;      /* as in fault.h; "" for the truth */
    bool open;               /* the connection goes on after this request */
};

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER; /* the list, the faults, the meter */
static struct request *first_request, **last_request = &first_request;
static int connections;
static double meter_tokens = -1, meter_at;

static void note(struct visit *v, const char *line)
{
    char method[16], target[2048];
    if (sscanf(line, "%15s %2047s", method, target) != 2)
        wire_fail("not a request line");
    struct request *r = calloc(1, sizeof *r);
    if (r == NULL || (r->method = strdup(method)) == NULL || (r->target = strdup(target)) == NULL)
        wire_fail("memory");
    r->at = wire_seconds();
    r->connection = v->number;
    pthread_mutex_lock(&guard);
    *last_request = r;
    last_request = &r->next;
    pthread_mutex_unlock(&guard);
    v->request = r;
}

void visit_report(FILE *out)
{
    pthread_mutex_lock(&guard);
    for (const struct request *r = first_request; r != NULL; r = r->next)
        fprintf(out, "request %.3f %d %s %s %d %d\n", r->at, r->connection, r->method, r->target,
                r->forwarded, r->status);
    pthread_mutex_unlock(&guard);
}

void visit_add_fault(struct proxy *p, struct fault *f)
{
    pthread_mutex_lock(&guard);
    struct fault **last = &p->faults;
    while (*last != NULL)
        last = &(*last)->next;
    *last = f;
    pthread_mutex_unlock(&guard);
}

static const struct fault *find(struct visit *v, const char *method, const char *target)
{
    pthread_mutex_lock(&guard);
    const struct fault *f = fault_find(v->proxy->faults, method, target);
    pthread_mutex_unlock(&guard);
    return f;
}

/* ---- forwarding ---- */

static void forward(struct visit *v)
{
    message_free(&v->answer);
    v->answer = (struct message){ .head = { .data = NULL } };
    if (!wire_ask(v->proxy->upstream, &v->asked, &v->answer)) {
        message_free(&v->answer);
        v->answer = (struct message){ .head = { .data = NULL } };
        text_add_string(&v->answer.head, "HTTP/1.1 502 Bad Gateway\r\n");
    }
    head_remove(&v->answer.head, "Content-Length");
    pthread_mutex_lock(&guard);
    v->request->forwarded++;
    pthread_mutex_unlock(&guard);
}

/* A request that outlives its connection. */
struct late {
    int upstream;
    double seconds;
    struct message asked;
    struct request *request;
};

static void *forward_late(void *data)
{
    struct late *l = data;
    struct message answer = { .head = { .data = NULL } };
    wire_sleep(l->seconds);
    if (!wire_ask(l->upstream, &l->asked, &answer))
        wire_fail("a late request");
    pthread_mutex_lock(&guard);
    l->request->forwarded++;
    pthread_mutex_unlock(&guard);
    message_free(&answer);
    message_free(&l->asked);
    free(l);
    return NULL;
}

static void start_thread(void *(*run)(void *), void *data)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, data) != 0)
        wire_fail("thread");
    pthread_detach(thread);
}

static void later(struct visit *v, double seconds)
{
    struct late *l = calloc(1, sizeof *l);
    if (l == NULL)
        wire_fail("memory");
    l->upstream = v->proxy->upstream;
    l->seconds = seconds;
    l->request = v->request;
    text_add(&l->asked.head, v->asked.head.data, v->asked.head.size);
    text_add(&l->asked.body, v->asked.body.data, v->asked.body.size);
    start_thread(forward_late, l);
}

/* "METHOD TARGET [BODY]", with the credential of the request that is held up. */
static void meanwhile(struct visit *v, const char *text)
{
    struct message other = { .head = { .data = NULL } }, answer = { .head = { .data = NULL } };
    int target = (int)strcspn(text, " "), end = target + 1 + (int)strcspn(text + target + 1, " ");
    const char *body = text[end] != '\0' ? text + end + 1 : "";
    if (strcmp(body, "same") == 0)
        text_add(&other.body, v->asked.body.data, v->asked.body.size);
    else
        text_add_string(&other.body, body);
    int size;
    const char *credential = head_value(&v->asked.head, "Authorization", &size);
    text_print(&other.head, "%.*s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n", end,
               text, other.body.size);
    text_print(&other.head, "Content-Type: application/json\r\n");
    if (credential != NULL)
        text_print(&other.head, "Authorization: %.*s\r\n", size, credential);
    if (!wire_ask(v->proxy->upstream, &other, &answer))
        wire_fail("meanwhile");
    if (strncmp(answer.head.data, "HTTP/1.1 2", 10) != 0) {
        fprintf(stderr, "proxy: meanwhile %s: %s%s\n", text, answer.head.data,
                answer.body.size > 0 ? answer.body.data : "");
        _exit(3);
    }
    message_free(&other);
    message_free(&answer);
}

/* ---- the answer ---- */

static void replace_body(struct visit *v, struct text body)
{
    text_free(&v->answer.body);
    v->answer.body = body;
}

static void own_answer(struct visit *v, const char *status)
{
    message_free(&v->answer);
    v->answer = (struct message){ .head = { .data = NULL } };
    text_print(&v->answer.head, "HTTP/1.1 %s\r\nContent-Type: application/json\r\n", status);
}

static void replace_status(struct visit *v, const char *status)
{
    struct text head = { .data = NULL };
    const char *rest = text_find(&v->answer.head, 0, "\r\n");
    text_print(&head, "HTTP/1.1 %s%s", status, rest != NULL ? rest : "\r\n");
    text_free(&v->answer.head);
    v->answer.head = head;
}

static void read_file(struct visit *v, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        wire_fail(path);
    struct text body = { .data = NULL };
    char bytes[64 * 1024];
    size_t n;
    while ((n = fread(bytes, 1, sizeof bytes, file)) > 0)
        text_add(&body, bytes, n);
    fclose(file);
    replace_body(v, body);
}

/* Blanks come first: they may stand before any JSON. */
static bool send_blanks(struct visit *v, size_t count, bool chunked)
{
    static const size_t block_size = 64 * 1024;
    char block[64 * 1024 + 16];
    while (count > 0) {
        size_t n = count < block_size ? count : block_size;
        int before = chunked ? sprintf(block, "%zx\r\n", n) : 0;
        memset(block + before, ' ', n);
        memcpy(block + before + n, "\r\n", 2);
        if (!wire_write(v->client.fd, block, (size_t)before + n + (chunked ? 2 : 0)))
            return false;
        count -= n;
    }
    return true;
}

static size_t said_length(const struct visit *v)
{
    size_t truth = v->answer.body.size + v->fill;
    long number = strtol(v->length, NULL, 10);
    if (v->length[0] == '+' || v->length[0] == '-')
        return (size_t)((long)truth + number);
    return v->length[0] != '\0' ? (size_t)number : truth;
}

static void send_head(struct visit *v)
{
    struct text head = { .data = NULL };
    text_add(&head, v->answer.head.data, v->answer.head.size);
    bool bare = strncmp(head.data, "HTTP/1.1 204", 12) == 0;
    if (strcmp(v->length, "chunked") == 0)
        text_add_string(&head, "Transfer-Encoding: chunked\r\n");
    else if (strcmp(v->length, "none") == 0)
        text_add_string(&head, "Connection: close\r\n");
    else if (!bare)
        text_print(&head, "Content-Length: %zu\r\n", said_length(v));
    text_add_string(&head, "\r\n");
    if (wire_write(v->client.fd, head.data, head.size)) {
        pthread_mutex_lock(&guard);
        v->request->status = atoi(head.data + strlen("HTTP/1.1 "));
        pthread_mutex_unlock(&guard);
    }
    text_free(&head);
}

static void send_answer(struct visit *v, const char *how)
{
    const struct text *body = &v->answer.body;
    bool chunked = strcmp(v->length, "chunked") == 0;
    size_t most = body->size;
    if (strcmp(how, "head") == 0)
        most = 0;
    else if (*how != '\0' && strtoul(how, NULL, 10) < most)
        most = strtoul(how, NULL, 10);
    send_head(v);
    if (*how == '\0' && !send_blanks(v, v->fill, chunked))
        return;
    if (chunked && body->size > 0) {
        struct text size = { .data = NULL };
        text_print(&size, "%zx\r\n", body->size);
        wire_write(v->client.fd, size.data, size.size);
        text_free(&size);
    }
    bool all = wire_write(v->client.fd, body->data, most) && *how == '\0';
    if (all && chunked)
        all = wire_write(v->client.fd, body->size > 0 ? "\r\n0\r\n\r\n" : "0\r\n\r\n",
                         body->size > 0 ? 7 : 5);
    v->open = all && strcmp(v->length, "none") != 0;
}

/* Whether the other side has gone away; reads and forgets what it sends until then. */
static bool gone(struct visit *v, double seconds)
{
    double end = wire_seconds() + seconds;
    for (double left = seconds; left > 0; left = end - wire_seconds()) {
        struct pollfd p = { .fd = v->client.fd, .events = POLLIN };
        if (poll(&p, 1, (int)(left * 1000) + 1) > 0) {
            if (!stream_more(&v->client))
                return true;
            text_cut(&v->client.in, 0, v->client.in.size);
        }
    }
    return false;
}

static void drip(struct visit *v, double seconds)
{
    send_head(v);
    for (size_t i = 0; i < v->answer.body.size; i++)
        if (!wire_write(v->client.fd, v->answer.body.data + i, 1) || gone(v, seconds))
            return;
    v->open = true;
}

static void send_raw(struct visit *v, const char *text, long times)
{
    struct text bytes = { .data = NULL };
    text_add_unescaped(&bytes, text);
    while (times-- > 0 && wire_write(v->client.fd, bytes.data, bytes.size))
        ;
    text_free(&bytes);
}

/* ---- endings ---- */

static const double patience = 60;

static void reset(struct visit *v)
{
    struct linger linger = { .l_onoff = 1, .l_linger = 0 };
    setsockopt(v->client.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(v->client.fd);
    v->client.fd = -1;
}

/* Unread bytes would make a reset of a close. */
static void finish(struct visit *v)
{
    shutdown(v->client.fd, SHUT_WR);
    gone(v, patience);
    close(v->client.fd);
    v->client.fd = -1;
}

/* Either way the answer tells what is left. */
static void meter(struct visit *v, double rate)
{
    pthread_mutex_lock(&guard);
    double now = wire_seconds();
    if (meter_tokens < 0)
        meter_tokens = rate;
    else
        meter_tokens += (now - meter_at) * rate;
    if (meter_tokens > rate)
        meter_tokens = rate;
    meter_at = now;
    bool within = meter_tokens >= 1;
    if (within)
        meter_tokens--;
    int left = (int)meter_tokens;
    pthread_mutex_unlock(&guard);
    if (within)
        forward(v);
    else
        own_answer(v, "429 Too Many Requests");
    text_print(&v->answer.head,
               "X-RateLimit-Limit: %.0f\r\nX-RateLimit-Remaining: %d\r\nX-RateLimit-Reset: 1\r\n",
               rate, left);
}

/* ---- steps ---- */

/* False when the connection has ended. */
static bool do_step(struct visit *v, const struct step *s)
{
    struct text body = { .data = NULL };
    struct message forgotten = { .head = { .data = NULL } };
    switch (s->action) {
    case READ:
        break; /* done before the first step */
    case TAKE:
        while ((double)v->client.in.size < s->number && stream_more(&v->client))
            ;
        text_cut(&v->client.in, 0, v->client.in.size);
        break;
    case DELAY:
        wire_sleep(s->number);
        break;
    case MEANWHILE:
        meanwhile(v, s->text);
        break;
    case AGAIN:
        if (!wire_ask(v->proxy->upstream, &v->asked, &forgotten))
            wire_fail("again");
        message_free(&forgotten);
        break;
    case FORWARD:
        forward(v);
        break;
    case LATER:
        later(v, s->number);
        break;
    case ANSWER:
        own_answer(v, s->text);
        break;
    case STATUS:
        replace_status(v, s->text);
        break;
    case HEADER:
        text_add_unescaped(&v->answer.head, s->text);
        text_add_string(&v->answer.head, "\r\n");
        break;
    case REMOVE:
        head_remove(&v->answer.head, s->text);
        break;
    case BODY:
        text_add_unescaped(&body, s->text);
        replace_body(v, body);
        break;
    case FILE_:
        read_file(v, s->text);
        break;
    case FILL:
        v->fill = (size_t)s->number;
        break;
    case LENGTH:
        v->length = s->text;
        break;
    case METER:
        meter(v, s->number);
        break;
    case SEND:
        send_answer(v, s->text);
        break;
    case DRIP:
        drip(v, s->number);
        break;
    case RAW:
        send_raw(v, s->text, 1);
        break;
    case REPEAT:
        send_raw(v, strchr(s->text, ' ') + 1, (long)s->number);
        break;
    case STALL:
        gone(v, patience);
        return false;
    case FIN:
        finish(v);
        return false;
    case RST:
        reset(v);
        return false;
    case HALF:
        shutdown(v->client.fd, SHUT_WR);
        gone(v, patience);
        return false;
    case ACTION_COUNT:
        break;
    }
    return true;
}

static bool do_steps(struct visit *v, const struct step *s)
{
    for (; s != NULL; s = s->next)
        if (!do_step(v, s))
            return false;
    return true;
}

static size_t body_wanted(const struct fault *f)
{
    for (const struct step *s = f != NULL ? f->steps : NULL; s != NULL; s = s->next)
        if (s->action == READ)
            return (size_t)s->number;
    return (size_t)-1;
}

/* One request and its answer. False when the connection has ended. */
static bool serve(struct visit *v)
{
    if (!stream_head(&v->client, &v->asked))
        return false;
    note(v, v->asked.head.data);
    const struct fault *f = find(v, v->request->method, v->request->target);
    if (!stream_body(&v->client, &v->asked, body_wanted(f)))
        return false;
    if (f != NULL)
        return do_steps(v, f->steps) && v->open;
    forward(v);
    send_answer(v, "");
    return v->open;
}

static void *run(void *data)
{
    struct visit *v = data;
    const struct fault *f = find(v, NULL, NULL);
    bool open = f == NULL || do_steps(v, f->steps);
    while (open) {
        v->open = false;
        v->fill = 0;
        v->length = "";
        open = serve(v);
        message_free(&v->asked);
        message_free(&v->answer);
        v->asked = v->answer = (struct message){ .head = { .data = NULL } };
    }
    if (v->client.fd >= 0)
        close(v->client.fd);
    text_free(&v->client.in);
    free(v);
    return NULL;
}

void visit_start(struct proxy *p, int fd)
{
    struct visit *v = calloc(1, sizeof *v);
    int yes = 1;
    if (v == NULL)
        wire_fail("memory");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    v->proxy = p;
    v->length = "";
    v->client = (struct stream){ .fd = fd, .record = p->record };
    pthread_mutex_lock(&guard);
    v->number = ++connections;
    pthread_mutex_unlock(&guard);
    start_thread(run, v);
}
