/* target_private: what target.c makes and call.c uses. */
#ifndef KELP_CONNECTOR_TARGET_PRIVATE_H
#define KELP_CONNECTOR_TARGET_PRIVATE_H

#include "http/exchange.h"
#include "providers/provider.h"

#include <lua.h>

enum { MAX_ADDRESSES = 16 };

/* Its strings are kept alive by the userdata's user values. */
struct target {
    const struct provider *provider;
    struct http_options http;
    struct http_options strict_http; /* the same for what holds a secret: plain http only if allowed */
    struct request_queue *queue;     /* the engine's, for this credential */
    double timeout;        /* seconds for one request */
    double visibility_delay; /* seconds that an ambiguous create is given to show */
    struct retry_policy policy;
    struct limiter_settings limiter;
    const char *base_url;  /* the first address, without a trailing slash */
    const char *addresses[MAX_ADDRESSES]; /* of servers of which any can be asked */
    size_t address_count;
    size_t address;        /* the one that answered last */
    const char *places[MAX_PLACES];
    const char *label;     /* "acme eu/orders", for messages */
};

/* The target at `index`; raises an argument error when it is none. */
struct target *target_check(lua_State *L, int index);

/* The same; NULL when it is none. */
struct target *target_test(lua_State *L, int index);

#endif
