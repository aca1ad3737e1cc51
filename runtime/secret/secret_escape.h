/* secret_escape: reads a text with the escapes undone that it may have gone through: those
 * of JSON, Lua's %q and a terminal's \xNN, percent-encoding, or two of them. */
#ifndef KELP_SECRET_SECRET_ESCAPE_H
#define KELP_SECRET_SECRET_ESCAPE_H

#include <stddef.h>

enum escape_layer { NO_LAYER, ESCAPED, PERCENT, QUERY }; /* QUERY: PERCENT with '+' for a space */

/* The layers that a text may have gone through, the last one first; the first way is none. */
enum { ESCAPE_PLAIN, ESCAPE_WAYS = 8 };
extern const unsigned char escape_ways[ESCAPE_WAYS][2];

enum { ESCAPE_END = -1 }; /* the text ended, perhaps within an escape */

struct escape_cursor {
    const char *at, *end;
    const unsigned char *way;
    unsigned char queue[2][4]; /* what an escape of several bytes still gives, the last first */
    unsigned char queued[2];
};

struct escape_cursor escape_start(const char *bytes, size_t size, int way);

/* The next byte with the layers undone, or ESCAPE_END. */
int escape_next(struct escape_cursor *c);

#endif
