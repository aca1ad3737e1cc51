/* boundary: for a program that is started with LD_PRELOAD: counts the calls by which it makes
 * something lasting or lets something out, and breaks off, or lets fail, the one that it is told.
 *
 * A call is "CALL FILE": CALL one of write, sync, truncate, allocate, open (that may make the
 * file), remove, send, recv; FILE one of db, wal, shm, rollback, lock (a journal's files by their
 * names), folder, tcp. Others are left alone. Each call has the points "before", "half" (only a
 * part of the bytes is written, sent or taken) and "after".
 *
 *   BOUNDARY_KILL=N             SIGKILL at the N-th point of all
 *   BOUNDARY_RULES=RULE,…       "CALL FILE N WHAT" or "CALL FILE N+ WHAT" (that call and all later
 *                               ones; CALL and FILE may be *): WHAT is an errno's name, with which
 *                               the call fails, or one of KILL, INT, TERM, HUP, STOP: the signal
 *                               is raised when the call is done
 *   BOUNDARY_POWER=SEED         what was written and not synced goes when the process is killed
 *                               here: all of it (0), or a part that the seed picks
 *   BOUNDARY_STATFS=TYPE        every file system says that it is of this type
 *   BOUNDARY_LOG=FILE           gets a line "killed N CALL FILE WHEN", or "stopped PID", and at
 *                               the end of a process that was not killed "ended N", with a line
 *                               "COUNT CALL FILE WHEN" for each kind of point that it came by */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

enum call { WRITE, SYNC, TRUNCATE, ALLOCATE, OPEN, REMOVE, SEND, RECV, CALLS };
enum file { DB, WAL, SHM, ROLLBACK, LOCK, FOLDER, TCP, FILES, OTHER = FILES };
enum when { BEFORE, HALF, AFTER, WHENS };

static const char *const call_names[] = { "write", "sync",   "truncate", "allocate",
                                          "open",  "remove", "send",     "recv" };
static const char *const file_names[] = { "db", "wal", "shm", "rollback", "lock", "folder", "tcp" };
static const char *const when_names[] = { "before", "half", "after" };

struct rule {
    int call, file; /* CALLS, FILES: any */
    long from, seen;
    bool later;
    int error, signal;
};

static long kill_at, total, counts[CALLS][FILES][WHENS];
static struct rule rules[16];
static int rule_count;
static int report = -1;
static bool power;
static uint64_t power_seed;

/* ---- saying ---- */

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (report >= 0)
        (void)!syscall(SYS_write, report, line, size);
}

static void fail(const char *what, const char *text)
{
    fprintf(stderr, "boundary: %s: %s\n", what, text);
    _exit(125);
}

/* ---- what is set ---- */

static int index_of(const char *name, const char *const *names, int count)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(name, names[i]) == 0)
            return i;
    }
    if (strcmp(name, "*") != 0)
        fail("no such name", name);
    return count;
}

static void read_what(struct rule *r, const char *what)
{
    static const struct {
        const char *name;
        int error, signal;
    } known[] = {
        { "ENOSPC", ENOSPC, 0 }, { "EIO", EIO, 0 },       { "EROFS", EROFS, 0 },
        { "EDQUOT", EDQUOT, 0 }, { "EMFILE", EMFILE, 0 }, { "KILL", 0, SIGKILL },
        { "INT", 0, SIGINT },    { "TERM", 0, SIGTERM },  { "HUP", 0, SIGHUP },
        { "STOP", 0, SIGSTOP },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(what, known[i].name) == 0) {
            r->error = known[i].error;
            r->signal = known[i].signal;
            return;
        }
    }
    fail("no such thing to do", what);
}

static void read_rules(const char *text)
{
    char *copy = strdup(text), *rest = copy;
    for (char *one; copy != NULL && (one = strsep(&rest, ",")) != NULL;) {
        char call[16], file[16], number[16], what[16];
        if (rule_count == sizeof rules / sizeof *rules
            || sscanf(one, "%15s %15s %15s %15s", call, file, number, what) != 4)
            fail("not a rule", one);
        struct rule *r = &rules[rule_count++];
        r->call = index_of(call, call_names, CALLS);
        r->file = index_of(file, file_names, FILES);
        r->from = strtol(number, NULL, 10);
        r->later = strchr(number, '+') != NULL;
        read_what(r, what);
    }
    free(copy);
}

