/* secret_cursor: reads a text with one or two layers of escapes undone. For
 * secret_match.c and secret_words.c. */
#ifndef KELP_SECRET_SECRET_CURSOR_H
#define KELP_SECRET_SECRET_CURSOR_H

#include <stddef.h>

enum layer { NO_LAYER, ESCAPED, PERCENT, QUERY }; /* QUERY: PERCENT with '+' for a space */

/* What a text may have gone through, the last layer first; the first of them: nothing. */
enum { CURSOR_PLAIN, CURSOR_WAYS = 8 };
extern const unsigned char cursor_ways[CURSOR_WAYS][2];

enum { CURSOR_END = -1 }; /* the text ended, perhaps within an escape */

struct cursor {
    const char *at, *end;
    const unsigned char *way;
    unsigned char queue[2][4]; /* what an escape of several bytes still gives, the last first */
    unsigned char queued[2];
};

struct cursor cursor_start(const char *bytes, size_t size, int way);

/* The next byte, or CURSOR_END. */
int cursor_next(struct cursor *c);

#endif
