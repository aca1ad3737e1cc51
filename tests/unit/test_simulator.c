/* The simulator as a server: real HTTP over plain sockets, delayed responses, the
 * state file. What the models answer is tested in tests/lua/simulator_models.lua, `kelp sim` in
 * tests/lua/sim.lua. */
#define _GNU_SOURCE
#include "providers/provider.h"
#include "simulator/simulator.h"

#include "base/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONNECTORS "/confluent/connect/v1/environments/env-sim/clusters/lkc-sim/connectors"
/* someone:not-a-real-password */
#define AUTHORIZATION "Authorization: Basic c29tZW9uZTpub3QtYS1yZWFsLXBhc3N3b3Jk\r\n"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct simulator *start(const struct simulator_options *o)
{
    char *why = NULL;
    struct simulator *s = simulator_start(o, &why);
    if (s == NULL)
        fail_msg("simulator_start: %s", why);
    return s;
}

static void stop(struct simulator *s)
{
    char *why = NULL;
    if (!simulator_stop(s, &why))
        fail_msg("simulator_stop: %s", why);
}

static int connect_to(const char *url)
{
    const char *colon = strrchr(url, ':');
    assert_non_null(colon);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)atoi(colon + 1)) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct timeval patience = { .tv_sec = 20 };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void send_bytes(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);
        assert_true(n > 0);
        bytes += n;
        size -= (size_t)n;
    }
}

static void send_request(int fd, const char *method, const char *path, const char *body)
{
    char *text = NULL;
    int size = asprintf(&text,
                        "%s %s HTTP/1.1\r\nHost: localhost\r\n" AUTHORIZATION
                        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                        method, path, strlen(body), body);
    assert_true(size > 0);
    send_bytes(fd, text, (size_t)size);
    free(text);
}

/* Reads one response with a Content-Length into `response`, whole; returns its status
 * and points *body into it. */
static int receive(int fd, struct buffer *response, const char **body)
{
    buffer_clear(response);
    const char *end = NULL;
    size_t wanted = 0;
    while (end == NULL || response->size < wanted) {
        char piece[16384];
        ssize_t n = recv(fd, piece, sizeof piece, 0);
        if (n <= 0)
            fail_msg("the connection ended after %zu bytes: %s", response->size, buffer_text(response));
        assert_true(buffer_add(response, piece, (size_t)n));
        end = strstr(buffer_text(response), "\r\n\r\n");
        if (end == NULL)
            continue;
        const char *length = strcasestr(buffer_text(response), "\r\nContent-Length:");
        assert_non_null(length);
        wanted = (size_t)(end + 4 - buffer_text(response)) + strtoul(length + 17, NULL, 10);
    }
    assert_int_equal(response->size, wanted);
    *body = end + 4;
    return atoi(buffer_text(response) + strlen("HTTP/1.1 "));
}

static int call(int fd, const char *method, const char *path, const char *body,
                struct buffer *response, const char **answer)
{
    send_request(fd, method, path, body);
    return receive(fd, response, answer);
}

static void test_serves_on_a_kept_connection(void **state)
{
    (void)state;
    struct simulator_options o;
    simulator_defaults(&o, provider_simulations());
    struct simulator *s = start(&o);
    assert_true(strncmp(simulator_url(s), "http://127.0.0.1:", 17) == 0);
    int fd = connect_to(simulator_url(s));
    struct buffer response;
    buffer_init(&response, 1 << 20);
    const char *body = NULL;
    assert_int_equal(call(fd, "GET", CONNECTORS, "", &response, &body), 200);
    assert_non_null(strstr(body, "\"orders-to-s3\""));
    assert_non_null(strcasestr(buffer_text(&response), "\r\nX-Request-Id: "));
    assert_int_equal(call(fd, "GET", CONNECTORS "?expand=info,status,id", "", &response, &body), 200);
    assert_int_equal(body[0], '{');
    /* The path arrives as it was sent: %2F is part of the name. */
    assert_int_equal(call(fd, "PUT", CONNECTORS "/a%2Fb%20c/config",
                          "{\"connector.class\":\"S3_SINK\",\"name\":\"a/b c\","
                          "\"kafka.api.key\":\"K\",\"kafka.api.secret\":\"not-a-real-secret\"}",
                          &response, &body), 200);
    assert_non_null(strstr(body, "\"name\":\"a/b c\""));
    assert_int_equal(call(fd, "PUT", CONNECTORS "/orders-to-s3/pause", "", &response, &body), 202);
    assert_int_equal(call(fd, "GET", "/nowhere", "", &response, &body), 404);
    assert_int_equal(call(fd, "GET", "/_simulator/effects", "", &response, &body), 200);
    assert_non_null(strstr(body, "\"seq\":2"));
    assert_null(strstr(body, "\"seq\":3"));
    close(fd);
    buffer_free(&response);
    stop(s);
}

