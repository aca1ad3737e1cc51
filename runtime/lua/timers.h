/* timers: the times at which something is due, soonest first. */
#ifndef KELP_LUA_TIMERS_H
#define KELP_LUA_TIMERS_H

#include <stdbool.h>
#include <stddef.h>

/* Embedded in whatever waits; `place` is 0 while it is not in the heap. */
struct timer {
    double due;
    size_t place;
};

/* A binary heap; all zeros is an empty one. */
struct timers {
    struct timer **heap; /* heap[0] is unused */
    size_t count, capacity;
};

bool timers_add(struct timers *s, struct timer *t, double due); /* false: no memory */
void timers_remove(struct timers *s, struct timer *t);          /* nothing if not in it */
struct timer *timers_first(const struct timers *s);             /* NULL: none */
void timers_free(struct timers *s);

#endif
