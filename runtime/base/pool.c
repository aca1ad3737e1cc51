#include "base/pool.h"

#include <stdlib.h>
#include <string.h>

enum {
    UNIT = 16, /* alignment, and the step between size classes */
    CLASSES = POOL_LARGEST / UNIT,
    SLAB = 32 * 1024
};

union block {
    union block *next; /* while it is free */
    max_align_t alignment;
};

/* Blocks are cut off the newest slab; the older ones are used up. */
struct slab {
    struct slab *next;
    max_align_t blocks[];
};

struct pool {
    union block *free[CLASSES];
    char *cut, *end; /* what is left of the newest slab */
    struct slab *slabs;
};

struct pool *pool_new(void)
{
    return calloc(1, sizeof(struct pool));
}

void pool_free(struct pool *p)
{
    if (p == NULL)
        return;
    for (struct slab *s = p->slabs, *next; s != NULL; s = next) {
        next = s->next;
        free(s);
    }
    free(p);
}

static size_t class_of(size_t size)
{
    return (size - 1) / UNIT;
}

static void put(struct pool *p, void *block, size_t class)
{
    union block *b = block;
    b->next = p->free[class];
    p->free[class] = b;
}

/* Cuts what is left of the slab into blocks, which are of use as such, and gets
 * another one. */
static void *cut_from_new(struct pool *p, size_t class)
{
    struct slab *s = malloc(SLAB);
    if (s == NULL)
        return NULL;
    size_t left = (size_t)(p->end - p->cut);
    if (left > 0)
        put(p, p->cut, class_of(left));
    s->next = p->slabs;
    p->slabs = s;
    p->cut = (char *)s->blocks;
    p->end = (char *)s + SLAB - SLAB % UNIT;
    char *block = p->cut;
    p->cut += (class + 1) * UNIT;
    return block;
}

static void *allocate_small(struct pool *p, size_t size)
{
    size_t class = class_of(size);
    union block *b = p->free[class];
    if (b != NULL) {
        p->free[class] = b->next;
        return b;
    }
    if ((size_t)(p->end - p->cut) < (class + 1) * UNIT)
        return cut_from_new(p, class);
    char *block = p->cut;
    p->cut += (class + 1) * UNIT;
    return block;
}

static void *move(struct pool *p, void *block, size_t old, size_t size)
{
    void *moved = size <= POOL_LARGEST ? allocate_small(p, size) : malloc(size);
    if (moved == NULL) /* what shrinks stays where it is, and is a small block from now on */
        return size < old ? block : NULL;
    memcpy(moved, block, old < size ? old : size);
    if (old <= POOL_LARGEST)
        put(p, block, class_of(old));
    else
        free(block);
    return moved;
}

void *pool_resize(struct pool *p, void *block, size_t old, size_t size)
{
    if (block == NULL || old == 0)
        return size == 0 ? NULL : size <= POOL_LARGEST ? allocate_small(p, size) : malloc(size);
    if (size == 0) {
        if (old <= POOL_LARGEST)
            put(p, block, class_of(old));
        else
            free(block);
        return NULL;
    }
    if (old > POOL_LARGEST && size > POOL_LARGEST)
        return realloc(block, size);
    if (old <= POOL_LARGEST && size <= POOL_LARGEST && class_of(old) == class_of(size))
        return block;
    return move(p, block, old, size);
}
