#define _GNU_SOURCE
#include "journal/journal_file.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

bool journal_fail(struct journal_fault *fault, enum journal_kind kind, const char *format, ...)
{
    va_list arguments;
    *fault = (struct journal_fault){ .kind = kind };
    va_start(arguments, format);
    vsnprintf(fault->message, sizeof fault->message, format, arguments);
    va_end(arguments);
    return false;
}

static enum journal_kind kind_of(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return JOURNAL_FULL;
    case EACCES:
    case EPERM:
    case EROFS:
        return JOURNAL_READ_ONLY;
    case ENOENT:
        return JOURNAL_MISSING;
    case EEXIST:
        return JOURNAL_EXISTS;
    case ELOOP:
        return JOURNAL_UNSAFE;
    case ENOMEM:
        return JOURNAL_MEMORY;
    default:
        return JOURNAL_IO;
    }
}

bool journal_fail_errno(struct journal_fault *fault, int error, const char *what,
                        const char *path)
{
    return journal_fail(fault, kind_of(error), "%s %.400s: %s", what, path, strerror(error));
}

/* --- paths --- */

void journal_paths_free(struct journal_paths *p)
{
    free(p->folder);
    free(p->database);
    free(p->wal);
    free(p->shm);
    free(p->rollback);
    free(p->lock);
    free(p->id);
    *p = (struct journal_paths){ .folder = NULL };
}

static char *join(const char *folder, const char *name, const char *suffix)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s%s", folder, name, suffix) < 0 ? NULL : path;
}

static bool find_folder(struct journal_paths *p, char *folder, bool make,
                        struct journal_fault *fault)
{
    int error = make ? file_make_folders(folder) : 0;
    if (error != 0)
        return journal_fail_errno(fault, error, "cannot make the folder", folder);
    p->folder = realpath(folder, NULL);
    if (p->folder == NULL)
        return journal_fail_errno(fault, errno, "cannot use the folder", folder);
    return true;
}

bool journal_paths_find(struct journal_paths *p, const char *path, bool make,
                        struct journal_fault *fault)
{
    *p = (struct journal_paths){ .folder = NULL };
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    size_t length = strlen(name);
    if (length < 4 || strcmp(name + length - 3, ".db") != 0)
        return journal_fail(fault, JOURNAL_MISUSE, "a journal's name ends in \".db\": %.400s",
                            path);

    char *folder = slash == NULL   ? strdup(".")
                   : slash == path ? strdup("/")
                                   : strndup(path, (size_t)(slash - path));
    bool found = folder != NULL && find_folder(p, folder, make, fault);
    if (folder == NULL)
        journal_fail(fault, JOURNAL_MEMORY, "out of memory");
    free(folder);
    if (!found)
        return false;

    p->id = strndup(name, length - 3);
    if (p->id != NULL) {
        p->database = join(p->folder, name, "");
        p->wal = join(p->folder, name, "-wal");
        p->shm = join(p->folder, name, "-shm");
        p->rollback = join(p->folder, name, "-journal");
        p->lock = join(p->folder, p->id, ".lock");
    }
    if (p->database != NULL && p->wal != NULL && p->shm != NULL && p->rollback != NULL
        && p->lock != NULL)
        return true;
    journal_paths_free(p);
    return journal_fail(fault, JOURNAL_MEMORY, "out of memory");
}

/* --- access of others --- */

const char *journal_network_name(unsigned long type)
{
    static const struct {
        unsigned long type;
        const char *name;
    } table[] = {
        { 0x6969, "NFS" },      { 0x517b, "SMB" },          { 0xfe534d42, "SMB" },
        { 0xff534d42, "CIFS" }, { 0x01021997, "9P" },       { 0x5346414f, "AFS" },
        { 0x6b414653, "AFS" },  { 0x73757245, "Coda" },     { 0x00c36400, "Ceph" },
        { 0x564c, "NCP" },      { 0x0bd00bd0, "Lustre" },   { 0x47504653, "GPFS" },
        { 0x01161970, "GFS2" }, { 0x7461636f, "OCFS2" },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].type == type)
            return table[i].name;
    }
    return NULL;
}

/* Who can write to the folder above can put another in place of the folder. The sticky bit keeps
 * others from that. */
static bool check_folder_above(const char *folder, struct journal_fault *fault)
{
    const char *slash = strrchr(folder, '/');
    if (slash == NULL || slash == folder)
        return true;
    char *above = strndup(folder, (size_t)(slash - folder));
    struct stat status;
    bool fine = above != NULL || journal_fail(fault, JOURNAL_MEMORY, "out of memory");
    if (fine && stat(above, &status) < 0)
        fine = journal_fail_errno(fault, errno, "cannot use the folder", above);
    else if (fine && (status.st_mode & 022) != 0 && (status.st_mode & S_ISVTX) == 0)
        fine = journal_fail(fault, JOURNAL_UNSAFE,
                            "others can write to the folder %.400s (mode %04o), which holds that "
                            "of the journals: chmod go-w", above,
                            (unsigned)status.st_mode & 07777);
    free(above);
    return fine;
}

