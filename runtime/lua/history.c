#include "lua/history.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FILE = 64 * 1024 * 1024 };

bool history_path(struct buffer *path)
{
    return paths_add_state(path, "history");
}

static int make_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path)
        return 0;
    char *folder = strndup(path, (size_t)(slash - path));
    int why = folder == NULL ? ENOMEM : file_make_folders(folder);
    free(folder);
    return why;
}

static int append(const char *path, const char *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND, 0600);
    if (fd < 0)
        return errno;
    struct stat about;
    int why = 0;
    /* A link to /dev/null is how some people say that they want no history. */
    if (fstat(fd, &about) != 0 || (S_ISREG(about.st_mode) && fchmod(fd, 0600) != 0))
        why = errno;
    if (why == 0)
        why = file_write_all(fd, bytes, size);
    if (close(fd) != 0 && why == 0)
        why = errno;
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
    int why = file_read(path, &text);
    if (why != 0 || text.size == 0) {
        buffer_free(&text);
        return why == ENOENT ? 0 : why;
    }
    size_t lines = count_lines(&text);
    char *at = text.data, *end, *stop = text.data + text.size;
    for (size_t skip = lines; skip > keep; skip--)
        at = (char *)memchr(at, '\n', (size_t)(stop - at)) + 1;
    if (lines > keep + keep / 4)
        /* A session that adds a line meanwhile loses it. */
        why = file_replace(path, at, (size_t)(stop - at));
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
    int why = line.overflowed ? ENOMEM : make_folder_of(path);
    if (why == 0)
        why = append(path, line.data, line.size);
    buffer_free(&line);
    return why;
}
