#define _GNU_SOURCE
#include "journal/journal_private.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHECKPOINT_FRAMES = 500 };

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
bool journal_lay_to_rest(struct journal *j)
{
    j->dead = true;
    if (j->db != NULL)
        sqlite3_db_config(j->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return false;
}

bool journal_die(struct journal *j, int rc)
{
    journal_fail_sqlite(&j->fault, j->db, rc, j->paths.database);
    return journal_lay_to_rest(j);
}

bool journal_die_damaged(struct journal *j, const char *why)
{
    journal_fail(&j->fault, JOURNAL_DAMAGED, "journal %.300s is damaged: %s", j->paths.database,
                 why);
    return journal_lay_to_rest(j);
}

bool journal_die_errno(struct journal *j, int error, const char *what, const char *path)
{
    journal_fail_errno(&j->fault, error, what, path);
    return journal_lay_to_rest(j);
}

/* A system call for each look would be a tenth of an operation's cost. */
static volatile bool forked;

static void note_fork(void)
{
    forked = true;
}

bool journal_watch_forks(void)
{
    static bool watching;
    if (!watching)
        watching = pthread_atfork(NULL, NULL, note_fork) == 0;
    return watching;
}

bool journal_readable(struct journal *j)
{
    if (j->dead)
        return false; /* for the reason that it died of */
    if (!forked || j->process == (long)getpid())
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

static bool write_run_state(struct journal *j, enum journal_run_state state, double ended)
{
    j->run.state = state;
    j->run.ended = ended;
    return journal_write_run(j);
}

bool journal_begin(struct journal *j)
{
    if (!journal_writable(j))
        return false;
    if (!j->begun) {
        if (!journal_run_plain(j, SQL_BEGIN))
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

int journal_count_frames(void *context, sqlite3 *db, const char *name, int frames)
{
    (void)db;
    (void)name;
    ((struct journal *)context)->wal_frames = frames;
    return SQLITE_OK;
}

bool journal_checkpoint(struct journal *j, int mode)
{
    int frames = 0, copied = 0;
    int rc = sqlite3_wal_checkpoint_v2(j->db, NULL, mode, &frames, &copied);
    /* Without space in the database, the log goes on growing. */
    j->cramped = rc == SQLITE_FULL && mode == SQLITE_CHECKPOINT_PASSIVE;
    if (rc != SQLITE_OK && !j->cramped)
        return journal_die(j, rc);
    if (rc == SQLITE_OK && frames == copied)
        j->wal_frames = 0;
    return true;
}

bool journal_commit_staged(struct journal *j)
{
    if (!journal_run_plain(j, SQL_COMMIT))
        return false;
    j->begun = false;
    j->durable_entries = j->entries;
    j->staged_changes = j->staged_bytes = 0;
    struct journal_witness witness = { j->process, j->changes };
    int error = journal_witness_write(j->lock, &witness);
    return error == 0 || journal_die_errno(j, error, "cannot write", j->paths.lock);
}

bool journal_commit(struct journal *j)
{
    if (!journal_readable(j))
        return false;
    if (j->staged_changes == 0)
        return true;
    return journal_commit_staged(j)
           && (j->wal_frames < CHECKPOINT_FRAMES
               || journal_checkpoint(j, SQLITE_CHECKPOINT_PASSIVE));
}

bool journal_finish(struct journal *j, enum journal_run_state state)
{
    return journal_begin(j) && write_run_state(j, state, clock_wall(j->clock)) && journal_commit(j);
}

bool journal_set_targets(struct journal *j, const char *json)
{
    if (!journal_begin(j))
        return false;
    j->run.targets = json;
    return journal_write_run(j) && journal_read_run(j);
}

/* --- room --- */

static bool no_room(struct journal *j)
{
    return journal_fail(&j->fault, JOURNAL_FULL, "journal %.300s: no space left for outcomes",
                        j->paths.database);
}

bool journal_reserve(struct journal *j, int64_t bytes)
{
    /* Pages: for the outcomes; and what each commit touches besides its rows. A row
     * takes a part of a page, or a chain of pages, at most half of which is empty. */
    enum { OUTCOMES = 512, OTHERS = 16, STEP = 1 << 20, HEADER = 32, FRAME = JOURNAL_PAGE + 24 };
    if (j->cramped)
        return no_room(j);
    int64_t staged = 2 * (j->staged_bytes + bytes) / JOURNAL_PAGE + OTHERS;
    int64_t need = HEADER + (j->wal_frames + staged + OUTCOMES) * FRAME;
    if (need <= j->wal_room)
        return true;
    need = (need + STEP - 1) / STEP * STEP;
    int error;
    do
        error = fallocate(j->wal, FALLOC_FL_KEEP_SIZE, 0, need) == 0 ? 0 : errno;
    while (error == EINTR);
    if (error == EOPNOTSUPP || error == ENOSYS)
        need = INT64_MAX; /* this file system sets nothing aside */
    else if (error == ENOSPC || error == EDQUOT)
        return no_room(j);
    else if (error != 0)
        return journal_die_errno(j, error, "cannot write", j->paths.wal);
    j->wal_room = need;
    return true;
}

/* --- closing --- */

void journal_free(struct journal *j)
{
    if (j->lock >= 0)
        close(j->lock);
    if (j->wal >= 0)
        close(j->wal);
    journal_paths_free(&j->paths);
    buffer_free(&j->run_texts);
    buffer_free(&j->op_texts);
    buffer_free(&j->key_texts);
    for (size_t i = 0; i < JOURNAL_LATELY; i++)
        buffer_free(&j->lately[i].text);
    explicit_bzero(j->secret, sizeof j->secret);
    journal_index_free(&j->index);
    free(j);
}

int journal_disconnect(struct journal *j)
{
    for (int i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(j->statements[i]);
    return sqlite3_close(j->db);
}

/* All is in the database before its mark says that it needs no log. */
static bool leave_in_order(struct journal *j)
{
    if (j->begun && !journal_run_plain(j, SQL_ROLLBACK))
        return false;
    j->begun = false;
    j->changes -= j->staged_changes;
    if (!journal_read_run(j) || !journal_checkpoint(j, SQLITE_CHECKPOINT_FULL)
        || !journal_run_plain(j, SQL_BEGIN))
        return false;
    j->open = false;
    return journal_write_run(j) && journal_commit_staged(j)
           && journal_checkpoint(j, SQLITE_CHECKPOINT_TRUNCATE);
}

bool journal_close(struct journal *j, struct journal_fault *fault)
{
    if (j == NULL)
        return true;
    bool fine = !j->dead;
    if (j->process != (long)getpid()) {
        /* SQLite's locks and files are the parent's. */
        journal_free(j);
        return true;
    }
    if (fine && !j->read_only)
        fine = leave_in_order(j);
    int rc = journal_disconnect(j);
    if (fine)
        fine = journal_fail_sqlite(&j->fault, NULL, rc, j->paths.database);
    if (!fine)
        *fault = j->fault;
    journal_free(j);
    return fine;
}
