/* journal_index: what an open journal knows of its operations without reading:
 * the state of each, its last entry, and which key is whose. Only the process
 * that holds the lock writes, so that this is never behind the database. */
#ifndef KELP_JOURNAL_JOURNAL_INDEX_H
#define KELP_JOURNAL_JOURNAL_INDEX_H

#include "journal/journal_types.h"

struct journal_mark {
    uint64_t hash; /* of the key */
    int64_t last;  /* its last entry */
    unsigned char state;
    bool reached;  /* the script asked for it in this pass */
};

struct journal_index {
    struct journal_mark *marks; /* of operation 1, 2, … */
    size_t count, capacity;
    uint32_t *slots;            /* by hash: an operation, or 0 */
    size_t slot_count;          /* a power of two, at least twice the capacity */
};

uint64_t journal_index_hash(const char *key);

/* Makes room for one more. False: no memory, and nothing has changed. */
bool journal_index_reserve(struct journal_index *index);

/* Adds the next operation; there must be room. */
void journal_index_add(struct journal_index *index, uint64_t hash, int64_t entry,
                       enum journal_state state);

/* NULL: there is no such operation. */
struct journal_mark *journal_index_get(const struct journal_index *index, int64_t op);

/* The operations with that hash, one by one: `*step` starts at 0; 0 ends it. */
int64_t journal_index_find(const struct journal_index *index, uint64_t hash, size_t *step);

void journal_index_free(struct journal_index *index);

#endif
