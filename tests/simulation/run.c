#define _GNU_SOURCE
#include "run.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "secret/log.h"
#include "secret/secret.h"
#include "chunks.h"
#include "http/exchange.h"
#include "journal/journal.h"
#include "lua/embedded.h"
#include "lua/state.h"
#include "kelp.h"
#include "session/at_end.h"
#include "connector/pending.h"
#include "lua/interrupt.h"
#include "lua/json.h"
#include "session/writes.h"
#include "lua/task.h"
#include "transport_scripted.h"

#include <lauxlib.h>
#include <lualib.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- the models ---- */

static int load_module(lua_State *L)
{
    chunks_push(L, lua_touserdata(L, lua_upvalueindex(1)), luaL_checkstring(L, 1));
    lua_call(L, 0, 1);
    return 1;
}

static int prepare(lua_State *L)
{
    struct chunks *chunks = lua_touserdata(L, 1);
    luaL_openlibs(L);
    embedded_install(L);
    chunks_push(L, chunks, "ground.lua");
    lua_pushcfunction(L, luaopen_kelp_json);
    lua_call(L, 0, 1);
    lua_pushlightuserdata(L, chunks);
    lua_pushcclosure(L, load_module, 1);
    lua_call(L, 2, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, "ground");
    return 0;
}

struct lua_State *run_begin(void)
{
    lua_State *L = luaL_newstate();
    if (L == NULL)
        fprintf(stderr, "simulate: out of memory\n");
    return L;
}

bool run_prepare(struct lua_State *models, struct chunks *chunks)
{
    lua_pushcfunction(models, prepare);
    lua_pushlightuserdata(models, chunks);
    if (lua_pcall(models, 1, 0, 0) == LUA_OK)
        return true;
    fprintf(stderr, "simulate: %s\n", lua_tostring(models, -1));
    return false;
}

static int with_traceback(lua_State *L)
{
    luaL_traceback(L, L, lua_tostring(L, 1), 1);
    return 1;
}

/* Calls ground[name] with the arguments at the top. An error there is one of the
 * simulation, not of what it tests, and ends the process. */
static void call_ground(lua_State *L, const char *name, int arguments, int results)
{
    int base = lua_gettop(L) - arguments + 1;
    lua_pushcfunction(L, with_traceback);
    lua_insert(L, base);
    lua_getfield(L, LUA_REGISTRYINDEX, "ground");
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
    lua_insert(L, base + 1);
    if (lua_pcall(L, arguments, results, base) != LUA_OK) {
        fprintf(stderr, "simulate: ground.%s: %s\n", name, lua_tostring(L, -1));
        exit(2);
    }
    lua_remove(L, base);
}

/* ---- the server that the transport asks ---- */

struct ground {
    struct server server;
    lua_State *L;
    struct virtual_clock *clock;
    int top; /* of the stack; what is above belongs to the last answer */
};

static void answer(struct server *s, const struct delivery *d, struct answer *out)
{
    struct ground *g = (struct ground *)s;
    lua_State *L = g->L;
    lua_settop(L, g->top);
    lua_pushnumber(L, g->clock->time);
    lua_pushinteger(L, d->number);
    lua_pushstring(L, d->method);
    lua_pushstring(L, d->path);
    lua_pushstring(L, d->query);
    lua_pushstring(L, d->authorization);
    lua_pushlstring(L, d->body, d->body_size);
    call_ground(L, "answer", 7, 5);
    const char *ending = lua_tostring(L, -2);
    out->status = (int)lua_tointeger(L, -5);
    out->headers = lua_tolstring(L, -4, &out->headers_size);
    out->body = lua_tolstring(L, -3, &out->body_size);
    out->ending = strcmp(ending, "refuse") == 0  ? ANSWER_REFUSE
                  : strcmp(ending, "close") == 0 ? ANSWER_CLOSE
                  : strcmp(ending, "cut") == 0   ? ANSWER_CUT
                                                 : ANSWER_WHOLE;
    out->delay = lua_tonumber(L, -1);
}

