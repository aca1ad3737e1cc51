/* host: the Lua state that scripts run in, and how a chunk gets into it. */
#ifndef KELP_LUA_STATE_H
#define KELP_LUA_STATE_H

#include <lua.h>

#include <stdbool.h>

struct clock;
struct state;
struct session;
struct options;
struct transport;

/* Makes a state with the libraries, the embedded modules, kelp itself, and
 * package.path cleaned of relative entries. `options` must outlive it; `allocate` may be NULL for the
 * ordinary allocator. NULL with *why (the caller frees it) when that fails. */
struct state *state_new(const struct options *options, lua_Alloc allocate, void *allocate_data,
                      char **why);

/* As state_new, over a transport and a clock that stay the caller's and must
 * outlive the host, in place of libcurl and the machine's clock. */
struct state *state_new_over(struct transport *transport, struct clock *clock,
                           const struct options *options, lua_Alloc allocate,
                           void *allocate_data, char **why);
lua_State *state_lua(struct state *h);
struct session *state_session(struct state *h);

/* Where the simulator is that every target shall use in place of its provider;
 * NULL: none. Before the first require "kelp". [-0, +0, m] */
void state_simulate(struct state *h, const char *url);

/* Puts the folder of the script at `path` first in package.path, so that it
 * finds modules beside itself. [-0, +0, m] */
void state_add_folder(lua_State *L, const char *path);

/* Ends all tasks, closes the state, then the engine and the transport. */
void state_free(struct state *h);

/* Calls the function below `nargs` arguments as a task and waits for its end.
 * LUA_OK leaves the results; otherwise the error value is left, with a string
 * message already extended by its traceback. [-(nargs + 1), +(results | 1), m] */
int state_call(lua_State *L, int nargs);

/* As state_call, for a chunk whose result is the program's: reports an error, and
 * returns the exit code: the integer that the chunk returned, if it did, or what
 * the error stands for. [-(nargs + 1), +0, -] */
int state_run(lua_State *L, int nargs);

/* The last word before the program ends with `code`: creates that were in doubt
 * are looked at once more, and two of one, or a look that fails, make it 4 (or
 * what the failure stands for). [-0, +0, -] */
int state_audit(lua_State *L, int code);

/* Under --plan: says how much would be changed, and makes a code of 0 into 3 when
 * that is anything. [-0, +0, -] */
int state_plan(lua_State *L, int code);

/* Writes the error value at the top to standard error through the log as the
 * user shall read it, and pops it. Returns the exit code that it stands for
 * (1, 4 for an unknown outcome, 130 when interrupted). [-1, +0, -] */
int state_report(lua_State *L);

/* True when state_report has had something to report: the program did not come to
 * its end by itself. [-0, +0, -] */
bool state_has_raised(lua_State *L);

#endif
