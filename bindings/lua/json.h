/* json: the exact codec. The only file that includes cjson.
 *
 * It works on a private lua-cjson instance that no script can reconfigure, and
 * makes exact what lua-cjson 2.1.0 on Lua 5.4 does not:
 *  - decoding: a number with an integral value becomes a Lua integer; an
 *    integer text of any length that 64 bits hold is exact; a longer one is an
 *    error that names it, never rounded. NaN, Infinity and hexadecimal are
 *    refused. null becomes json_null (kelp.null, a light userdata: test with
 *    `== kelp.null`, it is true in a condition).
 *  - encoding: integers are written exactly, floats with the fewest of 14 or 17
 *    digits that read back the same; NaN and infinities are an error.
 *  - depth is capped at 128 and the text at JSON_MAX_TEXT bytes, both ways.
 * Errors name the offset, never the text: a body may hold secrets. */
#ifndef KELP_LUA_JSON_H
#define KELP_LUA_JSON_H

#include <stddef.h>

struct lua_State;

enum { JSON_MAX_DEPTH = 128 };
#define JSON_MAX_TEXT ((size_t)64 * 1024 * 1024)

/* Makes the module table { encode, decode, null } and keeps the instance in
 * the registry. [-0, +1, m] */
int luaopen_kelp_json(struct lua_State *L);

/* Decodes `size` bytes. Raises a string that starts with "invalid JSON: ".
 * The module must have been opened in this state. [-0, +1, e] */
void json_decode(struct lua_State *L, const char *text, size_t size);

/* Replaces the value at the top by its JSON text. Raises a string. [-1, +1, e] */
void json_encode(struct lua_State *L);

/* Pushes the value that stands for JSON null. [-0, +1, -] */
void json_push_null(struct lua_State *L);

/* True when the value at `index` is JSON null (not Lua's nil). [-0, +0, -] */
int json_is_null(struct lua_State *L, int index);

#endif
