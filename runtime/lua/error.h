/* error: the object that a failed verb raises.
 *
 * A table with a metatable: kind, message, and, where they are known, provider,
 * target, verb, connector, status, code, request_id, attempts, sent ("no",
 * "maybe", "yes"), retryable, where (the script's line), and for a masked
 * config `keys`, for a rate limit `retry_after`, `rate_limit`. tostring gives
 * one readable line. Misuse of the API is an ordinary Lua error instead. */
#ifndef KELP_LUA_ERROR_H
#define KELP_LUA_ERROR_H

#include <lua.h>

#include <stdbool.h>

/* In step with the names in error.c. */
enum error_kind {
    ERROR_INVALID, ERROR_UNAUTHORIZED, ERROR_FORBIDDEN, ERROR_NOT_FOUND, ERROR_EXISTS,
    ERROR_CONFLICT, ERROR_MASKED, ERROR_UNSUPPORTED, ERROR_RATE_LIMITED, ERROR_SERVER,
    ERROR_TIMEOUT, ERROR_NETWORK, ERROR_TLS, ERROR_PROTOCOL, ERROR_UNKNOWN_OUTCOME,
    ERROR_CANCELLED, ERROR_JOURNAL, ERROR_KINDS
};

const char *error_kind_name(enum error_kind kind);

/* Pushes a new error object with `kind`, a formatted `message` (lua_pushfstring's
 * formats) and `where`. [-0, +1, m] */
void error_push(lua_State *L, enum error_kind kind, const char *format, ...);

/* Pushes the nearest caller in a file of the user's own, "script.lua:12", or nil.
 * [-0, +1, m] */
void error_push_where(lua_State *L);

/* Raises an ordinary Lua error for misuse of the API: the message after the line
 * of the user's own code that is to blame, not of kelp's Lua. Never returns.
 * [-0, +0, e] */
int error_misuse(lua_State *L, const char *format, ...);

/* raw.misuse(message). [-1, +0, e] */
int error_misuse_call(lua_State *L);

/* True when the value at `index` is an error object. [-0, +0, -] */
bool error_is(lua_State *L, int index);

/* raw.error(kind, message [, fields]): makes an error object; fields are copied
 * in. [-3, +1, e] */
int error_make(lua_State *L);

#endif
