/* target: a provider plus the place in it where connectors live. */
#ifndef KELP_CONNECTOR_TARGET_H
#define KELP_CONNECTOR_TARGET_H

#include <lua.h>

/* raw.target(provider, options): makes a target. Every option is checked by a
 * table of names, types and ranges; an unknown one is an error that names it;
 * half a key pair is an error. [-2, +1, e] */
int target_make(lua_State *L);

struct target;

/* The target at `index`; NULL when it is none. */
struct target *target_test(lua_State *L, int index);

/* raw.describe(target): what it offers, as a new table of booleans: the verbs,
 * address_by_id, merge, remove_keys, masks, initial_state, initial_offsets,
 * alters_when_stopped, assigns_later, own_plugins, has_failover; and as a first result the table of
 * fields that target.NAME reads. [-1, +2, e] */
int target_describe(lua_State *L);

/* Pushes the targets' metatable; its `methods` table, where verbs are looked
 * up, is filled by the Lua side, which may also set its `unknown_field`: a function of a target and
 * a name that is neither a verb nor a field, for the value or an error. [-0, +1, m] */
void target_push_metatable(lua_State *L);

#endif
