#include "lua/task.h"

#include "base/clock.h"
#include "engine/exchange.h"
#include "lua/error.h"

#include <lauxlib.h>
#include <lualib.h>

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What an exchange or a timer wakes. In a task it is the task's own; a call that
 * cannot yield has one on the C stack. */
struct waiter {
    struct task *task; /* NULL: a call that runs the engine itself */
    bool done;
};

struct task {
    lua_State *co;
    struct waiter waiter;
    struct exchange *exchange;  /* what it waits for, or NULL */
    double due;                 /* when its sleep ends; valid while `timer` is not 0 */
    size_t timer;               /* place in the heap, from 1; 0: not asleep */
    bool parked;                /* yielded by one of our waits */
    bool ended;
    int arguments;              /* values to pass at the next resume */
    int status;
    int strikes;                /* times that an interrupt has raised in it */
    struct task *next_ready;
    struct task *next, *previous; /* all tasks */
};

struct scheduler {
    struct engine *engine;
    struct clock *clock;
    struct task *all;
    size_t count;
    struct task *ready_first, *ready_last;
    struct task **timers; /* a heap by `due`; timers[0] is unused */
    size_t timer_count, timer_capacity;
    struct task *current;
};

/* The signal handler's view: there is one process, one terminal, and one
 * scheduler that an interrupt is meant for. */
static struct scheduler *volatile interruptible;
static lua_State *volatile running;
static volatile sig_atomic_t interrupted;

static char REGISTRY_KEY; /* registry[&REGISTRY_KEY] = the scheduler's userdata */

static struct scheduler *scheduler_of(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &REGISTRY_KEY);
    struct scheduler *s = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return s;
}

/* ---- timers: a binary heap ---- */

static void heap_put(struct scheduler *s, size_t place, struct task *t)
{
    s->timers[place] = t;
    t->timer = place;
}

static void heap_rise(struct scheduler *s, struct task *t, size_t place)
{
    for (; place > 1 && s->timers[place / 2]->due > t->due; place /= 2)
        heap_put(s, place, s->timers[place / 2]);
    heap_put(s, place, t);
}

static void heap_sink(struct scheduler *s, struct task *t, size_t place)
{
    for (;;) {
        size_t child = 2 * place;
        if (child > s->timer_count)
            break;
        if (child < s->timer_count && s->timers[child + 1]->due < s->timers[child]->due)
            child++;
        if (s->timers[child]->due >= t->due)
            break;
        heap_put(s, place, s->timers[child]);
        place = child;
    }
    heap_put(s, place, t);
}

static bool timer_add(struct scheduler *s, struct task *t, double due)
{
    if (s->timer_count + 1 >= s->timer_capacity) {
        size_t capacity = s->timer_capacity == 0 ? 16 : 2 * s->timer_capacity;
        struct task **timers = realloc(s->timers, capacity * sizeof *timers);
        if (timers == NULL)
            return false;
        s->timers = timers;
        s->timer_capacity = capacity;
    }
    t->due = due;
    heap_rise(s, t, ++s->timer_count);
    return true;
}

static void timer_remove(struct scheduler *s, struct task *t)
{
    size_t place = t->timer;
    if (place == 0)
        return;
    struct task *last = s->timers[s->timer_count--];
    t->timer = 0;
    if (last == t)
        return;
    if (place > 1 && s->timers[place / 2]->due > last->due)
        heap_rise(s, last, place);
    else
        heap_sink(s, last, place);
}

/* ---- tasks ---- */

/* Anchors: registry[task] = its coroutine. */
static struct task *task_new(lua_State *L, struct scheduler *s)
{
    lua_State *co = lua_newthread(L);
    struct task *t = calloc(1, sizeof *t);
    if (t == NULL) {
        luaL_error(L, "not enough memory");
        return NULL;
    }
    t->co = co;
    t->waiter.task = t;
    t->next = s->all;
    if (s->all != NULL)
        s->all->previous = t;
    s->all = t;
    s->count++;
    return t;
}

static void task_free(struct scheduler *s, struct task *t)
{
    timer_remove(s, t);
    if (t->previous != NULL)
        t->previous->next = t->next;
    else
        s->all = t->next;
    if (t->next != NULL)
        t->next->previous = t->previous;
    s->count--;
    free(t);
}

