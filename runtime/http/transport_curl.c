#include "http/transport_job.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_IDLE_JOBS = 64, MAX_IDLE_CONNECTIONS = 256 };

struct curl_transport {
    struct transport table; /* first: a struct transport * is one of these */
    CURLM *multi;
    struct job *running;    /* libcurl 7.88 cannot list its handles */
    struct job *idle;
    size_t idle_count;
    struct transfer *first, *last; /* ended, oldest first */
    atomic_bool woken;
};

static struct curl_transport *self(struct transport *t)
{
    return (struct curl_transport *)t;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void append_ended(struct curl_transport *c, struct transfer *x)
{
    x->private_ = NULL;
    x->next = NULL;
    if (c->last != NULL)
        c->last->next = x;
    else
        c->first = x;
    c->last = x;
}

static struct job *take_idle(struct curl_transport *c)
{
    struct job *j = c->idle;
    if (j == NULL)
        return job_new();
    c->idle = j->next;
    c->idle_count--;
    return j;
}

static void give_back(struct curl_transport *c, struct job *j)
{
    job_release(j);
    if (c->idle_count == MAX_IDLE_JOBS) {
        job_free(j);
        return;
    }
    j->next = c->idle;
    c->idle = j;
    c->idle_count++;
}

/* Takes a job whose outcome is filled out of libcurl's hands. */
static void detach(struct curl_transport *c, struct job *j)
{
    curl_multi_remove_handle(c->multi, j->easy);
    if (j->next != NULL)
        j->next->previous = j->previous;
    if (j->previous != NULL)
        j->previous->next = j->next;
    else
        c->running = j->next;
    append_ended(c, j->transfer);
    give_back(c, j);
}

static void clear_response(struct transfer *x)
{
    struct response *r = &x->response;
    const struct http_options *c = x->request.http;
    buffer_clear(&r->headers);
    buffer_clear(&r->body);
    *r = (struct response){ .headers = r->headers, .body = r->body };
    r->headers.limit = c->max_headers;
    r->body.limit = c->max_body;
}

static void start(struct transport *t, struct transfer *x)
{
    struct curl_transport *c = self(t);
    clear_response(x);
    const char *fault = request_fault(&x->request);
    if (fault != NULL) {
        response_refuse(&x->response, FAULT_REFUSED, fault);
        append_ended(c, x);
        return;
    }
    struct job *j = take_idle(c);
    if (j == NULL) {
        response_refuse(&x->response, FAULT_MEMORY, "out of memory");
        append_ended(c, x);
        return;
    }
    if (!job_prepare(j, x)) {
        give_back(c, j);
        append_ended(c, x);
        return;
    }
    CURLMcode code = curl_multi_add_handle(c->multi, j->easy);
    if (code != CURLM_OK) {
        response_refuse(&x->response, FAULT_MEMORY, curl_multi_strerror(code));
        give_back(c, j);
        append_ended(c, x);
        return;
    }
    x->private_ = j;
    j->previous = NULL;
    j->next = c->running;
    if (j->next != NULL)
        j->next->previous = j;
    c->running = j;
}

static void cancel(struct transport *t, struct transfer *x)
{
    struct job *j = x->private_;
    if (j == NULL)
        return; /* it has ended already */
    job_end_cancelled(j);
    detach(self(t), j);
}

static void collect(struct curl_transport *c)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(c->multi, &left)) != NULL) {
        /* The message does not outlive the handle's removal. */
        CURLcode code = message->data.result;
        char *job = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &job);
        struct job *j = (struct job *)(void *)job;
        job_end(j, code);
        detach(c, j);
    }
}

static int errno_of(CURLMcode code)
{
    return code == CURLM_OK ? 0 : code == CURLM_OUT_OF_MEMORY ? ENOMEM : EIO;
}

static int wait(struct transport *t, double seconds)
{
    struct curl_transport *c = self(t);
    double end = seconds > 0 ? now() + seconds : 0;
    for (;;) {
        int running;
        CURLMcode code = curl_multi_perform(c->multi, &running);
        collect(c);
        if (code != CURLM_OK)
            return errno_of(code);
        if (c->first != NULL || atomic_exchange(&c->woken, false))
            return 0;
        double left = seconds > 0 ? end - now() : seconds;
        if (seconds >= 0 && left <= 0)
            return 0;
        int milliseconds = INT_MAX;
        if (seconds >= 0 && left < INT_MAX / 1000)
            milliseconds = (int)(left * 1000) + 1;
        code = curl_multi_poll(c->multi, NULL, 0, milliseconds, NULL);
        if (code != CURLM_OK)
            return errno_of(code);
    }
}

static void wake(struct transport *t)
{
    int saved = errno; /* of the code that a signal interrupted */
    atomic_store(&self(t)->woken, true);
    curl_multi_wakeup(self(t)->multi);
    errno = saved;
}

static struct transfer *take(struct transport *t)
{
    struct curl_transport *c = self(t);
    struct transfer *x = c->first;
    if (x == NULL)
        return NULL;
    c->first = x->next;
    if (c->first == NULL)
        c->last = NULL;
    x->next = NULL;
    return x;
}

static void free_transport(struct transport *t)
{
    struct curl_transport *c = self(t);
    while (c->running != NULL)
        cancel(t, c->running->transfer);
    while (take(t) != NULL)
        ;
    for (struct job *j = c->idle, *next; j != NULL; j = next) {
        next = j->next;
        job_free(j);
    }
    curl_multi_cleanup(c->multi);
    free(c);
}

static void do_nothing(int signal_number)
{
    (void)signal_number;
}

/* NULL, or what is missing. */
static const char *initialise(void)
{
    static bool done;
    if (done)
        return NULL;
    /* libcurl would write the keys of every session to the file of this name. */
    unsetenv("SSLKEYLOGFILE");
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return "libcurl cannot be initialised";
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    if (info->version_num < 0x075600)
        return "libcurl is older than 7.86";
    if (!(info->features & CURL_VERSION_SSL))
        return "libcurl was built without TLS";
    if (!(info->features & CURL_VERSION_ASYNCHDNS))
        return "libcurl was built without a resolver that can time out";
    /* A dead connection shall be an error, not the end. A handler instead of
     * SIG_IGN, which the programs that scripts run would inherit. */
    struct sigaction old, quiet = { .sa_handler = do_nothing, .sa_flags = SA_RESTART };
    sigemptyset(&quiet.sa_mask);
    if (sigaction(SIGPIPE, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
        sigaction(SIGPIPE, &quiet, NULL);
    done = true;
    return NULL;
}

struct transport *transport_curl(const char **why)
{
    *why = initialise();
    if (*why != NULL)
        return NULL;
    struct curl_transport *c = calloc(1, sizeof *c);
    CURLM *multi = curl_multi_init();
    if (c == NULL || multi == NULL ||
        curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)MAX_IDLE_CONNECTIONS) != CURLM_OK) {
        curl_multi_cleanup(multi);
        free(c);
        *why = "out of memory";
        return NULL;
    }
    c->table = (struct transport){ .start = start, .cancel = cancel, .wait = wait, .wake = wake,
                                   .take = take, .free = free_transport };
    c->multi = multi;
    atomic_init(&c->woken, false);
    return &c->table;
}

const char *transport_version(void)
{
    return curl_version();
}
