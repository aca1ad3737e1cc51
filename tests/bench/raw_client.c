/* raw_client: the least that libcurl needs to do the same exchanges, the floor
 * under what any client built on it can cost. One multi handle, connections
 * kept, the same ready body to the same URL; responses are collected in memory and
 * not looked at.
 *
 *   raw_client URL OPERATIONS CONCURRENCY [BODY_FILE]
 *
 * POST when there is a body, else GET. Credentials: UPSTASH_EMAIL and
 * UPSTASH_API_KEY, as for the other clients. */
#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct slot {
    CURL *easy;
    char *response;
    size_t size, capacity;
};

struct job {
    const char *url;
    unsigned long operations, concurrency;
    char *body; /* NULL: GET */
    size_t body_size;
    struct curl_slist *headers;
};

static void fail(const char *what)
{
    fprintf(stderr, "raw_client: %s\n", what);
    exit(1);
}

static size_t on_body(char *bytes, size_t one, size_t size, void *data)
{
    (void)one;
    struct slot *s = data;
    if (s->size + size > s->capacity) {
        size_t capacity = 2 * (s->size + size);
        char *response = realloc(s->response, capacity);
        if (response == NULL)
            return 0;
        s->response = response;
        s->capacity = capacity;
    }
    memcpy(s->response + s->size, bytes, size);
    s->size += size;
    return size;
}

static void read_body(struct job *j, const char *path)
{
    FILE *f = fopen(path, "r");
    size_t room = 0;
    ssize_t size = f != NULL ? getdelim(&j->body, &room, '\0', f) : -1;
    if (size <= 0)
        fail("cannot read the body's file");
    fclose(f);
    while (size > 0 && j->body[size - 1] == '\n')
        size--;
    j->body_size = (size_t)size;
}

static void add_header(struct job *j, const char *line)
{
    struct curl_slist *headers = curl_slist_append(j->headers, line);
    if (headers == NULL)
        fail("out of memory");
    j->headers = headers;
}

static void set_up(struct slot *s, const struct job *j)
{
    s->easy = curl_easy_init();
    if (s->easy == NULL)
        fail("curl_easy_init");
    curl_easy_setopt(s->easy, CURLOPT_URL, j->url);
    curl_easy_setopt(s->easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    curl_easy_setopt(s->easy, CURLOPT_USERNAME, getenv("UPSTASH_EMAIL"));
    curl_easy_setopt(s->easy, CURLOPT_PASSWORD, getenv("UPSTASH_API_KEY"));
    curl_easy_setopt(s->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(s->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    if (getenv("BENCH_CA") != NULL)
        curl_easy_setopt(s->easy, CURLOPT_CAINFO, getenv("BENCH_CA"));
    curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, j->headers);
    curl_easy_setopt(s->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(s->easy, CURLOPT_WRITEDATA, s);
    curl_easy_setopt(s->easy, CURLOPT_PRIVATE, s);
    if (j->body != NULL) {
        curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, j->body);
        curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE, (long)j->body_size);
    }
}

static void start(CURLM *multi, struct slot *s)
{
    s->size = 0;
    if (curl_multi_add_handle(multi, s->easy) != CURLM_OK)
        fail("curl_multi_add_handle");
}

static void check(const struct slot *s, CURLcode code)
{
    long status = 0;
    curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK)
        fail(curl_easy_strerror(code));
    if (status != 200 || s->size == 0)
        fail("the response is not a 200 with a body");
}

static void run(CURLM *multi, const struct job *j, struct slot *slots)
{
    unsigned long started = 0, ended = 0;
    while (started < j->concurrency && started < j->operations)
        start(multi, &slots[started++]);
    while (ended < j->operations) {
        int running, left;
        bool fresh = false; /* what was just started is not worth waiting for */
        if (curl_multi_perform(multi, &running) != CURLM_OK)
            fail("curl_multi_perform");
        CURLMsg *m;
        while ((m = curl_multi_info_read(multi, &left)) != NULL) {
            CURLcode code = m->data.result;
            char *of = NULL;
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &of);
            struct slot *s = (struct slot *)(void *)of;
            check(s, code);
            curl_multi_remove_handle(multi, s->easy);
            ended++;
            if (started < j->operations) {
                start(multi, s);
                started++;
                fresh = true;
            }
        }
        if (!fresh && ended < j->operations &&
            curl_multi_poll(multi, NULL, 0, 10000, NULL) != CURLM_OK)
            fail("curl_multi_poll");
    }
}

int main(int argc, char **argv)
{
    struct job j = {0};
    if (argc == 4 || argc == 5) {
        j.url = argv[1];
        j.operations = strtoul(argv[2], NULL, 10);
        j.concurrency = strtoul(argv[3], NULL, 10);
    }
    if (j.operations == 0 || j.concurrency == 0 || j.concurrency > 1000) {
        fprintf(stderr, "usage: raw_client URL OPERATIONS CONCURRENCY [BODY_FILE]\n");
        return 2;
    }
    if (argc == 5)
        read_body(&j, argv[4]);
    add_header(&j, "Content-Type: application/json");
    add_header(&j, "Accept: application/json");
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        fail("curl_global_init");
    CURLM *multi = curl_multi_init();
    struct slot *slots = calloc(j.concurrency, sizeof *slots);
    if (multi == NULL || slots == NULL)
        fail("out of memory");
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)j.concurrency);
    for (unsigned long i = 0; i < j.concurrency; i++)
        set_up(&slots[i], &j);
    run(multi, &j, slots);
    for (unsigned long i = 0; i < j.concurrency; i++) {
        curl_easy_cleanup(slots[i].easy);
        free(slots[i].response);
    }
    free(slots);
    curl_multi_cleanup(multi);
    curl_slist_free_all(j.headers);
    free(j.body);
    curl_global_cleanup();
    return 0;
}
