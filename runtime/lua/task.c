#include "lua/task.h"

#include "base/clock.h"
#include "http/exchange.h"
#include "lua/error.h"
#include "lua/interrupt.h"
#include "lua/task_schedule.h"

#include <lauxlib.h>
#include <lualib.h>

void task_push_metatable(lua_State *L)
{
    if (luaL_newmetatable(L, TASK_METATABLE)) {
        lua_newtable(L);
        lua_setfield(L, -2, "__index");
    }
}

static struct task *check_task(lua_State *L, int index)
{
    return luaL_checkudata(L, index, TASK_METATABLE);
}

/* ---- waiting ---- */

/* True when the call can park its task: the running coroutine is the task's
 * own and no C function stands in between. */
static bool can_park(struct scheduler *s, lua_State *L)
{
    return s->current != NULL && s->current->co == L && lua_isyieldable(L);
}

static int park(lua_State *L, struct task *t, enum wait wait, lua_KContext context,
                lua_KFunction then)
{
    t->waiter.done = false;
    t->wait = wait;
    return lua_yieldk(L, 0, context, then);
}

/* Runs the scheduler until `w` is done, `due` has passed (negative: never) or
 * the call is to be given up; the caller finds out which. */
static void block(lua_State *L, struct scheduler *s, struct waiter *w, double due)
{
    struct task *t = s->current;
    struct waiter *before = t != NULL ? t->blocked : NULL;
    if (t != NULL)
        t->blocked = w;
    while (!w->done && !interrupt_pending() && (t == NULL || t->cancelled == NULL)) {
        if (due >= 0 && clock_now(s->clock) >= due)
            break;
        if (!scheduler_turn(s, L, due) && t != NULL)
            t->cancelled = "it waits for something that no other task will do";
    }
    if (t != NULL)
        t->blocked = before;
}

int task_await(lua_State *L, struct exchange *x, lua_KFunction then, lua_KContext context)
{
    struct scheduler *s = scheduler_of(L);
    scheduler_check_cancelled(L, s);
    if (can_park(s, L)) {
        struct task *t = s->current;
        x->owner = &t->waiter;
        t->exchange = x;
        engine_submit(s->engine, x);
        return park(L, t, WAIT_EXCHANGE, context, then);
    }
    struct waiter w = {NULL, false, NULL};
    x->owner = &w;
    engine_submit(s->engine, x);
    block(L, s, &w, -1);
    if (!w.done)
        engine_drain(s->engine, x);
    double until = clock_now(s->clock) + SCHEDULER_DRAIN_SECONDS;
    while (!w.done) {
        scheduler_turn(s, L, until);
        if (!w.done && clock_now(s->clock) >= until)
            engine_cancel(s->engine, x);
    }
    if (interrupt_pending())
        interrupt_told();
    return then(L, LUA_OK, context);
}

int task_await_commit(lua_State *L, lua_KFunction then, lua_KContext context)
{
    struct scheduler *s = scheduler_of(L);
    if (can_park(s, L)) {
        struct task *t = s->current;
        t->next_ready = s->committers;
        s->committers = t;
        return park(L, t, WAIT_COMMIT, context, then);
    }
    (void)engine_commit(s->engine);
    return then(L, LUA_OK, context);
}

static int slept(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    (void)context;
    scheduler_check_cancelled(L, scheduler_of(L));
    return 0;
}

int task_sleep(lua_State *L)
{
    double seconds = luaL_checknumber(L, 1);
    luaL_argcheck(L, seconds >= 0 && seconds <= 1e9, 1, "a number of seconds from 0 expected");
    struct scheduler *s = scheduler_of(L);
    scheduler_check_cancelled(L, s);
    double due = clock_now(s->clock) + seconds;
    if (can_park(s, L)) {
        if (!timers_add(&s->timers, &s->current->timer, due))
            return luaL_error(L, "not enough memory");
        return park(L, s->current, WAIT_SLEEP, 0, slept);
    }
    struct waiter w = {NULL, false, NULL};
    block(L, s, &w, due);
    return slept(L, LUA_OK, 0);
}

int task_park(lua_State *L)
{
    struct scheduler *s = scheduler_of(L);
    scheduler_check_cancelled(L, s);
    if (can_park(s, L))
        return park(L, s->current, WAIT_PARK, 0, slept);
    struct waiter w = {NULL, false, NULL};
    block(L, s, &w, -1);
    return slept(L, LUA_OK, 0);
}

