#include "providers/connect_rest.h"

#include "base/buffer.h"
#include "base/text.h"
#include "connector/config.h"
#include "connector/connector.h"
#include "lua/json.h"
#include "connector/record.h"

#include <lauxlib.h>

#include <string.h>

const struct response_rule connect_rest_response_rules[] = {
    /* First, because a text may quote a name: the connector may be called "rebalance". */
    {409, "already exists", OUTCOME_REFUSED},
    {409, "rebalance", OUTCOME_REJECTED},
    {409, "stale configuration", OUTCOME_REJECTED},
    {409, "no known leader", OUTCOME_REJECTED},
    {409, "conflicting operation", OUTCOME_REJECTED},
    /* A worker that says what it was doing when a request's time was up has taken the
     * request, and may still carry it out. */
    {500, "request timed out", OUTCOME_AMBIGUOUS},
    {500, "stale configuration", OUTCOME_REJECTED},
    {500, "no known leader", OUTCOME_REJECTED},
    {500, "conflicting operation", OUTCOME_REJECTED},
    {500, "a rebalance is expected", OUTCOME_REJECTED},
    {500, "rebalance is in progress", OUTCOME_REJECTED},
    {500, "rebalance in progress", OUTCOME_REJECTED},
    {500, "a rebalance is underway", OUTCOME_REJECTED},
    {500, "a rebalance was underway", OUTCOME_REJECTED},
    {500, "worker rebalance", OUTCOME_REJECTED},
    {0, NULL, OUTCOME_AMBIGUOUS},
};

bool connect_rest_write_create(const struct call *call, struct buffer *out)
{
    buffer_add_text(out, "{\"name\":");
    text_add_json(out, call->name, strlen(call->name));
    buffer_add_text(out, ",\"config\":");
    buffer_add(out, call->config->data, call->config->size);
    return buffer_add_char(out, '}');
}

/* Reads {name, config, tasks: [{connector, task}], type} into the record. The
 * tasks here are only named; their states come from the status. */
