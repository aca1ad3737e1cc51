/* history: the statements that were typed, in a file of their own.
 *
 * One statement a line, oldest first, a newline in it as \n and a backslash as
 * \\. Statements are added one by one, each in one write at the end of the file,
 * so that two sessions may share it and a killed one loses nothing. The folders
 * above the file are made (0700), the file is the owner's alone (0600). */
#ifndef KELP_LUA_HISTORY_H
#define KELP_LUA_HISTORY_H

#include <stdbool.h>
#include <stddef.h>

struct buffer;

/* Adds the path of the user's history, $XDG_STATE_HOME/kelp/history. False: the environment names
 * no folder for it. */
bool history_path(struct buffer *path);

/* Calls `each` with the newest `keep` statements, oldest first. A file that has
 * grown past that by a quarter is cut down to them. Returns 0, also when there
 * is no file yet, or an errno value. */
int history_read(const char *path, size_t keep, void (*each)(void *data, const char *statement),
                void *data);

/* Adds a statement (NUL-terminated). Returns 0 or an errno value. */
int history_add(const char *path, const char *statement);

#endif
