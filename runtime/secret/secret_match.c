#include "secret/secret_match.h"

#include "secret/secret_escape.h"

/* The forms that start at one offset of a text. */
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
    for (int way = ESCAPE_PLAIN; way < ESCAPE_WAYS; way++) {
        struct escape_cursor c = escape_start(bytes, size, way);
        size_t i = 0;
        int byte = 0;
        while (i < f->size && (byte = escape_next(&c)) == (unsigned char)f->bytes[i])
            i++;
        if (i == f->size)
            note_whole(found, f, (size_t)(c.at - bytes));
        else if (byte == ESCAPE_END && i >= FORM_PREFIX)
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
    struct escape_cursor c = escape_start(bytes, size, way);
    while (n < FORM_PREFIX && (byte = escape_next(&c)) != ESCAPE_END)
        window[n++] = (char)byte;
    if (n == FORM_PREFIX)
        look_up(bytes, size, mark, window, found);
    else if (forms_may_start(window, n))
        found->begun = true;
    if (escape_ways[way][1] != NO_LAYER)
        return;
    for (int deeper = 0; deeper < ESCAPE_WAYS; deeper++) {
        enum escape_layer layer = escape_ways[deeper][1];
        if (escape_ways[deeper][0] == escape_ways[way][0] && layer != NO_LAYER &&
            holds(window, n, layer == ESCAPED ? '\\' : layer == PERCENT ? '%' : '+'))
            look_behind(bytes, size, mark, deeper, found);
    }
}

/* Finds the forms that start at `bytes`, whose first mark is at `mark`. */
static struct found find_at(const char *bytes, size_t size, size_t mark)
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

static const char mark_characters[] = {'\\', '%', '+'};

/* The first mark at or after `from`, which never goes back. */
static size_t next_mark(struct match_marks *m, const char *bytes, size_t size, size_t from)
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

/* Extends a match to everything secret that overlaps it: redacting only the first of
 * two overlapping values would leave a part of the other. */
static void extend(const char *bytes, size_t size, struct match_marks *marks, bool stream,
                  struct match *p)
{
    size_t widest = p->end - p->start;
    for (size_t i = p->start + 1; i < p->end; i++) {
        size_t mark = next_mark(marks, bytes, size, i);
        struct found other = find_at(bytes + i, size - i, mark - i);
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

/* Finds the first form in [from, before), as match_find. */
static bool find_form(const char *bytes, size_t size, size_t from, size_t before,
                      struct match_marks *marks, bool stream, struct match *p)
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
        struct found found = find_at(bytes + i, size - i, mark - i);
        if (found.form != NULL) {
            *p = (struct match){ .start = i, .end = i + found.size, .hold = i,
                                 .form = found.form, .open = found.begun };
            if (stream && found.cut != NULL) {
                p->cut = true;
                p->end = size;
            }
            extend(bytes, size, marks, stream, p);
            return true;
        }
        if (stream && found.begun) {
            *p = (struct match){ .start = i, .end = size, .hold = i, .form = found.cut,
                                 .open = true, .cut = found.cut != NULL };
            return true;
        }
        i++;
    }
    return false;
}

/* The next common value at or after `from`; NULL: none. */
static const struct word_match *find_word(const char *bytes, size_t size, size_t from,
                                          struct match_marks *marks, bool stream)
{
    if (!marks->searched || (marks->has_word && marks->word.start < from)) {
        marks->searched = true;
        marks->has_word = secret_words_find(bytes, size, from, stream && !marks->ends,
                                            &marks->word);
    }
    return marks->has_word ? &marks->word : NULL;
}

bool match_nothing(void)
{
    return forms.count == 0 && secret_words_count() == 0;
}

bool match_find(const char *bytes, size_t size, size_t from, struct match_marks *marks,
                bool stream, struct match *p)
{
    const struct word_match *word = find_word(bytes, size, from, marks, stream);
    bool form = find_form(bytes, size, from, word != NULL ? word->end : size, marks, stream, p);
    if (word == NULL)
        return form;
    if (word->label == NULL) { /* it may go on */
        size_t hold = word->key < from ? from : word->key;
        if (!form)
            *p = (struct match){ .start = word->start, .end = size, .hold = hold, .open = true };
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
        *p = (struct match){ .start = word->start, .end = end, .hold = word->start, .word = word };
        return true;
    }
    p->end = word->end > p->end ? word->end : p->end;
    return true;
}
