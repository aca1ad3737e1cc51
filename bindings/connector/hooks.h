/* hooks: what somebody above has to say to what the connectors' verbs do. A state without them
 * lets everything pass.
 *
 * The session sets check_write; a sandbox sets the other three. */
#ifndef KELP_CONNECTOR_HOOKS_H
#define KELP_CONNECTOR_HOOKS_H

#include "providers/provider.h"

#include <lua.h>

#include <stdint.h>

struct target;

struct connector_hooks {
    /* A target has been read, and has no queue yet: may raise, or lower its rate. [-0, +0, e] */
    void (*admit_target)(lua_State *L, struct target *t);
    /* Before a request is built; `connector` is what the provider addresses it by. [-0, +0, e] */
    void (*check_request)(lua_State *L, const struct target *t, enum verb verb,
                          const struct route *route, const char *connector);
    /* A response's record is at the top. [-0, +0, m] */
    void (*learn_record)(lua_State *L, const struct target *t);
    /* Raises unless a request of that route may be sent for the journal's operation `op` (0:
     * none). [-0, +0, e] */
    void (*check_write)(lua_State *L, const struct route *route, const char *verb, int64_t op);
};

/* Makes the state's hooks, all NULL; before the first target. [-0, +0, m] */
void hooks_open(lua_State *L);

/* The state's hooks, to be set or called; they last as long as the state. [-0, +0, -] */
struct connector_hooks *hooks_of(lua_State *L);

#endif
