/* secret_value: kelp.secret values, opaque to scripts.
 *
 * tostring, .., string.format("%s") and print show <secret NAME>; only the
 * writers of requests open the value. */
#ifndef KELP_LUA_SECRET_VALUE_H
#define KELP_LUA_SECRET_VALUE_H

#include <lua.h>

struct secret;

/* kelp.secret "NAME" | { env = … } | { file = … } | { command = …, timeout = seconds }.
 * A variable is taken out of the environment and kept: the next call finds it.
 * [-1, +1, e] */
int secret_make(lua_State *L);

/* The secret at `index`, owned by the Lua value, or NULL when it is none.
 * [-0, +0, -] */
struct secret *secret_at(lua_State *L, int index);

/* Pushes a Lua value that owns a reference of its own to `s`. [-0, +1, m] */
void secret_push(lua_State *L, struct secret *s);

/* Replaces a string at `index` (absolute) by a secret of that label; leaves a
 * secret as it is. Raises an argument error for anything else. [-0, +0, e] */
struct secret *secret_of_value(lua_State *L, int index, const char *label);

/* raw.read_private(path): the text of a file that only its owner can read;
 * nil and a reason otherwise. [-1, +1 | +2, e] */
int secret_read_private(lua_State *L);

/* raw.redact(text): the text as it may be shown, to be cut before it is
 * written. [-1, +1, e] */
int secret_redact_call(lua_State *L);

/* raw.hide(text, label): makes a text unprintable from now on. [-2, +0, e] */
int secret_hide(lua_State *L);

#endif
