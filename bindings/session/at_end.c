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

/* Calls the function of that name; its two results go into *first and *second. */
static void call(lua_State *L, const char *name, struct exit_facts *facts, size_t *first,
                 size_t *second)
{
    int top = lua_gettop(L);
    if (interrupt_pending() || facts->at_end.ending != STATE_DONE)
        return;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &REGISTRY_KEY) == LUA_TTABLE &&
        lua_getfield(L, -1, name) == LUA_TFUNCTION) {
        int base = lua_gettop(L);
        if (state_call(L, 0) != LUA_OK) {
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

void at_end_run(lua_State *L, struct exit_facts *facts)
{
    size_t none;
    call(L, "bulk", facts, &facts->failed_items, &facts->unknown_items);
    call(L, "audit", facts, &facts->doubles, &none);
    call(L, "plan", facts, &facts->changes, &none);
}

const luaL_Reg at_end_functions[] = {
    {"at_end", at_end},
    {NULL, NULL},
};
