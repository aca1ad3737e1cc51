/* program: what the options ask for, from the first statement to the end of the run. For main.c. */
#ifndef KELP_PROGRAM_H
#define KELP_PROGRAM_H

struct exit_facts; /* session/exit_code.h */
struct options;    /* options.h */

/* Opens the simulator, the Lua state and the session, runs the statements, the script or command
 * and the prompt as far as they are asked for, and closes all of it. What decides the exit code is
 * left in *facts; what went wrong has been said. */
void program_run(const struct options *o, struct exit_facts *facts);

#endif
