/* Making a journal, opening one that is there, and closing it. */
#define _GNU_SOURCE
#include "journal/journal.h"

#include "base/clock.h"
#include "base/text.h"
#include "journal/journal_lock.h"
#include "journal/journal_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void free_journal(struct journal *j)
{
    if (j->lock >= 0)
        close(j->lock);
    if (j->wal >= 0)
        close(j->wal);
    journal_paths_free(&j->paths);
    buffer_free(&j->run_texts);
    buffer_free(&j->op_texts);
    buffer_free(&j->key_texts);
    for (size_t i = 0; i < JOURNAL_RECENT; i++)
        buffer_free(&j->recent[i].text);
    explicit_bzero(j->secret, sizeof j->secret);
    journal_index_free(&j->index);
    free(j);
}

static int disconnect(struct journal *j)
{
    for (int i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(j->statements[i]);
    return sqlite3_close(j->db);
}

/* SQLite takes a missing or broken log for one that ends there. That would lose
 * intents, and their requests would be sent again. */
static bool check_complete(struct journal *j, const struct journal_witness *witness,
                           const struct journal_sizes *sizes)
{
    if (j->open && sizes->wal <= JOURNAL_PAGE)
        return journal_die_damaged(j, "it was not closed, and its log (-wal) is missing");
    if (witness->changes <= j->changes)
        return true;
    journal_fail(&j->fault, JOURNAL_DAMAGED,
                 "journal %.300s is damaged: %lld changes were acknowledged, %lld are there",
                 j->paths.database, (long long)witness->changes, (long long)j->changes);
    return journal_stop_writing(j);
}

static bool set_wal_mode(struct journal *j, const char *pragma)
{
    sqlite3_stmt *s;
    int rc = sqlite3_prepare_v2(j->db, pragma, -1, &s, NULL);
    if (rc != SQLITE_OK)
        return journal_fail_sqlite(&j->fault, j->db, rc, j->paths.database);
    rc = sqlite3_step(s);
    const char *mode = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : NULL;
    bool fine = mode != NULL && strcmp(mode, "wal") == 0;
    if (!fine && rc != SQLITE_ROW)
        journal_fail_sqlite(&j->fault, j->db, rc, j->paths.database);
    else if (!fine)
        journal_die_damaged(j, "it keeps no log");
    sqlite3_finalize(s);
    return fine;
}

/* Nothing else can change a file whose lock is held, so that one without a log is
 * read as it is, also where nothing can be written. */
static char *unchanging_name(const char *path)
{
    struct buffer b;
    char *name = NULL;
    buffer_init(&b, 1 << 16);
    if (buffer_add_text(&b, "file:") && text_add_percent(&b, path, strlen(path))
        && buffer_add_text(&b, "?immutable=1"))
        name = strdup(b.data);
    buffer_free(&b);
    return name;
}

static bool connect(struct journal *j, const struct journal_options *options, bool unchanging)
{
    char *name = unchanging ? unchanging_name(j->paths.database) : strdup(j->paths.database);
    int flags = unchanging ? SQLITE_OPEN_READONLY | SQLITE_OPEN_URI : SQLITE_OPEN_READWRITE;
    int rc = SQLITE_NOMEM;
    journal_set_up_library();
    if (name != NULL)
        rc = sqlite3_open_v2(name, &j->db,
                             flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW
                                 | SQLITE_OPEN_EXRESCODE,
                             options->vfs);
    free(name);
    if (rc == SQLITE_OK)
        rc = journal_settings(j->db);
    if (rc == SQLITE_OK && j->read_only)
        rc = sqlite3_db_config(j->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (rc != SQLITE_OK)
        return journal_fail_sqlite(&j->fault, j->db, rc, j->paths.database);
    sqlite3_wal_hook(j->db, journal_count_frames, j);
    return true;
}

/* The descriptor is only for setting room aside. */
static bool open_log(struct journal *j)
{
    struct stat status;
    j->wal = open(j->paths.wal, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (j->wal < 0 || fstat(j->wal, &status) < 0)
        return journal_fail_errno(&j->fault, errno, "cannot open", j->paths.wal);
    return journal_status_check(&status, j->paths.wal, &j->fault);
}

static struct journal *new_journal(const struct journal_options *options, bool make,
                                   struct journal_fault *fault)
{
    struct journal *j = journal_watch_forks() ? calloc(1, sizeof *j) : NULL;
    if (j == NULL) {
        journal_fail(fault, JOURNAL_MEMORY, "out of memory");
        return NULL;
    }
    j->clock = options->clock;
    j->process = (long)getpid();
    j->lock = j->wal = -1;
    buffer_init(&j->run_texts, 3 * LARGEST_TEXTS);
    buffer_init(&j->op_texts, 3 * LARGEST_TEXTS);
    buffer_init(&j->key_texts, 3 * LARGEST_TEXTS);
    for (size_t i = 0; i < JOURNAL_RECENT; i++)
        buffer_init(&j->recent[i].text, LARGEST_TEXTS);
    if (journal_paths_find(&j->paths, options->path, make, fault)
        && journal_folder_check(j->paths.folder, options->allow_network, fault))
        return j;
    free_journal(j);
    return NULL;
}

static struct journal *give_up(struct journal *j, struct journal_fault *fault)
{
    journal_stop_writing(j);
    disconnect(j);
    *fault = j->fault;
    free_journal(j);
    return NULL;
}

static void fill_run(struct journal *j, const struct journal_options *options)
{
    j->run = *options->run;
    j->run.id = j->paths.id;
    if (j->run.tool == NULL)
        j->run.tool = "";
    j->run.started = clock_wall(j->clock);
    j->run.ended = 0;
    j->run.state = JOURNAL_RUNNING;
    j->run.passes = 1;
    j->under_way = true;
    for (size_t i = 0; i < DIGEST_SIZE; i += sizeof(uint64_t)) {
        uint64_t bits = options->clock->random(options->clock);
        memcpy(j->secret + i, &bits, sizeof bits);
    }
}

/* Marks it as open, in the database itself; and what an earlier process wrote and
 * could not sync is written again, to the database. */
static bool begin_writing(struct journal *j)
{
    j->open = true;
    if (!journal_write_run(j) || !journal_commit_staged(j)
        || !journal_checkpoint(j, SQLITE_CHECKPOINT_FULL) || !open_log(j))
        return false;
    struct journal_witness witness = { j->process, j->changes };
    int error = journal_witness_begin(j->lock, &witness, j->run.script);
    return error == 0 || journal_die_errno(j, error, "cannot write", j->paths.lock);
}

static bool execute(struct journal *j, const char *sql)
{
    int rc = sqlite3_exec(j->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK || journal_die(j, rc);
}

/* Nothing is promised before the first commit, and that takes all of it to disk. */
static bool make_tables(struct journal *j)
{
    char before[80];
    snprintf(before, sizeof before, "PRAGMA synchronous = OFF; PRAGMA page_size = %d",
             JOURNAL_PAGE);
    if (!execute(j, before) || !set_wal_mode(j, "PRAGMA journal_mode = WAL")
        || !execute(j, "PRAGMA synchronous = FULL") || !journal_run_plain(j, SQL_BEGIN))
        return false;
    int rc = journal_schema_create(j->db);
    return rc == SQLITE_OK || journal_die(j, rc);
}

struct journal *journal_create(const struct journal_options *options, struct journal_fault *fault)
{
    struct journal_witness witness;
    struct journal *j = new_journal(options, true, fault);
    if (j == NULL)
        return NULL;
    if (!journal_lock(&j->paths, false, &j->lock, &witness, &j->fault)
        || !journal_file_create(&j->paths, &j->fault))
        return give_up(j, fault);
    fill_run(j, options);
    if (connect(j, options, false) && make_tables(j) && begin_writing(j) && journal_read_run(j))
        return j;
    journal_stop_writing(j);
    disconnect(j);
    *fault = j->fault;
    /* Nothing was promised yet. What cannot be removed is seen to be damaged. */
    journal_files_remove(&j->paths, &j->fault);
    free_journal(j);
    return NULL;
}

/* How an existing journal is opened. */
struct access {
    bool write, alone, whole;
};

static struct journal *open_existing(const struct journal_options *options, struct access access,
                                     struct journal_fault *fault)
{
    struct journal_sizes sizes;
    struct journal_witness witness;
    struct journal *j = new_journal(options, false, fault);
    if (j == NULL)
        return NULL;
    j->read_only = !access.write;
    /* Looked at before, so that no lock file is made for what is not there; and after,
     * because the holder of the lock may have been ending. */
    if (!journal_file_check(&j->paths, &sizes, &j->fault)
        || !journal_lock(&j->paths, !access.alone, &j->lock, &witness, &j->fault)
        || !journal_file_check(&j->paths, &sizes, &j->fault))
        return give_up(j, fault);
    /* SQLite would remove the log that belongs to it. */
    if (sizes.database < JOURNAL_PAGE) {
        journal_die_damaged(j, "it is empty");
        return give_up(j, fault);
    }
    bool unchanging = !access.write && sizes.wal <= 0;
    if (connect(j, options, unchanging) && (unchanging || set_wal_mode(j, "PRAGMA journal_mode"))
        && journal_schema_check(j->db, j->paths.database, &j->fault)
        && (!access.whole || journal_schema_verify(j->db, j->paths.database, &j->fault))
        && journal_read_run(j) && journal_load(j) && check_complete(j, &witness, &sizes)
        && (!access.write || (journal_run_plain(j, SQL_BEGIN) && begin_writing(j))))
        return j;
    return give_up(j, fault);
}

struct journal *journal_resume(const struct journal_options *options, struct journal_fault *fault)
{
    return open_existing(options, (struct access){ .write = true, .alone = true, .whole = true },
                         fault);
}

struct journal *journal_open_readonly(const struct journal_options *options,
                                      struct journal_fault *fault)
{
    return open_existing(options, (struct access){ .whole = true }, fault);
}

struct journal *journal_open_light(const struct journal_options *options, bool alone,
                                   struct journal_fault *fault)
{
    return open_existing(options, (struct access){ .alone = alone }, fault);
}

/* --- closing --- */

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
        free_journal(j);
        return true;
    }
    if (fine && !j->read_only)
        fine = leave_in_order(j);
    int rc = disconnect(j);
    if (fine)
        fine = journal_fail_sqlite(&j->fault, NULL, rc, j->paths.database);
    if (!fine)
        *fault = j->fault;
    free_journal(j);
    return fine;
}

bool journal_discard(struct journal *j, struct journal_fault *fault)
{
    disconnect(j);
    bool fine = journal_files_remove(&j->paths, fault); /* under its lock */
    free_journal(j);
    return fine;
}
