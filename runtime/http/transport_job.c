#include "http/transport_job.h"

#include "secret/secret.h"
#include "base/text.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Seconds for which an idle connection is used again: for any request, and for
 * one that must not arrive twice. */
enum { IDLE_AT_MOST = 30, FRESH_ENOUGH = 2 };

/* Bodies from here on are sent with libcurl's wait for "100 Continue" taken away;
 * it waits from 1 MiB on. */
enum { LARGE_BODY = 512 * 1024 };

#ifdef KELP_VERSION
#define USER_AGENT "kelp/" KELP_VERSION
#else
#define USER_AGENT "kelp"
#endif

static const double default_stall_timeout = 30;

/* libcurl's list of header lines is not const, though it only reads them. A name
 * with nothing behind the colon takes libcurl's own line away: it would wait a
 * second for "100 Continue" before a large body, and call a body a form. */
static char no_expect[] = "Expect:";
static char no_content_type[] = "Content-Type:";
static char json_content_type[] = "Content-Type: application/json";
static char json_accept[] = "Accept: application/json";
/* A line instead of the option, of which libcurl would make the line each time. */
static char user_agent[] = "User-Agent: " USER_AGENT;

struct job *job_new(void)
{
    struct job *j = calloc(1, sizeof *j);
    if (j == NULL)
        return NULL;
    buffer_init(&j->authorization, SIZE_MAX);
    buffer_init(&j->origin, SIZE_MAX);
    j->easy = curl_easy_init();
    j->url = curl_url();
    if (j->easy == NULL || j->url == NULL) {
        job_free(j);
        return NULL;
    }
    return j;
}

void job_free(struct job *j)
{
    curl_easy_cleanup(j->easy);
    curl_url_cleanup(j->url);
    buffer_wipe(&j->authorization);
    buffer_free(&j->origin);
    free(j);
}

void job_release(struct job *j)
{
    /* Also because leftovers of one request have changed the next one in several
     * versions of libcurl. Connections are the multi handle's and stay. */
    curl_easy_reset(j->easy);
    buffer_wipe(&j->authorization);
    j->transfer = NULL;
}

/* Callbacks only count and copy bytes, or end the transfer by a short return. */

static size_t stop(struct job *j, enum fault fault)
{
    j->fault = fault;
    return 0;
}

static size_t collect(struct job *j, struct buffer *into, const char *bytes, size_t size)
{
    if (buffer_add(into, bytes, size))
        return size;
    return stop(j, size > into->limit - into->size ? FAULT_TOO_LARGE : FAULT_MEMORY);
}

/* Room for the body as its server announces it, so that it need not move while it grows.
 * It may lie, or count compressed bytes: the limit is the buffer's all the same. */
static void make_room(struct job *j)
{
    struct buffer *body = &j->transfer->response.body;
    curl_off_t length = -1;
    if (curl_easy_getinfo(j->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length) == CURLE_OK &&
        length > 0 && (uint64_t)length <= body->limit)
        buffer_reserve(body, (size_t)length);
}

static size_t on_body(char *bytes, size_t one, size_t size, void *data)
{
    (void)one;
    struct job *j = data;
    if (j->transfer->response.body.size == 0)
        make_room(j);
    size_t taken = collect(j, &j->transfer->response.body, bytes, size);
    /* Zero is also what a callback returns for no bytes at all. */
    return j->fault == FAULT_NONE ? taken : CURL_WRITEFUNC_ERROR;
}

/* "HTTP/1.1 200 OK" -> 200. */
static long parse_status(const char *line, size_t size)
{
    const char *blank = memchr(line, ' ', size);
    long status = 0;
    for (const char *c = blank; c != NULL && ++c < line + size && *c >= '0' && *c <= '9';)
        status = status < 1000 ? status * 10 + (*c - '0') : status;
    return status;
}

/* From here on bytes must keep coming. Not earlier: a server may take as long as
 * the request's timeout allows to think about its response. */
