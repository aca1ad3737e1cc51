/* exit_code: the program's exit code, computed in one place from everything that a run found out.
 *
 *   0    everything that was asked for is done
 *   1    something failed, any item of kelp.each or kelp.map among it, unless the script returned
 *        a code itself
 *   2    usage
 *   3    a plan found changes
 *   4    nobody knows whether a write was carried out; the writes are named
 *   130  interrupted
 *   else what the script returned */
#ifndef KELP_SESSION_EXIT_CODE_H
#define KELP_SESSION_EXIT_CODE_H

#include "lua/state.h"

#include <stdbool.h>
#include <stddef.h>

/* All zero: there was nothing to do. */
struct exit_facts {
    struct state_result script; /* the last that ran: statements, script or command, REPL */
    struct state_result at_end; /* of what runs after it: STATE_DONE unless that failed */
    bool limit_reached;         /* it was stopped, though it may not have noticed */
    size_t failed_items, unknown_items; /* of kelp.each and kelp.map */
    size_t doubles;             /* connectors that the audit found twice */
    size_t changes;             /* that a plan found */
    size_t unknown_writes;      /* that the journal has no outcome of */
    size_t unreached_writes;    /* of the run that is resumed, not asked for again */
    bool journal_failed;        /* it could not be written to its end */
    bool output_failed;         /* standard output could not be written */
};

/* Of the facts so far; any may still change it. Pure. */
int session_exit_code(const struct exit_facts *facts);

#endif
