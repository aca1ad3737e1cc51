/* hardening: what the process does before anything else so that its memory and
 * its environment give no secret away. */
#ifndef KELP_SECRET_HARDENING_H
#define KELP_SECRET_HARDENING_H

#include <stdbool.h>

/* No core file, here or in a child; and nobody but root looks into the process's
 * memory, its environment or its descriptors by /proc or with a debugger. False
 * with errno when the kernel refuses. */
bool hardening_close_process(void);

/* Takes SSLKEYLOGFILE, which would write down the keys of every TLS connection, out of the
 * environment. */
void hardening_clean_environment(void);

#endif
