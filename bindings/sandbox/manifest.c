#include "sandbox/manifest.h"

#include "base/glob.h"
#include "connector/connector.h"
#include "connector/hooks.h"
#include "lua/error.h"
#include "sandbox/manifest_private.h"
#include "connector/target.h"
#include "connector/target_private.h"

#include <lauxlib.h>

#include <string.h>

struct manifest *manifest_of(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, MANIFEST_KEY);
    struct manifest *m = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return m;
}

int manifest_writer(const char *verb)
{
    int found = verb_named(verb);
    return found >= 0 && verb_is_public_write((enum verb)found) ? found : -1;
}

bool manifest_reader(const char *verb)
{
    const struct verb_row *row = verb_row_named(verb);
    return row != NULL && row->step_of == NULL && row->effect == EFFECT_NONE;
}

/* ---- refusing ---- */

static const char NO_MANIFEST[] =
    "the script is restricted and has no manifest, so it may only read";

/* Completes the error at the top and raises it. */
static int refuse(lua_State *L, const struct target *t, const char *verb, const char *connector)
{
    lua_pushliteral(L, "no");
    lua_setfield(L, -2, "sent");
    lua_pushliteral(L, "refused");
    lua_setfield(L, -2, "outcome");
    if (t != NULL) {
        lua_pushstring(L, t->label);
        lua_setfield(L, -2, "target");
        lua_pushstring(L, t->provider->name);
        lua_setfield(L, -2, "provider");
    }
    lua_pushstring(L, verb);
    lua_setfield(L, -2, "verb");
    lua_pushstring(L, connector);
    lua_setfield(L, -2, "connector");
    return lua_error(L);
}

static void check_name(lua_State *L, const struct manifest *m, const struct target *t,
                       const char *verb, const char *name)
{
    for (size_t i = 0; i < m->connectors.count; i++) {
        if (glob_matches(m->connectors.items[i], name))
            return;
    }
    error_push(L, ERROR_FORBIDDEN, "the manifest does not allow it: nothing in connectors matches "
                                   "'%s'", name);
    refuse(L, t, verb, name);
}

/* Of the verbs in the mask at least one must be allowed. */
static void check_verbs(lua_State *L, const struct manifest *m, const struct target *t,
                        const char *verb, const char *connector, unsigned mask)
{
    if ((m->verbs & mask) != 0)
        return;
    if (m->reads_only)
        error_push(L, ERROR_FORBIDDEN, "%s: verbs = { \"%s\" } in a manifest would allow it",
                   NO_MANIFEST, verb);
    else
        error_push(L, ERROR_FORBIDDEN, "the manifest does not allow it: \"%s\" is not in its verbs",
                   verb);
    refuse(L, t, verb, connector);
}

/* ---- the verbs as the script calls them ---- */

static int return_all(lua_State *L, int status, lua_KContext context)
{
    (void)status, (void)context;
    return lua_gettop(L);
}

/* Upvalues: the verb's own function, its name. */
static int strict_http(lua_State *L)
{
    const char *verb = lua_tostring(L, lua_upvalueindex(2));
    struct manifest *m = manifest_of(L);
    int writer = manifest_writer(verb);
    if (m != NULL && (writer >= 0 || !manifest_reader(verb))) {
        luaL_checkstack(L, 8, NULL);
        int given = lua_gettop(L);
        const char *name = NULL;
        bool of_connector = given >= 1 && connector_is(L, 1);
        if (!of_connector && lua_type(L, 2) == LUA_TSTRING)
            name = lua_tostring(L, 2);
        int record = of_connector ? 1 : 2;
        if (name == NULL && lua_istable(L, record)) {
            lua_pushliteral(L, "name");
            if (lua_rawget(L, record) == LUA_TSTRING)
                name = lua_tostring(L, -1);
        }
        struct target *t = NULL;
        if (of_connector) {
            lua_pushliteral(L, "target");
            lua_rawget(L, 1);
            t = target_test(L, -1);
        } else if (given >= 1) {
            t = target_test(L, 1);
        }
        check_verbs(L, m, t, verb, name, writer >= 0 ? BIT(writer) : 0);
        if (name != NULL)
            check_name(L, m, t, verb, name);
        if (m->most_of[writer] >= 0 && m->calls[writer] >= m->most_of[writer]) {
            error_push(L, ERROR_FORBIDDEN, "the manifest does not allow more: writes = { %s = %I } "
                       "are used up", verb, (LUAI_UACINT)m->most_of[writer]);
            refuse(L, t, verb, name);
        }
        m->calls[writer]++;
        lua_settop(L, given);
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, return_all);
    return lua_gettop(L);
}

