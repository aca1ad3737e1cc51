#include "secret/secret_cursor.h"

#include <stdbool.h>
#include <string.h>

const unsigned char cursor_ways[CURSOR_WAYS][2] = {
    {NO_LAYER, NO_LAYER}, {ESCAPED, NO_LAYER}, {PERCENT, NO_LAYER}, {QUERY, NO_LAYER},
    {ESCAPED, ESCAPED},   {ESCAPED, PERCENT},  {ESCAPED, QUERY},    {PERCENT, ESCAPED},
};

static int take(struct cursor *c, int depth);

static int digit_of(int byte, int base)
{
    int digit = byte >= '0' && byte <= '9'   ? byte - '0'
                : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
                : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                             : 16;
    return digit < base ? digit : -1;
}

/* Takes up to `most` digits, and leaves the cursor before what is none. *ended:
 * the text ended before all were there. */
static int take_digits(struct cursor *c, int depth, int base, int most, long *value, bool *ended)
{
    int n = 0;
    *value = 0;
    *ended = false;
    while (n < most) {
        struct cursor before = *c;
        int byte = take(c, depth - 1);
        int digit = byte == CURSOR_END ? -1 : digit_of(byte, base);
        *ended = byte == CURSOR_END;
        if (digit < 0) {
            *c = before;
            break;
        }
        *value = *value * base + digit;
        n++;
    }
    return n;
}

/* Gives the first byte of a code point's UTF-8 and queues the others. */
static int give_utf8(struct cursor *c, int depth, long code)
{
    unsigned char *queue = c->queue[depth - 1];
    unsigned char n = 0;
    if (code < 0x80)
        return (int)code;
    long rest = code;
    long lead = 0x40;
    do {
        queue[n++] = (unsigned char)(0x80 | (rest & 0x3f));
        rest >>= 6;
        lead >>= 1;
    } while (rest >= lead);
    c->queued[depth - 1] = n;
    return (int)(((0xff00 >> (n + 1)) & 0xff) | rest);
}

/* \uXXXX, and two of them for what is beyond U+FFFF. */
static int take_unicode(struct cursor *c, int depth)
{
    struct cursor before = *c;
    long code, low;
    bool ended;
    if (take_digits(c, depth, 16, 4, &code, &ended) < 4) {
        *c = before;
        return ended ? CURSOR_END : 'u';
    }
    if (code < 0xd800 || code > 0xdbff)
        return give_utf8(c, depth, code);
    before = *c;
    int first = take(c, depth - 1), second = first == '\\' ? take(c, depth - 1) : first;
    if (first == CURSOR_END || second == CURSOR_END)
        return CURSOR_END;
    if (first == '\\' && second == 'u') {
        int n = take_digits(c, depth, 16, 4, &low, &ended);
        if (n < 4 && ended)
            return CURSOR_END;
        if (n == 4 && low >= 0xdc00 && low <= 0xdfff)
            return give_utf8(c, depth, 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00));
    }
    *c = before;
    return give_utf8(c, depth, code);
}

/* What follows a backslash in JSON, in Lua's %q and in kelp's own \xNN. */
static int take_escape(struct cursor *c, int depth)
{
    static const char letters[] = "ntrbfav", meanings[] = "\n\t\r\b\f\a\v";
    struct cursor before = *c;
    long value;
    bool ended;
    int byte = take(c, depth - 1);
    if (byte == CURSOR_END)
        return CURSOR_END;
    if (byte == 'u')
        return take_unicode(c, depth);
    if (byte == 'x') {
        before = *c;
        if (take_digits(c, depth, 16, 2, &value, &ended) == 2)
            return (int)value;
        *c = before;
        return ended ? CURSOR_END : 'x';
    }
    if (byte >= '0' && byte <= '9') {
        *c = before;
        take_digits(c, depth, 10, 3, &value, &ended);
        return ended ? CURSOR_END : (int)(value & 0xff);
    }
    const char *letter = byte == '\0' ? NULL : strchr(letters, byte);
    return letter != NULL ? meanings[letter - letters] : byte;
}

static int take_percent(struct cursor *c, int depth)
{
    struct cursor before = *c;
    long value;
    bool ended;
    if (take_digits(c, depth, 16, 2, &value, &ended) == 2)
        return (int)value;
    *c = before;
    return ended ? CURSOR_END : '%';
}

/* The next byte with `depth` layers undone, or CURSOR_END. */
static int take(struct cursor *c, int depth)
{
    if (depth == 0)
        return c->at < c->end ? (unsigned char)*c->at++ : CURSOR_END;
    if (c->queued[depth - 1] > 0)
        return c->queue[depth - 1][--c->queued[depth - 1]];
    int byte = take(c, depth - 1);
    enum layer layer = c->way[depth - 1];
    if (byte == '\\' && layer == ESCAPED)
        return take_escape(c, depth);
    if (byte == '%' && (layer == PERCENT || layer == QUERY))
        return take_percent(c, depth);
    return byte == '+' && layer == QUERY ? ' ' : byte;
}

struct cursor cursor_start(const char *bytes, size_t size, int way)
{
    return (struct cursor){ .at = bytes, .end = bytes + size, .way = cursor_ways[way] };
}

int cursor_next(struct cursor *c)
{
    return take(c, c->way[1] != NO_LAYER ? 2 : c->way[0] != NO_LAYER ? 1 : 0);
}
