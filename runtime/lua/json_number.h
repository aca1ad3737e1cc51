/* json_number: the exact value of a number's spelling. */
#ifndef KELP_LUA_JSON_NUMBER_H
#define KELP_LUA_JSON_NUMBER_H

#include <lua.h>

#include <stddef.h>

enum json_number { JSON_NUMBER_INTEGER, JSON_NUMBER_FLOAT, JSON_NUMBER_TOO_LONG };

/* Classifies a number whose spelling is valid JSON by its decimal value, never by
 * a rounded one: INTEGER when that is integral and fits in 64 bits (1e3, 2.0
 * and -0 too), TOO_LONG when it was spelt as an integer and does not fit. */
enum json_number json_number_read(const char *token, size_t size, lua_Integer *value);

#endif
