/* Finds the registered forms in a text, also where they are escaped. */
#include "secret/secret.h"

#include "secret/secret_cursor.h"
#include "secret/secret_forms.h"
#include "secret/secret_words.h"

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
    for (int way = CURSOR_PLAIN; way < CURSOR_WAYS; way++) {
        struct cursor c = cursor_start(bytes, size, way);
        size_t i = 0;
        int byte = 0;
        while (i < f->size && (byte = cursor_next(&c)) == (unsigned char)f->bytes[i])
            i++;
        if (i == f->size)
            note_whole(found, f, (size_t)(c.at - bytes));
        else if (byte == CURSOR_END && i >= FORM_PREFIX)
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
    struct cursor c = cursor_start(bytes, size, way);
    while (n < FORM_PREFIX && (byte = cursor_next(&c)) != CURSOR_END)
        window[n++] = (char)byte;
    if (n == FORM_PREFIX)
        look_up(bytes, size, mark, window, found);
    else if (forms_may_start(window, n))
        found->begun = true;
    if (cursor_ways[way][1] != NO_LAYER)
        return;
    for (int deeper = 0; deeper < CURSOR_WAYS; deeper++) {
        enum layer layer = cursor_ways[deeper][1];
        if (cursor_ways[deeper][0] == cursor_ways[way][0] && layer != NO_LAYER &&
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
    bool ends;      /* nothing follows the text: what its end cuts off counts as whole */
    bool searched;  /* for the next common value, which is `word` or none */
    bool has_word;
    struct word_piece word;
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
    size_t hold;             /* what is before it tells what it is from here on */
    const struct form *form; /* the widest in it; NULL: it may be the beginning of any */
    const struct word_piece *word; /* or a common value, which has its place to show it */
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

/* Finds the first form in [from, before), as find_piece. */
static bool find_form(const char *bytes, size_t size, size_t from, size_t before,
                      struct marks *marks, bool stream, struct piece *p)
{
    size_t last = stream ? size : size >= FORM_PREFIX ? size - FORM_PREFIX + 1 : 0;
    size_t mark = 0;
    if (forms.count == 0)
        return false;
    last = last < before ? last : before;
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
            *p = (struct piece){ .start = i, .end = i + found.size, .hold = i, .form = found.form,
                                 .open = found.begun };
            if (stream && found.cut != NULL) {
                p->cut = true;
                p->end = size;
            }
            widen(bytes, size, marks, stream, p);
            return true;
        }
        if (stream && found.begun) {
            *p = (struct piece){ .start = i, .end = size, .hold = i, .form = found.cut,
                                 .open = true, .cut = found.cut != NULL };
            return true;
        }
        i++;
    }
    return false;
}

/* The next common value at or after `from`; NULL: none. */
static const struct word_piece *find_word(const char *bytes, size_t size, size_t from,
                                          struct marks *marks, bool stream)
{
    if (!marks->searched || (marks->has_word && marks->word.start < from)) {
        marks->searched = true;
        marks->has_word = secret_words_find(bytes, size, from, stream && !marks->ends,
                                            &marks->word);
    }
    return marks->has_word ? &marks->word : NULL;
}

/* Finds the first piece at or after `from`; false: none. With `stream`, also what
 * has only begun: then form is NULL, or what has begun for sure. `from`
 * never goes back for the same marks. */
static bool find_piece(const char *bytes, size_t size, size_t from, struct marks *marks,
                       bool stream, struct piece *p)
{
    const struct word_piece *word = find_word(bytes, size, from, marks, stream);
    bool form = find_form(bytes, size, from, word != NULL ? word->end : size, marks, stream, p);
    if (word == NULL)
        return form;
    if (word->label == NULL) { /* it may go on */
        size_t hold = word->key < from ? from : word->key;
        if (!form)
            *p = (struct piece){ .start = word->start, .end = size, .hold = hold, .open = true };
        else if (p->open && hold < p->hold)
            p->hold = hold;
        return true;
    }
    if (form && p->open && (p->cut || !marks->ends)) {
        p->hold = word->key >= from && word->key < p->hold ? word->key : p->hold;
        return true;
    }
    if (form && p->end <= word->start)
        return true;
    if (!form || p->form == NULL || p->start >= word->start) {
        size_t end = form && p->end > word->end ? p->end : word->end;
        *p = (struct piece){ .start = word->start, .end = end, .hold = word->start, .word = word };
        return true;
    }
    p->end = word->end > p->end ? word->end : p->end;
    return true;
}

static bool add_label(struct buffer *out, const struct piece *p)
{
    bool bare = p->word != NULL && p->word->bare;
    return (!bare || buffer_add_char(out, '"')) && buffer_add_text(out, "<secret ") &&
           buffer_add_text(out, p->word != NULL ? p->word->label : p->form->label) &&
           buffer_add_char(out, '>') && (!bare || buffer_add_char(out, '"'));
}

static bool nothing_registered(void)
{
    return forms.count == 0 && secret_words_count() == 0;
}

bool secret_redact(struct buffer *out, const char *bytes, size_t size)
{
    if (nothing_registered())
        return buffer_add(out, bytes, size);
    if (!forms_complete())
        return false; /* better not written than written in clear */
    struct piece p;
    struct marks marks = {.ends = false};
    size_t run = 0;
    while (find_piece(bytes, size, run, &marks, false, &p)) {
        if (!buffer_add(out, bytes + run, p.start - run) || !add_label(out, &p))
            return false;
        run = p.end;
    }
    return buffer_add(out, bytes + run, size - run);
}

size_t secret_generation(void)
{
    return forms.count + secret_words_count();
}

size_t secret_cut(const char *bytes, size_t size, size_t limit)
{
    struct piece p;
    struct marks marks = {.ends = false};
    size_t run = 0;
    if (size <= limit || nothing_registered())
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
    return (s->blanked && p->start < s->shown) || add_label(out, p);
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
    if (nothing_registered())
        return buffer_add(out, bytes, size);
    if (!forms_complete() || !buffer_add(&s->held, bytes, size))
        return give_up(s);
    struct piece p;
    struct marks marks = {.ends = false};
    size_t run = 0;
    bool more;
    while ((more = find_piece(s->held.data, s->held.size, run, &marks, true, &p)) && !p.open) {
        if (!show(s, out, run, p.start) || !show_label(s, out, &p))
            return give_up(s);
        run = p.end;
    }
    size_t end = more ? p.hold : s->held.size;
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
    struct marks marks = {.ends = true};
    size_t run = 0, from = 0, context = s->held.size;
    while (find_piece(s->held.data, s->held.size, from, &marks, true, &p)) {
        if (p.form == NULL && p.word == NULL) {
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
