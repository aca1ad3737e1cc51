/* simulator: the provider models of scripts/simulator/ behind libmicrohttpd, on
 * a loopback port, over real HTTP.
 *
 * One thread runs the HTTP daemon and a Lua state of its own that holds the
 * models; nothing is shared with the state that runs scripts. */
#ifndef KELP_SIMULATOR_SIMULATOR_H
#define KELP_SIMULATOR_SIMULATOR_H

#include <stdbool.h>

struct simulator;

/* A provider that is served: by the model scripts/simulator/NAME.lua, at the simulator's address
 * followed by `path`. */
struct simulated_provider {
    const char *name, *path;
};

struct simulator_options {
    const struct simulated_provider *providers; /* a NULL name ends them */
    int port;              /* 0: the kernel chooses */
    double latency;        /* seconds before each response */
    double provisioning;   /* seconds until a new connector runs */
    double rate;           /* requests a second before 429; 0: no limit */
    double lag;            /* seconds that reads are behind */
    long long seed;        /* of ids and faults; 0: 1 */
    const char *faults;    /* what goes wrong: KIND=RATE,… as scripts/simulator/faults.lua has
                            * it, or the name of a JSON file (no '=' in it), or NULL */
    const char *state;     /* JSON file to load at the start and save at the end, or NULL */
};

void simulator_defaults(struct simulator_options *o, const struct simulated_provider *providers);

/* Starts it; NULL on failure, with *why set to a message that the caller
 * frees. */
struct simulator *simulator_start(const struct simulator_options *o, char **why);

/* "http://127.0.0.1:PORT", owned by s. */
const char *simulator_url(const struct simulator *s);

/* Stops it, saves the state file, frees it. Returns false, with *why set as
 * above, when the state cannot be saved. */
bool simulator_stop(struct simulator *s, char **why);

/* `kelp sim …`: parses its own options (argv[0] is "sim"), prints the JSON line
 * with the addresses and serves until SIGINT or SIGTERM. Returns the process's
 * exit code. */
int simulator_main(int argc, char **argv, const struct simulated_provider *providers);

#endif
