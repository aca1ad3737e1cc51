#include "connector/call.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "secret/log.h"
#include "secret/secret.h"
#include "base/text.h"
#include "http/exchange.h"
#include "connector/config.h"
#include "connector/connector.h"
#include "connector/sensitive_values.h"
#include "lua/error.h"
#include "lua/interrupt.h"
#include "lua/json.h"
#include "connector/hooks.h"
#include "connector/pending.h"
#include "connector/secret_name.h"
#include "connector/target_private.h"
#include "lua/task.h"
#include "connector/error_response.h"
#include "connector/provider_request.h"
#include "connector/record.h"

#include "lua/secret_value.h"

#include <lauxlib.h>

#include <stdio.h>
#include <string.h>

enum { MAX_BODY_SENT = CONFIG_LARGEST, MAX_URL = 16 * 1024 };

/* A proxy that mixes up its connections answers with somebody else's connector:
 * the record at the top must be of the name, or the id, that was asked for. */
static void check_is_about(lua_State *L, const struct pending *p)
{
    bool by_id = p->call.name == NULL && p->target->provider->by_id;
    const char *wanted = p->call.name != NULL ? p->call.name : p->call.connector;
    lua_getfield(L, -1, by_id ? "id" : "name");
    const char *got = lua_tostring(L, -1);
    if (got == NULL || strcmp(got, wanted) != 0)
        luaL_error(L, "unexpected response: it is about another connector");
    lua_pop(L, 1);
}

/* Leaves the record at the top out of the list when the function at 2 does not want it. */
static void choose(lua_State *L, void *target)
{
    const struct connector_hooks *hooks = hooks_of(L);
    if (hooks->learn_record != NULL)
        hooks->learn_record(L, target);
    if (!lua_isfunction(L, 2))
        return;
    lua_pushvalue(L, 2);
    lua_pushvalue(L, -2);
    lua_call(L, 1, 1);
    if (!lua_toboolean(L, -1)) {
        lua_pushnil(L);
        lua_replace(L, -3);
    }
    lua_pop(L, 1);
}

/* Decodes and reads a 2xx response: runs under pcall, with the pending exchange as
 * a light userdata and what chooses from a list. */
static int read_response(lua_State *L)
{
    struct pending *p = lua_touserdata(L, 1);
    struct response *r = &p->exchange.transfer.response;
    enum response_content answer = p->target->provider->routes[p->call.verb].answer;
    if (r->body.size == 0) {
        bool may_be_empty = answer == RESPONSE_DONE
                            || (answer == RESPONSE_RESTARTED && r->status == 204);
        if (!may_be_empty)
            return luaL_error(L, "unexpected response: an empty body");
        lua_pushboolean(L, 1);
        return 1;
    }
    if (answer == RESPONSE_CONNECTORS) {
        record_read_list(L, p->target->provider, r->body.data, r->body.size, choose, p->target);
        buffer_wipe(&r->body);
        return 2;
    } else {
        json_decode(L, r->body.data, r->body.size);
        if (error_response_in_success(L, &p->call, -1, r))
            return lua_error(L);
        record_read(L, p->target->provider, answer);
    }
    buffer_wipe(&r->body);
    if (connector_is(L, -1)) {
        if (hooks_of(L)->learn_record != NULL)
            hooks_of(L)->learn_record(L, p->target);
        check_is_about(L, p);
    }
    return 1;
}

