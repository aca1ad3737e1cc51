/* The providers against their documents: the requests that they build, and
 * the documented answers (tests/fixtures/api) read into records and errors. */
#include "base/buffer.h"
#include "secret/secret.h"
#include "http/transport.h"
#include "connector/config.h"
#include "connector/connector.h"
#include "lua/error.h"
#include "lua/json.h"
#include "providers/provider.h"
#include "connector/error_response.h"
#include "connector/provider_request.h"
#include "connector/record.h"

#include <lauxlib.h>
#include <lualib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

extern const struct provider provider_confluent, provider_upstash, provider_connect;

static int set_up(void **state)
{
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    luaL_requiref(L, "kelp.json", luaopen_kelp_json, 0);
    lua_settop(L, 0);
    *state = L;
    return 0;
}

static int tear_down(void **state)
{
    lua_close(*state);
    secret_forget_all();
    return 0;
}

/* ---- requests ---- */

static void expect_path(const struct provider *p, enum verb verb, const char *connector,
                        const char *method, const char *path)
{
    struct call call = {.verb = verb, .connector = connector, .plugin = "a.B/C", .task = "7"};
    struct buffer url;
    buffer_init(&url, 4096);
    call.places[0] = p == &provider_confluent ? "env-1" : "cluster-1";
    call.places[1] = p == &provider_confluent ? "lkc-2" : NULL;
    assert_true(provider_add_path(p, &call, &url));
    assert_string_equal(p->routes[verb].method, method);
    assert_string_equal(buffer_text(&url), path);
    buffer_free(&url);
}

#define CONFLUENT "/connect/v1/environments/env-1/clusters/lkc-2/connectors"

static void confluent_paths_are_the_documented_ones(void **state)
{
    (void)state;
    const struct provider *p = &provider_confluent;
    assert_string_equal(p->base_url, "https://api.confluent.cloud");
    expect_path(p, VERB_LIST, NULL, "GET", CONFLUENT "?expand=info,status,id");
    expect_path(p, VERB_CREATE, NULL, "POST", CONFLUENT);
    expect_path(p, VERB_GET, "a", "GET", CONFLUENT "/a");
    expect_path(p, VERB_STATUS, "a", "GET", CONFLUENT "/a/status");
    expect_path(p, VERB_PUT, "a", "PUT", CONFLUENT "/a/config");
    expect_path(p, VERB_RESTART, "a", "POST", CONFLUENT "/a/restart");
    expect_path(p, VERB_PAUSE, "a", "PUT", CONFLUENT "/a/pause");
    expect_path(p, VERB_RESUME, "a", "PUT", CONFLUENT "/a/resume");
    expect_path(p, VERB_DELETE, "a", "DELETE", CONFLUENT "/a");
    assert_null(p->routes[VERB_UPDATE].method);
    expect_path(p, VERB_TASKS, "a", "GET", CONFLUENT "/a/tasks");
    expect_path(p, VERB_OFFSETS, "a", "GET", CONFLUENT "/a/offsets");
    expect_path(p, VERB_ALTER_OFFSETS, "a", "POST", CONFLUENT "/a/offsets/request");
    expect_path(p, VERB_RESET_OFFSETS, "a", "POST", CONFLUENT "/a/offsets/request");
    expect_path(p, VERB_OFFSETS_REQUEST, "a", "GET", CONFLUENT "/a/offsets/request/status");
#define PLUGINS "/connect/v1/environments/env-1/clusters/lkc-2/connector-plugins"
    expect_path(p, VERB_PLUGINS, NULL, "GET", PLUGINS);
    expect_path(p, VERB_VALIDATE, NULL, "PUT", PLUGINS "/a.B%2FC/config/validate");
    expect_path(p, VERB_TRANSLATE, NULL, "PUT", PLUGINS "/a.B%2FC/config/translate");
    static const enum verb others[] = {VERB_STOP, VERB_RESTART_TASKS, VERB_RESTART_FAILED,
                                       VERB_RESTART_TASK};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_null(p->routes[others[i]].method);
    expect_path(p, VERB_GET, "a/b c%?#\xc3\xa4", "GET", CONFLUENT "/a%2Fb%20c%25%3F%23%C3%A4");
}

