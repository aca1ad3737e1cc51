#include "session/writes.h"

#include "base/buffer.h"
#include "base/digest.h"
#include "secret/log.h"
#include "secret/secret.h"
#include "http/exchange.h"
#include "journal/journal.h"
#include "connector/config.h"
#include "connector/secret_name.h"
#include "lua/error.h"
#include "session/journal_encode.h"
#include "session/journal_text.h"
#include "session/op_table.h"
#include "session/place.h"
#include "connector/target_private.h"
#include "lua/task.h"
#include "providers/provider.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A config of 32 MiB is the largest that is sent. */
enum { MAX_TEXT = 64 * 1024 * 1024 };

struct run {
    struct engine *engine;
    const struct writes_settings *settings;
    struct journal *journal; /* NULL: none, or none yet */
    bool earlier;            /* it is an earlier run's, which this one resumes */
    /* Scratch, kept for reuse. */
    struct buffer request, value;
    /* Of the changes that `request` is the text of, if it is that of any (0: not). */
    uint64_t described, described_sum;
    size_t described_generation;
};

/* registry[&REGISTRY_KEY] = the run's userdata. User values: */
enum { COUNTS = 1, SEEN = 2 }; /* writes by key; connectors that reads have shown */
static char REGISTRY_KEY;

static struct run *run_of(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &REGISTRY_KEY);
    struct run *r = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return r;
}

static int run_collect(lua_State *L)
{
    struct run *r = lua_touserdata(L, 1);
    buffer_wipe(&r->request);
    buffer_wipe(&r->value);
    return 0;
}

void writes_open(lua_State *L, struct engine *e, const struct writes_settings *settings)
{
    struct run *r = lua_newuserdatauv(L, sizeof *r, 2);
    *r = (struct run){.engine = e, .settings = settings};
    buffer_init(&r->request, MAX_TEXT);
    buffer_init(&r->value, MAX_TEXT);
    lua_newtable(L);
    lua_setiuservalue(L, -2, COUNTS);
    lua_newtable(L);
    lua_setiuservalue(L, -2, SEEN);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, run_collect);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &REGISTRY_KEY);
}

void writes_use_journal(lua_State *L, struct journal *j, bool earlier)
{
    struct run *r = run_of(L);
    r->journal = j;
    r->earlier = earlier;
    engine_set_journal(r->engine, j);
}

struct journal *writes_journal(lua_State *L)
{
    return run_of(L)->journal;
}

struct journal *writes_detach_journal(lua_State *L)
{
    struct run *r = run_of(L);
    if (r == NULL)
        return NULL; /* the state was never set up */
    struct journal *j = r->journal;
    r->journal = NULL;
    engine_set_journal(r->engine, NULL);
    return j;
}

static int raise_fault(lua_State *L, const struct journal_fault *fault)
{
    error_push(L, ERROR_JOURNAL, "%s", fault->message);
    lua_pushliteral(L, "no");
    lua_setfield(L, -2, "sent");
    return lua_error(L);
}

static struct journal *journal_at_hand(lua_State *L, struct run *r)
{
    if (r->journal == NULL) {
        struct journal_fault fault;
        struct journal *j = r->settings->create(r->settings->context, &fault);
        if (j == NULL)
            raise_fault(L, &fault);
        writes_use_journal(L, j, false);
    }
    return r->journal;
}

static bool records(const struct run *r)
{
    return !r->settings->plan && (r->settings->create != NULL || r->journal != NULL);
}

void writes_check(lua_State *L, const struct route *route, const char *verb, int64_t op)
{
    if (route->effect == EFFECT_NONE)
        return;
    const struct run *r = run_of(L);
    if (r->settings->plan)
        luaL_error(L, "%s: nothing is changed while planning", verb);
    if (op == 0 && records(r))
        luaL_error(L, "%s: its intent is not in the journal", verb);
}

/* ---- keys ---- */

static void push_user_value(lua_State *L, int which)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &REGISTRY_KEY);
    lua_getiuservalue(L, -1, which);
    lua_remove(L, -2);
}

static void push_joined(lua_State *L, struct run *r, const char *const parts[], size_t count)
{
    buffer_clear(&r->value);
    for (size_t i = 0; i < count; i++) {
        if (!buffer_add_text(&r->value, parts[i]))
            luaL_error(L, "not enough memory");
    }
    lua_pushlstring(L, buffer_text(&r->value), r->value.size);
}

/* "create orders on acme eu/orders", and #2 for the second such write of
 * this run; or what the script calls it. [-0, +1, e] */
