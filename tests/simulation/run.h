/* run: one seed from its plan to its verdict, in this process and in no time. */
#ifndef KELP_TESTS_RUN_H
#define KELP_TESTS_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chunks;
struct lua_State;

struct verdict {
    char *faults;        /* one line each, "" for a good run; freed by verdict_free */
    char *log;           /* what the run wrote to standard error */
    char class[32];      /* of the plan */
    int code;            /* the program's exit code */
    unsigned sends, effects;
    double seconds;      /* of virtual time */
    uint64_t hash;       /* equal runs have equal ones */
};

/* The state with the provider models, for all runs of this process. NULL after
 * a message on standard error. */
struct lua_State *run_begin(void);

/* Loads ground.lua into it. False after a message. */
bool run_prepare(struct lua_State *models, struct chunks *chunks);

/* False, after a message, when the run itself could not be carried out. */
bool run_seed(struct lua_State *models, struct chunks *chunks, uint64_t seed, bool verbose,
              struct verdict *verdict);
void verdict_free(struct verdict *verdict);

#endif
