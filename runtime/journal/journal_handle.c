/* The open journal: its names, its death, and when it may be used. */
#include "journal/journal_handle.h"

#include "journal/journal_private.h"

#include <pthread.h>
#include <unistd.h>

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

/* --- failures --- */

/* Closing must not finish what failed: a sync that is tried again after an error
 * may succeed without having written anything. */
bool journal_stop_writing(struct journal *j)
{
    j->dead = true;
    if (j->db != NULL)
        sqlite3_db_config(j->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return false;
}

bool journal_die(struct journal *j, int rc)
{
    journal_fail_sqlite(&j->fault, j->db, rc, j->paths.database);
    return journal_stop_writing(j);
}

bool journal_die_damaged(struct journal *j, const char *why)
{
    journal_fail(&j->fault, JOURNAL_DAMAGED, "journal %.300s is damaged: %s", j->paths.database,
                 why);
    return journal_stop_writing(j);
}

bool journal_die_errno(struct journal *j, int error, const char *what, const char *path)
{
    journal_fail_errno(&j->fault, error, what, path);
    return journal_stop_writing(j);
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
