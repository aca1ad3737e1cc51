/* secret: the values that must never be seen, and the redactor that every byte
 * of output passes.
 *
 * A secret's bytes live in memory of its own, are overwritten when the last
 * reference goes, and are registered with the redactor for the rest of the
 * process: a value that was secret once stays unprintable. One thread only. */
#ifndef KELP_SECRET_SECRET_H
#define KELP_SECRET_SECRET_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

struct secret;

/* Secrets of this size and more are searched for in all output, unless they are common:
 * a number or words of less than 16 bytes ("connector", "Postgres", "tasks.max"), or one
 * byte repeated. Common and shorter ones stand in keys, class names, states and names
 * of connectors, and say nothing there; blanking every "connector" would hide more than it
 * protects and break what is read by programs. They are hidden where they are the value:
 * behind a sensitive key and '=' or ':', and between user: and @ in an address; and their
 * encodings everywhere. So structure is never blanked, and JSON stays JSON. Whoever knows
 * the key of a value hides it by the key first: the redactor is the second line. */
enum { SECRET_MIN_REDACTED = 8 };

/* Which names are sensitive keys: for values that are hidden by their key only. Without
 * it no key is. */
void secret_judge_keys(bool (*is_sensitive)(const char *name, size_t size));

/* Copies the bytes into a new secret with one reference; NULL when out of
 * memory. `label` is what is shown in its place, for example an environment
 * variable's name; it is copied and must not be secret. What could end a JSON
 * string or a terminal's line is '_' in it. */
struct secret *secret_new(const char *label, const char *bytes, size_t size);

/* As secret_new, for what is kept from others' eyes but may be printed, as the
 * name of a key: the bytes are not registered. */
struct secret *secret_new_printable(const char *label, const char *bytes, size_t size);

struct secret *secret_retain(struct secret *s);

/* Drops a reference; the last one overwrites and frees the bytes. NULL is
 * allowed. */
void secret_release(struct secret *s);

const char *secret_bytes(const struct secret *s); /* NUL-terminated, owned by s */
size_t secret_size(const struct secret *s);
const char *secret_label(const struct secret *s);

/* Makes the bytes unprintable without holding them as a secret: for values that
 * come back in responses. False when out of memory. */
bool secret_register(const char *label, const char *bytes, size_t size);

/* As secret_register for `user:password` in the Basic form of RFC 7617 (its
 * Base64 text). */
bool secret_register_basic(const char *user, const struct secret *password);

/* Adds the text to `out` with every registered value replaced by <secret LABEL>:
 * in plain, in Base64 and base64url (all three alignments), in hexadecimal; and
 * each of these percent-encoded (any digits' case, '+' for a space) or escaped
 * as in JSON, Lua's %q or a terminal's \xNN, or twice so. False when memory
 * failed; then nothing of it may be shown. */
bool secret_redact(struct buffer *out, const char *bytes, size_t size);

/* At most `limit`, the most bytes of the text after which it can be cut without
 * leaving a piece of a registered value. */
size_t secret_cut(const char *bytes, size_t size, size_t limit);

/* Another number whenever a value has been registered since. */
size_t secret_generation(void);

/* The longest registered form in bytes; 0 when nothing is registered. */
size_t secret_longest(void);

/* A text that arrives piece by piece, whose pieces may cut a value anywhere. */
struct secret_stream {
    struct buffer held; /* the end of the text so far that may begin a value */
    size_t shown;       /* bytes of it that were let go nevertheless */
    bool blanked;       /* they were let go as <secret LABEL> */
};

void secret_stream_init(struct secret_stream *s);
void secret_stream_free(struct secret_stream *s);

/* Adds to `out` what can be shown after this piece. What may be the beginning of
 * a value is held back. False as in secret_redact. */
bool secret_stream_add(struct secret_stream *s, struct buffer *out, const char *bytes,
                       size_t size);

/* Adds to `out` what is held back, because whoever reads must see it now: fewer
 * than SECRET_MIN_REDACTED bytes as they are, more as <secret LABEL>. If the
 * value goes on in the next piece, its rest is blanked. */
bool secret_stream_release(struct secret_stream *s, struct buffer *out);

/* True when secret_stream_release would add something. */
bool secret_stream_waits(const struct secret_stream *s);

/* Forgets every registered value: for tests only. */
void secret_forget_all(void);

#endif