static void upstash_paths_are_the_documented_ones(void **state)
{
    (void)state;
    const struct provider *p = &provider_upstash;
    assert_string_equal(p->base_url, "https://api.upstash.com/v2/kafka");
    expect_path(p, VERB_LIST, NULL, "GET", "/connectors/cluster-1");
    expect_path(p, VERB_CREATE, NULL, "POST", "/connector");
    expect_path(p, VERB_GET, "id-1", "GET", "/connector/id-1");
    expect_path(p, VERB_UPDATE, "id-1", "POST", "/update-connector/id-1");
    expect_path(p, VERB_RESTART, "id-1", "POST", "/connector/id-1/restart");
    expect_path(p, VERB_PAUSE, "id-1", "POST", "/connector/id-1/pause");
    expect_path(p, VERB_RESUME, "id-1", "POST", "/connector/id-1/start");
    expect_path(p, VERB_DELETE, "id-1", "DELETE", "/connector/id-1");
    assert_null(p->routes[VERB_PUT].method);
}

static void connect_paths_are_the_documented_ones(void **state)
{
    (void)state;
    const struct provider *p = &provider_connect;
    assert_null(p->base_url);
    expect_path(p, VERB_LIST, NULL, "GET", "/connectors?expand=info&expand=status");
    expect_path(p, VERB_CREATE, NULL, "POST", "/connectors");
    expect_path(p, VERB_GET, "a", "GET", "/connectors/a");
    expect_path(p, VERB_STATUS, "a", "GET", "/connectors/a/status");
    expect_path(p, VERB_UPDATE, "a", "PATCH", "/connectors/a/config");
    expect_path(p, VERB_PUT, "a b/%", "PUT", "/connectors/a%20b%2F%25/config");
    expect_path(p, VERB_RESTART, "a", "POST", "/connectors/a/restart");
    expect_path(p, VERB_RESTART_TASKS, "a", "POST",
                "/connectors/a/restart?includeTasks=true&onlyFailed=false");
    expect_path(p, VERB_RESTART_FAILED, "a", "POST",
                "/connectors/a/restart?includeTasks=true&onlyFailed=true");
    expect_path(p, VERB_RESTART_TASK, "a", "POST", "/connectors/a/tasks/7/restart");
    expect_path(p, VERB_PAUSE, "a", "PUT", "/connectors/a/pause");
    expect_path(p, VERB_RESUME, "a", "PUT", "/connectors/a/resume");
    expect_path(p, VERB_STOP, "a", "PUT", "/connectors/a/stop");
    expect_path(p, VERB_DELETE, "a", "DELETE", "/connectors/a");
    expect_path(p, VERB_TASKS, "a", "GET", "/connectors/a/tasks");
    expect_path(p, VERB_OFFSETS, "a", "GET", "/connectors/a/offsets");
    expect_path(p, VERB_ALTER_OFFSETS, "a", "PATCH", "/connectors/a/offsets");
    expect_path(p, VERB_RESET_OFFSETS, "a", "DELETE", "/connectors/a/offsets");
    expect_path(p, VERB_PLUGINS, NULL, "GET", "/connector-plugins");
    expect_path(p, VERB_VALIDATE, NULL, "PUT", "/connector-plugins/a.B%2FC/config/validate");
    assert_null(p->routes[VERB_TRANSLATE].method);
    assert_null(p->routes[VERB_OFFSETS_REQUEST].method);
}

/* A task or a plugin that is not told cannot become a part of an address. */
static void a_path_lacks_nothing(void **state)
{
    (void)state;
    struct buffer url;
    struct call call = {.verb = VERB_RESTART_TASK, .connector = "a"};
    buffer_init(&url, 4096);
    assert_false(provider_add_path(&provider_connect, &call, &url));
    call.verb = VERB_VALIDATE;
    assert_false(provider_add_path(&provider_connect, &call, &url));
    buffer_free(&url);
}

static void every_verb_has_a_name(void **state)
{
    (void)state;
    for (int v = 0; v < VERB_COUNT; v++) {
        for (size_t i = 0; provider_at(i) != NULL; i++) {
            const struct route *route = &provider_at(i)->routes[v];
            bool writes = verb_row_named(verb_name((enum verb)v))->effect != EFFECT_NONE;
            assert_true(route->method == NULL || (route->effect != EFFECT_NONE) == writes);
        }
        assert_non_null(verb_name((enum verb)v));
        assert_int_equal(verb_named(verb_name((enum verb)v)), v);
        for (const char *c = verb_shown((enum verb)v); *c != '\0'; c++)
            assert_true((*c >= 'a' && *c <= 'z') || *c == '_');
    }
    assert_string_equal(verb_shown(VERB_RESTART_FAILED), "restart");
    assert_string_equal(verb_shown(VERB_STOP), "stop");
    assert_int_equal(verb_named("nothing"), -1);
}