static void ended(struct server *s, unsigned number, const struct transfer *x, double started)
{
    static const char *const sent[] = {"no", "maybe", "yes"};
    struct ground *g = (struct ground *)s;
    lua_State *L = g->L;
    int top = lua_gettop(L); /* an answer may still be in use */
    const char *path = strstr(buffer_text(&x->request.url), "://");
    path = path != NULL ? strchr(path + 3, '/') : NULL;
    lua_pushinteger(L, number);
    lua_pushstring(L, x->request.method);
    lua_pushstring(L, path != NULL ? path : "/");
    lua_pushnumber(L, started);
    lua_pushnumber(L, g->clock->time);
    lua_pushinteger(L, x->response.status);
    lua_pushstring(L, sent[x->response.sent]);
    lua_pushlstring(L, buffer_text(&x->request.body), x->request.body.size);
    call_ground(L, "ended", 8, 0);
    lua_settop(L, top);
}

/* ---- one run ---- */

struct run {
    struct virtual_clock clock;
    struct ground ground;
    struct weather weather;
    struct transport *transport;
    struct state *host;
    struct chunks *chunks;
    const char *job; /* JSON; on the models' stack */
    int code;
    double audited_at;
};

/* Leaves the job's text on the models' stack. */
static void begin(struct run *r, uint64_t seed, struct verdict *v)
{
    lua_State *L = r->ground.L;
    lua_settop(L, 0);
    lua_pushinteger(L, (lua_Integer)seed);
    call_ground(L, "begin", 1, 8);
    r->job = lua_tostring(L, 1);
    r->weather = (struct weather){.latency = lua_tonumber(L, 2), .slow = lua_tonumber(L, 3),
                                  .slowest = lua_tonumber(L, 4), .twice = lua_tonumber(L, 5),
                                  .interrupt_at = lua_tonumber(L, 6),
                                  .latest = lua_tonumber(L, 7)};
    snprintf(v->class, sizeof v->class, "%s", lua_tostring(L, 8));
    r->ground.top = lua_gettop(L);
}

/* What the program does with a script, from its start to its exit code. */
static int run_job(lua_State *L)
{
    struct run *r = lua_touserdata(L, 1);
    chunks_install(L, r->chunks);
    chunks_push(L, r->chunks, "jobs.lua");
    lua_pushstring(L, r->job);
    struct exit_facts facts = {.script = state_run(L, 1)};
    at_end_run(L, &facts);
    r->code = session_exit_code(&facts);
    r->audited_at = r->clock.time;
    return 0;
}

static int push_record(lua_State *L)
{
    lua_getglobal(L, "simulation_record");
    lua_call(L, 0, 1);
    return 1;
}

/* What is left behind in the host's state, as integers on the models' stack. */
static void push_left(struct run *r)
{
    lua_State *L = state_lua(r->host);
    lua_gc(L, LUA_GCCOLLECT);
    lua_getfield(L, LUA_REGISTRYINDEX, "kelp.engine");
    lua_pushinteger(r->ground.L, (lua_Integer)task_count(L));
    lua_pushinteger(r->ground.L, (lua_Integer)pending_count());
    lua_pushinteger(r->ground.L, (lua_Integer)engine_busy(lua_touserdata(L, -1)));
    lua_pushinteger(r->ground.L, (lua_Integer)transport_scripted_busy(r->transport));
    lua_pop(L, 1);
}

/* The operations of the run's journal, "VERB STATE MARKER" a line, or nil, onto the
 * models' stack. The marker is what jobs.lua put into the config: 0 without. */
static void push_journal(struct run *r)
{
    struct journal *j = writes_journal(state_lua(r->host));
    struct journal_op op = {0};
    struct buffer text;
    if (j == NULL) {
        lua_pushnil(r->ground.L);
        return;
    }
    buffer_init(&text, 1 << 24);
    while (journal_next(j, op.id, &op) && op.id != 0) {
        const char *marker = op.request != NULL ? strstr(op.request, "\"marker\":\"") : NULL;
        buffer_printf(&text, "%s %s %d\n", op.verb, journal_state_name(op.state),
                      marker != NULL ? atoi(marker + 10) : 0);
    }
    lua_pushstring(r->ground.L, buffer_text(&text));
    buffer_free(&text);
}

