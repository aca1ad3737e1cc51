/* target: a provider plus the place in it where connectors live, and the
 * primitive verbs: each is one exchange. */
#ifndef KELP_LUA_TARGET_H
#define KELP_LUA_TARGET_H

#include <lua.h>

#include <stddef.h>

/* raw.target(provider, options): makes a target. Every option is checked by a
 * table of names, types and ranges; an unknown one is an error that names it;
 * half a key pair is an error. [-2, +1, e] */
int target_make(lua_State *L);

/* raw.exchange(target, verb, connector, config, options): carries out one
 * primitive verb. `connector` is the name, or the id where the provider
 * addresses by id; `config` a config table for the verbs that send one;
 * `options` may hold `keep_masked` and, for create, nothing else. Returns the
 * record, the array of records, or true; raises an error object.
 * [-5, +1, e] */
int target_exchange(lua_State *L);

/* raw.check_name(name): raises `invalid` when it cannot name a connector.
 * [-1, +0, e] */
int target_check_name(lua_State *L);

/* raw.describe(target): what it offers, as a new table of booleans: the verbs,
 * address_by_id, merge, remove_keys, masks; and as a first result the table of
 * fields that target.NAME reads. [-1, +2, e] */
int target_describe(lua_State *L);

/* Pushes the targets' metatable; its `methods` table, where verbs are looked
 * up, is filled by the Lua side. [-0, +1, m] */
void target_push_metatable(lua_State *L);

/* Exchanges alive in this state, finished ones not yet collected among them:
 * for the test that nothing is left behind. [-0, +0, -] */
size_t target_exchanges(void);

#endif
