#include "lua/signals.h"

#include "lua/interrupt.h"

#include <signal.h>
#include <stddef.h>

static void on_interrupt(int signal_number)
{
    if (interrupt_pending()) {
        struct sigaction plain = {.sa_handler = SIG_DFL};
        sigaction(signal_number, &plain, NULL);
        raise(signal_number);
    }
    interrupt_signal();
}

void signals_catch(void)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}
