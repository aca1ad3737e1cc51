#include "kelp.h"

#include "connector/call.h"
#include "connector/config.h"
#include "connector/connector.h"
#include "connector/hooks.h"
#include "connector/pending.h"
#include "lua/error.h"
#include "lua/evaluate.h"
#include "lua/json.h"
#include "lua/output.h"
#include "session/at_end.h"
#include "session/place.h"
#include "session/writes.h"
#include "session/run_reader.h"
#include "lua/secret_value.h"
#include "lua/selection.h"
#include "connector/target.h"
#include "connector/verb_table.h"
#include "connector/record.h"
#include "connector/secret_name.h"
#include "connector/provider_table.h"
#include "providers/provider.h"
#include "lua/output.h"
#include "lua/task.h"
#include "connector/sensitive_keys.h"
#include "connector/sensitive_values.h"

#include "base/clock.h"
#include "base/terminal.h"
#include "secret/log.h"
#include "secret/secret.h"
#include "simulator/simulator_lua.h"
#include "http/exchange.h"
#include "journal/journal.h"

#include <lauxlib.h>

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int now(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, "kelp.engine");
    lua_pushnumber(L, clock_now(engine_clock(lua_touserdata(L, -1))));
    return 1;
}

/* raw.reserve(more): see engine_reserve. */
static int reserve(lua_State *L)
{
    int more = (int)luaL_checkinteger(L, 1);
    lua_getfield(L, LUA_REGISTRYINDEX, "kelp.engine");
    engine_reserve(lua_touserdata(L, -1), more);
    return 0;
}

static int is_error(lua_State *L)
{
    lua_pushboolean(L, error_is(L, 1));
    return 1;
}

static int is_connector(lua_State *L)
{
    lua_pushboolean(L, connector_is(L, 1));
    return 1;
}

static int is_target(lua_State *L)
{
    lua_pushboolean(L, target_test(L, 1) != NULL);
    return 1;
}

static int alive(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)task_count(L));
    lua_pushinteger(L, (lua_Integer)pending_count());
    return 2;
}

/* raw.descriptors(): how many of the process's are sockets, how many others, and
 * what those are. Only the process itself can look. */
static int descriptors(lua_State *L)
{
    lua_Integer sockets = 0, others = 0;
    luaL_Buffer seen;
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return luaL_error(L, "/proc/self/fd: %s", strerror(errno));
    luaL_buffinit(L, &seen);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char *end, target[256];
        long fd = strtol(entry->d_name, &end, 10);
        if (end == entry->d_name || fd == dirfd(folder))
            continue;
        ssize_t size = readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1);
        target[size > 0 ? size : 0] = '\0';
        if (strncmp(target, "socket:", 7) == 0) {
            sockets++;
            continue;
        }
        /* If memory fails here the folder leaks; it is a test that asks. */
        luaL_addstring(&seen, others++ > 0 ? ", " : "");
        luaL_addstring(&seen, target);
    }
    closedir(folder);
    luaL_pushresult(&seen);
    lua_pushinteger(L, sockets);
    lua_pushinteger(L, others);
    lua_rotate(L, -3, 2);
    return 3;
}

/* raw.write(fd, text): through the redactor. */
static int write_out(lua_State *L)
{
    size_t size;
    int fd = (int)luaL_checkinteger(L, 1);
    const char *text = luaL_checklstring(L, 2, &size);
    int failure = output_write(fd, text, size);
    if (failure != 0)
        return luaL_error(L, "cannot write: %s", strerror(failure));
    return 0;
}

/* raw.log(level, text) */
static int log_text(lua_State *L)
{
    int level = log_level_of(luaL_checkstring(L, 1));
    luaL_argcheck(L, level > LOG_NONE, 1, "no such level");
    log_line((enum log_level)level, "%s", luaL_checkstring(L, 2));
    return 0;
}

/* raw.progress(text) */
static int progress(lua_State *L)
{
    log_progress(luaL_checkstring(L, 1));
    return 0;
}

static int progress_is_live(lua_State *L)
{
    lua_pushboolean(L, log_progress_is_live());
    return 1;
}

/* What kelp.raw has of connectors. */
static const luaL_Reg connector_functions[] = {
    {"target", target_make},
    {"describe", target_describe},
    {"exchange", call_exchange},
    {"backoff", call_backoff},
    {"limiter_state", call_limiter_state},
    {"reserve", reserve},
    {"check_name", call_check_name},
    {"normalise", config_normalise_call},
    {"changes", config_changes_call},
    {"receive", config_receive_call},
    {"is_mask", config_is_mask_call},
    {"is_injected", config_is_injected_call},
    {"read_listed", record_read_listed_call},
    {"is_secret_key", sensitive_values_is_call},
    {"secret_key_add", sensitive_keys_add_call},
    {"is_connector", is_connector},
    {"is_target", is_target},
    {NULL, NULL},
};

