#include "connector/target.h"

#include "base/digest.h"
#include "base/nearest.h"
#include "secret/keyring.h"
#include "secret/secret.h"
#include "base/text.h"
#include "lua/error.h"
#include "connector/hooks.h"
#include "lua/secret_value.h"
#include "connector/target_private.h"
#include "connector/sensitive_values.h"

#include <lauxlib.h>

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char TARGET[] = "kelp.target";

/* The strings of a target are kept alive by its user values: 1 is a table of
 * everything that it points to (its options, its secret), 2 the Lua side's
 * table of fields. */
enum { ANCHORS = 1, FIELDS = 2 };

struct target *target_check(lua_State *L, int index)
{
    return luaL_checkudata(L, index, TARGET);
}

struct target *target_test(lua_State *L, int index)
{
    return luaL_testudata(L, index, TARGET);
}

/* ---- options ---- */

enum option_type {
    OPTION_SECONDS, OPTION_COUNT, OPTION_BYTES, OPTION_RATE, OPTION_TOKENS, OPTION_TEXT,
    OPTION_FLAG
};

struct option {
    const char *name;
    enum option_type type;
    size_t offset; /* in struct target */
    double least, most;
};

#define TARGET_FIELD(field) offsetof(struct target, field)

static const struct option common_options[] = {
    {"timeout", OPTION_SECONDS, TARGET_FIELD(timeout), 0.001, 86400},
    {"connect_timeout", OPTION_SECONDS, TARGET_FIELD(http.connect_timeout), 0.001, 3600},
    {"stall_timeout", OPTION_SECONDS, TARGET_FIELD(http.stall_timeout), 1, 3600},
    {"deadline", OPTION_SECONDS, TARGET_FIELD(policy.deadline), 1, 604800},
    {"backoff", OPTION_SECONDS, TARGET_FIELD(policy.base), 0.001, 3600},
    {"longest_backoff", OPTION_SECONDS, TARGET_FIELD(policy.cap), 0.001, 3600},
    {"longest_wait", OPTION_SECONDS, TARGET_FIELD(policy.longest_hint), 0, 86400},
    {"max_body", OPTION_BYTES, TARGET_FIELD(http.max_body), 1024, 1e9},
    {"visibility_delay", OPTION_SECONDS, TARGET_FIELD(visibility_delay), 0, 3600},
    {"attempts", OPTION_COUNT, TARGET_FIELD(policy.attempts), 1, 20},
    {"concurrency", OPTION_COUNT, TARGET_FIELD(limiter.concurrency), 1, 1000},
    {"quota", OPTION_TOKENS, TARGET_FIELD(limiter.quota), 1, 1e6},
    {"circuit", OPTION_COUNT, TARGET_FIELD(limiter.circuit), 1, 1e6},
    {"probe", OPTION_SECONDS, TARGET_FIELD(limiter.probe), 0.01, 3600},
    {"rate", OPTION_RATE, TARGET_FIELD(limiter.rate), 0.001, 100000},
    {"base_url", OPTION_TEXT, TARGET_FIELD(base_url), 0, 0},
    {"ca_file", OPTION_TEXT, TARGET_FIELD(http.ca_file), 0, 0},
    {"cert_file", OPTION_TEXT, TARGET_FIELD(http.cert_file), 0, 0},
    {"key_file", OPTION_TEXT, TARGET_FIELD(http.key_file), 0, 0},
    {"proxy", OPTION_TEXT, TARGET_FIELD(http.proxy), 0, 0},
    {"allow_http", OPTION_FLAG, TARGET_FIELD(http.allow_http), 0, 0},
};

static const struct option *common_option(const char *name)
{
    for (size_t i = 0; i < sizeof common_options / sizeof *common_options; i++) {
        if (strcmp(common_options[i].name, name) == 0)
            return &common_options[i];
    }
    return NULL;
}

static int place_option(const struct provider *p, const char *name)
{
    for (int i = 0; p->places[i].name != NULL; i++) {
        if (strcmp(p->places[i].name, name) == 0)
            return i;
    }
    return -1;
}

/* Options that are read apart from the table: their values may be kelp.secrets,
 * or come from the environment too. */
static bool is_read_apart(const struct provider *p, const char *name)
{
    const char *const options[] = {p->user.option, p->password.option, p->token.option,
                                   p->url_option, "key_password"};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (options[i] != NULL && strcmp(name, options[i]) == 0)
            return true;
    }
    return false;
}

