/* registry: the one list of providers. A program may be built with one more, whose name
 * KELP_EXTRA_PROVIDER holds: the tests do so. */
#include "providers/provider.h"

#include "secret/hardening.h"
#include "simulator/simulator.h"

#include <string.h>

extern const struct provider provider_confluent;
extern const struct provider provider_upstash;
extern const struct provider provider_connect;
#ifdef KELP_EXTRA_PROVIDER
extern const struct provider KELP_EXTRA_PROVIDER;
#endif

static const struct provider *const providers[] = {
    &provider_confluent,
    &provider_upstash,
    &provider_connect,
#ifdef KELP_EXTRA_PROVIDER
    &KELP_EXTRA_PROVIDER,
#endif
};

const struct provider *provider_named(const char *name)
{
    for (size_t i = 0; i < sizeof providers / sizeof *providers; i++) {
        if (strcmp(providers[i]->name, name) == 0)
            return providers[i];
    }
    return NULL;
}

const struct provider *provider_at(size_t index)
{
    return index < sizeof providers / sizeof *providers ? providers[index] : NULL;
}

/* The name that goes with a password, an address or the name of a key, is no secret; a key's
 * is none of a child's business all the same. */
static bool names_a_key(const char *variable)
{
    static const char end[] = "_KEY";
    size_t size = strlen(variable);
    return size >= sizeof end && strcmp(variable + size - (sizeof end - 1), end) == 0;
}

const struct credential_variable *provider_credentials(void)
{
    static struct credential_variable variables[3 * (sizeof providers / sizeof *providers) + 1];
    size_t count = 0;
    for (size_t i = 0; i < sizeof providers / sizeof *providers; i++) {
        const struct provider *p = providers[i];
        if (p->password.variable != NULL)
            variables[count++] = (struct credential_variable){p->password.variable, true};
        if (p->token.variable != NULL)
            variables[count++] = (struct credential_variable){p->token.variable, true};
        if (p->user.variable != NULL && names_a_key(p->user.variable))
            variables[count++] = (struct credential_variable){p->user.variable, false};
    }
    return variables;
}

const struct simulated_provider *provider_simulations(void)
{
    static struct simulated_provider all[sizeof providers / sizeof *providers + 1];
    for (size_t i = 0; i < sizeof providers / sizeof *providers; i++)
        all[i] = (struct simulated_provider){providers[i]->name, providers[i]->simulator_path};
    return all;
}
