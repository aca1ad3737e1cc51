#define _GNU_SOURCE /* asprintf */
#include "lua/history.h"

#include "base/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FILE = 64 * 1024 * 1024 };

bool history_path(struct buffer *path)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (state != NULL && *state == '/')
        return buffer_printf(path, "%s/kelp/history", state);
    return home != NULL && *home == '/' &&
           buffer_printf(path, "%s/.local/state/kelp/history", home);
}

static int make_folders(const char *path)
{
    char *copy = strdup(path);
    if (copy == NULL)
        return ENOMEM;
    int why = 0;
    for (char *slash = strchr(copy + 1, '/'); why == 0 && slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0700) != 0 && errno != EEXIST)
            why = errno;
        *slash = '/';
    }
    free(copy);
    return why;
}

static int write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}

/* Writes bytes to the file that `flags` say how to open. */
static int write_file(const char *path, int flags, const char *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
    if (fd < 0)
        return errno;
    struct stat about;
    int why = 0;
    /* A link to /dev/null is how some people say that they want no history. */
    if (fstat(fd, &about) != 0 || (S_ISREG(about.st_mode) && fchmod(fd, 0600) != 0))
        why = errno;
    if (why == 0)
        why = write_all(fd, bytes, size);
    if (close(fd) != 0 && why == 0)
        why = errno;
    return why;
}

static int read_file(const char *path, struct buffer *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    char chunk[16384];
    int why = 0;
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            why = errno;
        else if (n > 0 && !buffer_add(out, chunk, (size_t)n))
            why = EFBIG;
        if (n <= 0 || why != 0)
            break;
    }
    close(fd);
    return why;
}

/* In place: the text never becomes longer. */
static void unescape(char *line)
{
    char *out = line;
    for (const char *in = line; *in != '\0'; in++) {
        if (in[0] == '\\' && (in[1] == 'n' || in[1] == '\\'))
            *out++ = *++in == 'n' ? '\n' : '\\';
        else
            *out++ = *in;
    }
    *out = '\0';
}

/* A session that adds between the reading and the rename loses that line. */
static int replace(const char *path, const char *bytes, size_t size)
{
    char *beside = NULL;
    if (asprintf(&beside, "%s.%ld", path, (long)getpid()) < 0)
        return ENOMEM;
    int why = write_file(beside, O_TRUNC, bytes, size);
    if (why == 0 && rename(beside, path) != 0)
        why = errno;
    if (why != 0)
        unlink(beside);
    free(beside);
    return why;
}

static size_t count_lines(const struct buffer *text)
{
    size_t count = 0;
    for (size_t i = 0; i < text->size; i++)
        count += text->data[i] == '\n';
    return count;
}

int history_read(const char *path, size_t keep, void (*each)(void *data, const char *statement),
                void *data)
{
    struct buffer text;
    buffer_init(&text, MAX_FILE);
    int why = read_file(path, &text);
    if (why != 0 || text.size == 0) {
        buffer_free(&text);
        return why == ENOENT ? 0 : why;
    }
    size_t lines = count_lines(&text);
    char *at = text.data, *end, *stop = text.data + text.size;
    for (size_t skip = lines; skip > keep; skip--)
        at = (char *)memchr(at, '\n', (size_t)(stop - at)) + 1;
    if (lines > keep + keep / 4)
        why = replace(path, at, (size_t)(stop - at));
    /* What follows the last newline is not whole: a full disk cut it off. */
    for (; at < stop && (end = memchr(at, '\n', (size_t)(stop - at))) != NULL; at = end + 1) {
        *end = '\0';
        unescape(at);
        if (*at != '\0')
            each(data, at);
    }
    buffer_free(&text);
    return why;
}

int history_add(const char *path, const char *statement)
{
    struct buffer line;
    buffer_init(&line, MAX_FILE);
    for (const char *c = statement; *c != '\0'; c++) {
        if (*c == '\n')
            buffer_add_text(&line, "\\n");
        else if (*c == '\\')
            buffer_add_text(&line, "\\\\");
        else
            buffer_add_char(&line, *c);
    }
    buffer_add_char(&line, '\n');
    int why = line.overflowed ? ENOMEM : make_folders(path);
    if (why == 0)
        why = write_file(path, O_APPEND, line.data, line.size);
    buffer_free(&line);
    return why;
}
