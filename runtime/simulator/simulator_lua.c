#define _GNU_SOURCE /* ppoll */
#include "simulator/simulator_lua.h"

#include "lua/interrupt.h"
#include "secret/log.h"
#include "simulator/simulator.h"

#include <lauxlib.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char SIMULATOR[] = "kelp.simulator";

struct handle {
    struct simulator *simulator; /* NULL once it is stopped */
    sigset_t outside;            /* the signals that were blocked before it was started */
};

static struct handle *running_at(lua_State *L)
{
    struct handle *h = luaL_checkudata(L, 1, SIMULATOR);
    luaL_argcheck(L, h->simulator != NULL, 1, "the simulator is stopped");
    return h;
}

/* Raises the message, which is freed. */
static int raise_message(lua_State *L, char *why)
{
    lua_pushstring(L, why != NULL ? why : "out of memory");
    free(why);
    return lua_error(L);
}

static int url(lua_State *L)
{
    lua_pushstring(L, simulator_url(running_at(L)->simulator));
    return 1;
}

static bool stop_handle(struct handle *h, char **why)
{
    struct simulator *s = h->simulator;
    if (s == NULL)
        return true;
    h->simulator = NULL;
    bool saved = simulator_stop(s, why);
    pthread_sigmask(SIG_SETMASK, &h->outside, NULL);
    return saved;
}

static int stop(lua_State *L)
{
    char *why = NULL;
    return stop_handle(running_at(L), &why) ? 0 : raise_message(L, why);
}

static int close_handle(lua_State *L)
{
    char *why = NULL;
    if (!stop_handle(luaL_checkudata(L, 1, SIMULATOR), &why))
        log_line(LOG_ERROR, "%s", why != NULL ? why : "out of memory");
    free(why);
    return 0;
}

/* True at the end of standard input, or when it cannot be read. */
static bool has_ended(void)
{
    char ignored[4096];
    ssize_t n = read(STDIN_FILENO, ignored, sizeof ignored);
    return n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN);
}

/* 0, or an errno value. */
static int wait_for_end(struct simulator *s, bool until_eof, const sigset_t *outside)
{
    struct pollfd watched[] = {{.fd = simulator_complaints(s), .events = POLLIN},
                               {.fd = until_eof ? STDIN_FILENO : -1, .events = POLLIN}};
    while (!interrupt_pending()) {
        if (ppoll(watched, 2, NULL, outside) < 0) {
            if (errno != EINTR)
                return errno;
            continue;
        }
        if (watched[0].revents != 0)
            simulator_write_complaints(s);
        if (watched[1].revents != 0 && has_ended())
            return 0;
    }
    interrupt_clear();
    return 0;
}

static int wait(lua_State *L)
{
    struct handle *h = running_at(L);
    int error = wait_for_end(h->simulator, lua_toboolean(L, 2), &h->outside);
    return error != 0 ? luaL_error(L, "poll: %s", strerror(error)) : 0;
}

static void read_number(lua_State *L, const char *field, double *number)
{
    if (lua_getfield(L, 1, field) != LUA_TNIL)
        *number = luaL_checknumber(L, -1);
    lua_pop(L, 1);
}

/* The text stays alive as long as the table at 1. */
static const char *read_text(lua_State *L, const char *field)
{
    const char *text = NULL;
    if (lua_getfield(L, 1, field) != LUA_TNIL)
        text = luaL_checkstring(L, -1);
    lua_pop(L, 1);
    return text;
}

/* From the start on, so that none comes between the announcement and the wait. */
static void block_ends(sigset_t *before)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &ends, before);
}

static int start(lua_State *L)
{
    struct simulator_options o;
    double port = 0, seed = 0;
    char *why = NULL;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    simulator_defaults(&o, lua_touserdata(L, lua_upvalueindex(1)));
    read_number(L, "port", &port);
    read_number(L, "latency", &o.latency);
    read_number(L, "provisioning", &o.provisioning);
    read_number(L, "rate", &o.rate);
    read_number(L, "lag", &o.lag);
    read_number(L, "seed", &seed);
    o.port = (int)port;
    o.seed = (long long)seed;
    o.faults = read_text(L, "faults");
    o.state = read_text(L, "state");
    /* Owned by Lua before there is anything to own. */
    struct handle *h = lua_newuserdatauv(L, sizeof *h, 0);
    h->simulator = NULL;
    luaL_setmetatable(L, SIMULATOR);
    h->simulator = simulator_start(&o, &why);
    if (h->simulator == NULL)
        return raise_message(L, why);
    block_ends(&h->outside);
    return 1;
}

void simulator_push_start(lua_State *L, const struct simulated_provider *providers)
{
    static const luaL_Reg methods[] = {{"url", url}, {"wait", wait}, {"stop", stop}, {NULL, NULL}};
    if (luaL_newmetatable(L, SIMULATOR)) {
        lua_pushcfunction(L, close_handle);
        lua_setfield(L, -2, "__gc");
        lua_pushcfunction(L, close_handle);
        lua_setfield(L, -2, "__close");
        luaL_newlib(L, methods);
        lua_setfield(L, -2, "__index");
    }
    lua_pop(L, 1);
    lua_pushlightuserdata(L, (void *)providers);
    lua_pushcclosure(L, start, 1);
}
