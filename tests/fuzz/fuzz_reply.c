/* fuzz_reply: what a server may answer, read as each verb of each provider would
 * read it. The first byte chooses the provider, the second the verb, the third
 * the status (below 128: 200, the response is read; else an error, it is refused).
 * Nothing may crash, hang or leak; what is read must be of the records' shape. */
#include "secret/secret.h"
#include "http/transport.h"
#include "connector/connector.h"
#include "lua/error.h"
#include "lua/json.h"
#include "providers/provider.h"
#include "connector/error_response.h"
#include "connector/provider_request.h"
#include "connector/record.h"

#include <lauxlib.h>
#include <lualib.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct input {
    const struct provider *provider;
    struct call call;
    struct response response;
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* A record: a name, and every text field a string if it is there. */
static void check_record(lua_State *L, int index)
{
    static const char *const texts[] = {"name", "id", "class", "type", "state", "error"};
    require(connector_is(L, index));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int type = lua_getfield(L, index, texts[i]);
        require(type == LUA_TSTRING || (type == LUA_TNIL && i > 0));
        lua_pop(L, 1);
    }
    int type = lua_getfield(L, index, "config");
    require(type == LUA_TNIL || type == LUA_TTABLE);
    if (type == LUA_TTABLE) {
        lua_pushnil(L);
        while (lua_next(L, -2)) {
            require(lua_type(L, -1) == LUA_TSTRING);
            lua_pop(L, 1);
        }
    }
    lua_pop(L, 1);
}

static void check_answer(lua_State *L, enum response_content answer)
{
    int value = lua_gettop(L);
    if (answer == RESPONSE_DONE) {
        require(lua_toboolean(L, value));
    } else if (answer == RESPONSE_CONNECTORS) {
        for (lua_Integer i = 1; lua_rawgeti(L, value, i) != LUA_TNIL; i++) {
            check_record(L, value + 1);
            lua_pop(L, 1);
        }
    } else if (answer == RESPONSE_CONNECTOR || answer == RESPONSE_STATUS) {
        check_record(L, value);
    } else {
        require(lua_istable(L, value)); /* tasks, a list or an object, for the Lua above to read */
    }
}

static int read_reply(lua_State *L)
{
    struct input *in = lua_touserdata(L, 1);
    if (in->response.status != 200) {
        error_response_push(L, &in->call, &in->response);
        require(error_is(L, -1));
        luaL_tolstring(L, -1, NULL);
        return 0;
    }
    const char *text = buffer_text(&in->response.body);
    enum response_content answer = in->provider->routes[in->call.verb].answer;
    if (answer == RESPONSE_CONNECTORS) {
        record_read_list(L, in->provider, text, in->response.body.size, NULL, NULL);
        lua_pop(L, 1);
    } else {
        json_decode(L, text, in->response.body.size);
        if (error_response_in_success(L, &in->call, -1, &in->response))
            return 0;
        record_read(L, in->provider, answer);
    }
    check_answer(L, answer);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static lua_State *L;
    if (L == NULL) {
        L = luaL_newstate();
        luaL_openlibs(L);
        luaL_requiref(L, "kelp.json", luaopen_kelp_json, 0);
        lua_settop(L, 0);
    }
    if (size < 3)
        return 0;
    static const char *const providers[] = {"upstash", "confluent", "connect"};
    struct input in = {.provider = provider_named(providers[data[0] % 3])};
    in.call.provider = in.provider;
    in.call.verb = (enum verb)(data[1] % VERB_COUNT);
    in.response.status = data[2] < 128 ? 200 : 400 + data[2] % 112;
    if (in.provider->routes[in.call.verb].method == NULL)
        return 0;
    buffer_init(&in.response.headers, 4096);
    buffer_init(&in.response.body, size);
    buffer_add_text(&in.response.headers, "X-Request-Id: r-1\nRetry-After: 7\nX-RateLimit-Reset: 3\n");
    buffer_add(&in.response.body, data + 3, size - 3);
    lua_pushcfunction(L, read_reply);
    lua_pushlightuserdata(L, &in);
    lua_pcall(L, 1, 0, 0);
    lua_settop(L, 0);
    lua_gc(L, LUA_GCSTEP, 0);
    buffer_free(&in.response.headers);
    buffer_free(&in.response.body);
    secret_forget_all();
    return 0;
}
