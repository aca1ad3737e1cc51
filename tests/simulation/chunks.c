#include "chunks.h"

#include "base/buffer.h"

#include <lauxlib.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct chunk {
    char *name; /* "jobs.lua", or the patched "kelp.reconcile" */
    struct buffer code;
};

struct chunks {
    struct chunk *list;
    size_t count;
};

static int write_code(lua_State *L, const void *bytes, size_t size, void *code)
{
    (void)L;
    return buffer_add(code, bytes, size) ? 0 : 1;
}

/* Keeps the function at the top, with its line numbers, under that name. [-1, +0] */
static bool keep(lua_State *L, struct chunks *c, const char *name)
{
    struct chunk *list = realloc(c->list, (c->count + 1) * sizeof *list);
    if (list == NULL)
        return false;
    c->list = list;
    struct chunk *chunk = &list[c->count++];
    chunk->name = strdup(name);
    buffer_init(&chunk->code, SIZE_MAX / 2);
    bool kept = chunk->name != NULL && lua_dump(L, write_code, &chunk->code, 0) == 0;
    lua_pop(L, 1);
    return kept;
}

/* Compiles kelp's file of that module with `from` replaced. [-0, +1] */
static int load_patched(lua_State *L, const char *module, const char *from, const char *to)
{
    char path[4096];
    const char *file = luaL_gsub(L, module, ".", "/");
    snprintf(path, sizeof path, "%s/scripts/%s.lua", SOURCE_DIR, file);
    FILE *f = fopen(path, "re");
    struct buffer text;
    buffer_init(&text, 1024 * 1024);
    char piece[4096];
    for (size_t n; f != NULL && (n = fread(piece, 1, sizeof piece, f)) > 0;)
        buffer_add(&text, piece, n);
    if (f != NULL)
        fclose(f);
    const char *place = strstr(buffer_text(&text), from);
    if (place == NULL || strstr(place + 1, from) != NULL) {
        lua_pushfstring(L, "%s does not hold \"%s\" once", path, from);
        buffer_free(&text);
        return LUA_ERRFILE;
    }
    luaL_Buffer patched;
    luaL_buffinit(L, &patched);
    luaL_addlstring(&patched, text.data, (size_t)(place - text.data));
    luaL_addstring(&patched, to);
    luaL_addstring(&patched, place + strlen(from));
    luaL_pushresult(&patched);
    buffer_free(&text);
    size_t size;
    const char *bytes = lua_tolstring(L, -1, &size);
    const char *name = lua_pushfstring(L, "@builtin/%s.lua", file);
    return luaL_loadbufferx(L, bytes, size, name, "t");
}

struct chunks *chunks_new(lua_State *L, const char *patched, const char *from, const char *to)
{
    static const char *const own[] = {"plan.lua", "ground.lua", "judge.lua", "jobs.lua"};
    struct chunks *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    if (patched != NULL &&
        (load_patched(L, patched, from, to) != LUA_OK || !keep(L, c, patched)))
        goto failed;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/tests/simulation/%s", SOURCE_DIR, own[i]);
        if (luaL_loadfilex(L, path, "t") != LUA_OK || !keep(L, c, own[i]))
            goto failed;
    }
    lua_settop(L, 0);
    return c;
failed:
    fprintf(stderr, "simulate: %s\n", lua_isstring(L, -1) ? lua_tostring(L, -1) : "out of memory");
    chunks_free(c);
    return NULL;
}

void chunks_free(struct chunks *c)
{
    for (size_t i = 0; i < c->count; i++) {
        free(c->list[i].name);
        buffer_free(&c->list[i].code);
    }
    free(c->list);
    free(c);
}

static const struct chunk *find(const struct chunks *c, const char *name)
{
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->list[i].name, name) == 0)
            return &c->list[i];
    }
    return NULL;
}

static void push(lua_State *L, const struct chunk *chunk)
{
    if (luaL_loadbufferx(L, chunk->code.data, chunk->code.size, chunk->name, "b") != LUA_OK)
        lua_error(L);
}

void chunks_push(lua_State *L, const struct chunks *c, const char *name)
{
    const struct chunk *chunk = find(c, name);
    if (chunk == NULL)
        luaL_error(L, "no file %s", name);
    else
        push(L, chunk);
}

static int search(lua_State *L)
{
    const struct chunks *c = lua_touserdata(L, lua_upvalueindex(1));
    const struct chunk *chunk = find(c, luaL_checkstring(L, 1));
    if (chunk == NULL)
        return 0;
    push(L, chunk);
    lua_pushstring(L, chunk->name);
    return 2;
}

void chunks_install(lua_State *L, struct chunks *c)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "searchers");
    for (lua_Integer i = (lua_Integer)lua_rawlen(L, -1); i >= 1; i--) {
        lua_rawgeti(L, -1, i);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushlightuserdata(L, c);
    lua_pushcclosure(L, search, 1);
    lua_rawseti(L, -2, 1);
    lua_pop(L, 2);
}
