#include "secret/hardening.h"

#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

bool hardening_close_process(void)
{
    const struct rlimit none = {0, 0};
    return setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

void hardening_clean_environment(void)
{
    unsetenv("SSLKEYLOGFILE");
}
