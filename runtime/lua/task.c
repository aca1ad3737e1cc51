#include "lua/task.h"

#include "base/clock.h"
#include "secret/log.h"
#include "http/exchange.h"
#include "lua/error.h"
#include "lua/interrupt.h"
#include "lua/timers.h"

#include <lauxlib.h>
#include <lualib.h>

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* What wakes a call that waits. In a task that can park it is the task's own; a
 * call that cannot has one on the C stack and runs the scheduler itself. */
struct waiter {
    struct task *task; /* NULL: on the C stack, nothing to make ready */
    bool done;
    struct waiter *next; /* of those that wait for one task's end */
};

enum wait { WAIT_NONE, WAIT_EXCHANGE, WAIT_SLEEP, WAIT_PARK, WAIT_JOIN, WAIT_COMMIT };

/* Seconds that writes under way are given to end when the run is broken off. */
static const double drain_time = 10;

struct task {
    lua_State *co;             /* user value THREAD keeps it alive */
    struct waiter waiter;
    struct waiter *blocked;    /* a call of it that runs the scheduler, or NULL */
    enum wait wait;            /* what it waits for while it is parked */
    struct exchange *exchange; /* of WAIT_EXCHANGE */
    struct timer timer;        /* of WAIT_SLEEP */
    struct task *joined;       /* of WAIT_JOIN */
    struct waiter *joiners;    /* who waits for its end */
    const char *cancelled;     /* why its next wait raises, or NULL */
    bool ended;
    bool seen;                 /* somebody has its error value */
    int arguments;             /* values to pass at the first resume */
    int status;
    int strikes;               /* times that an interrupt has raised in it */
    struct task *next_ready;
    struct task *next, *previous;       /* all that have not ended */
};

struct scheduler {
    struct engine *engine;
    struct clock *clock;
    struct task *all;
    size_t count;
    struct task *ready_first, *ready_last;
    struct timers timers;
    struct task *current;
    struct task *committers; /* of WAIT_COMMIT, linked by next_ready */
    double drain_until;      /* of the run that is being broken off; 0: none is */
};

/* User values of a task. */
enum { THREAD = 1, TRACEBACK = 2 };

static const char METATABLE[] = "kelp.task";

static char REGISTRY_KEY; /* registry[&REGISTRY_KEY] = the scheduler's userdata */

static struct scheduler *scheduler_of(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &REGISTRY_KEY);
    struct scheduler *s = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return s;
}

/* ---- tasks ---- */

void task_push_metatable(lua_State *L)
{
    if (luaL_newmetatable(L, METATABLE)) {
        lua_newtable(L);
        lua_setfield(L, -2, "__index");
    }
}

/* Moves the function and `nargs` arguments at the top into a new task, which is
 * pushed and anchored at registry[task]. [-(nargs + 1), +1, m] */
static struct task *push_task(lua_State *L, struct scheduler *s, int nargs)
{
    int function = lua_gettop(L) - nargs;
    struct task *t = lua_newuserdatauv(L, sizeof *t, 2);
    memset(t, 0, sizeof *t);
    t->ended = true;
    lua_State *co = lua_newthread(L);
    luaL_checkstack(co, nargs + 1, "too many arguments");
    lua_setiuservalue(L, -2, THREAD);
    task_push_metatable(L);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, t);
    lua_insert(L, function);
    lua_xmove(L, co, nargs + 1);
    t->co = co;
    t->ended = false;
    t->arguments = nargs;
    t->waiter.task = t;
    t->next = s->all;
    if (s->all != NULL)
        s->all->previous = t;
    s->all = t;
    s->count++;
    return t;
}

static struct task *check_task(lua_State *L, int index)
{
    return luaL_checkudata(L, index, METATABLE);
}

static void make_ready(struct scheduler *s, struct task *t)
{
    t->wait = WAIT_NONE;
    t->exchange = NULL;
    t->next_ready = NULL;
    if (s->ready_last != NULL)
        s->ready_last->next_ready = t;
    else
        s->ready_first = t;
    s->ready_last = t;
}

/* Lets whoever waits with this waiter go on. */
static void wake_waiter(struct scheduler *s, struct waiter *w)
{
    w->done = true;
    if (w->task != NULL)
        make_ready(s, w->task);
}

static void unlink_joiner(struct task *joined, struct waiter *w)
{
    for (struct waiter **p = &joined->joiners; *p != NULL; p = &(*p)->next) {
        if (*p == w) {
            *p = w->next;
            return;
        }
    }
}

