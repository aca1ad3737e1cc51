/* Upstash Kafka's developer API, which ended with the service on 11 March 2025:
 * connectors are addressed by id, an update sends the changed properties as a
 * flat object and keeps the others, lifecycle calls answer the JSON string
 * "OK", resume is called start, and a bad config is a 200 with state "failed".
 * The answers to create and update come without properties. */
#include "providers/connect_rest.h"

#include "base/buffer.h"
#include "secret/secret.h"
#include "base/text.h"
#include "connector/config.h"
#include "connector/connector.h"
#include "lua/json.h"
#include "connector/record.h"

#include <lauxlib.h>

#include <string.h>

static const struct route routes[VERB_COUNT] = {
    [VERB_LIST] = {"GET", "/connectors/{cluster}", BODY_NONE, RESPONSE_CONNECTORS, EFFECT_NONE},
    [VERB_GET] = {"GET", "/connector/{connector}", BODY_NONE, RESPONSE_CONNECTOR, EFFECT_NONE},
    [VERB_STATUS] = {"GET", "/connector/{connector}", BODY_NONE, RESPONSE_CONNECTOR, EFFECT_NONE},
    [VERB_CREATE] = {"POST", "/connector", BODY_CREATE, RESPONSE_CONNECTOR, EFFECT_CREATE},
    [VERB_UPDATE] = {"POST", "/update-connector/{connector}", BODY_CONFIG, RESPONSE_CONNECTOR,
                     EFFECT_CONFIG},
    [VERB_RESTART] = {"POST", "/connector/{connector}/restart", BODY_NONE, RESPONSE_DONE,
                      EFFECT_EVENT},
    [VERB_PAUSE] = {"POST", "/connector/{connector}/pause", BODY_NONE, RESPONSE_DONE, EFFECT_STATE},
    [VERB_RESUME] = {"POST", "/connector/{connector}/start", BODY_NONE, RESPONSE_DONE, EFFECT_STATE},
    [VERB_DELETE] = {"DELETE", "/connector/{connector}", BODY_NONE, RESPONSE_DONE, EFFECT_DELETE},
};

static bool write_create(const struct call *call, struct buffer *out)
{
    buffer_add_text(out, "{\"name\":");
    text_add_json(out, call->name, strlen(call->name));
    buffer_add_text(out, ",\"cluster_id\":");
    text_add_json(out, call->places[0], strlen(call->places[0]));
    buffer_add_text(out, ",\"properties\":");
    buffer_add(out, call->config->data, call->config->size);
    return buffer_add_char(out, '}');
}

/* `state` is what the service made of the connector, `connector_state` what the
 * worker says of it once it exists. A failure in the first is the last word;
 * otherwise the second, when it says something that we know. */
static void read_state(lua_State *L, int source, int record)
{
    const char *state = "unknown";
    lua_getfield(L, source, "state");
    lua_getfield(L, source, "connector_state");
    if (lua_type(L, -2) == LUA_TSTRING)
        state = record_state_name(lua_tostring(L, -2));
    if (strcmp(state, "failed") != 0 && lua_type(L, -1) == LUA_TSTRING) {
        const char *inner = record_state_name(lua_tostring(L, -1));
        if (strcmp(inner, "unknown") != 0)
            state = inner;
    }
    record_state(L, record, state);
    lua_pop(L, 2);
}

static void read_tasks(lua_State *L, int source, int record)
{
    lua_newtable(L);
    int out = lua_gettop(L);
    if (record_table(L, source, "tasks")) {
        for (lua_Integer i = 1; lua_rawgeti(L, out + 1, i) == LUA_TTABLE; i++) {
            lua_createtable(L, 0, 4);
            record_number(L, -2, "id", -1, "id");
            record_text(L, -2, "worker_id", -1, "worker");
            record_text(L, -2, "trace", -1, "error");
            lua_getfield(L, -2, "state");
            record_state(L, -2, lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "");
            lua_pop(L, 1);
            lua_rawseti(L, out, i);
            lua_pop(L, 1);
        }
    }
    lua_settop(L, out);
    lua_setfield(L, record, "tasks");
}

