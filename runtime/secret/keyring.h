/* keyring: the secrets that came in environment variables. A variable is read
 * once: its value moves here, is overwritten in the environment (where
 * /proc/PID/environ shows it) and the variable is unset, so that no child has
 * it. One thread only. */
#ifndef KELP_SECRET_KEYRING_H
#define KELP_SECRET_KEYRING_H

#include <stdbool.h>

struct secret;

/* The value of the variable, owned by the keyring, for the rest of the process; the
 * first call takes it out of the environment. NULL with *why, a clause that
 * follows the variable's name ("is not set", …). */
struct secret *keyring_take(const char *name, const char **why);

/* As keyring_take for a value that belongs to a secret but may be printed, as the
 * name of a key. */
struct secret *keyring_take_printable(const char *name, const char **why);

/* The secret of a variable that was taken before, or NULL. */
struct secret *keyring_find(const char *name);

/* Forgets what was taken: for tests only. */
void keyring_forget_all(void);

#endif