static void read_info(lua_State *L, int info, int record)
{
    record_text(L, info, "name", record, "name");
    if (record_table(L, info, "config")) {
        int config = lua_gettop(L);
        config_receive(L, config);
        record_text(L, config, "connector.class", record, "class");
        lua_setfield(L, record, "config");
    } else {
        lua_pop(L, 1);
    }
    record_type_from_class(L, record);
    if (lua_getfield(L, info, "type") == LUA_TSTRING &&
        (strcmp(lua_tostring(L, -1), "sink") == 0 || strcmp(lua_tostring(L, -1), "source") == 0))
        lua_setfield(L, record, "type");
    else
        lua_pop(L, 1); /* "unknown" has been seen */
    if (record_table(L, info, "tasks")) {
        int tasks = lua_gettop(L);
        lua_newtable(L);
        for (lua_Integer i = 1; lua_rawgeti(L, tasks, i) == LUA_TTABLE; i++) {
            lua_createtable(L, 0, 2);
            record_number(L, -2, "task", -1, "id");
            record_state(L, -1, "unknown");
            lua_rawseti(L, tasks + 1, i);
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
        lua_setfield(L, record, "tasks");
    }
    lua_pop(L, 1);
}

/* The text of a failure is `trace` in Kafka Connect and `msg` in Confluent
 * Cloud's tasks. */
static void read_trace(lua_State *L, int source, int record)
{
    record_text(L, source, "msg", record, "error");
    record_text(L, source, "trace", record, "error");
}

static void read_tasks(lua_State *L, int status, int record)
{
    if (!record_table(L, status, "tasks")) {
        lua_pop(L, 1);
        return;
    }
    int tasks = lua_gettop(L);
    lua_newtable(L);
    for (lua_Integer i = 1; lua_rawgeti(L, tasks, i) != LUA_TNIL; i++) {
        if (!lua_istable(L, -1))
            record_unexpected(L, "a task is not an object");
        lua_createtable(L, 0, 4);
        record_number(L, -2, "id", -1, "id");
        record_text(L, -2, "worker_id", -1, "worker");
        read_trace(L, -2, lua_gettop(L));
        lua_getfield(L, -2, "state");
        record_state(L, -2, lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "");
        lua_pop(L, 1);
        lua_rawseti(L, tasks + 1, i);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    lua_setfield(L, record, "tasks");
    lua_pop(L, 1);
}

/* A failed connector's reason is often only in its first failed task. */
static void lift_task_error(lua_State *L, int record)
{
    int top = lua_gettop(L);
    if (lua_getfield(L, record, "error") == LUA_TNIL &&
        lua_getfield(L, record, "tasks") == LUA_TTABLE) {
        int tasks = lua_gettop(L);
        for (lua_Integer i = 1; lua_rawgeti(L, tasks, i) == LUA_TTABLE; i++) {
            if (lua_getfield(L, -1, "error") == LUA_TSTRING) {
                lua_setfield(L, record, "error");
                break;
            }
            lua_pop(L, 2);
        }
    }
    lua_settop(L, top);
}

/* Reads {name, connector: {state, worker_id, trace}, tasks, type}. */
static void read_status(lua_State *L, int status, int record)
{
    record_text(L, status, "name", record, "name");
    if (!record_table(L, status, "connector"))
        record_unexpected(L, "a status without connector");
    int connector = lua_gettop(L);
    lua_getfield(L, connector, "state");
    record_state(L, record, lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "");
    read_trace(L, connector, record);
    lua_settop(L, connector - 1);
    read_tasks(L, status, record);
    lift_task_error(L, record);
}

void connect_rest_read_listed(lua_State *L)
{
    int entry = lua_gettop(L), name = entry - 1, record = entry + 1;
    if (!lua_istable(L, entry))
        record_unexpected(L, "the list is not a map from names to connectors");
    connector_new(L);
    if (record_table(L, entry, "info"))
        read_info(L, lua_gettop(L), record);
    lua_settop(L, record);
    if (record_table(L, entry, "status"))
        read_status(L, lua_gettop(L), record);
    lua_settop(L, record);
    if (record_table(L, entry, "id"))
        record_text(L, -1, "id", record, "id");
    lua_settop(L, record);
    lua_pushvalue(L, name);
    lua_setfield(L, record, "name"); /* the key is what addresses it */
    lua_replace(L, name);
    lua_settop(L, name);
}

/* [{id: {connector, task}, config}] -> [{id, config}], in place. */
static void read_task_configs(lua_State *L)
{
    int list = lua_gettop(L);
    for (lua_Integer i = 1; lua_rawgeti(L, list, i) != LUA_TNIL; i++) {
        if (!lua_istable(L, -1))
            record_unexpected(L, "a task is not an object");
        int entry = lua_gettop(L);
        lua_createtable(L, 0, 2);
        if (record_table(L, entry, "id"))
            record_number(L, -1, "task", entry + 1, "id");
        lua_pop(L, 1);
        if (record_table(L, entry, "config")) {
            config_receive(L, -1);
            lua_setfield(L, entry + 1, "config");
        }
        lua_settop(L, entry + 1);
        lua_rawseti(L, list, i);
        lua_settop(L, list);
    }
    lua_settop(L, list);
}

/* An object that is handed on; what it calls a config may hold secrets. */
static void read_object(lua_State *L, int value)
{
    if (lua_getfield(L, value, "config") == LUA_TTABLE)
        config_receive(L, -1);
    lua_settop(L, value);
}

void connect_rest_read(lua_State *L, enum response_content answer)
{
    int value = lua_gettop(L);
    if (answer == RESPONSE_DONE) {
        lua_pushboolean(L, 1);
        lua_replace(L, value);
        return;
    }
    if (answer == RESPONSE_LIST || answer == RESPONSE_TASKS) {
        if (!json_is_array(L, value))
            record_unexpected(L, "not an array");
        if (answer == RESPONSE_TASKS)
            read_task_configs(L);
        return;
    }
    if (!lua_istable(L, value) || json_is_array(L, value))
        record_unexpected(L, "not an object");
    if (answer == RESPONSE_OBJECT) {
        read_object(L, value);
        return;
    }
    connector_new(L);
    if (answer == RESPONSE_STATUS) {
        read_status(L, value, value + 1);
    } else {
        record_state(L, value + 1, "unknown"); /* only a status tells it */
        read_info(L, value, value + 1);
    }
    if (lua_getfield(L, value + 1, "name") != LUA_TSTRING)
        record_unexpected(L, "a connector without a name");
    lua_pop(L, 1);
    lua_replace(L, value);
}
