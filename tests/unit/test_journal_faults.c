/* journal, under faults: the story of journal_case.h is told again and again while
 * the disk fails at its first, second, third … operation, while the process is
 * killed or the power lost there, and while memory runs out; and what it left on
 * disk is broken bit by bit. Each time the journal must say no less than what it
 * acknowledged, and no more than what it was told; or refuse to be read. */
#define _GNU_SOURCE
#include "journal_case.h"

#include <sqlite3.h>

/* Every point of each sweep takes half a minute; under valgrind (KELP_TORTURE=+N, as for
 * the other torture) it is only every so many. */
static long thin = 1;

enum { THIN = 29 };
enum { SMALL = 3000, LARGE = 5 << 20, SNAPSHOTS = STORY_CALLS + 2 };

/* --- a disk that fails --- */

enum failure { FAIL_NOT, FAIL_FULL, FAIL_IO, DIE_BEFORE, DIE_HALFWAY, LOSE_POWER };

static struct {
    enum failure failure;
    long at;         /* the operation that fails, from 0 */
    bool once;       /* else all after it as well */
    bool only_main;  /* operations on the database itself */
    long operations; /* so far */
    long syncs;
} disk;

struct disk_file {
    sqlite3_file base;
    bool counted;
    sqlite3_file *real;
};

static sqlite3_vfs disk_vfs;
static sqlite3_vfs *real_vfs;

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct disk_file *)file)->real;
}

/* What a loss of power would undo: the writes that were not synced. */
static struct unsynced {
    sqlite3_file *real;
    sqlite3_int64 at, size, file_size; /* the file's before */
    unsigned char *old;
} *unsynced;
static size_t unsynced_count, unsynced_capacity;

/* `size` bytes from `at` on are about to be written over, or cut off. */
static void remember(sqlite3_file *real, sqlite3_int64 at, sqlite3_int64 size)
{
    if (disk.failure != LOSE_POWER)
        return;
    if (unsynced_count == unsynced_capacity) {
        unsynced_capacity = 2 * unsynced_capacity + 64;
        unsynced = realloc(unsynced, unsynced_capacity * sizeof *unsynced);
        MUST(unsynced != NULL);
    }
    struct unsynced *u = &unsynced[unsynced_count++];
    *u = (struct unsynced){ .real = real, .at = at };
    MUST(real->pMethods->xFileSize(real, &u->file_size) == SQLITE_OK);
    u->size = u->file_size - at < size ? u->file_size - at : size;
    if (u->size <= 0)
        return;
    u->old = malloc((size_t)u->size);
    MUST(u->old != NULL && real->pMethods->xRead(real, u->old, (int)u->size, at) == SQLITE_OK);
}

static void forget(const sqlite3_file *real)
{
    size_t kept = 0;
    for (size_t i = 0; i < unsynced_count; i++) {
        if (unsynced[i].real == real)
            free(unsynced[i].old);
        else
            unsynced[kept++] = unsynced[i];
    }
    unsynced_count = kept;
}

static void lose_power(void)
{
    while (unsynced_count > 0) {
        struct unsynced *u = &unsynced[--unsynced_count];
        if (u->old != NULL)
            u->real->pMethods->xWrite(u->real, u->old, (int)u->size, u->at);
        u->real->pMethods->xTruncate(u->real, u->file_size);
    }
    kill(getpid(), SIGKILL);
}

/* True when this operation fails, with *rc to be returned. */
static bool fails(const struct disk_file *file, int io, int *rc)
{
    if (!file->counted)
        return false;
    long now = disk.operations++;
    bool hit = disk.once ? now == disk.at : now >= disk.at;
    if (disk.failure == FAIL_NOT || !hit)
        return false;
    if (disk.failure == DIE_BEFORE)
        kill(getpid(), SIGKILL);
    if (disk.failure == LOSE_POWER)
        lose_power();
    *rc = disk.failure == FAIL_FULL ? SQLITE_FULL : io;
    return true;
}

