/* The statements of a journal, and how they are run. */
#include "journal/journal_handle.h"
#include "journal/journal_private.h"

#include "journal/journal_seal.h"

#include <stdarg.h>
#include <string.h>

static const char *const texts[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_RUN] = "SELECT id, script, digest, arguments, tool, targets, state, secret, started,"
                " ended, passes, changes, open FROM run",
    [SQL_ENTRY] = "SELECT previous, state, at, attempts, key, verb, target, connector, place,"
                  " digest, request, pre_image, remote_id, result, error FROM entry WHERE n = ?1",
    [SQL_REQUEST] = "SELECT request FROM entry WHERE n = ?1",
    [SQL_ENTRIES] = "SELECT n, op, state, previous, key FROM entry ORDER BY n",
    [SQL_ATTEMPTS] = "SELECT count(*), coalesce(max(n), 0) FROM attempt",
    [SQL_VALUES] = "SELECT count(*) FROM value",
    [SQL_VALUE_GET] = "SELECT json FROM value WHERE label = ?1",
    [SQL_RUN_WRITE] = "REPLACE INTO run VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,"
                      " ?13, ?14, ?15)",
    [SQL_ENTRY_WRITE] = "INSERT INTO entry VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,"
                        " ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
    [SQL_ATTEMPT_WRITE] = "INSERT INTO attempt VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [SQL_VALUE_WRITE] = "INSERT INTO value VALUES (?1, ?2, ?3, ?4)",
};

static sqlite3_stmt *prepared(struct journal *j, enum journal_statement which)
{
    sqlite3_stmt **s = &j->statements[which];
    if (*s != NULL)
        return *s;
    int rc = sqlite3_prepare_v3(j->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, s, NULL);
    if (rc != SQLITE_OK)
        journal_die(j, rc);
    return *s;
}

/* --- reading --- */

static sqlite3_stmt *bound(struct journal *j, sqlite3_stmt *s, int rc)
{
    if (rc == SQLITE_OK)
        return s;
    journal_die(j, rc);
    return NULL;
}

sqlite3_stmt *journal_read(struct journal *j, enum journal_statement which)
{
    return prepared(j, which);
}

sqlite3_stmt *journal_read_number(struct journal *j, enum journal_statement which, int64_t number)
{
    sqlite3_stmt *s = prepared(j, which);
    return s == NULL ? NULL : bound(j, s, sqlite3_bind_int64(s, 1, number));
}

sqlite3_stmt *journal_read_text(struct journal *j, enum journal_statement which, const char *text)
{
    sqlite3_stmt *s = prepared(j, which);
    return s == NULL ? NULL : bound(j, s, sqlite3_bind_text(s, 1, text, -1, SQLITE_STATIC));
}

void journal_reset(sqlite3_stmt *s)
{
    sqlite3_reset(s); /* repeats the error of the step, which was seen */
}

int journal_row(struct journal *j, sqlite3_stmt *s)
{
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        return 1;
    if (rc != SQLITE_DONE)
        journal_die(j, rc);
    journal_reset(s);
    return rc == SQLITE_DONE ? 0 : -1;
}

bool journal_copy_text(struct journal *j, sqlite3_stmt *s, int column, struct buffer *to,
                       size_t *at)
{
    *at = SIZE_MAX;
    if (sqlite3_column_type(s, column) == SQLITE_NULL)
        return true;
    /* A text that SQLite cannot read for want of memory looks like NULL. */
    const char *text = (const char *)sqlite3_column_text(s, column);
    size_t begin = to->size;
    if (text == NULL || !buffer_add(to, text, strlen(text) + 1))
        return journal_die(j, SQLITE_NOMEM);
    *at = begin;
    return true;
}

/* --- writing --- */

bool journal_run_plain(struct journal *j, enum journal_statement which)
{
    sqlite3_stmt *s = prepared(j, which);
    return s != NULL && journal_row(j, s) == 0;
}

struct binding {
    sqlite3_stmt *statement;
    int at;
    uint64_t seal;
    size_t bytes;
};

static int bind_text(struct binding *b, const char *text)
{
    if (text == NULL) {
        b->seal = journal_seal_add(b->seal, SQLITE_NULL, NULL, 0);
        return sqlite3_bind_null(b->statement, b->at);
    }
    size_t size = strlen(text);
    b->seal = journal_seal_add(b->seal, SQLITE_TEXT, text, size);
    b->bytes += size;
    /* Static: the row is written before the caller's texts can go. */
    return sqlite3_bind_text64(b->statement, b->at, text, size, SQLITE_STATIC, SQLITE_UTF8);
}

static int bind_number(struct binding *b, int64_t number)
{
    b->seal = journal_seal_add(b->seal, SQLITE_INTEGER, &number, sizeof number);
    return sqlite3_bind_int64(b->statement, b->at, number);
}

static int bind_real(struct binding *b, double number)
{
    b->seal = journal_seal_add(b->seal, SQLITE_FLOAT, &number, sizeof number);
    return sqlite3_bind_double(b->statement, b->at, number);
}

static int bind_digest(struct binding *b, const unsigned char *bytes)
{
    b->seal = journal_seal_add(b->seal, SQLITE_BLOB, bytes, DIGEST_SIZE);
    return sqlite3_bind_blob(b->statement, b->at, bytes, DIGEST_SIZE, SQLITE_STATIC);
}

static int bind_all(struct binding *b, const char *types, va_list values)
{
    int rc = SQLITE_OK;
    for (; *types != '\0' && rc == SQLITE_OK; types++, b->at++) {
        if (*types == 't')
            rc = bind_text(b, va_arg(values, const char *));
        else if (*types == 'i')
            rc = bind_number(b, va_arg(values, int64_t));
        else if (*types == 'd')
            rc = bind_real(b, va_arg(values, double));
        else
            rc = bind_digest(b, va_arg(values, const unsigned char *));
    }
    return rc == SQLITE_OK ? sqlite3_bind_int64(b->statement, b->at, (int64_t)b->seal) : rc;
}

bool journal_write(struct journal *j, enum journal_statement which, const char *types, ...)
{
    enum { ROW = 128 }; /* bytes that a row takes beside its texts, at most */
    struct binding b = { .statement = prepared(j, which), .at = 1 };
    if (b.statement == NULL)
        return false;
    va_list values;
    va_start(values, types);
    int rc = bind_all(&b, types, values);
    va_end(values);
    if (rc != SQLITE_OK)
        return journal_die(j, rc);
    if (journal_row(j, b.statement) != 0)
        return false;
    j->changes++;
    j->staged_changes++;
    j->staged_bytes += (int64_t)b.bytes + ROW;
    return true;
}

bool journal_write_run(struct journal *j)
{
    const struct journal_run *run = &j->run;
    j->run_changes++;
    return journal_write(j, SQL_RUN_WRITE, "iiittttttbddti", INT64_C(1), j->run_changes,
                         (int64_t)j->open, run->id, run->script, run->digest, run->arguments,
                         run->tool, run->targets, j->secret, run->started, run->ended,
                         journal_run_state_name(run->state), (int64_t)run->passes);
}