/* Ends the present wait of a parked task early; its continuation then raises,
 * or, when the exchange has ended all the same, returns what came. */
static void end_wait(struct scheduler *s, struct task *t)
{
    switch (t->wait) {
    case WAIT_NONE:
        break;
    case WAIT_COMMIT:
        break;
    case WAIT_EXCHANGE:
        engine_drain(s->engine, t->exchange);
        break;
    case WAIT_SLEEP:
        timers_remove(&s->timers, &t->timer);
        make_ready(s, t);
        break;
    case WAIT_JOIN:
        unlink_joiner(t->joined, &t->waiter);
        make_ready(s, t);
        break;
    case WAIT_PARK:
        make_ready(s, t);
        break;
    }
}

/* Ends what the tasks wait for. Writes under way get until `drain_until`. */
static void end_all_waits(struct scheduler *s)
{
    bool first = s->drain_until == 0;
    int left = 0;
    for (struct task *t = s->all; t != NULL; t = t->next) {
        end_wait(s, t);
        left += t->wait == WAIT_EXCHANGE && t->exchange->state == EXCHANGE_UNDER_WAY;
    }
    if (!first || left == 0)
        return;
    s->drain_until = clock_now(s->clock) + drain_time;
    if (interrupt_pending())
        log_line(LOG_NOTICE, "%s: waiting for %d write%s under way (once more ends at once)",
                 interrupt_reason(), left, left == 1 ? "" : "s");
}

/* Takes an ended task out of the scheduler; it stays a value for as long as
 * somebody holds it. */
static void retire(lua_State *L, struct scheduler *s, struct task *t)
{
    t->ended = true;
    timers_remove(&s->timers, &t->timer);
    if (t->previous != NULL)
        t->previous->next = t->next;
    else
        s->all = t->next;
    if (t->next != NULL)
        t->next->previous = t->previous;
    s->count--;
    while (t->joiners != NULL) {
        struct waiter *w = t->joiners;
        t->joiners = w->next;
        wake_waiter(s, w);
    }
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, t);
}

static int raise_cancelled(lua_State *L, const char *why)
{
    error_push(L, ERROR_CANCELLED, "%s", why);
    return lua_error(L);
}

/* Before and after each wait. An interrupt raises in every wait; task_cancel
 * raises once, so that what cleans up may wait again. */
static void check_cancelled(lua_State *L, struct scheduler *s)
{
    if (interrupt_pending()) {
        interrupt_told();
        raise_cancelled(L, interrupt_reason());
    }
    struct task *t = s->current;
    if (t != NULL && t->cancelled != NULL) {
        const char *why = t->cancelled;
        t->cancelled = NULL;
        raise_cancelled(L, why);
    }
}

/* Remembers a failure until somebody joins the task, or the run ends and it is
 * the run's failure. */
static void note_failure(lua_State *L, struct task *t)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, t);
    luaL_traceback(L, t->co, NULL, 0);
    lua_setiuservalue(L, -2, TRACEBACK);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, "kelp.failures");
    lua_insert(L, -2);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
}

static void resume(struct scheduler *s, lua_State *L, struct task *t)
{
    struct task *before = s->current;
    int results = 0, arguments = t->arguments;
    t->arguments = 0;
    s->current = t;
    struct interrupt_scope scope = interrupt_enter(t->co, &t->strikes);
    t->status = lua_resume(t->co, L, arguments, &results);
    if (t->status != LUA_YIELD && t->status != LUA_OK) {
        note_failure(L, t);
        lua_resetthread(t->co); /* runs its <close> variables; keeps the error value */
    }
    interrupt_leave(scope);
    s->current = before;
    if (t->status != LUA_YIELD)
        retire(L, s, t);
}

static struct task *task_of_timer(struct timer *t)
{
    return (struct task *)((char *)t - offsetof(struct task, timer));
}

static void wake_ended(struct scheduler *s)
{
    struct exchange *x;
    while ((x = engine_take(s->engine)) != NULL)
        wake_waiter(s, x->owner);
    double now = clock_now(s->clock);
    for (struct timer *t; (t = timers_first(&s->timers)) != NULL && t->due <= now;) {
        timers_remove(&s->timers, t);
        make_ready(s, task_of_timer(t));
    }
}

/* After engine_wait, whose first act is a commit. Whether that made it durable is for
 * those who waited to find out. */
static void wake_committed(struct scheduler *s)
{
    while (s->committers != NULL) {
        struct task *t = s->committers;
        s->committers = t->next_ready;
        make_ready(s, t);
    }
}

