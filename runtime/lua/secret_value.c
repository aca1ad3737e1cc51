#include "lua/secret_value.h"

#include "base/buffer.h"
#include "base/file.h"
#include "secret/command.h"
#include "secret/keyring.h"
#include "secret/log.h"
#include "secret/secret.h"
#include "lua/error.h"
#include "lua/interrupt.h"

#include <lauxlib.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char METATABLE[] = "kelp.secret";

enum { MAX_SECRET = 64 * 1024, MAX_FILE = 1024 * 1024, COMMAND_SECONDS = 120, FAULT = 256 };

static int release(lua_State *L)
{
    struct secret **held = luaL_checkudata(L, 1, METATABLE);
    secret_release(*held);
    *held = NULL;
    return 0;
}

static void push_shown(lua_State *L, int index)
{
    struct secret *s = secret_at(L, index);
    if (s != NULL)
        lua_pushfstring(L, "<secret %s>", secret_label(s));
    else
        luaL_tolstring(L, index, NULL);
}

static int show(lua_State *L)
{
    push_shown(L, 1);
    return 1;
}

static int concatenate(lua_State *L)
{
    push_shown(L, 1);
    push_shown(L, 2);
    lua_concat(L, 2);
    return 1;
}

static struct secret **push_box(lua_State *L)
{
    struct secret **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    if (luaL_newmetatable(L, METATABLE)) {
        static const luaL_Reg methods[] = {
            {"__gc", release}, {"__tostring", show}, {"__concat", concatenate}, {NULL, NULL},
        };
        luaL_setfuncs(L, methods, 0);
        lua_pushliteral(L, "kelp.secret");
        lua_setfield(L, -2, "__metatable");
    }
    lua_setmetatable(L, -2);
    return box;
}

struct secret *secret_at(lua_State *L, int index)
{
    struct secret **box = luaL_testudata(L, index, METATABLE);
    return box != NULL ? *box : NULL;
}

void secret_push(lua_State *L, struct secret *s)
{
    struct secret **box = push_box(L);
    *box = secret_retain(s);
}

static void push_new(lua_State *L, const char *label, const char *bytes, size_t size)
{
    struct secret **box = push_box(L);
    *box = secret_new(label, bytes, size);
    if (*box == NULL)
        luaL_error(L, "not enough memory");
}

struct secret *secret_of_value(lua_State *L, int index, const char *label)
{
    if (lua_type(L, index) == LUA_TSTRING) {
        size_t size;
        const char *bytes = lua_tolstring(L, index, &size);
        push_new(L, label, bytes, size);
        lua_replace(L, index);
    }
    struct secret *s = secret_at(L, index);
    if (s == NULL)
        error_misuse(L, "%s: a string or a kelp.secret expected, got %s", label,
                   luaL_typename(L, index));
    return s;
}

/* Reads a whole file that belongs to us and that only we can read. The
 * message for the first fault, or NULL. */
static const char *read_private(const char *path, struct buffer *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ELOOP ? "is a symbolic link" : strerror(errno);
    const char *fault = NULL;
    struct stat st;
    if (fstat(fd, &st) != 0)
        fault = strerror(errno);
    else if (!S_ISREG(st.st_mode))
        fault = "is not a regular file";
    else if (st.st_uid != geteuid())
        fault = "belongs to another user";
    else if ((st.st_mode & 077) != 0)
        fault = "can be read or written by others (chmod 600 it)";
    int error = fault == NULL ? file_read_descriptor(fd, out) : 0;
    if (error != 0)
        fault = error == EFBIG ? "is too large" : strerror(error);
    close(fd);
    return fault;
}

int secret_read_private(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct buffer text;
    buffer_init(&text, MAX_FILE);
    const char *fault = read_private(path, &text);
    if (fault != NULL) {
        lua_pushnil(L);
        lua_pushfstring(L, "%s: %s", path, fault);
        buffer_wipe(&text);
        return 2;
    }
    /* If memory fails here the buffer leaks; a file of at most 1 MiB, once. */
    lua_pushlstring(L, buffer_text(&text), text.size);
    buffer_wipe(&text);
    return 1;
}

/* Shows the standard error of a command when ours is no terminal; redacted, since it
 * may hold the value. */
static void pass_on(struct buffer *complaints)
{
    if (complaints->size > 0)
        (void)log_write(STDERR_FILENO, complaints->data, complaints->size);
    (void)log_release(STDERR_FILENO);
    buffer_wipe(complaints);
}

/* Fills in `fault`, or leaves it empty. */
static void run_command(const char *line, double seconds, struct buffer *out,
                        struct buffer *complaints, char fault[FAULT])
{
    struct command_result r;
    fflush(NULL);
    (void)log_release(STDOUT_FILENO);
    (void)log_release(STDERR_FILENO);
    if (command_run(line, seconds, interrupt_pending, out, complaints, &r))
        return;
    if (r.failure != 0)
        snprintf(fault, FAULT, "cannot be run: %s", strerror(r.failure));
    else if (r.too_much)
        snprintf(fault, FAULT, "printed more than 64 KiB");
    else if (r.interrupted)
        snprintf(fault, FAULT, "was interrupted");
    else if (r.timed_out)
        snprintf(fault, FAULT, "did not end within %g s", seconds);
    else if (r.signal != 0)
        snprintf(fault, FAULT, "was ended by signal %d", r.signal);
    else
        snprintf(fault, FAULT, "ended with a failure (exit code %d)", r.code);
}

