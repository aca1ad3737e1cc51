#include "secret/hardening.h"

#include "secret/keyring.h"

#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

bool hardening_close_process(void)
{
    const struct rlimit none = {0, 0};
    return setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

/* Set and not empty, but still there: memory failed. */
static bool is_left(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0';
}

const char *hardening_take_credentials(const struct credential_variable *variables)
{
    const char *why;
    for (const struct credential_variable *v = variables; v->name != NULL; v++) {
        if (v->secret)
            keyring_take(v->name, &why);
        else
            keyring_take_printable(v->name, &why);
        if (is_left(v->name))
            return v->name;
    }
    return NULL;
}

void hardening_clean_environment(void)
{
    unsetenv("SSLKEYLOGFILE");
}