static void judge(struct run *r, const char *log, bool interrupted, struct verdict *v)
{
    lua_State *L = r->ground.L, *H = state_lua(r->host);
    lua_settop(L, r->ground.top);
    lua_pushnumber(L, r->clock.time);
    lua_pushcfunction(H, push_record);
    if (lua_pcall(H, 0, 1, 0) == LUA_OK)
        lua_pushstring(L, lua_tostring(H, -1));
    else
        lua_pushnil(L);
    lua_pop(H, 1);
    lua_pushinteger(L, r->code);
    lua_pushstring(L, log);
    lua_pushnumber(L, r->audited_at);
    lua_pushstring(L, transport_scripted_overrun(r->transport));
    lua_pushboolean(L, interrupted);
    push_left(r);
    push_journal(r);
    call_ground(L, "judge", 12, 3);
    v->faults = strdup(lua_tostring(L, -3));
    v->sends = (unsigned)lua_tointeger(L, -2);
    v->effects = (unsigned)lua_tointeger(L, -1);
    lua_settop(L, 0);
}

static char *read_log(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char *text = calloc(1, (size_t)size + 1);
    if (text == NULL || pread(fd, text, (size_t)size, 0) != size)
        abort();
    return text;
}

/* Every so many seeds the run is recorded in a journal, too. */
enum { RECORDED = 8 };

static void remove_journal(const char *folder)
{
    static const char *const names[] = {"run.db", "run.lock", "run.db-wal"};
    char path[64];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

bool run_seed(struct lua_State *models, struct chunks *chunks, uint64_t seed, bool verbose,
              struct verdict *v)
{
    struct run r = {.ground = {{answer, ended}, models, NULL, 0}, .chunks = chunks};
    struct kelp kelp = {0};
    char *why = NULL;
    bool done = false;
    memset(v, 0, sizeof *v);
    int log = memfd_create("log", MFD_CLOEXEC);
    if (log < 0) {
        perror("simulate: memfd_create");
        return false;
    }
    log_set_descriptor(log);
    log_set_level(verbose ? LOG_TRACE : LOG_ERROR);
    interrupt_clear();
    /* In memory, so that a sync costs nothing. */
    char folder[] = "/dev/shm/kelp-XXXXXX", journal[sizeof folder + 16];
    bool recorded = seed % RECORDED == 0;
    if (recorded && mkdtemp(folder) == NULL) {
        perror("simulate: /dev/shm");
        return false;
    }
    snprintf(journal, sizeof journal, "%s/run.db", folder);
    kelp.session_options.records = recorded;
    kelp.session_options.journal = recorded ? journal : NULL;
    clock_virtual(&r.clock, seed);
    r.ground.clock = &r.clock;
    begin(&r, seed, v);
    r.transport = transport_scripted(&r.clock, &r.ground.server, &r.weather, seed ^ 0x5eed);
    struct state_settings settings = {.transport = r.transport, .clock = &r.clock.clock,
                                      .open = kelp_open, .close = kelp_close, .context = &kelp};
    if (r.transport != NULL)
        r.host = state_new(&settings, &why);
    if (r.host == NULL) {
        fprintf(stderr, "simulate: seed %llu: %s\n", (unsigned long long)seed,
                why != NULL ? why : "out of memory");
        goto out;
    }
    lua_State *L = state_lua(r.host);
    lua_pushcfunction(L, run_job);
    lua_pushlightuserdata(L, &r);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
        fprintf(stderr, "simulate: seed %llu: %s\n", (unsigned long long)seed,
                lua_tostring(L, -1));
        goto out;
    }
    v->seconds = r.clock.time;
    transport_scripted_drain(r.transport);
    v->log = read_log(log);
    bool interrupted = interrupt_pending();
    interrupt_clear();
    judge(&r, v->log, interrupted, v);
    v->code = r.code;
    v->hash = transport_scripted_hash(r.transport) ^ (uint64_t)r.code << 56;
    done = true;
out:
    free(why);
    state_free(r.host);
    if (r.transport != NULL)
        r.transport->free(r.transport);
    if (recorded)
        remove_journal(folder);
    secret_forget_all();
    log_set_descriptor(STDERR_FILENO);
    close(log);
    return done;
}

void verdict_free(struct verdict *v)
{
    free(v->faults);
    free(v->log);
}