static int disk_close(sqlite3_file *file)
{
    forget(real_of(file));
    return real_of(file)->pMethods == NULL ? SQLITE_OK
                                           : real_of(file)->pMethods->xClose(real_of(file));
}

static int disk_read(sqlite3_file *file, void *to, int size, sqlite3_int64 at)
{
    return real_of(file)->pMethods->xRead(real_of(file), to, size, at);
}

static int disk_write(sqlite3_file *file, const void *from, int size, sqlite3_int64 at)
{
    int rc;
    bool halfway = disk.failure == DIE_HALFWAY && ((struct disk_file *)file)->counted
                   && disk.operations == disk.at;
    if (halfway) {
        real_of(file)->pMethods->xWrite(real_of(file), from, size / 2, at);
        kill(getpid(), SIGKILL);
    }
    if (fails((struct disk_file *)file, SQLITE_IOERR_WRITE, &rc))
        return rc;
    remember(real_of(file), at, size);
    return real_of(file)->pMethods->xWrite(real_of(file), from, size, at);
}

static int disk_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int rc;
    if (fails((struct disk_file *)file, SQLITE_IOERR_TRUNCATE, &rc))
        return rc;
    remember(real_of(file), size, INT_MAX);
    return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int disk_sync(sqlite3_file *file, int flags)
{
    int rc;
    if (fails((struct disk_file *)file, SQLITE_IOERR_FSYNC, &rc))
        return rc;
    disk.syncs++;
    forget(real_of(file));
    return real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int disk_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int disk_lock(sqlite3_file *file, int lock)
{
    return real_of(file)->pMethods->xLock(real_of(file), lock);
}

static int disk_unlock(sqlite3_file *file, int lock)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), lock);
}

static int disk_check_lock(sqlite3_file *file, int *held)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), held);
}

static int disk_control(sqlite3_file *file, int op, void *argument)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), op, argument);
}

