#define _GNU_SOURCE /* asprintf */
#include "base/file.h"

#include "base/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 16 * 1024 };

int file_read_descriptor(int fd, struct buffer *out)
{
    for (;;) {
        char beyond; /* read only to see whether the file ends at the limit */
        size_t left = out->limit - out->size;
        size_t room = left < PIECE ? left : PIECE;
        if (room > 0 && !buffer_reserve(out, room))
            return ENOMEM;
        ssize_t n = room > 0 ? read(fd, out->data + out->size, room) : read(fd, &beyond, 1);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return errno;
        if (n > 0 && room == 0)
            return EFBIG;
        if (n > 0)
            buffer_cut(out, out->size + (size_t)n);
    }
}

int file_read(const char *path, struct buffer *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int error = file_read_descriptor(fd, out);
    close(fd);
    return error;
}

int file_write_all(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t n = write(fd, at, size);
        if (n >= 0) {
            at += n;
            size -= (size_t)n;
        } else if (errno == EAGAIN) {
            /* Another process made the descriptor non-blocking, as a shared
             * terminal allows it to. */
            struct pollfd p = { .fd = fd, .events = POLLOUT };
            if (poll(&p, 1, -1) < 0 && errno != EINTR)
                return errno;
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

/* --- replacing --- */

static int write_new(const char *path, const char *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    int error = file_write_all(fd, bytes, size);
    if (error == 0 && fsync(fd) != 0)
        error = errno;
    if (close(fd) != 0 && error == 0)
        error = errno;
    return error;
}

int file_replace(const char *path, const char *bytes, size_t size)
{
    char *beside = NULL;
    if (asprintf(&beside, "%s.%ld.tmp", path, (long)getpid()) < 0)
        return ENOMEM;
    unlink(beside); /* of a process of this number that was killed */
    int error = write_new(beside, bytes, size);
    if (error == 0 && rename(beside, path) != 0)
        error = errno;
    if (error != 0)
        unlink(beside);
    else
        error = file_sync_folder(dirname(beside));
    free(beside);
    return error;
}

/* --- folders --- */

int file_sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int error = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return error;
}

/* The mode is set apart from the making, so that no umask takes part. */
static int make_folder(const char *folder)
{
    if (mkdir(folder, 0700) < 0)
        return errno == EEXIST ? 0 : errno;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int error = fchmod(fd, 0700) == 0 ? 0 : errno;
    close(fd);
    char *parent = error == 0 ? strdup(folder) : NULL;
    if (error == 0)
        error = parent == NULL ? ENOMEM : file_sync_folder(dirname(parent));
    free(parent);
    return error;
}

int file_make_folders(const char *folder)
{
    char *path = strdup(folder);
    int error = path == NULL ? ENOMEM : 0;
    for (char *at = path, end = '/'; error == 0 && end != '\0';) {
        at += 1 + strcspn(at + 1, "/");
        end = *at;
        *at = '\0';
        struct stat status;
        if (stat(path, &status) < 0)
            error = errno == ENOENT ? make_folder(path) : errno;
        *at = end;
    }
    free(path);
    return error;
}