static void limit_stalls(struct job *j)
{
    double seconds = j->transfer->request.http->stall_timeout;
    if (!(seconds > 0))
        seconds = default_stall_timeout;
    curl_easy_setopt(j->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(j->easy, CURLOPT_LOW_SPEED_TIME,
                     seconds < INT_MAX ? (long)(seconds + 0.999) : INT_MAX);
}

/* True when a Content-Length contradicts an earlier one of the same block: no
 * one can say where such a response ends. */
static bool contradicts(struct job *j, const char *line, size_t size)
{
    static const char name[] = "Content-Length";
    size_t name_size = sizeof name - 1;
    struct buffer *headers = &j->transfer->response.headers;
    if (size <= name_size || line[name_size] != ':' ||
        !text_equals_word(line, name_size, name))
        return false;
    const char *value = line + name_size + 1, *end = line + size;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    if (j->length_size == 0) {
        j->length_at = headers->size + (size_t)(value - line);
        j->length_size = (size_t)(end - value);
        return false;
    }
    return j->length_size != (size_t)(end - value) ||
           memcmp(headers->data + j->length_at, value, j->length_size) != 0;
}

/* Keeps the header lines of the last block; 1xx blocks before it and trailers
 * after it are counted and dropped. */
static size_t on_header(char *line, size_t one, size_t size, void *data)
{
    (void)one;
    struct job *j = data;
    struct response *r = &j->transfer->response;
    j->header_bytes += size;
    if (j->header_bytes > j->transfer->request.http->max_headers)
        return stop(j, FAULT_TOO_LARGE);
    if (j->complete)
        return size;
    size_t kept = size;
    while (kept > 0 && (line[kept - 1] == '\n' || line[kept - 1] == '\r'))
        kept--;
    if (kept == 0) {
        j->complete = j->status >= 200;
    } else if (j->status < 200 && kept > 5 && memcmp(line, "HTTP/", 5) == 0) {
        buffer_clear(&r->headers);
        j->length_size = 0;
        j->status = parse_status(line, kept);
        if (j->status >= 200)
            limit_stalls(j);
    } else if (contradicts(j, line, kept)) {
        return stop(j, FAULT_PROTOCOL);
    } else if (collect(j, &r->headers, line, kept) == 0 ||
               collect(j, &r->headers, "\n", 1) == 0) {
        return 0;
    }
    return size;
}

/* libcurl calls this before each sending of a request: also before it repeats one
 * by itself, because a connection that had served before died without a response.
 * This is where that is stopped. The other ways known (a body that cannot be
 * rewound, a fresh connection) let through a request of which only the headers had
 * left, and one that HTTP/2 refused. */
static int on_request(void *data, char *remote, char *local, int remote_port, int local_port)
{
    (void)remote;
    (void)local;
    (void)remote_port;
    (void)local_port;
    struct job *j = data;
    if (j->begun && !j->transfer->request.repeatable)
        return CURL_PREREQFUNC_ABORT;
    j->begun = true;
    return CURL_PREREQFUNC_OK;
}

/* As libcurl does by itself, but not inherited by the programs that scripts run. */
static curl_socket_t on_open(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct job *j = data;
    (void)purpose;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    j->starved = fd < 0 && (errno == EMFILE || errno == ENFILE);
    return fd;
}

static void note(struct job *j, CURLcode code)
{
    if (j->setup == CURLE_OK)
        j->setup = code;
}

static void set_long(struct job *j, CURLoption option, long value)
{
    note(j, curl_easy_setopt(j->easy, option, value));
}

static void set_text(struct job *j, CURLoption option, const char *value)
{
    note(j, curl_easy_setopt(j->easy, option, value));
}

static void set_milliseconds(struct job *j, CURLoption option, double seconds)
{
    if (seconds > 0)
        set_long(j, option, seconds < INT_MAX / 1000 ? (long)(seconds * 1000 + 0.999) : INT_MAX);
}

/* The options of every request, libcurl's defaults included where a promise
 * rests on them. */
static void set_profile(struct job *j)
{
    static const struct {
        CURLoption option;
        long value;
    } numbers[] = {
        { CURLOPT_FOLLOWLOCATION, 0 },
        { CURLOPT_UNRESTRICTED_AUTH, 0 },
        { CURLOPT_NETRC, CURL_NETRC_IGNORED },
        { CURLOPT_SSL_VERIFYPEER, 1 },
        { CURLOPT_SSL_VERIFYHOST, 2 },
        { CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
        { CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS },
        { CURLOPT_HTTP09_ALLOWED, 0 },
        { CURLOPT_PATH_AS_IS, 1 },
        { CURLOPT_PIPEWAIT, 0 },
        { CURLOPT_MAXAGE_CONN, IDLE_AT_MOST },
        { CURLOPT_NOSIGNAL, 1 },
        { CURLOPT_QUICK_EXIT, 1 }, /* a cancel does not wait for a hanging resolver */
        { CURLOPT_SUPPRESS_CONNECT_HEADERS, 1 },
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        set_long(j, numbers[i].option, numbers[i].value);
    set_text(j, CURLOPT_PROTOCOLS_STR, "http,https");
    note(j, curl_easy_setopt(j->easy, CURLOPT_OPENSOCKETFUNCTION, on_open));
    note(j, curl_easy_setopt(j->easy, CURLOPT_OPENSOCKETDATA, j));
    note(j, curl_easy_setopt(j->easy, CURLOPT_PREREQFUNCTION, on_request));
    note(j, curl_easy_setopt(j->easy, CURLOPT_PREREQDATA, j));
    note(j, curl_easy_setopt(j->easy, CURLOPT_WRITEFUNCTION, on_body));
    note(j, curl_easy_setopt(j->easy, CURLOPT_WRITEDATA, j));
    note(j, curl_easy_setopt(j->easy, CURLOPT_HEADERFUNCTION, on_header));
    note(j, curl_easy_setopt(j->easy, CURLOPT_HEADERDATA, j));
    note(j, curl_easy_setopt(j->easy, CURLOPT_ERRORBUFFER, j->error));
    note(j, curl_easy_setopt(j->easy, CURLOPT_PRIVATE, j));
}

/* Empty texts keep libcurl from asking the
 * environment; what stays on this machine never goes through a proxy. */
static void set_options(struct job *j, const struct http_options *c)
{
    set_text(j, CURLOPT_PROXY, c->proxy != NULL ? c->proxy : "");
    set_text(j, CURLOPT_NOPROXY, "localhost,127.0.0.0/8,::1");
    if (c->ca_file != NULL)
        set_text(j, CURLOPT_CAINFO, c->ca_file);
    if (c->cert_file != NULL) {
        set_text(j, CURLOPT_SSLCERT, c->cert_file);
        set_text(j, CURLOPT_SSLKEY, c->key_file != NULL ? c->key_file : c->cert_file);
        if (c->key_password != NULL)
            set_text(j, CURLOPT_KEYPASSWD, secret_bytes(c->key_password));
    }
    set_milliseconds(j, CURLOPT_CONNECTTIMEOUT_MS, c->connect_timeout);
}

static void add_header(struct job *j, char *line)
{
    struct curl_slist *entry = &j->headers[j->header_lines];
    *entry = (struct curl_slist){ .data = line };
    if (j->header_lines++ > 0)
        entry[-1].next = entry;
}

static bool add_credential(struct buffer *out, const struct http_options *c)
{
    const char *bytes = secret_bytes(c->password);
    size_t size = secret_size(c->password);
    if (c->authentication == AUTH_BEARER)
        return buffer_add_text(out, "Authorization: Bearer ") && buffer_add(out, bytes, size);
    struct buffer pair;
    buffer_init(&pair, SIZE_MAX);
    bool done = buffer_add_text(&pair, c->user) && buffer_add_char(&pair, ':') &&
                buffer_add(&pair, bytes, size) &&
                buffer_add_text(out, "Authorization: Basic ") &&
                text_add_base64(out, pair.data, pair.size);
    buffer_wipe(&pair);
    return done;
}

static void set_headers(struct job *j, const struct request *r, bool sends)
{
    j->header_lines = 0;
    add_header(j, user_agent);
    add_header(j, json_accept);
    if (r->has_body)
        add_header(j, json_content_type);
    else if (sends)
        add_header(j, no_content_type);
    if (r->has_body && r->body.size >= LARGE_BODY)
        add_header(j, no_expect);
    if (r->http->authentication != AUTH_NONE) {
        if (add_credential(&j->authorization, r->http))
            add_header(j, j->authorization.data);
        else
            note(j, CURLE_OUT_OF_MEMORY);
    }
    note(j, curl_easy_setopt(j->easy, CURLOPT_HTTPHEADER, j->headers));
}

static bool has_method(const struct request *r, const char *method)
{
    return strcmp(r->method, method) == 0;
}

static void set_method(struct job *j, const struct request *r, bool sends)
{
    const struct buffer *body = &r->body;
    size_t size = r->has_body ? body->size : 0;
    if (!sends) {
        set_long(j, has_method(r, "HEAD") ? CURLOPT_NOBODY : CURLOPT_HTTPGET, 1);
    } else {
        set_long(j, CURLOPT_POST, 1);
        note(j, curl_easy_setopt(j->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size));
        set_text(j, CURLOPT_POSTFIELDS, size > 0 ? body->data : ""); /* not copied */
    }
    /* A request that may be sent once only and has no body (a restart) leaves nothing
     * to look up afterwards: it does not risk a connection that has gone stale. */
    if (!r->repeatable && size == 0)
        set_long(j, CURLOPT_FRESH_CONNECT, 1);
    /* Nor does one with a body: libcurl does not notice that an idle TLS
     * connection was closed, and finding out what became of it takes long. */
    else if (!r->repeatable)
        set_long(j, CURLOPT_MAXAGE_CONN, FRESH_ENOUGH);
    if (!has_method(r, sends ? "POST" : "GET") && !has_method(r, "HEAD"))
        set_text(j, CURLOPT_CUSTOMREQUEST, r->method);
}

/* Takes the URL apart. Most go to where the last one went, and a path that has
 * neither a query nor anything encoded (whose spelling libcurl would change) can
 * then be put in as it is. */
static CURLUcode parse_url(struct job *j, const struct buffer *url)
{
    struct buffer *o = &j->origin;
    const char *path = url->data + o->size;
    if (o->size > 0 && url->size > o->size && memcmp(url->data, o->data, o->size) == 0 &&
        *path == '/' && strpbrk(path, "%?#") == NULL)
        return curl_url_set(j->url, CURLUPART_PATH, path, 0);
    buffer_clear(o);
    CURLUcode code = curl_url_set(j->url, CURLUPART_URL, url->data, CURLU_PATH_AS_IS);
    const char *authority = strstr(url->data, "://");
    if (code != CURLUE_OK || authority == NULL || strpbrk(authority, "?#") != NULL)
        return code;
    size_t size = (size_t)(authority - url->data) + 3;
    size += strcspn(url->data + size, "/");
    return buffer_add(o, url->data, size) ? CURLUE_OK : CURLUE_OUT_OF_MEMORY;
}

/* libcurl would take the URL apart and put it together again, character by
 * character, before each request; what is taken apart already it uses as it is.
 * The text goes along: it is what libcurl 7.88 calls the URL, so that it does
 * not put one together for that either. */
static void set_url(struct job *j, const struct buffer *url)
{
    CURLUcode code = parse_url(j, url);
    if (code != CURLUE_OK)
        note(j, code == CURLUE_OUT_OF_MEMORY ? CURLE_OUT_OF_MEMORY : CURLE_URL_MALFORMAT);
    set_text(j, CURLOPT_URL, url->data);
    note(j, curl_easy_setopt(j->easy, CURLOPT_CURLU, j->url));
}

bool job_prepare(struct job *j, struct transfer *x)
{
    const struct request *r = &x->request;
    j->transfer = x;
    j->header_bytes = j->length_size = 0;
    j->status = 0;
    j->begun = j->complete = j->starved = false;
    j->fault = FAULT_NONE;
    j->setup = CURLE_OK;
    j->error[0] = '\0';
    set_profile(j);
    set_options(j, r->http);
    bool sends = r->has_body || has_method(r, "POST") || has_method(r, "PUT") || has_method(r, "PATCH");
    set_headers(j, r, sends);
    set_method(j, r, sends);
    set_url(j, &r->url);
    set_milliseconds(j, CURLOPT_TIMEOUT_MS, r->timeout);
    if (j->setup == CURLE_OK)
        return true;
    response_refuse(&x->response, j->setup == CURLE_OUT_OF_MEMORY ? FAULT_MEMORY : FAULT_REFUSED,
                 curl_easy_strerror(j->setup));
    return false;
}
