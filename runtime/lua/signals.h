/* signals: what SIGINT, SIGTERM and SIGHUP do to the program. */
#ifndef KELP_LUA_SIGNALS_H
#define KELP_LUA_SIGNALS_H

/* From now on the first of them interrupts the code that runs (interrupt.h), and the next, while
 * that is still under way, ends the process at once. When the first one has to wait for the end of
 * a long call into C, standard error says so after a second. */
void signals_catch(void);

#endif