/* Makes the fields that belong to the connector's credentials unprintable. */
static void hide_fields(lua_State *L, int source)
{
    static const char *const fields[] = {"encoded_username", "user_password",
                                         "properties_encrypted"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (lua_getfield(L, source, fields[i]) == LUA_TSTRING) {
            size_t size;
            const char *text = lua_tolstring(L, -1, &size);
            if (!secret_register(fields[i], text, size))
                luaL_error(L, "not enough memory");
        }
        lua_pop(L, 1);
    }
}

/* The fields that only Upstash has: `details`. */
static void read_details(lua_State *L, int source, int record)
{
    lua_createtable(L, 0, 5);
    int details = lua_gettop(L);
    record_text(L, source, "customer_id", details, "customer_id");
    record_text(L, source, "cluster_id", details, "cluster_id");
    record_text(L, source, "encoded_username", details, "encoded_username");
    record_number(L, source, "deletion_time", details, "deletion_time");
    record_number(L, source, "TTL", details, "TTL");
    hide_fields(L, source);
    lua_setfield(L, record, "details");
}

static void read_connector(lua_State *L, int source)
{
    connector_new(L);
    int record = lua_gettop(L);
    record_text(L, source, "connector_id", record, "id");
    record_text(L, source, "name", record, "name");
    record_text(L, source, "connector_class", record, "class");
    record_text(L, source, "state_error_message", record, "error");
    record_number(L, source, "creation_time", record, "created");
    read_state(L, source, record);
    read_tasks(L, source, record);
    read_details(L, source, record);
    if (record_table(L, source, "topics"))
        lua_setfield(L, record, "topics");
    else
        lua_pop(L, 1);
    if (record_table(L, source, "properties")) {
        config_receive(L, -1);
        lua_setfield(L, record, "config");
    } else {
        lua_pop(L, 1);
    }
    record_type_from_class(L, record);
    lua_getfield(L, record, "id");
    lua_getfield(L, record, "name");
    if (lua_type(L, -1) != LUA_TSTRING || lua_type(L, -2) != LUA_TSTRING)
        record_unexpected(L, "a connector without connector_id or name");
    lua_pop(L, 2);
}

static void read(lua_State *L, enum response_content answer)
{
    int value = lua_gettop(L);
    switch (answer) {
    case RESPONSE_DONE:
        lua_pushboolean(L, 1);
        lua_replace(L, value);
        break;
    case RESPONSE_CONNECTOR:
    case RESPONSE_STATUS:
        if (!lua_istable(L, value))
            record_unexpected(L, "not an object");
        read_connector(L, value);
        lua_replace(L, value);
        break;
    case RESPONSE_CONNECTORS:
    case RESPONSE_TASKS:
    case RESPONSE_OBJECT:
    case RESPONSE_LIST:
        break; /* no route of this service has such an answer */
    }
}

static void read_listed(lua_State *L)
{
    int value = lua_gettop(L);
    if (!lua_istable(L, value))
        record_unexpected(L, "the list holds something that is not an object");
    read_connector(L, value);
    lua_replace(L, value - 1);
    lua_settop(L, value - 1);
}

const struct provider provider_upstash = {
    .name = "upstash",
    .title = "Upstash Kafka",
    .base_url = "https://api.upstash.com/v2/kafka",
    .base_url_variable = "UPSTASH_API_URL",
    .user_option = "email",
    .user_variable = "UPSTASH_EMAIL",
    .password_option = "api_key",
    .password_variable = "UPSTASH_API_KEY",
    .places = {"cluster"},
    .by_id = true,
    .response_rules = connect_rest_response_rules,
    .routes = routes,
    .write_create = write_create,
    .read = read,
    .list_opening = '[',
    .read_listed = read_listed,
};