/* Cuts off what was left to its end and has not come to it. */
static void end_draining(struct scheduler *s)
{
    if (s->drain_until == 0 || clock_now(s->clock) < s->drain_until)
        return;
    for (struct task *t = s->all; t != NULL; t = t->next) {
        if (t->wait == WAIT_EXCHANGE && t->exchange->last)
            engine_cancel(s->engine, t->exchange);
    }
    s->drain_until = 0;
}

/* One turn: resumes a ready task, or waits (at most until `due`; negative: no
 * limit) for something to happen. False when nothing ever can. */
static bool turn(struct scheduler *s, lua_State *L, double due)
{
    interrupt_turned();
    struct task *t = s->ready_first;
    if (t != NULL) {
        s->ready_first = t->next_ready;
        if (s->ready_first == NULL)
            s->ready_last = NULL;
        resume(s, L, t);
        return true;
    }
    struct timer *first = timers_first(&s->timers);
    bool busy = engine_busy(s->engine) > 0;
    if (busy && s->drain_until != 0 && (due < 0 || s->drain_until < due))
        due = s->drain_until;
    if (first != NULL && (due < 0 || first->due < due))
        due = first->due;
    bool committing = s->committers != NULL;
    if (due < 0 && !busy && !committing)
        return false;
    double left = committing ? 0 : -1;
    if (due >= 0 && !committing) {
        left = due - clock_now(s->clock);
        if (left < 0)
            left = 0;
    }
    engine_wait(s->engine, left);
    if (committing)
        wake_committed(s);
    if (interrupt_pending())
        end_all_waits(s);
    end_draining(s);
    wake_ended(s);
    return true;
}

/* Nothing can happen any more: every task waits for another. Those that wait to
 * be woken are the cause; those that wait for an end only suffer from it. */
static void break_deadlock(struct scheduler *s)
{
    enum wait cause = WAIT_JOIN;
    for (struct task *t = s->all; t != NULL; t = t->next) {
        if (t->wait == WAIT_PARK)
            cause = WAIT_PARK;
    }
    for (struct task *t = s->all; t != NULL; t = t->next) {
        if (t->wait == cause) {
            t->cancelled = "it waits for something that no other task will do";
            end_wait(s, t);
        }
    }
}

static void run_until_ended(struct scheduler *s, lua_State *L, const struct task *wanted)
{
    while (wanted != NULL ? !wanted->ended : s->count > 0) {
        if (!turn(s, L, -1))
            break_deadlock(s);
    }
}

/* True when the error value at the top is a cancellation, which whoever asked for
 * it knows about. */
static bool is_cancellation(lua_State *L)
{
    bool equal = false;
    if (error_is(L, -1)) {
        lua_getfield(L, -1, "kind");
        equal = lua_isstring(L, -1) &&
                strcmp(lua_tostring(L, -1), error_kind_name(ERROR_CANCELLED)) == 0;
        lua_pop(L, 1);
    }
    return equal;
}

/* Leaves the value and status of the first failure that nobody has seen; the
 * others are logged. */
static int push_unseen_failure(lua_State *L, char **traceback)
{
    int status = LUA_OK;
    luaL_getsubtable(L, LUA_REGISTRYINDEX, "kelp.failures");
    int list = lua_gettop(L);
    lua_Integer n = (lua_Integer)lua_rawlen(L, list);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, list, i);
        struct task *t = lua_touserdata(L, -1);
        t->seen |= is_cancellation(t->co);
        if (!t->seen && status == LUA_OK) {
            status = t->status;
            t->seen = true;
            lua_getiuservalue(L, -1, TRACEBACK);
            free(*traceback);
            *traceback = lua_isstring(L, -1) ? strdup(lua_tostring(L, -1)) : NULL;
            lua_pop(L, 1);
            lua_pushvalue(t->co, -1);
            lua_xmove(t->co, L, 1);
            lua_remove(L, -2);
        } else if (!t->seen) {
            t->seen = true;
            lua_pushvalue(t->co, -1);
            lua_xmove(t->co, L, 1);
            log_line(LOG_ERROR, "another task failed: %s", luaL_tolstring(L, -1, NULL));
            lua_pop(L, 3);
        } else {
            lua_pop(L, 1);
        }
    }
    lua_pushnil(L);
    lua_setfield(L, LUA_REGISTRYINDEX, "kelp.failures");
    lua_remove(L, list);
    return status;
}

static void wake_engine(void *engine)
{
    engine_wake(engine);
}

