/* fast: time goes by FIELD_FAST (50) times as fast for a program that is started with LD_PRELOAD:
 * its clocks are ahead, and what it waits for a time ends so much sooner. For rows about limits of
 * minutes; a server that answers after 2 s has taken 100 s then. */
#define _GNU_SOURCE
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long factor = 50;
static struct timespec first[16]; /* of each clock */

__attribute__((constructor)) static void start(void)
{
    const char *setting = getenv("FIELD_FAST");
    if (setting != NULL && atol(setting) > 0)
        factor = atol(setting);
    for (int clock = 0; clock < 16; clock++)
        syscall(SYS_clock_gettime, clock, &first[clock]);
}

static int is_of_time(clockid_t clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW ||
           clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE ||
           clock == CLOCK_BOOTTIME;
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
    int result = (int)syscall(SYS_clock_gettime, clock, t);
    if (result != 0 || !is_of_time(clock))
        return result;
    const struct timespec *f = &first[clock];
    long long passed = (t->tv_sec - f->tv_sec) * 1000000000LL + (t->tv_nsec - f->tv_nsec);
    long long at = f->tv_nsec + passed * factor;
    t->tv_sec = f->tv_sec + at / 1000000000LL;
    t->tv_nsec = at % 1000000000LL;
    return 0;
}

time_t time(time_t *out)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (out != NULL)
        *out = t.tv_sec;
    return t.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    (void)zone;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    *out = (struct timeval){ .tv_sec = t.tv_sec, .tv_usec = t.tv_nsec / 1000 };
    return 0;
}

static struct timespec shortened(long milliseconds)
{
    long long ns = milliseconds * 1000000LL / factor;
    return (struct timespec){ .tv_sec = ns / 1000000000LL, .tv_nsec = ns % 1000000000LL };
}

int poll(struct pollfd *list, nfds_t count, int timeout)
{
    struct timespec t = shortened(timeout);
    return (int)syscall(SYS_ppoll, list, count, timeout < 0 ? NULL : &t, NULL, 8);
}

int epoll_wait(int fd, struct epoll_event *events, int most, int timeout)
{
    int short_one = timeout <= 0 ? timeout : timeout / (int)factor + 1;
    return (int)syscall(SYS_epoll_pwait, fd, events, most, short_one, NULL, 8);
}

int nanosleep(const struct timespec *wanted, struct timespec *left)
{
    struct timespec t = shortened(wanted->tv_sec * 1000 + wanted->tv_nsec / 1000000);
    return (int)syscall(SYS_nanosleep, &t, left);
}
