#include "secret/log.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/terminal.h"
#include "base/text.h"
#include "secret/secret.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 64 * 1024, PROGRESS_MAX_BYTES = 4096 };

static const char erase_line[] = "\r\033[K";

/* One sink for the process: its descriptor has one terminal with one last line. */
static struct {
    enum log_level level;
    bool json;
    int fd;
    char progress[PROGRESS_MAX_BYTES]; /* what the live line shows, "" for none */
    bool mid_line; /* output to a terminal stopped inside a line */
} sink = { .level = LOG_NOTICE, .fd = STDERR_FILENO };

static const char *const level_names[] = { "none", "error", "warning", "notice", "info", "debug", "trace" };
enum { LEVELS = sizeof level_names / sizeof level_names[0] };

void log_set_level(enum log_level level)
{
    sink.level = level;
}

void log_set_json(bool json)
{
    sink.json = json;
}

void log_set_descriptor(int fd)
{
    sink.fd = fd;
    sink.progress[0] = '\0';
    sink.mid_line = false;
}

int log_level_of(const char *name)
{
    for (int i = 0; i < LEVELS; i++)
        if (strcmp(name, level_names[i]) == 0)
            return i;
    return -1;
}

bool log_enabled(enum log_level level)
{
    return level != LOG_NONE && level <= sink.level;
}

/* Takes `text` without a trailing newline, redacted, harmless to a terminal. */
static bool clean(struct buffer *out, const char *text, size_t size)
{
    struct buffer redacted;
    buffer_init(&redacted, SIZE_MAX);
    bool done = secret_redact(&redacted, text, size);
    while (redacted.size > 0 && redacted.data[redacted.size - 1] == '\n')
        redacted.size--;
    done = done && text_add_printable(out, buffer_text(&redacted), redacted.size);
    buffer_wipe(&redacted);
    return done;
}

/* Shortens to LINE_MAX_BYTES at the start of a character. Only after redaction:
 * the cut could go through a secret and leave half of it. */
static bool cut(struct buffer *b)
{
    if (b->size <= LINE_MAX_BYTES)
        return true;
    size_t end = LINE_MAX_BYTES;
    while (end > 0 && ((unsigned char)b->data[end] & 0xc0) == 0x80)
        end--;
    buffer_cut(b, end);
    return buffer_add_text(b, "…");
}

/* Continuation lines are indented, so that a server's message cannot pass for a
 * line of the log. */
static bool add_text_line(struct buffer *out, enum log_level level, const struct buffer *message)
{
    if (!buffer_add_text(out, "kelp: ") ||
        (level != LOG_NOTICE && !buffer_printf(out, "%s: ", level_names[level])))
        return false;
    for (size_t i = 0; i < message->size; i++)
        if (!buffer_add_char(out, message->data[i]) ||
            (message->data[i] == '\n' && !buffer_add_text(out, "  ")))
            return false;
    return buffer_add_char(out, '\n');
}

static bool add_json_line(struct buffer *out, enum log_level level, const struct buffer *message)
{
    struct clock clock;
    clock_system(&clock);
    double wall = clock_wall(&clock);
    time_t seconds = (time_t)wall;
    struct tm utc;
    char date[sizeof "2026-01-01T00:00:00"];
    if (gmtime_r(&seconds, &utc) == NULL ||
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc) == 0)
        return false;
    return buffer_printf(out, "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",\"message\":", date,
                         (int)((wall - (double)seconds) * 1000), level_names[level]) &&
           text_add_json(out, buffer_text(message), message->size) &&
           buffer_add_text(out, "}\n");
}

/* Adds what puts the live line back, when there is one. */
static bool add_progress(struct buffer *out)
{
    return sink.progress[0] == '\0' || sink.mid_line || buffer_add_text(out, sink.progress);
}

/* Adds what makes the row free: the live line goes, a half line is ended. */
static bool add_start(struct buffer *out)
{
    if (sink.mid_line)
        return !isatty(sink.fd) || buffer_add_char(out, '\n');
    return sink.progress[0] == '\0' || buffer_add_text(out, erase_line);
}

/* Writes the line in one go. A log that cannot be written has nowhere to
 * complain, so a failure of write is not reported. */
static void write_line(enum log_level level, const char *text, size_t size)
{
    (void)log_release(sink.fd); /* as below */
    struct buffer message, line;
    buffer_init(&message, SIZE_MAX);
    buffer_init(&line, SIZE_MAX);
    bool done = clean(&message, text, size) && cut(&message) && add_start(&line) &&
                (sink.json ? add_json_line : add_text_line)(&line, level, &message);
    sink.mid_line = false;
    done = done && add_progress(&line);
    if (done)
        (void)file_write_all(sink.fd, line.data, line.size);
    else
        (void)file_write_all(sink.fd, "kelp: out of memory\n", sizeof "kelp: out of memory\n" - 1);
    buffer_wipe(&message);
    buffer_wipe(&line);
}

