/* log: the one sink for what kelp says beside its results.
 *
 * Lines go to standard error, as text ("kelp: warning: …") or as one JSON
 * object a line, and pass the redactor and the escaping of control characters.
 * A progress line on a terminal is erased before a line is written and put
 * back after it. One thread only. */
#ifndef KELP_SECRET_LOG_H
#define KELP_SECRET_LOG_H

#include <stdbool.h>
#include <stddef.h>

/* LOG_NOTICE is what a person who started the run wants to know while it runs:
 * its progress, its waits; such a line has no word for its level. */
enum log_level { LOG_NONE, LOG_ERROR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG, LOG_TRACE };

/* Chooses the lines that are written: those at `level` and more urgent ones. Starts at
 * LOG_NOTICE, text, file descriptor 2. */
void log_set_level(enum log_level level);
void log_set_json(bool json);
void log_set_descriptor(int fd);

/* The level of that name (none error warning notice info debug trace), or -1. */
int log_level_of(const char *name);
bool log_enabled(enum log_level level);

void log_line(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Shows `text` as the live line when the descriptor is a terminal, and nothing
 * otherwise; NULL or "" erases it. */
void log_progress(const char *text);

/* True when log_progress shows something: the descriptor is a terminal. */
bool log_progress_is_live(void);

/* Writes bytes to a descriptor through the redactor, retrying short writes and
 * EINTR; erases the progress line around it when the descriptor is a
 * terminal. On descriptors 1 and 2 an end that may begin a secret waits for the
 * next write, or for log_release. Returns 0, or an errno value. */
int log_write(int fd, const char *bytes, size_t size);

/* Writes what log_write holds back for the descriptor, since a reader may be
 * waiting for it: before a read, before a wait, when a stream is flushed, at
 * the end. Cheap when there is nothing. Returns 0, or an errno value. */
int log_release(int fd);

#endif