/* What is asked without changing anything may be asked again, whatever its method;
 * a create and a restart may not. */
static void effects_are_what_the_verbs_have(void **state)
{
    (void)state;
    static const struct provider *const all[] = {&provider_confluent, &provider_upstash,
                                                 &provider_connect};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        for (int v = 0; v < VERB_COUNT; v++) {
            const struct route *r = &all[i]->routes[v];
            bool asks = v == VERB_VALIDATE || v == VERB_TRANSLATE ||
                        (r->method != NULL && strcmp(r->method, "GET") == 0);
            if (r->method != NULL)
                assert_int_equal(r->effect == EFFECT_NONE, asks);
        }
        assert_int_equal(all[i]->routes[VERB_CREATE].effect, EFFECT_CREATE);
        assert_int_equal(all[i]->routes[VERB_RESTART].effect, EFFECT_EVENT);
    }
    assert_int_equal(provider_confluent.routes[VERB_ALTER_OFFSETS].effect, EFFECT_CONFIG);
}

/* The config of the documents' examples, from Lua to the body of the verb. */
static void expect_body_with(lua_State *L, const struct provider *p, enum verb verb,
                             const char *name, const char *config, const char *more,
                             const char *body)
{
    struct buffer members;
    buffer_init(&members, 4096);
    if (more != NULL)
        buffer_add_text(&members, more);
    struct buffer written, out;
    buffer_init(&written, 4096);
    buffer_init(&out, 4096);
    assert_int_equal(luaL_dostring(L, config), LUA_OK);
    const struct config_format format = {.name = p->by_id ? NULL : name};
    config_write(L, -1, &format, &written);
    struct call call = {.verb = verb, .name = name, .connector = name, .config = &written,
                        .members = more != NULL ? &members : NULL};
    call.places[0] = "7568431c-88d5-4409-a808-2167f22a7133";
    assert_true(provider_add_body(p, &call, &out));
    assert_string_equal(buffer_text(&out), body);
    buffer_free(&written);
    buffer_free(&out);
    buffer_free(&members);
    lua_settop(L, 0);
}

static void expect_body(lua_State *L, const struct provider *p, enum verb verb, const char *name,
                        const char *config, const char *body)
{
    expect_body_with(L, p, verb, name, config, NULL, body);
}

static void members_are_added_to_bodies(void **state)
{
    lua_State *L = *state;
    const struct provider *p = &provider_connect;
    expect_body_with(L, p, VERB_CREATE, "a", "return {x = 1}", "{\"initial_state\":\"STOPPED\"}",
                     "{\"name\":\"a\",\"config\":{\"name\":\"a\",\"x\":\"1\"},"
                     "\"initial_state\":\"STOPPED\"}");
    expect_body_with(L, p, VERB_UPDATE, "a", "return {x = 1}", "{\"y\":null}",
                     "{\"name\":\"a\",\"x\":\"1\",\"y\":null}");
    expect_body_with(L, p, VERB_UPDATE, NULL, "return {}", "{\"y\":null}", "{\"y\":null}");
    expect_body_with(L, p, VERB_UPDATE, "a", "return {}", "{}", "{\"name\":\"a\"}");
    expect_body_with(L, p, VERB_ALTER_OFFSETS, "a", "return {}", "{\"offsets\":[]}",
                     "{\"offsets\":[]}");
}

static const char mongo[] = "return {['connector.class'] = "
                            "'com.mongodb.kafka.connect.MongoSourceConnector', "
                            "['connection.uri'] = 'connection-uri'}";

#define MONGO "{\"connection.uri\":\"connection-uri\",\"connector.class\":" \
              "\"com.mongodb.kafka.connect.MongoSourceConnector\"}"