static int disk_sector(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int disk_device(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int disk_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    static const sqlite3_io_methods methods = {
        1,         disk_close, disk_read,   disk_write,      disk_truncate, disk_sync,
        disk_size, disk_lock,  disk_unlock, disk_check_lock, disk_control,  disk_sector,
        disk_device, NULL, NULL, NULL, NULL, NULL, NULL,
    };
    struct disk_file *f = (struct disk_file *)file;
    int rc;
    (void)vfs;
    f->base.pMethods = NULL;
    f->real = (sqlite3_file *)(f + 1);
    f->real->pMethods = NULL;
    f->counted = !disk.only_main || (flags & SQLITE_OPEN_MAIN_DB) != 0;
    if (fails(f, SQLITE_CANTOPEN, &rc))
        return rc;
    rc = real_vfs->xOpen(real_vfs, name, f->real, flags, out);
    if (f->real->pMethods != NULL)
        f->base.pMethods = &methods;
    return rc;
}

static void install_disk(void)
{
    real_vfs = sqlite3_vfs_find(NULL);
    disk_vfs = *real_vfs;
    disk_vfs.zName = "disk";
    disk_vfs.szOsFile = (int)sizeof(struct disk_file) + real_vfs->szOsFile;
    disk_vfs.xOpen = disk_open;
    assert_int_equal(sqlite3_vfs_register(&disk_vfs, 0), SQLITE_OK);
}

static void set_disk(enum failure failure, long at, bool once)
{
    disk.failure = failure;
    disk.at = at;
    disk.once = once;
    disk.operations = 0;
}

/* --- memory that runs out --- */

static sqlite3_mem_methods real_memory;
static long allocations, allocations_left = -1; /* -1: as many as are wanted */

static bool memory_is_out(void)
{
    allocations++;
    if (allocations_left < 0)
        return false;
    if (allocations_left == 0)
        return true;
    allocations_left--;
    return false;
}

static void *scarce_malloc(int size)
{
    return memory_is_out() ? NULL : real_memory.xMalloc(size);
}

static void *scarce_realloc(void *old, int size)
{
    return memory_is_out() ? NULL : real_memory.xRealloc(old, size);
}

/* --- the story, told --- */

struct telling {
    bool created, closed;
    int calls;   /* that succeeded */
    int commits; /* that were acknowledged; the making is the first, the end the last */
};

/* What the journal says after each commit: 0 is a journal just made. */
static char *snapshots[SNAPSHOTS];
static int snapshot_count;
static char *text_of[2]; /* the story's large text: small, large */

static void free_snapshots(void)
{
    for (int i = 0; i < snapshot_count; i++)
        free(snapshots[i]);
    snapshot_count = 0;
}

static void note(int pipe_end, struct telling *t)
{
    if (pipe_end >= 0)
        MUST(write(pipe_end, t, sizeof *t) == sizeof *t);
}

/* After the first call that fails, all others must: a journal that lost something
 * takes nothing more. */
static struct telling tell_all(struct place *p, const char *big, int pipe_end, bool keep)
{
    struct telling t = { .created = false };
    struct journal_fault fault = { .kind = JOURNAL_NO_FAULT };
    clock_virtual(&p->clock, 1);
    struct journal *j = journal_create(&p->options, &fault);
    if (j == NULL) {
        MUST(fault.kind != JOURNAL_NO_FAULT);
        return t;
    }
    t.created = true;
    t.commits = 1;
    note(pipe_end, &t);
    if (keep)
        snapshots[snapshot_count++] = dump(j);
    bool alive = true;
    for (int call = 0; call < STORY_CALLS; call++) {
        bool commit, fine = tell(j, &p->clock, call, big, &commit);
        MUST(alive || !fine);
        /* No intent goes out whose commit failed. */
        MUST(alive || !journal_may_send(j, 1));
        if (!fine) {
            MUST(journal_fault(j)->kind != JOURNAL_NO_FAULT);
            alive = alive && !journal_is_dead(j);
            MUST(!alive);
            continue;
        }
        t.calls++;
        t.commits += commit;
        note(pipe_end, &t);
        if (commit && keep)
            snapshots[snapshot_count++] = dump(j);
    }
    t.closed = journal_close(j, &fault);
    if (!alive)
        MUST(!t.closed);
    note(pipe_end, &t);
    return t;
}

static void make_snapshots(struct place *p, const char *big)
{
    free_snapshots();
    set_disk(FAIL_NOT, 0, true);
    struct telling t = tell_all(p, big, -1, true);
    assert_true(t.created && t.closed);
    assert_int_equal(t.calls, STORY_CALLS);
    assert_int_equal(t.commits, snapshot_count);
    struct journal_fault fault;
    assert_true(journal_remove(&p->options, &fault));
}

/* The snapshot that a text is, or -1. */
static int which_snapshot(const char *text)
{
    for (int i = 0; i < snapshot_count; i++) {
        if (strcmp(text, snapshots[i]) == 0)
            return i;
    }
    return -1;
}

/* Opens what a telling left, and removes it. What was acknowledged must be there;
 * at most the commit that was under way may be there too. */
static void judge(struct place *p, struct telling t, long at)
{
    struct journal_fault fault;
    set_disk(FAIL_NOT, 0, true);
    struct journal *j = journal_resume(&p->options, &fault);
    if (j == NULL && t.created)
        fail_msg("fault at %ld, %d commits: %s", at, t.commits, fault.message);
    if (j != NULL) {
        char *text = dump(j);
        int is = which_snapshot(text);
        if (is < 0 || is + 1 < t.commits || is > t.commits)
            fail_msg("fault at %ld, %d commits: snapshot %d:\n%.2000s", at, t.commits, is, text);
        free(text);
        close_well(j);
        j = resume(p);
        close_well(j);
    }
    if (!journal_remove(&p->options, &fault))
        assert_int_equal(fault.kind, JOURNAL_MISSING);
    unlink(p->lock); /* left by a making that failed */
}

static void sweep(struct place *p, enum failure failure, bool once, const char *big, long step)
{
    step *= thin;
    make_snapshots(p, big);
    long at = 0, ended = 0;
    for (;; at += step) {
        set_disk(failure, at, once);
        struct telling t = tell_all(p, big, -1, false);
        bool hit = disk.operations > at;
        ended += t.calls < STORY_CALLS || !t.closed;
        judge(p, t, at);
        if (!hit)
            break;
    }
    assert_true(ended > 20 / step);
    free_snapshots();
}

static void the_disk_fails_once(void **state)
{
    sweep(*state, FAIL_IO, true, text_of[0], 1);
    sweep(*state, FAIL_FULL, true, text_of[0], 1);
}

static void the_disk_fails_for_good(void **state)
{
    sweep(*state, FAIL_IO, false, text_of[0], 1);
    sweep(*state, FAIL_FULL, false, text_of[0], 1);
}

/* --- the process is killed --- */

static struct telling tell_until_killed(struct place *p, const char *big, bool *killed)
{
    int ends[2], status;
    struct telling t = { .created = false }, next;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        tell_all(p, big, ends[1], false);
        kill(getpid(), SIGKILL);
    }
    close(ends[1]);
    while (read(ends[0], &next, sizeof next) == (ssize_t)sizeof next)
        t = next;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    *killed = !t.closed; /* else it came through, before it was killed here */
    return t;
}

