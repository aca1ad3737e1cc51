/* journal_runs: the runs that a folder holds: what became of them, and which can
 * go. In `options`, `path` is the folder for the first two, and a run's file for
 * the third. */
#ifndef KELP_JOURNAL_JOURNAL_RUNS_H
#define KELP_JOURNAL_JOURNAL_RUNS_H

#include "journal/journal.h"

struct journal_summary {
    const char *id, *path;
    const char *script;                /* NULL: none, or not known */
    const struct journal_run *run;     /* NULL: see `fault` */
    size_t counts[JOURNAL_STATES];     /* when `run` is there */
    bool resumable;                    /* there is something to resume */
    const struct journal_fault *fault; /* JOURNAL_BUSY: it is under way */
};

/* True for what a process leaves that is killed while it makes the journal at `path`: nothing was
 * sent for it. Neither a list nor "last" has such a file. */
bool journal_is_unfinished(const char *path);

/* Calls `each` for every run, in the order of the ids, until it returns false.
 * Each is read, not checked from end to end. No folder is no runs. */
bool journal_list(const struct journal_options *options,
                  bool (*each)(void *context, const struct journal_summary *summary),
                  void *context, struct journal_fault *fault);

/* Removes the runs that started before that time (seconds since 1970) and leave
 * nothing to resume, and unfinished files from before it; the others, and those that cannot be
 * read, stay. */
bool journal_prune(const struct journal_options *options, double before, size_t *removed,
                   struct journal_fault *fault);

/* Removes one run, whatever its state, unless somebody has it open. */
bool journal_remove(const struct journal_options *options, struct journal_fault *fault);

#endif
