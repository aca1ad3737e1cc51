#include "lua/task_schedule.h"

#include "base/clock.h"
#include "http/exchange.h"
#include "lua/error.h"
#include "lua/interrupt.h"
#include "secret/log.h"

#include <lauxlib.h>

#include <string.h>

static char REGISTRY_KEY; /* registry[&REGISTRY_KEY] = the scheduler's userdata */

struct scheduler *scheduler_of(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &REGISTRY_KEY);
    struct scheduler *s = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return s;
}

static int scheduler_free(lua_State *L)
{
    struct scheduler *s = lua_touserdata(L, 1);
    timers_free(&s->timers);
    return 0;
}

void scheduler_open(lua_State *L, struct engine *e)
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
}

struct task *scheduler_push_task(lua_State *L, struct scheduler *s, int nargs)
{
    int function = lua_gettop(L) - nargs;
    struct task *t = lua_newuserdatauv(L, sizeof *t, 2);
    memset(t, 0, sizeof *t);
    t->ended = true;
    lua_State *co = lua_newthread(L);
    luaL_checkstack(co, nargs + 1, "too many arguments");
    lua_setiuservalue(L, -2, TASK_THREAD);
    luaL_getmetatable(L, TASK_METATABLE);
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

void scheduler_make_ready(struct scheduler *s, struct task *t)
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

/* Ends the wait of that waiter. */
static void wake_waiter(struct scheduler *s, struct waiter *w)
{
    w->done = true;
    if (w->task != NULL)
        scheduler_make_ready(s, w->task);
}

void scheduler_unlink_joiner(struct task *joined, struct waiter *w)
{
    for (struct waiter **p = &joined->joiners; *p != NULL; p = &(*p)->next) {
        if (*p == w) {
            *p = w->next;
            return;
        }
    }
}

void scheduler_end_wait(struct scheduler *s, struct task *t)
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
        scheduler_make_ready(s, t);
        break;
    case WAIT_JOIN:
        scheduler_unlink_joiner(t->joined, &t->waiter);
        scheduler_make_ready(s, t);
        break;
    case WAIT_PARK:
        scheduler_make_ready(s, t);
        break;
    }
}

void scheduler_end_all_waits(struct scheduler *s)
{
    bool first = s->drain_until == 0;
    int left = 0;
    for (struct task *t = s->all; t != NULL; t = t->next) {
        scheduler_end_wait(s, t);
        left += t->wait == WAIT_EXCHANGE && t->exchange->state == EXCHANGE_UNDER_WAY;
    }
    if (!first || left == 0)
        return;
    s->drain_until = clock_now(s->clock) + SCHEDULER_DRAIN_SECONDS;
    if (interrupt_pending())
        log_line(LOG_NOTICE, "%s: waiting for %d write%s under way (once more ends at once)",
                 interrupt_reason(), left, left == 1 ? "" : "s");
}

void scheduler_retire(lua_State *L, struct scheduler *s, struct task *t)
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

void scheduler_check_cancelled(lua_State *L, struct scheduler *s)
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

/* Remembers a failure until another task joins it, or the run ends and it is
 * the run's failure. */
static void note_failure(lua_State *L, struct task *t)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, t);
    luaL_traceback(L, t->co, NULL, 0);
    lua_setiuservalue(L, -2, TASK_TRACEBACK);
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
    struct interrupt_scope scope = interrupt_enter(t->co, &t->raised);
    t->status = lua_resume(t->co, L, arguments, &results);
    if (t->status != LUA_YIELD && t->status != LUA_OK) {
        note_failure(L, t);
        lua_resetthread(t->co); /* runs its <close> variables; keeps the error value */
    }
    interrupt_leave(scope);
    s->current = before;
    if (t->status != LUA_YIELD)
        scheduler_retire(L, s, t);
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
        scheduler_make_ready(s, task_of_timer(t));
    }
}

/* After engine_wait, whose first act is a commit. Whether that made it durable is for
 * those who waited to find out. */
static void wake_committed(struct scheduler *s)
{
    while (s->committers != NULL) {
        struct task *t = s->committers;
        s->committers = t->next_ready;
        scheduler_make_ready(s, t);
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

/* Those that wait are not left for when nothing is ready any more: what is ready may have no end. */
static void notice_interrupt(struct scheduler *s)
{
    bool pending = interrupt_pending();
    if (pending && !s->interrupted)
        scheduler_end_all_waits(s);
    s->interrupted = pending;
}

bool scheduler_turn(struct scheduler *s, lua_State *L, double due)
{
    interrupt_turned();
    notice_interrupt(s);
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
        scheduler_end_all_waits(s);
    end_draining(s);
    wake_ended(s);
    return true;
}

/* Nothing can happen any more: every task waits for another. Those that wait to
 * be woken are the cause; those that wait for an end only suffer from it. */
void scheduler_break_deadlock(struct scheduler *s)
{
    enum wait cause = WAIT_JOIN;
    for (struct task *t = s->all; t != NULL; t = t->next) {
        if (t->wait == WAIT_PARK)
            cause = WAIT_PARK;
    }
    for (struct task *t = s->all; t != NULL; t = t->next) {
        if (t->wait == cause) {
            t->cancelled = "it waits for something that no other task will do";
            scheduler_end_wait(s, t);
        }
    }
}
