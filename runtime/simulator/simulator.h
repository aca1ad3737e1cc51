/* simulator: the models of scripts/simulator/ behind libmicrohttpd, on a loopback port, over real
 * HTTP. It knows no provider: which paths there are is for the models to say.
 *
 * One thread runs the HTTP daemon and a Lua state of its own that holds the models. It writes
 * nothing, since the redactor and the log are the caller's thread's: what it has to complain about
 * is kept until the caller asks. */
#ifndef KELP_SIMULATOR_SIMULATOR_H
#define KELP_SIMULATOR_SIMULATOR_H

#include "simulator/simulator_models.h"

#include <stdbool.h>

struct simulator;

void simulator_defaults(struct simulator_options *o, const struct simulated_provider *providers);

/* Starts it; NULL on failure, with *why set to a message that the caller
 * frees. */
struct simulator *simulator_start(const struct simulator_options *o, char **why);

/* "http://127.0.0.1:PORT", owned by s. */
const char *simulator_url(const struct simulator *s);

/* A descriptor that is readable when there are complaints. */
int simulator_complaints(const struct simulator *s);

/* Writes the complaints so far to standard error: models that raised an error, which is a bug in
 * them. */
void simulator_write_complaints(struct simulator *s);

/* Stops it, writes the complaints, saves the state file, frees it. Returns false, with *why set as
 * above, when the state cannot be saved. */
bool simulator_stop(struct simulator *s, char **why);

#endif
