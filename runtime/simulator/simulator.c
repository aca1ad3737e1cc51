#define _GNU_SOURCE
#include "simulator/simulator.h"

#include "base/buffer.h"
#include "simulator/simulator_models.h"

#include <microhttpd.h>

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static const size_t max_body = (size_t)64 * 1024 * 1024;

enum { MAX_COMPLAINTS = 64 * 1024 }; /* bytes; what comes then is dropped */

/* One request, from its first line until its response has gone out. */
struct visit {
    struct MHD_Connection *connection;
    struct MHD_Response *response; /* made, not yet handed to the daemon */
    unsigned status;
    bool closes;                   /* without a response */
    double delay;                  /* beside the latency */
    double due;                    /* when a delayed response goes out */
    struct visit *next;            /* in the queue of delayed responses */
    bool begun;
    struct buffer body;
    char *query;                   /* points into uri */
    char uri[];                    /* the path, then the query, each with its NUL */
};

struct simulator {
    double latency;
    char *state;
    struct models *models;
    struct MHD_Daemon *daemon;
    int epoll;                     /* the daemon's */
    int stop;                      /* an eventfd: readable when the thread shall end */
    pthread_t thread;
    struct timespec start;
    struct visit *first;           /* delayed responses, in order of due */
    int complained;                /* an eventfd: readable when there are complaints */
    pthread_mutex_t lock;          /* of complaints, which both threads use */
    struct buffer complaints;      /* lines */
    char url[32];
};

__attribute__((format(printf, 2, 3))) static void explain(char **why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(why, format, arguments) < 0)
        *why = NULL;
    va_end(arguments);
}

/* For the caller's thread to write. */
static void complain(struct simulator *s, const char *what, const char *path, const char *message)
{
    pthread_mutex_lock(&s->lock);
    (void)buffer_printf(&s->complaints, "kelp: simulator: %s %s: %s\n", what, path, message);
    pthread_mutex_unlock(&s->lock);
    eventfd_write(s->complained, 1);
}

static double elapsed(const struct simulator *s)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)(t.tv_sec - s->start.tv_sec) + (double)(t.tv_nsec - s->start.tv_nsec) / 1e9;
}

/* The daemon decodes the path and splits the query before a handler sees them;
 * this is where they are still as sent. What it returns is the handler's
 * *context, and visit_end gets it whatever becomes of the request. */
static void *visit_begin(void *cls, const char *uri, struct MHD_Connection *connection)
{
    (void)cls;
    size_t size = strlen(uri);
    struct visit *v = malloc(sizeof *v + size + 2);
    if (v == NULL)
        return NULL;
    *v = (struct visit){ .connection = connection };
    buffer_init(&v->body, max_body);
    memcpy(v->uri, uri, size);
    v->uri[size] = v->uri[size + 1] = '\0';
    v->query = strchr(v->uri, '?');
    if (v->query != NULL)
        *v->query++ = '\0';
    else
        v->query = v->uri + size + 1;
    return v;
}

static void visit_end(void *cls, struct MHD_Connection *connection, void **context,
                      enum MHD_RequestTerminationCode why)
{
    (void)cls;
    (void)connection;
    (void)why;
    struct visit *v = *context;
    if (v == NULL)
        return;
    if (v->response != NULL)
        MHD_destroy_response(v->response);
    buffer_free(&v->body);
    free(v);
    *context = NULL;
}

static enum MHD_Result collect_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                      const char *value)
{
    (void)kind;
    struct model_request *request = cls;
    if (request->header_count == MODEL_MAX_HEADERS)
        return MHD_NO;
    request->headers[request->header_count++]
        = (struct model_header){ name, value != NULL ? value : "" };
    return MHD_YES;
}

/* A body that is announced whole and ends half way. */
struct half {
    size_t size;
    char bytes[];
};

static ssize_t read_half(void *cls, uint64_t at, char *into, size_t size)
{
    const struct half *h = cls;
    if (at >= h->size)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (size > h->size - at)
        size = h->size - at;
    memcpy(into, h->bytes + at, size);
    return (ssize_t)size;
}

