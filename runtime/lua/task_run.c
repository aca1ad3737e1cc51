/* Running a script as a task, to the end of all tasks, and what failed in them. */
#include "lua/task.h"

#include "http/exchange.h"
#include "lua/error.h"
#include "lua/interrupt.h"
#include "lua/task_schedule.h"
#include "secret/log.h"

#include <lauxlib.h>

#include <stdlib.h>
#include <string.h>

static void run_until_ended(struct scheduler *s, lua_State *L, const struct task *wanted)
{
    while (wanted != NULL ? !wanted->ended : s->count > 0) {
        if (!scheduler_turn(s, L, -1))
            scheduler_break_deadlock(s);
    }
}

/* True when the error value at the top is a cancellation, which its
 * caller knows about. */
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
            lua_getiuservalue(L, -1, TASK_TRACEBACK);
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
    struct task *t = scheduler_push_task(L, s, nargs);
    int handle = lua_gettop(L);
    interrupt_set_wake(wake_engine, s->engine);
    scheduler_make_ready(s, t);
    run_until_ended(s, L, t);
    if (t->status != LUA_OK) {
        /* The tasks of a script that fails are cancelled. */
        for (struct task *other = s->all; other != NULL; other = other->next) {
            other->cancelled = "the script has failed";
            other->seen = true;
        }
        scheduler_end_all_waits(s);
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
        lua_getiuservalue(L, handle, TASK_TRACEBACK);
        *traceback = lua_isstring(L, -1) ? strdup(lua_tostring(L, -1)) : NULL;
        lua_pop(L, 1);
        push_unseen_failure(L, traceback);
        lua_settop(L, handle);
        lua_xmove(t->co, L, 1);
    }
    lua_remove(L, handle);
    return status;
}
