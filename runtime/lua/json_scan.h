/* json_scan: the strict reader that a text must pass before cjson sees it.
 *
 * It refuses all that RFC 8259 does not allow and cjson does, and marks what
 * cjson cannot keep. A marked token is replaced in the text by the JSON string
 * of the byte 0xFF and the token itself. No other string in an accepted text
 * decodes to a value with that byte, because it never occurs in UTF-8. */
#ifndef KELP_LUA_JSON_SCAN_H
#define KELP_LUA_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

struct json_scratch;

enum { JSON_MARK = 0xFF };

struct json_scan {
    const char *text; /* what to give to cjson: the text itself, or `scratch` */
    size_t size;
    bool marks;  /* marks are in it: it differs from the text that was given */
    size_t members; /* of all objects together */
};

/* Raises "invalid JSON: … at offset N". Runs no collector. Marked are: every
 * number that is not an integer of at most 15 digits, and every empty array
 * (as "[": cjson makes an empty table of both [] and {}). */
void json_scan(lua_State *L, struct json_scratch *scratch, const char *text, size_t size,
               struct json_scan *result);

/* A walk over the members of a text that is one array or one object, so that a text of
 * many records need not stand in memory as one value. */
struct json_walk {
    const char *text, *at, *end;
    char closing;
    bool begun;
};

struct json_member {
    const char *key; /* of an object's: a JSON string with its quotes; NULL of an array's */
    size_t key_size;
    struct json_scan value;
};

/* False when the text does not begin with `opening`, '[' or '{'. */
bool json_walk_begin(struct json_walk *walk, const char *text, size_t size, char opening);

/* Scans the next member as json_scan does the whole text, and raises likewise. False: there
 * is none, and nothing follows the text's value. `member` is valid until the next call. */
bool json_walk_next(lua_State *L, struct json_walk *walk, struct json_scratch *scratch,
                    struct json_member *member);

#endif
