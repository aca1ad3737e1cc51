/* command: runs a shell command and reads its output. */
#ifndef KELP_SECRET_COMMAND_H
#define KELP_SECRET_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

struct buffer;

struct command_result {
    int code;         /* exit code, or -1 */
    int signal;       /* that ended it, or 0 */
    bool timed_out;   /* it was ended after `seconds` */
    bool interrupted; /* it was ended because `stop` said so */
    bool too_much;    /* it printed more than `out` takes, and was ended */
    int failure;      /* errno of what could not be done to run it, or 0 */
};

/* Runs `line` with /bin/sh and adds its output to `out`. It has the standard
 * input, no other descriptor of ours, and this process's environment. Its standard
 * error is ours if that is a terminal, where the user may be asked something;
 * otherwise it goes to `complaints`, cut off at its limit. `stop`, asked whenever a
 * signal arrives, may be NULL. Waits until the command has ended, not for what it
 * leaves running. True when it ended by itself with code 0. */
bool command_run(const char *line, double seconds, bool (*stop)(void), struct buffer *out,
                 struct buffer *complaints, struct command_result *result);

#endif
