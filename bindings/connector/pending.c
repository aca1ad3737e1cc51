#include "connector/pending.h"

#include "base/clock.h"
#include "connector/target_private.h"
#include "lua/error.h"
#include "lua/interrupt.h"
#include "secret/log.h"

#include <lauxlib.h>

#include <string.h>

static const char EXCHANGE[] = "kelp.exchange";

static size_t alive;

void pending_end(struct pending *p)
{
    if (p->target == NULL)
        return;
    engine_withdraw(p->engine, &p->exchange);
    exchange_free(&p->exchange);
    p->target = NULL;
    alive--;
}

static int pending_collect(lua_State *L)
{
    pending_end(luaL_checkudata(L, 1, EXCHANGE));
    return 0;
}

size_t pending_count(void)
{
    return alive;
}

struct pending *pending_push(lua_State *L, struct target *t)
{
    struct pending *p = lua_newuserdatauv(L, sizeof *p, 0);
    p->target = NULL;
    if (luaL_newmetatable(L, EXCHANGE)) {
        lua_pushcfunction(L, pending_collect);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    exchange_init(&p->exchange);
    memset(&p->call, 0, sizeof p->call);
    p->address = p->asked = 0;
    p->sends = 0;
    lua_getfield(L, LUA_REGISTRYINDEX, "kelp.engine");
    p->engine = lua_touserdata(L, -1);
    lua_pop(L, 1);
    p->target = t;
    alive++;
    return p;
}

/* What the engine made of it: the class of the last attempt, whether trying
 * again later makes sense, and what it was waited for. */
static void push_history(lua_State *L, const struct pending *p, int error)
{
    static const char *const outcomes[] = {"done", "refused", "rejected", "not_sent", "ambiguous"};
    const struct exchange *x = &p->exchange;
    bool reads = p->target->provider->routes[p->call.verb].effect == EFFECT_NONE;
    enum outcome outcome = x->outcome;
    /* What was never handed over was refused on this side; a 2xx that cannot be
     * read is an answer to nothing. */
    if (outcome == OUTCOME_DONE)
        outcome = x->attempts == 0 ? OUTCOME_REFUSED : OUTCOME_AMBIGUOUS;
    lua_pushstring(L, outcomes[outcome]);
    lua_setfield(L, error, "outcome");
    lua_pushboolean(L, outcome == OUTCOME_REJECTED ||
                           (outcome == OUTCOME_NOT_SENT &&
                            x->transfer.response.fault != FAULT_CANCELLED &&
                            x->transfer.response.fault != FAULT_TLS) ||
                           (outcome == OUTCOME_AMBIGUOUS && reads));
    lua_setfield(L, error, "retryable");
    if (x->waited > 0) {
        lua_pushnumber(L, x->waited);
        lua_setfield(L, error, "waited");
    }
    if (x->paused) {
        lua_pushnumber(L, x->wait);
        lua_setfield(L, error, "retry_after");
        lua_pushboolean(L, 1);
        lua_setfield(L, error, "paused");
    }
    if (x->is_ambiguous) {
        lua_pushboolean(L, 1);
        lua_setfield(L, error, "is_ambiguous");
    }
    if (x->is_ambiguous && x->transfer.response.sent != SENT_YES) {
        lua_pushliteral(L, "maybe");
        lua_setfield(L, error, "sent");
    }
}

/* A write that was cut short by a cancellation may have been carried out, and its
 * error may reach nobody: an interrupt raises over it, or its task is not waited for
 * any more. So it is named here. */
static void log_ambiguous(const struct pending *p)
{
    const struct exchange *x = &p->exchange;
    if (!x->is_ambiguous || x->transfer.response.fault != FAULT_CANCELLED ||
        p->target->provider->routes[p->call.verb].effect == EFFECT_NONE)
        return;
    const char *connector = p->call.name != NULL ? p->call.name : p->call.connector;
    log_line(LOG_ERROR, "%s %s on %s: whether it was carried out is not known: %s",
             verb_shown(p->call.verb), connector, p->target->label, x->transfer.response.message);
}

/* ---- the budget of a write ---- */

void pending_take_budget(lua_State *L, struct pending *p)
{
    struct exchange *x = &p->exchange;
    int top = lua_gettop(L);
    if (lua_getfield(L, 5, "used") == LUA_TTABLE) {
        lua_getfield(L, top + 1, "attempts");
        lua_getfield(L, top + 1, "sends");
        lua_getfield(L, top + 1, "began");
        x->past.elapsed = clock_now(engine_clock(p->engine)) - lua_tonumber(L, -1);
        if (x->writes) {
            x->past.attempts = (int)lua_tointeger(L, top + 2);
            p->sends = (int)lua_tointeger(L, top + 3);
        }
    }
    lua_settop(L, top);
}

void pending_give_budget(lua_State *L, const struct pending *p, bool failed)
{
    const struct exchange *x = &p->exchange;
    if (!x->writes || x->attempts == 0 || !lua_istable(L, 5))
        return;
    bool counts = failed && x->outcome != OUTCOME_REJECTED; /* as retry_decide does */
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, x->past.attempts + counts);
    lua_setfield(L, -2, "attempts");
    lua_pushinteger(L, p->sends + x->attempts);
    lua_setfield(L, -2, "sends");
    lua_pushnumber(L, x->begun);
    lua_setfield(L, -2, "began");
    lua_setfield(L, 5, "used");
}

