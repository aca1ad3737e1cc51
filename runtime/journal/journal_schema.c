#include "journal/journal_schema.h"

#include "journal/journal_file.h"
#include "journal/journal_seal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { APPLICATION = 0x6b656c70 }; /* "kelp" */

/* In the order of their names, and as SQLite keeps them. */
static const struct {
    const char *name, *sql, *read;
} tables[] = {
    { "attempt",
      "CREATE TABLE attempt (n INTEGER PRIMARY KEY, op INTEGER NOT NULL, class TEXT NOT NULL,"
      " status INTEGER NOT NULL, wait REAL NOT NULL, at REAL NOT NULL, seal INTEGER NOT NULL)"
      " STRICT",
      "SELECT * FROM attempt" },
    { "entry",
      "CREATE TABLE entry (n INTEGER PRIMARY KEY, op INTEGER NOT NULL, state TEXT NOT NULL,"
      " previous INTEGER NOT NULL, at REAL NOT NULL, attempts INTEGER NOT NULL, key TEXT,"
      " verb TEXT, target TEXT, connector TEXT, place TEXT, digest TEXT, request TEXT,"
      " pre_image TEXT, remote_id TEXT, result TEXT, error TEXT, seal INTEGER NOT NULL) STRICT",
      "SELECT * FROM entry" },
    { "run",
      "CREATE TABLE run (one INTEGER PRIMARY KEY CHECK (one = 1), changes INTEGER NOT NULL,"
      " open INTEGER NOT NULL, id TEXT NOT NULL, script TEXT, digest TEXT, arguments TEXT,"
      " tool TEXT NOT NULL, targets TEXT, secret BLOB NOT NULL, started REAL NOT NULL,"
      " ended REAL NOT NULL, state TEXT NOT NULL, passes INTEGER NOT NULL, seal INTEGER NOT NULL)"
      " STRICT",
      "SELECT * FROM run" },
    { "value",
      "CREATE TABLE value (label TEXT PRIMARY KEY NOT NULL, json TEXT NOT NULL, at REAL NOT NULL,"
      " seal INTEGER NOT NULL) STRICT, WITHOUT ROWID",
      "SELECT * FROM value" },
};

enum { TABLES = sizeof tables / sizeof *tables };

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

/* --- set-up --- */

/* Only one thread uses it, and nobody asks how much memory it has: without these
 * two every allocation takes a lock twice. A user of SQLite before that has it as
 * it was, which is as good. */
void journal_set_up_library(void)
{
    static bool done;
    if (!done) {
        sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
        sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    }
    done = true;
}

/* Exclusive before the first read: the index of the log then lives in memory, and
 * there is no -shm file. Checkpoints are asked for, so that their failures are seen;
 * pages are not spilled, so that nothing is written before a commit. */