static void bind(lua_State *L, int target)
{
    if (connector_is(L, -1)) {
        lua_pushvalue(L, target);
        lua_setfield(L, -2, "target");
    } else if (lua_istable(L, -1)) {
        for (lua_Integer i = 1; lua_rawgeti(L, -1, i), connector_is(L, -1); i++) {
            lua_pushvalue(L, target);
            lua_setfield(L, -2, "target");
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
}

/* Whether the error at the top is about the response itself: not that memory ran out, and not what a
 * script's own function raised that chooses from a list. */
static bool is_about_response(lua_State *L, int status)
{
    static const char json[] = "invalid JSON: ", shape[] = "unexpected response: ";
    const char *why = lua_tostring(L, -1);
    if (status != LUA_ERRRUN || why == NULL)
        return false;
    return strncmp(why, json, sizeof json - 1) == 0 || strstr(why, shape) != NULL;
}

/* 2xx, but not a word of it can be used, by what the value at the top says: a captive portal, a cut
 * body. A write may have happened. Pops the value. True: it is sent again. */
static bool resends_unreadable(lua_State *L, struct pending *p, int status)
{
    if (is_about_response(L, status) && !interrupt_pending()
        && engine_retries_unreadable(p->engine, &p->exchange)) {
        lua_pop(L, 1);
        return true;
    }
    bool reads = p->target->provider->routes[p->call.verb].effect == EFFECT_NONE;
    const char *why = lua_tostring(L, -1);
    error_push(L, reads ? ERROR_PROTOCOL : ERROR_UNKNOWN_OUTCOME, "%s",
               why != NULL ? why : "unreadable response");
    lua_remove(L, -2);
    lua_pushinteger(L, p->exchange.transfer.response.status);
    lua_setfield(L, -2, "status");
    return false;
}

static int finish(lua_State *L, int status, lua_KContext context)
{
    struct pending *p = (struct pending *)context;
    const struct response *r = &p->exchange.transfer.response;
    if (r->fault != FAULT_NONE) {
        pending_push_fault(L, p);
        return pending_raise(L, p);
    }
    if (r->status < 500)
        p->target->address = p->address;
    log_line(LOG_DEBUG, "%s %s: %ld in %.3f s", p->exchange.transfer.request.method,
             buffer_text(&p->exchange.transfer.request.url), r->status, r->elapsed);
    if (r->status < 200 || r->status > 299) {
        error_response_push(L, &p->call, r);
        if (r->status == 404 && p->exchange.outcome == OUTCOME_AMBIGUOUS) {
            lua_pushstring(L, error_kind_name(ERROR_PROTOCOL)); /* not the API's answer */
            lua_setfield(L, -2, "kind");
        }
        return pending_raise(L, p);
    }
    lua_pushcfunction(L, read_response);
    lua_pushlightuserdata(L, p);
    lua_pushvalue(L, 4);
    status = lua_pcall(L, 2, 2, 0);
    if (status != LUA_OK) {
        if (!error_is(L, -1) && resends_unreadable(L, p, status))
            return task_await(L, &p->exchange, finish, context);
        return pending_raise(L, p);
    }
    bool is_list = p->target->provider->routes[p->call.verb].answer == RESPONSE_CONNECTORS;
    lua_pushvalue(L, -2);
    bind(L, 1);
    lua_pop(L, 1);
    if (p->exchange.past.attempts > 0)
        pending_give_budget(L, p, false);
    pending_end(p);
    lua_pop(L, is_list ? 0 : 1);
    return is_list ? 2 : 1;
}

/* Pushes the beginning of a name as a message can show it: control characters,
 * newline and tab too, as \xNN. */
static void push_shown(lua_State *L, const char *name, size_t size)
{
    enum { LONGEST = 80 };
    luaL_Buffer b;
    size_t end = secret_cut(name, size, LONGEST);
    luaL_buffinit(L, &b);
    for (size_t i = 0; i < end; i++) {
        unsigned char c = (unsigned char)name[i];
        char escape[8];
        snprintf(escape, sizeof escape, c < 0x20 || c > 0x7e ? "\\x%02x" : "%c", c);
        luaL_addstring(&b, escape);
    }
    if (size > end)
        luaL_addstring(&b, "…");
    luaL_pushresult(&b);
}

static const char *check_connector(lua_State *L, int index)
{
    size_t size;
    const char *name = luaL_checklstring(L, index, &size);
    const char *fault = text_segment_fault(name, size);
    if (fault != NULL) {
        push_shown(L, name, size);
        error_push(L, ERROR_INVALID, "the connector name '%s' %s", lua_tostring(L, -1), fault);
        lua_pushliteral(L, "no");
        lua_setfield(L, -2, "sent");
        lua_error(L);
    }
    secret_name_refuse(L, "the connector's name", name, size);
    return name;
}

int call_backoff(lua_State *L)
{
    int failures = (int)luaL_checkinteger(L, 1);
    const struct retry_policy *policy = &target_check(L, 2)->policy;
    lua_getfield(L, LUA_REGISTRYINDEX, "kelp.engine");
    struct clock *clock = engine_clock(lua_touserdata(L, -1));
    lua_pushnumber(L, retry_backoff(policy, clock, failures - 1));
    return 1;
}

/* Sets in the table at the top what the server said to a request that waits to be sent again. */
static void set_said(lua_State *L, struct engine *e)
{
    const struct pending *p = (struct pending *)engine_failed(e); /* see use_failover_address */
    if (p == NULL)
        return;
    error_response_push(L, &p->call, &p->exchange.transfer.response);
    lua_getfield(L, -1, "message");
    lua_setfield(L, -3, "said");
    lua_pop(L, 1);
}

int call_limiter_state(lua_State *L)
{
    struct limiter_state state;
    lua_settop(L, 1);
    lua_getfield(L, LUA_REGISTRYINDEX, "kelp.engine");
    if (lua_isnil(L, 1))
        engine_limiter_state(lua_touserdata(L, 2), &state);
    else
        queue_limiter_state(target_check(L, 1)->queue, &state);
    lua_createtable(L, 0, 6);
    lua_pushnumber(L, state.wait);
    lua_setfield(L, -2, "wait");
    lua_pushstring(L, state.why);
    lua_setfield(L, -2, "why");
    lua_pushboolean(L, state.paused);
    lua_setfield(L, -2, "paused");
    lua_pushinteger(L, state.limit);
    lua_setfield(L, -2, "limit");
    lua_pushinteger(L, state.in_flight);
    lua_setfield(L, -2, "in_flight");
    lua_pushnumber(L, state.rate);
    lua_setfield(L, -2, "rate");
    set_said(L, lua_touserdata(L, 2));
    return 1;
}

int call_check_name(lua_State *L)
{
    check_connector(L, 1);
    return 0;
}

static bool repeatable(const struct route *route)
{
    return route->effect == EFFECT_NONE ||
           (route->effect == EFFECT_STATE && strcmp(route->method, "PUT") == 0);
}

static void add_url(struct pending *p)
{
    struct buffer *url = &p->exchange.transfer.request.url;
    buffer_clear(url);
    buffer_add_text(url, p->target->addresses[p->address]);
    provider_add_path(p->target->provider, &p->call, url);
}

/* exchange->failover: turns to the target's next address. */
static bool use_failover_address(struct exchange *x)
{
    struct pending *p = (struct pending *)x; /* its first member */
    bool another = ++p->asked < p->target->address_count;
    if (!another)
        p->asked = 0;
    p->address = (p->address + 1) % p->target->address_count;
    add_url(p);
    return another;
}

/* Pushes a field of the options at 5, or nil. */
static void push_option(lua_State *L, const char *field)
{
    if (lua_istable(L, 5))
        lua_getfield(L, 5, field);
    else
        lua_pushnil(L);
}

/* What only some routes have: `page`, `plugin`, `task` (a number) and `members`, a table
 * whose JSON members are added to the body, from the options at 5. Their texts are
 * left on the stack; *members is a view of the last one. [-0, +(0|1|2|3), e] */
static void read_parts(lua_State *L, struct call *call, const struct route *route,
                       struct buffer *members)
{
    size_t size;
    luaL_checkstack(L, 4, NULL);
    if (call->verb == VERB_LIST) {
        push_option(L, "page");
        call->page = lua_tostring(L, -1);
    }
    if (strstr(route->path, "{plugin}") != NULL) {
        push_option(L, "plugin");
        call->plugin = luaL_checklstring(L, -1, &size);
        const char *fault = text_segment_fault(call->plugin, size);
        if (fault != NULL)
            error_misuse(L, "the plugin's name %s", fault);
    }
    if (strstr(route->path, "{task}") != NULL) {
        push_option(L, "task");
        lua_pushfstring(L, "%I", (LUAI_UACINT)luaL_checkinteger(L, -1));
        lua_replace(L, -2);
        call->task = lua_tostring(L, -1);
    }
    if (route->body == BODY_NONE)
        return;
    push_option(L, "members");
    if (lua_istable(L, -1)) {
        json_encode(L);
        const char *text = lua_tolstring(L, -1, &size);
        *members = (struct buffer){.data = (char *)(uintptr_t)text, .size = size, .limit = size};
        call->members = members;
    } else if (route->body == BODY_MEMBERS) {
        luaL_argerror(L, 5, "members expected");
    }
}

static bool has_config(const struct route *route)
{
    return route->body == BODY_CONFIG || route->body == BODY_CREATE;
}

/* The pair at the top: a kelp.secret, or a text that is or holds one by its key or its
 * form. What is a mask or a reference the provider or the worker knows already. */
static bool is_secret_pair(lua_State *L)
{
    if (lua_type(L, -1) != LUA_TSTRING || lua_type(L, -2) != LUA_TSTRING)
        return secret_at(L, -1) != NULL;
    size_t size;
    const char *value = lua_tolstring(L, -1, &size);
    return !config_is_mask(value, size) &&
           sensitivity_of_value(lua_tostring(L, -2), value, size) != SENSITIVE_NONE;
}

static bool has_secret(lua_State *L, int config)
{
    bool found = false;
    lua_pushnil(L);
    while (!found && lua_next(L, config)) {
        found = is_secret_pair(L);
        lua_pop(L, 1);
    }
    if (found)
        lua_pop(L, 1);
    return found;
}

/* What the request is, but for its body. */
static void fill_exchange(lua_State *L, struct pending *p, const struct route *route, int64_t op)
{
    struct target *t = p->target;
    struct request *q = &p->exchange.transfer.request;
    memcpy(p->call.places, t->places, sizeof p->call.places);
    buffer_init(&q->url, MAX_URL);
    buffer_init(&q->body, MAX_BODY_SENT);
    bool strict_http =
        t->http.authentication == AUTH_NONE && has_config(route) && has_secret(L, 4);
    q->http = strict_http ? &t->strict_http : &t->http;
    q->method = route->method;
    q->rules = t->provider->response_rules;
    q->timeout = t->timeout;
    q->repeatable = repeatable(route);
    q->has_body = route->body != BODY_NONE;
    p->exchange.queue = t->queue;
    p->exchange.policy = t->policy;
    /* Of several servers another one is asked next, which takes a look first. */
    p->exchange.resend = route->effect == EFFECT_NONE
                         || (route->effect == EFFECT_STATE && t->address_count == 1);
    p->exchange.writes = route->effect != EFFECT_NONE;
    p->exchange.op = p->exchange.writes ? op : 0;
    p->exchange.failover = t->address_count > 1 ? use_failover_address : NULL;
    if (lua_istable(L, 5))
        pending_take_budget(L, p);
    p->address = t->address;
    add_url(p);
}

/* The config is written straight into the body, unless it is only a part. */
static void add_body(lua_State *L, struct pending *p, const struct route *route, bool keep_masked)
{
    const struct provider *provider = p->target->provider;
    struct buffer *body = &p->exchange.transfer.request.body;
    if (route->body == BODY_MEMBERS)
        provider_add_body(provider, &p->call, body);
    if (!has_config(route))
        return;
    struct config_format format = {.name = provider->by_id ? NULL : p->call.connector,
                                   .keep_masked = keep_masked,
                                   .is_prepared = p->exchange.writes};
    config_write(L, 4, &format, body);
    if (provider_wraps_config(provider, p->call.verb) || p->call.members != NULL) {
        struct buffer config = *body;
        buffer_init(body, MAX_BODY_SENT);
        p->call.config = &config;
        provider_add_body(provider, &p->call, body);
        p->call.config = NULL;
        buffer_wipe(&config);
    }
}

int call_exchange(lua_State *L)
{
    struct target *t = target_check(L, 1);
    const char *verb_text = luaL_checkstring(L, 2);
    int verb = verb_named(verb_text);
    luaL_argcheck(L, verb >= 0, 2, "no such verb");
    const struct route *route = &t->provider->routes[verb];
    const char *connector = lua_isnoneornil(L, 3) ? NULL : check_connector(L, 3);
    bool keep_masked = false;
    int64_t op = 0;
    if (!lua_isnoneornil(L, 5)) {
        luaL_checktype(L, 5, LUA_TTABLE);
        lua_getfield(L, 5, "keep_masked");
        keep_masked = lua_toboolean(L, -1);
        lua_getfield(L, 5, "op");
        op = lua_tointeger(L, -1);
    }
    lua_settop(L, 5);

    if (route->method == NULL) {
        error_push(L, ERROR_UNSUPPORTED, "%s does not offer %s", t->provider->title, verb_text);
        lua_pushstring(L, t->label);
        lua_setfield(L, -2, "target");
        lua_pushliteral(L, "no");
        lua_setfield(L, -2, "sent");
        return lua_error(L);
    }
    const struct connector_hooks *hooks = hooks_of(L);
    if (hooks->check_request != NULL)
        hooks->check_request(L, t, (enum verb)verb, route, connector);
    if (hooks->check_write != NULL)
        hooks->check_write(L, route, verb_text, op);
    if (connector == NULL && (route->body == BODY_CREATE || strstr(route->path, "{connector}")))
        return luaL_argerror(L, 3, "a connector expected");
    if (has_config(route))
        luaL_checktype(L, 4, LUA_TTABLE);

    struct pending *p = pending_push(L, t);
    p->call.verb = (enum verb)verb;
    p->call.provider = t->provider;
    p->call.connector = connector;
    p->call.name = route->body == BODY_CREATE ? connector : NULL;
    struct buffer members;
    read_parts(L, &p->call, route, &members);
    fill_exchange(L, p, route, op);
    add_body(L, p, route, keep_masked);
    p->call.members = NULL;
    const struct request *q = &p->exchange.transfer.request;
    if (q->url.overflowed || q->body.overflowed) {
        error_push(L, ERROR_INVALID, "the request is too large (at most %d bytes)", MAX_BODY_SENT);
        return pending_raise(L, p);
    }
    return task_await(L, &p->exchange, finish, (lua_KContext)p);
}
