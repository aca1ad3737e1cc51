/* journal_schema: the tables of a journal, how SQLite is set up for them, and
 * the check that they are as they were left.
 *
 * Every row carries a seal, a 64-bit sum over its columns that the SQL function
 * `seal` computes: SQLite's own check sees a broken page, but not a flipped bit
 * in a text. It guards against accidents, not against a forger. */
#ifndef KELP_ENGINE_JOURNAL_SCHEMA_H
#define KELP_ENGINE_JOURNAL_SCHEMA_H

#include "engine/journal.h"

#include <sqlite3.h>

enum { JOURNAL_SCHEMA = 1, JOURNAL_PAGE = 4096 };

/* Fills `fault` with what SQLite said last and returns false; nothing when rc is
 * SQLITE_OK, and true. */
bool journal_fail_sqlite(struct journal_fault *fault, sqlite3 *db, int rc, const char *path);

/* For every connection, before anything is read. */
int journal_settings(sqlite3 *db);

/* Makes the tables in an empty database. */
int journal_schema_create(sqlite3 *db);

/* `path` is for messages. Without `whole` only what costs nothing is checked. */
bool journal_schema_verify(sqlite3 *db, bool whole, const char *path, struct journal_fault *fault);

/* The seals' columns, for the statements that write them. */
#define MARK_SEAL(commits, open) "seal(" commits ", " open ")"
#define RUN_SEAL(targets, ended, state, passes)                                                   \
    "seal(id, script, digest, arguments, tool, " targets ", secret, started, " ended ", " state   \
    ", " passes ")"
#define INTENT_SEAL "seal(id, key, verb, target, connector, place, digest, request, pre_image, intended)"
#define OUTCOME_SEAL(id, state, remote_id, result, error, ended, attempts)                        \
    "seal(" id ", " state ", " remote_id ", " result ", " error ", " ended ", " attempts ")"
#define ATTEMPT_SEAL(op, n, class, status, wait, at)                                              \
    "seal(" op ", " n ", " class ", " status ", " wait ", " at ")"
#define VALUE_SEAL(label, json, at) "seal(" label ", " json ", " at ")"

#endif
