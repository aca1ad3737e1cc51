/* veil: which config keys hold secrets, and what of their values nobody but the
 * connector should see. The one list of its kind. */
#ifndef KELP_CONNECTOR_SENSITIVE_KEYS_H
#define KELP_CONNECTOR_SENSITIVE_KEYS_H

#include <lua.h>

#include <stdbool.h>
#include <stddef.h>

enum veil {
    VEIL_NONE,
    VEIL_PART, /* a secret may be within: an address, a connection string */
    VEIL_ALL   /* the value is one */
};

/* What the name of the key tells of its value. */
enum veil veil_of(const char *key);

/* From now on the key is VEIL_ALL: a provider's own definition calls its value a
 * password. False when out of memory. */
bool veil_add(const char *key);

/* Makes unprintable what is secret in the value of that key: the value, or the
 * passwords within it, as they are and decoded. False when out of memory. */
bool veil_register(const char *key, const char *value, size_t size);

/* raw.is_secret_key(key): whether its value is a secret or may hold one; and
 * whether it is one. [-1, +2, e] */
int veil_is_secret_key(lua_State *L);

/* raw.secret_key_add(key): see veil_add. [-1, +0, e] */
int veil_secret_key_add(lua_State *L);

#endif
