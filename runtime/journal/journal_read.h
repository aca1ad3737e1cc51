/* journal_read: reads operations and recorded values, and notes which operations this
 * pass of the script has asked for. See journal.h for failures. */
#ifndef KELP_JOURNAL_JOURNAL_READ_H
#define KELP_JOURNAL_JOURNAL_READ_H

#include "journal/journal_types.h"

/* The operation of that key, of that id, the first after and the last before an
 * id (0 and INT64_MAX for the ends); op->id is 0 when there is none. */
bool journal_find(struct journal *j, const char *key, struct journal_op *op);
bool journal_get(struct journal *j, int64_t id, struct journal_op *op);
bool journal_next(struct journal *j, int64_t id, struct journal_op *op);
bool journal_previous(struct journal *j, int64_t id, struct journal_op *op);

bool journal_counts(struct journal *j, size_t counts[JOURNAL_STATES]);

/* Notes, in memory, that the script asked for this operation in this pass.
 * JOURNAL_CLASH: it did already. What a completed resume has not reached was
 * left behind by the earlier run. */
bool journal_reach(struct journal *j, int64_t op);
bool journal_is_reached(const struct journal *j, int64_t op);

/* --- recorded values --- */

/* The JSON text of that label, to be freed by the caller, or NULL in *json. */
bool journal_value_get(struct journal *j, const char *label, char **json);

#endif