static void kill_sweep(struct place *p, enum failure failure, const char *big, long step)
{
    step *= thin;
    make_snapshots(p, big);
    bool killed = true, any = false;
    int seen[SNAPSHOTS] = { 0 };
    long last = 0;
    /* Counted once: a write halfway is not every operation. */
    set_disk(FAIL_NOT, 0, true);
    struct telling all = tell_all(p, big, -1, false);
    last = disk.operations;
    judge(p, all, -1);
    for (long at = 0; at < last; at += step) {
        set_disk(failure, at, true);
        struct telling t = tell_until_killed(p, big, &killed);
        any = any || killed;
        assert_true(killed || failure == DIE_HALFWAY);
        seen[t.commits]++;
        judge(p, t, at);
    }
    assert_true(any);
    for (int i = 0; i < snapshot_count && step == 1; i++)
        assert_true(seen[i] > 0);
    free_snapshots();
}

static void a_kill_before_any_operation(void **state)
{
    kill_sweep(*state, DIE_BEFORE, text_of[0], 1);
}

static void a_kill_halfway_through_any_write(void **state)
{
    kill_sweep(*state, DIE_HALFWAY, text_of[0], 1);
}

static void a_loss_of_power_before_any_operation(void **state)
{
    kill_sweep(*state, LOSE_POWER, text_of[0], 1);
}

/* One for each commit; the first after the log began anew also has its header synced. */
static void one_sync_for_each_commit(void **state)
{
    struct place *p = *state;
    struct journal *j = create(p);
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < 5; i++) {
            char key[32];
            int64_t op;
            snprintf(key, sizeof key, "key-%d-%d", pass, i);
            struct journal_intent in = intent(key);
            CHECK(j, journal_intend(j, &in, &op));
            long before = disk.syncs;
            CHECK(j, journal_commit(j));
            assert_int_equal(disk.syncs - before, i == 0 ? 2 : 1);
            CHECK(j, journal_commit(j)); /* nothing to be written, nothing to be synced */
            assert_int_equal(disk.syncs - before, i == 0 ? 2 : 1);
        }
        close_well(j);
        j = resume(p);
    }
    close_well(j);
}

