/* torture: memory that runs out at any point. One script uses every verb on both
 * providers; it is run again and again while each allocation of its state fails
 * from the Nth on, N = 0, 1, 2, … until it gets through. Every earlier end must
 * be an orderly "not enough memory", with nothing left behind.
 *
 * All points take minutes, so an ordinary run takes an even sample of them;
 * KELP_TORTURE=+N takes every Nth (+1: all), KELP_TORTURE=N only the Nth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lua/state.h"
#include "kelp.h"
#include "providers/provider.h"
#include "simulator/simulator.h"

#include <lauxlib.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { SAMPLE = 1500 };

static const char script[] =
    "local url = ...\n"
    "local kelp = require 'kelp'\n"
    "local confluent = kelp.confluent { base_url = url .. '/confluent', environment = 'env-sim',\n"
    "  cluster = 'lkc-sim', api_key = 'KEY', api_secret = kelp.secret 'KELP_TORTURE_SECRET' }\n"
    "local upstash = kelp.upstash { base_url = url .. '/upstash/v2/kafka',\n"
    "  cluster = '7568431c-88d5-4409-a808-2167f22a7133', email = 'somebody@example.com',\n"
    "  api_key = kelp.secret 'KELP_TORTURE_SECRET' }\n"
    "local sink = { ['connector.class'] = 'S3_SINK', topics = { 'a', 'b' }, ['flush.size'] = 10,\n"
    "  ['kafka.auth.mode'] = 'SERVICE_ACCOUNT', ['kafka.service.account.id'] = 'sa-1' }\n"
    "local source = { ['connector.class'] = 'com.mongodb.kafka.connect.MongoSourceConnector',\n"
    "  ['connection.uri'] = 'mongodb://db.example/', database = 'a', ['poll.max'] = 1.5 }\n"
    "local function refused(kind, ...)\n"
    "  local ok, problem = pcall(...)\n"
    "  if not kelp.is_error(problem, kind) then error(problem, 0) end\n"
    "  return tostring(problem)\n"
    "end\n"
    "for _, case in ipairs { { confluent, sink }, { upstash, source } } do\n"
    "  local target, config = case[1], case[2]\n"
    "  local left = target:find 'torture'\n"
    "  if left then left:delete() end\n"
    "  target:create('torture', config)\n"
    "  refused('exists', target.create, target, 'torture', config)\n"
    "  local c = target:get 'torture'\n"
    "  c:wait { poll = 0.01, timeout = 30 }\n"
    "  c:update { ['tasks.max'] = 2 }\n"
    "  local all = { ['tasks.max'] = '2' }\n"
    "  for key, value in pairs(config) do all[key] = value end\n"
    "  c:put(all)\n"
    "  c:pause()\n"
    "  c:resume()\n"
    "  target:restart 'torture'\n"
    "  refused('not_found', target.get, target, 'nothing')\n"
    "  refused('invalid', target.get, target, '..')\n"
    "  refused('unsupported', target.stop, target, 'torture')\n"
    "  local list = target:list { name = 'torture' }\n"
    "  kelp.show.value(list)\n"
    "  kelp.json.decode(kelp.json.encode(list[1].config))\n"
    "  table.sort({ 1, 2 }, function(a, b) return #target:list() > 0 and a < b end)\n"
    "  coroutine.wrap(function() target:get 'torture' end)()\n"
    "  kelp.sleep(0)\n"
    "  c:delete()\n"
    "end\n"
    "return 'through'\n";

/* An allocator that refuses to grow anything from the Nth time on. */
struct memory {
    size_t asked;
    size_t limit;
    size_t blocks;
};

static void *allocate(void *data, void *block, size_t old, size_t size)
{
    struct memory *m = data;
    if (size == 0) {
        m->blocks -= block != NULL;
        free(block);
        return NULL;
    }
    /* Lua relies on it that shrinking succeeds. */
    bool grows = block == NULL || size > old;
    if (grows && m->asked++ >= m->limit)
        return NULL;
    void *moved = realloc(block, size);
    assert_non_null(moved);
    m->blocks += block == NULL;
    return moved;
}

struct run {
    const char *url;
    int status;
    char text[512]; /* what it ended with */
};

static int run_script(lua_State *L)
{
    struct run *r = lua_touserdata(L, 1);
    if (luaL_loadbuffer(L, script, sizeof script - 1, "@torture.lua") != LUA_OK)
        return lua_error(L);
    lua_pushstring(L, r->url);
    r->status = state_call(L, 1);
    if (r->status != LUA_OK)
        return lua_error(L);
    return 1;
}