static void make_ready(struct scheduler *s, struct task *t)
{
    t->parked = false;
    t->next_ready = NULL;
    if (s->ready_last != NULL)
        s->ready_last->next_ready = t;
    else
        s->ready_first = t;
    s->ready_last = t;
}

static void interrupt_hook(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    lua_sethook(L, NULL, 0, 0);
    struct scheduler *s = scheduler_of(L);
    if (!interrupted || s == NULL || s->current == NULL)
        return;
    /* The first blow leaves a pcall or a <close> time to clean up; code that
     * swallows three of them gets no further chance. */
    int strikes = ++s->current->strikes;
    lua_sethook(L, interrupt_hook, LUA_MASKCOUNT, strikes < 3 ? 1000000 : 1);
    error_push(L, ERROR_CANCELLED, "interrupted");
    lua_error(L);
}

void task_interrupt(void)
{
    interrupted = 1;
    lua_State *L = running;
    if (L != NULL)
        lua_sethook(L, interrupt_hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT,
                    1);
    struct scheduler *s = interruptible;
    if (s != NULL)
        engine_wake(s->engine);
}

bool task_interrupted(void)
{
    return interrupted != 0;
}

void task_clear_interrupt(void)
{
    interrupted = 0;
}

static void resume(struct scheduler *s, lua_State *L, struct task *t)
{
    struct task *before = s->current;
    lua_State *running_before = running;
    int results = 0;
    s->current = t;
    running = t->co;
    if (interrupted)
        lua_sethook(t->co, interrupt_hook, LUA_MASKCOUNT, t->strikes < 3 ? 1000 : 1);
    t->status = lua_resume(t->co, L, t->arguments, &results);
    t->arguments = 0;
    running = running_before;
    s->current = before;
    if (t->status != LUA_YIELD)
        t->ended = true;
    else if (!t->parked)
        lua_pop(t->co, results);
}

static void wake_ended(struct scheduler *s)
{
    struct exchange *x;
    while ((x = engine_take(s->engine)) != NULL) {
        struct waiter *w = x->owner;
        w->done = true;
        if (w->task != NULL) {
            w->task->exchange = NULL;
            make_ready(s, w->task);
        }
    }
    double now = clock_now(s->clock);
    while (s->timer_count > 0 && s->timers[1]->due <= now) {
        struct task *t = s->timers[1];
        timer_remove(s, t);
        make_ready(s, t);
    }
}

/* Ends every wait of every task: exchanges end as cancelled, sleeps at once;
 * the continuations then raise. */
static void cancel_waits(struct scheduler *s)
{
    for (struct task *t = s->all; t != NULL; t = t->next) {
        if (t->exchange != NULL) {
            engine_cancel(s->engine, t->exchange);
        } else if (t->timer != 0) {
            timer_remove(s, t);
            make_ready(s, t);
        }
    }
}

static void wait_for_something(struct scheduler *s, double limit)
{
    double seconds = limit;
    if (s->timer_count > 0) {
        double left = s->timers[1]->due - clock_now(s->clock);
        if (left < 0)
            left = 0;
        if (seconds < 0 || left < seconds)
            seconds = left;
    }
    engine_wait(s->engine, seconds);
    if (interrupted)
        cancel_waits(s);
    wake_ended(s);
}

static void run_until(struct scheduler *s, lua_State *L, struct task *wanted)
{
    while (!wanted->ended) {
        struct task *t = s->ready_first;
        if (t == NULL) {
            wait_for_something(s, -1);
            continue;
        }
        s->ready_first = t->next_ready;
        if (s->ready_first == NULL)
            s->ready_last = NULL;
        resume(s, L, t);
    }
}

