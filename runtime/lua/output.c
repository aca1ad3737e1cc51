#define _GNU_SOURCE /* fopencookie */
#include "lua/output.h"

#include "lua/interrupt.h"
#include "secret/log.h"

#include <lauxlib.h>
#include <lualib.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

enum { DESCRIPTORS = 3 };

static FILE *direct[DESCRIPTORS];

static int output_fd = STDOUT_FILENO;

static int descriptor_of(void *cookie)
{
    int fd = (int)(intptr_t)cookie;
    return fd == STDOUT_FILENO ? output_fd : fd;
}

void output_leave_standard_output(void)
{
    output_flush();
    output_fd = STDERR_FILENO;
}

int output_descriptor(void)
{
    return output_fd;
}

static bool unread;

bool output_is_unread(void)
{
    return unread;
}

int output_write(int fd, const char *bytes, size_t size)
{
    if (unread && fd == STDOUT_FILENO)
        return 0;
    int failure = log_write(fd, bytes, size);
    if (failure != EPIPE || fd != STDOUT_FILENO)
        return failure;
    unread = true;
    interrupt_signal();
    return 0;
}

void output_end_unread(void)
{
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
    _exit(128 + SIGPIPE); /* it is blocked */
}

static ssize_t write_redacted(void *cookie, const char *bytes, size_t size)
{
    int failure = output_write(descriptor_of(cookie), bytes, size);
    if (failure == 0)
        return (ssize_t)size;
    errno = failure;
    return 0; /* what fopencookie takes for a failure */
}

/* A question may have been asked without a newline, on either stream. */
static ssize_t read_after_output(void *cookie, char *bytes, size_t size)
{
    if (isatty(STDOUT_FILENO))
        fflush(stdout);
    (void)log_release(STDOUT_FILENO);
    (void)log_release(STDERR_FILENO);
    return read(descriptor_of(cookie), bytes, size);
}

static int seek(void *cookie, off64_t *offset, int whence)
{
    int fd = descriptor_of(cookie);
    (void)log_release(fd);
    off64_t at = lseek64(fd, *offset, whence);
    if (at < 0)
        return -1;
    *offset = at;
    return 0;
}

static FILE *open_over(int fd)
{
    cookie_io_functions_t functions = {.seek = seek};
    if (fd == STDIN_FILENO)
        functions.read = read_after_output;
    else
        functions.write = write_redacted;
    return fopencookie((void *)(intptr_t)fd, fd == STDIN_FILENO ? "r" : "w", functions);
}

void output_flush(void)
{
    fflush(stdout);
    fflush(stderr);
    (void)log_release(STDOUT_FILENO);
    (void)log_release(STDERR_FILENO);
}

static bool open_closed_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd)
            return false;
    }
    return true;
}

bool output_open(void)
{
    if (!open_closed_descriptors())
        return false;
    FILE *in = open_over(STDIN_FILENO), *out = open_over(STDOUT_FILENO),
         *err = open_over(STDERR_FILENO);
    if (in == NULL || out == NULL || err == NULL || atexit(output_flush) != 0)
        return false; /* the program ends */
    setvbuf(out, NULL, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF, BUFSIZ);
    setvbuf(err, NULL, _IONBF, 0);
    direct[STDIN_FILENO] = stdin;
    direct[STDOUT_FILENO] = stdout;
    direct[STDERR_FILENO] = stderr;
    /* The GNU C Library documents them as variables to be set. */
    stdin = in;
    stdout = out;
    stderr = err;
    return true;
}

int output_end(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return log_release(STDOUT_FILENO);
    return errno != 0 ? errno : EIO;
}

FILE *output_direct(int fd)
{
    if (direct[fd] != NULL)
        return direct[fd];
    return fd == STDIN_FILENO ? stdin : fd == STDOUT_FILENO ? stdout : stderr;
}

/* Calls the original flush, its upvalue, then lets go what is held back. */
static int flush(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    (void)log_release(STDOUT_FILENO);
    (void)log_release(STDERR_FILENO);
    return lua_gettop(L);
}

/* In the table at the top. */
static void wrap_flush(lua_State *L)
{
    lua_getfield(L, -1, "flush");
    lua_pushcclosure(L, flush, 1);
    lua_setfield(L, -2, "flush");
}

void output_install(lua_State *L)
{
    lua_getglobal(L, LUA_IOLIBNAME);
    wrap_flush(L);
    luaL_getmetatable(L, LUA_FILEHANDLE);
    lua_getfield(L, -1, "__index");
    wrap_flush(L);
    lua_pop(L, 3);
}