/* The large text makes a commit bring the log into the database. */
static void faults_while_the_log_is_brought_in(void **state)
{
    sweep(*state, FAIL_IO, true, text_of[1], 331);
    kill_sweep(*state, DIE_HALFWAY, text_of[1], 331);
    kill_sweep(*state, LOSE_POWER, text_of[1], 331);
}

static void a_database_that_cannot_grow_still_takes_outcomes(void **state)
{
    struct place *p = *state;
    struct journal_fault fault;
    struct journal_intent first = intent("first"), second = intent("second");
    int64_t op, other;
    disk.only_main = true;
    set_disk(FAIL_NOT, 0, false);
    struct journal *j = create(p);
    first.request = text_of[1];
    CHECK(j, journal_intend(j, &first, &op));
    set_disk(FAIL_FULL, 0, false);
    CHECK(j, journal_commit(j));
    CHECK(j, journal_may_send(j, op));
    REFUSED(j, JOURNAL_FULL, journal_intend(j, &second, &other));
    REFUSED(j, JOURNAL_FULL, journal_value_set(j, "first", "1"));
    CHECK(j, journal_end(j, op, &(struct journal_outcome){ .state = JOURNAL_DONE, .result = "r" }));
    CHECK(j, journal_commit(j));
    assert_false(journal_close(j, &fault));
    assert_int_equal(fault.kind, JOURNAL_FULL);
    set_disk(FAIL_NOT, 0, false);
    disk.only_main = false;
    j = resume(p);
    struct journal_op found;
    CHECK(j, journal_find(j, "first", &found));
    assert_int_equal(found.state, JOURNAL_DONE);
    CHECK(j, journal_intend(j, &second, &other));
    close_well(j);
}

static void memory_runs_out(void **state)
{
    struct place *p = *state;
    make_snapshots(p, text_of[0]);
    allocations = 0;
    struct telling t = tell_all(p, text_of[0], -1, false);
    long total = allocations, ended = 0;
    judge(p, t, -1);
    for (long n = 0; n < total; n += (total / 200 + 1) * thin) {
        allocations_left = n;
        t = tell_all(p, text_of[0], -1, false);
        allocations_left = -1;
        ended += t.calls < STORY_CALLS || !t.closed;
        judge(p, t, n);
    }
    assert_true(ended > 100 / thin);
    free_snapshots();
}

/* --- what is on disk is broken --- */

/* Leave the files of a process that told so much of the story and was killed. */
static int calls_told;

static void tell_some(struct place *p)
{
    bool commit;
    struct journal *j = create(p);
    for (int call = 0; call < calls_told; call++)
        CHECK(j, tell(j, &p->clock, call, text_of[0], &commit));
}

static void leave(struct place *p, int calls)
{
    calls_told = calls;
    in_child(p, tell_some);
}

static void take_up(struct place *p)
{
    resume(p);
}

static char *read_journal(struct place *p)
{
    struct journal_fault fault;
    struct journal *j = journal_open_readonly(&p->options, &fault);
    assert_non_null(j);
    char *text = dump(j);
    close_well(j);
    return text;
}

/* Refused (1), or the same as before (0). */
static int refused_or_same(struct place *p, const char *text, const char *what, long at)
{
    struct journal_fault fault = { .kind = JOURNAL_NO_FAULT };
    struct journal *j = journal_open_readonly(&p->options, &fault);
    if (j == NULL) {
        if (fault.kind == JOURNAL_NO_FAULT || fault.message[0] == '\0')
            fail_msg("%s %ld: refused without a reason", what, at);
        return 1;
    }
    char *now = dump(j);
    journal_close(j, &fault);
    if (strcmp(now, text) != 0)
        fail_msg("%s %ld: silently different:\n%s\ninstead of\n%s", what, at, now, text);
    free(now);
    return 0;
}

