#include "lua/evaluate.h"

#include "secret/log.h"
#include "lua/state.h"

#include <lauxlib.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* registry[&SHOW], registry[&GLOBALS]: what at_prompt was given. */
static char SHOW, GLOBALS;

int evaluate_at_prompt(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &GLOBALS);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &SHOW);
    return 0;
}

void evaluate_open(lua_State *L)
{
    int top = lua_gettop(L);
    lua_pushglobaltable(L);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &GLOBALS) == LUA_TTABLE) {
        for (lua_pushnil(L); lua_next(L, top + 2) != 0; lua_pop(L, 1)) {
            lua_pushvalue(L, -2);
            if (lua_rawget(L, top + 1) == LUA_TNIL) {
                lua_pushvalue(L, -3);
                lua_pushvalue(L, -3);
                lua_rawset(L, top + 1);
            }
            lua_pop(L, 1);
        }
    }
    lua_settop(L, top);
}

/* Pushes what shows a value. [-0, +1, -] */
static void push_show(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &SHOW) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_getglobal(L, "tostring");
    }
}

/* A chunk in pieces, so that "return " is put before it without a copy. */
struct pieces {
    const char *text[2];
    int next;
};

static const char *next_piece(lua_State *L, void *data, size_t *size)
{
    (void)L;
    struct pieces *p = data;
    while (p->next < 2) {
        const char *text = p->text[p->next++];
        *size = strlen(text);
        if (*size > 0)
            return text;
    }
    return NULL;
}

static int load(lua_State *L, const char *before, const char *text)
{
    struct pieces p = {.text = {before, text}};
    return lua_load(L, next_piece, &p, "=repl", "t");
}

int evaluate_compile(lua_State *L, const char *text)
{
    text += strspn(text, " \t\n");
    if (text[0] == '=')
        return load(L, "return ", text + 1);
    int status = load(L, "return ", text);
    if (status == LUA_OK)
        return status;
    lua_pop(L, 1);
    return load(L, "", text);
}

bool evaluate_unfinished(lua_State *L, int status)
{
    static const char mark[] = "<eof>";
    if (status != LUA_ERRSYNTAX)
        return false;
    size_t size;
    const char *message = lua_tolstring(L, -1, &size);
    return message != NULL && size >= sizeof mark - 1 &&
           strcmp(message + size - (sizeof mark - 1), mark) == 0;
}

/* (values..., columns) -> their text, newline after each. */
static int show_values(lua_State *L)
{
    lua_Integer columns = lua_tointeger(L, -1);
    int count = lua_gettop(L) - 1;
    lua_settop(L, count);
    luaL_checkstack(L, count + 8, "too many values to show");
    if (!lua_isnil(L, 1)) {
        lua_pushglobaltable(L);
        lua_pushliteral(L, "_");
        lua_pushvalue(L, 1);
        lua_rawset(L, -3);
        lua_pop(L, 1);
    }
    lua_createtable(L, 0, 1);
    lua_pushinteger(L, columns);
    lua_setfield(L, -2, "width");
    for (int i = 1; i <= count; i++) {
        push_show(L);
        lua_pushvalue(L, i);
        lua_pushvalue(L, count + 1);
        lua_call(L, 2, 1);
        lua_pushliteral(L, "\n");
        lua_concat(L, 2);
        lua_replace(L, i);
    }
    lua_settop(L, count);
    lua_concat(L, count);
    return 1;
}

static void write_out(const char *text, size_t size)
{
    fflush(stdout);
    int why = log_write(STDOUT_FILENO, text, size);
    if (why != 0)
        log_line(LOG_ERROR, "standard output: %s", strerror(why));
}

/* Shows what stands above `base`. */
static void show_results(lua_State *L, int base, int columns)
{
    if (!lua_checkstack(L, 4)) {
        log_line(LOG_ERROR, "too many values to show");
        return;
    }
    lua_pushcfunction(L, show_values);
    lua_insert(L, base + 1);
    lua_pushinteger(L, columns);
    if (state_call(L, lua_gettop(L) - base - 1) != LUA_OK) {
        state_report(L);
        return;
    }
    size_t size;
    const char *text = lua_tolstring(L, -1, &size);
    write_out(text, size);
}

void evaluate_run(lua_State *L, int columns)
{
    int base = lua_gettop(L) - 1;
    if (state_call(L, 0) != LUA_OK)
        state_report(L);
    else if (lua_gettop(L) > base)
        show_results(L, base, columns);
    lua_settop(L, base);
}