/* Raises: with the option that was probably meant. */
static void refuse_option(lua_State *L, const struct provider *p, const char *name)
{
    enum { COMMON = sizeof common_options / sizeof *common_options };
    const char *words[COMMON + MAX_PLACES + 5];
    const char *const apart[] = {p->user.option, p->password.option, p->token.option,
                                 p->url_option, "key_password"};
    size_t count = 0;
    for (size_t i = 0; i < COMMON; i++)
        words[count++] = common_options[i].name;
    for (size_t i = 0; i < MAX_PLACES && p->places[i].name != NULL; i++)
        words[count++] = p->places[i].name;
    for (size_t i = 0; i < sizeof apart / sizeof *apart; i++) {
        if (apart[i] != NULL)
            words[count++] = apart[i];
    }
    const char *nearest = nearest_word(name, words, count);
    if (nearest == NULL)
        error_misuse(L, "kelp.%s: unknown option '%s'", p->name, name);
    error_misuse(L, "kelp.%s: unknown option '%s'; did you mean '%s'?", p->name, name, nearest);
}

static bool is_known(const struct provider *p, const char *name)
{
    return p->url_option == NULL || strcmp(name, "base_url") != 0;
}

/* A text option's value, NUL-free and without control characters. */
static const char *check_text(lua_State *L, const struct provider *p, const char *name, int index)
{
    size_t size;
    if (lua_type(L, index) != LUA_TSTRING)
        error_misuse(L, "kelp.%s: %s must be a string, got %s", p->name, name,
                   luaL_typename(L, index));
    const char *text = lua_tolstring(L, index, &size);
    if (size == 0 || text_has_control(text, size))
        error_misuse(L, "kelp.%s: %s %s", p->name, name,
                   size == 0 ? "is empty" : "holds control characters");
    return text;
}

static double check_number(lua_State *L, const struct provider *p, const struct option *o,
                           int index)
{
    static const char *const units[] = {
        [OPTION_SECONDS] = "number of seconds", [OPTION_COUNT] = "whole number",
        [OPTION_BYTES] = "whole number of bytes",
        [OPTION_RATE] = "number of requests a second", [OPTION_TOKENS] = "number of tokens",
    };
    double number = lua_tonumber(L, index);
    if (lua_type(L, index) != LUA_TNUMBER || !(number >= o->least) || number > o->most ||
        ((o->type == OPTION_COUNT || o->type == OPTION_BYTES) && number != floor(number))) {
        char range[64];
        snprintf(range, sizeof range, "%g to %g", o->least, o->most);
        error_misuse(L, "kelp.%s: %s must be a %s from %s", p->name, o->name, units[o->type],
                   range);
    }
    return number;
}

static void read_common(lua_State *L, struct target *t, const struct option *o, int index)
{
    const struct provider *p = t->provider;
    char *field = (char *)t + o->offset;
    switch (o->type) {
    case OPTION_SECONDS:
    case OPTION_RATE:
    case OPTION_TOKENS: {
        double number = check_number(L, p, o, index);
        memcpy(field, &number, sizeof number);
        break;
    }
    case OPTION_COUNT: {
        int count = (int)check_number(L, p, o, index);
        memcpy(field, &count, sizeof count);
        break;
    }
    case OPTION_BYTES: {
        size_t bytes = (size_t)check_number(L, p, o, index);
        memcpy(field, &bytes, sizeof bytes);
        break;
    }
    case OPTION_TEXT: {
        const char *text = check_text(L, p, o->name, index);
        memcpy(field, &text, sizeof text);
        break;
    }
    case OPTION_FLAG: {
        if (!lua_isboolean(L, index))
            error_misuse(L, "kelp.%s: %s must be true or false", p->name, o->name);
        bool flag = lua_toboolean(L, index);
        memcpy(field, &flag, sizeof flag);
        break;
    }
    }
}

