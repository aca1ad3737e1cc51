/* credentials: those that the providers read from the environment. */
#ifndef KELP_CREDENTIALS_H
#define KELP_CREDENTIALS_H

/* Moves them into the keyring, out of the sight of children. NULL, or the variable for which there
 * was no memory. */
const char *credentials_take(void);

#endif
