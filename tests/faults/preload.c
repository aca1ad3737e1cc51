/* preload: a resolver that never asks the network, and a wall clock that is wrong, for a program
 * that is started with LD_PRELOAD.
 *
 * Hosts: hang.invalid is never answered, here.invalid is 127.0.0.1, any other that ends in .invalid
 * does not exist. Clock: FAULT_CLOCK="OFFSET" or "OFFSET@SECONDS": the wall clock is so many
 * seconds ahead, from so many seconds after the start. The monotonic clocks are as they are. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long offset, from;
static struct timespec started;

__attribute__((constructor)) static void start(void)
{
    const char *setting = getenv("FAULT_CLOCK");
    char *rest = NULL;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &started);
    if (setting == NULL)
        return;
    offset = strtol(setting, &rest, 10);
    from = *rest == '@' ? strtol(rest + 1, NULL, 10) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
    int result = (int)syscall(SYS_clock_gettime, clock, t);
    if (result != 0 || offset == 0 || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
        return result;
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    if (now.tv_sec - started.tv_sec >= from)
        t->tv_sec += offset;
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

typedef int getaddrinfo_function(const char *, const char *, const struct addrinfo *,
                                 struct addrinfo **);

static getaddrinfo_function *real(void)
{
    /* An object pointer, which POSIX says can be a function's. */
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
    getaddrinfo_function *function;
    memcpy(&function, &symbol, sizeof function);
    return function;
}

int getaddrinfo(const char *restrict host, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict out)
{
    static const char suffix[] = ".invalid";
    size_t size = host != NULL ? strlen(host) : 0;
    bool ours = size > strlen(suffix) && strcmp(host + size - strlen(suffix), suffix) == 0;
    if (!ours)
        return real()(host, service, hints, out);
    while (strcmp(host, "hang.invalid") == 0)
        pause();
    if (strcmp(host, "here.invalid") != 0)
        return EAI_NONAME;
    struct addrinfo numeric = *hints;
    numeric.ai_family = AF_INET;
    return real()("127.0.0.1", service, &numeric, out);
}
