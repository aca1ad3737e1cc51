#include "lua/signals.h"

#include "lua/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static const char waiting[] = "kelp: interrupted: waiting for the end of a call that cannot be broken "
                              "off (Ctrl-C once more ends at once)\n";

enum { PATIENCE = 1 }; /* seconds */

static void on_alarm(int signal_number)
{
    (void)signal_number;
    int saved = errno;
    if (interrupt_is_unnoticed())
        (void)!write(STDERR_FILENO, waiting, sizeof waiting - 1);
    errno = saved;
}

static void on_interrupt(int signal_number)
{
    if (interrupt_pending()) {
        struct sigaction plain = {.sa_handler = SIG_DFL};
        sigaction(signal_number, &plain, NULL);
        raise(signal_number);
    }
    interrupt_signal();
    alarm(PATIENCE);
}

void signals_catch(void)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    struct sigaction late = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &late, NULL);
    /* A file that would grow above the limit (ulimit -f) is then a failure of its write. */
    struct sigaction ignored = {.sa_handler = SIG_IGN};
    sigaction(SIGXFSZ, &ignored, NULL);
}
