#include "lua/secret.h"

#include "base/buffer.h"
#include "base/secret.h"
#include "lua/error.h"

#include <lauxlib.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char METATABLE[] = "kelp.secret";

enum { MAX_SECRET = 64 * 1024, MAX_FILE = 1024 * 1024 };

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

/* Reads a whole file that belongs to us and that nobody else can read. The
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
    char piece[4096];
    while (fault == NULL) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            fault = strerror(errno);
        else if (!buffer_add(out, piece, (size_t)n))
            fault = "is too large";
    }
    explicit_bzero(piece, sizeof piece);
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

static const char *run_command(const char *command, struct buffer *out)
{
    fflush(NULL);
    FILE *pipe = popen(command, "re");
    if (pipe == NULL)
        return strerror(errno);
    char piece[1024];
    size_t n;
    bool fits = true;
    while ((n = fread(piece, 1, sizeof piece, pipe)) > 0)
        fits = buffer_add(out, piece, n) && fits;
    explicit_bzero(piece, sizeof piece);
    int status = pclose(pipe);
    if (!fits)
        return "printed more than 64 KiB";
    if (status == -1)
        return strerror(errno);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return "ended with a failure";
    return NULL;
}

/* A file or a command ends its value with a newline that is not part of it. */
static void trim_newline(struct buffer *b)
{
    while (b->size > 0 && (b->data[b->size - 1] == '\n' || b->data[b->size - 1] == '\r'))
        b->data[--b->size] = '\0';
}

int secret_make(lua_State *L)
{
    static const char *const sources[] = {"env", "file", "command"};
    const char *source = "env", *argument = NULL;
    if (lua_type(L, 1) == LUA_TSTRING) {
        argument = lua_tostring(L, 1);
    } else {
        luaL_checktype(L, 1, LUA_TTABLE);
        lua_settop(L, 1);
        lua_pushnil(L);
        while (lua_next(L, 1)) {
            const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
            bool known = false;
            for (size_t i = 0; i < 3; i++)
                known |= strcmp(key, sources[i]) == 0;
            if (!known || lua_type(L, -1) != LUA_TSTRING || argument != NULL)
                return error_misuse(L, "kelp.secret: exactly one of env, file, command with a "
                                     "string expected, got %s", key);
            source = key;
            argument = lua_tostring(L, -1);
            lua_pop(L, 1);
        }
        if (argument == NULL)
            return error_misuse(L, "kelp.secret: one of env, file, command expected");
    }
    if (strcmp(source, "env") == 0) {
        const char *value = getenv(argument);
        if (value == NULL || *value == '\0')
            return error_misuse(L, "kelp.secret: the environment variable %s is %s", argument,
                              value == NULL ? "not set" : "empty");
        push_new(L, argument, value, strlen(value));
        return 1;
    }
    bool is_file = strcmp(source, "file") == 0;
    struct secret **box = push_box(L);
    struct buffer text;
    buffer_init(&text, MAX_SECRET);
    const char *fault = is_file ? read_private(argument, &text) : run_command(argument, &text);
    trim_newline(&text);
    if (fault == NULL && text.size == 0)
        fault = "gave an empty value";
    if (fault == NULL) {
        *box = secret_new(is_file ? argument : "command", buffer_text(&text), text.size);
        fault = *box == NULL ? "cannot be held: not enough memory" : NULL;
    }
    buffer_wipe(&text);
    if (fault != NULL)
        return error_misuse(L, "kelp.secret: %s '%s' %s", source, argument, fault);
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