__attribute__((constructor)) static void start(void)
{
    const char *text = getenv("BOUNDARY_KILL");
    kill_at = text != NULL ? strtol(text, NULL, 10) : 0;
    if ((text = getenv("BOUNDARY_RULES")) != NULL)
        read_rules(text);
    if ((text = getenv("BOUNDARY_POWER")) != NULL) {
        power = true;
        power_seed = strtoull(text, NULL, 10);
    }
    if ((text = getenv("BOUNDARY_LOG")) == NULL)
        return;
    /* A number that the program has no use for, so that its own are what they would be. */
    int fd = (int)syscall(SYS_openat, AT_FDCWD, text, O_WRONLY | O_CREAT | O_APPEND, 0600);
    report = fcntl(fd, F_DUPFD_CLOEXEC, 200);
    if (report < 0)
        fail(text, strerror(errno));
    syscall(SYS_close, fd);
}

__attribute__((destructor)) static void end(void)
{
    say("ended %ld\n", total);
    for (int c = 0; c < CALLS; c++)
        for (int f = 0; f < FILES; f++)
            for (int w = 0; w < WHENS; w++)
                if (counts[c][f][w] > 0)
                    say("%ld %s %s %s\n", counts[c][f][w], call_names[c], file_names[f],
                        when_names[w]);
}

/* ---- which file ---- */

static enum file file_of_name(const char *path)
{
    static const struct {
        const char *suffix;
        enum file file;
    } known[] = { { ".db", DB },           { ".db-wal", WAL },   { ".db-shm", SHM },
                  { ".db-journal", ROLLBACK }, { ".lock", LOCK } };
    size_t size = strlen(path);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t length = strlen(known[i].suffix);
        if (size > length && strcmp(path + size - length, known[i].suffix) == 0)
            return known[i].file;
    }
    return OTHER;
}

static enum file file_of(int fd)
{
    int saved = errno, protocol = 0;
    socklen_t size = sizeof protocol;
    enum file file = OTHER;
    struct stat status;
    if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0) {
        file = protocol == IPPROTO_TCP ? TCP : OTHER;
    } else if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
        file = FOLDER;
    } else if (S_ISREG(status.st_mode)) {
        char link[32], path[PATH_MAX];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, path, sizeof path - 1);
        if (n > 0) {
            path[n] = '\0';
            file = file_of_name(path);
        }
    }
    errno = saved;
    return file;
}

/* ---- power: what was written since the last sync of its file ---- */

struct change {
    struct change *before;
    dev_t device;
    ino_t number;
    int fd;        /* our own */
    off_t at, end; /* of the bytes; of the file as it was */
    size_t size;
    char bytes[];  /* as they were */
};

static struct change *changes;

static void remember(int fd, size_t size, off_t at)
{
    struct stat status;
    struct change *c = malloc(sizeof *c + size);
    if (c == NULL || fstat(fd, &status) < 0)
        fail("power", "cannot remember");
    *c = (struct change){ changes, status.st_dev, status.st_ino,
                          fcntl(fd, F_DUPFD_CLOEXEC, 200), at, status.st_size, size };
    memset(c->bytes, 0, size);
    if (size > 0 && syscall(SYS_pread64, c->fd, c->bytes, size, at) < 0)
        fail("power", strerror(errno));
    changes = c;
}

static void forget(int fd)
{
    struct stat status;
    fstat(fd, &status);
    for (struct change **p = &changes; *p != NULL;) {
        struct change *c = *p;
        if (c->device != status.st_dev || c->number != status.st_ino) {
            p = &c->before;
            continue;
        }
        *p = c->before;
        syscall(SYS_close, c->fd);
        free(c);
    }
}

static bool survives(void)
{
    if (power_seed == 0)
        return false;
    power_seed ^= power_seed << 13;
    power_seed ^= power_seed >> 7;
    power_seed ^= power_seed << 17;
    return (power_seed & 1) != 0;
}

/* The last first, so that what comes out is what was there. */
static void lose(void)
{
    for (struct change *c = changes; c != NULL; c = c->before) {
        if (survives())
            continue;
        syscall(SYS_pwrite64, c->fd, c->bytes, c->size, c->at);
        struct stat status;
        if (power_seed == 0 || (fstat(c->fd, &status) == 0 && c->end > status.st_size))
            syscall(SYS_ftruncate, c->fd, c->end);
    }
}

