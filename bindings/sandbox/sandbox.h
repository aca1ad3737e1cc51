/* sandbox: what is left of Lua and of kelp for a script that others wrote.
 *
 * The guarantees are not here but in the manifest (sandbox/manifest.h), which C checks
 * at each target and each write: this makes sure that a script has no other way to
 * them. It is no wall against faults of the interpreter itself. */
#ifndef KELP_SANDBOX_SANDBOX_H
#define KELP_SANDBOX_SANDBOX_H

#include <lua.h>

#include <stddef.h>

/* What the Lua state of a restricted script may hold, unless the user says more or less. */
#define SANDBOX_MEMORY ((size_t)256 * 1024 * 1024)

/* Gives the code that is loaded from now on globals of their own: the harmless
 * part of the base library; copies of coroutine, math, string, table and utf8; and
 * a require that knows kelp.json and a kelp whose tables are copies. kelp's own Lua
 * keeps its globals, and nothing that a script can change is used by it. Reads the
 * manifest (NULL: none, reading only) and says at level notice what it allows. `simulator`:
 * the address at which targets are simulated, or NULL; it must outlive the state.
 * Raises a string when the manifest cannot be used. In a state that has run
 * nothing yet, outside of tasks. [-0, +0, e] */
void sandbox_enter(lua_State *L, const char *manifest, const char *simulator);

#endif
