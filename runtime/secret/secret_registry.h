/* secret_registry: the values that must never be seen. They belong to the process: a
 * value that was secret once stays unprintable. One thread only. */
#ifndef KELP_SECRET_SECRET_REGISTRY_H
#define KELP_SECRET_SECRET_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>

/* Secrets shorter than this are held but not searched for in output: redacting
 * every "abc" would hide more than it protects. */
enum { SECRET_MIN_REDACTED = 8 };

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
