/* journal_commit: transactions, the room for them, and how a run stands. */
#ifndef KELP_JOURNAL_JOURNAL_COMMIT_H
#define KELP_JOURNAL_JOURNAL_COMMIT_H

#include "journal/journal_types.h"

/* Records how the run ended, and commits. */
bool journal_finish(struct journal *j, enum journal_run_state state);

/* Makes all since the last commit durable, with one fsync. */
bool journal_commit(struct journal *j);

/* Records the targets that the run uses, a JSON text. */
bool journal_set_targets(struct journal *j, const char *json);

#endif