int pending_raise(lua_State *L, struct pending *p)
{
    int error = lua_gettop(L);
    const struct response *r = &p->exchange.transfer.response;
    static const char *const sent_names[] = {"no", "maybe", "yes"};
    const struct request *q = &p->exchange.transfer.request;
    lua_pushstring(L, p->target->provider->name);
    lua_setfield(L, error, "provider");
    lua_pushstring(L, p->target->label);
    lua_setfield(L, error, "target");
    if (!lua_istable(L, 5) || lua_getfield(L, 5, "verb") != LUA_TSTRING)
        lua_pushstring(L, verb_shown(p->call.verb));
    lua_setfield(L, error, "verb");
    lua_settop(L, error);
    const char *connector = p->call.name != NULL ? p->call.name : p->call.connector;
    if (connector != NULL) {
        lua_pushstring(L, connector);
        lua_setfield(L, error, "connector");
    }
    lua_pushstring(L, sent_names[r->sent]);
    lua_setfield(L, error, "sent");
    lua_pushinteger(L, p->sends + p->exchange.attempts);
    lua_setfield(L, error, "attempts");
    pending_give_budget(L, p, true);
    push_history(L, p, error);
    log_ambiguous(p);
    if (log_enabled(LOG_DEBUG)) {
        lua_getfield(L, error, "kind");
        log_line(LOG_DEBUG, "%s %s: %s", q->method, buffer_text(&q->url), lua_tostring(L, -1));
        lua_pop(L, 1);
    }
    pending_end(p);
    return lua_error(L);
}

static enum error_kind kind_of_fault(enum fault fault)
{
    switch (fault) {
    case FAULT_TLS: return ERROR_TLS;
    case FAULT_TIMEOUT: return ERROR_TIMEOUT;
    case FAULT_PROTOCOL:
    case FAULT_TOO_LARGE: return ERROR_PROTOCOL;
    case FAULT_REFUSED: return ERROR_INVALID;
    case FAULT_CANCELLED: return ERROR_CANCELLED;
    case FAULT_UNRECORDED: return ERROR_JOURNAL;
    default: return ERROR_NETWORK;
    }
}

void pending_push_fault(lua_State *L, struct pending *p)
{
    const struct response *r = &p->exchange.transfer.response;
    enum error_kind kind = kind_of_fault(r->fault);
    if (r->sent == SENT_MAYBE && p->target->provider->routes[p->call.verb].effect != EFFECT_NONE) {
        error_push(L, ERROR_UNKNOWN_OUTCOME, "the request may have been carried out: %s",
                   r->message);
        lua_pushstring(L, error_kind_name(kind));
        lua_setfield(L, -2, "cause");
    } else if (r->fault == FAULT_CANCELLED) {
        error_push(L, kind, interrupt_pending() ? interrupt_reason() : "the task was cancelled");
    } else {
        error_push(L, kind, "%s", r->message);
    }
    if (r->status != 0) {
        lua_pushinteger(L, r->status);
        lua_setfield(L, -2, "status");
    }
}