static void push_key(lua_State *L, struct run *r, int target, const char *verb, const char *name,
                     const char *given)
{
    secret_name_refuse(L, "the connector's name", name, strlen(name));
    if (given != NULL)
        secret_name_refuse(L, "the option key", given, strlen(given));
    push_user_value(L, COUNTS);
    int counts = lua_gettop(L);
    if (given != NULL) {
        const char *const parts[] = {"key ", given, " on ", place_push_text(L, target)};
        push_joined(L, r, parts, 4);
    } else {
        const char *const parts[] = {verb, " ", name, " on ", place_push_text(L, target)};
        push_joined(L, r, parts, 5);
    }
    lua_pushvalue(L, -1);
    lua_rawget(L, counts);
    lua_Integer n = lua_tointeger(L, -1) + 1;
    lua_pop(L, 1);
    if (n > 1 && given != NULL)
        error_misuse(L, "%s: the key '%s' is used a second time in this run", verb, given);
    lua_pushvalue(L, -1);
    lua_pushinteger(L, n);
    lua_rawset(L, counts);
    if (n > 1) {
        char number[24];
        snprintf(number, sizeof number, "%lld", (long long)n);
        const char *const parts[] = {lua_tostring(L, -1), " #", number};
        push_joined(L, r, parts, 3);
    }
    lua_replace(L, counts);
    lua_settop(L, counts);
}

enum { DIGEST = 17 }; /* 16 digits and a NUL */

/* The request as it is recorded, and its digest; NULL for a verb that has none. */
static const char *describe(lua_State *L, struct run *r, const char *verb, int request,
                            char digest[DIGEST])
{
    static const char digits[] = "0123456789abcdef";
    bool any = lua_istable(L, request);
    uint64_t number = any ? config_changes_number(L, request) : 0, sum = 0;
    if (number != 0 && number == r->described
        && r->described_generation == secret_generation()) {
        sum = r->described_sum;
    } else {
        buffer_clear(&r->request);
        r->described = 0;
        if (any && !journal_encode_request(L, request, &r->request, &sum))
            luaL_error(L, "not enough memory");
        r->described = number;
        r->described_sum = sum;
        r->described_generation = secret_generation();
    }
    sum += digest_quick(verb, strlen(verb));
    for (int i = 0; i < 16; i++)
        digest[i] = digits[sum >> (60 - 4 * i) & 15];
    digest[16] = '\0';
    return any ? buffer_text(&r->request) : NULL;
}

static int find(lua_State *L)
{
    const char *verb = luaL_checkstring(L, 2), *name = luaL_checkstring(L, 3);
    const char *given = luaL_optstring(L, 4, NULL);
    struct run *r = run_of(L);
    lua_settop(L, 5);
    if (!records(r))
        return 0;
    push_key(L, r, 1, verb, name, given);
    if (!r->earlier)
        return 1;
    struct journal_op op;
    char digest[DIGEST];
    if (!journal_find(r->journal, lua_tostring(L, 6), &op))
        raise_fault(L, journal_fault(r->journal));
    if (op.id == 0)
        return 1;
    if (!journal_reach(r->journal, op.id))
        raise_fault(L, journal_fault(r->journal));
    op_table_push(L, &op);
    describe(L, r, verb, 5, digest);
    lua_pushboolean(L, strcmp(digest, op.digest) != 0);
    lua_setfield(L, -2, "differs");
    return 2;
}

static int intend(lua_State *L)
{
    const char *key = luaL_checkstring(L, 1);
    const char *verb = luaL_checkstring(L, 3), *name = luaL_checkstring(L, 4);
    lua_settop(L, 6);
    struct run *r = run_of(L);
    struct journal *j = journal_at_hand(L, r);
    char digest[DIGEST];
    struct journal_intent intent = {.key = key, .verb = verb, .connector = name, .digest = digest};
    intent.target = place_push_json(L, 2);
    error_push_where(L);
    intent.place = lua_tostring(L, -1);
    intent.request = describe(L, r, verb, 5, digest);
    if (!lua_isnil(L, 6)) {
        buffer_clear(&r->value);
        if (!journal_encode_pre_image(L, 6, op_table_is_partial(verb) ? 5 : 0, &r->value))
            luaL_error(L, "not enough memory");
        intent.pre_image = buffer_text(&r->value);
    }
    int64_t op;
    if (!journal_text_intend(L, j, &intent, &op))
        raise_fault(L, journal_fault(j));
    if (!journal_is_reached(j, op) && !journal_reach(j, op))
        raise_fault(L, journal_fault(j));
    lua_pushinteger(L, op);
    return 1;
}

/* ---- outcomes ---- */

static enum journal_state check_state(lua_State *L, int index)
{
    const char *name = luaL_checkstring(L, index);
    for (int state = 0; state < JOURNAL_STATES; state++) {
        if (strcmp(name, journal_state_name((enum journal_state)state)) == 0)
            return (enum journal_state)state;
    }
    return (enum journal_state)luaL_argerror(L, index, "no such state");
}

/* An outcome that cannot be recorded is said instead: a resumed run will find
 * it ambiguous. The arguments of journal_end are on the stack. */
static int raise_unrecorded(lua_State *L, const struct journal *j)
{
    const char *key = lua_tostring(L, 6), *error = lua_tostring(L, 4);
    log_line(LOG_ERROR, "%s: %s, but that could not be recorded", key != NULL ? key : "a write",
             error != NULL ? error : lua_tostring(L, 2));
    return raise_fault(L, journal_fault(j));
}