/* ---- points and rules ---- */

static void die(enum call call, enum file file, enum when when)
{
    say("killed %ld %s %s %s\n", total, call_names[call], file_names[file], when_names[when]);
    if (power)
        lose();
    syscall(SYS_kill, getpid(), SIGKILL);
}

static bool is_chosen(enum call call, enum file file, enum when when)
{
    counts[call][file][when]++;
    return ++total == kill_at;
}

static void point(enum call call, enum file file, enum when when)
{
    if (is_chosen(call, file, when))
        die(call, file, when);
}

/* The rule that applies to this call, or NULL. */
static const struct rule *rule_of(enum call call, enum file file)
{
    const struct rule *found = NULL;
    for (int i = 0; i < rule_count; i++) {
        struct rule *r = &rules[i];
        if ((r->call != CALLS && r->call != (int)call)
            || (r->file != FILES && r->file != (int)file))
            continue;
        r->seen++;
        if (r->seen == r->from || (r->later && r->seen > r->from))
            found = r;
    }
    return found;
}

static void obey(const struct rule *r, enum call call, enum file file)
{
    int saved = errno;
    if (r == NULL || r->signal == 0)
        return;
    if (r->signal == SIGKILL)
        die(call, file, AFTER);
    if (r->signal == SIGSTOP)
        say("stopped %d\n", (int)getpid());
    raise(r->signal);
    errno = saved;
}

/* Before the call: false when it fails. */
static bool enter(enum call call, enum file file, const struct rule **rule)
{
    point(call, file, BEFORE);
    *rule = rule_of(call, file);
    if (*rule == NULL || (*rule)->error == 0)
        return true;
    errno = (*rule)->error;
    return false;
}

static void leave(enum call call, enum file file, const struct rule *rule)
{
    int saved = errno;
    point(call, file, AFTER);
    obey(rule, call, file);
    errno = saved;
}

/* ---- writing ---- */