static void bodies_are_the_documented_ones(void **state)
{
    lua_State *L = *state;
    expect_body(L, &provider_upstash, VERB_CREATE, "connectorName", mongo,
                "{\"name\":\"connectorName\",\"cluster_id\":"
                "\"7568431c-88d5-4409-a808-2167f22a7133\",\"properties\":" MONGO "}");
    expect_body(L, &provider_upstash, VERB_UPDATE, "id", mongo, MONGO); /* flat */
    expect_body(L, &provider_confluent, VERB_PUT, "MyGcs",
                "return {['connector.class'] = 'GcsSink', ['tasks.max'] = 2, ['x.y'] = true}",
                "{\"connector.class\":\"GcsSink\",\"name\":\"MyGcs\",\"tasks.max\":\"2\","
                "\"x.y\":\"true\"}");
    expect_body(L, &provider_confluent, VERB_CREATE, "MyGcs", "return {topics = {'a', 'b'}}",
                "{\"name\":\"MyGcs\",\"config\":{\"name\":\"MyGcs\",\"topics\":\"a,b\"}}");
}

/* ---- answers ---- */

enum { LARGEST_FIXTURE = 8192 };

static size_t read_fixture(const char *name, char text[LARGEST_FIXTURE])
{
    char path[512];
    snprintf(path, sizeof path, "%s/tests/fixtures/api/%s.json", SOURCE_DIR, name);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    size_t size = fread(text, 1, LARGEST_FIXTURE, in);
    fclose(in);
    return size;
}

static void push_fixture(lua_State *L, const char *name)
{
    char text[LARGEST_FIXTURE];
    json_decode(L, text, read_fixture(name, text));
}

static void push_listed(lua_State *L, const struct provider *provider, const char *name)
{
    char text[LARGEST_FIXTURE];
    record_read_list(L, provider, text, read_fixture(name, text), NULL, NULL);
    assert_true(lua_isnil(L, -1)); /* no further page */
    lua_pop(L, 1);
}

/* Runs a Lua expression over the value at the top, as `c`. */
static void expect(lua_State *L, const char *expression)
{
    char code[1024];
    snprintf(code, sizeof code, "local c = ... return %s", expression);
    assert_int_equal(luaL_loadstring(L, code), LUA_OK);
    lua_pushvalue(L, -2);
    lua_call(L, 1, 1);
    if (!lua_toboolean(L, -1))
        fail_msg("does not hold: %s", expression);
    lua_pop(L, 1);
}

static void expect_upstash_connector(lua_State *L)
{
    expect(L, "c.id == '431ec970-b59d-4b00-95fe-5f3abcc52c2f' and c.name == 'connectorName'");
    expect(L, "c.class == 'com.mongodb.kafka.connect.MongoSourceConnector'");
    expect(L, "c.type == 'source' and c.created == 1684369147 and #c.tasks == 0");
    expect(L, "math.type(c.created) == 'integer' and #c.topics == 0");
    expect(L, "c.details.customer_id == 'EMAIL' and c.details.deletion_time == 0");
    expect(L, "c.details.cluster_id == '7568431c-88d5-4409-a808-2167f22a7133'");
    expect(L, "c.details.TTL == 1684370947 and #c.details.encoded_username > 20");
}

static void upstash_answers(void **state)
{
    lua_State *L = *state;
    push_fixture(L, "upstash-create");
    record_read(L, &provider_upstash, RESPONSE_CONNECTOR);
    assert_true(connector_is(L, -1));
    expect_upstash_connector(L);
    expect(L, "c.state == 'pending' and c.error == nil and c.config == nil");

    push_fixture(L, "upstash-reconfigure"); /* a 200 that says that it failed */
    record_read(L, &provider_upstash, RESPONSE_CONNECTOR);
    expect_upstash_connector(L);
    expect(L, "c.state == 'failed' and c.error:find('connection string is invalid', 1, true)");
    expect(L, "c.config == nil");

    push_listed(L, &provider_upstash, "upstash-list");
    expect(L, "#c == 1");
    lua_rawgeti(L, -1, 1);
    expect_upstash_connector(L);
    expect(L, "c.config['connection.uri'] == 'connection-uri-update'");

    json_decode(L, "\"OK\"", 4);
    record_read(L, &provider_upstash, RESPONSE_DONE);
    expect(L, "c == true");
}