/* After the commit: the outcome is on disk, or the script must not go on. */
static int ended(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    (void)context;
    struct journal *j = writes_journal(L);
    return journal_is_dead(j) ? raise_unrecorded(L, j) : 0;
}

static int end(lua_State *L)
{
    struct run *r = run_of(L);
    int64_t op = luaL_checkinteger(L, 1);
    struct journal_outcome outcome = {.state = check_state(L, 2),
                                      .attempts = engine_sends(r->engine, op)};
    lua_settop(L, 6);
    if (!lua_isnil(L, 4))
        outcome.error = luaL_checkstring(L, 4);
    if (!lua_isnil(L, 3)) {
        buffer_clear(&r->value);
        if (!journal_encode_result(L, 3, lua_istable(L, 5) ? 5 : 0, &r->value))
            luaL_error(L, "not enough memory");
        outcome.result = buffer_text(&r->value);
        if (lua_istable(L, 3) && lua_getfield(L, 3, "id") == LUA_TSTRING)
            outcome.remote_id = lua_tostring(L, -1);
    }
    if (!journal_text_end(L, r->journal, op, &outcome))
        return raise_unrecorded(L, r->journal);
    lua_settop(L, 6);
    return task_await_commit(L, ended, 0);
}

static int sends(lua_State *L)
{
    lua_pushinteger(L, engine_sends(run_of(L)->engine, luaL_checkinteger(L, 1)));
    return 1;
}

static int undo(lua_State *L)
{
    struct journal *j = writes_journal(L);
    if (!journal_undo(j, luaL_checkinteger(L, 1)))
        raise_fault(L, journal_fault(j));
    return 0;
}

/* ---- what is recorded ---- */

static int previous(lua_State *L)
{
    struct journal *j = writes_journal(L);
    struct journal_op op;
    if (!journal_previous(j, luaL_optinteger(L, 1, INT64_MAX), &op))
        raise_fault(L, journal_fault(j));
    if (op.id == 0)
        return 0;
    op_table_push(L, &op);
    return 1;
}

static int saw(lua_State *L)
{
    const char *name = luaL_checkstring(L, 2);
    if (!run_of(L)->earlier)
        return 0;
    const char *place = place_push_json(L, 1);
    push_user_value(L, SEEN);
    lua_pushfstring(L, "%s on %s", name, place);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
    return 0;
}

bool writes_has_seen(lua_State *L, const char *connector, const char *place)
{
    push_user_value(L, SEEN);
    lua_pushfstring(L, "%s on %s", connector, place);
    bool seen = lua_rawget(L, -2) != LUA_TNIL;
    lua_pop(L, 2);
    return seen;
}

static int take(lua_State *L)
{
    struct run *r = run_of(L);
    const char *name = luaL_checkstring(L, 1);
    struct journal_fault fault;
    if (r->journal != NULL)
        return luaL_error(L, "this run has a journal already");
    bool own = false;
    struct journal *j = r->settings->take(r->settings->context, name, &own, &fault);
    if (j == NULL)
        raise_fault(L, &fault);
    writes_use_journal(L, j, true);
    lua_pushboolean(L, own);
    return 1;
}

static int value(lua_State *L)
{
    struct run *r = run_of(L);
    char *json = NULL;
    const char *label = luaL_checkstring(L, 1);
    if (r->journal == NULL)
        return 0;
    if (!journal_value_get(r->journal, label, &json))
        raise_fault(L, journal_fault(r->journal));
    if (json == NULL)
        return 0;
    lua_pushstring(L, json);
    free(json);
    return 1;
}

static int set_value(lua_State *L)
{
    struct run *r = run_of(L);
    const char *label = luaL_checkstring(L, 1), *json = luaL_checkstring(L, 2);
    if (!records(r))
        return 0;
    struct journal *j = journal_at_hand(L, r);
    if (!journal_text_set_value(L, j, label, json))
        raise_fault(L, journal_fault(j));
    lua_settop(L, 2);
    return task_await_commit(L, ended, 0);
}

static int records_call(lua_State *L)
{
    lua_pushboolean(L, records(run_of(L)));
    return 1;
}

static int id(lua_State *L)
{
    struct journal *j = writes_journal(L);
    lua_pushstring(L, j != NULL ? journal_run(j)->id : NULL);
    return 1;
}

const luaL_Reg writes_functions[] = {
    {"journal_find", find},
    {"journal_intend", intend},
    {"journal_end", end},
    {"journal_sent", sends},
    {"journal_undo", undo},
    {"journal_previous", previous},
    {"journal_saw", saw},
    {"journal_take", take},
    {"journal_value", value},
    {"journal_set_value", set_value},
    {"journal_hides", journal_hides_call},
    {"journal_records", records_call},
    {"journal_id", id},
    {NULL, NULL},
};
