#define _GNU_SOURCE
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

void wire_fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    _exit(3);
}

void text_add(struct text *t, const void *bytes, size_t size)
{
    if (t->room - t->size <= size) {
        size_t room = (t->room + size) * 2 + 64;
        t->data = realloc(t->data, room);
        if (t->data == NULL)
            wire_fail("memory");
        t->room = room;
    }
    if (size > 0)
        memcpy(t->data + t->size, bytes, size);
    t->size += size;
    t->data[t->size] = '\0';
}

void text_add_string(struct text *t, const char *string)
{
    text_add(t, string, strlen(string));
}

void text_print(struct text *t, const char *format, ...)
{
    char *line;
    va_list arguments;
    va_start(arguments, format);
    int size = vasprintf(&line, format, arguments);
    va_end(arguments);
    if (size < 0)
        wire_fail("memory");
    text_add(t, line, (size_t)size);
    free(line);
}

void text_cut(struct text *t, size_t from, size_t size)
{
    if (size == 0)
        return;
    memmove(t->data + from, t->data + from + size, t->size - from - size + 1);
    t->size -= size;
}

void text_free(struct text *t)
{
    free(t->data);
    *t = (struct text){ .data = NULL };
}

char *text_find(const struct text *t, size_t from, const char *needle)
{
    if (from >= t->size)
        return NULL;
    return memmem(t->data + from, t->size - from, needle, strlen(needle));
}

void text_add_unescaped(struct text *t, const char *string)
{
    static const char plain[] = "n\nr\rt\t\\\\";
    for (const char *c = string; *c != '\0'; c++) {
        const char *known = c[0] == '\\' && c[1] != '\0' ? strchr(plain, c[1]) : NULL;
        if (c[0] == '\\' && c[1] == 'x' && c[2] != '\0' && c[3] != '\0') {
            char digits[] = { c[2], c[3], '\0' };
            char byte = (char)strtol(digits, NULL, 16);
            text_add(t, &byte, 1);
            c += 3;
        } else if (c[0] == '\\' && c[1] == '0') {
            text_add(t, "", 1);
            c++;
        } else if (known != NULL && (known - plain) % 2 == 0) {
            text_add(t, known + 1, 1);
            c++;
        } else {
            text_add(t, c, 1);
        }
    }
}

double wire_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void wire_sleep(double seconds)
{
    struct timespec t = { .tv_sec = (time_t)seconds };
    t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        ;
}

static struct sockaddr_in loopback(int port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

int wire_bind(int *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = loopback(0);
    socklen_t size = sizeof a;
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, size) < 0 ||
        getsockname(fd, (struct sockaddr *)&a, &size) < 0)
        wire_fail("bind");
    *port = ntohs(a.sin_port);
    return fd;
}

int wire_connect(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    struct sockaddr_in a = loopback(port);
    if (fd < 0)
        wire_fail("socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    close(fd);
    return -1;
}

bool wire_write(int fd, const void *bytes, size_t size)
{
    const char *next = bytes;
    while (size > 0) {
        ssize_t n = send(fd, next, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        next += n;
        size -= (size_t)n;
    }
    return true;
}

bool stream_more(struct stream *s)
{
    char bytes[64 * 1024];
    ssize_t n;
    do {
        n = recv(s->fd, bytes, sizeof bytes, 0);
    } while (n < 0 && errno == EINTR);
    if (n <= 0)
        return false;
    text_add(&s->in, bytes, (size_t)n);
    if (s->record != NULL && (fwrite(bytes, 1, (size_t)n, s->record) != (size_t)n ||
                              fflush(s->record) != 0))
        wire_fail("record");
    return true;
}

void message_free(struct message *m)
{
    text_free(&m->head);
    text_free(&m->body);
}

bool stream_head(struct stream *s, struct message *m)
{
    const char *end;
    while ((end = text_find(&s->in, 0, "\r\n\r\n")) == NULL)
        if (!stream_more(s))
            return false;
    size_t size = (size_t)(end - s->in.data) + 2;
    text_add(&m->head, s->in.data, size);
    text_cut(&s->in, 0, size + 2);
    return true;
}

bool stream_body(struct stream *s, struct message *m, size_t limit)
{
    int digits;
    const char *value = head_value(&m->head, "Content-Length", &digits);
    size_t length = value != NULL ? strtoul(value, NULL, 10) : 0;
    if (limit > length)
        limit = length;
    while (m->body.size < limit) {
        if (s->in.size == 0 && !stream_more(s))
            return false;
        size_t wanted = limit - m->body.size, taken = s->in.size < wanted ? s->in.size : wanted;
        text_add(&m->body, s->in.data, taken);
        text_cut(&s->in, 0, taken);
    }
    return true;
}

/* Where the header line of that name starts; NULL when there is none. */
static char *find_line(const struct text *head, const char *name)
{
    size_t size = strlen(name);
    char *line = text_find(head, 0, "\r\n");
    while (line != NULL && line[2] != '\0') {
        line += 2;
        if (strncasecmp(line, name, size) == 0 && line[size] == ':')
            return line;
        line = strstr(line, "\r\n");
    }
    return NULL;
}

const char *head_value(const struct text *head, const char *name, int *size)
{
    const char *line = find_line(head, name);
    *size = -1;
    if (line == NULL)
        return NULL;
    line += strlen(name) + 1;
    line += strspn(line, " \t");
    *size = (int)strcspn(line, "\r");
    return line;
}

void head_remove(struct text *head, const char *name)
{
    char *line;
    while ((line = find_line(head, name)) != NULL)
        text_cut(head, (size_t)(line - head->data), (size_t)(strstr(line, "\r\n") + 2 - line));
}

bool wire_ask(int port, const struct message *request, struct message *answer)
{
    struct stream s = { .fd = wire_connect(port) };
    if (s.fd < 0)
        return false;
    struct text head = { .data = NULL };
    text_add(&head, request->head.data, request->head.size);
    head_remove(&head, "Connection");
    text_add_string(&head, "Connection: close\r\n\r\n");
    bool done = wire_write(s.fd, head.data, head.size) &&
                wire_write(s.fd, request->body.data, request->body.size) &&
                stream_head(&s, answer) && stream_body(&s, answer, (size_t)-1);
    head_remove(&answer->head, "Connection");
    text_free(&head);
    text_free(&s.in);
    close(s.fd);
    return done;
}
