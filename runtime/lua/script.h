/* chunk: the Lua that the command line names: statements, modules, a script, a
 * command; how it is found, loaded, told to the journal and run. */
#ifndef KELP_LUA_SCRIPT_H
#define KELP_LUA_SCRIPT_H

#include "options.h"

#include <lua.h>

struct session;

/* Each runs, reports what fails, and returns the exit code that it stands for. */

/* -l mod, or -l g=mod: g = require "mod". [-0, +0, m] */
int script_require(lua_State *L, const char *text);

/* What -e and -l say, in their order, until one fails. [-0, +0, e] */
int script_run_actions(lua_State *L, struct session *jn, const struct options *o);

/* The script or the command with its arguments. Raises what the journal has against
 * it. [-0, +0, e] */
int script_run(lua_State *L, struct session *jn, const struct options *o);

/* The options of a run that is gone on with, when its script is not named again:
 * those given, with the array of words at the top, which must stay there, in the
 * place of the script and its arguments. [-0, +1, m] */
struct options script_of_earlier_run(lua_State *L, const struct options *given);

#endif
