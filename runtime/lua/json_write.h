/* json_write: the writing half of the codec.
 *
 * It does not go through cjson, which on Lua 5.4 writes 14 digits of a number,
 * makes {} of an empty array, turns a mixed table into an object and orders
 * keys as the hash does: each would need a copy of the whole value first. */
#ifndef KELP_LUA_JSON_WRITE_H
#define KELP_LUA_JSON_WRITE_H

#include <stddef.h>

struct lua_State;
struct json_scratch;

struct json_writer {
    struct json_scratch *out;     /* the text */
    struct json_scratch *entries; /* the members of the objects being written */
    size_t limit;                 /* most bytes of text */
};

/* Writes the value at the top into `out`; `array_mt`, the index of the
 * metatable that marks an array, must be absolute. Runs no script and no
 * collector, so nothing of the value changes meanwhile. [-0, +0, e] */
void json_write(struct lua_State *L, const struct json_writer *writer, int array_mt);

/* Of tables with the metatable at the top, that member is left out: what is no data. [-0, +0, m] */
void json_write_omit(struct lua_State *L, const char *member);

#endif
