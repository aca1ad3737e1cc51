#define _GNU_SOURCE /* pipe2, posix_spawn_file_actions_addclosefrom_np */
#include "secret/command.h"

#include "base/buffer.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Seconds that a command is given to end after it was told to. */
static const double grace = 1;

enum { OUT, COMPLAINTS, ENDED, SOURCES };

struct run {
    pid_t pid;
    struct pollfd sources[SOURCES]; /* -1: closed; ENDED: the process itself */
    struct buffer *texts[ENDED];
    struct clock clock;
    double until;
    bool killed;
};

static int start(struct run *r, const char *line, const int out[2], const int complaints[2])
{
    char shell[] = "sh", option[] = "-c";
    char *const arguments[] = {shell, option, (char *)line, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, plain;
    sigemptyset(&none);
    sigemptyset(&plain);
    sigaddset(&plain, SIGXFSZ); /* kelp ignores it */
    int failure = posix_spawn_file_actions_init(&actions);
    if (failure != 0)
        return failure;
    failure = posix_spawnattr_init(&attributes);
    if (failure != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return failure;
    }
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &plain);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    failure = posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    if (failure == 0 && complaints[1] >= 0)
        failure = posix_spawn_file_actions_adddup2(&actions, complaints[1], STDERR_FILENO);
    if (failure == 0)
        failure = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    if (failure == 0)
        failure = posix_spawn(&r->pid, "/bin/sh", &actions, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failure;
}

/* Reads what is there; closes the source at its end. */
static void drain(struct run *r, int source, struct command_result *result)
{
    char piece[4096];
    struct pollfd *p = &r->sources[source];
    ssize_t n = 0;
    while (p->fd >= 0 && (n = read(p->fd, piece, sizeof piece)) > 0) {
        bool fits = buffer_add(r->texts[source], piece, (size_t)n);
        result->too_much |= !fits && source == OUT;
    }
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        if (p->fd >= 0)
            close(p->fd);
        p->fd = -1;
    }
    explicit_bzero(piece, sizeof piece);
}

static void end(struct run *r)
{
    kill(r->pid, r->killed ? SIGKILL : SIGTERM);
    r->killed = true;
    r->until = clock_now(&r->clock) + grace;
}

/* Milliseconds between two looks where the system does not tell of a process's end
 * (no pidfd_open: an old kernel, a filter, valgrind). */
enum { LOOK = 20 };

static int time_left(struct run *r)
{
    double left = r->until - clock_now(&r->clock);
    int most = r->sources[ENDED].fd >= 0 ? 3600000 : LOOK;
    return left <= 0 ? 0 : left * 1000 >= most ? most : (int)(left * 1000) + 1;
}

static bool has_ended(struct run *r, int polled)
{
    if (r->sources[ENDED].fd >= 0)
        return polled > 0 && (r->sources[ENDED].revents & POLLIN) != 0;
    siginfo_t info = { .si_pid = 0 };
    return waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid != 0;
}

/* Runs until the process has ended and its output is read. */
static void follow(struct run *r, bool (*stop)(void), struct command_result *result)
{
    while (true) {
        int n = poll(r->sources, SOURCES, time_left(r));
        bool over = has_ended(r, n);
        drain(r, OUT, result);
        drain(r, COMPLAINTS, result);
        if (over)
            return;
        bool stopped = n < 0 && stop != NULL && stop();
        bool late = clock_now(&r->clock) >= r->until;
        if (r->killed ? late : stopped || late || result->too_much) {
            result->interrupted |= stopped;
            result->timed_out |= late && !r->killed;
            end(r);
        }
    }
}

static void close_pair(int pair[2])
{
    for (int i = 0; i < 2; i++)
        if (pair[i] >= 0)
            close(pair[i]);
}

static void run(struct run *r, const char *line, bool (*stop)(void), int out[2], int complaints[2],
                struct command_result *result)
{
    result->failure = start(r, line, out, complaints);
    if (result->failure != 0)
        return;
    close(out[1]);
    if (complaints[1] >= 0)
        close(complaints[1]);
    r->sources[OUT] = (struct pollfd){ .fd = out[0], .events = POLLIN };
    r->sources[COMPLAINTS] = (struct pollfd){ .fd = complaints[0], .events = POLLIN };
    out[0] = out[1] = complaints[0] = complaints[1] = -1;
    int process = (int)syscall(SYS_pidfd_open, r->pid, 0);
    r->sources[ENDED] = (struct pollfd){ .fd = process, .events = POLLIN };
    follow(r, stop, result);
    int status;
    while (waitpid(r->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFEXITED(status))
        result->code = WEXITSTATUS(status);
    else
        result->signal = WTERMSIG(status);
    for (int i = 0; i < SOURCES; i++)
        if (r->sources[i].fd >= 0)
            close(r->sources[i].fd);
}

bool command_run(const char *line, double seconds, bool (*stop)(void), struct buffer *out,
                 struct buffer *complaints, struct command_result *result)
{
    struct run r = { .texts = {out, complaints} };
    int out_pipe[2] = {-1, -1}, complaints_pipe[2] = {-1, -1};
    *result = (struct command_result){ .code = -1 };
    clock_system(&r.clock);
    r.until = clock_now(&r.clock) + seconds;
    if (pipe2(out_pipe, O_CLOEXEC) != 0 || fcntl(out_pipe[0], F_SETFL, O_NONBLOCK) != 0 ||
        (!isatty(STDERR_FILENO) && (pipe2(complaints_pipe, O_CLOEXEC) != 0 ||
                                    fcntl(complaints_pipe[0], F_SETFL, O_NONBLOCK) != 0)))
        result->failure = errno;
    else
        run(&r, line, stop, out_pipe, complaints_pipe, result);
    close_pair(out_pipe);
    close_pair(complaints_pipe);
    return result->failure == 0 && result->code == 0 && !result->timed_out &&
           !result->interrupted && !result->too_much;
}
