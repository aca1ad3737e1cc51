/* secret: the values that must never be seen, and the redactor that every byte
 * of output passes.
 *
 * A secret's bytes live in memory of its own, are overwritten when the last
 * reference goes, and are registered with the redactor for the rest of the
 * process: a value that was secret once stays unprintable. One thread only. */
#ifndef KELP_BASE_SECRET_H
#define KELP_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

struct buffer;
struct secret;

/* Secrets shorter than this are held but not searched for in output: blanking
 * every "abc" would hide more than it protects. */
enum { SECRET_MIN_REDACTED = 8 };

/* Copies the bytes into a new secret with one reference; NULL when out of
 * memory. `label` is what is shown in its place, for example an environment
 * variable's name; it is copied and must not be secret. */
struct secret *secret_new(const char *label, const char *bytes, size_t size);

struct secret *secret_retain(struct secret *s);

/* Drops a reference; the last one overwrites and frees the bytes. NULL is
 * allowed. */
void secret_release(struct secret *s);

const char *secret_bytes(const struct secret *s); /* NUL-terminated, owned by s */
size_t secret_size(const struct secret *s);
const char *secret_label(const struct secret *s);

/* Makes the bytes unprintable without holding them as a secret: for values that
 * come back in replies. False when out of memory. */
bool secret_register(const char *label, const char *bytes, size_t size);

/* As secret_register for `user:password` in the Basic form of RFC 7617 (its
 * Base64 text). */
bool secret_register_basic(const char *user, const struct secret *password);

/* Adds the text to `out` with every registered value, in plain, Base64 (all
 * three alignments), percent-encoded, JSON-escaped and hexadecimal form,
 * replaced by <secret LABEL>. */
bool secret_redact(struct buffer *out, const char *bytes, size_t size);

/* The longest registered form in bytes; whoever redacts a stream piece by piece
 * must hold back that many bytes less one from each piece. */
size_t secret_longest(void);

/* Forgets every registered value: for tests only. */
void secret_forget_all(void);

#endif
