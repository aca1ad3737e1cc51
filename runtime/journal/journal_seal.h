/* journal_seal: a 64-bit sum over the values of a row, kept with the row. SQLite's
 * own check sees a broken page, but not a flipped bit in a text. It guards
 * against accidents, not against a forger.
 *
 * Each step is a bijection of the sum and of the eight bytes that go into it, so
 * that a change within eight bytes always shows, and others with all likelihood. */
#ifndef KELP_JOURNAL_JOURNAL_SEAL_H
#define KELP_JOURNAL_JOURNAL_SEAL_H

#include <stddef.h>
#include <stdint.h>

/* The sum (of nothing: 0) with one more value, of a type and so many bytes. */
uint64_t journal_seal_add(uint64_t sum, int type, const void *bytes, size_t size);

#endif