static struct MHD_Response *cut_response(const struct model_reply *response)
{
    size_t size = response->body_size / 2;
    struct half *h = malloc(sizeof *h + size);
    if (h == NULL)
        return NULL;
    h->size = size;
    memcpy(h->bytes, response->body, size);
    struct MHD_Response *r =
        MHD_create_response_from_callback(response->body_size, 4096, read_half, h, free);
    if (r == NULL)
        free(h);
    return r;
}

static struct MHD_Response *make_response(const struct model_reply *response)
{
    /* The library takes a pointer to bytes that it may change, and with this
     * mode copies them. */
    struct MHD_Response *r =
        response->ending == MODEL_CUT
            ? cut_response(response)
            : MHD_create_response_from_buffer(response->body_size, (void *)(uintptr_t)response->body,
                                              MHD_RESPMEM_MUST_COPY);
    for (size_t i = 0; r != NULL && i < response->header_count; i++) {
        const struct model_header *h = &response->headers[i];
        if (MHD_add_response_header(r, h->name, h->value) != MHD_YES) {
            MHD_destroy_response(r);
            r = NULL;
        }
    }
    return r;
}

static void compose(struct simulator *s, struct visit *v, const char *method)
{
    struct model_reply response;
    if (v->body.overflowed) {
        static const char text[] = "request body too large";
        response = (struct model_reply){ .status = 413, .body = text, .body_size = sizeof text - 1 };
    } else {
        struct model_request request;
        request.method = method;
        request.path = v->uri;
        request.query = v->query;
        request.body = buffer_text(&v->body);
        request.body_size = v->body.size;
        request.header_count = 0;
        MHD_get_connection_values(v->connection, MHD_HEADER_KIND, collect_header, &request);
        if (!models_answer(s->models, elapsed(s), &request, &response))
            complain(s, method, v->uri, response.body);
    }
    v->status = response.status;
    v->closes = response.ending == MODEL_CLOSE;
    v->delay = response.delay;
    v->response = make_response(&response);
}

static void keep_back(struct simulator *s, struct visit *v)
{
    v->due = elapsed(s) + s->latency + v->delay;
    struct visit **place = &s->first;
    while (*place != NULL && (*place)->due <= v->due)
        place = &(*place)->next;
    v->next = *place;
    *place = v;
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **context)
{
    (void)url;
    (void)version;
    struct simulator *s = cls;
    struct visit *v = *context;
    if (v == NULL)
        return MHD_NO;
    if (!v->begun) {
        v->begun = true;
        return MHD_YES;
    }
    if (*upload_size > 0) {
        buffer_add(&v->body, upload, *upload_size); /* overflow is answered with 413 */
        *upload_size = 0;
        return MHD_YES;
    }
    if (v->response == NULL) {
        compose(s, v, method);
        if (v->response == NULL)
            return MHD_NO;
        if (s->latency + v->delay > 0) {
            keep_back(s, v);
            MHD_suspend_connection(connection);
            return MHD_YES;
        }
    }
    if (v->closes)
        return MHD_NO;
    enum MHD_Result result = MHD_queue_response(connection, v->status, v->response);
    MHD_destroy_response(v->response);
    v->response = NULL;
    return result;
}

static void resume_until(struct simulator *s, double time)
{
    while (s->first != NULL && s->first->due <= time) {
        struct visit *v = s->first;
        s->first = v->next;
        v->next = NULL;
        MHD_resume_connection(v->connection);
    }
}

/* How long nothing needs to be done; NULL for ever. */
static const struct timespec *patience(const struct simulator *s, struct timespec *t)
{
    MHD_UNSIGNED_LONG_LONG milliseconds = 0;
    double seconds = INFINITY;
    if (MHD_get_timeout(s->daemon, &milliseconds) == MHD_YES)
        seconds = (double)milliseconds / 1e3;
    if (s->first != NULL)
        seconds = fmin(seconds, fmax(0, s->first->due - elapsed(s)));
    if (!isfinite(seconds))
        return NULL;
    t->tv_sec = (time_t)seconds;
    t->tv_nsec = (long)((seconds - floor(seconds)) * 1e9);
    return t;
}

static void *serve(void *context)
{
    struct simulator *s = context;
    struct pollfd watched[] = { { .fd = s->epoll, .events = POLLIN },
                                { .fd = s->stop, .events = POLLIN } };
    for (;;) {
        struct timespec t;
        if (ppoll(watched, 2, patience(s, &t), NULL) < 0 && errno != EINTR) {
            complain(s, "it", "stops", strerror(errno));
            break;
        }
        if (watched[1].revents != 0)
            break;
        resume_until(s, elapsed(s));
        MHD_run(s->daemon);
    }
    /* The daemon may not be stopped while a connection is suspended. */
    resume_until(s, INFINITY);
    return NULL;
}

