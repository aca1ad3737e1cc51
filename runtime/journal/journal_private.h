/* journal_private: what the files of the journal share, for them alone, from the lowest
 * to the highest: journal_handle, journal_sql, journal_read, journal_commit, journal_op.
 * Each calls only those before it. */
#ifndef KELP_JOURNAL_JOURNAL_PRIVATE_H
#define KELP_JOURNAL_JOURNAL_PRIVATE_H

#include "base/buffer.h"
#include "base/digest.h"
#include "journal/journal_file.h"
#include "journal/journal_index.h"
#include "journal/journal_schema.h"
#include "journal/journal_types.h"

enum { LARGEST_TEXTS = 1 << 28 }; /* bytes in the texts of one row */

enum journal_statement {
    SQL_BEGIN, SQL_COMMIT, SQL_ROLLBACK, SQL_RUN, SQL_ENTRY, SQL_ENTRIES, SQL_ATTEMPTS, SQL_VALUES,
    SQL_REQUEST,
    SQL_VALUE_GET, SQL_RUN_WRITE, SQL_ENTRY_WRITE, SQL_ATTEMPT_WRITE, SQL_VALUE_WRITE, SQL_COUNT
};

/* A request that was recorded recently. Many operations of a run ask for the same, and
 * the entries of all but the first hold JOURNAL_SAME and the number of that one's. */
struct journal_recent {
    struct buffer text;
    char same[24]; /* empty: there is none */
};
enum { JOURNAL_RECENT = 4, JOURNAL_SAME = '=' }; /* no JSON text begins so */

struct journal {
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_COUNT]; /* prepared at their first use */
    struct clock *clock;
    struct journal_paths paths;
    int lock, wal;           /* descriptors, -1: none */
    long process;
    bool read_only, dead;
    bool begun;              /* a transaction is open */
    bool under_way;          /* the run's row says so for this pass */
    bool open;               /* the run's row says that the log belongs to it */
    bool database_full;            /* the database could not grow: only outcomes are taken */
    struct journal_fault fault;
    struct journal_run run;
    struct buffer run_texts, op_texts, key_texts; /* the last: of journal_find_hashed */
    unsigned char secret[DIGEST_SIZE]; /* random; nothing is made of it, the format has it */
    struct journal_index index;
    struct journal_recent recent[JOURNAL_RECENT];
    unsigned next_recent;    /* where the next one goes, modulo JOURNAL_RECENT */
    int64_t changes;         /* ever made: entries, attempts, values, and of the run's row */
    int64_t run_changes;     /* of the run's row alone */
    int64_t entries;         /* the number of the last */
    int64_t durable_entries; /* as it was at the last commit */
    int64_t attempts;
    int64_t staged_changes, staged_bytes; /* since the last commit */
    int64_t wal_frames;      /* in the log and not yet in the database */
    int64_t wal_room;        /* bytes of the log that are allocated on disk */
};

/* --- journal_handle --- */

/* Once, before the first journal: a child must see that none is its own. False:
 * no memory. */
bool journal_watch_forks(void);

/* False, with the reason in j->fault, when nothing may be read, or written. */
bool journal_readable(struct journal *j);
bool journal_writable(struct journal *j);

/* From here on nothing is written. All return false: with what SQLite said, with
 * an errno, for damage that was found, and for the reason in j->fault. */
bool journal_die(struct journal *j, int rc);
bool journal_die_errno(struct journal *j, int error, const char *what, const char *path);
bool journal_die_damaged(struct journal *j, const char *why);
bool journal_stop_writing(struct journal *j);

/* --- journal_sql --- */

/* Runs one of BEGIN, COMMIT, ROLLBACK. */
bool journal_run_plain(struct journal *j, enum journal_statement which);

/* A statement that reads, with its parameter bound. NULL: the journal died. After
 * the last journal_row comes journal_reset. */
sqlite3_stmt *journal_read(struct journal *j, enum journal_statement which);
sqlite3_stmt *journal_read_number(struct journal *j, enum journal_statement which, int64_t number);
sqlite3_stmt *journal_read_text(struct journal *j, enum journal_statement which, const char *text);

/* 1: a row, 0: none, -1: the journal died. */
int journal_row(struct journal *j, sqlite3_stmt *statement);
void journal_reset(sqlite3_stmt *statement);

/* Adds a text of a row to `to`, NUL included, and where it begins there to `at`:
 * SIZE_MAX for NULL. False: no memory, the journal died. */
bool journal_copy_text(struct journal *j, sqlite3_stmt *statement, int column, struct buffer *to,
                       size_t *at);

/* Writes a row, sealed, in the transaction that is open. `types` says what follows:
 * 't' a text or NULL, 'i' an int64_t, 'd' a double, 'b' a blob of DIGEST_SIZE bytes.
 * What a change costs is counted. */
bool journal_write(struct journal *j, enum journal_statement which, const char *types, ...);

/* Writes the run's row as j->run and the rest have it. */
bool journal_write_run(struct journal *j);

/* --- journal_read --- */

#define JOURNAL_IS(state) (1u << (state))

/* From which states an operation may come into each. */
extern const unsigned journal_before[JOURNAL_STATES];

/* The states whose entry holds the operation's contents, and those in which nothing
 * has ended since the entry before. */
#define JOURNAL_WITH_CONTENTS (JOURNAL_IS(JOURNAL_PLANNED) | JOURNAL_IS(JOURNAL_INTENT))
#define JOURNAL_UNDER_WAY (JOURNAL_WITH_CONTENTS | JOURNAL_IS(JOURNAL_UNDO_INTENT))

/* Fills j->fault and returns false. */
bool journal_no_such(struct journal *j, int64_t op);

/* As journal_find, with the key's hash, and with the operation's texts in `texts`, so
 * that those which a caller has from this journal stay. */
bool journal_find_hashed(struct journal *j, const char *key, uint64_t hash, struct buffer *texts,
                         struct journal_op *op);

bool journal_read_run(struct journal *j);

/* Reads all entries, in their order, into the index; refuses what does not follow
 * from what was there before. */
bool journal_load(struct journal *j);

/* --- journal_commit --- */

/* Opens the transaction unless it is open. */
bool journal_begin(struct journal *j);

/* Room in the log for what is staged, for so many bytes more and for the outcomes
 * of all that is under way. */
bool journal_reserve(struct journal *j, int64_t bytes);

/* Commits what is staged. */
bool journal_commit_staged(struct journal *j);

/* Brings the log into the database (SQLITE_CHECKPOINT_…). */
bool journal_checkpoint(struct journal *j, int mode);
int journal_count_frames(void *context, sqlite3 *db, const char *name, int frames);

#endif