int journal_settings(sqlite3 *db)
{
    static const struct {
        int option, value;
    } options[] = {
        { SQLITE_DBCONFIG_DEFENSIVE, 1 },
        { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
        { SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 },
        { SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
    };
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof options / sizeof *options; i++)
        rc = sqlite3_db_config(db, options[i].option, options[i].value, NULL);
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
    int rc = SQLITE_OK;
    for (size_t i = 0; i < TABLES && rc == SQLITE_OK; i++)
        rc = sqlite3_exec(db, tables[i].sql, NULL, NULL, NULL);
    snprintf(numbers, sizeof numbers, "PRAGMA application_id = %d; PRAGMA user_version = %d;",
             APPLICATION, JOURNAL_SCHEMA);
    return rc == SQLITE_OK ? sqlite3_exec(db, numbers, NULL, NULL, NULL) : rc;
}

/* --- the check --- */

/* The number that a pragma gives. */
static int read_number(sqlite3 *db, const char *sql, sqlite3_int64 *number)
{
    sqlite3_stmt *s;
    *number = 0;
    int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
    if (rc != SQLITE_OK)
        return rc;
    if (sqlite3_step(s) == SQLITE_ROW)
        *number = sqlite3_column_int64(s, 0);
    return sqlite3_finalize(s);
}

static bool check_header(sqlite3 *db, const char *path, struct journal_fault *fault)
{
    sqlite3_int64 application, version, page;
    int rc = read_number(db, "PRAGMA application_id", &application);
    if (rc == SQLITE_OK)
        rc = read_number(db, "PRAGMA user_version", &version);
    if (rc == SQLITE_OK)
        rc = read_number(db, "PRAGMA page_size", &page);
    if (rc != SQLITE_OK)
        return journal_fail_sqlite(fault, db, rc, path);
    if (application != APPLICATION)
        return journal_fail(fault, JOURNAL_DAMAGED, "%.400s is not a journal of kelp", path);
    if (version != JOURNAL_SCHEMA)
        return journal_fail(fault, JOURNAL_VERSION,
                            "journal %.300s was written by %s version of kelp (schema %lld; this "
                            "one reads %d); resume, undo or show it with that version",
                            path, version > JOURNAL_SCHEMA ? "a newer" : "another",
                            (long long)version, JOURNAL_SCHEMA);
    return page == JOURNAL_PAGE || damaged(fault, path, "its pages have another size");
}

static bool is_text(sqlite3_stmt *s, int column, const char *text)
{
    const char *is = (const char *)sqlite3_column_text(s, column);
    return is != NULL && strcmp(is, text) == 0;
}

bool journal_schema_check(sqlite3 *db, const char *path, struct journal_fault *fault)
{
    if (!check_header(db, path, fault))
        return false;
    sqlite3_stmt *s;
    size_t count = 0;
    bool same = true;
    int rc = sqlite3_prepare_v2(db,
                                "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name",
                                -1, &s, NULL);
    if (rc != SQLITE_OK)
        return journal_fail_sqlite(fault, db, rc, path);
    for (; same && (rc = sqlite3_step(s)) == SQLITE_ROW; count++)
        same = count < TABLES && is_text(s, 0, "table") && is_text(s, 1, tables[count].name)
               && is_text(s, 2, tables[count].name) && is_text(s, 3, tables[count].sql);
    rc = sqlite3_finalize(s);
    if (rc != SQLITE_OK)
        return journal_fail_sqlite(fault, db, rc, path);
    return (same && count == TABLES)
           || damaged(fault, path, "its tables are not those of a journal");
}

/* The full check, because the quick one does not look into what is out of order
 * between the pages. */
static bool check_pages(sqlite3 *db, const char *path, struct journal_fault *fault)
{
    sqlite3_stmt *s;
    int rc = sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &s, NULL);
    if (rc != SQLITE_OK)
        return journal_fail_sqlite(fault, db, rc, path);
    const char *said = NULL;
    if (sqlite3_step(s) == SQLITE_ROW)
        said = (const char *)sqlite3_column_text(s, 0);
    bool fine = said != NULL && strcmp(said, "ok") == 0;
    if (said != NULL && !fine)
        damaged(fault, path, said);
    rc = sqlite3_finalize(s);
    if (said == NULL)
        journal_fail_sqlite(fault, db, rc == SQLITE_OK ? SQLITE_CORRUPT : rc, path);
    return fine;
}

static uint64_t add_column(uint64_t sum, sqlite3_stmt *s, int column)
{
    int type = sqlite3_column_type(s, column);
    if (type == SQLITE_INTEGER) {
        sqlite3_int64 number = sqlite3_column_int64(s, column);
        return journal_seal_add(sum, type, &number, sizeof number);
    }
    if (type == SQLITE_FLOAT) {
        double number = sqlite3_column_double(s, column);
        return journal_seal_add(sum, type, &number, sizeof number);
    }
    const void *bytes = sqlite3_column_blob(s, column);
    return journal_seal_add(sum, type, bytes, (size_t)sqlite3_column_bytes(s, column));
}

static bool check_seals(sqlite3 *db, const char *sql, const char *path,
                        struct journal_fault *fault)
{
    sqlite3_stmt *s;
    int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
    if (rc != SQLITE_OK)
        return journal_fail_sqlite(fault, db, rc, path);
    int last = sqlite3_column_count(s) - 1;
    bool fine = true;
    while (fine && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        uint64_t sum = 0;
        for (int i = 0; i < last; i++)
            sum = add_column(sum, s, i);
        fine = (sqlite3_int64)sum == sqlite3_column_int64(s, last);
    }
    /* A row that could not be read for want of memory has a wrong sum as well. */
    bool memory = sqlite3_errcode(db) == SQLITE_NOMEM;
    rc = sqlite3_finalize(s);
    if (memory || rc != SQLITE_OK)
        return journal_fail_sqlite(fault, db, memory ? SQLITE_NOMEM : rc, path);
    return fine || damaged(fault, path, "a row in it was changed");
}

bool journal_schema_verify(sqlite3 *db, const char *path, struct journal_fault *fault)
{
    bool fine = check_pages(db, path, fault);
    for (size_t i = 0; i < TABLES && fine; i++)
        fine = check_seals(db, tables[i].read, path, fault);
    return fine;
}
