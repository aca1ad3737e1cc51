/* interrupt: how Ctrl-C reaches the Lua code that happens to run.
 *
 * A debug hook belongs to one coroutine, so its resumer says so here;
 * the signal handler then sets the hook on the right one. There is one process,
 * one terminal and one interrupt. */
#ifndef KELP_LUA_INTERRUPT_H
#define KELP_LUA_INTERRUPT_H

#include <lua.h>

#include <stdbool.h>

/* The owner of the code that runs: filled in by interrupt_enter. */
struct interrupt_scope {
    lua_State *running;
    int *raised; /* times that an interrupt has raised in it; the task's own */
};

/* From a signal handler: the code that runs is stopped by a `cancelled` error at
 * its next instruction; `wake` is called. */
void interrupt_signal(void);

/* The same because a limit is reached, for good: `why` (a constant) is what the
 * errors say in place of "interrupted". */
void interrupt_stop(const char *why);
const char *interrupt_reason(void);
bool interrupt_is_limit(void);

/* The scheduler has had its turn; how often it had (it begins anew some time), for
 * a signal handler to see whether the script lets it. */
void interrupt_turned(void);
int interrupt_turns(void);

/* True from interrupt_signal until interrupt_clear. */
bool interrupt_pending(void);

/* True when an interrupt is pending of which neither the code that runs nor the scheduler has
 * taken notice: a call into C goes on. */
bool interrupt_is_unnoticed(void);

void interrupt_clear(void);

/* A wait is about to tell the running code by an error: the next instructions are
 * for its handlers, not yet for another error. */
void interrupt_told(void);

/* Sets the function that ends a wait, called in the signal handler, or NULL. */
void interrupt_set_wake(void (*wake)(void *data), void *data);

/* Around each resume of `co`: `raised` NULL keeps those of the scope before.
 * Returns the scope before, for interrupt_leave. */
struct interrupt_scope interrupt_enter(lua_State *co, int *raised);
void interrupt_leave(struct interrupt_scope before);

/* Replaces coroutine.resume and wrap by ones that enter and leave.
 * [-0, +0, m] */
void interrupt_track_coroutines(lua_State *L);

#endif