static void test_answers_at_once(void **state)
{
    (void)state;
    struct simulator_options o;
    simulator_defaults(&o, provider_simulations());
    struct simulator *s = start(&o);
    int fd = connect_to(simulator_url(s));
    struct buffer response;
    buffer_init(&response, 1 << 20);
    const char *body = NULL;
    double best = 1;
    for (int i = 0; i < 50; i++) {
        double before = now();
        assert_int_equal(call(fd, "GET", CONNECTORS "/orders-to-s3/status", "", &response, &body),
                         200);
        double took = now() - before;
        best = took < best ? took : best;
    }
    /* A held-back packet (Nagle, delayed acknowledgement) would cost 40 ms. */
    assert_true(best < 0.005);
    close(fd);
    buffer_free(&response);
    stop(s);
}

static void test_delayed_replies_do_not_wait_for_each_other(void **state)
{
    (void)state;
    enum { CONNECTIONS = 20 };
    struct simulator_options o;
    simulator_defaults(&o, provider_simulations());
    o.latency = 0.2;
    struct simulator *s = start(&o);
    int fds[CONNECTIONS];
    double before = now();
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = connect_to(simulator_url(s));
        send_request(fds[i], "GET", CONNECTORS, "");
    }
    struct buffer response;
    buffer_init(&response, 1 << 20);
    const char *body = NULL;
    for (int i = 0; i < CONNECTIONS; i++) {
        assert_int_equal(receive(fds[i], &response, &body), 200);
        assert_true(now() - before >= o.latency);
        close(fds[i]);
    }
    assert_true(now() - before < CONNECTIONS * o.latency / 2);
    buffer_free(&response);
    stop(s);
}

