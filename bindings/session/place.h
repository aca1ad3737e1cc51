/* place: where the connectors of a target live, as the journal knows it: the provider, the base
 * address and the options that name the place (an environment, a cluster). A target's label is
 * for showing only; nothing is read from it.
 *
 * In Lua (in kelp.raw):
 *   place(target)       its canonical JSON text: { provider, base_url, options }, in which
 *       `options` is an array of { name, value } in the provider's order. Two targets are of
 *       the same place when their texts are equal
 *   is_provider(name)   whether there is a provider of that name */
#ifndef KELP_SESSION_PLACE_H
#define KELP_SESSION_PLACE_H

#include <lauxlib.h>

/* The functions above, for kelp.raw. */
extern const luaL_Reg place_functions[];

/* Pushes the JSON text of the place of the target at `index`. [-0, +1, e] */
const char *place_push_json(lua_State *L, int index);

/* Pushes the same place as a person reads it, for keys: "acme eu/orders", and where the
 * address is not the provider's own " at ADDRESS". Values are percent-encoded, so that no two
 * places have the same text. [-0, +1, e] */
const char *place_push_text(lua_State *L, int index);

#endif
