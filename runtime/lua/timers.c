#include "lua/timers.h"

#include <stdlib.h>

static void put(struct timers *s, size_t place, struct timer *t)
{
    s->heap[place] = t;
    t->place = place;
}

static void rise(struct timers *s, struct timer *t, size_t place)
{
    for (; place > 1 && s->heap[place / 2]->due > t->due; place /= 2)
        put(s, place, s->heap[place / 2]);
    put(s, place, t);
}

static void sink(struct timers *s, struct timer *t, size_t place)
{
    for (;;) {
        size_t child = 2 * place;
        if (child > s->count)
            break;
        if (child < s->count && s->heap[child + 1]->due < s->heap[child]->due)
            child++;
        if (s->heap[child]->due >= t->due)
            break;
        put(s, place, s->heap[child]);
        place = child;
    }
    put(s, place, t);
}

bool timers_add(struct timers *s, struct timer *t, double due)
{
    if (s->count + 1 >= s->capacity) {
        size_t capacity = s->capacity == 0 ? 16 : 2 * s->capacity;
        struct timer **heap = realloc(s->heap, capacity * sizeof *heap);
        if (heap == NULL)
            return false;
        s->heap = heap;
        s->capacity = capacity;
    }
    t->due = due;
    rise(s, t, ++s->count);
    return true;
}

void timers_remove(struct timers *s, struct timer *t)
{
    size_t place = t->place;
    if (place == 0)
        return;
    struct timer *last = s->heap[s->count--];
    t->place = 0;
    if (last == t)
        return;
    if (place > 1 && s->heap[place / 2]->due > last->due)
        rise(s, last, place);
    else
        sink(s, last, place);
}

struct timer *timers_first(const struct timers *s)
{
    return s->count > 0 ? s->heap[1] : NULL;
}

void timers_free(struct timers *s)
{
    free(s->heap);
    s->heap = NULL;
    s->count = s->capacity = 0;
}