/* A file or a command ends its value with a newline that is not part of it. */
static void trim_newline(struct buffer *b)
{
    while (b->size > 0 && (b->data[b->size - 1] == '\n' || b->data[b->size - 1] == '\r'))
        b->data[--b->size] = '\0';
}

enum source { FROM_ENV, FROM_FILE, FROM_COMMAND, SOURCES };

static const char *const source_names[] = {"env", "file", "command"};

struct origin {
    enum source source;
    const char *argument; /* NULL: not told yet */
    double timeout;
};

/* One field of the table that kelp.secret got, at the top two places. */
static void read_field(lua_State *L, struct origin *o)
{
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
    if (strcmp(key, "timeout") == 0) {
        o->timeout = lua_tonumber(L, -1);
        if (lua_type(L, -1) != LUA_TNUMBER || !(o->timeout > 0) || o->timeout > 86400)
            error_misuse(L, "kelp.secret: timeout must be a number of seconds up to 86400");
        return;
    }
    int source = 0;
    while (source < SOURCES && strcmp(key, source_names[source]) != 0)
        source++;
    if (source == SOURCES || lua_type(L, -1) != LUA_TSTRING || o->argument != NULL)
        error_misuse(L, "kelp.secret: exactly one of env, file, command with a string expected, "
                        "got %s", key);
    o->source = (enum source)source;
    o->argument = lua_tostring(L, -1);
}

static void read_origin(lua_State *L, struct origin *o)
{
    *o = (struct origin){ .source = FROM_ENV, .timeout = 0 };
    if (lua_type(L, 1) == LUA_TSTRING) {
        o->argument = lua_tostring(L, 1);
        return;
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        read_field(L, o);
        lua_pop(L, 1);
    }
    if (o->argument == NULL)
        error_misuse(L, "kelp.secret: one of env, file, command expected");
    if (o->timeout != 0 && o->source != FROM_COMMAND)
        error_misuse(L, "kelp.secret: timeout goes with command only");
}

static int from_environment(lua_State *L, const char *name)
{
    const char *why = NULL;
    struct secret *s = keyring_take(name, &why);
    if (s == NULL)
        return error_misuse(L, "kelp.secret: the environment variable %s %s", name, why);
    secret_push(L, s);
    return 1;
}

int secret_make(lua_State *L)
{
    struct origin o;
    read_origin(L, &o);
    if (o.source == FROM_ENV)
        return from_environment(L, o.argument);
    struct secret **box = push_box(L);
    struct buffer text, complaints;
    char fault[FAULT] = "";
    buffer_init(&text, MAX_SECRET);
    buffer_init(&complaints, MAX_SECRET);
    if (o.source == FROM_FILE) {
        const char *why = read_private(o.argument, &text);
        snprintf(fault, sizeof fault, "%s", why != NULL ? why : "");
    } else {
        run_command(o.argument, o.timeout > 0 ? o.timeout : COMMAND_SECONDS, &text, &complaints,
                    fault);
    }
    trim_newline(&text);
    if (fault[0] == '\0' && text.size == 0)
        snprintf(fault, sizeof fault, "gave an empty value");
    if (fault[0] == '\0') {
        *box = secret_new(o.source == FROM_FILE ? o.argument : "command", buffer_text(&text),
                          text.size);
        if (*box == NULL)
            snprintf(fault, sizeof fault, "cannot be held: not enough memory");
    } else if (o.source == FROM_COMMAND && text.size > 0 &&
               !secret_register("command", buffer_text(&text), text.size)) {
        buffer_wipe(&complaints); /* they may hold a piece of it */
    }
    buffer_wipe(&text);
    pass_on(&complaints);
    if (fault[0] != '\0')
        return error_misuse(L, "kelp.secret: %s '%s' %s", source_names[o.source], o.argument,
                            fault);
    return 1;
}

int secret_redact_call(lua_State *L)
{
    size_t size;
    const char *bytes = luaL_checklstring(L, 1, &size);
    lua_settop(L, 1);
    if (secret_longest() == 0)
        return 1;
    struct buffer shown;
    buffer_init(&shown, SIZE_MAX);
    if (!secret_redact(&shown, bytes, size)) {
        buffer_wipe(&shown);
        return luaL_error(L, "not enough memory");
    }
    /* If memory fails here the buffer leaks; the program is about to end. */
    lua_pushlstring(L, buffer_text(&shown), shown.size);
    buffer_wipe(&shown);
    return 1;
}

int secret_hide(lua_State *L)
{
    size_t size;
    const char *bytes = luaL_checklstring(L, 1, &size);
    if (!secret_register(luaL_checkstring(L, 2), bytes, size))
        return luaL_error(L, "not enough memory");
    return 0;
}