void log_line(enum log_level level, const char *format, ...)
{
    if (!log_enabled(level))
        return;
    int saved = errno;
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = size < 0 ? NULL : malloc((size_t)size + 1);
    if (text != NULL) {
        vsnprintf(text, (size_t)size + 1, format, again);
        write_line(level, text, (size_t)size);
        explicit_bzero(text, (size_t)size);
        free(text);
    } else {
        write_line(level, format, strlen(format));
    }
    va_end(again);
    errno = saved;
}

/* Fills the live line with one row of the text: what wraps cannot be erased
 * again. Characters are counted as one column each. */
static void fit_progress(struct buffer *text)
{
    int columns = terminal_columns(sink.fd);
    size_t room = (size_t)(columns > 0 ? columns : TERMINAL_DEFAULT_COLUMNS) - 1, end = 0;
    for (; end < text->size && end < sizeof sink.progress - 1; end++) {
        if (((unsigned char)text->data[end] & 0xc0) != 0x80 && room-- == 0)
            break;
        if (text->data[end] == '\n' || text->data[end] == '\t')
            text->data[end] = ' ';
    }
    while (end > 0 && end < text->size && ((unsigned char)text->data[end] & 0xc0) == 0x80)
        end--;
    memcpy(sink.progress, buffer_text(text), end);
    sink.progress[end] = '\0';
}

bool log_progress_is_live(void)
{
    return isatty(sink.fd) != 0;
}

void log_progress(const char *text)
{
    if (text == NULL)
        text = "";
    if (!isatty(sink.fd) || (text[0] == '\0' && sink.progress[0] == '\0'))
        return;
    struct buffer message, line;
    buffer_init(&message, SIZE_MAX);
    buffer_init(&line, SIZE_MAX);
    bool shown = sink.progress[0] != '\0';
    sink.progress[0] = '\0';
    if (clean(&message, text, strlen(text)))
        fit_progress(&message);
    if ((!shown || sink.mid_line || buffer_add_text(&line, erase_line)) && add_progress(&line))
        (void)file_write_all(sink.fd, line.data, line.size); /* as in write_line */
    buffer_wipe(&message);
    buffer_wipe(&line);
}

/* As log_write, for bytes that may be shown. The live line comes back when the
 * output has ended its own. */
static int write_around_progress(int fd, const char *bytes, size_t size)
{
    if (size == 0 || !isatty(fd))
        return file_write_all(fd, bytes, size);
    bool progress = sink.progress[0] != '\0';
    if (progress && !sink.mid_line)
        (void)file_write_all(sink.fd, erase_line, sizeof erase_line - 1); /* as in write_line */
    int failure = file_write_all(fd, bytes, size);
    sink.mid_line = bytes[size - 1] != '\n';
    if (progress && !sink.mid_line)
        (void)file_write_all(sink.fd, sink.progress, strlen(sink.progress));
    return failure;
}

/* Standard output and standard error are streams: a value may be cut by two writes. */
static struct secret_stream streams[] = {
    [STDOUT_FILENO] = { .held = { .limit = SIZE_MAX } },
    [STDERR_FILENO] = { .held = { .limit = SIZE_MAX } },
};

static struct secret_stream *stream_of(int fd)
{
    return fd == STDOUT_FILENO || fd == STDERR_FILENO ? &streams[fd] : NULL;
}

int log_write(int fd, const char *bytes, size_t size)
{
    if (secret_longest() == 0)
        return write_around_progress(fd, bytes, size);
    struct secret_stream *stream = stream_of(fd);
    struct buffer shown;
    buffer_init(&shown, SIZE_MAX);
    bool done = stream != NULL ? secret_stream_add(stream, &shown, bytes, size)
                               : secret_redact(&shown, bytes, size);
    int failure = done ? write_around_progress(fd, shown.data, shown.size) : ENOMEM;
    buffer_wipe(&shown);
    return failure;
}

int log_release(int fd)
{
    struct secret_stream *stream = stream_of(fd);
    if (stream == NULL || !secret_stream_waits(stream))
        return 0;
    struct buffer shown;
    buffer_init(&shown, SIZE_MAX);
    int failure = secret_stream_release(stream, &shown)
                      ? write_around_progress(fd, shown.data, shown.size)
                      : ENOMEM;
    buffer_wipe(&shown);
    return failure;
}
