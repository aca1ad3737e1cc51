/* password_keys: the config keys whose values the providers' own definitions type
 * PASSWORD. Some of them name a user or a certificate: whoever defined them
 * wants them hidden. For connector/sensitive_keys.c. */
#ifndef KELP_PROVIDERS_PASSWORD_KEYS_H
#define KELP_PROVIDERS_PASSWORD_KEYS_H

#include <stddef.h>

/* Folded (small letters, '.' for '_' and '-') and sorted as strcmp sorts. */
extern const char *const password_keys[];
extern const size_t password_key_count;

#endif
