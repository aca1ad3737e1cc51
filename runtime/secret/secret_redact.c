#define _GNU_SOURCE /* memrchr */
#include "secret/secret_redact.h"

#include "secret/secret_match.h"

static const char opening[] = "<secret ";
enum { IN_LABEL = sizeof opening - 1 };

/* How much of `opening` the text ends with: after `state` of it, these bytes. IN_LABEL: the
 * label that follows it has not ended either. */
static unsigned char label_state(unsigned char state, const char *bytes, size_t size)
{
    const char *end = bytes + size;
    const char *last = size > 0 ? memrchr(bytes, '<', size) : NULL;
    if (last != NULL) {
        bytes = last;
        state = 0;
    } else if (state == 0) {
        return 0;
    }
    for (; bytes < end; bytes++) {
        if (state < IN_LABEL ? *bytes != opening[state] : forms_label_char(*bytes) != *bytes)
            return 0;
        if (state < IN_LABEL)
            state++;
    }
    return state;
}

/* Adds what may be seen. */
static bool add_text(struct buffer *out, unsigned char *state, const char *bytes, size_t size)
{
    *state = label_state(*state, bytes, size);
    return buffer_add(out, bytes, size);
}

/* A label that holds a registered value itself ends before it. */
static bool add_label_text(struct buffer *out, const char *label)
{
    struct match inner;
    struct match_marks marks = {.ends = false};
    size_t size = strlen(label);
    if (match_find(label, size, 0, &marks, false, &inner))
        size = inner.start;
    return buffer_add(out, opening, size > 0 ? IN_LABEL : IN_LABEL - 1) &&
           buffer_add(out, label, size) && buffer_add_char(out, '>');
}

/* Adds the label of a match; within another label nothing, so that none stands in one. */
static bool add_label(struct buffer *out, unsigned char *state, const struct match *p)
{
    bool bare = p->word != NULL && p->word->bare;
    if (*state == IN_LABEL)
        return true;
    *state = 0;
    return (!bare || buffer_add_char(out, '"')) &&
           add_label_text(out, p->word != NULL ? p->word->label : p->form->label) &&
           (!bare || buffer_add_char(out, '"'));
}

bool secret_redact(struct buffer *out, const char *bytes, size_t size)
{
    if (match_nothing())
        return buffer_add(out, bytes, size);
    if (!forms_complete())
        return false; /* better not written than written in clear */
    struct match p;
    struct match_marks marks = {.ends = false};
    size_t run = 0;
    unsigned char state = 0;
    while (match_find(bytes, size, run, &marks, false, &p)) {
        if (!add_text(out, &state, bytes + run, p.start - run) || !add_label(out, &state, &p))
            return false;
        run = p.end;
    }
    return buffer_add(out, bytes + run, size - run);
}

size_t secret_cut(const char *bytes, size_t size, size_t limit)
{
    struct match p;
    struct match_marks marks = {.ends = false};
    size_t run = 0;
    if (size <= limit || match_nothing())
        return size < limit ? size : limit;
    if (!forms_complete())
        return 0;
    while (run < limit && match_find(bytes, size, run, &marks, false, &p) && p.start < limit) {
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
    s->was_redacted = false;
    s->label = 0;
}

void secret_stream_free(struct secret_stream *s)
{
    buffer_wipe(&s->held);
    s->shown = 0;
    s->was_redacted = false;
    s->label = 0;
}

bool secret_stream_waits(const struct secret_stream *s)
{
    return s->held.size > s->shown;
}

/* Adds bytes [from, to) of what is held, but for those that were shown before. */
static bool show(struct secret_stream *s, struct buffer *out, size_t from, size_t to)
{
    if (from < s->shown)
        from = s->shown;
    return from >= to || add_text(out, &s->label, s->held.data + from, to - from);
}

/* A match whose beginning was redacted before has its label. */
static bool show_label(struct secret_stream *s, struct buffer *out, const struct match *p)
{
    return (s->was_redacted && p->start < s->shown) || add_label(out, &s->label, p);
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
    s->was_redacted = s->was_redacted && s->shown > 0;
}

/* Memory failed: what cannot be judged is not shown, now or later. */
static bool give_up(struct secret_stream *s)
{
    secret_stream_free(s);
    return false;
}

bool secret_stream_add(struct secret_stream *s, struct buffer *out, const char *bytes, size_t size)
{
    if (match_nothing())
        return buffer_add(out, bytes, size);
    if (!forms_complete() || !buffer_add(&s->held, bytes, size))
        return give_up(s);
    struct match p;
    struct match_marks marks = {.ends = false};
    size_t run = 0;
    bool more;
    while ((more = match_find(s->held.data, s->held.size, run, &marks, true, &p)) && !p.open) {
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
static bool release_cut(struct secret_stream *s, struct buffer *out, const struct match *p)
{
    bool line = s->held.data[s->held.size - 1] == '\n';
    if (!show_label(s, out, p) || (line && !add_text(out, &s->label, "\n", 1)))
        return give_up(s);
    drop(s, p->start);
    s->shown = s->held.size;
    s->was_redacted = true;
    return true;
}

bool secret_stream_release(struct secret_stream *s, struct buffer *out)
{
    if (!secret_stream_waits(s))
        return true;
    if (!forms_complete())
        return give_up(s);
    struct match p;
    struct match_marks marks = {.ends = true};
    size_t run = 0, from = 0, context = s->held.size;
    while (match_find(s->held.data, s->held.size, from, &marks, true, &p)) {
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
    s->was_redacted = false;
    return true;
}