/* What it has of the runtime. */
static const luaL_Reg runtime_functions[] = {
    {"redact", secret_redact_call},
    {"refuse_secret", secret_name_refuse_call},
    {"error", error_make},
    {"misuse", error_misuse_call},
    {"is_error", is_error},
    {"secret", secret_make},
    {"read_private", secret_read_private},
    {"hide", secret_hide},
    {"sleep", task_sleep},
    {"spawn", task_spawn},
    {"join", task_join},
    {"cancel", task_cancel},
    {"park", task_park},
    {"wake", task_wake},
    {"current", task_current},
    {"now", now},
    {"alive", alive},
    {"descriptors", descriptors},
    {"write", write_out},
    {"log", log_text},
    {"progress", progress},
    {"progress_is_live", progress_is_live},
    {"at_prompt", evaluate_at_prompt},
    {NULL, NULL},
};

/* What is not a function of kelp.raw, which is at the top. [-0, +0, e] */
static void set_values(lua_State *L)
{
    simulator_push_start(L, provider_simulations());
    lua_setfield(L, -2, "simulator");
    connector_push_metatable(L);
    lua_setfield(L, -2, "connector_metatable");
    target_push_metatable(L);
    lua_setfield(L, -2, "target_metatable");
    task_push_metatable(L);
    lua_setfield(L, -2, "task_metatable");
    verb_table_push(L);
    lua_setfield(L, -2, "verbs");
    record_push_states(L);
    lua_setfield(L, -2, "states");
    provider_table_push(L);
    lua_setfield(L, -2, "providers");
    luaL_requiref(L, "kelp.json", luaopen_kelp_json, 0);
    lua_setfield(L, -2, "json");
}

/* Pushes kelp.raw. task_open must have been called. [-0, +1, m] */
static void push_raw(lua_State *L)
{
    luaL_newlib(L, runtime_functions);
    luaL_setfuncs(L, connector_functions, 0);
    luaL_setfuncs(L, writes_functions, 0);
    luaL_setfuncs(L, place_functions, 0);
    luaL_setfuncs(L, run_reader_functions, 0);
    luaL_setfuncs(L, selection_functions, 0);
    luaL_setfuncs(L, at_end_functions, 0);
    set_values(L);
    secret_judge_keys(sensitive_name);
}

static void set_number(lua_State *L, const char *field, double value)
{
    if (value > 0) {
        lua_pushnumber(L, value);
        lua_setfield(L, -2, field);
    }
}

static void set_flag(lua_State *L, const char *field, bool value)
{
    if (value) {
        lua_pushboolean(L, 1);
        lua_setfield(L, -2, field);
    }
}

/* Pushes kelp.settings: what the program was called with. [-0, +1, m] */
static void push_settings(lua_State *L, const struct kelp *k)
{
    int width = terminal_columns(STDOUT_FILENO);
    lua_createtable(L, 0, 8);
    lua_pushstring(L, k->json_output ? "json" : "text");
    lua_setfield(L, -2, "output");
    /* Tables fit the terminal; whoever reads a pipe gets them whole. */
    if (width > 0)
        lua_pushinteger(L, width);
    else
        lua_pushboolean(L, 0);
    lua_setfield(L, -2, "width");
    set_flag(L, "plan", k->session_options.plan);
    set_flag(L, "resumed", k->session_options.resume != NULL);
    set_number(L, "timeout", k->timeout);
    set_number(L, "rate", k->rate);
    if (k->concurrency > 0) {
        lua_pushinteger(L, k->concurrency);
        lua_setfield(L, -2, "concurrency");
    }
    if (k->simulator != NULL) {
        lua_pushstring(L, k->simulator);
        lua_setfield(L, -2, "sim");
    }
}

void kelp_open(lua_State *L, struct engine *e, void *kelp)
{
    struct kelp *k = kelp;
    lua_pushlightuserdata(L, e);
    lua_setfield(L, LUA_REGISTRYINDEX, "kelp.engine");
    hooks_open(L);
    session_init(&k->session, &k->session_options, engine_clock(e));
    writes_open(L, e, &k->session.settings);
    hooks_of(L)->check_write = writes_check;
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    push_settings(L, k);
    lua_setfield(L, -2, "kelp.settings");
    push_raw(L);
    lua_setfield(L, -2, "kelp.raw");
    lua_pop(L, 1);
}

void kelp_close(lua_State *L, void *kelp)
{
    struct kelp *k = kelp;
    struct journal_fault fault;
    journal_close(writes_detach_journal(L), &fault);
    session_free(&k->session);
}
