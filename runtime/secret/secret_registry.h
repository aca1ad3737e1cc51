/* secret_registry: the values that must never be seen. They belong to the process: a
 * value that was secret once stays unprintable. One thread only. */
#ifndef KELP_SECRET_SECRET_REGISTRY_H
#define KELP_SECRET_SECRET_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>

/* Secrets of this size and more are searched for in all output, unless they are common:
 * a number or words of less than 16 bytes ("connector", "Postgres", "tasks.max"), or one
 * byte repeated. Common and shorter ones stand in keys, class names, states and names
 * of connectors, and say nothing there; redacting every "connector" would hide more than it
 * protects and break what is read by programs. They are hidden where they are the value:
 * behind a sensitive key and '=' or ':', and between user: and @ in an address; and their
 * encodings everywhere. So structure is never redacted, and JSON stays JSON. Whoever knows
 * the key of a value hides it by the key first: the redactor is the second line. */
enum { SECRET_MIN_REDACTED = 8 };

/* Which names are sensitive keys: for values that are hidden by their key only. Without
 * it no key is. */
void secret_judge_keys(bool (*is_sensitive)(const char *name, size_t size));

/* Makes the bytes unprintable without holding them as a secret: for values that
 * come back in responses. False when out of memory. */
bool secret_register(const char *label, const char *bytes, size_t size);

/* Another number whenever a value has been registered since. */
size_t secret_generation(void);

/* The longest registered form in bytes; 0 when nothing is registered. */
size_t secret_longest(void);

/* Forgets every registered value: for tests only. */
void secret_forget_all(void);

#endif
