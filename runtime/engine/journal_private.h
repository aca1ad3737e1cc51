/* journal_private: what the files of the journal share, for them alone. */
#ifndef KELP_ENGINE_JOURNAL_PRIVATE_H
#define KELP_ENGINE_JOURNAL_PRIVATE_H

#include "base/buffer.h"
#include "base/digest.h"
#include "engine/journal_file.h"
#include "engine/journal_schema.h"

enum journal_statement {
    SQL_BEGIN, SQL_COMMIT, SQL_ROLLBACK, SQL_MARK, SQL_RUN, SQL_RUN_STATE, SQL_RUN_TARGETS,
    SQL_FIND, SQL_GET, SQL_NEXT, SQL_PREVIOUS, SQL_OP_STATE, SQL_KEY_STATE, SQL_OP_NEW,
    SQL_OP_AGAIN, SQL_OP_UNDO, SQL_OP_END, SQL_COUNTS, SQL_ATTEMPT, SQL_VALUE_GET, SQL_VALUE_SET,
    SQL_COUNT
};

struct journal {
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_COUNT]; /* prepared at their first use */
    struct clock *clock;
    struct journal_paths paths;
    int lock, wal;          /* descriptors, -1: none */
    long process;
    bool read_only, dead;
    bool begun;             /* a transaction is open */
    bool under_way;         /* the run's row says so for this pass */
    bool cramped;           /* the database could not grow: only outcomes are taken */
    int64_t commits;
    int64_t last_op;
    struct journal_fault fault;
    struct journal_run run;
    struct buffer run_texts, op_texts;
    unsigned char secret[DIGEST_SIZE];
    struct staged {
        size_t changes;
        int64_t pages;      /* that they take in the log, at most */
        int64_t *sent;      /* operations that must not be sent before the commit */
        size_t sent_count, sent_capacity;
    } staged;
    int64_t wal_frames;     /* in the log and not yet in the database */
    int64_t wal_room;       /* bytes of the log that are allocated on disk */
    unsigned char *reached; /* a bit for each operation */
    size_t reached_size;
};

/* False, with the reason in j->fault, when nothing may be read, or written. */
bool journal_readable(struct journal *j);
bool journal_writable(struct journal *j);

/* Opens the transaction unless it is open. */
bool journal_begin(struct journal *j);

/* From here on nothing is written. Returns false. */
bool journal_die(struct journal *j, int rc);

/* A prepared statement with its parameters bound: 't' a text or NULL, 'i' an
 * int64_t, 'd' a double, 'b' a blob of DIGEST_SIZE bytes. NULL: the journal died.
 * Whoever steps it through journal_row ends with journal_reset. */
sqlite3_stmt *journal_bind(struct journal *j, enum journal_statement which, const char *types, ...);

/* 1: a row, 0: none, -1: the journal died. */
int journal_row(struct journal *j, sqlite3_stmt *statement);
void journal_reset(sqlite3_stmt *statement);

/* Runs a statement that gives no row (NULL: fails); a constraint is a
 * JOURNAL_CLASH, everything else fatal. `pages` as in struct staged. */
bool journal_change(struct journal *j, sqlite3_stmt *statement, int64_t pages);

/* Copies texts of a row into `to`; the pointers are good until it is cleared. */
bool journal_copy_texts(struct journal *j, struct buffer *to, sqlite3_stmt *statement,
                        const char **const fields[], const int columns[], size_t count);

/* Room in the log for `pages` more and for the outcomes of all that is under way. */
bool journal_reserve(struct journal *j, int64_t pages);

/* What can be known of a run that another process has open, or that is broken. */
struct journal *journal_open_light(const struct journal_options *options,
                                   struct journal_fault *fault);

#endif
