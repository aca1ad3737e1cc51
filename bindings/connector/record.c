#include "connector/record.h"

#include "base/text.h"
#include "lua/json.h"

#include <lauxlib.h>

#include <string.h>

/* Confluent: NONE PROVISIONING RUNNING DEGRADED FAILED PAUSED DELETED, and for
 * tasks RUNNING STOPPED UNASSIGNED RESTARTING SYSTEM_ERROR
 * USER_ACTIONABLE_ERROR. Kafka Connect: UNASSIGNED RUNNING PAUSED FAILED
 * RESTARTING STOPPED. Upstash: pending failed running paused restart. */
static const struct {
    const char *word, *state;
} states[] = {
    {"running", "running"}, {"failed", "failed"}, {"paused", "paused"}, {"pending", "pending"},
    {"provisioning", "provisioning"}, {"degraded", "degraded"}, {"stopped", "stopped"},
    {"unassigned", "unassigned"}, {"restarting", "restarting"}, {"restart", "restarting"},
    {"system_error", "failed"}, {"user_actionable_error", "failed"},
};

int record_unexpected(lua_State *L, const char *what)
{
    lua_pushfstring(L, "unexpected response: %s", what);
    return lua_error(L);
}

static int wrong_type(lua_State *L, const char *field)
{
    lua_pushfstring(L, "%s is a %s", field, luaL_typename(L, -1));
    return record_unexpected(L, lua_tostring(L, -1));
}

void record_text(lua_State *L, int source, const char *from, int record, const char *to)
{
    record = lua_absindex(L, record);
    if (lua_getfield(L, source, from) == LUA_TSTRING) {
        if (lua_rawlen(L, -1) > 0) {
            lua_setfield(L, record, to);
            return;
        }
    } else if (!lua_isnil(L, -1) && !json_is_null(L, -1)) {
        wrong_type(L, from);
    }
    lua_pop(L, 1);
}

void record_number(lua_State *L, int source, const char *from, int record, const char *to)
{
    record = lua_absindex(L, record);
    if (lua_getfield(L, source, from) == LUA_TNUMBER) {
        lua_setfield(L, record, to);
        return;
    }
    if (!lua_isnil(L, -1) && !json_is_null(L, -1))
        wrong_type(L, from);
    lua_pop(L, 1);
}

int record_table(lua_State *L, int source, const char *field)
{
    if (lua_getfield(L, source, field) == LUA_TTABLE)
        return 1;
    if (!lua_isnil(L, -1) && !json_is_null(L, -1))
        wrong_type(L, field);
    lua_pop(L, 1);
    lua_pushnil(L);
    return 0;
}

const char *record_state_name(const char *word)
{
    size_t size = strlen(word);
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        if (text_equals_word(word, size, states[i].word))
            return states[i].state;
    }
    return "unknown";
}

void record_state(lua_State *L, int record, const char *word)
{
    record = lua_absindex(L, record);
    lua_pushstring(L, record_state_name(word));
    lua_setfield(L, record, "state");
}

void record_type_from_class(lua_State *L, int record)
{
    record = lua_absindex(L, record);
    const char *type = NULL;
    if (lua_getfield(L, record, "class") == LUA_TSTRING) {
        const char *class = lua_tostring(L, -1);
        const char *simple = strrchr(class, '.');
        simple = simple != NULL ? simple + 1 : class;
        if (strstr(simple, "Sink") != NULL || strstr(simple, "SINK") != NULL)
            type = "sink";
        else if (strstr(simple, "Source") != NULL || strstr(simple, "SOURCE") != NULL ||
                 strncmp(class, "io.debezium.", 12) == 0)
            type = "source";
    }
    lua_pop(L, 1);
    if (type != NULL) {
        lua_pushstring(L, type);
        lua_setfield(L, record, "type");
    }
}
