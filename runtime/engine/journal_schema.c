#include "engine/journal_schema.h"

#include "base/buffer.h"
#include "engine/journal_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { APPLICATION = 0x6b656c70 }; /* "kelp" */

static const char tables[] =
    "CREATE TABLE mark ("
    " one INTEGER PRIMARY KEY CHECK (one = 1), commits INTEGER NOT NULL,"
    " open INTEGER NOT NULL, seal INTEGER NOT NULL) STRICT;"
    "CREATE TABLE run ("
    " one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL, script TEXT, digest TEXT,"
    " arguments TEXT, tool TEXT NOT NULL, targets TEXT, secret BLOB NOT NULL,"
    " started REAL NOT NULL, ended REAL,"
    " state TEXT NOT NULL CHECK (state IN"
    " ('running', 'interrupted', 'failed', 'finished', 'reverted')),"
    " passes INTEGER NOT NULL, seal INTEGER NOT NULL) STRICT;"
    "CREATE TABLE op ("
    " id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, verb TEXT NOT NULL,"
    " target TEXT NOT NULL, connector TEXT, place TEXT, digest TEXT NOT NULL, request TEXT,"
    " pre_image TEXT, intended REAL NOT NULL,"
    " state TEXT NOT NULL CHECK (state IN ('planned', 'intent', 'done', 'refused', 'unknown',"
    " 'undo_intent', 'undone', 'undo_conflict')),"
    " remote_id TEXT, result TEXT, error TEXT, ended REAL, attempts INTEGER NOT NULL,"
    " intent_seal INTEGER NOT NULL, outcome_seal INTEGER NOT NULL) STRICT;"
    "CREATE TABLE attempt ("
    " op INTEGER NOT NULL REFERENCES op (id), n INTEGER NOT NULL, class TEXT NOT NULL,"
    " status INTEGER NOT NULL, wait REAL NOT NULL, at REAL NOT NULL, seal INTEGER NOT NULL,"
    " PRIMARY KEY (op, n)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE value ("
    " label TEXT PRIMARY KEY, json TEXT NOT NULL, at REAL NOT NULL,"
    " seal INTEGER NOT NULL) STRICT, WITHOUT ROWID;";

/* --- failures --- */

static enum journal_kind kind_of(int rc, int error)
{
    if (rc == SQLITE_IOERR_NOMEM)
        return JOURNAL_MEMORY;
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return JOURNAL_FULL;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return JOURNAL_READ_ONLY;
    case SQLITE_NOMEM:
        return JOURNAL_MEMORY;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return JOURNAL_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR: /* a statement does not fit the tables */
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
    case SQLITE_CONSTRAINT:
        return JOURNAL_DAMAGED;
    default:
        if (error == ENOSPC || error == EDQUOT)
            return JOURNAL_FULL;
        return error == EACCES || error == EPERM || error == EROFS ? JOURNAL_READ_ONLY : JOURNAL_IO;
    }
}

bool journal_fail_sqlite(struct journal_fault *fault, sqlite3 *db, int rc, const char *path)
{
    if (rc == SQLITE_OK)
        return true;
    int error = db == NULL ? 0 : sqlite3_system_errno(db);
    const char *said = db == NULL || sqlite3_extended_errcode(db) != rc ? sqlite3_errstr(rc)
                                                                        : sqlite3_errmsg(db);
    enum journal_kind kind = kind_of(rc, error);
    bool system = (kind == JOURNAL_IO || kind == JOURNAL_READ_ONLY) && error != 0;
    return journal_fail(fault, kind, "journal %.300s: %.200s%s%s", path, said, system ? ": " : "",
                        system ? strerror(error) : "");
}

static bool damaged(struct journal_fault *fault, const char *path, const char *why)
{
    return journal_fail(fault, JOURNAL_DAMAGED, "journal %.300s is damaged: %.200s", path, why);
}

/* --- the seal --- */

/* FNV-1a: each step is a bijection of the sum, so one changed byte always shows. */
static uint64_t add(uint64_t sum, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ at[i]) * UINT64_C(0x100000001b3);
    return sum;
}

