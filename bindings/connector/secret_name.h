/* secret_name: a known secret is no name. What a connector, a config key, a label or a key of
 * the journal is called is sent in addresses, shown and recorded as it is. */
#ifndef KELP_CONNECTOR_SECRET_NAME_H
#define KELP_CONNECTOR_SECRET_NAME_H

#include <lua.h>

#include <stdbool.h>
#include <stddef.h>

/* True when the redactor would change the text: a known secret is, or is within, it. A memory
 * failure counts as true. */
bool secret_name_is_known(const char *text, size_t size);

/* Raises an `invalid` error object, nothing sent, when it is; `what` says which text it
 * is ("the connector's name"). [-0, +0, e] */
void secret_name_refuse(lua_State *L, const char *what, const char *text, size_t size);

/* raw.refuse_secret(what, text). [-2, +0, e] */
int secret_name_refuse_call(lua_State *L);

#endif
