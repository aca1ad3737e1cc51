#include "lua/completion.h"

#include <lauxlib.h>
#include <lua.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CHAIN = 16 }; /* __index tables that are followed, in case they form a ring */

static const char *const keywords[] = {
    "and",      "break", "do",     "else", "elseif", "end",   "false", "for",
    "function", "goto",  "if",     "in",   "local",  "nil",   "not",   "or",
    "repeat",   "return", "then",  "true", "until",  "while",
};

/* What is looked for, and where it goes. */
struct search {
    lua_State *L;
    const char *prefix;
    size_t prefix_size;
    bool functions_only;
    int names; /* stack index of the set name -> true */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_';
}

/* True when the end of the line is inside a string or a comment. */
static bool is_quoted(const char *line, size_t size)
{
    char quote = 0;
    for (size_t i = 0; i < size; i++) {
        if (quote != 0 && line[i] == '\\')
            i++;
        else if (quote != 0)
            quote = line[i] == quote ? 0 : quote;
        else if (line[i] == '"' || line[i] == '\'')
            quote = line[i];
        else if (line[i] == '-' && i + 1 < size && line[i + 1] == '-')
            return true;
    }
    return quote != 0;
}

/* Where the path "a.b:c" at the end of the line begins. In "x..name" it is the
 * name that is meant. */
static const char *path_start(const char *line, const char *end)
{
    const char *p = end;
    while (p > line && (is_word(p[-1]) || p[-1] == '.' || p[-1] == ':')) {
        if (p[-1] == '.' && p - 1 > line && p[-2] == '.')
            break;
        p--;
    }
    return p;
}

/* Replaces the value at the top by its __index when that is a table, else pops
 * it and returns false. */
static bool follow_index(lua_State *L)
{
    if (!lua_getmetatable(L, -1)) {
        lua_pop(L, 1);
        return false;
    }
    lua_pushliteral(L, "__index");
    lua_rawget(L, -2);
    lua_replace(L, -3);
    lua_pop(L, 1);
    if (lua_istable(L, -1))
        return true;
    lua_pop(L, 1);
    return false;
}

/* Replaces the value at the top by its field, found by looking only; pops it
 * and returns false when there is none. */
static bool follow_field(lua_State *L, const char *name, size_t size)
{
    for (int i = 0; i < MAX_CHAIN; i++) {
        if (lua_istable(L, -1)) {
            lua_pushlstring(L, name, size);
            if (lua_rawget(L, -2) != LUA_TNIL) {
                lua_replace(L, -2);
                return true;
            }
            lua_pop(L, 1);
        }
        if (!follow_index(L))
            return false;
    }
    lua_pop(L, 1);
    return false;
}

static bool is_name(const char *text, size_t size)
{
    if (size == 0 || is_digit(text[0]))
        return false;
    for (size_t i = 0; i < size; i++)
        if (!is_word(text[i]))
            return false;
    return true;
}

/* Adds the string at `index` to the set when it fits. Names that begin with an
 * underscore are for who asks for them. */
static void offer(const struct search *s, int index)
{
    size_t size;
    const char *name = lua_tolstring(s->L, index, &size);
    if (!is_name(name, size) || size < s->prefix_size ||
        memcmp(name, s->prefix, s->prefix_size) != 0 || (s->prefix_size == 0 && name[0] == '_'))
        return;
    lua_pushvalue(s->L, index);
    lua_pushboolean(s->L, 1);
    lua_rawset(s->L, s->names);
}

static void offer_fields(const struct search *s, int table)
{
    lua_State *L = s->L;
    for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1))
        if (lua_type(L, -2) == LUA_TSTRING && (!s->functions_only || lua_isfunction(L, -1)))
            offer(s, lua_absindex(L, -2));
}

static void offer_completions(const struct search *s, int value)
{
    lua_State *L = s->L;
    if (!lua_getmetatable(L, value))
        return;
    lua_pushliteral(L, "__completions");
    if (lua_rawget(L, -2) == LUA_TTABLE)
        for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
            if (lua_type(L, -1) == LUA_TSTRING)
                offer(s, lua_absindex(L, -1));
            else if (lua_type(L, -2) == LUA_TSTRING)
                offer(s, lua_absindex(L, -2));
        }
    lua_pop(L, 2);
}

/* Collects from the value at the top and what it inherits from; pops it. */
static void offer_members(const struct search *s)
{
    lua_State *L = s->L;
    for (int i = 0; i < MAX_CHAIN; i++) {
        int value = lua_gettop(L);
        if (lua_istable(L, value))
            offer_fields(s, value);
        offer_completions(s, value);
        if (!follow_index(L))
            return;
    }
    lua_pop(L, 1);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Pushes the sorted array of the keys of the set; their bytes stay where they
 * are as long as the set holds them. */
static void push_sorted(lua_State *L, int set)
{
    size_t count = 0, i = 0;
    for (lua_pushnil(L); lua_next(L, set) != 0; lua_pop(L, 1))
        count++;
    const char **names = lua_newuserdatauv(L, (count + 1) * sizeof *names, 0);
    for (lua_pushnil(L); lua_next(L, set) != 0; lua_pop(L, 1))
        names[i++] = lua_tostring(L, -2);
    qsort(names, count, sizeof *names, compare);
    lua_createtable(L, (int)count, 0);
    for (i = 0; i < count; i++) {
        lua_pushstring(L, names[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_remove(L, -2);
}

/* Pushes the value that the path before its last name stands for; false when
 * looking does not find it. *last is the separator, 0 for a global. */
static bool push_owner(lua_State *L, const char **at, const char *end, char *last)
{
    lua_pushglobaltable(L);
    *last = 0;
    for (const char *p = *at; p < end; p++) {
        if (is_word(*p))
            continue;
        if (!is_name(*at, (size_t)(p - *at)) || *last == ':') {
            lua_pop(L, 1);
            return false;
        }
        if (!follow_field(L, *at, (size_t)(p - *at)))
            return false;
        *last = *p;
        *at = p + 1;
    }
    return true;
}

int completion_line(lua_State *L)
{
    size_t size;
    const char *line = luaL_checklstring(L, 1, &size);
    const char *end = line + size;
    const char *at = path_start(line, end);
    char last;
    luaL_checkstack(L, 16, NULL);
    lua_settop(L, 1);
    lua_newtable(L);
    /* A dot or colon before the path belongs to something that has a value only
     * when it is run: f().x, t[1].x, ("s"):x */
    if (!is_quoted(line, size) && push_owner(L, &at, end, &last)) {
        struct search s = {L, at, (size_t)(end - at), last == ':', 2};
        offer_members(&s);
        for (size_t i = 0; last == 0 && at < end && i < sizeof keywords / sizeof *keywords; i++) {
            lua_pushstring(L, keywords[i]);
            offer(&s, lua_gettop(L));
            lua_pop(L, 1);
        }
    }
    push_sorted(L, 2);
    lua_pushinteger(L, end - at);
    return 2;
}