int task_run(lua_State *L, int nargs, char **traceback)
{
    struct scheduler *s = scheduler_of(L);
    *traceback = NULL;
    struct task *t = push_task(L, s, nargs);
    int handle = lua_gettop(L);
    interrupt_set_wake(wake_engine, s->engine);
    make_ready(s, t);
    run_until_ended(s, L, t);
    if (t->status != LUA_OK) {
        /* A script that fails takes its tasks with it. */
        for (struct task *other = s->all; other != NULL; other = other->next) {
            other->cancelled = "the script has failed";
            other->seen = true;
        }
        end_all_waits(s);
    }
    run_until_ended(s, L, NULL);
    s->drain_until = 0;
    interrupt_set_wake(NULL, NULL);

    int status = t->status;
    if (status == LUA_OK) {
        status = push_unseen_failure(L, traceback);
        if (status == LUA_OK) {
            int results = lua_gettop(t->co);
            luaL_checkstack(L, results, "too many results");
            lua_xmove(t->co, L, results);
        }
    } else {
        t->seen = true;
        lua_getiuservalue(L, handle, TRACEBACK);
        *traceback = lua_isstring(L, -1) ? strdup(lua_tostring(L, -1)) : NULL;
        lua_pop(L, 1);
        push_unseen_failure(L, traceback);
        lua_settop(L, handle);
        lua_xmove(t->co, L, 1);
    }
    lua_remove(L, handle);
    return status;
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
        if (!turn(s, L, due) && t != NULL)
            t->cancelled = "it waits for something that no other task will do";
    }
    if (t != NULL)
        t->blocked = before;
}

int task_await(lua_State *L, struct exchange *x, lua_KFunction then, lua_KContext context)
{
    struct scheduler *s = scheduler_of(L);
    check_cancelled(L, s);
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
    double until = clock_now(s->clock) + drain_time;
    while (!w.done) {
        turn(s, L, until);
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
    check_cancelled(L, scheduler_of(L));
    return 0;
}

int task_sleep(lua_State *L)
{
    double seconds = luaL_checknumber(L, 1);
    luaL_argcheck(L, seconds >= 0 && seconds <= 1e9, 1, "a number of seconds from 0 expected");
    struct scheduler *s = scheduler_of(L);
    check_cancelled(L, s);
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
    check_cancelled(L, s);
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
        make_ready(scheduler_of(L), t);
    else if (t->blocked != NULL)
        t->blocked->done = true;
    return 0;
}

int task_spawn(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    struct scheduler *s = scheduler_of(L);
    make_ready(s, push_task(L, s, lua_gettop(L) - 1));
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
        lua_getiuservalue(L, 1, TRACEBACK);
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
    check_cancelled(L, scheduler_of(L));
    return push_end(L, t);
}

int task_join(lua_State *L)
{
    struct task *t = check_task(L, 1);
    struct scheduler *s = scheduler_of(L);
    lua_settop(L, 1);
    if (t->ended)
        return push_end(L, t);
    check_cancelled(L, s);
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
        unlink_joiner(t, &w);
    return joined(L, LUA_OK, 0);
}

int task_cancel(lua_State *L)
{
    struct task *t = check_task(L, 1);
    if (!t->ended) {
        t->cancelled = "the task was cancelled";
        t->seen = true;
        end_wait(scheduler_of(L), t);
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
static int guarded_yield(lua_State *L)
{
    struct scheduler *s = scheduler_of(L);
    if (s->current != NULL && s->current->co == L)
        return luaL_error(L, "attempt to yield from outside a coroutine");
    return lua_yield(L, lua_gettop(L));
}

static int scheduler_free(lua_State *L)
{
    struct scheduler *s = lua_touserdata(L, 1);
    timers_free(&s->timers);
    return 0;
}

void task_open(lua_State *L, struct engine *e)
{
    struct scheduler *s = lua_newuserdatauv(L, sizeof *s, 0);
    memset(s, 0, sizeof *s);
    s->engine = e;
    s->clock = engine_clock(e);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, scheduler_free);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &REGISTRY_KEY);

    interrupt_track_coroutines(L);
    lua_getglobal(L, LUA_COLIBNAME);
    lua_pushcfunction(L, guarded_yield);
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
            unlink_joiner(t->joined, &t->waiter);
        lua_resetthread(t->co);
        retire(L, s, t);
    }
    s->ready_first = s->ready_last = NULL;
}

size_t task_count(lua_State *L)
{
    return scheduler_of(L)->count;
}
