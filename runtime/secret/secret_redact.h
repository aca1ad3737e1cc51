/* secret_redact: replaces the registered values in what is written. */
#ifndef KELP_SECRET_SECRET_REDACT_H
#define KELP_SECRET_SECRET_REDACT_H

#include "base/buffer.h"

/* Adds the text to `out` with every registered value replaced by <secret LABEL>:
 * in plain, in Base64 and base64url (all three alignments), in hexadecimal; and
 * each of these percent-encoded (any digits' case, '+' for a space) or escaped
 * as in JSON, Lua's %q or a terminal's \xNN, or twice so. A label never stands in another:
 * a value within a <secret LABEL> that the text has already is left out, and a label that
 * holds one ends before it. False when memory failed; then nothing of it may be shown. */
bool secret_redact(struct buffer *out, const char *bytes, size_t size);

/* At most `limit`, the most bytes of the text after which it can be cut without
 * leaving a piece of a registered value. */
size_t secret_cut(const char *bytes, size_t size, size_t limit);

/* A text that arrives piece by piece, whose pieces may cut a value anywhere. */
struct secret_stream {
    struct buffer held; /* the end of the text so far that may begin a value */
    size_t shown;       /* bytes of it that were let go nevertheless */
    bool was_redacted;  /* they were let go as <secret LABEL> */
    unsigned char label; /* how much of "<secret " what was let go ends with */
};

void secret_stream_init(struct secret_stream *s);
void secret_stream_free(struct secret_stream *s);

/* Adds to `out` what can be shown after this piece. What may be the beginning of
 * a value is held back. False as in secret_redact. */
bool secret_stream_add(struct secret_stream *s, struct buffer *out, const char *bytes,
                       size_t size);

/* Adds to `out` what is held back, because the reader must see it now: fewer
 * than SECRET_MIN_REDACTED bytes as they are, more as <secret LABEL>. If the
 * value continues in the next piece, its rest is redacted. */
bool secret_stream_release(struct secret_stream *s, struct buffer *out);

/* True when secret_stream_release would add something. */
bool secret_stream_waits(const struct secret_stream *s);

#endif
