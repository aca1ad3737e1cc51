/* journal_op: writes intents, outcomes, attempts, and recorded values.
 * See journal.h for failures. */
#ifndef KELP_JOURNAL_JOURNAL_OP_H
#define KELP_JOURNAL_JOURNAL_OP_H

#include "journal/journal_types.h"

/* Records the intent and gives its id. A key that is known is taken up again
 * when it was planned or refused, or in intent or unknown with the same digest;
 * else the call is refused. Refused too (JOURNAL_FULL) when there is no room for
 * the outcome: room for outcomes is set aside beforehand. */
bool journal_intend(struct journal *j, const struct journal_intent *intent, int64_t *op);

/* As journal_intend for what will be done later, or perhaps never; the key must
 * be new or planned. */
bool journal_plan(struct journal *j, const struct journal_intent *intent, int64_t *op);

/* Records that the inverse of a done operation is about to be sent. */
bool journal_undo(struct journal *j, int64_t op);

/* True when the intent of this operation, or of its inverse, is on disk. */
bool journal_may_send(struct journal *j, int64_t op);

/* Records the outcome: of an intent DONE, REFUSED or UNKNOWN, of an unknown DONE
 * or REFUSED, of a planned one REFUSED, of an undo intent UNDONE, UNDO_CONFLICT or
 * DONE (still). */
bool journal_end(struct journal *j, int64_t op, const struct journal_outcome *outcome);

bool journal_attempt(struct journal *j, int64_t op, const struct journal_attempt *attempt);

/* The label must be new. */
bool journal_value_set(struct journal *j, const char *label, const char *json);

#endif
