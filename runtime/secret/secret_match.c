/* Finds the registered forms in a text, also where they are escaped. */
#include "secret/secret.h"

#include "secret/secret_forms.h"

/* ---- reading a text with its escapes undone ---- */

enum layer { NO_LAYER, ESCAPED, PERCENT, QUERY }; /* QUERY: PERCENT with '+' for a space */

/* What a text may have gone through, the last layer first. */
static const unsigned char ways[][2] = {
    {NO_LAYER, NO_LAYER}, {ESCAPED, NO_LAYER}, {PERCENT, NO_LAYER}, {QUERY, NO_LAYER},
    {ESCAPED, ESCAPED},   {ESCAPED, PERCENT},  {ESCAPED, QUERY},    {PERCENT, ESCAPED},
};
enum { PLAIN, WAYS = sizeof ways / sizeof *ways };

enum { END = -1 }; /* the text ended, perhaps within an escape */

struct cursor {
    const char *at, *end;
    const unsigned char *way;
    unsigned char queue[2][4]; /* what an escape of several bytes still gives, the last first */
    unsigned char queued[2];
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
        int digit = byte == END ? -1 : digit_of(byte, base);
        *ended = byte == END;
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
        return ended ? END : 'u';
    }
    if (code < 0xd800 || code > 0xdbff)
        return give_utf8(c, depth, code);
    before = *c;
    int first = take(c, depth - 1), second = first == '\\' ? take(c, depth - 1) : first;
    if (first == END || second == END)
        return END;
    if (first == '\\' && second == 'u') {
        int n = take_digits(c, depth, 16, 4, &low, &ended);
        if (n < 4 && ended)
            return END;
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
    if (byte == END)
        return END;
    if (byte == 'u')
        return take_unicode(c, depth);
    if (byte == 'x') {
        before = *c;
        if (take_digits(c, depth, 16, 2, &value, &ended) == 2)
            return (int)value;
        *c = before;
        return ended ? END : 'x';
    }
    if (byte >= '0' && byte <= '9') {
        *c = before;
        take_digits(c, depth, 10, 3, &value, &ended);
        return ended ? END : (int)(value & 0xff);
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
    return ended ? END : '%';
}

/* The next byte with `depth` layers undone, or END. */
static int take(struct cursor *c, int depth)
{
    if (depth == 0)
        return c->at < c->end ? (unsigned char)*c->at++ : END;
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

static struct cursor start(const char *bytes, size_t size, int way)
{
    return (struct cursor){ .at = bytes, .end = bytes + size, .way = ways[way] };
}

static int next(struct cursor *c)
{
    return take(c, c->way[1] != NO_LAYER ? 2 : c->way[0] != NO_LAYER ? 1 : 0);
}

/* ---- looking up ---- */

/* What starts at a place of a text. */
struct found {
    const struct form *form; /* the longest, or NULL */
    size_t size;             /* bytes of the text that it takes */
    bool begun;              /* a form starts here that the text's end cuts off */
    const struct form *cut;  /* one whose first FORM_PREFIX bytes and more are there, or NULL */
};

static void note_whole(struct found *found, const struct form *f, size_t size)
{
    if (found->form == NULL || size > found->size) {
        found->form = f;
        found->size = size;
    }
}

static void note_cut(struct found *found, const struct form *f)
{
    found->begun = true;
    found->cut = f;
}

static void compare_plain(const char *bytes, size_t size, const struct form *f,
                          struct found *found)
{
    size_t n = size < f->size ? size : f->size;
    if (memcmp(bytes, f->bytes, n) != 0)
        return;
    if (n == f->size)
        note_whole(found, f, n);
    else
        note_cut(found, f);
}

static void compare_escaped(const char *bytes, size_t size, const struct form *f,
                            struct found *found)
{
    for (int way = PLAIN; way < WAYS; way++) {
        struct cursor c = start(bytes, size, way);
        size_t i = 0;
        int byte = 0;
        while (i < f->size && (byte = next(&c)) == (unsigned char)f->bytes[i])
            i++;
        if (i == f->size)
            note_whole(found, f, (size_t)(c.at - bytes));
        else if (byte == END && i >= FORM_PREFIX)
            note_cut(found, f);
    }
}

/* `mark`: where the text's first mark is. */
static void look_up(const char *bytes, size_t size, size_t mark, const char *window,
                    struct found *found)
{
    uint32_t hash = forms_hash(window);
    for (struct form *f = forms_bucket(hash); f != NULL; f = f->next_prefix) {
        if (f->prefix != hash || memcmp(f->bytes, window, FORM_PREFIX) != 0)
            continue;
        if (mark < f->size && mark < size)
            compare_escaped(bytes, size, f, found);
        else
            compare_plain(bytes, size, f, found);
    }
}

static bool holds(const char *window, size_t n, char c)
{
    return memchr(window, c, n) != NULL;
}

/* Looks up the first bytes as they are with the layers of `way` undone. What they
 * show of a second layer is looked up as well. */
static void look_behind(const char *bytes, size_t size, size_t mark, int way,
                        struct found *found)
{
    char window[FORM_PREFIX];
    size_t n = 0;
    int byte = 0;
    struct cursor c = start(bytes, size, way);
    while (n < FORM_PREFIX && (byte = next(&c)) != END)
        window[n++] = (char)byte;
    if (n == FORM_PREFIX)
        look_up(bytes, size, mark, window, found);
    else if (forms_may_start(window, n))
        found->begun = true;
    if (ways[way][1] != NO_LAYER)
        return;
    for (int deeper = 0; deeper < WAYS; deeper++) {
        enum layer layer = ways[deeper][1];
        if (ways[deeper][0] == ways[way][0] && layer != NO_LAYER &&
            holds(window, n, layer == ESCAPED ? '\\' : layer == PERCENT ? '%' : '+'))
            look_behind(bytes, size, mark, deeper, found);
    }
}

/* What starts at `bytes`, whose first mark is at `mark`. */
static struct found find(const char *bytes, size_t size, size_t mark)
{
    struct found found = { .form = NULL };
    if (size >= FORM_PREFIX)
        look_up(bytes, size, mark, bytes, &found);
    else if (forms_may_start(bytes, size))
        found.begun = true;
    if (mark >= FORM_PREFIX || mark >= size || (mark > 0 && !forms_may_start(bytes, mark)))
        return found;
    size_t n = size < FORM_PREFIX ? size : FORM_PREFIX;
    if (holds(bytes, n, '\\'))
        look_behind(bytes, size, mark, 1, &found);
    if (holds(bytes, n, '%'))
        look_behind(bytes, size, mark, 2, &found);
    if (holds(bytes, n, '+'))
        look_behind(bytes, size, mark, 3, &found);
    return found;
}

/* Where the next of the characters is that begin an escape; all zero at first. One
 * for all of a text, so that what is far ahead is looked for once. */
struct marks {
    size_t next[3]; /* of each; the text's size: none */
};

static const char mark_characters[] = {'\\', '%', '+'};

/* The first mark at or after `from`, which never goes back. */
static size_t next_mark(struct marks *m, const char *bytes, size_t size, size_t from)
{
    size_t first = size;
    for (int i = 0; i < 3; i++) {
        if (m->next[i] < from || from == 0) {
            const char *at = memchr(bytes + from, mark_characters[i], size - from);
            m->next[i] = at != NULL ? (size_t)(at - bytes) : size;
        }
        first = m->next[i] < first ? m->next[i] : first;
    }
    return first;
}

/* A piece of a text that must not be seen. */
struct piece {
    size_t start, end;
    const struct form *form; /* the widest in it; NULL: it may be the beginning of any */
    bool open;               /* what follows the text may belong to it */
    bool cut;                /* and enough is there to know that it does */
};

/* Widens a piece to everything secret that overlaps it: blanking only the first of
 * two overlapping values would leave a part of the other. */
static void widen(const char *bytes, size_t size, struct marks *marks, bool stream,
                  struct piece *p)
{
    size_t widest = p->end - p->start;
    for (size_t i = p->start + 1; i < p->end; i++) {
        size_t mark = next_mark(marks, bytes, size, i);
        struct found other = find(bytes + i, size - i, mark - i);
        p->open |= other.begun;
        if (stream && other.cut != NULL) {
            p->cut = true;
            p->end = size;
        }
        if (other.form == NULL || i + other.size <= p->end)
            continue;
        p->end = i + other.size;
        if (other.size > widest) {
            widest = other.size;
            p->form = other.form;
        }
    }
}

/* Finds the first piece at or after `from`; false: none. With `stream`, also what
 * has only begun: then form is NULL, or what has begun for sure. `from`
 * never goes back for the same marks. */
static bool find_piece(const char *bytes, size_t size, size_t from, struct marks *marks,
                       bool stream, struct piece *p)
{
    size_t last = stream ? size : size >= FORM_PREFIX ? size - FORM_PREFIX + 1 : 0;
    size_t mark = 0;
    for (size_t i = from; i < last;) {
        if (mark < i || i == from)
            mark = next_mark(marks, bytes, size, i);
        size_t end = i + FORM_PREFIX;
        if (end <= size && mark >= end) {
            /* Where an escape comes later, what is before it tells as much. */
            unsigned skip = forms_skip(bytes + i);
            if (skip > 0 || forms_bucket(forms_hash(bytes + i)) == NULL) {
                i += skip > 0 ? skip : 1;
                continue;
            }
        }
        struct found found = find(bytes + i, size - i, mark - i);
        if (found.form != NULL) {
            *p = (struct piece){ i, i + found.size, found.form, found.begun, false };
            if (stream && found.cut != NULL) {
                p->cut = true;
                p->end = size;
            }
            widen(bytes, size, marks, stream, p);
            return true;
        }
        if (stream && found.begun) {
            *p = (struct piece){ i, size, found.cut, true, found.cut != NULL };
            return true;
        }
        i++;
    }
    return false;
}

static bool add_label(struct buffer *out, const struct form *f)
{
    return buffer_add_text(out, "<secret ") && buffer_add_text(out, f->label) &&
           buffer_add_char(out, '>');
}

bool secret_redact(struct buffer *out, const char *bytes, size_t size)
{
    if (forms.count == 0)
        return buffer_add(out, bytes, size);
    if (!forms_complete())
        return false; /* better not written than written in clear */
    struct piece p;
    struct marks marks = {{0}};
    size_t run = 0;
    while (find_piece(bytes, size, run, &marks, false, &p)) {
        if (!buffer_add(out, bytes + run, p.start - run) || !add_label(out, p.form))
            return false;
        run = p.end;
    }
    return buffer_add(out, bytes + run, size - run);
}

size_t secret_generation(void)
{
    return forms.count;
}

size_t secret_cut(const char *bytes, size_t size, size_t limit)
{
    struct piece p;
    struct marks marks = {{0}};
    size_t run = 0;
    if (size <= limit || forms.count == 0)
        return size < limit ? size : limit;
    if (!forms_complete())
        return 0;
    while (run < limit && find_piece(bytes, size, run, &marks, false, &p) && p.start < limit) {
        if (p.end > limit)
            return p.start;
        run = p.end;
    }
    return limit;
}

/* ---- streams ---- */

void secret_stream_init(struct secret_stream *s)
{
    buffer_init(&s->held, SIZE_MAX);
    s->shown = 0;
    s->blanked = false;
}

void secret_stream_free(struct secret_stream *s)
{
    buffer_wipe(&s->held);
    s->shown = 0;
    s->blanked = false;
}

bool secret_stream_waits(const struct secret_stream *s)
{
    return s->held.size > s->shown;
}

/* Adds bytes [from, to) of what is held, but for those that were shown before. */
static bool show(const struct secret_stream *s, struct buffer *out, size_t from, size_t to)
{
    if (from < s->shown)
        from = s->shown;
    return from >= to || buffer_add(out, s->held.data + from, to - from);
}

/* A piece whose beginning was blanked before has its label. */
static bool show_label(const struct secret_stream *s, struct buffer *out, const struct piece *p)
{
    return (s->blanked && p->start < s->shown) || add_label(out, p->form);
}

/* Forgets what is held before `from`. */
static void drop(struct secret_stream *s, size_t from)
{
    if (from == 0)
        return;
    size_t size = s->held.size - from;
    memmove(s->held.data, s->held.data + from, size);
    explicit_bzero(s->held.data + size, from);
    s->held.size = size;
    s->shown = s->shown > from ? s->shown - from : 0;
    s->blanked = s->blanked && s->shown > 0;
}

/* Memory failed: what cannot be judged is not shown, now or later. */
static bool give_up(struct secret_stream *s)
{
    secret_stream_free(s);
    return false;
}

bool secret_stream_add(struct secret_stream *s, struct buffer *out, const char *bytes, size_t size)
{
    if (forms.count == 0)
        return buffer_add(out, bytes, size);
    if (!forms_complete() || !buffer_add(&s->held, bytes, size))
        return give_up(s);
    struct piece p;
    struct marks marks = {{0}};
    size_t run = 0;
    bool more;
    while ((more = find_piece(s->held.data, s->held.size, run, &marks, true, &p)) && !p.open) {
        if (!show(s, out, run, p.start) || !show_label(s, out, &p))
            return give_up(s);
        run = p.end;
    }
    size_t end = more ? p.start : s->held.size;
    if (!show(s, out, run, end))
        return give_up(s);
    drop(s, end);
    return true;
}

/* Lets the piece go that ends the text: its beginning is there, its end is not. */
static bool release_cut(struct secret_stream *s, struct buffer *out, const struct piece *p)
{
    bool line = s->held.data[s->held.size - 1] == '\n';
    if (!show_label(s, out, p) || (line && !buffer_add_char(out, '\n')))
        return give_up(s);
    drop(s, p->start);
    s->shown = s->held.size;
    s->blanked = true;
    return true;
}

bool secret_stream_release(struct secret_stream *s, struct buffer *out)
{
    if (!secret_stream_waits(s))
        return true;
    if (!forms_complete())
        return give_up(s);
    struct piece p;
    struct marks marks = {{0}};
    size_t run = 0, from = 0, context = s->held.size;
    while (find_piece(s->held.data, s->held.size, from, &marks, true, &p)) {
        if (p.form == NULL) {
            context = p.start < context ? p.start : context;
            from = p.start + 1;
            continue;
        }
        if (!show(s, out, run, p.start))
            return give_up(s);
        if (p.cut)
            return release_cut(s, out, &p);
        if (!show_label(s, out, &p))
            return give_up(s);
        run = from = p.end;
        context = s->held.size;
    }
    if (!show(s, out, run, s->held.size))
        return give_up(s);
    drop(s, context);
    s->shown = s->held.size;
    s->blanked = false;
    return true;
}