static ssize_t write_at(int fd, const void *bytes, size_t size, off_t at)
{
    enum file file = file_of(fd);
    const struct rule *rule;
    if (file >= TCP)
        return syscall(SYS_pwrite64, fd, bytes, size, at);
    if (!enter(WRITE, file, &rule))
        return -1;
    if (power)
        remember(fd, size, at);
    if (is_chosen(WRITE, file, HALF)) {
        syscall(SYS_pwrite64, fd, bytes, size / 2, at);
        die(WRITE, file, HALF);
    }
    ssize_t n = syscall(SYS_pwrite64, fd, bytes, size, at);
    leave(WRITE, file, rule);
    return n;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    return write_at(fd, bytes, size, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at)
{
    return write_at(fd, bytes, size, at);
}

static int sync_file(long number, int fd)
{
    enum file file = file_of(fd);
    const struct rule *rule;
    if (file >= TCP)
        return (int)syscall(number, fd);
    if (!enter(SYNC, file, &rule))
        return -1;
    int result = (int)syscall(number, fd);
    if (power && result == 0)
        forget(fd);
    leave(SYNC, file, rule);
    return result;
}

int fsync(int fd)
{
    return sync_file(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return sync_file(SYS_fdatasync, fd);
}

static int truncate_file(int fd, off_t size)
{
    enum file file = file_of(fd);
    const struct rule *rule;
    struct stat status;
    if (file >= TCP)
        return (int)syscall(SYS_ftruncate, fd, size);
    if (!enter(TRUNCATE, file, &rule))
        return -1;
    if (power && fstat(fd, &status) == 0)
        remember(fd, status.st_size > size ? (size_t)(status.st_size - size) : 0, size);
    int result = (int)syscall(SYS_ftruncate, fd, size);
    leave(TRUNCATE, file, rule);
    return result;
}

int ftruncate(int fd, off_t size)
{
    return truncate_file(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    return truncate_file(fd, size);
}

static int allocate(int fd, int mode, off_t at, off_t size)
{
    enum file file = file_of(fd);
    const struct rule *rule;
    if (file >= TCP)
        return (int)syscall(SYS_fallocate, fd, mode, at, size);
    if (!enter(ALLOCATE, file, &rule))
        return -1;
    int result = (int)syscall(SYS_fallocate, fd, mode, at, size);
    leave(ALLOCATE, file, rule);
    return result;
}

int fallocate(int fd, int mode, off_t at, off_t size)
{
    return allocate(fd, mode, at, size);
}

int fallocate64(int fd, int mode, off64_t at, off64_t size)
{
    return allocate(fd, mode, at, size);
}

static int open_file(const char *path, int flags, va_list arguments)
{
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    enum file file = (flags & O_CREAT) != 0 ? file_of_name(path) : OTHER;
    const struct rule *rule;
    if (file == OTHER)
        return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (!enter(OPEN, file, &rule))
        return -1;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    leave(OPEN, file, rule);
    return fd;
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    int fd = open_file(path, flags, arguments);
    va_end(arguments);
    return fd;
}

int open64(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    int fd = open_file(path, flags, arguments);
    va_end(arguments);
    return fd;
}

int unlink(const char *path)
{
    enum file file = file_of_name(path);
    const struct rule *rule;
    if (file == OTHER)
        return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (!enter(REMOVE, file, &rule))
        return -1;
    int result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    leave(REMOVE, file, rule);
    return result;
}

/* ---- the network ---- */

static ssize_t send_to(int fd, const void *bytes, size_t size, int flags,
                       const struct sockaddr *to, socklen_t to_size)
{
    const struct rule *rule;
    if (file_of(fd) != TCP)
        return syscall(SYS_sendto, fd, bytes, size, flags, to, to_size);
    if (!enter(SEND, TCP, &rule))
        return -1;
    if (is_chosen(SEND, TCP, HALF)) {
        syscall(SYS_sendto, fd, bytes, size / 2, flags, to, to_size);
        die(SEND, TCP, HALF);
    }
    ssize_t n = syscall(SYS_sendto, fd, bytes, size, flags, to, to_size);
    leave(SEND, TCP, rule);
    return n;
}

ssize_t send(int fd, const void *bytes, size_t size, int flags)
{
    return send_to(fd, bytes, size, flags, NULL, 0);
}

ssize_t sendto(int fd, const void *bytes, size_t size, int flags, const struct sockaddr *to,
               socklen_t to_size)
{
    return send_to(fd, bytes, size, flags, to, to_size);
}

static ssize_t receive(int fd, void *bytes, size_t size, int flags, struct sockaddr *from,
                       socklen_t *from_size)
{
    const struct rule *rule;
    if (file_of(fd) != TCP)
        return syscall(SYS_recvfrom, fd, bytes, size, flags, from, from_size);
    if (!enter(RECV, TCP, &rule))
        return -1;
    if (is_chosen(RECV, TCP, HALF)) {
        syscall(SYS_recvfrom, fd, bytes, size < 16 ? size : 16, flags, from, from_size);
        die(RECV, TCP, HALF);
    }
    ssize_t n = syscall(SYS_recvfrom, fd, bytes, size, flags, from, from_size);
    leave(RECV, TCP, rule);
    return n;
}

ssize_t recv(int fd, void *bytes, size_t size, int flags)
{
    return receive(fd, bytes, size, flags, NULL, NULL);
}

ssize_t recvfrom(int fd, void *restrict bytes, size_t size, int flags,
                 struct sockaddr *restrict from, socklen_t *restrict from_size)
{
    return receive(fd, bytes, size, flags, from, from_size);
}

/* What would let something out past what is counted here. */
ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (file_of(fd) == TCP)
        fail("not counted", "sendmsg");
    return syscall(SYS_sendmsg, fd, message, flags);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    if (file_of(fd) != OTHER)
        fail("not counted", "write");
    return syscall(SYS_write, fd, bytes, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (file_of(fd) != OTHER)
        fail("not counted", "writev");
    return syscall(SYS_writev, fd, parts, count);
}

/* ---- what a file system is ---- */

int statfs(const char *path, struct statfs *out)
{
    const char *type = getenv("BOUNDARY_STATFS");
    int result = (int)syscall(SYS_statfs, path, out);
    if (result == 0 && type != NULL)
        out->f_type = strtol(type, NULL, 0);
    return result;
}