void simulator_defaults(struct simulator_options *o, const struct simulated_provider *providers)
{
    *o = (struct simulator_options){ .providers = providers, .provisioning = 2 };
}

static bool listen_on(struct simulator *s, int port, char **why)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    errno = 0;
    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle, s,
        MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_URI_LOG_CALLBACK,
        visit_begin, NULL, MHD_OPTION_NOTIFY_COMPLETED, visit_end, NULL,
        MHD_OPTION_CONNECTION_LIMIT, 4096u, MHD_OPTION_END);
    if (s->daemon == NULL) {
        explain(why, "cannot listen on 127.0.0.1 port %d: %s", port,
                errno != 0 ? strerror(errno) : "the HTTP daemon does not start");
        return false;
    }
    const union MHD_DaemonInfo *epoll = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    const union MHD_DaemonInfo *bound = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);
    if (epoll == NULL || bound == NULL) {
        explain(why, "this libmicrohttpd cannot be polled from outside");
        return false;
    }
    s->epoll = epoll->epoll_fd;
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u", (unsigned)bound->port);
    return true;
}

/* Signals are the main thread's: this one is born with all of them blocked. */
static int start_thread(struct simulator *s)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&s->thread, NULL, serve, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static void release(struct simulator *s)
{
    if (s->daemon != NULL)
        MHD_stop_daemon(s->daemon);
    models_free(s->models);
    if (s->stop >= 0)
        close(s->stop);
    if (s->complained >= 0)
        close(s->complained);
    buffer_free(&s->complaints);
    pthread_mutex_destroy(&s->lock);
    free(s->state);
    free(s);
}

struct simulator *simulator_start(const struct simulator_options *o, char **why)
{
    *why = NULL;
    if (o->port < 0 || o->port > 65535 || !(o->latency >= 0) || !(o->provisioning >= 0)
        || !(o->rate >= 0) || !(o->lag >= 0)) {
        explain(why, "a simulator option is out of range");
        return NULL;
    }
    struct simulator *s = calloc(1, sizeof *s);
    if (s == NULL) {
        explain(why, "out of memory");
        return NULL;
    }
    s->latency = o->latency;
    clock_gettime(CLOCK_MONOTONIC, &s->start);
    pthread_mutex_init(&s->lock, NULL);
    buffer_init(&s->complaints, MAX_COMPLAINTS);
    s->stop = eventfd(0, EFD_CLOEXEC);
    s->complained = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->stop < 0 || s->complained < 0) {
        explain(why, "eventfd: %s", strerror(errno));
        goto failed;
    }
    if (o->state != NULL && (s->state = strdup(o->state)) == NULL) {
        explain(why, "out of memory");
        goto failed;
    }
    s->models = models_new(o, why);
    if (s->models == NULL || !listen_on(s, o->port, why))
        goto failed;
    int error = start_thread(s);
    if (error != 0) {
        explain(why, "pthread_create: %s", strerror(error));
        goto failed;
    }
    return s;
failed:
    release(s);
    return NULL;
}

const char *simulator_url(const struct simulator *s)
{
    return s->url;
}

int simulator_complaints(const struct simulator *s)
{
    return s->complained;
}

void simulator_write_complaints(struct simulator *s)
{
    eventfd_t ignored;
    (void)eventfd_read(s->complained, &ignored);
    pthread_mutex_lock(&s->lock);
    struct buffer lines = s->complaints;
    buffer_init(&s->complaints, MAX_COMPLAINTS);
    pthread_mutex_unlock(&s->lock);
    fputs(buffer_text(&lines), stderr);
    buffer_free(&lines);
}

bool simulator_stop(struct simulator *s, char **why)
{
    *why = NULL;
    eventfd_write(s->stop, 1);
    pthread_join(s->thread, NULL);
    simulator_write_complaints(s);
    MHD_stop_daemon(s->daemon);
    s->daemon = NULL;
    bool saved = s->state == NULL || models_save(s->models, elapsed(s), s->state, why);
    release(s);
    return saved;
}
