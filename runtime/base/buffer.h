/* buffer: growable bytes, born with a ceiling.
 *
 * A buffer never holds more than `limit` bytes. Adding past the limit, or
 * running out of memory, returns false, leaves what was there in place and
 * marks the buffer `overflowed`; every later addition then fails as well, so
 * a writer may add many pieces and check once at the end.
 * The bytes are always followed by a NUL that is not counted in `size`. */
#ifndef KELP_BASE_BUFFER_H
#define KELP_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct buffer {
    char *data;      /* NULL until the first byte; owned */
    size_t size;     /* bytes in use */
    size_t capacity; /* bytes allocated, the NUL included */
    size_t cleared;  /* bytes that may still hold what was cleared or cut off */
    size_t limit;    /* most bytes that `size` may reach */
    bool overflowed; /* an addition was refused since the last clear */
};

/* Makes an empty buffer; allocates nothing, cannot fail. */
void buffer_init(struct buffer *b, size_t limit);

/* Frees the bytes. The buffer stays usable, empty, with the same limit. */
void buffer_free(struct buffer *b);

/* As buffer_free, but overwrites first what bytes it ever held, for what holds a secret;
 * memory that it had and never used is not touched. */
void buffer_wipe(struct buffer *b);

/* Forgets the bytes and the overflow, keeps the memory for reuse. */
void buffer_clear(struct buffer *b);

/* Forgets the bytes from `size` on; it holds at least so many. */
void buffer_cut(struct buffer *b, size_t size);

/* Makes room for `size` more bytes, so that adding them moves nothing. */
bool buffer_reserve(struct buffer *b, size_t size);

bool buffer_add(struct buffer *b, const void *bytes, size_t size);
bool buffer_add_text(struct buffer *b, const char *text);
bool buffer_add_char(struct buffer *b, char c);
bool buffer_printf(struct buffer *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The bytes as a NUL-terminated text, "" when empty; owned by the buffer. */
const char *buffer_text(const struct buffer *b);

#endif
