/* json: the exact codec. The only file that includes cjson.
 *
 * It works on a private lua-cjson instance that no script can reconfigure, and
 * makes exact what lua-cjson 2.1.0 on Lua 5.4 does not:
 *  - decoding: a number with an integral value that 64 bits hold becomes a Lua
 *    integer, exactly, however it is spelt (1e3 and 2.0 too; -0 becomes 0); a
 *    longer one spelt as an integer is an error that names it, never rounded.
 *    What RFC 8259 does not allow is refused: NaN, hexadecimal, control
 *    characters, bad UTF-8, half surrogate pairs; so is a key that stands twice
 *    in an object. null becomes json_null (kelp.null, a light userdata: test
 *    with `== kelp.null`, it is true in a condition).
 *  - encoding: keys are sorted; integers, and floats with an integral value
 *    that 64 bits hold, are written as integers; other floats with the fewest
 *    of 14 or 17 digits that read back the same. NaN, infinities, functions,
 *    mixed or sparse tables, strings that are not UTF-8 are an error that names
 *    the place in the value. A kelp.secret is written as "<secret NAME>".
 *  - an empty table is {}, unless it is marked as an array: each [] that was
 *    decoded is, and what kelp.json.array(t) returns.
 *  - depth is capped at 128 and the text at JSON_MAX_TEXT bytes, both ways.
 * Errors name the offset (from 0), but for a key that stands twice and a text that is too
 * long, and never the text: a body may hold secrets. */
#ifndef KELP_LUA_JSON_H
#define KELP_LUA_JSON_H

#include "lua/json_bytes.h" /* JSON_MAX_DEPTH, JSON_MAX_TEXT */

#include <stdbool.h>
#include <stddef.h>

struct lua_State;

/* Makes the module table { encode, decode, array, null } and keeps the instance in
 * the registry. [-0, +1, m] */
int luaopen_kelp_json(struct lua_State *L);

/* Decodes `size` bytes. Raises a string that starts with "invalid JSON: ".
 * The module must have been opened in this state. [-0, +1, e] */
void json_decode(struct lua_State *L, const char *text, size_t size);

/* Decodes a text that is one array (`opening` '[') or object ('{') of many values, one
 * after the other, so that it never stands in memory as a whole: `take` finds on top a
 * member's key (a name, or its number from 1) and its value, with LUA_MINSTACK free slots,
 * and replaces both by one value, nil to leave it out [-2, +1, e]. Pushes the array of these, in the order of the
 * text. False, nothing pushed: the text begins with something else. Raises as json_decode,
 * maybe after some members were taken. [-0, +1, e] */
bool json_decode_members(struct lua_State *L, const char *text, size_t size, char opening,
                         void (*take)(struct lua_State *L, void *context), void *context);

/* Replaces the string at the top by the value that it is the JSON text of. Raises
 * as json_decode. [-1, +1, e] */
void json_decode_string(struct lua_State *L);

/* Replaces the value at the top by its JSON text. Raises a string. [-1, +1, e] */
void json_encode(struct lua_State *L);

/* Pushes the value that stands for JSON null. [-0, +1, -] */
void json_push_null(struct lua_State *L);

/* True when the value at `index` is what decoding an array gives: a table with
 * elements from 1, or an empty one that is known to be no object. [-0, +0, -] */
int json_is_array(struct lua_State *L, int index);

/* True when the value at `index` is JSON null (not Lua's nil). [-0, +0, -] */
int json_is_null(struct lua_State *L, int index);

/* Lowers the cap on the text from JSON_MAX_TEXT. [-0, +0, e] */
void json_set_max_text(struct lua_State *L, size_t max_text);

#endif
