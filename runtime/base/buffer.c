#include "base/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 256 };

void buffer_init(struct buffer *b, size_t limit)
{
    *b = (struct buffer){ .limit = limit };
}

void buffer_free(struct buffer *b)
{
    free(b->data);
    buffer_init(b, b->limit);
}

static void overwrite(struct buffer *b)
{
    if (b->data != NULL)
        explicit_bzero(b->data, b->size > b->cleared ? b->size : b->cleared);
}

void buffer_wipe(struct buffer *b)
{
    overwrite(b);
    buffer_free(b);
}

void buffer_cut(struct buffer *b, size_t size)
{
    if (b->cleared < b->size)
        b->cleared = b->size;
    b->size = size;
    if (b->data != NULL)
        b->data[size] = '\0';
}

void buffer_clear(struct buffer *b)
{
    b->overflowed = false;
    buffer_cut(b, 0);
}

/* Moves to a larger block and overwrites the one left behind, so that wiping a
 * buffer wipes all of what it ever held; realloc would leave copies. */
static bool grow(struct buffer *b, size_t needed)
{
    size_t capacity = b->capacity > SIZE_MAX / 2 ? SIZE_MAX : b->capacity * 2;
    if (capacity < FIRST_CAPACITY)
        capacity = FIRST_CAPACITY;
    if (capacity > b->limit && b->limit < SIZE_MAX)
        capacity = b->limit + 1;
    if (capacity < needed)
        capacity = needed;
    char *data = malloc(capacity);
    if (data == NULL)
        return false;
    if (b->data != NULL) {
        memcpy(data, b->data, b->size);
        overwrite(b);
        free(b->data);
    }
    b->data = data;
    b->capacity = capacity;
    b->cleared = 0;
    return true;
}

bool buffer_reserve(struct buffer *b, size_t size)
{
    if (b->overflowed)
        return false;
    if (size > b->limit - b->size || b->size + size == SIZE_MAX ||
        (b->size + size + 1 > b->capacity && !grow(b, b->size + size + 1))) {
        b->overflowed = true;
        return false;
    }
    return true;
}

bool buffer_add(struct buffer *b, const void *bytes, size_t size)
{
    if (size == 0)
        return !b->overflowed;
    if (!buffer_reserve(b, size))
        return false;
    memcpy(b->data + b->size, bytes, size);
    b->size += size;
    b->data[b->size] = '\0';
    return true;
}

bool buffer_add_text(struct buffer *b, const char *text)
{
    return buffer_add(b, text, strlen(text));
}

bool buffer_add_char(struct buffer *b, char c)
{
    if (b->overflowed || b->size == b->limit || b->size + 1 >= b->capacity)
        return buffer_add(b, &c, 1);
    b->data[b->size++] = c;
    b->data[b->size] = '\0';
    return true;
}

bool buffer_printf(struct buffer *b, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    bool done = false;
    if (size < 0)
        b->overflowed = true;
    else if (buffer_reserve(b, (size_t)size)) {
        vsnprintf(b->data + b->size, (size_t)size + 1, format, again);
        b->size += (size_t)size;
        done = true;
    }
    va_end(again);
    return done;
}

const char *buffer_text(const struct buffer *b)
{
    return b->data != NULL ? b->data : "";
}
