#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static const double virtual_start = 1000.0;
static const double virtual_epoch = 1767225600.0; /* 2026-01-01T00:00:00Z */

static double read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double system_now(struct clock *c)
{
    (void)c;
    return read_clock(CLOCK_BOOTTIME);
}

static double system_wall(struct clock *c)
{
    (void)c;
    return read_clock(CLOCK_REALTIME);
}

static uint64_t system_random(struct clock *c)
{
    (void)c;
    uint64_t bits;
    /* Reads of up to 256 bytes are never short. */
    while (getrandom(&bits, sizeof bits, 0) != (ssize_t)sizeof bits) {
        if (errno != EINTR) {
            /* Guessable numbers are worse than an end. */
            perror("kelp: getrandom");
            abort();
        }
    }
    return bits;
}

void clock_system(struct clock *c)
{
    *c = (struct clock){ .now = system_now, .wall = system_wall, .random = system_random };
}

static double virtual_now(struct clock *c)
{
    return ((struct virtual_clock *)c)->time;
}

static double virtual_wall(struct clock *c)
{
    return virtual_epoch + (virtual_now(c) - virtual_start);
}

/* SplitMix64. */
static uint64_t virtual_random(struct clock *c)
{
    uint64_t z = c->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

void clock_virtual(struct virtual_clock *c, uint64_t seed)
{
    c->clock = (struct clock){ .now = virtual_now, .wall = virtual_wall,
                               .random = virtual_random, .state = seed };
    c->time = virtual_start;
}

void clock_advance(struct virtual_clock *c, double seconds)
{
    if (seconds > 0)
        c->time += seconds;
}

double clock_now(struct clock *c)
{
    return c->now(c);
}

double clock_wall(struct clock *c)
{
    return c->wall(c);
}

double clock_fraction(struct clock *c)
{
    return (double)(c->random(c) >> 11) / 9007199254740992.0; /* 2^53 */
}
