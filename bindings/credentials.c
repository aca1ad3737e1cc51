#include "credentials.h"

#include "providers/provider.h"
#include "secret/keyring.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Set and not empty, but still there: memory failed. */
static bool is_left(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0';
}

/* The name that goes with a password, an address or the name of a key, is no
 * secret; a key's is none of a child's business all the same. */
static bool names_a_key(const char *variable)
{
    static const char end[] = "_KEY";
    size_t size = strlen(variable);
    return size >= sizeof end && strcmp(variable + size - (sizeof end - 1), end) == 0;
}

const char *credentials_take(void)
{
    const struct provider *p;
    const char *why;
    for (size_t i = 0; (p = provider_at(i)) != NULL; i++) {
        keyring_take(p->password_variable, &why);
        if (is_left(p->password_variable))
            return p->password_variable;
        if (!names_a_key(p->user_variable))
            continue;
        keyring_take_printable(p->user_variable, &why);
        if (is_left(p->user_variable))
            return p->user_variable;
    }
    return NULL;
}
