/* clock: time and randomness behind a table of functions, so that a test owns
 * both.
 *
 * All waits, deadlines and rates use `now`, which never goes back and counts
 * time spent suspended (CLOCK_BOOTTIME). `wall` is only for reading dates that
 * a server wrote and for showing a time to a person. */
#ifndef KELP_BASE_CLOCK_H
#define KELP_BASE_CLOCK_H

#include <stdint.h>

struct clock {
    double (*now)(struct clock *c);       /* seconds since an arbitrary start */
    double (*wall)(struct clock *c);      /* seconds since 1970-01-01T00:00:00Z */
    uint64_t (*random)(struct clock *c);  /* 64 evenly distributed bits */
    uint64_t state;                       /* the implementation's own */
};

/* The machine's clock and the kernel's randomness (getrandom). */
void clock_system(struct clock *c);

/* A clock that stands still until clock_advance, with randomness from a seed:
 * equal seeds give equal runs. Time starts at 1000 s, wall time at
 * 2026-01-01T00:00:00Z. */
struct virtual_clock {
    struct clock clock;
    double time;
};
void clock_virtual(struct virtual_clock *c, uint64_t seed);
void clock_advance(struct virtual_clock *c, double seconds);

double clock_now(struct clock *c);
double clock_wall(struct clock *c);

/* An evenly distributed number in [0, 1). */
double clock_fraction(struct clock *c);

#endif
