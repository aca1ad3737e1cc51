#include "journal/journal_index.h"

#include "journal/journal_seal.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 };

uint64_t journal_index_hash(const char *key)
{
    return journal_seal_add(0, 0, key, strlen(key));
}

static void enter(struct journal_index *index, uint64_t hash, uint32_t op)
{
    size_t at = (size_t)hash & (index->slot_count - 1);
    while (index->slots[at] != 0)
        at = (at + 1) & (index->slot_count - 1);
    index->slots[at] = op;
}

bool journal_index_reserve(struct journal_index *index)
{
    if (index->count < index->capacity)
        return true;
    size_t capacity = index->capacity == 0 ? FIRST_CAPACITY : 2 * index->capacity;
    if (capacity > UINT32_MAX)
        return false;
    struct journal_mark *marks = realloc(index->marks, capacity * sizeof *marks);
    if (marks == NULL)
        return false;
    index->marks = marks;
    uint32_t *slots = calloc(2 * capacity, sizeof *slots);
    if (slots == NULL)
        return false;
    free(index->slots);
    index->slots = slots;
    index->slot_count = 2 * capacity;
    index->capacity = capacity;
    for (size_t i = 0; i < index->count; i++)
        enter(index, marks[i].hash, (uint32_t)(i + 1));
    return true;
}

void journal_index_add(struct journal_index *index, uint64_t hash, int64_t entry,
                       enum journal_state state)
{
    index->marks[index->count++] =
        (struct journal_mark){ .hash = hash, .last = entry, .state = (unsigned char)state };
    enter(index, hash, (uint32_t)index->count);
}

struct journal_mark *journal_index_get(const struct journal_index *index, int64_t op)
{
    return op < 1 || (uint64_t)op > index->count ? NULL : &index->marks[op - 1];
}

int64_t journal_index_find(const struct journal_index *index, uint64_t hash, size_t *step)
{
    while (*step < index->slot_count) {
        uint32_t op = index->slots[(hash + (*step)++) & (index->slot_count - 1)];
        if (op == 0)
            return 0;
        if (index->marks[op - 1].hash == hash)
            return op;
    }
    return 0;
}

void journal_index_free(struct journal_index *index)
{
    free(index->marks);
    free(index->slots);
}