static in_port_t port_of(int fd, int (*get)(int, struct sockaddr *, socklen_t *))
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    assert_int_equal(get(fd, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

/* Waits until the other end, which is in this process, has read what was sent. */
static void wait_until_read(int fd)
{
    unsigned ours = port_of(fd, getsockname), theirs = port_of(fd, getpeername);
    double deadline = now() + 20;
    for (bool unread = true; unread && now() < deadline; sched_yield()) {
        FILE *table = fopen("/proc/net/tcp", "re");
        assert_non_null(table);
        char line[512];
        while (fgets(line, sizeof line, table) != NULL) {
            unsigned local = 0, remote = 0, waiting = 0;
            if (sscanf(line, " %*d: %*x:%x %*x:%x %*x %*x:%x", &local, &remote, &waiting) == 3
                && local == theirs && remote == ours)
                unread = waiting != 0;
        }
        fclose(table);
    }
}

static void test_stops_with_replies_still_held_back(void **state)
{
    (void)state;
    struct simulator_options o;
    simulator_defaults(&o, provider_simulations());
    o.latency = 60;
    struct simulator *s = start(&o);
    int held = connect_to(simulator_url(s)), gone = connect_to(simulator_url(s));
    int half = connect_to(simulator_url(s));
    send_request(held, "GET", CONNECTORS, "");
    send_request(gone, "GET", CONNECTORS, "");
    wait_until_read(held);
    wait_until_read(gone);
    close(gone);
    static const char start_of_one[] = "POST " CONNECTORS " HTTP/1.1\r\nHost: x\r\nContent-Len";
    send_bytes(half, start_of_one, sizeof start_of_one - 1);
    double before = now();
    stop(s);
    assert_true(now() - before < 10);
    close(held);
    close(half);
}

static void test_a_request_that_is_not_http_ends_only_its_connection(void **state)
{
    (void)state;
    struct simulator_options o;
    simulator_defaults(&o, provider_simulations());
    struct simulator *s = start(&o);
    int fd = connect_to(simulator_url(s));
    send_bytes(fd, "\1\2\3 nonsense\r\n\r\n", 16);
    char ignored[4096];
    while (recv(fd, ignored, sizeof ignored, 0) > 0)
        continue;
    close(fd);
    fd = connect_to(simulator_url(s));
    struct buffer response;
    buffer_init(&response, 1 << 20);
    const char *body = NULL;
    assert_int_equal(call(fd, "GET", CONNECTORS, "", &response, &body), 200);
    close(fd);
    buffer_free(&response);
    stop(s);
}

static void test_too_large_a_body_is_refused(void **state)
{
    (void)state;
    struct simulator_options o;
    simulator_defaults(&o, provider_simulations());
    struct simulator *s = start(&o);
    int fd = connect_to(simulator_url(s));
    size_t size = (size_t)64 * 1024 * 1024 + 1;
    char *head = NULL;
    int head_size = asprintf(&head,
                             "POST " CONNECTORS " HTTP/1.1\r\nHost: x\r\n" AUTHORIZATION
                             "Content-Length: %zu\r\n\r\n", size);
    send_bytes(fd, head, (size_t)head_size);
    free(head);
    char piece[65536];
    memset(piece, ' ', sizeof piece);
    while (size > 0) {
        size_t n = size < sizeof piece ? size : sizeof piece;
        send_bytes(fd, piece, n);
        size -= n;
    }
    struct buffer response;
    buffer_init(&response, 1 << 20);
    const char *body = NULL;
    assert_int_equal(receive(fd, &response, &body), 413);
    close(fd);
    buffer_free(&response);
    stop(s);
}

struct folder {
    char path[64];
    char file[96];
};

static int make_folder(void **state)
{
    struct folder *f = calloc(1, sizeof *f);
    if (f == NULL)
        return -1;
    snprintf(f->path, sizeof f->path, "/tmp/kelp-test-XXXXXX");
    if (mkdtemp(f->path) == NULL)
        return -1;
    snprintf(f->file, sizeof f->file, "%s/state.json", f->path);
    *state = f;
    return 0;
}

static int remove_folder(void **state)
{
    struct folder *f = *state;
    unlink(f->file);
    int result = rmdir(f->path); /* fails when a temporary file was left behind */
    free(f);
    return result;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_the_state_is_saved_and_loaded(void **state)
{
    struct folder *f = *state;
    struct simulator_options o;
    simulator_defaults(&o, provider_simulations());
    o.state = f->file;
    o.provisioning = 0;
    struct buffer response;
    buffer_init(&response, 1 << 20);
    const char *body = NULL;

    struct simulator *s = start(&o); /* there is no such file yet */
    int fd = connect_to(simulator_url(s));
    assert_int_equal(call(fd, "DELETE", CONNECTORS "/orders-to-s3", "", &response, &body), 200);
    assert_string_equal(body, "{\"error\":null}");
    close(fd);
    stop(s);

    struct stat info;
    assert_int_equal(stat(f->file, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);

    s = start(&o);
    fd = connect_to(simulator_url(s));
    assert_int_equal(call(fd, "GET", CONNECTORS, "", &response, &body), 200);
    assert_null(strstr(body, "orders-to-s3"));
    assert_non_null(strstr(body, "search-index"));
    assert_int_equal(call(fd, "GET", "/_simulator/effects", "", &response, &body), 200);
    assert_non_null(strstr(body, "\"verb\":\"delete\",\"name\":\"orders-to-s3\""));
    close(fd);
    stop(s);
    buffer_free(&response);
}

static void test_a_wrong_state_file_is_an_error_and_stays(void **state)
{
    struct folder *f = *state;
    static const char *const wrong[] = { "{", "[]x", "{\"kafka\":{}}", "" };
    struct simulator_options o;
    simulator_defaults(&o, provider_simulations());
    o.state = f->file;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        write_file(f->file, wrong[i]);
        char *why = NULL;
        assert_null(simulator_start(&o, &why));
        assert_non_null(why);
        assert_non_null(strstr(why, f->file));
        free(why);
        struct stat info;
        assert_int_equal(stat(f->file, &info), 0);
        assert_int_equal((size_t)info.st_size, strlen(wrong[i]));
    }
}

static void test_a_state_that_cannot_be_saved_is_reported(void **state)
{
    (void)state;
    struct simulator_options o;
    simulator_defaults(&o, provider_simulations());
    o.state = "/proc/no-such-folder/state.json";
    struct simulator *s = start(&o);
    char *why = NULL;
    assert_false(simulator_stop(s, &why));
    assert_non_null(strstr(why, o.state));
    free(why);
}

static void test_a_port_in_use_is_an_error(void **state)
{
    (void)state;
    struct simulator_options o;
    simulator_defaults(&o, provider_simulations());
    struct simulator *s = start(&o);
    o.port = atoi(strrchr(simulator_url(s), ':') + 1);
    char *why = NULL;
    assert_null(simulator_start(&o, &why));
    assert_non_null(strstr(why, "127.0.0.1"));
    free(why);
    stop(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_serves_on_a_kept_connection),
        cmocka_unit_test(test_answers_at_once),
        cmocka_unit_test(test_delayed_replies_do_not_wait_for_each_other),
        cmocka_unit_test(test_stops_with_replies_still_held_back),
        cmocka_unit_test(test_a_request_that_is_not_http_ends_only_its_connection),
        cmocka_unit_test(test_too_large_a_body_is_refused),
        cmocka_unit_test_setup_teardown(test_the_state_is_saved_and_loaded, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_a_wrong_state_file_is_an_error_and_stays, make_folder,
                                        remove_folder),
        cmocka_unit_test(test_a_state_that_cannot_be_saved_is_reported),
        cmocka_unit_test(test_a_port_in_use_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
