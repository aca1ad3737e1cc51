#define _GNU_SOURCE /* fallocate */
#include "journal/journal_commit.h"

#include "base/clock.h"
#include "journal/journal_lock.h"
#include "journal/journal_private.h"

#include <errno.h>
#include <fcntl.h>

enum { CHECKPOINT_FRAMES = 500 };

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
    j->database_full = rc == SQLITE_FULL && mode == SQLITE_CHECKPOINT_PASSIVE;
    if (rc != SQLITE_OK && !j->database_full)
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
    if (j->database_full)
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
