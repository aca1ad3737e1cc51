/* sensitive_keys: which config keys hold secrets. The one list of its kind: the
 * providers' own definitions decide first (providers/password_keys.h, and what plugins
 * tell at run time), then the words in the key. sensitive_values.h has the values. */
#ifndef KELP_CONNECTOR_SENSITIVE_KEYS_H
#define KELP_CONNECTOR_SENSITIVE_KEYS_H

#include <lua.h>

#include <stdbool.h>
#include <stddef.h>

enum sensitivity {
    SENSITIVE_NONE,
    SENSITIVE_PART, /* a secret may be within: an address, a connection string */
    SENSITIVE_WHOLE /* the value is one */
};

enum { SENSITIVE_LONGEST_KEY = 255 };

/* What the name of the key tells of its value. */
enum sensitivity sensitivity_of(const char *key);

/* From now on the key is SENSITIVE_WHOLE: a provider's own definition calls its value a
 * password. False when out of memory. */
bool sensitive_keys_add(const char *key);

/* raw.secret_key_add(key): see sensitive_keys_add. [-1, +0, e] */
int sensitive_keys_add_call(lua_State *L);

#endif
