/* journal: what a run was about to do and what came of it, on disk, so that
 * kill -9 is a safe stop. One SQLite file for each run.
 *
 * The order that makes it so: an intent is committed before the first byte of
 * its request may leave (journal_may_send), an outcome before the script sees it.
 * Everything between two calls of journal_commit joins one transaction: one
 * fsync for all that became ready in one turn of the loop.
 *
 * Only what a caller passes is stored, and no caller passes a secret: requests
 * and pre-images arrive with references in the place of secrets.
 *
 * Functions that return bool return false with the reason in journal_fault (or
 * in their `fault`). A failure to read, write or sync makes the journal dead:
 * nothing is written through it any more, not even when it is closed, and every
 * later call fails; another process finds all that was committed. A refusal
 * (JOURNAL_CLASH, JOURNAL_MISUSE, and JOURNAL_FULL from journal_intend,
 * journal_plan, journal_undo and journal_value_set) changes nothing, and
 * journal_is_dead tells it from a failure. One thread; not carried across fork. */
#ifndef KELP_JOURNAL_JOURNAL_H
#define KELP_JOURNAL_JOURNAL_H

#include "journal/journal_commit.h"
#include "journal/journal_handle.h"
#include "journal/journal_op.h"
#include "journal/journal_read.h"
#include "journal/journal_types.h"

/* A new journal; nothing of that name may exist. Folders that are missing are
 * made for this user alone. NULL: see `fault`. */
struct journal *journal_create(const struct journal_options *options, struct journal_fault *fault);

/* An earlier run's journal, checked from end to end, to resume it. */
struct journal *journal_resume(const struct journal_options *options, struct journal_fault *fault);

/* The same, to look at: nothing is changed, functions that write fail. */
struct journal *journal_open_readonly(const struct journal_options *options,
                                      struct journal_fault *fault);

/* Ends and frees it; what was not committed is dropped. False: it could not be
 * put in order (it can still be resumed). NULL is allowed. */
bool journal_close(struct journal *j, struct journal_fault *fault);

/* Ends and frees a journal that was opened alone, and removes its files. */
bool journal_discard(struct journal *j, struct journal_fault *fault);

/* As journal_open_readonly, without the check from end to end. `alone`: other readers
 * are kept out as well. */
struct journal *journal_open_light(const struct journal_options *options, bool alone,
                                   struct journal_fault *fault);

#endif
