/* journal_handle: an open journal: how it fares, and which run it is of. */
#ifndef KELP_JOURNAL_JOURNAL_HANDLE_H
#define KELP_JOURNAL_JOURNAL_HANDLE_H

#include "journal/journal_types.h"

/* The last failure. */
const struct journal_fault *journal_fault(const struct journal *j);
bool journal_is_dead(const struct journal *j);

const struct journal_run *journal_run(const struct journal *j);

const char *journal_state_name(enum journal_state state);
const char *journal_run_state_name(enum journal_run_state state);

#endif
