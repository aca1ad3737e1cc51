/* provider_table: the providers as Lua sees them. */
#ifndef KELP_CONNECTOR_PROVIDER_TABLE_H
#define KELP_CONNECTOR_PROVIDER_TABLE_H

#include <lua.h>

/* raw.providers: pushes an array of the registered providers, in their order, each {
 *   name, title, address (the option that holds it), places = { { name, variables = { … },
 *   simulated }, … }, credentials = { { option, variable, simulated }, … }, simulator_path,
 *   rejections = { … }, saved_lists, config and class (the members of a response that hold
 *   them) }.
 * [-0, +1, m] */
void provider_table_push(lua_State *L);

#endif
