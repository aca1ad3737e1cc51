#include "engine/journal_private.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHECKPOINT_FRAMES = 1000 };
enum { LARGEST_ROW = 1 << 30 };

static const char *const state_names[JOURNAL_STATES] = {
    [JOURNAL_PLANNED] = "planned",         [JOURNAL_INTENT] = "intent",
    [JOURNAL_DONE] = "done",               [JOURNAL_REFUSED] = "refused",
    [JOURNAL_UNKNOWN] = "unknown",         [JOURNAL_UNDO_INTENT] = "undo_intent",
    [JOURNAL_UNDONE] = "undone",           [JOURNAL_UNDO_CONFLICT] = "undo_conflict",
};

static const char *const run_state_names[] = { "running", "interrupted", "failed", "finished",
                                               "reverted" };

const char *journal_state_name(enum journal_state state)
{
    return state_names[state];
}

const char *journal_run_state_name(enum journal_run_state state)
{
    return run_state_names[state];
}

const struct journal_fault *journal_fault(const struct journal *j)
{
    return &j->fault;
}

bool journal_is_dead(const struct journal *j)
{
    return j->dead;
}

const struct journal_run *journal_run(const struct journal *j)
{
    return &j->run;
}

void journal_fingerprint(const struct journal *j, const char *bytes, size_t size, char text[65])
{
    digest_hmac(j->secret, bytes, size, text);
}

/* --- life and death --- */

/* Closing must not finish what failed: a sync that is tried again after an error
 * may succeed without having written anything. */
static bool lay_to_rest(struct journal *j)
{
    j->dead = true;
    sqlite3_db_config(j->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return false;
}

bool journal_die(struct journal *j, int rc)
{
    journal_fail_sqlite(&j->fault, j->db, rc, j->paths.database);
    return lay_to_rest(j);
}

static bool die_errno(struct journal *j, int error, const char *what, const char *path)
{
    journal_fail_errno(&j->fault, error, what, path);
    return lay_to_rest(j);
}

bool journal_readable(struct journal *j)
{
    if (j->dead)
        return false; /* for the reason that it died of */
    if (j->process == (long)getpid())
        return true;
    return journal_fail(&j->fault, JOURNAL_MISUSE, "journal %.300s belongs to process %ld",
                        j->paths.database, j->process);
}

bool journal_writable(struct journal *j)
{
    if (!journal_readable(j))
        return false;
    return !j->read_only
           || journal_fail(&j->fault, JOURNAL_MISUSE, "journal %.300s was opened to be read",
                           j->paths.database);
}

static bool run_plain(struct journal *j, enum journal_statement which)
{
    sqlite3_stmt *s = journal_bind(j, which, "");
    return s != NULL && journal_row(j, s) == 0;
}

static bool write_run_state(struct journal *j, enum journal_run_state state, double ended)
{
    sqlite3_stmt *s = journal_bind(j, SQL_RUN_STATE, "dti", ended, run_state_names[state],
                                   (int64_t)j->run.passes);
    if (!journal_change(j, s, 4))
        return false;
    j->run.state = state;
    j->run.ended = ended;
    return true;
}

bool journal_begin(struct journal *j)
{
    if (!journal_writable(j))
        return false;
    if (!j->begun) {
        if (!run_plain(j, SQL_BEGIN))
            return false;
        j->begun = true;
    }
    if (j->under_way)
        return true;
    j->under_way = true;
    j->run.passes++;
    return write_run_state(j, JOURNAL_RUNNING, 0);
}

/* --- commits --- */

static int count_frames(void *context, sqlite3 *db, const char *name, int frames)
{
    (void)db;
    (void)name;
    ((struct journal *)context)->wal_frames = frames;
    return SQLITE_OK;
}

/* Brings the log into the database. Without space there, the log goes on growing. */
static bool checkpoint(struct journal *j, int mode)
{
    int frames = 0, copied = 0;
    int rc = sqlite3_wal_checkpoint_v2(j->db, NULL, mode, &frames, &copied);
    if (rc != SQLITE_OK && !(rc == SQLITE_FULL && mode == SQLITE_CHECKPOINT_PASSIVE))
        return journal_die(j, rc);
    j->cramped = rc != SQLITE_OK;
    if (rc == SQLITE_OK && frames == copied)
        j->wal_frames = 0;
    return true;
}

static void forget_staged(struct journal *j)
{
    j->staged.changes = 0;
    j->staged.pages = 0;
    j->staged.sent_count = 0;
}

static bool commit_marked(struct journal *j, bool open)
{
    sqlite3_stmt *s = journal_bind(j, SQL_MARK, "ii", j->commits + 1, (int64_t)open);
    if (!journal_change(j, s, 2)) {
        /* The row that it changes is there, so that this is fatal whatever it was. */
        return j->dead ? false : journal_die(j, SQLITE_CONSTRAINT);
    }
    if (!run_plain(j, SQL_COMMIT))
        return false;
    j->begun = false;
    j->commits++;
    forget_staged(j);
    struct journal_witness witness = { j->process, j->commits };
    int error = journal_witness_write(j->lock, &witness);
    return error == 0 || die_errno(j, error, "cannot write", j->paths.lock);
}

bool journal_commit(struct journal *j)
{
    if (!journal_readable(j))
        return false;
    if (j->staged.changes == 0)
        return true;
    if (!commit_marked(j, true))
        return false;
    return j->wal_frames < CHECKPOINT_FRAMES || checkpoint(j, SQLITE_CHECKPOINT_PASSIVE);
}

bool journal_finish(struct journal *j, enum journal_run_state state)
{
    return journal_begin(j) && write_run_state(j, state, clock_wall(j->clock)) && journal_commit(j);
}

/* --- opening --- */

static const char *run_key(int column)
{
    static const char *const keys[] = { "id", "script" };
    return keys[column];
}
