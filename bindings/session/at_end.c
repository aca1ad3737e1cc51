#include "session/at_end.h"

#include "lua/interrupt.h"

/* registry[&REGISTRY_KEY] = { name = function } */
static char REGISTRY_KEY;

static const char *const names[] = {"bulk", "audit", "plan", NULL};

static int at_end(lua_State *L)
{
    int name = luaL_checkoption(L, 1, NULL, names);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &REGISTRY_KEY) != LUA_TTABLE) {
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &REGISTRY_KEY);
    }
    lua_pushvalue(L, 2);
    lua_setfield(L, -2, names[name]);
    return 0;
}

static size_t count_at(lua_State *L, int index)
{
    lua_Integer n = lua_tointeger(L, index);
    return n > 0 ? (size_t)n : 0;
}

/* Calls the function of that name with whether the script was interrupted; its two results go into
 * *first and *second. */
static void call(lua_State *L, const char *name, bool interrupted, struct exit_facts *facts,
                 size_t *first, size_t *second)
{
    int top = lua_gettop(L);
    if (facts->at_end.ending != STATE_DONE)
        return;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &REGISTRY_KEY) == LUA_TTABLE &&
        lua_getfield(L, -1, name) == LUA_TFUNCTION) {
        int base = lua_gettop(L);
        lua_pushboolean(L, interrupted);
        if (state_call(L, 1) != LUA_OK) {
            facts->at_end = state_report(L);
        } else {
            lua_settop(L, base + 1);
            *first = count_at(L, base);
            *second = count_at(L, base + 1);
        }
    }
    lua_settop(L, top);
    if (facts->at_end.ending == STATE_DONE && interrupt_pending())
        facts->at_end.ending = interrupt_is_limit() ? STATE_FAILED : STATE_INTERRUPTED;
}

/* What was done until then is reported all the same; the next interrupt breaks that off. */
static void report_interrupted(lua_State *L, struct exit_facts *facts)
{
    interrupt_clear();
    call(L, "bulk", true, facts, &facts->failed_items, &facts->unknown_items);
    interrupt_signal();
}

void at_end_run(lua_State *L, struct exit_facts *facts)
{
    size_t none;
    if (interrupt_pending()) {
        report_interrupted(L, facts);
        return;
    }
    call(L, "bulk", false, facts, &facts->failed_items, &facts->unknown_items);
    if (interrupt_pending())
        return;
    call(L, "audit", false, facts, &facts->doubles, &none);
    if (interrupt_pending())
        return;
    call(L, "plan", false, facts, &facts->changes, &none);
}

const luaL_Reg at_end_functions[] = {
    {"at_end", at_end},
    {NULL, NULL},
};
