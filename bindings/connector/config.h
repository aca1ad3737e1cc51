/* config: the rules for connector config values.
 *
 * On the wire every value is a string. A config table may hold strings,
 * integers, floats, booleans, kelp.secrets, and lists of those but secrets;
 * they are written as Kafka reads them: 5000 -> "5000", 2.0 -> "2",
 * true -> "true", {"a","b"} -> "a,b". Anything else is an error that names the
 * key. */
#ifndef KELP_CONNECTOR_CONFIG_H
#define KELP_CONNECTOR_CONFIG_H

#include <lua.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer;

/* Bytes that a config may have, keys and values together: no request is larger. */
enum { CONFIG_LARGEST = 32 * 1024 * 1024 };

/* raw.normalise(config [, name]): a new table of key -> string or kelp.secret, and whether a
 * value is a mask. `name` is filled in as "name"; a different one in the config is an error.
 * Secret values are registered with the redactor. Raises an `invalid` error object.
 * [-2, +2, e] */
int config_normalise_call(lua_State *L);

/* raw.changes(changes): as raw.normalise, with kelp.null as a value for keys that are to be
 * removed; and whether there is one. The table is not to be changed: the last one is memoized,
 * and returned again for the same changes. [-1, +3, e] */
int config_changes_call(lua_State *L);

/* A number for the table at `index`, if it is what raw.changes returned last, else 0;
 * where the number is the same, so are the contents. [-0, +0, m] */
uint64_t config_changes_number(lua_State *L, int index);

struct config_format {
    const char *name; /* filled in as "name"; NULL: as it is */
    bool keep_masked; /* masks are meant */
    /* What raw.normalise or a provider made: it is not checked or registered again. */
    bool is_prepared;
};

/* Writes the config table at `index` (any of the values above) as a JSON object
 * with sorted keys, its secrets opened. Raises an `invalid` error object, or a
 * `masked` one whose `keys` lists them when values are masks that may not be sent: with
 * `keep_masked`, a provider's may. [-0, +0, e] */
void config_write(lua_State *L, int index, const struct config_format *format,
                  struct buffer *out);

/* Turns a config that a provider sent (the table at `index`, changed in place)
 * into key -> string: JSON scalars as above, nested values as JSON text, nulls
 * dropped; values of secret keys are registered with the redactor.
 * [-0, +0, m] */
void config_receive(lua_State *L, int index);

/* raw.receive(config): the same for a table that a script read from a file;
 * returns it. [-1, +1, m] */
int config_receive_call(lua_State *L);

/* True for a value that stands for a secret: what a provider shows (its `mask`, as two or
 * more asterisks), or what kelp and workers print: [hidden], <hidden>, <secret LABEL>, also
 * in a part of an address. `keep_masked` sends a provider's back, never the others. */
bool config_is_mask(const char *value, size_t size);

/* True for a key that a provider adds to the configs that it returns. */
bool config_is_injected(const char *key);

/* raw.is_mask(value), raw.is_injected(key). */
int config_is_mask_call(lua_State *L);
int config_is_injected_call(lua_State *L);

#endif