/* Walks the options table at `options`; every key must be known. */
static void read_options(lua_State *L, struct target *t, int options)
{
    const struct provider *p = t->provider;
    lua_pushnil(L);
    while (lua_next(L, options)) {
        int value = lua_gettop(L);
        const char *name = lua_type(L, value - 1) == LUA_TSTRING ? lua_tostring(L, value - 1) : "?";
        const struct option *o = is_known(p, name) ? common_option(name) : NULL;
        int place = place_option(p, name);
        if (o != NULL) {
            read_common(L, t, o, value);
        } else if (place >= 0) {
            const char *text = check_text(L, p, name, value);
            const char *fault = text_segment_fault(text, strlen(text));
            if (fault != NULL)
                error_misuse(L, "kelp.%s: %s %s", p->name, name, fault);
            t->places[place] = text;
        } else if (!is_read_apart(p, name)) {
            refuse_option(L, p, name);
        }
        lua_pop(L, 1);
    }
    for (int i = 0; p->places[i].name != NULL; i++) {
        if (t->places[i] == NULL)
            error_misuse(L, "kelp.%s: option '%s' is missing", p->name, p->places[i].name);
    }
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0' ? value : NULL;
}

/* Pushes the option, or a secret of the environment variable's value, or nil. The
 * keyring may have taken the variable out of the environment. */
static bool push_credential(lua_State *L, int options, const struct credential *c)
{
    const char *variable = c->variable;
    if (c->option == NULL) {
        lua_pushnil(L);
        return false;
    }
    if (lua_getfield(L, options, c->option) != LUA_TNIL)
        return true;
    struct secret *held = variable != NULL ? keyring_find(variable) : NULL;
    const char *value = variable != NULL && held == NULL ? environment(variable) : NULL;
    if (value == NULL && held == NULL)
        return false;
    lua_pop(L, 1);
    if (held != NULL)
        secret_push(L, held);
    else
        lua_pushstring(L, value);
    return true;
}

static void say_missing(lua_State *L, luaL_Buffer *b, const struct credential *c,
                        const char *before)
{
    (void)L;
    luaL_addstring(b, before);
    luaL_addstring(b, c->variable != NULL ? c->variable : c->option);
}

/* Raises: which credentials the provider takes. */
static void refuse_anonymous(lua_State *L, const struct provider *p)
{
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    if (p->user.option != NULL) {
        say_missing(L, &b, &p->user, "set ");
        say_missing(L, &b, &p->password, " and ");
    }
    if (p->token.option != NULL && p->token.variable != NULL)
        say_missing(L, &b, &p->token, p->user.option != NULL ? ", or " : "set ");
    else if (p->token.option != NULL)
        luaL_addstring(&b, p->user.option != NULL ? ", or give a token" : "give a token");
    luaL_pushresult(&b);
    error_misuse(L, "kelp.%s: no credentials: %s", p->name, lua_tostring(L, -1));
}

/* The user's name at `top` - 1 and the password at `top`. */
static void read_pair(lua_State *L, struct target *t, int top, int anchors)
{
    const struct provider *p = t->provider;
    t->http.password = secret_of_value(L, top, p->password.option);
    struct secret *user_secret = secret_at(L, top - 1);
    if (user_secret != NULL)
        t->http.user = secret_bytes(user_secret);
    else
        t->http.user = check_text(L, p, p->user.option, top - 1);
    if (strchr(t->http.user, ':') != NULL)
        error_misuse(L, "kelp.%s: %s holds a colon, which Basic authentication cannot carry",
                   p->name, p->user.option);
    t->http.authentication = AUTH_BASIC;
    if (!secret_register_basic(t->http.user, t->http.password))
        luaL_error(L, "not enough memory");
    lua_setfield(L, anchors, "password");
    lua_setfield(L, anchors, "user");
}

/* A token that is given as an option stands before a pair, and a pair before a token from the
 * environment; half a pair is an error that says which half. */
static void read_credentials(lua_State *L, struct target *t, int options, int anchors)
{
    const struct provider *p = t->provider;
    const struct credential given = {p->token.option, NULL, NULL};
    bool token = push_credential(L, options, &given);
    bool user = !token && push_credential(L, options, &p->user);
    bool password = !token && push_credential(L, options, &p->password);
    if (user != password)
        error_misuse(L, "kelp.%s: %s is set but %s is not (option %s or environment variable %s)",
                   p->name, user ? p->user.option : p->password.option,
                   user ? p->password.option : p->user.option,
                   user ? p->password.option : p->user.option,
                   user ? p->password.variable : p->user.variable);
    if (user) {
        read_pair(L, t, lua_gettop(L), anchors);
        return;
    }
    if (token || push_credential(L, options, &p->token)) {
        t->http.password = secret_of_value(L, lua_gettop(L), p->token.option);
        t->http.authentication = AUTH_BEARER;
        lua_setfield(L, anchors, "password");
        return;
    }
    if (!p->anonymous)
        refuse_anonymous(L, p);
    t->http.authentication = AUTH_NONE;
}