void manifest_guard(lua_State *L, const char *verb)
{
    lua_pushstring(L, verb);
    lua_pushcclosure(L, strict_http, 2);
}

/* ---- the requests that they make ---- */

/* The verbs of scripts that may need this request. */
static unsigned callers_of(enum verb verb)
{
    unsigned mask = 0;
    for (int sender = 0; sender < VERB_COUNT; sender++) {
        if (verb_may_be_sent_by(verb, (enum verb)sender))
            mask |= BIT(sender);
    }
    return mask;
}

/* Pushes the name by which the provider's own answers know that id, or nil. */
static void push_learnt(lua_State *L, const struct target *t, const char *id)
{
    lua_getfield(L, LUA_REGISTRYINDEX, MANIFEST_KEY);
    lua_getiuservalue(L, -1, 1);
    lua_pushfstring(L, "%s %s", t->label, id);
    lua_rawget(L, -2);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

static void check_request(lua_State *L, const struct target *t, enum verb verb,
                          const struct route *route, const char *connector)
{
    struct manifest *m = manifest_of(L);
    if (m == NULL || route->effect == EFFECT_NONE)
        return;
    const char *name = connector;
    luaL_checkstack(L, 8, NULL);
    int top = lua_gettop(L);
    check_verbs(L, m, t, verb_name(verb), connector, callers_of(verb));
    if (t->provider->by_id && verb != VERB_CREATE && connector != NULL) {
        push_learnt(L, t, connector);
        name = lua_tostring(L, -1);
        if (name == NULL) {
            error_push(L, ERROR_FORBIDDEN, "the manifest allows writes by name, and no answer of "
                       "the provider has named the connector of this id");
            refuse(L, t, verb_name(verb), connector);
        }
    }
    check_name(L, m, t, verb_name(verb), name != NULL ? name : "");
    if (m->sent >= m->most) {
        error_push(L, ERROR_FORBIDDEN, "the manifest does not allow more: %I writes in all are "
                   "used up", (LUAI_UACINT)m->most);
        refuse(L, t, verb_name(verb), name);
    }
    m->sent++;
    lua_settop(L, top);
}

/* names["TARGET ID"] = name, for the record at the top */
static void learn_one(lua_State *L, const struct target *t, int names)
{
    if (!connector_is(L, -1))
        return;
    lua_getfield(L, -1, "id");
    lua_getfield(L, -2, "name");
    if (lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING) {
        lua_pushfstring(L, "%s %s", t->label, lua_tostring(L, -2));
        lua_insert(L, -2);
        lua_rawset(L, names);
        lua_pop(L, 1);
    } else {
        lua_pop(L, 2);
    }
}

static void learn_record(lua_State *L, const struct target *t)
{
    if (!t->provider->by_id || manifest_of(L) == NULL || !lua_istable(L, -1))
        return;
    luaL_checkstack(L, 8, NULL);
    int answer = lua_gettop(L);
    lua_getfield(L, LUA_REGISTRYINDEX, MANIFEST_KEY);
    lua_getiuservalue(L, -1, 1);
    int names = lua_gettop(L);
    lua_pushvalue(L, answer);
    learn_one(L, t, names);
    bool is_list = !connector_is(L, answer);
    for (lua_Integer i = 1; is_list && lua_rawgeti(L, answer, i) != LUA_TNIL; i++) {
        learn_one(L, t, names);
        lua_pop(L, 1);
    }
    lua_settop(L, answer);
}

/* ---- targets ---- */

static bool same_address(const char *a, const char *b)
{
    size_t a_size = strlen(a), b_size = strlen(b);
    while (a_size > 0 && a[a_size - 1] == '/')
        a_size--;
    while (b_size > 0 && b[b_size - 1] == '/')
        b_size--;
    return a_size == b_size && memcmp(a, b, a_size) == 0;
}

static bool is_place(const struct place *place, const struct target *t, const char *address)
{
    if (place->name != NULL || place->provider != t->provider)
        return false;
    for (int i = 0; t->provider->places[i].name != NULL; i++) {
        if (strcmp(place->values[i], t->places[i]) != 0)
            return false;
    }
    return place->url == NULL || address == NULL || same_address(place->url, address);
}

static bool lists(const struct manifest *m, const struct target *t, const char *address)
{
    for (size_t i = 0; i < m->place_count; i++) {
        if (is_place(&m->places[i], t, address))
            return true;
    }
    return false;
}

/* Under --sim the address is the simulator's, whatever was asked for. */
static bool is_simulated(const struct manifest *m, const struct target *t)
{
    return m->simulator != NULL && strncmp(t->base_url, m->simulator, strlen(m->simulator)) == 0;
}

/* Raises: what the manifest would have to say. */
static void refuse_target(lua_State *L, const struct target *t, const char *address)
{
    const struct provider *p = t->provider;
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    luaL_addstring(&b, "targets = { { provider = \"");
    luaL_addstring(&b, p->name);
    for (int i = 0; p->places[i].name != NULL; i++) {
        luaL_addstring(&b, "\", ");
        luaL_addstring(&b, p->places[i].name);
        luaL_addstring(&b, " = \"");
        luaL_addstring(&b, t->places[i]);
    }
    if (p->url_option != NULL) {
        luaL_addstring(&b, "\", url = \"");
        luaL_addstring(&b, address);
    }
    luaL_addstring(&b, "\" } }");
    luaL_pushresult(&b);
    error_push(L, ERROR_FORBIDDEN, "the manifest does not list this target: %s would allow it",
               lua_tostring(L, -1));
    refuse(L, t, NULL, NULL);
}

static void admit_target(lua_State *L, struct target *t)
{
    struct manifest *m = manifest_of(L);
    if (m == NULL)
        return;
    if (m->rate > 0 && (!(t->limiter.rate > 0) || t->limiter.rate > m->rate))
        t->limiter.rate = m->rate;
    if (m->reads_only || m->admits)
        return;
    bool simulated = is_simulated(m, t);
    for (size_t i = 0; i < t->address_count; i++) {
        if (!lists(m, t, simulated ? NULL : t->addresses[i]))
            refuse_target(L, t, t->addresses[i]);
    }
}

void manifest_set_hooks(lua_State *L)
{
    struct connector_hooks *hooks = hooks_of(L);
    hooks->admit_target = admit_target;
    hooks->check_request = check_request;
    hooks->learn_record = learn_record;
}

void manifest_call_named(lua_State *L, int index)
{
    struct manifest *m = manifest_of(L);
    const char *name = luaL_checkstring(L, index);
    bool listed = m == NULL || m->reads_only;
    for (size_t i = 0; m != NULL && i < m->place_count && !listed; i++)
        listed = m->places[i].name != NULL && strcmp(m->places[i].name, name) == 0;
    if (!listed) {
        error_push(L, ERROR_FORBIDDEN, "the manifest does not list this target: targets = { \"%s\" "
                   "} would allow it", name);
        refuse(L, NULL, NULL, NULL);
    }
    lua_pushvalue(L, index);
    if (m != NULL)
        m->admits = true;
    int status = lua_pcall(L, 1, 1, 0);
    if (m != NULL)
        m->admits = false;
    if (status != LUA_OK)
        lua_error(L);
}

bool manifest_lists_targets(lua_State *L)
{
    const struct manifest *m = manifest_of(L);
    return m == NULL || !m->reads_only;
}

/* ---- secrets ---- */

void manifest_check_secret(lua_State *L, const char *variable)
{
    const struct manifest *m = manifest_of(L);
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->secrets.count; i++) {
        if (strcmp(m->secrets.items[i], variable) == 0)
            return;
    }
    error_push(L, ERROR_FORBIDDEN, "a restricted script may not read the secret %s: secrets = { "
               "\"%s\" } in a manifest would allow it", variable, variable);
    refuse(L, NULL, "kelp.secret", NULL);
}
