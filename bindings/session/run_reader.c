#include "session/run_reader.h"

#include "http/exchange.h"
#include "journal/journal.h"
#include "journal/journal_runs.h"
#include "lua/error.h"
#include "session/op_table.h"

#include <stdint.h>

static const char READER[] = "kelp.run_reader";

static struct journal_options options_for(lua_State *L, const char *path)
{
    lua_getfield(L, LUA_REGISTRYINDEX, "kelp.engine");
    struct journal_options options = {.path = path,
                                      .clock = engine_clock(lua_touserdata(L, -1))};
    lua_pop(L, 1);
    return options;
}

static int raise_fault(lua_State *L, const struct journal_fault *fault)
{
    error_push(L, ERROR_JOURNAL, "%s", fault->message);
    return lua_error(L);
}

/* ---- what is said of a run ---- */

static void set_text(lua_State *L, const char *field, const char *text)
{
    if (text != NULL) {
        lua_pushstring(L, text);
        lua_setfield(L, -2, field);
    }
}

static void set_time(lua_State *L, const char *field, double seconds)
{
    if (seconds > 0) {
        lua_pushnumber(L, seconds);
        lua_setfield(L, -2, field);
    }
}

/* Into the table at the top. */
static void set_run(lua_State *L, const struct journal_run *run,
                    const size_t counts[JOURNAL_STATES])
{
    set_text(L, "id", run->id);
    set_text(L, "script", run->script);
    set_text(L, "digest", run->digest);
    set_text(L, "arguments", run->arguments);
    set_text(L, "tool", run->tool);
    set_text(L, "targets", run->targets);
    set_text(L, "state", journal_run_state_name(run->state));
    set_time(L, "started", run->started);
    set_time(L, "ended", run->ended);
    lua_pushinteger(L, run->passes);
    lua_setfield(L, -2, "passes");
    lua_createtable(L, 0, JOURNAL_STATES);
    for (int state = 0; state < JOURNAL_STATES; state++) {
        lua_pushinteger(L, (lua_Integer)counts[state]);
        lua_setfield(L, -2, journal_state_name((enum journal_state)state));
    }
    lua_setfield(L, -2, "counts");
}

static const char *kind_name(enum journal_kind kind)
{
    switch (kind) {
    case JOURNAL_BUSY: return "busy";
    case JOURNAL_VERSION: return "version";
    case JOURNAL_DAMAGED: return "damaged";
    case JOURNAL_UNSAFE: return "unsafe";
    case JOURNAL_NETWORK: return "network";
    default: return "unreadable";
    }
}

static void set_problem(lua_State *L, const struct journal_fault *fault)
{
    lua_createtable(L, 0, 3);
    set_text(L, "kind", kind_name(fault->kind));
    set_text(L, "message", fault->message);
    if (fault->pid > 0) {
        lua_pushinteger(L, fault->pid);
        lua_setfield(L, -2, "pid");
    }
    lua_setfield(L, -2, "problem");
}

/* Adds the summary (2) to the array (1), protected. */
static int add_summary(lua_State *L)
{
    const struct journal_summary *summary = lua_touserdata(L, 2);
    lua_createtable(L, 0, 12);
    if (summary->run != NULL) {
        set_run(L, summary->run, summary->counts);
        lua_pushboolean(L, summary->resumable);
        lua_setfield(L, -2, "resumable");
    } else {
        set_problem(L, summary->fault);
    }
    set_text(L, "id", summary->id);
    set_text(L, "path", summary->path);
    set_text(L, "script", summary->script);
    lua_rawseti(L, 1, (lua_Integer)lua_rawlen(L, 1) + 1);
    return 0;
}

struct collection {
    lua_State *L;
    int status; /* of Lua; the error value is at the top when it is none of LUA_OK */
};

/* An error must not jump over the reader of the folder. */
static bool collect(void *context, const struct journal_summary *summary)
{
    struct collection *c = context;
    lua_pushcfunction(c->L, add_summary);
    lua_pushvalue(c->L, 2);
    lua_pushlightuserdata(c->L, (void *)(uintptr_t)summary);
    c->status = lua_pcall(c->L, 2, 0, 0);
    return c->status == LUA_OK;
}

static int list(lua_State *L)
{
    struct journal_options options = options_for(L, luaL_checkstring(L, 1));
    struct journal_fault fault;
    struct collection collection = {L, LUA_OK};
    lua_settop(L, 1);
    lua_newtable(L);
    luaL_checkstack(L, 8, NULL);
    bool fine = journal_list(&options, collect, &collection, &fault);
    if (collection.status != LUA_OK)
        return lua_error(L);
    return fine ? 1 : raise_fault(L, &fault);
}

/* ---- one run ---- */

struct reader {
    struct journal *journal; /* NULL: closed */
    int64_t at;              /* the operation read last */
};

static struct reader *open_reader(lua_State *L)
{
    struct reader *r = luaL_checkudata(L, 1, READER);
    luaL_argcheck(L, r->journal != NULL, 1, "the run is closed");
    return r;
}

static int about(lua_State *L)
{
    struct reader *r = open_reader(L);
    size_t counts[JOURNAL_STATES];
    if (!journal_counts(r->journal, counts))
        return raise_fault(L, journal_fault(r->journal));
    lua_createtable(L, 0, 12);
    set_run(L, journal_run(r->journal), counts);
    return 1;
}

static int next_op(lua_State *L)
{
    struct reader *r = open_reader(L);
    struct journal_op op;
    if (!journal_next(r->journal, r->at, &op))
        return raise_fault(L, journal_fault(r->journal));
    if (op.id == 0)
        return 0;
    r->at = op.id;
    op_table_push(L, &op);
    return 1;
}

/* Nothing was written, so that there is nothing to lose in closing. */
static int close_run(lua_State *L)
{
    struct reader *r = luaL_checkudata(L, 1, READER);
    struct journal_fault ignored;
    journal_close(r->journal, &ignored);
    r->journal = NULL;
    return 0;
}

static void set_reader_metatable(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"about", about}, {"next", next_op}, {"close", close_run},
        {"__gc", close_run}, {"__close", close_run}, {NULL, NULL},
    };
    if (luaL_newmetatable(L, READER)) {
        luaL_setfuncs(L, methods, 0);
        lua_pushvalue(L, -1);
        lua_setfield(L, -2, "__index");
    }
    lua_setmetatable(L, -2);
}

static int open_run(lua_State *L)
{
    struct journal_options options = options_for(L, luaL_checkstring(L, 1));
    struct journal_fault fault;
    struct reader *r = lua_newuserdatauv(L, sizeof *r, 0);
    *r = (struct reader){0};
    set_reader_metatable(L);
    r->journal = journal_open_readonly(&options, &fault);
    return r->journal != NULL ? 1 : raise_fault(L, &fault);
}

/* ---- removing ---- */

static int remove_run(lua_State *L)
{
    struct journal_options options = options_for(L, luaL_checkstring(L, 1));
    struct journal_fault fault;
    return journal_remove(&options, &fault) ? 0 : raise_fault(L, &fault);
}

static int prune(lua_State *L)
{
    struct journal_options options = options_for(L, luaL_checkstring(L, 1));
    struct journal_fault fault;
    size_t removed;
    if (!journal_prune(&options, luaL_checknumber(L, 2), &removed, &fault))
        return raise_fault(L, &fault);
    lua_pushinteger(L, (lua_Integer)removed);
    return 1;
}

const luaL_Reg run_reader_functions[] = {
    {"runs", list},
    {"run_open", open_run},
    {"run_remove", remove_run},
    {"run_prune", prune},
    {NULL, NULL},
};