/* The client certificate's key; each of the options is nothing without the first. */
static void read_client_key(lua_State *L, struct target *t, int options, int anchors)
{
    const struct provider *p = t->provider;
    bool password = lua_getfield(L, options, "key_password") != LUA_TNIL;
    if (t->http.cert_file == NULL && (t->http.key_file != NULL || password))
        error_misuse(L, "kelp.%s: %s is set but cert_file is not", p->name,
                     password ? "key_password" : "key_file");
    if (password)
        t->http.key_password = secret_of_value(L, lua_gettop(L), "key_password");
    lua_setfield(L, anchors, "key_password");
}

/* A proxy's user and password stand in its address, where libcurl looks for them. A raw
 * '@' in the password can be read in two ways, and libcurl's message would show a part. */
static void check_proxy(lua_State *L, struct target *t)
{
    const char *proxy = t->http.proxy;
    if (proxy == NULL)
        return;
    const char *scheme = strstr(proxy, "://");
    const char *authority = scheme != NULL ? scheme + 3 : proxy;
    const char *at = strrchr(authority, '@');
    if (at == NULL)
        return;
    const char *colon = memchr(authority, ':', (size_t)(at - authority));
    if (colon != NULL && !secret_register("proxy", colon + 1, (size_t)(at - colon) - 1))
        luaL_error(L, "not enough memory");
    if (strcspn(authority, "@/?#") != (size_t)(at - authority))
        error_misuse(L, "kelp.%s: the user or the password in proxy (…@%s) holds one of @ / ? #: "
                     "write it as %%40, %%2F, %%3F or %%23", t->provider->name, at + 1);
    if (!sensitive_value_register("proxy", proxy, strlen(proxy)))
        luaL_error(L, "not enough memory");
}

/* Not shown: a short password would be readable in the message. */
static void refuse_userinfo(lua_State *L, const struct target *t, const char *option,
                            const char *url)
{
    const struct provider *p = t->provider;
    const char *host = strrchr(url, '@') + 1;
    if (p->user.option == NULL)
        error_misuse(L, "kelp.%s: %s (…@%s) holds a user or a password, which is not used there: %s%s",
                     p->name, option, host, p->token.option != NULL ? "set " : "leave it out",
                     p->token.option != NULL ? p->token.option : "");
    error_misuse(L, "kelp.%s: %s (…@%s) holds a user or a password: set %s and %s instead", p->name,
                 option, host, p->user.option, p->password.option);
}

static void add_address(lua_State *L, struct target *t, const char *option, const char *url,
                        size_t size, int anchors)
{
    const struct provider *p = t->provider;
    while (size > 0 && url[size - 1] == '/')
        size--;
    url = lua_pushlstring(L, url, size);
    if (!sensitive_value_register(option, url, size)) /* a password in it is refused, not shown */
        luaL_error(L, "not enough memory");
    if (strchr(url, '@') != NULL && !text_has_control(url, size))
        refuse_userinfo(L, t, option, url);
    const char *host = strncmp(url, "https://", 8) == 0  ? url + 8
                       : strncmp(url, "http://", 7) == 0 ? url + 7
                                                         : NULL;
    if (host == NULL || *host == '\0' || *host == '/' || text_has_control(url, size) ||
        strpbrk(url, " ?#@\\") != NULL)
        error_misuse(L, "kelp.%s: %s '%s' is not an address such as https://host or "
                      "https://host/path", p->name, option, url);
    if (t->address_count == MAX_ADDRESSES)
        error_misuse(L, "kelp.%s: %s holds more than %d addresses", p->name, option,
                     MAX_ADDRESSES);
    t->addresses[t->address_count++] = url;
    luaL_ref(L, anchors);
}

/* Each of "http://a:8083, http://b:8083". */
static void add_addresses(lua_State *L, struct target *t, const char *option, const char *text,
                          int anchors)
{
    for (;;) {
        text += strspn(text, " ");
        size_t size = strcspn(text, ","), kept = size;
        while (kept > 0 && text[kept - 1] == ' ')
            kept--;
        add_address(L, t, option, text, kept, anchors);
        if (text[size] == '\0')
            return;
        text += size + 1;
    }
}