int task_wake(lua_State *L)
{
    struct task *t = check_task(L, 1);
    if (t->wait == WAIT_PARK)
        scheduler_make_ready(scheduler_of(L), t);
    else if (t->blocked != NULL)
        t->blocked->done = true;
    return 0;
}

int task_spawn(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    struct scheduler *s = scheduler_of(L);
    if (interrupt_pending()) /* or tasks that start tasks would have no end */
        scheduler_check_cancelled(L, s);
    scheduler_make_ready(s, scheduler_push_task(L, s, lua_gettop(L) - 1));
    return 1;
}

/* Pushes what an ended task left: true and results, or false, error, traceback. */
static int push_end(lua_State *L, struct task *t)
{
    t->seen = true;
    if (t->status != LUA_OK) {
        lua_pushboolean(L, 0);
        lua_pushvalue(t->co, -1);
        lua_xmove(t->co, L, 1);
        lua_getiuservalue(L, 1, TASK_TRACEBACK);
        return 3;
    }
    int n = lua_gettop(t->co);
    lua_pushboolean(L, 1);
    luaL_checkstack(L, n, "too many results");
    luaL_checkstack(t->co, n, "too many results");
    for (int i = 1; i <= n; i++)
        lua_pushvalue(t->co, i);
    lua_xmove(t->co, L, n);
    return n + 1;
}

static int joined(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    (void)context;
    struct task *t = check_task(L, 1);
    scheduler_check_cancelled(L, scheduler_of(L));
    return push_end(L, t);
}

int task_join(lua_State *L)
{
    struct task *t = check_task(L, 1);
    struct scheduler *s = scheduler_of(L);
    lua_settop(L, 1);
    if (t->ended)
        return push_end(L, t);
    scheduler_check_cancelled(L, s);
    if (t == s->current)
        return luaL_error(L, "a task cannot wait for itself");
    if (can_park(s, L)) {
        struct task *self = s->current;
        self->joined = t;
        self->waiter.next = t->joiners;
        t->joiners = &self->waiter;
        return park(L, self, WAIT_JOIN, 0, joined);
    }
    struct waiter w = {NULL, false, t->joiners};
    t->joiners = &w;
    block(L, s, &w, -1);
    if (!w.done)
        scheduler_unlink_joiner(t, &w);
    return joined(L, LUA_OK, 0);
}

int task_cancel(lua_State *L)
{
    struct task *t = check_task(L, 1);
    if (!t->ended) {
        t->cancelled = "the task was cancelled";
        t->seen = true;
        scheduler_end_wait(scheduler_of(L), t);
    }
    return 0;
}

int task_current(lua_State *L)
{
    struct scheduler *s = scheduler_of(L);
    if (s->current != NULL)
        lua_rawgetp(L, LUA_REGISTRYINDEX, s->current);
    else
        lua_pushnil(L);
    return 1;
}

/* A task's own yield would reach the scheduler, which has no use for it. */
static int checked_yield(lua_State *L)
{
    struct scheduler *s = scheduler_of(L);
    if (s->current != NULL && s->current->co == L)
        return luaL_error(L, "attempt to yield from outside a coroutine");
    return lua_yield(L, lua_gettop(L));
}

void task_open(lua_State *L, struct engine *e)
{
    scheduler_open(L, e);
    task_push_metatable(L);
    lua_pop(L, 1);
    interrupt_track_coroutines(L);
    lua_getglobal(L, LUA_COLIBNAME);
    lua_pushcfunction(L, checked_yield);
    lua_setfield(L, -2, "yield");
    lua_pop(L, 1);
}

void task_close_all(lua_State *L)
{
    struct scheduler *s = scheduler_of(L);
    if (s == NULL)
        return;
    while (s->all != NULL) {
        struct task *t = s->all;
        if (t->wait == WAIT_EXCHANGE)
            engine_withdraw(s->engine, t->exchange);
        else if (t->wait == WAIT_JOIN)
            scheduler_unlink_joiner(t->joined, &t->waiter);
        lua_resetthread(t->co);
        scheduler_retire(L, s, t);
    }
    s->ready_first = s->ready_last = NULL;
}

size_t task_count(lua_State *L)
{
    return scheduler_of(L)->count;
}
