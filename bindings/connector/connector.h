/* connector: the record that verbs return.
 *
 * A plain table with methods: name, id, class, type ("source", "sink"), state
 * (provisioning running degraded paused stopped failed restarting unassigned
 * pending unknown), error, tasks (array of {id, state, error, worker}), topics,
 * config, created (epoch seconds), details (what only this provider tells),
 * target. A field that the provider did not tell is nil. */
#ifndef KELP_CONNECTOR_CONNECTOR_H
#define KELP_CONNECTOR_CONNECTOR_H

#include <lua.h>

#include <stdbool.h>

/* Pushes an empty record. [-0, +1, m] */
void connector_new(lua_State *L);

/* True for a record. [-0, +0, -] */
bool connector_is(lua_State *L, int index);

/* Pushes the records' metatable, whose __index the Lua side fills with methods.
 * [-0, +1, m] */
void connector_push_metatable(lua_State *L);

#endif
