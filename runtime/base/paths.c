#include "base/paths.h"

#include "base/buffer.h"

#include <stdlib.h>

static bool add(struct buffer *out, const char *variable, const char *below_home, const char *name)
{
    const char *base = getenv(variable), *home = getenv("HOME");
    if (base != NULL && *base == '/')
        return buffer_printf(out, "%s/kelp/%s", base, name);
    return home != NULL && *home == '/'
           && buffer_printf(out, "%s/%s/kelp/%s", home, below_home, name);
}

bool paths_add_config(struct buffer *out, const char *name)
{
    return add(out, "XDG_CONFIG_HOME", ".config", name);
}

bool paths_add_state(struct buffer *out, const char *name)
{
    return add(out, "XDG_STATE_HOME", ".local/state", name);
}
