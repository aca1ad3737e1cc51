/* journal_lock: keeps a second process out of a run, and tells which process has it. */
#ifndef KELP_JOURNAL_JOURNAL_LOCK_H
#define KELP_JOURNAL_JOURNAL_LOCK_H

#include "journal/journal_file.h"

/* The lock is on a file of its own, where no SQLite call can cancel it, and goes
 * with the process, however that ends. The file's one line is a witness: the process that has
 * it, and how many changes of the journal were acknowledged, written after each
 * commit and not synced. It survives kill -9, so that fewer changes in the database
 * mean that its log was lost; what a power loss leaves of it is never ahead. */
struct journal_witness {
    long pid;
    int64_t changes; /* -1: nothing is written there */
};

/* JOURNAL_BUSY when another has it. Readers share it, make no file and do without
 * one that is not there (`*fd`: -1). */
bool journal_lock(const struct journal_paths *paths, bool read_only, int *fd,
                  struct journal_witness *witness, struct journal_fault *fault);

/* Both return 0 or an errno. The script is shown by a list of runs. */
int journal_witness_write(int fd, const struct journal_witness *witness);
int journal_witness_begin(int fd, const struct journal_witness *witness, const char *script);

/* The script that the holder of the lock wrote down, to be freed; NULL: none. */
char *journal_witness_script(const char *lock);

#endif
