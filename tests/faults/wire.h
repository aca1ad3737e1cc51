/* wire: bytes in growing memory, and sockets on loopback. A test's tool: where memory ends, so
 * does the program. */
#ifndef KELP_TESTS_FAULTS_WIRE_H
#define KELP_TESTS_FAULTS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct text {
    char *data; /* NUL-terminated once something was added */
    size_t size, room;
};

void text_add(struct text *t, const void *bytes, size_t size);
void text_add_string(struct text *t, const char *string);
__attribute__((format(printf, 2, 3))) void text_print(struct text *t, const char *format, ...);
void text_cut(struct text *t, size_t from, size_t size);
void text_free(struct text *t);

/* The first place of the needle at or after `from`, or NULL. */
char *text_find(const struct text *t, size_t from, const char *needle);

/* Takes \n \r \t \0 \\ and \xHH for what they stand for. */
void text_add_unescaped(struct text *t, const char *string);

double wire_seconds(void); /* since some moment */
void wire_sleep(double seconds);

int wire_bind(int *port);  /* a socket on 127.0.0.1, not listening yet; ends the program if not */
int wire_connect(int port); /* -1 when nobody is there */
bool wire_write(int fd, const void *bytes, size_t size);

/* A connection and what was read from it but not used. */
struct stream {
    int fd;
    struct text in;
    FILE *record; /* every byte that came, or NULL */
};

/* Reads once. False at the end of the connection. */
bool stream_more(struct stream *s);

/* A request or a response: the first line and the header lines, each with its CRLF, and the body
 * that Content-Length announces. */
struct message {
    struct text head, body;
};

void message_free(struct message *m);
bool stream_head(struct stream *s, struct message *m);
/* Reads until the body has `limit` bytes or is complete; false when the connection ends first. */
bool stream_body(struct stream *s, struct message *m, size_t limit);

/* The value of the first header of that name; its size, or -1 when there is none. */
const char *head_value(const struct text *head, const char *name, int *size);
void head_remove(struct text *head, const char *name);

/* Sends the request to the server on that port and reads its answer. */
bool wire_ask(int port, const struct message *request, struct message *answer);

/* Stops on what must not fail in a test's tool. */
__attribute__((noreturn)) void wire_fail(const char *what);

#endif
