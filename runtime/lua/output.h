/* output: what makes standard output and standard error pass the redactor,
 * whoever writes to them through stdio: io.write, io.stderr:write, a usage text,
 * a library's complaint. print and the log go there by themselves (base/log). */
#ifndef KELP_LUA_OUTPUT_H
#define KELP_LUA_OUTPUT_H

#include <lua.h>

#include <stdbool.h>
#include <stdio.h>

/* Opens what is closed of the descriptors 0, 1 and 2, so that no other file gets the number: what
 * is read from it is empty, and what is written to it fails. Then puts streams in the place of stdin, stdout and stderr: what is written to the
 * last two is redacted, and reading from the first lets go what they hold back.
 * Once, before anything is written or opened. False with errno set. */
bool output_open(void);

/* The stream over the descriptor 0, 1 or 2 itself, for a line editor: what goes
 * there is not redacted. */
FILE *output_direct(int fd);

/* From now on what the script prints goes to standard error: standard output is for the one document
 * that log_write brings there. Cannot be undone. */
void output_leave_standard_output(void);

/* The descriptor that the script's output goes to. */
int output_descriptor(void);

/* As log_write, for what a script prints. That nobody reads standard output any more (as after
 * `| head`) is no failure: the script is interrupted, and output_is_unread holds from then on. */
int output_write(int fd, const char *bytes, size_t size);
bool output_is_unread(void);

/* Ends the process as the end of a pipe ends others: by SIGPIPE, with nothing said. */
_Noreturn void output_end_unread(void);

/* Writes everything that is buffered or held back. Also done at exit. */
void output_flush(void);

/* Writes what is buffered for standard output to its end. 0, or an errno value: also of an
 * earlier write that failed. */
int output_end(void);

/* Makes io.flush and FILE:flush let go what is held back. After luaL_openlibs.
 * [-0, +0, e] */
void output_install(lua_State *L);

#endif
