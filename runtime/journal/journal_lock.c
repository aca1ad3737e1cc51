#define _GNU_SOURCE
#include "journal/journal_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The line has this length whatever it says, so that it is written over in place. */
enum { WITNESS_SIZE = 32 };

static int write_all(int fd, const char *bytes, size_t size, off_t at)
{
    while (size > 0) {
        ssize_t n = pwrite(fd, bytes, size, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : EIO;
        bytes += n;
        size -= (size_t)n;
        at += n;
    }
    return 0;
}

int journal_witness_write(int fd, const struct journal_witness *w)
{
    char line[WITNESS_SIZE + 1];
    snprintf(line, sizeof line, "%-10ld %-20lld\n", w->pid, (long long)w->changes);
    return write_all(fd, line, WITNESS_SIZE, 0);
}

int journal_witness_begin(int fd, const struct journal_witness *w, const char *script)
{
    int error = journal_witness_write(fd, w);
    if (error == 0 && script != NULL)
        error = write_all(fd, script, strlen(script), WITNESS_SIZE);
    off_t end = WITNESS_SIZE + (off_t)(script == NULL ? 0 : strlen(script));
    return error == 0 && ftruncate(fd, end) < 0 ? errno : error;
}

/* False when something is there and it is no witness. A power loss may leave
 * nothing, or NULs. */
static bool read_witness(int fd, struct journal_witness *w)
{
    char line[WITNESS_SIZE + 1] = "";
    long long changes;
    int end = 0;
    static const char nothing[WITNESS_SIZE];
    *w = (struct journal_witness){ .changes = -1 };
    ssize_t n = pread(fd, line, WITNESS_SIZE, 0);
    if (n < 0)
        return false;
    if (memcmp(line, nothing, (size_t)n) == 0)
        return true;
    if (n < WITNESS_SIZE || sscanf(line, "%ld %lld%n", &w->pid, &changes, &end) != 2 || changes < 0
        || line[end + (int)strspn(line + end, " ")] != '\n')
        return false;
    w->changes = changes;
    return true;
}

/* A reader makes no file and changes none. */
static int open_lock(const char *path, bool read_only)
{
    int flags = O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    return open(path, flags | (read_only ? O_RDONLY : O_RDWR | O_CREAT), 0600);
}

/* The name may have been removed, and made anew, between open and lock. */
static bool still_named(const char *path, const struct stat *held)
{
    struct stat status;
    return lstat(path, &status) == 0 && status.st_dev == held->st_dev
           && status.st_ino == held->st_ino;
}

static bool say_who(const struct journal_paths *p, int fd, struct flock *lock,
                    struct journal_fault *fault)
{
    struct journal_witness w;
    if (fcntl(fd, F_OFD_GETLK, lock) == 0 && lock->l_type == F_RDLCK)
        return journal_fail(fault, JOURNAL_BUSY, "run %.200s is being read by another process",
                            p->id);
    if (!read_witness(fd, &w) || w.changes < 0)
        return journal_fail(fault, JOURNAL_BUSY, "run %.200s is in use by another process", p->id);
    journal_fail(fault, JOURNAL_BUSY, "run %.200s is in use by process %ld", p->id, w.pid);
    fault->pid = w.pid;
    return false;
}

static bool lock_descriptor(const struct journal_paths *p, int fd, bool read_only,
                            struct journal_witness *w, struct journal_fault *fault)
{
    struct flock lock = { .l_type = read_only ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET };
    struct stat status;
    if (fstat(fd, &status) < 0)
        return journal_fail_errno(fault, errno, "cannot read", p->lock);
    if (!journal_status_check(&status, p->lock, fault))
        return false;
    if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
        return errno == EAGAIN || errno == EACCES
                   ? say_who(p, fd, &lock, fault)
                   : journal_fail_errno(fault, errno, "cannot lock", p->lock);
    if (!still_named(p->lock, &status))
        return journal_fail(fault, JOURNAL_BUSY, "run %.200s is being removed by another process",
                            p->id);
    /* It was made under a umask. */
    if (!read_only && (status.st_mode & 0777) != 0600 && fchmod(fd, 0600) < 0)
        return journal_fail_errno(fault, errno, "cannot lock", p->lock);
    return read_witness(fd, w)
           || journal_fail(fault, JOURNAL_DAMAGED, "%.400s is damaged", p->lock);
}

bool journal_lock(const struct journal_paths *p, bool read_only, int *fd,
                  struct journal_witness *w, struct journal_fault *fault)
{
    *w = (struct journal_witness){ .changes = -1 };
    *fd = open_lock(p->lock, read_only);
    if (*fd < 0 && errno == ENOENT && read_only)
        return true;
    if (*fd < 0 && errno == ELOOP)
        return journal_fail(fault, JOURNAL_UNSAFE, "%.400s is a symbolic link", p->lock);
    if (*fd < 0)
        return journal_fail_errno(fault, errno, "cannot lock", p->lock);
    if (lock_descriptor(p, *fd, read_only, w, fault))
        return true;
    close(*fd);
    *fd = -1;
    return false;
}

char *journal_witness_script(const char *lock)
{
    char script[PATH_MAX];
    int fd = open(lock, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    ssize_t n = pread(fd, script, sizeof script, WITNESS_SIZE);
    close(fd);
    return n <= 0 ? NULL : strndup(script, (size_t)n);
}
