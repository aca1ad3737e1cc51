/* manifest: what a script that others wrote may do, kept and enforced in C.
 *
 * A state without one is not restricted, and every function here lets all pass.
 * The script has no way to it: it lies in the registry, and no function that the
 * script is given changes it.
 *
 * The file is a Lua table literal (only a literal: it can call nothing) or, when
 * its name ends in ".json", a JSON object:
 *
 *   return {
 *     targets = { "prod",                       -- a name in the targets file
 *       { provider = "NAME", … its place, or url = "http://localhost:8083" } },
 *     verbs = { "update", "restart" },          -- those that write; reading is allowed
 *     connectors = { "orders-*" },              -- names, * and ? as in a shell
 *     writes = 100,                             -- or { total = 100, restart = 10 }
 *     rate = 5,                                 -- requests a second and credential
 *     secrets = { "DB_PASSWORD" },              -- variables for kelp.secret
 *   }
 *
 * `targets` must be there, and with a verb that writes `connectors` and the total
 * of `writes` too: nothing is allowed by being left out. */
#ifndef KELP_SANDBOX_MANIFEST_H
#define KELP_SANDBOX_MANIFEST_H

#include "providers/provider.h"

#include <lua.h>

#include <stdbool.h>

struct target;

/* Restricts the state: to the manifest at `path`, or, when that is NULL, to
 * reading. `simulator`: the address at which targets are simulated, or NULL; it must outlive the
 * state. Raises a string that names the key or the line, for the caller to add the
 * file, when it cannot be obeyed. The JSON module must have been opened.
 * [-0, +0, e] */
void manifest_open(lua_State *L, const char *path, const char *simulator);

/* From now on the manifest is asked at each target and each request, and learns the names of
 * connectors from the provider's responses, so that a write to an id is checked by the name that
 * the provider itself gave it. [-0, +0, -] */
void manifest_set_hooks(lua_State *L);

/* Pushes what the manifest allows, for the user to read. [-0, +1, m] */
void manifest_push_text(lua_State *L);

/* Replaces the verb's function at the top by one that first raises `forbidden`
 * unless the manifest allows the script this call. Its first argument is a
 * target, or the connector that it is about. [-1, +1, m] */
void manifest_guard(lua_State *L, const char *verb);

/* Calls kelp.target's function at the top with the name at `index` as its
 * argument, if the manifest lists that name; raises `forbidden` otherwise.
 * [-1, +1, e] */
void manifest_call_named(lua_State *L, int index);

/* False when there is no list by which the manifest could tell whether an address
 * may be had: the script may then name none. [-0, +0, -] */
bool manifest_lists_targets(lua_State *L);

/* Raises `forbidden` unless the script may have this variable as a secret.
 * [-0, +0, e] */
void manifest_check_secret(lua_State *L, const char *variable);

#endif
