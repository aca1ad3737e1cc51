/* verb_table: verbs.def for the Lua side, as raw.verbs. */
#ifndef KELP_CONNECTOR_VERB_TABLE_H
#define KELP_CONNECTOR_VERB_TABLE_H

#include <lua.h>

/* Pushes the table: an array of the rows in their order, which also has each row by its
 * verb's name. Fields of a row, absent where verbs.def has none: name, public, writes,
 * effect ("state", "config", "create", "delete", "event"), inverse, sign, state,
 * on_target, on_connector, usage, help. [-0, +1, m] */
void verb_table_push(lua_State *L);

#endif
