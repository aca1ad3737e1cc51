/* journal_schema: the tables of a journal, how SQLite is set up for them, and
 * the check that they are as they were left.
 *
 * What happens to an operation is a chain of entries, each of which names the one
 * before; entries are added and never changed, and counted without a gap. The
 * last column of every row is its seal (journal_seal.h). */
#ifndef KELP_JOURNAL_JOURNAL_SCHEMA_H
#define KELP_JOURNAL_JOURNAL_SCHEMA_H

#include "journal/journal_types.h"

#include <sqlite3.h>

enum { JOURNAL_SCHEMA = 2, JOURNAL_PAGE = 8192 };

/* Fills `fault` with what SQLite said last and returns false; nothing when rc is
 * SQLITE_OK, and true. */
bool journal_fail_sqlite(struct journal_fault *fault, sqlite3 *db, int rc, const char *path);

/* For the process, before SQLite is used for the first time. */
void journal_set_up_library(void);

/* For every connection, before anything is read. */
int journal_settings(sqlite3 *db);

/* Makes the tables in an empty database, in the transaction that is open. */
int journal_schema_create(sqlite3 *db);

/* Refuses what is not a journal of this version: tables, columns and whatever
 * else the schema holds must be those of this program, to the letter. `path` is
 * for messages. */
bool journal_schema_check(sqlite3 *db, const char *path, struct journal_fault *fault);

/* Reads all of it: pages, indexes, and the seal of every row. */
bool journal_schema_verify(sqlite3 *db, const char *path, struct journal_fault *fault);

#endif
