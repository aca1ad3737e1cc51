#define _GNU_SOURCE /* gettid, SIGEV_THREAD_ID */

#include "lua/watchdog.h"

#include "lua/interrupt.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { TICKS = 2, GRACE = 5 }; /* looks per second of processor time; seconds */

static const char BUSY[] = "it has computed for 10 s without waiting for anything";
static const char OVERALL[] = "the time limit has passed";
static const char ENDED[] = "kelp: error: the script did not stop in time; the process ends\n";

enum purpose { LOOK, DEADLINE };

static timer_t timers[2];
static bool started[2];
static volatile sig_atomic_t quiet, last_turn, overdue;

static void end_process(void)
{
    (void)!write(STDERR_FILENO, ENDED, sizeof ENDED - 1);
    _exit(1);
}

/* A script that lets the scheduler run, however seldom, is at work. */
static void look(void)
{
    int turn = interrupt_turns();
    quiet = turn == last_turn ? quiet + 1 : 0;
    last_turn = turn;
    if (quiet >= TICKS * WATCHDOG_BUSY_END)
        end_process();
    if (quiet >= TICKS * WATCHDOG_BUSY && !interrupt_pending())
        interrupt_stop(BUSY);
}

static void on_timer(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number, (void)context;
    int saved = errno;
    if (info->si_code == SI_TIMER && info->si_value.sival_int == LOOK) {
        look();
    } else if (info->si_code == SI_TIMER) {
        if (overdue)
            end_process();
        overdue = 1;
        interrupt_stop(OVERALL);
    }
    errno = saved;
}

static struct timespec span(double seconds)
{
    double whole = floor(seconds);
    return (struct timespec){(time_t)whole, (long)((seconds - whole) * 1e9)};
}

static bool start(enum purpose purpose, clockid_t clock, double first, double then)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGVTALRM};
    event.sigev_value.sival_int = (int)purpose;
    event.sigev_notify_thread_id = gettid();
    if (timer_create(clock, &event, &timers[purpose]) != 0)
        return false;
    struct itimerspec when = {.it_value = span(first), .it_interval = span(then)};
    started[purpose] = true;
    return timer_settime(timers[purpose], 0, &when, NULL) == 0;
}

bool watchdog_start(double seconds)
{
    struct sigaction action = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigemptyset(&action.sa_mask);
    quiet = overdue = 0;
    return sigaction(SIGVTALRM, &action, NULL) == 0 &&
           start(LOOK, CLOCK_THREAD_CPUTIME_ID, 1.0 / TICKS, 1.0 / TICKS) &&
           (!(seconds > 0) || start(DEADLINE, CLOCK_MONOTONIC, seconds, fmin(seconds, GRACE)));
}

void watchdog_stop(void)
{
    for (int i = LOOK; i <= DEADLINE; i++) {
        if (started[i])
            timer_delete(timers[i]);
        started[i] = false;
    }
}
