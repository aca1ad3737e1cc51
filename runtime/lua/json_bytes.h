/* json_bytes: what the reading and the writing half of the codec share: scratch
 * memory that outlives a raised error, and the search for bytes that a JSON
 * string cannot hold as they are. */
#ifndef KELP_LUA_JSON_BYTES_H
#define KELP_LUA_JSON_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct lua_State;

enum { JSON_MAX_DEPTH = 128 };
#define JSON_MAX_TEXT ((size_t)64 * 1024 * 1024)

/* Growable bytes from the state's own allocator, so that a memory cap of the
 * state counts them. Its owner is a userdata of the codec: an error raised
 * half-way leaks nothing. Growing runs no collector and so no script. */
struct json_scratch {
    char *bytes;
    size_t size, capacity;
};

/* Makes `capacity` at least size + more; raises when memory is short. */
void json_scratch_grow(struct lua_State *L, struct json_scratch *s, size_t more);

/* Gives the memory back when it is more than `keep` bytes. */
void json_scratch_trim(struct lua_State *L, struct json_scratch *s, size_t keep);

/* Room for `more` bytes, already counted in `size`. Valid until the next call. */
static inline char *json_scratch_take(struct lua_State *L, struct json_scratch *s, size_t more)
{
    if (more > s->capacity - s->size)
        json_scratch_grow(L, s, more);
    char *room = s->bytes + s->size;
    s->size += more;
    return room;
}

static inline void json_scratch_add(struct lua_State *L, struct json_scratch *s,
                                    const char *bytes, size_t size)
{
    if (size > 0)
        memcpy(json_scratch_take(L, s, size), bytes, size);
}

/* Eight bytes at a time, which buys 2 to 3 % of the instructions of an update and 7 % of
 * those of a long list: the first byte at or after `at` that is a control character, '"', '\' or not
 * ASCII; `end` when there is none. */
static inline const char *json_plain_end(const char *at, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    while (end - at >= 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
        /* A byte below N borrows from its top bit when N is subtracted; bytes after
         * the first such one may show a borrow that is not their own. */
        uint64_t found = ((word - ones * 0x20) | (quote - ones) | (slash - ones) | word) & tops;
        if (found != 0) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
            return at + __builtin_ctzll(found) / 8;
#else
            break;
#endif
        }
        at += 8;
    }
    while (at < end && (unsigned char)*at >= 0x20 && (unsigned char)*at < 0x80 && *at != '"' &&
           *at != '\\')
        at++;
    return at;
}

#endif
