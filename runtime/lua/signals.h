/* signals: what SIGINT, SIGTERM and SIGHUP do to the program. */
#ifndef KELP_LUA_SIGNALS_H
#define KELP_LUA_SIGNALS_H

/* From now on the first of them interrupts the code that runs (interrupt.h), and the next, while
 * that is still under way, ends the process at once. */
void signals_catch(void);

#endif
