/* veil: which config keys hold secrets, and what of their values nobody but the
 * connector should see. The one list of its kind. */
#ifndef KELP_CONNECTOR_SENSITIVE_KEYS_H
#define KELP_CONNECTOR_SENSITIVE_KEYS_H

#include <lua.h>

#include <stdbool.h>
#include <stddef.h>

enum sensitivity {
    SENSITIVE_NONE,
    SENSITIVE_PART, /* a secret may be within: an address, a connection string */
    SENSITIVE_WHOLE   /* the value is one */
};

/* What the name of the key tells of its value. */
enum sensitivity sensitivity_of(const char *key);

/* From now on the key is SENSITIVE_WHOLE: a provider's own definition calls its value a
 * password. False when out of memory. */
bool sensitive_keys_add(const char *key);

/* Makes unprintable what is secret in the value of that key: the value, or the
 * passwords within it, as they are and decoded. False when out of memory. */
bool sensitive_value_register(const char *key, const char *value, size_t size);

/* raw.is_secret_key(key): whether its value is a secret or may hold one; and
 * whether it is one. [-1, +2, e] */
int sensitive_keys_is_call(lua_State *L);

/* raw.secret_key_add(key): see sensitive_keys_add. [-1, +0, e] */
int sensitive_keys_add_call(lua_State *L);

#endif
