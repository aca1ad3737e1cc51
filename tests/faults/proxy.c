/* proxy: stands between a client and `kelp sim` and does to connections and requests what it is
 * told (fault.h); loopback only.
 *
 *   proxy [--upstream PORT] [--record FILE] [--closed SECONDS | --full]
 *
 * --closed: refuses connections for so long (negative: always); --full: answers no connection at
 * all. The first line of output is the port. Commands come on standard input, whose end ends it:
 *
 *   fault … end, connection … end   see fault.h
 *   ask METHOD TARGET [BODY]        asks the upstream itself: "STATUS SIZE", the body, a newline
 *   report                          the requests so far (visit.h), then "end" */
#define _GNU_SOURCE
#include "fault.h"
#include "visit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct door {
    struct proxy proxy;
    int fd;
    double closed;
};

static void *accept_all(void *data)
{
    struct door *d = data;
    if (d->closed > 0)
        wire_sleep(d->closed);
    if (listen(d->fd, 1024) < 0)
        wire_fail("listen");
    for (;;) {
        int fd = accept4(d->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            visit_start(&d->proxy, fd);
        else if (errno != EINTR && errno != ECONNABORTED)
            wire_fail("accept");
    }
    return NULL;
}

/* Fills the queue of connections until the kernel lets the next one hang. */
static void fill_queue(int fd, int port)
{
    if (listen(fd, 0) < 0)
        wire_fail("listen");
    for (int i = 0; i < 64; i++) {
        struct sockaddr_storage a;
        socklen_t size = sizeof a;
        int one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (one < 0 || getsockname(fd, (struct sockaddr *)&a, &size) < 0)
            wire_fail("socket");
        if (connect(one, (struct sockaddr *)&a, size) < 0 && errno == EINPROGRESS) {
            struct pollfd p = { .fd = one, .events = POLLOUT };
            if (poll(&p, 1, 200) == 0)
                return;
        }
    }
    fprintf(stderr, "proxy: port %d still answers\n", port);
    exit(4);
}

static void ask(struct proxy *p, const char *text)
{
    struct message asked = { .head = { .data = NULL } }, answer = { .head = { .data = NULL } };
    int method = (int)strcspn(text, " "), end = method + 1 + (int)strcspn(text + method + 1, " ");
    text_add_string(&asked.body, text[end] != '\0' ? text + end + 1 : "");
    text_print(&asked.head, "%.*s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n", end,
               text, asked.body.size);
    if (!wire_ask(p->upstream, &asked, &answer))
        wire_fail("ask");
    printf("%.3s %zu\n", answer.head.data + strlen("HTTP/1.1 "), answer.body.size);
    fwrite(answer.body.data, 1, answer.body.size, stdout);
    putchar('\n');
    message_free(&asked);
    message_free(&answer);
}

static void obey(struct proxy *p, char *line)
{
    if (strcmp(line, "report") == 0) {
        visit_report(stdout);
        puts("end");
    } else if (strncmp(line, "ask ", 4) == 0) {
        ask(p, line + 4);
    } else {
        visit_add_fault(p, fault_read(line));
        puts("ready");
    }
    if (fflush(stdout) != 0)
        wire_fail("standard output");
}

int main(int argc, char **argv)
{
    struct door d = { .closed = 0 };
    bool full = false;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--full") == 0) {
            full = true;
            continue;
        }
        if (strcmp(argv[i], "--upstream") == 0)
            d.proxy.upstream = atoi(value);
        else if (strcmp(argv[i], "--closed") == 0)
            d.closed = strtod(value, NULL);
        else if (strcmp(argv[i], "--record") == 0)
            d.proxy.record = fopen(value, "wb");
        else
            return fprintf(stderr, "proxy: no such option: %s\n", argv[i]), 2;
        if (strcmp(argv[i], "--record") == 0 && d.proxy.record == NULL)
            wire_fail(value);
        i++;
    }
    signal(SIGPIPE, SIG_IGN);
    int port;
    d.fd = wire_bind(&port);
    pthread_t thread;
    if (full)
        fill_queue(d.fd, port);
    else if (d.closed >= 0 && pthread_create(&thread, NULL, accept_all, &d) != 0)
        wire_fail("thread");
    printf("%d\n", port);
    fflush(stdout);
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    while ((size = getline(&line, &room, stdin)) > 0) {
        line[size - 1] = '\0';
        obey(&d.proxy, line);
    }
    _exit(0);
}
