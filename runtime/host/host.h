/* host: the Lua state that scripts run in, and how a chunk gets into it. */
#ifndef KELP_HOST_HOST_H
#define KELP_HOST_HOST_H

#include <lua.h>

#include <stdbool.h>

struct host;
struct options;

/* Makes a state with the libraries, the embedded modules, kelp itself, and
 * package.path cleaned of relative entries. `allocate` may be NULL for the
 * ordinary allocator. NULL with *why (the caller frees it) when that fails. */
struct host *host_new(const struct options *options, lua_Alloc allocate, void *allocate_data,
                      char **why);
lua_State *host_state(struct host *h);

/* Where the simulator is that every target shall use in place of its provider;
 * NULL: none. Before the first require "kelp". [-0, +0, m] */
void host_simulate(struct host *h, const char *url);

/* Puts the folder of the script at `path` first in package.path, so that it
 * finds modules beside itself. [-0, +0, m] */
void host_add_folder(lua_State *L, const char *path);

/* Ends all tasks, closes the state, then the engine and the transport. */
void host_free(struct host *h);

/* Calls the function below `nargs` arguments as a task and waits for its end.
 * LUA_OK leaves the results; otherwise the error value is left, with a string
 * message already extended by its traceback. [-(nargs + 1), +(results | 1), -] */
int host_call(lua_State *L, int nargs);

/* Writes the error value at the top to standard error through the log as the
 * user shall read it, and pops it. Returns the exit code that it stands for
 * (1, 4 for an unknown outcome, 130 when interrupted). [-1, +0, -] */
int host_report(lua_State *L);

#endif