/* Without asking for memory: there is none. */
static void keep_end(lua_State *L, struct run *r)
{
    const char *text = NULL;
    if (lua_type(L, -1) == LUA_TSTRING) {
        text = lua_tostring(L, -1);
    } else if (lua_istable(L, -1)) {
        lua_pushnil(L);
        while (lua_next(L, -2)) {
            if (lua_type(L, -2) == LUA_TSTRING && strcmp(lua_tostring(L, -2), "message") == 0 &&
                lua_type(L, -1) == LUA_TSTRING)
                text = lua_tostring(L, -1);
            lua_pop(L, 1);
        }
    }
    snprintf(r->text, sizeof r->text, "%s", text != NULL ? text : "(no text)");
}

/* The simulator is in this process too, and closes its ends when it gets to it:
 * perhaps while they are counted. */
static bool is_simulators(int fd, int port)
{
    struct sockaddr_in own;
    socklen_t size = sizeof own;
    if (getsockname(fd, (struct sockaddr *)&own, &size) != 0)
        return errno == EBADF;
    return own.sin_family == AF_INET && ntohs(own.sin_port) == port;
}

static size_t open_descriptors(const char *url)
{
    size_t n = 0;
    int port = (int)strtol(strrchr(url, ':') + 1, NULL, 10);
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] != '.' && !is_simulators((int)strtol(entry->d_name, NULL, 10), port))
            n++;
    }
    closedir(folder);
    return n;
}

/* Returns whether the script got through with that many allocations; *asked
 * becomes how many it wanted. With *asked 0 it may open descriptors for the rest
 * of the process: it is the first. */
static bool attempt(const char *url, size_t limit, size_t *asked)
{
    struct memory memory = {0, limit, 0};
    bool first = *asked == 0;
    struct kelp kelp = {0};
    struct state_settings settings = {.allocate = allocate, .allocate_data = &memory,
                                      .open = kelp_open, .close = kelp_close, .context = &kelp};
    size_t descriptors = open_descriptors(url);
    bool through = false;
    char *why = NULL;
    struct run r = {.url = url};
    struct state *h = state_new(&settings, &why);
    if (h == NULL) {
        assert_non_null(why);
        snprintf(r.text, sizeof r.text, "%s", why);
        free(why);
    } else {
        lua_State *L = state_lua(h);
        lua_pushcfunction(L, run_script);
        lua_pushlightuserdata(L, &r);
        through = lua_pcall(L, 1, 1, 0) == LUA_OK;
        keep_end(L, &r);
        state_free(h);
    }
    if (through)
        assert_string_equal(r.text, "through");
    else if (strstr(r.text, "not enough memory") == NULL)
        fail_msg("allocation %zu: it ended with: %s", limit, r.text);
    if (memory.blocks != 0)
        fail_msg("allocation %zu: %zu blocks are left", limit, memory.blocks);
    *asked = memory.asked;
    if (open_descriptors(url) != descriptors && !first)
        fail_msg("allocation %zu: descriptors are left", limit);
    return through;
}

static int start(void **state)
{
    struct simulator_options options;
    char *why = NULL;
    simulator_defaults(&options, provider_simulations());
    options.provisioning = 0;
    setenv("KELP_TORTURE_SECRET", "not-a-real-api-secret", 1);
    *state = simulator_start(&options, &why);
    if (*state == NULL)
        fprintf(stderr, "simulator: %s\n", why);
    free(why);
    return *state == NULL;
}

static int stop(void **state)
{
    char *why = NULL;
    bool saved = simulator_stop(*state, &why);
    free(why);
    return !saved;
}

static void memory_runs_out_at_any_point(void **state)
{
    const char *url = simulator_url(*state), *which = getenv("KELP_TORTURE");
    size_t total = 0;
    assert_true(attempt(url, SIZE_MAX, &total));
    assert_true(attempt(url, SIZE_MAX, &total));
    size_t asked = total;
    if (which != NULL && *which >= '0' && *which <= '9') {
        size_t only = strtoul(which, NULL, 10);
        printf("allocation %zu of %zu: %s\n", only, total,
               attempt(url, only, &asked) ? "through" : "ended in order");
        return;
    }
    size_t step = which != NULL ? strtoul(which, NULL, 10) : total / SAMPLE + 1;
    assert_true(step > 0);
    size_t ended = 0, n = 0;
    for (; !attempt(url, n, &asked); n += step) {
        ended++;
        /* Equal runs differ by what the network brings in which pieces, but not by half. */
        assert_true(n < total + total / 2);
    }
    printf("%zu of about %zu points, through at %zu\n", ended, total, n);
    assert_true(n > total / 2);
}

/* lua-cjson 2.1.0 holds its scratch text in malloc's memory while it decodes, and
 * lets it go when Lua raises an error in between; there is no way around that
 * from outside. LeakSanitizer asks for this by name. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:strbuf_new\n";
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(memory_runs_out_at_any_point, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
