/* simulator_lua: a simulator as a Lua value, for `kelp sim`.
 *
 * In Lua:
 *   start { port, latency, provisioning, rate, lag, seed, faults, state }  all optional, as in
 *       struct simulator_options; raises a string when it cannot start. Until it is stopped
 *       SIGINT, SIGTERM and SIGHUP are blocked but for sim:wait.
 *   sim:url()       "http://127.0.0.1:PORT"
 *   sim:wait(eof)   until a signal has come, which thereby is done with, or, if `eof`, standard
 *       input has ended; writes meanwhile what the simulator complains about
 *   sim:stop()      saves the state; raises a string when it cannot. Also done, but then reported,
 *       by a to-be-closed variable and the garbage collector. */
#ifndef KELP_SIMULATOR_SIMULATOR_LUA_H
#define KELP_SIMULATOR_SIMULATOR_LUA_H

#include <lua.h>

struct simulated_provider; /* simulator/simulator.h */

/* Pushes `start`, which serves these providers; they outlive the state. [-0, +1, m] */
void simulator_push_start(lua_State *L, const struct simulated_provider *providers);

#endif
