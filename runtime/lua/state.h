/* host: the Lua state that scripts run in, and how a chunk gets into it. */
#ifndef KELP_LUA_STATE_H
#define KELP_LUA_STATE_H

#include <lua.h>

#include <stdbool.h>

struct clock;
struct host;
struct journaling;
struct options;
struct transport;

/* Makes a state with the libraries, the embedded modules, kelp itself, and
 * package.path cleaned of relative entries. `options` must outlive it; `allocate` may be NULL for the
 * ordinary allocator. NULL with *why (the caller frees it) when that fails. */
struct host *host_new(const struct options *options, lua_Alloc allocate, void *allocate_data,
                      char **why);

/* As host_new, over a transport and a clock that stay the caller's and must
 * outlive the host, in place of libcurl and the machine's clock. */
struct host *host_new_over(struct transport *transport, struct clock *clock,
                           const struct options *options, lua_Alloc allocate,
                           void *allocate_data, char **why);
lua_State *host_state(struct host *h);
struct journaling *host_journaling(struct host *h);

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
 * message already extended by its traceback. [-(nargs + 1), +(results | 1), m] */
int host_call(lua_State *L, int nargs);

/* As host_call, for a chunk whose result is the program's: reports an error, and
 * returns the exit code: the integer that the chunk returned, if it did, or what
 * the error stands for. [-(nargs + 1), +0, -] */
int host_run(lua_State *L, int nargs);

/* The last word before the program ends with `code`: creates that were in doubt
 * are looked at once more, and two of one, or a look that fails, make it 4 (or
 * what the failure stands for). [-0, +0, -] */
int host_audit(lua_State *L, int code);

/* Under --plan: says how much would be changed, and makes a code of 0 into 3 when
 * that is anything. [-0, +0, -] */
int host_plan(lua_State *L, int code);

/* Writes the error value at the top to standard error through the log as the
 * user shall read it, and pops it. Returns the exit code that it stands for
 * (1, 4 for an unknown outcome, 130 when interrupted). [-1, +0, -] */
int host_report(lua_State *L);

/* True when host_report has had something to report: the program did not come to
 * its end by itself. [-0, +0, -] */
bool host_has_raised(lua_State *L);

#endif
