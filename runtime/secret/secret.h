/* secret: the values that must never be seen, and the redactor that every byte
 * of output passes.
 *
 * A secret's bytes live in memory of its own, are overwritten when the last
 * reference goes, and are registered with the redactor for the rest of the
 * process: a value that was secret once stays unprintable. One thread only. */
#ifndef KELP_SECRET_SECRET_H
#define KELP_SECRET_SECRET_H

#include "secret/secret_redact.h"
#include "secret/secret_registry.h"

#include <stdbool.h>
#include <stddef.h>

struct secret;

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

/* As secret_register for `user:password` in the Basic form of RFC 7617 (its
 * Base64 text). */
bool secret_register_basic(const char *user, const struct secret *password);

#endif
