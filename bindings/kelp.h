/* kelp: what makes a Lua state kelp's: the primitives (kelp.raw) and the settings (kelp.settings)
 * that the Lua in scripts/kelp is written over, and the session that its writes belong to. */
#ifndef KELP_BINDINGS_H
#define KELP_BINDINGS_H

#include "session/session.h"

#include <lua.h>

#include <stdbool.h>

struct engine;

/* Filled by whoever makes the state, and outlives it. */
struct kelp {
    struct session_options session_options;
    bool json_output;
    int concurrency;       /* items of a bulk job under way at once; 0: not given */
    double rate;           /* requests a second; 0: not given */
    double timeout;        /* seconds for one request; 0: not given */
    const char *simulator; /* the address at which all targets are simulated, or NULL */

    struct session session; /* filled by kelp_open */
};

/* state_settings' open and close, whose context is a struct kelp. kelp_close also closes the journal
 * of a run that did not come to its end. */
void kelp_open(lua_State *L, struct engine *e, void *kelp);
void kelp_close(lua_State *L, void *kelp);

#endif
