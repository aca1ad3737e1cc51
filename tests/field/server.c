/* server: an HTTP server on 127.0.0.1 whose answers are written in Lua, for rows of the field table.
 *
 *   server SCRIPT LOG [UPSTREAM]
 *
 * Runs SCRIPT, prints the port that the kernel chose, and serves until standard input ends. For each
 * request it calls the script's global function handle(request): request = { method, target, path,
 * query, head, body, number }. handle returns
 *
 *   { status = 200, type = "application/json", headers = { "Name: value", … }, body = "…",
 *     delay = SECONDS, drop = true (the connection is closed without an answer) }
 *
 * or nil: 404 without a body. forward(request) gives what the server on port UPSTREAM answers, in the
 * same form. Each request is written to LOG as a line of JSON before it is answered. */
#define _GNU_SOURCE
#include "../faults/wire.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER; /* the Lua state and the log */
static lua_State *lua;
static FILE *request_log;
static int upstream, count;

struct visit {
    struct stream client;
};

/* What the script wants, copied out of Lua so that it can be sent without the guard. */
struct reply {
    struct text bytes;
    double delay;
    bool drop;
};

__attribute__((noreturn)) static void fail_lua(const char *what)
{
    fprintf(stderr, "server: %s: %s\n", what, lua_tostring(lua, -1));
    _exit(3);
}

static void log_string(const char *key, const char *bytes, size_t size)
{
    fprintf(request_log, ",\"%s\":\"", key);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f)
            fprintf(request_log, "\\u%04x", c);
        else
            fputc(c, request_log);
    }
    fputc('"', request_log);
}

static void log_request(const char *method, const char *target, const struct message *m)
{
    fprintf(request_log, "{\"at\":%.3f", wire_seconds());
    log_string("method", method, strlen(method));
    log_string("target", target, strlen(target));
    log_string("path", target, strcspn(target, "?"));
    log_string("head", m->head.data, m->head.size);
    log_string("body", m->body.data != NULL ? m->body.data : "", m->body.size);
    fputs("}\n", request_log);
    if (fflush(request_log) != 0)
        wire_fail("log");
}

static void set_field(const char *key, const char *bytes, size_t size)
{
    lua_pushlstring(lua, bytes != NULL ? bytes : "", size);
    lua_setfield(lua, -2, key);
}

static void push_request(const char *method, const char *target, const struct message *m)
{
    size_t path = strcspn(target, "?");
    const char *query = target[path] != '\0' ? target + path + 1 : "";
    lua_newtable(lua);
    set_field("method", method, strlen(method));
    set_field("target", target, strlen(target));
    set_field("path", target, path);
    set_field("query", query, strlen(query));
    set_field("head", m->head.data, m->head.size);
    set_field("body", m->body.data, m->body.size);
    lua_pushinteger(lua, ++count);
    lua_setfield(lua, -2, "number");
}

/* forward(request) → what the upstream server answers. */
static int forward(lua_State *L)
{
    struct message asked = { .head = { .data = NULL } }, answer = { .head = { .data = NULL } };
    size_t size;
    lua_getfield(L, 1, "head");
    const char *bytes = lua_tolstring(L, -1, &size);
    text_add(&asked.head, bytes, size);
    lua_getfield(L, 1, "body");
    bytes = lua_tolstring(L, -1, &size);
    text_add(&asked.body, bytes, size);
    bool done = wire_ask(upstream, &asked, &answer);
    if (done) {
        int type_size;
        const char *type = head_value(&answer.head, "Content-Type", &type_size);
        lua_newtable(L);
        lua_pushinteger(L, atoi(answer.head.data + strlen("HTTP/1.1 ")));
        lua_setfield(L, -2, "status");
        lua_pushlstring(L, answer.body.data != NULL ? answer.body.data : "", answer.body.size);
        lua_setfield(L, -2, "body");
        if (type != NULL) {
            lua_pushlstring(L, type, (size_t)type_size);
            lua_setfield(L, -2, "type");
        }
    }
    message_free(&asked);
    message_free(&answer);
    return done ? 1 : luaL_error(L, "nobody answers at port %d", upstream);
}

static const char *string_field(const char *key, const char *otherwise, size_t *size)
{
    lua_getfield(lua, -1, key);
    const char *value = lua_tolstring(lua, -1, size);
    if (value == NULL) {
        value = otherwise;
        *size = strlen(otherwise);
    }
    lua_pop(lua, 1); /* the table keeps it alive */
    return value;
}