static void confluent_answers(void **state)
{
    lua_State *L = *state;
    push_fixture(L, "confluent-put");
    record_read(L, &provider_confluent, RESPONSE_CONNECTOR);
    assert_true(connector_is(L, -1));
    expect(L, "c.name == 'MyGcsLogsBucketConnector' and c.class == 'GcsSink' and c.type == 'sink'");
    expect(L, "#c.tasks == 2 and c.tasks[2].id == 1 and c.state == 'unknown'");
    expect(L, "c.config['flush.size'] == '1000' and c.config['kafka.api.key']:match '^%*+$'");
    expect(L, "c.config['kafka.region'] == 'us-west-2'");
    static const char none[] = "{\"error\":null}";
    json_decode(L, none, sizeof none - 1);
    struct response response = {.status = 200};
    struct call call = {.provider = &provider_confluent, .verb = VERB_DELETE};
    assert_false(error_response_in_success(L, &call, -1, &response));
}

/* As a worker of Apache Kafka 4.3 gave them. */
static void connect_answers(void **state)
{
    lua_State *L = *state;
    push_listed(L, &provider_connect, "connect-list"); /* in the text's order */
    expect(L, "#c == 2");
    expect(L, "c[1].name == 'lines-in' and c[1].type == 'source' and c[1].state == 'running'");
    expect(L, "c[1].tasks[1].worker == '127.0.0.1:8083' and c[1].error == nil");
    expect(L, "c[2].state == 'failed' and c[2].details.state == 'running' and c[2].tasks[1].state == 'failed'");
    expect(L, "c[2].error == c[2].tasks[1].error and c[2].error:find 'NoSuchFileException'");
    expect(L, "c[2].config.file == '/no/such/dir/out.txt' and c[2].id == nil");

    push_fixture(L, "connect-tasks");
    record_read(L, &provider_connect, RESPONSE_TASKS);
    expect(L, "#c == 1 and c[1].id == 0 and c[1].config['batch.size'] == '2000'");

    push_fixture(L, "connect-offsets");
    record_read(L, &provider_connect, RESPONSE_OBJECT);
    expect(L, "c.offsets[1].offset.position == 9007199254740993");
    expect(L, "math.type(c.offsets[1].offset.position) == 'integer'");
}

static int read_as(lua_State *L)
{
    record_read(L, &provider_connect, (enum response_content)lua_tointeger(L, 1));
    return 1;
}

static int read_list_of(lua_State *L)
{
    size_t size;
    const char *text = lua_tolstring(L, 2, &size);
    record_read_list(L, lua_touserdata(L, 1), text, size, NULL, NULL);
    return 2;
}

static const char *list_error(lua_State *L, const struct provider *provider, const char *text)
{
    lua_settop(L, 0);
    lua_pushcfunction(L, read_list_of);
    lua_pushlightuserdata(L, (void *)(uintptr_t)provider);
    lua_pushstring(L, text);
    if (lua_pcall(L, 2, 1, 0) == LUA_OK)
        fail_msg("was taken: %s", text);
    return lua_tostring(L, -1);
}

/* As a provider of another kind has it: a list within an object, page by page. */
static struct provider paged(void)
{
    struct provider p = provider_upstash;
    p.pages = (struct pages){"data.items", "data.next", "page_token"};
    p.update_config = "settings";
    return p;
}

static void read_page_of(lua_State *L, const struct provider *p, const char *next, const char *page)
{
    char text[512];
    snprintf(text, sizeof text, "{\"data\":{\"items\":[{\"connector_id\":\"1\",\"name\":\"a\"},"
             "{\"connector_id\":\"2\",\"name\":\"b\"}],\"next\":%s}}", next);
    lua_settop(L, 0);
    record_read_list(L, p, text, strlen(text), NULL, NULL);
    assert_int_equal(lua_gettop(L), 2);
    if (page == NULL)
        assert_true(lua_isnil(L, 2));
    else
        assert_string_equal(lua_tostring(L, 2), page);
    lua_settop(L, 1);
    expect(L, "#c == 2 and c[1].id == '1' and c[2].name == 'b' and c[1].state == 'unknown'");
    lua_settop(L, 0);
}

