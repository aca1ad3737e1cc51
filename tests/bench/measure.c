/* measure: runs programs and prints what each run cost.
 *
 *   measure [-n RUNS] PROGRAM [ARGUMENT…] [-- PROGRAM [ARGUMENT…]]…
 *
 * Several programs take turns, so that whatever else the machine does falls on
 * all of them. One line a run: the program's place in the list (from 1), wall
 * time in µs, CPU time in µs (user and system, its own and that of children it
 * waited for), and peak memory in KiB. Standard input and output of the
 * programs are /dev/null. A program that fails ends it with status 1. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t microseconds(struct timeval t)
{
    return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

static void fail(const char *program, const char *what)
{
    fprintf(stderr, "measure: %s: %s\n", program, what);
    exit(1);
}

static void run(int place, char **argv, const posix_spawn_file_actions_t *actions)
{
    pid_t pid;
    int status;
    struct rusage use;
    int64_t start = now();
    int failure = posix_spawnp(&pid, argv[0], actions, NULL, argv, environ);
    if (failure != 0)
        fail(argv[0], strerror(failure));
    while (wait4(pid, &status, 0, &use) != pid) {
        if (errno != EINTR)
            fail(argv[0], strerror(errno));
    }
    int64_t wall = now() - start;
    if (!WIFEXITED(status))
        fail(argv[0], "was ended by a signal");
    if (WEXITSTATUS(status) != 0) {
        fprintf(stderr, "measure: %s: exit status %d\n", argv[0], WEXITSTATUS(status));
        exit(1);
    }
    printf("%d %lld %lld %ld\n", place, (long long)wall,
           (long long)(microseconds(use.ru_utime) + microseconds(use.ru_stime)), use.ru_maxrss);
}

int main(int argc, char **argv)
{
    int first = 1;
    unsigned long runs = 1;
    if (argc > 2 && strcmp(argv[1], "-n") == 0) {
        runs = strtoul(argv[2], NULL, 10);
        first = 3;
    }
    if (argc <= first || runs == 0) {
        fprintf(stderr, "usage: measure [-n RUNS] PROGRAM [ARGUMENT…] [-- PROGRAM …]…\n");
        return 2;
    }
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0 ||
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0) != 0 ||
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) != 0)
        fail("posix_spawn", "out of memory");
    /* Each program's arguments become a NULL-terminated part of argv. */
    for (int i = first; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0)
            argv[i] = NULL;
    }
    for (unsigned long n = 0; n < runs; n++) {
        int place = 0;
        for (int i = first; i < argc; i++) {
            if (argv[i] != NULL && (i == first || argv[i - 1] == NULL))
                run(++place, &argv[i], &actions);
        }
    }
    posix_spawn_file_actions_destroy(&actions);
    return fflush(stdout) == 0 ? 0 : 1;
}
