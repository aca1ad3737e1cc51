#define _GNU_SOURCE /* strcasestr */
#include "connector/error_response.h"

#include "secret/secret.h"
#include "base/text.h"
#include "http/transport.h"
#include "lua/json.h"
#include "connector/record.h"

#include <lauxlib.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_QUOTED = 400 };

/* Pops the value at the top into `field` of the error object at `error` when it
 * is a text or a number. */
static void keep(lua_State *L, int error, const char *field)
{
    int type = lua_type(L, -1);
    if ((type == LUA_TSTRING && lua_rawlen(L, -1) > 0) || type == LUA_TNUMBER)
        lua_setfield(L, error, field);
    else
        lua_pop(L, 1);
}

static bool fits(lua_State *L, enum field_type type)
{
    int given = lua_type(L, -1);
    bool text = given == LUA_TSTRING && lua_rawlen(L, -1) > 0, number = given == LUA_TNUMBER;
    return type == FIELD_TEXT ? text : type == FIELD_NUMBER ? number : text || number;
}

/* Pushes what the first of the map's fields of that name that is there says, or nil. */
static void push_told(lua_State *L, const struct field *map, int body, const char *name)
{
    for (const struct field *f = map; f != NULL && f->from != NULL; f++) {
        if (strcmp(f->to, name) != 0)
            continue;
        record_push_path(L, body, f->from);
        if (fits(L, f->type))
            return;
        lua_pop(L, 1);
    }
    lua_pushnil(L);
}

/* What the error's body, the table at `body`, says by the provider's map. */
static void read_body(lua_State *L, const struct field *map, int body, int error)
{
    static const char *const kept[] = {"code", "request_id"};
    push_told(L, map, body, "message");
    push_told(L, map, body, "advice");
    if (lua_isstring(L, -1) && lua_isstring(L, -2)) {
        lua_pushfstring(L, "%s (%s)", lua_tostring(L, -2), lua_tostring(L, -1));
        lua_replace(L, -3);
    }
    lua_pop(L, 1);
    keep(L, error, "message");
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        push_told(L, map, body, kept[i]);
        keep(L, error, kept[i]);
    }
}

static int decode(lua_State *L)
{
    const struct response *response = lua_touserdata(L, 1);
    json_decode(L, buffer_text(&response->body), response->body.size);
    return 1;
}

/* Leaves the decoded body, or nil when it is no JSON. [-0, +1, m] */
static void push_body(lua_State *L, const struct response *response)
{
    lua_pushcfunction(L, decode);
    lua_pushlightuserdata(L, (void *)response);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
        lua_pop(L, 1);
        lua_pushnil(L);
    }
}

static void quote_text(lua_State *L, const struct response *response, int error)
{
    const char *text = buffer_text(&response->body);
    size_t size = response->body.size;
    while (size > 0 && isspace((unsigned char)text[size - 1]))
        size--;
    if (size == 0)
        return;
    const char *title = text[0] == '<' ? strcasestr(text, "<title>") : NULL;
    if (title != NULL) {
        title += strlen("<title>");
        lua_pushliteral(L, "the answer is a web page, not the provider's API: ");
        size = strcspn(title, "<\r\n");
        lua_pushlstring(L, title, secret_cut(title, size, MAX_QUOTED));
        lua_concat(L, 2);
    } else if (text[0] == '<') {
        lua_pushliteral(L, "the answer is a web page, not the provider's API");
    } else if (size > MAX_QUOTED) {
        lua_pushlstring(L, text, secret_cut(text, size, MAX_QUOTED));
        lua_pushliteral(L, "…");
        lua_concat(L, 2);
    } else {
        lua_pushlstring(L, text, size);
    }
    lua_setfield(L, error, "message");
}

static void keep_header(lua_State *L, const struct response *response, int table, const char *header,
                        const char *field, bool number)
{
    size_t size;
    const char *value = response_header(response, header, &size);
    if (value == NULL || size == 0)
        return;
    lua_pushlstring(L, value, size);
    if (number) {
        int is_number;
        lua_Number n = lua_tonumberx(L, -1, &is_number);
        lua_pop(L, 1);
        if (!is_number || !(n >= 0))
            return;
        if (n == (lua_Number)(lua_Integer)n)
            lua_pushinteger(L, (lua_Integer)n);
        else
            lua_pushnumber(L, n);
    }
    lua_setfield(L, table, field);
}

/* X-RateLimit-Reset is relative seconds (documented so; other servers send an epoch);
 * Retry-After is seconds or a date, kept as it came when it is no number. */