static void a_list_may_come_in_pages(void **state)
{
    lua_State *L = *state;
    struct provider p = paged();
    read_page_of(L, &p, "null", NULL);
    read_page_of(L, &p, "\"\"", NULL);
    read_page_of(L, &p, "\"a/b+c\"", "a/b+c");
    read_page_of(L, &p, "17", "17");
    read_page_of(L, &p, "\"https://h.example/x?a=1&page_token=q%2Fr&b=2\"", "q/r");
    assert_string_equal(list_error(L, &p, "[]"), "unexpected response: not an object");
    assert_string_equal(list_error(L, &p, "{}"), "unexpected response: the list is not an array");
    assert_string_equal(list_error(L, &p, "{\"data\":7}"), "unexpected response: data is a number");
    assert_string_equal(list_error(L, &p, "{\"data\":{\"items\":[],\"next\":\"/x?a=1\"}}"),
                        "unexpected response: the address of the next page names no page");
    struct call call = {.provider = &p, .verb = VERB_LIST, .places = {"c"}, .page = "q/r"};
    struct buffer url;
    buffer_init(&url, 4096);
    assert_true(provider_add_path(&p, &call, &url));
    assert_string_equal(buffer_text(&url), "/connectors/c?page_token=q%2Fr");
    buffer_free(&url);
    lua_settop(L, 0);
}

static void a_config_may_be_a_member_of_an_update(void **state)
{
    struct provider p = paged();
    expect_body(*state, &p, VERB_UPDATE, "id", "return {a = 1}", "{\"settings\":{\"a\":\"1\"}}");
    expect_body_with(*state, &p, VERB_UPDATE, "id", "return {a = 1}", "{\"b\":null}",
                     "{\"settings\":{\"a\":\"1\",\"b\":null}}");
}