bool journal_folder_check(const char *folder, bool allow_network, struct journal_fault *fault)
{
    struct stat status;
    if (stat(folder, &status) < 0)
        return journal_fail_errno(fault, errno, "cannot use the folder", folder);
    if (status.st_uid != geteuid())
        return journal_fail(fault, JOURNAL_UNSAFE, "the folder %.400s belongs to another user",
                            folder);
    if ((status.st_mode & 022) != 0)
        return journal_fail(fault, JOURNAL_UNSAFE,
                            "others can write to the folder %.400s (mode %04o): chmod go-w", folder,
                            (unsigned)status.st_mode & 07777);
    if (!check_folder_above(folder, fault))
        return false;

    struct statfs system;
    if (statfs(folder, &system) < 0)
        return journal_fail_errno(fault, errno, "cannot use the folder", folder);
    /* The numbers have 32 bits; the field's type is wider on some machines, and signed. */
    const char *network = journal_network_name((unsigned long)system.f_type & 0xffffffffUL);
    if (network != NULL && !allow_network)
        return journal_fail(fault, JOURNAL_NETWORK,
                            "%.400s is on a network file system (%s), where a journal is not safe",
                            folder, network);
    return true;
}

bool journal_status_check(const struct stat *status, const char *path,
                          struct journal_fault *fault)
{
    if (S_ISLNK(status->st_mode))
        return journal_fail(fault, JOURNAL_UNSAFE, "%.400s is a symbolic link", path);
    if (!S_ISREG(status->st_mode))
        return journal_fail(fault, JOURNAL_UNSAFE, "%.400s is no regular file", path);
    if (status->st_uid != geteuid())
        return journal_fail(fault, JOURNAL_UNSAFE, "%.400s belongs to another user", path);
    if ((status->st_mode & 077) != 0)
        return journal_fail(fault, JOURNAL_UNSAFE,
                            "%.400s is open to others (mode %04o): chmod 600", path,
                            (unsigned)status->st_mode & 07777);
    /* 0 when it was just removed. */
    if (status->st_nlink > 1)
        return journal_fail(fault, JOURNAL_UNSAFE, "%.400s has a second name (a hard link)", path);
    return true;
}

static bool check_one(const char *path, bool required, off_t *size, struct journal_fault *fault)
{
    struct stat status;
    *size = -1;
    if (lstat(path, &status) < 0) {
        if (errno == ENOENT && !required)
            return true;
        if (errno == ENOENT)
            return journal_fail(fault, JOURNAL_MISSING, "there is no journal %.400s", path);
        return journal_fail_errno(fault, errno, "cannot read", path);
    }
    *size = status.st_size;
    return journal_status_check(&status, path, fault);
}

bool journal_file_check(const struct journal_paths *p, struct journal_sizes *sizes,
                        struct journal_fault *fault)
{
    off_t other;
    return check_one(p->database, true, &sizes->database, fault)
           && check_one(p->shm, false, &other, fault)
           && check_one(p->rollback, false, &other, fault)
           && check_one(p->wal, false, &sizes->wal, fault);
}

/* --- making and removing --- */

/* Files of these names would be taken for a part of the new journal. */
static bool check_absent(const char *path, struct journal_fault *fault)
{
    struct stat status;
    if (lstat(path, &status) == 0)
        return journal_fail(fault, JOURNAL_EXISTS, "%.400s is there already", path);
    return errno == ENOENT || journal_fail_errno(fault, errno, "cannot read", path);
}

bool journal_file_create(const struct journal_paths *p, struct journal_fault *fault)
{
    if (!check_absent(p->database, fault) || !check_absent(p->wal, fault)
        || !check_absent(p->shm, fault) || !check_absent(p->rollback, fault))
        return false;
    int fd = open(p->database, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return journal_fail_errno(fault, errno, "cannot make the journal", p->database);
    int error = fchmod(fd, 0600) == 0 ? 0 : errno;
    close(fd);
    if (error == 0)
        return true;
    unlink(p->database);
    return journal_fail_errno(fault, error, "cannot make the journal", p->database);
}

bool journal_files_remove(const struct journal_paths *p, struct journal_fault *fault)
{
    /* A run that was removed by half must not look whole, so its log goes first; and
     * the lock last, because it keeps others from making the run anew meanwhile. */
    const char *all[] = { p->wal, p->shm, p->rollback, p->database, p->lock };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (unlink(all[i]) < 0 && errno != ENOENT)
            return journal_fail_errno(fault, errno, "cannot remove", all[i]);
    }
    int error = file_sync_folder(p->folder);
    return error == 0 || journal_fail_errno(fault, error, "cannot remove", p->database);
}
