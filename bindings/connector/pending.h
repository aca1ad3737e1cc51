/* pending: a call of a verb that is under way, and what a failure of it becomes: an error object
 * that says what is known, and a write's budget that says what is used. For call.c. */
#ifndef KELP_CONNECTOR_PENDING_H
#define KELP_CONNECTOR_PENDING_H

#include "connector/provider_request.h"
#include "http/exchange.h"

#include <lua.h>

#include <stdbool.h>
#include <stddef.h>

struct engine;
struct target;

/* The arguments of raw.exchange are at the stack's indices 1 to 5. */
struct pending {
    struct exchange exchange;
    struct engine *engine;
    struct target *target;
    struct call call;
    size_t address; /* of the target's, the one that is asked */
    size_t asked;   /* how many have been, since the first or since all of them were */
    int sends;      /* of earlier exchanges for the same write */
};

/* Pushes a new one for the target, with nothing in its request; it is Lua's before anything is
 * acquired. [-0, +1, m] */
struct pending *pending_push(lua_State *L, struct target *t);

/* Those alive in this process, finished ones not yet collected among them: for the test that nothing
 * is left behind. */
size_t pending_count(void);

/* Withdraws and frees; safe to call twice. */
void pending_end(struct pending *p);

/* Pushes an error object for a request that got no response, or none that counts. [-0, +1, m] */
void pending_push_fault(lua_State *L, struct pending *p);

/* Completes the error object at the top with what the call knows, ends it, and raises.
 * [-1, +0, v] */
int pending_raise(lua_State *L, struct pending *p);

/* Takes up what earlier exchanges for the same write, the table at 5, have used of its attempts
 * and its time (write.lua). [-0, +0, e] */
void pending_take_budget(lua_State *L, struct pending *p);

/* Leaves there what is used of it now. `failed`: so did the last request. [-0, +0, e] */
void pending_give_budget(lua_State *L, const struct pending *p, bool failed);

#endif