/* The option is one address, several in one text, or a list. */
static void read_addresses(lua_State *L, struct target *t, int options, int anchors)
{
    const struct provider *p = t->provider;
    int type = lua_getfield(L, options, p->url_option);
    int value = lua_gettop(L);
    const char *variable = environment(p->base_url_variable);
    if (type == LUA_TTABLE) {
        for (lua_Integer i = 1; lua_rawgeti(L, value, i) != LUA_TNIL; i++) {
            const char *text = check_text(L, p, p->url_option, -1);
            add_address(L, t, p->url_option, text, strlen(text), anchors);
            lua_settop(L, value);
        }
    } else if (type != LUA_TNIL) {
        add_addresses(L, t, p->url_option, check_text(L, p, p->url_option, value), anchors);
    } else if (variable != NULL) {
        add_addresses(L, t, p->base_url_variable, variable, anchors);
    }
    if (t->address_count == 0)
        error_misuse(L, "kelp.%s: no address: set option %s or environment variable %s", p->name,
                     p->url_option, p->base_url_variable);
    lua_settop(L, value - 1);
}

static void read_base_url(lua_State *L, struct target *t, int options, int anchors)
{
    const struct provider *p = t->provider;
    if (p->url_option != NULL) {
        read_addresses(L, t, options, anchors);
    } else {
        const char *url = t->base_url;
        if (url == NULL)
            url = environment(p->base_url_variable);
        if (url == NULL)
            url = p->base_url;
        add_address(L, t, "base_url", url, strlen(url), anchors);
    }
    t->base_url = t->addresses[0];
}

/* "acme P1/P2", or the addresses where a provider has no places. */
static void make_label(lua_State *L, struct target *t, int anchors)
{
    const struct provider *p = t->provider;
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    luaL_addstring(&b, p->name);
    for (size_t i = 0; p->places[i].name != NULL; i++) {
        luaL_addstring(&b, i == 0 ? " " : "/");
        luaL_addstring(&b, t->places[i]);
    }
    for (size_t i = 0; p->places[0].name == NULL && i < t->address_count; i++) {
        luaL_addstring(&b, i == 0 ? " " : ",");
        luaL_addstring(&b, t->addresses[i]);
    }
    luaL_pushresult(&b);
    t->label = lua_tostring(L, -1);
    lua_setfield(L, anchors, "label");
}

/* Targets of one credential share its pace; a token is told apart by a hash, so
 * that the name of the queue is no secret. */
static void find_queue(lua_State *L, struct target *t)
{
    if (t->http.authentication == AUTH_BEARER) {
        uint64_t hash = digest_quick(secret_bytes(t->http.password), secret_size(t->http.password));
        lua_pushfstring(L, "%s bearer %I", t->base_url, (LUAI_UACINT)hash);
    } else {
        bool anonymous = t->http.authentication == AUTH_NONE;
        lua_pushfstring(L, "%s %s", t->base_url, anonymous ? "" : t->http.user);
    }
    lua_getfield(L, LUA_REGISTRYINDEX, "kelp.engine");
    t->queue = engine_queue(lua_touserdata(L, -1), lua_tostring(L, -2), &t->limiter);
    lua_pop(L, 2);
    if (t->queue == NULL)
        luaL_error(L, "not enough memory");
}

int target_make(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    const struct provider *p = provider_named(name);
    if (p == NULL)
        return error_misuse(L, "there is no provider '%s'", name);
    if (!lua_istable(L, 2))
        return error_misuse(L, "kelp.%s: a table of options expected, got %s", name,
                          luaL_typename(L, 2));
    lua_settop(L, 2);

    struct target *t = lua_newuserdatauv(L, sizeof *t, 2);
    memset(t, 0, sizeof *t);
    t->provider = p;
    t->timeout = 60;
    t->policy = retry_policy_default();
    t->http.stall_timeout = 30;
    t->visibility_delay = 10;
    t->http.connect_timeout = 10;
    t->http.max_body = 64u * 1024 * 1024;
    t->http.max_headers = 256u * 1024;

    lua_newtable(L);
    int anchors = lua_gettop(L);
    /* A copy, so that the caller's later changes cannot free what we point to. */
    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, 2)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, anchors + 1);
    }
    lua_pushvalue(L, anchors + 1);
    lua_setfield(L, anchors, "options");
    read_options(L, t, anchors + 1);
    check_proxy(L, t);
    read_credentials(L, t, anchors + 1, anchors);
    read_client_key(L, t, anchors + 1, anchors);
    read_base_url(L, t, anchors + 1, anchors);
    /* Plain http is refused for the sake of credentials. */
    t->strict_http = t->http;
    t->http.allow_http |= t->http.authentication == AUTH_NONE;
    make_label(L, t, anchors);
    if (hooks_of(L)->admit_target != NULL)
        hooks_of(L)->admit_target(L, t);
    find_queue(L, t);
    lua_settop(L, anchors);
    lua_setiuservalue(L, -2, ANCHORS);
    lua_newtable(L);
    lua_setiuservalue(L, -2, FIELDS);
    target_push_metatable(L);
    lua_setmetatable(L, -2);
    return 1;
}

