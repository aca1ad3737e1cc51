/* hardening: what the process does before anything else so that its memory and
 * its environment give no secret away. */
#ifndef KELP_SECRET_HARDENING_H
#define KELP_SECRET_HARDENING_H

#include <stdbool.h>

/* No core file, here or in a child; and nobody but root looks into the process's
 * memory, its environment or its descriptors by /proc or with a debugger. False
 * with errno when the kernel refuses. */
bool hardening_close_process(void);

/* An environment variable that holds a credential, or goes with one. */
struct credential_variable {
    const char *name;
    bool secret; /* its value is never shown; else the child processes do without it only */
};

/* Moves the credentials in these variables, which a NULL name ends, into the keyring. NULL, or the variable for which there was no memory. */
const char *hardening_take_credentials(const struct credential_variable *variables);

/* Takes SSLKEYLOGFILE, which would write down the keys of every TLS connection, out of the
 * environment. */
void hardening_clean_environment(void);

#endif