static void flip(const char *path, long at)
{
    unsigned char byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte = (unsigned char)(byte ^ 1u << at % 8);
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static long size_of(const char *path)
{
    struct stat status;
    return stat(path, &status) < 0 ? -1 : (long)status.st_size;
}

static void flip_everywhere(struct place *p, const char *path, long step, long least)
{
    char *text = read_journal(p);
    long size = size_of(path), refused = 0;
    step = step > 1 ? step * thin : step;
    assert_true(size > 0);
    for (long at = 0; at < size; at += step) {
        flip(path, at);
        refused += refused_or_same(p, text, path, at);
        flip(path, at);
    }
    assert_int_equal(size_of(path), size);
    assert_int_equal(refused_or_same(p, text, path, -1), 0);
    assert_true(refused >= least / thin);
    free(text);
}

static void a_flipped_bit_in_a_closed_journal(void **state)
{
    struct place *p = *state;
    assert_true(tell_all(p, text_of[0], -1, false).closed);
    assert_true(size_of(p->wal) <= 0);
    flip_everywhere(p, p->db, 37, 300);
    flip_everywhere(p, p->lock, 1, 1);
}

static void a_flipped_bit_in_the_files_of_a_killed_run(void **state)
{
    struct place *p = *state;
    leave(p, STORY_CALLS - 2);
    flip_everywhere(p, p->wal, 37, 300);
    flip_everywhere(p, p->db, 37, 0); /* nearly all of it is in the log */
}

static void a_flipped_bit_in_a_log_that_was_brought_in(void **state)
{
    struct place *p = *state;
    leave(p, STORY_CALLS);
    in_child(p, take_up);
    flip_everywhere(p, p->wal, 37, 300);
}

static void write_file(const char *path, const char *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

static char *read_file(const char *path, size_t *size)
{
    long there = size_of(path);
    assert_true(there >= 0);
    *size = (size_t)there;
    char *bytes = malloc(*size + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_non_null(bytes);
    assert_int_equal(read(fd, bytes, *size), there);
    close(fd);
    return bytes;
}

static void truncate_everywhere(struct place *p, const char *path, size_t step)
{
    size_t size;
    char *text = read_journal(p), *bytes = read_file(path, &size);
    long refused = 0;
    step *= (size_t)thin;
    for (size_t left = 0; left < size; left += step) {
        write_file(path, bytes, left);
        refused += refused_or_same(p, text, path, (long)left);
    }
    write_file(path, bytes, size);
    assert_int_equal(refused_or_same(p, text, path, -1), 0);
    assert_true(refused > 0);
    free(bytes);
    free(text);
}

/* Each row is whole, and a search would pass it by. */
static void rows_out_of_order(void **state)
{
    enum { PAGE = 8192, LEAF_OF_AN_INDEX = 10 };
    struct place *p = *state;
    struct journal_fault fault;
    size_t size, found = 0;
    assert_true(tell_all(p, text_of[0], -1, false).closed);
    char *bytes = read_file(p->db, &size), first[2];
    for (size_t at = PAGE; at < size; at += PAGE) {
        char *page = bytes + at, *cells = page + 8;
        if (page[0] != LEAF_OF_AN_INDEX || page[3] != 0 || page[4] != 2)
            continue;
        found++;
        memcpy(first, cells, 2);
        memcpy(cells, cells + 2, 2);
        memcpy(cells + 2, first, 2);
    }
    assert_int_equal(found, 1); /* the two values */
    write_file(p->db, bytes, size);
    free(bytes);
    assert_null(journal_resume(&p->options, &fault));
    assert_int_equal(fault.kind, JOURNAL_DAMAGED);
}

static void truncated_files(void **state)
{
    struct place *p = *state;
    leave(p, STORY_CALLS - 2);
    truncate_everywhere(p, p->wal, 1031);
    truncate_everywhere(p, p->db, 1031);
}

static void a_log_that_was_lost(void **state)
{
    struct place *p = *state;
    struct journal_fault fault;
    leave(p, 9);
    assert_true(size_of(p->wal) > 0);
    assert_int_equal(unlink(p->wal), 0);
    assert_null(journal_resume(&p->options, &fault));
    assert_int_equal(fault.kind, JOURNAL_DAMAGED);
    /* Nor after the first refusal, and nor as a copy without its lock. */
    assert_null(journal_open_readonly(&p->options, &fault));
    assert_int_equal(fault.kind, JOURNAL_DAMAGED);
    assert_int_equal(unlink(p->lock), 0);
    assert_null(journal_resume(&p->options, &fault));
    assert_int_equal(fault.kind, JOURNAL_DAMAGED);
}

static void an_older_log_put_back(void **state)
{
    struct place *p = *state;
    struct journal_fault fault;
    size_t size;
    leave(p, 9);
    char *old = read_file(p->wal, &size);
    char *old_text = read_journal(p);
    struct journal *j = resume(p);
    struct journal_intent e = intent("e");
    int64_t op;
    CHECK(j, journal_intend(j, &e, &op));
    CHECK(j, journal_commit(j));
    close_well(j);
    char *text = read_journal(p);
    assert_string_not_equal(text, old_text);
    write_file(p->wal, old, size);
    struct journal *again = journal_resume(&p->options, &fault);
    if (again != NULL) {
        char *now = dump(again);
        assert_string_equal(now, text);
        free(now);
        close_well(again);
    }
    free(old);
    free(old_text);
    free(text);
}

static int begin(void **state)
{
    if (begin_place(state) != 0)
        return 1;
    ((struct place *)*state)->options.vfs = "disk";
    set_disk(FAIL_NOT, 0, true);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_disk_fails_once, begin, end_place),
        cmocka_unit_test_setup_teardown(the_disk_fails_for_good, begin, end_place),
        cmocka_unit_test_setup_teardown(a_kill_before_any_operation, begin, end_place),
        cmocka_unit_test_setup_teardown(a_kill_halfway_through_any_write, begin, end_place),
        cmocka_unit_test_setup_teardown(a_loss_of_power_before_any_operation, begin, end_place),
        cmocka_unit_test_setup_teardown(one_sync_for_each_commit, begin, end_place),
        cmocka_unit_test_setup_teardown(faults_while_the_log_is_brought_in, begin, end_place),
        cmocka_unit_test_setup_teardown(a_database_that_cannot_grow_still_takes_outcomes, begin,
                                        end_place),
        cmocka_unit_test_setup_teardown(memory_runs_out, begin, end_place),
        cmocka_unit_test_setup_teardown(a_flipped_bit_in_a_closed_journal, begin, end_place),
        cmocka_unit_test_setup_teardown(a_flipped_bit_in_the_files_of_a_killed_run, begin,
                                        end_place),
        cmocka_unit_test_setup_teardown(a_flipped_bit_in_a_log_that_was_brought_in, begin,
                                        end_place),
        cmocka_unit_test_setup_teardown(rows_out_of_order, begin, end_place),
        cmocka_unit_test_setup_teardown(truncated_files, begin, end_place),
        cmocka_unit_test_setup_teardown(a_log_that_was_lost, begin, end_place),
        cmocka_unit_test_setup_teardown(an_older_log_put_back, begin, end_place),
    };
    sqlite3_mem_methods scarce;
    const char *torture = getenv("KELP_TORTURE");
    if (torture != NULL && torture[0] == '+')
        thin = THIN;
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory) != SQLITE_OK)
        return 1;
    scarce = real_memory;
    scarce.xMalloc = scarce_malloc;
    scarce.xRealloc = scarce_realloc;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &scarce) != SQLITE_OK
        || sqlite3_initialize() != SQLITE_OK)
        return 1;
    install_disk();
    text_of[0] = big_text(SMALL);
    text_of[1] = big_text(LARGE);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(text_of[0]);
    free(text_of[1]);
    return failed;
}