/* ---- the target as a Lua value ---- */

/* What the Lua side has to say of a field that there is not (target, name on the stack): nil, or
 * an error. */
static int unknown_field(lua_State *L)
{
    if (luaL_getmetafield(L, 1, "unknown_field") == LUA_TNIL) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_call(L, 2, 1);
    return 1;
}

/* target.list, target.can, target.provider, …: the Lua side's methods (upvalue 1)
 * first, then its fields, then what describes it. */
static int target_index(lua_State *L)
{
    struct target *t = target_check(L, 1);
    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    lua_getiuservalue(L, 1, FIELDS);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, -2) != LUA_TNIL)
        return 1;
    const char *field = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    int place = place_option(t->provider, field);
    if (place >= 0)
        lua_pushstring(L, t->places[place]);
    else if (strcmp(field, "provider") == 0)
        lua_pushstring(L, t->provider->name);
    else if (strcmp(field, "label") == 0)
        lua_pushstring(L, t->label);
    else if (strcmp(field, "base_url") == 0)
        lua_pushstring(L, t->base_url);
    else if (strcmp(field, "attempts") == 0)
        lua_pushinteger(L, t->policy.attempts);
    else if (strcmp(field, "deadline") == 0)
        lua_pushnumber(L, t->policy.deadline);
    else if (strcmp(field, "visibility_delay") == 0)
        lua_pushnumber(L, t->visibility_delay);
    else
        return unknown_field(L);
    return 1;
}

static int target_newindex(lua_State *L)
{
    struct target *t = target_check(L, 1);
    return error_misuse(L, "a target's fields cannot be set (%s)", t->label);
}

static int target_show(lua_State *L)
{
    struct target *t = target_check(L, 1);
    lua_pushfstring(L, "target %s", t->label);
    return 1;
}

void target_push_metatable(lua_State *L)
{
    if (luaL_newmetatable(L, TARGET)) {
        static const luaL_Reg functions[] = {
            {"__newindex", target_newindex},
            {"__tostring", target_show},
            {NULL, NULL},
        };
        luaL_setfuncs(L, functions, 0);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, "methods");
        lua_pushcclosure(L, target_index, 1);
        lua_setfield(L, -2, "__index");
    }
}

int target_describe(lua_State *L)
{
    struct target *t = target_check(L, 1);
    const struct provider *p = t->provider;
    lua_getiuservalue(L, 1, FIELDS);
    lua_newtable(L);
    for (int v = 0; v < VERB_COUNT; v++) {
        lua_pushboolean(L, p->routes[v].method != NULL);
        lua_setfield(L, -2, verb_name((enum verb)v));
    }
    lua_pushboolean(L, p->by_id);
    lua_setfield(L, -2, "address_by_id");
    lua_pushboolean(L, p->routes[VERB_UPDATE].method != NULL);
    lua_setfield(L, -2, "merge");
    lua_pushboolean(L, p->removes_keys);
    lua_setfield(L, -2, "remove_keys");
    lua_pushboolean(L, p->mask != NULL);
    lua_setfield(L, -2, "masks");
    lua_pushboolean(L, p->initial_state);
    lua_setfield(L, -2, "initial_state");
    lua_pushboolean(L, p->initial_offsets);
    lua_setfield(L, -2, "initial_offsets");
    lua_pushboolean(L, p->alters_when_stopped);
    lua_setfield(L, -2, "alters_when_stopped");
    lua_pushboolean(L, p->assigns_later);
    lua_setfield(L, -2, "assigns_later");
    lua_pushboolean(L, p->own_plugins);
    lua_setfield(L, -2, "own_plugins");
    lua_pushboolean(L, t->address_count > 1);
    lua_setfield(L, -2, "has_failover");
    return 2;
}
