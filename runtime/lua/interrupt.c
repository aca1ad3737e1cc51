#include "lua/interrupt.h"

#include "lua/error.h"

#include <lauxlib.h>
#include <lualib.h>

#include <signal.h>
#include <stddef.h>

/* Code that has caught this many interrupts cannot run on after the next. */
enum { MOST_CAUGHT = 3 };

/* Instructions until the next error: enough for a <close> or a handler after
 * pcall to clean up, and for a continuation to raise by itself. */
enum { GRACE = 1000000, CONTINUATION = 1000 };

static volatile sig_atomic_t pending;
static volatile sig_atomic_t noticed;
static volatile sig_atomic_t turns;
static const char *volatile limit; /* what interrupt_stop said, or NULL */
static lua_State *volatile running;
static int *volatile raised;
static void (*volatile wake_function)(void *data);
static void *volatile wake_data;

static void raise_interrupt(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    lua_sethook(L, NULL, 0, 0);
    if (!pending)
        return;
    noticed = 1;
    int *count = raised;
    int n = count != NULL ? ++*count : MOST_CAUGHT;
    lua_sethook(L, raise_interrupt, LUA_MASKCOUNT, n < MOST_CAUGHT ? GRACE : 1);
    error_push(L, ERROR_CANCELLED, "%s", interrupt_reason());
    lua_error(L);
}

void interrupt_signal(void)
{
    noticed = 0;
    pending = 1;
    lua_State *L = running;
    if (L != NULL)
        lua_sethook(L, raise_interrupt, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
    if (wake_function != NULL)
        wake_function(wake_data);
}

void interrupt_stop(const char *why)
{
    limit = why;
    interrupt_signal();
}

const char *interrupt_reason(void)
{
    const char *why = limit;
    return why != NULL ? why : "interrupted";
}

bool interrupt_is_limit(void)
{
    return limit != NULL;
}

void interrupt_turned(void)
{
    turns = (turns + 1) & 0xffffff;
    noticed = 1;
}

int interrupt_turns(void)
{
    return (int)turns;
}

bool interrupt_pending(void)
{
    return pending != 0;
}

bool interrupt_is_unnoticed(void)
{
    return pending && !noticed;
}

void interrupt_clear(void)
{
    pending = 0;
}

void interrupt_set_wake(void (*wake)(void *data), void *data)
{
    wake_function = NULL;
    wake_data = data;
    wake_function = wake;
}

/* Sets the hook unless it is set: setting it again would start its count anew,
 * and a loop that only resumes coroutines would never end. */
static void arm(lua_State *L)
{
    int *count = raised;
    if (pending && L != NULL && lua_gethook(L) != raise_interrupt)
        lua_sethook(L, raise_interrupt, LUA_MASKCOUNT,
                    count != NULL && *count < MOST_CAUGHT ? CONTINUATION : 1);
}

/* It counts as an error raised, or a loop of nothing but waits would never end. */
void interrupt_told(void)
{
    noticed = 1;
    int *count = raised;
    int n = count != NULL ? ++*count : MOST_CAUGHT;
    if (pending && running != NULL)
        lua_sethook(running, raise_interrupt, LUA_MASKCOUNT, n < MOST_CAUGHT ? CONTINUATION : 1);
}

struct interrupt_scope interrupt_enter(lua_State *co, int *new_strikes)
{
    struct interrupt_scope before = {running, raised};
    if (new_strikes != NULL)
        raised = new_strikes;
    running = co;
    arm(co);
    return before;
}

void interrupt_leave(struct interrupt_scope before)
{
    running = before.running;
    raised = before.raised;
    arm(before.running);
}

/* ---- coroutines that scripts make ---- */

/* Calls upvalue 1 (the original function) with the arguments while `co` counts
 * as the running coroutine. */
static int call_tracked(lua_State *L, lua_State *co)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    struct interrupt_scope before = interrupt_enter(co, NULL);
    int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    interrupt_leave(before);
    if (status != LUA_OK)
        return lua_error(L);
    return lua_gettop(L);
}

static int tracked_resume(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    return call_tracked(L, co != NULL ? co : L);
}

static int call_wrapped(lua_State *L)
{
    return call_tracked(L, lua_tothread(L, lua_upvalueindex(2)));
}

static int tracked_wrap(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    /* The wrapping function's own upvalue is the coroutine it made. */
    if (lua_getupvalue(L, -1, 1) == NULL || !lua_isthread(L, -1))
        return luaL_error(L, "coroutine.wrap: unexpected implementation");
    lua_pushcclosure(L, call_wrapped, 2);
    return 1;
}

void interrupt_track_coroutines(lua_State *L)
{
    lua_getglobal(L, LUA_COLIBNAME);
    lua_getfield(L, -1, "resume");
    lua_pushcclosure(L, tracked_resume, 1);
    lua_setfield(L, -2, "resume");
    lua_getfield(L, -1, "wrap");
    lua_pushcclosure(L, tracked_wrap, 1);
    lua_setfield(L, -2, "wrap");
    lua_pop(L, 1);
}
