/* journal_file: a journal's files in the file system: made so that nobody else
 * can read or replace them, locked against a second process, checked before they
 * are opened. Knows nothing of what is in the database. */
#ifndef KELP_JOURNAL_JOURNAL_FILE_H
#define KELP_JOURNAL_JOURNAL_FILE_H

#include "journal/journal_types.h"

#include <sys/types.h>

struct stat;

/* Fills `fault` and returns false. */
bool journal_fail(struct journal_fault *fault, enum journal_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for what a system call said. */
bool journal_fail_errno(struct journal_fault *fault, int error, const char *what,
                        const char *path);

/* All owned; the folder's symbolic links are resolved. */
struct journal_paths {
    char *folder, *database, *wal, *shm, *rollback, *lock, *id;
};

/* `make`: folders that are missing are made, mode 0700. */
bool journal_paths_find(struct journal_paths *paths, const char *path, bool make,
                        struct journal_fault *fault);
void journal_paths_free(struct journal_paths *paths);

/* Refuses a folder that others can write to or that lies on a network. */
bool journal_folder_check(const char *folder, bool allow_network, struct journal_fault *fault);

/* The name of a network file system by its statfs number, or NULL. */
const char *journal_network_name(unsigned long type);

/* Makes the empty database file, mode 0600. Its name is on disk when that of its log
 * is: SQLite syncs the folder with the log's first commit. */
bool journal_file_create(const struct journal_paths *paths, struct journal_fault *fault);

struct journal_sizes {
    off_t database, wal; /* bytes; -1: there is none */
};

/* Refuses files that are not this user's alone. */
bool journal_file_check(const struct journal_paths *paths, struct journal_sizes *sizes,
                        struct journal_fault *fault);

bool journal_status_check(const struct stat *status, const char *path,
                          struct journal_fault *fault);

/* Removes all files of a run whose lock is held. */
bool journal_files_remove(const struct journal_paths *paths, struct journal_fault *fault);

#endif
