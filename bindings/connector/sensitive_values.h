/* sensitive_values: what of a config value nobody but the connector should see. A value
 * is secret because of its key (sensitive_keys.h), or because of its position in a
 * longer value at any key: the password of an address of any scheme, a parameter such
 * as password=… or sig=…, what follows Authorization: or Bearer. A reference that the
 * worker resolves, as ${file:/etc/x:pw}, is not secret: it is shown, compared, undone. */
#ifndef KELP_CONNECTOR_SENSITIVE_VALUES_H
#define KELP_CONNECTOR_SENSITIVE_VALUES_H

#include "connector/sensitive_keys.h"

#include <lua.h>

#include <stdbool.h>
#include <stddef.h>

/* What of this value at this key is secret. SENSITIVE_NONE for an empty value and for
 * references. Whoever shows, compares, records or sends a value asks this. */
enum sensitivity sensitivity_of_value(const char *key, const char *value, size_t size);

/* Makes unprintable what is secret in the value of that key: the value, or the
 * passwords within it, as they are and decoded. False when out of memory. */
bool sensitive_value_register(const char *key, const char *value, size_t size);

/* Whether what follows the name and '=' or ':' in a text is a secret: a sensitive key, or
 * a parameter such as sig. For secret_judge_keys. */
bool sensitive_name(const char *name, size_t size);

/* raw.is_secret_key(key [, value]): whether the value of that key is a secret or may
 * hold one, and whether it is one; with a string as the value, whether that one is or
 * does. [-n, +2, e] */
int sensitive_values_is_call(lua_State *L);

#endif