static uint64_t add_value(uint64_t sum, sqlite3_value *value)
{
    int type = sqlite3_value_type(value);
    sum = add(sum, &type, sizeof type);
    if (type == SQLITE_INTEGER) {
        sqlite3_int64 number = sqlite3_value_int64(value);
        return add(sum, &number, sizeof number);
    }
    if (type == SQLITE_FLOAT) {
        double number = sqlite3_value_double(value);
        return add(sum, &number, sizeof number);
    }
    const void *bytes = sqlite3_value_blob(value);
    int64_t size = sqlite3_value_bytes(value);
    sum = add(sum, &size, sizeof size);
    return add(sum, bytes, (size_t)size);
}

static void seal(sqlite3_context *context, int count, sqlite3_value **values)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (int i = 0; i < count; i++)
        sum = add_value(sum, values[i]);
    sqlite3_result_int64(context, (sqlite3_int64)sum);
}

/* --- set-up --- */

/* Exclusive before the first read: the index of the log then lives in memory, and
 * there is no -shm file. Checkpoints are asked for, so that their failures are seen;
 * pages are not spilled, so that nothing is written before a commit. */
int journal_settings(sqlite3 *db)
{
    static const struct {
        int option, value;
    } options[] = {
        { SQLITE_DBCONFIG_DEFENSIVE, 1 },       { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
        { SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 },  { SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
        { SQLITE_DBCONFIG_ENABLE_FKEY, 1 },
    };
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof options / sizeof *options; i++)
        rc = sqlite3_db_config(db, options[i].option, options[i].value, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function(db, "seal", -1,
                                     SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL,
                                     seal, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db,
                          "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL;"
                          "PRAGMA cell_size_check = ON; PRAGMA secure_delete = ON;"
                          "PRAGMA temp_store = MEMORY; PRAGMA cache_spill = OFF;"
                          "PRAGMA wal_autocheckpoint = 0; PRAGMA mmap_size = 0;",
                          NULL, NULL, NULL);
    return rc;
}

int journal_schema_create(sqlite3 *db)
{
    char numbers[96];
    snprintf(numbers, sizeof numbers, "PRAGMA application_id = %d; PRAGMA user_version = %d;",
             APPLICATION, JOURNAL_SCHEMA);
    int rc = sqlite3_exec(db, tables, NULL, NULL, NULL);
    return rc == SQLITE_OK ? sqlite3_exec(db, numbers, NULL, NULL, NULL) : rc;
}

/* --- the check --- */

static int first_row(sqlite3 *db, const char *sql, sqlite3_stmt **statement)
{
    int rc = sqlite3_prepare_v2(db, sql, -1, statement, NULL);
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(*statement);
    if (rc == SQLITE_ROW || rc == SQLITE_DONE)
        return rc;
    sqlite3_finalize(*statement);
    return rc;
}

/* The number that a statement of one row gives; 0 for no row. */
static int read_number(sqlite3 *db, const char *sql, sqlite3_int64 *number)
{
    sqlite3_stmt *statement;
    int rc = first_row(db, sql, &statement);
    *number = 0;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return rc;
    if (rc == SQLITE_ROW)
        *number = sqlite3_column_int64(statement, 0);
    return sqlite3_finalize(statement);
}

static bool check_header(sqlite3 *db, const char *path, struct journal_fault *fault)
{
    sqlite3_int64 application, version, page, pages;
    int rc = read_number(db, "PRAGMA page_count", &pages);
    if (rc == SQLITE_OK)
        rc = read_number(db, "PRAGMA application_id", &application);
    if (rc == SQLITE_OK)
        rc = read_number(db, "PRAGMA user_version", &version);
    if (rc == SQLITE_OK)
        rc = read_number(db, "PRAGMA page_size", &page);
    if (rc != SQLITE_OK)
        return journal_fail_sqlite(fault, db, rc, path);
    if (pages == 0)
        return damaged(fault, path, "it is empty");
    if (application != APPLICATION)
        return journal_fail(fault, JOURNAL_DAMAGED, "%.400s is not a journal of kelp", path);
    if (version != JOURNAL_SCHEMA)
        return journal_fail(fault, JOURNAL_VERSION,
                            "journal %.300s was written by %s version of kelp (schema %lld; this "
                            "one reads %d)",
                            path, version > JOURNAL_SCHEMA ? "a newer" : "another",
                            (long long)version, JOURNAL_SCHEMA);
    return page == JOURNAL_PAGE || damaged(fault, path, "its pages have another size");
}

static int dump_schema(sqlite3 *db, struct buffer *out)
{
    sqlite3_stmt *statement;
    int rc = sqlite3_prepare_v2(db,
                                "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema"
                                " ORDER BY type, name",
                                -1, &statement, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        rc = SQLITE_OK;
        for (int i = 0; i < 4 && rc == SQLITE_OK; i++) {
            const unsigned char *text = sqlite3_column_text(statement, i);
            if (text == NULL || !buffer_add_text(out, (const char *)text)
                || !buffer_add_char(out, '\n'))
                rc = SQLITE_NOMEM;
        }
    }
    sqlite3_finalize(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Against tables made by this program just now: nothing may be added, no trigger
 * and no index, and nothing be missing. */
static bool check_schema(sqlite3 *db, const char *path, struct journal_fault *fault)
{
    sqlite3 *fresh = NULL;
    struct buffer is, should;
    buffer_init(&is, 1 << 16);
    buffer_init(&should, 1 << 16);
    int rc = sqlite3_open_v2(":memory:", &fresh,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                             NULL);
    if (rc == SQLITE_OK)
        rc = journal_schema_create(fresh);
    if (rc == SQLITE_OK)
        rc = dump_schema(fresh, &should);
    bool fine = journal_fail_sqlite(fault, fresh, rc, path);
    if (fine)
        fine = journal_fail_sqlite(fault, db, dump_schema(db, &is), path);
    if (fine && strcmp(buffer_text(&is), buffer_text(&should)) != 0)
        fine = damaged(fault, path, "its tables are not those of a journal");
    sqlite3_close(fresh);
    buffer_free(&is);
    buffer_free(&should);
    return fine;
}

/* The full check, because the quick one does not compare an index with its table,
 * and a key that the index has lost would be sent again. */
static bool check_pages(sqlite3 *db, const char *path, struct journal_fault *fault)
{
    sqlite3_stmt *statement;
    int rc = first_row(db, "PRAGMA integrity_check(1)", &statement);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return journal_fail_sqlite(fault, db, rc, path);
    const char *said = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    bool fine = said != NULL && strcmp(said, "ok") == 0;
    if (!fine)
        damaged(fault, path, said == NULL ? "it cannot be checked" : said);
    sqlite3_finalize(statement);
    return fine;
}

static bool check_rows(sqlite3 *db, const char *path, struct journal_fault *fault)
{
    sqlite3_int64 broken;
    int rc = read_number(
        db,
        "SELECT (SELECT count(*) FROM mark WHERE seal <> " MARK_SEAL("commits", "open") ")"
        " + (SELECT count(*) FROM run WHERE seal <> "
            RUN_SEAL("targets", "ended", "state", "passes") ")"
        " + (SELECT count(*) FROM op WHERE intent_seal <> " INTENT_SEAL " OR outcome_seal <> "
            OUTCOME_SEAL("id", "state", "remote_id", "result", "error", "ended", "attempts") ")"
        " + (SELECT count(*) FROM attempt WHERE seal <> "
            ATTEMPT_SEAL("op", "n", "class", "status", "wait", "at") ")"
        " + (SELECT count(*) FROM value WHERE seal <> " VALUE_SEAL("label", "json", "at") ")"
        " + (SELECT count(*) FROM pragma_foreign_key_check)"
        " + (SELECT count(*) <> 1 FROM mark) + (SELECT count(*) <> 1 FROM run)",
        &broken);
    if (rc != SQLITE_OK)
        return journal_fail_sqlite(fault, db, rc, path);
    return broken == 0 || damaged(fault, path, "rows in it were changed");
}

bool journal_schema_verify(sqlite3 *db, bool whole, const char *path, struct journal_fault *fault)
{
    if (!check_header(db, path, fault))
        return false;
    return !whole
           || (check_schema(db, path, fault) && check_pages(db, path, fault)
               && check_rows(db, path, fault));
}
