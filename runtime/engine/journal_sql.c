/* The statements of a journal, and how they are run. */
#include "engine/journal_private.h"

#include <stdarg.h>
#include <string.h>

#define OP_COLUMNS                                                                                \
    "SELECT id, key, verb, target, connector, place, digest, request, pre_image, state,"          \
    " remote_id, result, error, intended, ended, attempts FROM op"

static const char *const texts[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_MARK] = "UPDATE mark SET commits = ?1, open = ?2, seal = " MARK_SEAL("?1", "?2"),
    [SQL_RUN] = "SELECT id, script, digest, arguments, tool, targets, started, ended, state,"
                " passes, secret FROM run",
    [SQL_RUN_STATE] = "UPDATE run SET ended = nullif(?1, 0.0), state = ?2, passes = ?3, seal = "
                      RUN_SEAL("targets", "nullif(?1, 0.0)", "?2", "?3"),
    [SQL_RUN_TARGETS] = "UPDATE run SET targets = ?1, seal = "
                        RUN_SEAL("?1", "ended", "state", "passes"),
    [SQL_FIND] = OP_COLUMNS " WHERE key = ?1",
    [SQL_GET] = OP_COLUMNS " WHERE id = ?1",
    [SQL_NEXT] = OP_COLUMNS " WHERE id > ?1 ORDER BY id LIMIT 1",
    [SQL_PREVIOUS] = OP_COLUMNS " WHERE id < ?1 ORDER BY id DESC LIMIT 1",
    [SQL_OP_STATE] = "SELECT state FROM op WHERE id = ?1",
    [SQL_KEY_STATE] = "SELECT state, id, digest = ?2 FROM op WHERE key = ?1",
    [SQL_OP_NEW] =
        "INSERT INTO op (id, key, verb, target, connector, place, digest, request, pre_image,"
        " intended, state, attempts, intent_seal, outcome_seal) VALUES (?1, ?2, ?3, ?4, ?5, ?6,"
        " ?7, ?8, ?9, ?10, ?11, 0, seal(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10), "
        OUTCOME_SEAL("?1", "?11", "NULL", "NULL", "NULL", "NULL", "0") ")",
    [SQL_OP_AGAIN] =
        "UPDATE op SET verb = ?3, target = ?4, connector = ?5, place = ?6, digest = ?7,"
        " request = ?8, pre_image = ?9, intended = ?10, state = ?11, remote_id = NULL,"
        " result = NULL, error = NULL, ended = NULL,"
        " intent_seal = seal(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10), outcome_seal = "
        OUTCOME_SEAL("?1", "?11", "NULL", "NULL", "NULL", "NULL", "attempts") " WHERE id = ?1",
    [SQL_OP_UNDO] =
        "UPDATE op SET state = 'undo_intent', error = NULL, outcome_seal = "
        OUTCOME_SEAL("id", "'undo_intent'", "remote_id", "result", "NULL", "ended", "attempts")
        " WHERE id = ?1",
    [SQL_OP_END] =
        "UPDATE op SET state = ?2, remote_id = coalesce(?3, remote_id),"
        " result = coalesce(?4, result), error = ?5, ended = ?6, attempts = attempts + ?7,"
        " outcome_seal = "
        OUTCOME_SEAL("id", "?2", "coalesce(?3, remote_id)", "coalesce(?4, result)", "?5", "?6",
                     "attempts + ?7") " WHERE id = ?1",
    [SQL_COUNTS] = "SELECT state, count(*) FROM op GROUP BY state",
    [SQL_ATTEMPT] =
        "INSERT INTO attempt SELECT ?1, n, ?2, ?3, ?4, ?5, "
        ATTEMPT_SEAL("?1", "n", "?2", "?3", "?4", "?5")
        " FROM (SELECT coalesce(max(n), 0) + 1 AS n FROM attempt WHERE op = ?1)",
    [SQL_VALUE_GET] = "SELECT json FROM value WHERE label = ?1",
    [SQL_VALUE_SET] = "INSERT INTO value VALUES (?1, ?2, ?3, " VALUE_SEAL("?1", "?2", "?3") ")",
};

static int bind_all(sqlite3_stmt *s, const char *types, va_list values)
{
    int rc = SQLITE_OK;
    for (int i = 1; types[i - 1] != '\0' && rc == SQLITE_OK; i++) {
        switch (types[i - 1]) {
        case 't':
            rc = sqlite3_bind_text(s, i, va_arg(values, const char *), -1, SQLITE_STATIC);
            break;
        case 'i':
            rc = sqlite3_bind_int64(s, i, va_arg(values, int64_t));
            break;
        case 'd':
            rc = sqlite3_bind_double(s, i, va_arg(values, double));
            break;
        default:
            rc = sqlite3_bind_blob(s, i, va_arg(values, const unsigned char *), DIGEST_SIZE,
                                   SQLITE_STATIC);
        }
    }
    return rc;
}

sqlite3_stmt *journal_bind(struct journal *j, enum journal_statement which, const char *types, ...)
{
    sqlite3_stmt **s = &j->statements[which];
    int rc = SQLITE_OK;
    if (*s == NULL)
        rc = sqlite3_prepare_v3(j->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, s, NULL);
    va_list values;
    va_start(values, types);
    if (rc == SQLITE_OK)
        rc = bind_all(*s, types, values);
    va_end(values);
    if (rc == SQLITE_OK)
        return *s;
    journal_die(j, rc);
    return NULL;
}

void journal_reset(sqlite3_stmt *s)
{
    sqlite3_reset(s); /* repeats the error of the step, which was seen */
    sqlite3_clear_bindings(s);
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

bool journal_change(struct journal *j, sqlite3_stmt *s, int64_t pages)
{
    if (s == NULL)
        return false;
    int rc = sqlite3_step(s);
    if ((rc & 0xff) == SQLITE_CONSTRAINT)
        journal_fail(&j->fault, JOURNAL_CLASH, "%.200s", sqlite3_errmsg(j->db));
    else if (rc != SQLITE_DONE)
        journal_die(j, rc);
    journal_reset(s);
    if (rc != SQLITE_DONE)
        return false;
    j->staged.changes++;
    j->staged.pages += pages;
    return true;
}

bool journal_copy_texts(struct journal *j, struct buffer *to, sqlite3_stmt *s,
                        const char **const fields[], const int columns[], size_t count)
{
    buffer_clear(to);
    /* What SQLite cannot read for want of memory looks like NULL. */
    for (size_t i = 0; i < count; i++) {
        const char *text = (const char *)sqlite3_column_text(s, columns[i]);
        bool null = sqlite3_column_type(s, columns[i]) == SQLITE_NULL;
        if ((text == NULL && !null)
            || (text != NULL && !buffer_add(to, text, (size_t)sqlite3_column_bytes(s, columns[i])))
            || !buffer_add_char(to, '\0'))
            return journal_die(j, SQLITE_NOMEM);
    }
    const char *at = to->data;
    for (size_t i = 0; i < count; i++) {
        bool null = sqlite3_column_type(s, columns[i]) == SQLITE_NULL;
        *fields[i] = null ? NULL : at;
        at += strlen(at) + 1;
    }
    return true;
}