static void what_is_no_list_is_refused(void **state)
{
    lua_State *L = *state;
    static const struct {
        const struct provider *provider;
        const char *text, *error;
    } cases[] = {
        {&provider_upstash, "{}", "unexpected response: the list is not an array"},
        {&provider_upstash, "7", "unexpected response: the list is not an array"},
        {&provider_upstash, "", "invalid JSON: the text ends too early at offset 0"},
        {&provider_upstash, "<html>", "invalid JSON: expected a value at offset 0"},
        {&provider_upstash, "[[1],2]",
         "unexpected response: a connector without connector_id or name"},
        {&provider_upstash, " [2]",
         "unexpected response: the list holds something that is not an object"},
        {&provider_connect, "[]", "unexpected response: the list is not an object"},
        {&provider_connect, "{\"a\":1}",
         "unexpected response: the list is not a map from names to connectors"},
        {&provider_confluent, "{\"a\":{},\"a\":{}}",
         "invalid JSON: a key stands twice in an object"},
        {&provider_confluent, "{\"a\":{}}x", "invalid JSON: something after the value at offset 8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(list_error(L, cases[i].provider, cases[i].text), cases[i].error);
    lua_settop(L, 0);
    record_read_list(L, &provider_upstash, " [ ] ", 5, NULL, NULL);
    lua_pop(L, 1);
    expect(L, "#c == 0");
    lua_settop(L, 0);
}

struct counted {
    lua_Alloc allocate;
    void *context;
    size_t used, most;
};

static void *count_memory(void *data, void *block, size_t old, size_t size)
{
    struct counted *c = data;
    void *result = c->allocate(c->context, block, old, size);
    if (result != NULL || size == 0)
        c->used += size - (block != NULL ? old : 0);
    if (c->used > c->most)
        c->most = c->used;
    return result;
}

static void choose_one(lua_State *L, void *number)
{
    if (--*(int *)number != 0) {
        lua_pop(L, 1);
        lua_pushnil(L);
    }
}

/* Of 2,000 records of 1 kB only the one that is wanted may be held. */
static void what_is_not_chosen_is_not_held(void **state)
{
    lua_State *L = *state;
    enum { RECORDS = 2000, SIZE = 1024, MOST = 512 * 1024, WANTED = 1500 };
    struct buffer text;
    buffer_init(&text, SIZE_MAX);
    buffer_add_char(&text, '[');
    for (int i = 1; i <= RECORDS; i++)
        buffer_printf(&text,
                      "%s{\"connector_id\":\"%d\",\"name\":\"n\",\"properties\":{\"k\":\"%0*d\"}}",
                      i > 1 ? "," : "", i, SIZE, i);
    assert_true(buffer_add_char(&text, ']'));
    lua_gc(L, LUA_GCCOLLECT);
    struct counted counted = {0};
    counted.allocate = lua_getallocf(L, &counted.context);
    lua_setallocf(L, count_memory, &counted);
    int number = WANTED;
    record_read_list(L, &provider_upstash, text.data, text.size, choose_one, &number);
    lua_pop(L, 1);
    lua_setallocf(L, counted.allocate, counted.context);
    buffer_free(&text);
    expect(L, "#c == 1 and c[1].id == '1500' and #c[1].config.k == 1024");
    assert_true(counted.most > SIZE && counted.most < MOST);
    lua_settop(L, 0);
}

static void what_is_not_of_the_shape_is_refused(void **state)
{
    lua_State *L = *state;
    static const struct {
        enum response_content answer;
        const char *text;
    } cases[] = {
        {RESPONSE_TASKS, "{}"}, {RESPONSE_TASKS, "[1]"}, {RESPONSE_TASKS, "[{\"id\":1}]"},
        {RESPONSE_TASKS, "[{\"config\":5}]"}, {RESPONSE_LIST, "{}"}, {RESPONSE_LIST, "\"x\""},
        {RESPONSE_OBJECT, "[]"}, {RESPONSE_OBJECT, "null"},
        {RESPONSE_STATUS, "{\"name\":\"a\"}"}, {RESPONSE_CONNECTOR, "{}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lua_settop(L, 0);
        lua_pushcfunction(L, read_as);
        lua_pushinteger(L, cases[i].answer);
        json_decode(L, cases[i].text, strlen(cases[i].text));
        if (lua_pcall(L, 2, 1, 0) == LUA_OK)
            fail_msg("was taken: %s", cases[i].text);
        assert_non_null(strstr(lua_tostring(L, -1), "unexpected response: "));
    }
    lua_settop(L, 0);
}

static void refuse_by(lua_State *L, const struct provider *p, enum verb verb, long status,
                      const char *headers, const char *body)
{
    struct call call = {.provider = p, .verb = verb, .connector = "a"};
    struct response response = {.status = status};
    buffer_init(&response.headers, 4096);
    buffer_init(&response.body, 4096);
    buffer_add_text(&response.headers, headers);
    buffer_add_text(&response.body, body);
    lua_settop(L, 0);
    error_response_push(L, &call, &response);
    assert_true(error_is(L, -1));
    buffer_free(&response.headers);
    buffer_free(&response.body);
}

static void refuse(lua_State *L, enum verb verb, long status, const char *headers,
                   const char *body)
{
    refuse_by(L, &provider_connect, verb, status, headers, body);
}

/* The first rule that fits counts; where none does, the status decides. */
static void the_rules_of_a_provider_say_what_an_error_is(void **state)
{
    lua_State *L = *state;
    static const struct error_rule rules[] = {
        {404, ANY_VERB, NULL, "protocol", "not the API", true},
        {404, VERB_DELETE, "gone", "conflict", NULL, false},
        {404, ANY_VERB, "gone", NULL, "look again", false},
        {0, ANY_VERB, NULL, NULL, NULL, false},
    };
    struct provider p = provider_upstash;
    p.error_rules = rules;
    refuse_by(L, &p, VERB_GET, 404, "", "no route");
    expect(L, "c.kind == 'protocol' and c.message == 'not the API: no route'");
    refuse_by(L, &p, VERB_DELETE, 404, "", "\"is GONE\"");
    expect(L, "c.kind == 'conflict' and c.message == 'is GONE'");
    refuse_by(L, &p, VERB_GET, 404, "", "{\"error\":\"is gone\"}");
    expect(L, "c.kind == 'not_found' and c.message == 'look again: is gone'");
    refuse_by(L, &p, VERB_GET, 404, "", "{\"error\":\"what?\"}");
    expect(L, "c.kind == 'not_found' and c.message == 'what?'");
    p.error_rules = NULL;
    refuse_by(L, &p, VERB_RESTART, 400, "", "{\"error\":\"already exists\"}");
    expect(L, "c.kind == 'invalid'");
}

/* Each kind that a rule names is one that errors have. */
static void the_kinds_in_rules_are_known(void **state)
{
    (void)state;
    const struct provider *p;
    for (size_t i = 0; (p = provider_at(i)) != NULL; i++) {
        for (const struct error_rule *r = p->error_rules; r != NULL && r->status != 0; r++) {
            bool known = r->kind == NULL;
            for (int kind = 0; !known && kind < ERROR_KINDS; kind++)
                known = strcmp(error_kind_name((enum error_kind)kind), r->kind) == 0;
            assert_true(known);
        }
    }
}

static void the_documented_errors(void **state)
{
    lua_State *L = *state;
    refuse(L, VERB_PUT, 400, "", "{\"error\":{\"code\":400,\"message\":\"Bad Request\"}}");
    expect(L, "c.kind == 'invalid' and c.code == 400 and c.message == 'Bad Request'");
    refuse(L, VERB_PUT, 401, "", "{\"error\":{\"code\":401,\"message\":\"Unauthorized\"}}");
    expect(L, "c.kind == 'unauthorized' and c.status == 401");
    refuse(L, VERB_RESTART, 403, "", "{\"error\":{\"code\":403,\"message\":\"Forbidden\"}}");
    expect(L, "c.kind == 'forbidden'");
    refuse(L, VERB_PUT, 404, "", "{\"error\":{\"code\":404,\"message\":\"account not found\"}}");
    expect(L, "c.kind == 'not_found' and c.message == 'account not found'");
    refuse(L, VERB_PUT, 500, "", "{\"error_code\":500,\"message\":\"Failed to find any class that "
                                 "implements Connector and which name matches X\"}");
    expect(L, "c.kind == 'invalid' and c.code == 500 and c.message:find '^Failed to find'");
    refuse(L, VERB_RESTART, 500, "",
           "{\"error\":{\"code\":500,\"message\":\"Oops, something went wrong\"}}");
    expect(L, "c.kind == 'server'");
    refuse(L, VERB_PUT, 429, "X-Request-Id: r-1\nX-RateLimit-Limit: 50\nX-RateLimit-Remaining: 0\n"
                             "X-RateLimit-Reset: 7\nRetry-After: 9\n", "");
    expect(L, "c.kind == 'rate_limited' and c.request_id == 'r-1' and c.retry_after == 9");
    expect(L, "c.rate_limit.limit == 50 and c.rate_limit.remaining == 0 and "
              "c.rate_limit.reset == 7");
}

static void connect_errors(void **state)
{
    lua_State *L = *state;
    refuse(L, VERB_CREATE, 409, "",
           "{\"error_code\":409,\"message\":\"Connector a already exists\"}");
    expect(L, "c.kind == 'exists' and c.code == 409");
    refuse(L, VERB_PUT, 409, "",
           "{\"error_code\":409,\"message\":\"Cannot complete request because of a conflicting "
           "operation (e.g. worker rebalance)\"}");
    expect(L, "c.kind == 'conflict'");
    static const char stop[] =
        "{\"error_code\":400,\"message\":\"Connectors must be in the STOPPED state before their "
        "offsets can be modified.\"}";
    refuse(L, VERB_ALTER_OFFSETS, 400, "", stop);
    expect(L, "c.kind == 'conflict' and c.message:find 'stop it first'");
    refuse(L, VERB_RESET_OFFSETS, 400, "", stop);
    expect(L, "c.kind == 'conflict'");
    refuse(L, VERB_PUT, 400, "", stop);
    expect(L, "c.kind == 'invalid'");
    refuse(L, VERB_GET, 400, "", "<html>\n<title>Error 400 Bad\nURI</title>");
    expect(L, "c.message:find 'a web page.*: Error 400 Bad$'");
    refuse(L, VERB_UPDATE, 405, "", "{\"error_code\":405,\"message\":\"HTTP 405 Method Not "
                                    "Allowed\"}");
    expect(L, "c.kind == 'unsupported' and c.status == 405");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(confluent_paths_are_the_documented_ones),
        cmocka_unit_test(upstash_paths_are_the_documented_ones),
        cmocka_unit_test(connect_paths_are_the_documented_ones),
        cmocka_unit_test(a_path_lacks_nothing),
        cmocka_unit_test(every_verb_has_a_name),
        cmocka_unit_test(effects_are_what_the_verbs_have),
        cmocka_unit_test_setup_teardown(bodies_are_the_documented_ones, set_up, tear_down),
        cmocka_unit_test_setup_teardown(upstash_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(members_are_added_to_bodies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(confluent_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(connect_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_list_may_come_in_pages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_config_may_be_a_member_of_an_update, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_list_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_chosen_is_not_held, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_of_the_shape_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_documented_errors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_rules_of_a_provider_say_what_an_error_is, set_up,
                                        tear_down),
        cmocka_unit_test(the_kinds_in_rules_are_known),
        cmocka_unit_test_setup_teardown(connect_errors, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