static void keep_limits(lua_State *L, const struct response *response, int error)
{
    keep_header(L, response, error, "Retry-After", "retry_after", true);
    lua_createtable(L, 0, 3);
    int limits = lua_gettop(L);
    keep_header(L, response, limits, "X-RateLimit-Limit", "limit", true);
    keep_header(L, response, limits, "X-RateLimit-Remaining", "remaining", true);
    keep_header(L, response, limits, "X-RateLimit-Reset", "reset", true);
    lua_pushnil(L);
    if (lua_next(L, limits)) {
        lua_pop(L, 2);
        lua_setfield(L, error, "rate_limit");
    } else {
        lua_pop(L, 1);
    }
}

static bool contains(const char *text, const char *word)
{
    return text != NULL && text_has_phrase(text, strlen(text), word);
}

static const struct error_rule *rule_for(const struct call *call, long status,
                                         const char *message, bool is_json)
{
    const struct error_rule *rule = call->provider->error_rules;
    for (; rule != NULL && rule->status != 0; rule++) {
        if (rule->status == status && !(rule->not_json && is_json) &&
            (rule->verb == ANY_VERB || rule->verb == (int)call->verb) &&
            (rule->text == NULL || contains(message, rule->text)))
            return rule;
    }
    return NULL;
}

static enum error_kind kind_of(long status)
{
    switch (status) {
    case 401:
        return ERROR_UNAUTHORIZED;
    case 402:
    case 403:
        return ERROR_FORBIDDEN;
    case 404:
        return ERROR_NOT_FOUND;
    case 408:
        return ERROR_TIMEOUT;
    case 409:
        return ERROR_CONFLICT;
    case 405:
    case 406:
        return ERROR_UNSUPPORTED;
    case 429:
        return ERROR_RATE_LIMITED;
    default:
        return status >= 500 ? ERROR_SERVER : status >= 400 ? ERROR_INVALID : ERROR_PROTOCOL;
    }
}

static const char *default_message(long status)
{
    switch (status) {
    case 401: return "the credentials were not accepted";
    case 402: return "a quota of the account is used up";
    case 403: return "these credentials may not do this here";
    case 404: return "there is no such connector or cluster";
    case 429: return "too many requests";
    default:
        return status >= 500 ? "the provider failed"
               : status >= 400 ? "the provider refused the request"
               : status >= 300 ? "the provider redirects to another address, which is never followed"
                               : "not a final answer";
    }
}

void error_response_push(lua_State *L, const struct call *call, const struct response *response)
{
    error_push(L, ERROR_SERVER, "%s", default_message(response->status));
    int error = lua_gettop(L);
    push_body(L, response);
    int body = lua_gettop(L);
    if (lua_istable(L, body)) {
        read_body(L, call->provider->error, body, error);
    } else if (lua_type(L, body) == LUA_TSTRING) {
        lua_pushvalue(L, body);
        keep(L, error, "message");
    } else if (lua_isnil(L, body)) {
        quote_text(L, response, error);
    }
    bool is_json = !lua_isnil(L, body);
    if (!is_json) {
        lua_pushboolean(L, 1);
        lua_setfield(L, error, "not_json");
    }
    lua_settop(L, error);
    if (response->status == 400 && !lua_istable(L, body) && call->connector != NULL &&
        call->name == NULL && strpbrk(call->connector, "/%\\") != NULL) {
        lua_pushliteral(L, "the server does not take the connector's name in an address (it holds "
                           "one of / % \\)");
        lua_setfield(L, error, "message");
    }

    lua_getfield(L, error, "message");
    const struct error_rule *rule = rule_for(call, response->status, lua_tostring(L, -1),
                                             is_json);
    if (rule != NULL && rule->message != NULL) {
        lua_pushfstring(L, "%s: %s", rule->message, lua_tostring(L, -1));
        lua_setfield(L, error, "message");
    }
    lua_pop(L, 1);
    bool told = rule != NULL && rule->kind != NULL;
    lua_pushstring(L, told ? rule->kind : error_kind_name(kind_of(response->status)));
    lua_setfield(L, error, "kind");
    lua_pushinteger(L, response->status);
    lua_setfield(L, error, "status");
    keep_header(L, response, error, "X-Request-Id", "request_id", false);
    keep_limits(L, response, error);
}

bool error_response_in_success(lua_State *L, const struct call *call, int index,
                               const struct response *response)
{
    index = lua_absindex(L, index);
    if (!lua_istable(L, index))
        return false;
    bool refused = lua_getfield(L, index, "error") != LUA_TNIL && !json_is_null(L, -1);
    lua_pop(L, 1);
    if (!refused)
        return false;
    error_push(L, ERROR_SERVER, "the provider reports an error in a successful answer");
    int error = lua_gettop(L);
    read_body(L, call->provider->error, index, error);
    lua_pushinteger(L, response->status);
    lua_setfield(L, error, "status");
    keep_header(L, response, error, "X-Request-Id", "request_id", false);
    return true;
}
