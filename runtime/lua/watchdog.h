/* watchdog: ends a script that runs too long.
 *
 * First as an interrupt does: by an error that code cannot swallow for long. What
 * does not end so (a pattern that backtracks, a loop inside a C function) ends
 * with the process, by _exit and code 1; that is as safe as a kill, because of the
 * journal. Works by timers and one signal, SIGVTALRM, to the thread that starts it. */
#ifndef KELP_LUA_WATCHDOG_H
#define KELP_LUA_WATCHDOG_H

#include <stdbool.h>

/* Seconds of processor time that a script may take without letting the scheduler
 * have its turn, and those after which the process ends. Waits cost none. */
enum { WATCHDOG_BUSY = 10, WATCHDOG_BUSY_END = 12 };

/* From now on; `seconds`: how long the script may run in all, waits included (0:
 * no limit); the process ends after as long again, at most five seconds. Only one
 * at a time. False, with errno set, when there are no timers. */
bool watchdog_start(double seconds);
void watchdog_stop(void); /* nothing when it was not started */

#endif
