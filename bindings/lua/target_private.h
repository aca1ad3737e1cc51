/* target_private: what target.c makes and call.c uses. */
#ifndef KELP_LUA_TARGET_PRIVATE_H
#define KELP_LUA_TARGET_PRIVATE_H

#include "engine/transport.h"
#include "providers/provider.h"

#include <lua.h>

/* Its strings are kept alive by the userdata's user values. */
struct target {
    const struct provider *provider;
    struct channel channel;
    double timeout;
    const char *base_url;  /* without a trailing slash */
    const char *places[2];
    const char *label;     /* "confluent env-1/lkc-2", for messages */
};

/* The target at `index`; raises an argument error when it is none. */
struct target *target_check(lua_State *L, int index);

#endif