static void add_headers(struct text *t)
{
    lua_getfield(lua, -1, "headers");
    if (lua_istable(lua, -1)) {
        lua_Integer n = luaL_len(lua, -1);
        for (lua_Integer i = 1; i <= n; i++) {
            lua_geti(lua, -1, i);
            text_print(t, "%s\r\n", lua_tostring(lua, -1));
            lua_pop(lua, 1);
        }
    }
    lua_pop(lua, 1);
}

static struct reply read_reply(void)
{
    struct reply r = { .delay = 0 };
    size_t type_size, body_size;
    if (lua_isnil(lua, -1)) {
        text_add_string(&r.bytes, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        return r;
    }
    lua_getfield(lua, -1, "status");
    int status = lua_isnil(lua, -1) ? 200 : (int)lua_tointeger(lua, -1);
    lua_pop(lua, 1);
    lua_getfield(lua, -1, "delay");
    r.delay = lua_tonumber(lua, -1);
    lua_pop(lua, 1);
    lua_getfield(lua, -1, "drop");
    r.drop = lua_toboolean(lua, -1);
    lua_pop(lua, 1);
    const char *type = string_field("type", "application/json", &type_size);
    const char *body = string_field("body", "", &body_size);
    text_print(&r.bytes, "HTTP/1.1 %d Status\r\n", status);
    if (type_size > 0)
        text_print(&r.bytes, "Content-Type: %s\r\n", type);
    add_headers(&r.bytes);
    if (status != 204)
        text_print(&r.bytes, "Content-Length: %zu\r\n", body_size);
    text_add_string(&r.bytes, "\r\n");
    if (status != 204)
        text_add(&r.bytes, body, body_size);
    return r;
}

static struct reply ask_script(const struct message *m)
{
    char method[16], target[8192];
    if (sscanf(m->head.data, "%15s %8191s", method, target) != 2)
        wire_fail("not a request line");
    pthread_mutex_lock(&guard);
    log_request(method, target, m);
    lua_getglobal(lua, "handle");
    push_request(method, target, m);
    if (lua_pcall(lua, 1, 1, 0) != LUA_OK)
        fail_lua(target);
    struct reply r = read_reply();
    lua_settop(lua, 0);
    pthread_mutex_unlock(&guard);
    return r;
}

static void *serve(void *data)
{
    struct visit *v = data;
    bool open = true;
    while (open) {
        struct message m = { .head = { .data = NULL } };
        open = stream_head(&v->client, &m) && stream_body(&v->client, &m, (size_t)-1);
        if (open) {
            struct reply r = ask_script(&m);
            if (r.delay > 0)
                wire_sleep(r.delay);
            open = !r.drop && wire_write(v->client.fd, r.bytes.data, r.bytes.size);
            text_free(&r.bytes);
        }
        message_free(&m);
    }
    close(v->client.fd);
    text_free(&v->client.in);
    free(v);
    return NULL;
}

static void *accept_all(void *data)
{
    int listener = *(int *)data, yes = 1, fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        struct visit *v = calloc(1, sizeof *v);
        pthread_t thread;
        if (v == NULL)
            wire_fail("memory");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        v->client.fd = fd;
        if (pthread_create(&thread, NULL, serve, v) != 0)
            wire_fail("thread");
        pthread_detach(thread);
    }
    wire_fail("accept");
}

int main(int argc, char **argv)
{
    static int listener;
    int port;
    pthread_t thread;
    char byte;
    if (argc < 3) {
        fprintf(stderr, "usage: server SCRIPT LOG [UPSTREAM]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    upstream = argc > 3 ? atoi(argv[3]) : 0;
    request_log = fopen(argv[2], "w");
    lua = luaL_newstate();
    if (request_log == NULL || lua == NULL)
        wire_fail(argv[2]);
    luaL_openlibs(lua);
    lua_register(lua, "forward", forward);
    if (luaL_dofile(lua, argv[1]) != LUA_OK)
        fail_lua(argv[1]);
    lua_settop(lua, 0);
    listener = wire_bind(&port);
    if (listen(listener, 128) < 0 || pthread_create(&thread, NULL, accept_all, &listener) != 0)
        wire_fail("listen");
    printf("%d\n", port);
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    _exit(0);
}