int task_run(lua_State *L, int nargs, char **traceback)
{
    struct scheduler *s = scheduler_of(L);
    int base = lua_gettop(L) - nargs; /* the function's place */
    struct scheduler *interruptible_before = interruptible;
    *traceback = NULL;

    struct task *t = task_new(L, s); /* its coroutine is now above the arguments */
    lua_insert(L, base);             /* and below the function, which keeps it alive */
    lua_xmove(L, t->co, nargs + 1);
    t->arguments = nargs;
    interruptible = s;
    make_ready(s, t);
    run_until(s, L, t);
    interruptible = interruptible_before;

    int status = t->status;
    if (status == LUA_OK) {
        int results = lua_gettop(t->co);
        luaL_checkstack(L, results, "too many results");
        lua_xmove(t->co, L, results);
    } else {
        luaL_traceback(L, t->co, NULL, 0);
        *traceback = strdup(lua_tostring(L, -1));
        lua_pop(L, 1);
        lua_xmove(t->co, L, 1);
        lua_State *co = t->co;
        running = co;
        lua_resetthread(co); /* runs its <close> variables */
        running = NULL;
    }
    task_free(s, t);
    lua_remove(L, base);
    return status;
}

/* ---- waiting ---- */

/* True when the call can park its task: the running coroutine is the task's
 * own and no C function stands in between. */
static bool can_park(struct scheduler *s, lua_State *L)
{
    return s->current != NULL && s->current->co == L && lua_isyieldable(L);
}

int task_await(lua_State *L, struct exchange *x, lua_KFunction then, lua_KContext context)
{
    struct scheduler *s = scheduler_of(L);
    if (can_park(s, L)) {
        struct task *t = s->current;
        x->owner = &t->waiter;
        t->waiter.done = false;
        t->exchange = x;
        t->parked = true;
        engine_submit(s->engine, x);
        return lua_yieldk(L, 0, context, then);
    }
    struct waiter w = {NULL, false};
    x->owner = &w;
    engine_submit(s->engine, x);
    while (!w.done) {
        wait_for_something(s, -1);
        if (interrupted && !w.done)
            engine_cancel(s->engine, x);
    }
    return then(L, LUA_OK, context);
}

static int slept(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    (void)context;
    if (interrupted) {
        error_push(L, ERROR_CANCELLED, "interrupted");
        return lua_error(L);
    }
    return 0;
}

int task_sleep(lua_State *L)
{
    double seconds = luaL_checknumber(L, 1);
    luaL_argcheck(L, seconds >= 0 && seconds <= 1e9, 1, "a number of seconds from 0 expected");
    struct scheduler *s = scheduler_of(L);
    double due = clock_now(s->clock) + seconds;
    if (can_park(s, L)) {
        struct task *t = s->current;
        if (!timer_add(s, t, due))
            return luaL_error(L, "not enough memory");
        t->parked = true;
        return lua_yieldk(L, 0, 0, slept);
    }
    double left;
    while (!interrupted && (left = due - clock_now(s->clock)) > 0)
        wait_for_something(s, left);
    return slept(L, LUA_OK, 0);
}

/* ---- coroutines that scripts make ---- */

/* Calls upvalue 1 (the original function) with the arguments while `co` counts
 * as the running coroutine, so that an interrupt reaches the code in it. */
static int call_tracked(lua_State *L, lua_State *co)
{
    lua_State *before = running;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    running = co;
    int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    running = before;
    if (interrupted && before != NULL)
        lua_sethook(before, interrupt_hook, LUA_MASKCOUNT, 1);
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
    free(s->timers);
    s->timers = NULL;
    if (interruptible == s)
        interruptible = NULL;
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

    lua_getglobal(L, LUA_COLIBNAME);
    lua_getfield(L, -1, "resume");
    lua_pushcclosure(L, tracked_resume, 1);
    lua_setfield(L, -2, "resume");
    lua_getfield(L, -1, "wrap");
    lua_pushcclosure(L, tracked_wrap, 1);
    lua_setfield(L, -2, "wrap");
    lua_pushcfunction(L, guarded_yield);
    lua_setfield(L, -2, "yield");
    lua_pop(L, 1);
}

void task_close_all(lua_State *L)
{
    struct scheduler *s = scheduler_of(L);
    while (s->all != NULL) {
        struct task *t = s->all;
        if (t->exchange != NULL)
            engine_withdraw(s->engine, t->exchange);
        lua_resetthread(t->co);
        task_free(s, t);
    }
    s->ready_first = s->ready_last = NULL;
}

size_t task_count(lua_State *L)
{
    return scheduler_of(L)->count;
}
