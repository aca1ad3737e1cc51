#include "sandbox/manifest.h"

#include "base/glob.h"
#include "base/buffer.h"
#include "base/file.h"
#include "lua/json.h"
#include "sandbox/manifest_private.h"

#include <lauxlib.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_FILE = 1024 * 1024, MAX_WRITES = 1000000000 };

struct reader {
    lua_State *L;
    struct manifest *m;
    int anchors; /* index of the table that keeps what the manifest points to */
};

/* Keeps the value at the top, and pops it. */
static void keep(struct reader *r)
{
    lua_rawseti(r->L, r->anchors, (lua_Integer)lua_rawlen(r->L, r->anchors) + 1);
}

static const char *keep_text(struct reader *r, int index)
{
    const char *text = lua_tostring(r->L, index);
    lua_pushvalue(r->L, index);
    keep(r);
    return text;
}

static void *keep_array(struct reader *r, size_t count, size_t size)
{
    void *block = lua_newuserdatauv(r->L, count * size + 1, 0);
    memset(block, 0, count * size + 1);
    keep(r);
    return block;
}

/* The length of the list at the top; raises unless it is one. */
static size_t check_list(struct reader *r, const char *key, const char *of)
{
    size_t count = 0;
    if (!lua_istable(r->L, -1))
        luaL_error(r->L, "%s must be a list of %s", key, of);
    lua_pushnil(r->L);
    while (lua_next(r->L, -2)) {
        count++;
        lua_pop(r->L, 1);
    }
    if (count != lua_rawlen(r->L, -1))
        luaL_error(r->L, "%s must be a list of %s", key, of);
    return count;
}

static const char *check_text(struct reader *r, const char *key, lua_Integer position)
{
    size_t size;
    if (lua_type(r->L, -1) != LUA_TSTRING)
        luaL_error(r->L, "%s[%I] must be a string", key, (LUAI_UACINT)position);
    const char *text = lua_tolstring(r->L, -1, &size);
    if (size == 0 || strlen(text) != size)
        luaL_error(r->L, "%s[%I] is empty or holds a zero byte", key,
                   (LUAI_UACINT)position);
    return keep_text(r, -1);
}

static void read_names(struct reader *r, const char *key, struct names *out)
{
    size_t count = check_list(r, key, "strings");
    out->items = keep_array(r, count, sizeof *out->items);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(r->L, -1, (lua_Integer)i + 1);
        out->items[i] = check_text(r, key, (lua_Integer)i + 1);
        lua_pop(r->L, 1);
    }
    out->count = count;
}

static void read_verbs(struct reader *r)
{
    struct names names;
    read_names(r, "verbs", &names);
    for (size_t i = 0; i < names.count; i++) {
        int writer = manifest_writer(names.items[i]);
        if (writer >= 0)
            r->m->verbs |= BIT(writer);
        else if (!manifest_reader(names.items[i]))
            luaL_error(r->L, "verbs[%I]: there is no verb '%s'", (LUAI_UACINT)(i + 1),
                       names.items[i]);
    }
}

static lua_Integer check_count(struct reader *r, const char *key)
{
    lua_Integer n = lua_tointeger(r->L, -1);
    if (!lua_isinteger(r->L, -1) || n < 0 || n > MAX_WRITES)
        luaL_error(r->L, "%s must be a whole number from 0", key);
    return n;
}

/* A number, or { total = number, VERB = number }. */
static void read_writes(struct reader *r)
{
    if (!lua_istable(r->L, -1)) {
        r->m->most = check_count(r, "writes");
        return;
    }
    lua_pushnil(r->L);
    while (lua_next(r->L, -2)) {
        const char *key = lua_type(r->L, -2) == LUA_TSTRING ? lua_tostring(r->L, -2) : "?";
        int writer = manifest_writer(key);
        if (writer < 0 && strcmp(key, "total") != 0)
            luaL_error(r->L, "writes: '%s' is neither 'total' nor a verb that writes",
                       key);
        *(writer >= 0 ? &r->m->most_of[writer] : &r->m->most) = check_count(r, "writes");
        lua_pop(r->L, 1);
    }
}

static void read_rate(struct reader *r)
{
    r->m->rate = lua_tonumber(r->L, -1);
    if (lua_type(r->L, -1) != LUA_TNUMBER || !(r->m->rate > 0) || isinf(r->m->rate))
        luaL_error(r->L, "rate must be a number of requests a second");
}

/* { provider = …, PLACE = … [, url = …] } at the top */
static void read_place(struct reader *r, struct place *out, lua_Integer position)
{
    lua_State *L = r->L;
    int entry = lua_gettop(L);
    if (lua_getfield(L, entry, "provider") == LUA_TSTRING)
        out->provider = provider_named(lua_tostring(L, -1));
    lua_pop(L, 1);
    if (out->provider == NULL)
        luaL_error(L, "targets[%I]: provider must be the name of one",
                   (LUAI_UACINT)position);
    const struct provider *p = out->provider;
    lua_pushnil(L);
    while (lua_next(L, entry)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
        const char **slot = NULL;
        for (int i = 0; p->places[i].name != NULL; i++) {
            if (strcmp(p->places[i].name, key) == 0)
                slot = &out->values[i];
        }
        if (strcmp(key, "url") == 0)
            slot = &out->url;
        if (slot != NULL && lua_type(L, -1) == LUA_TSTRING)
            *slot = keep_text(r, -1);
        else if (slot != NULL || strcmp(key, "provider") != 0)
            luaL_error(L, "targets[%I]: '%s' is %s", (LUAI_UACINT)position, key,
                       slot != NULL ? "no string" : "not known");
        lua_pop(L, 1);
    }
    for (int i = 0; p->places[i].name != NULL; i++) {
        if (out->values[i] == NULL)
            luaL_error(L, "targets[%I]: '%s' is missing", (LUAI_UACINT)position,
                       p->places[i].name);
    }
    if (p->url_option != NULL && out->url == NULL)
        luaL_error(L, "targets[%I]: 'url' is missing", (LUAI_UACINT)position);
}

static void read_targets(struct reader *r)
{
    size_t count = check_list(r, "targets", "names and tables");
    r->m->places = keep_array(r, count, sizeof *r->m->places);
    r->m->place_count = count;
    for (size_t i = 0; i < count; i++) {
        if (lua_rawgeti(r->L, -1, (lua_Integer)i + 1) == LUA_TTABLE)
            read_place(r, &r->m->places[i], (lua_Integer)i + 1);
        else
            r->m->places[i].name = check_text(r, "targets", (lua_Integer)i + 1);
        lua_pop(r->L, 1);
    }
}

static void read_connectors(struct reader *r)
{
    const struct names *globs = &r->m->connectors;
    read_names(r, "connectors", &r->m->connectors);
    for (size_t i = 0; i < globs->count; i++) {
        const char *fault = glob_fault(globs->items[i]);
        if (fault != NULL)
            luaL_error(r->L, "connectors[%I]: '%s' %s (a glob such as orders-* is expected)",
                       (LUAI_UACINT)(i + 1), globs->items[i], fault);
    }
}

static void read_secrets(struct reader *r)
{
    read_names(r, "secrets", &r->m->secrets);
}

static const struct {
    const char *name;
    void (*read)(struct reader *r);
} sections[] = {
    {"targets", read_targets}, {"verbs", read_verbs}, {"connectors", read_connectors},
    {"writes", read_writes},   {"rate", read_rate},   {"secrets", read_secrets},
};
enum { SECTIONS = sizeof sections / sizeof *sections };

static void read_sections(struct reader *r, int manifest)
{
    lua_State *L = r->L;
    bool seen[SECTIONS] = {false};
    lua_pushnil(L);
    while (lua_next(L, manifest)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
        size_t i = 0;
        while (i < SECTIONS && strcmp(sections[i].name, key) != 0)
            i++;
        if (i == SECTIONS)
            luaL_error(L, "unknown key '%s'", key);
        seen[i] = true;
        sections[i].read(r);
        lua_pop(L, 1);
    }
    if (!seen[0])
        luaL_error(L, "targets is missing");
    if (r->m->verbs != 0 && !seen[2])
        luaL_error(L, "connectors is missing: { \"*\" } would be all");
    if (r->m->verbs != 0 && r->m->most < 0)
        luaL_error(L, "writes is missing: how many writes are allowed in all");
}

/* Pushes the file's text. */
static void push_file(lua_State *L, const char *path)
{
    struct buffer text;
    buffer_init(&text, MAX_FILE);
    int failure = file_read(path, &text);
    if (failure == 0)
        lua_pushlstring(L, buffer_text(&text), text.size); /* if memory fails, it leaks, once */
    buffer_free(&text);
    if (failure != 0)
        luaL_error(L, "%s", failure == EFBIG ? "it is too large" : strerror(failure));
}

/* Replaces the text at the top by the value that it stands for. */
static void evaluate(lua_State *L, const char *path)
{
    size_t size = strlen(path);
    if (size > 5 && strcmp(path + size - 5, ".json") == 0) {
        json_decode_string(L);
        return;
    }
    const char *text = lua_tostring(L, -1);
    if (text[strspn(text, " \t\r\n")] == '{') {
        lua_pushliteral(L, "return ");
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    text = lua_tolstring(L, -1, &size);
    if (luaL_loadbufferx(L, text, size, "=line", "t") != LUA_OK)
        lua_error(L);
    lua_newtable(L);
    lua_setupvalue(L, -2, 1); /* nothing can be called by name */
    lua_call(L, 0, 1);
    lua_remove(L, -2);
}

void manifest_open(lua_State *L, const char *path, const char *simulator)
{
    struct manifest *m = lua_newuserdatauv(L, sizeof *m, 1);
    memset(m, 0, sizeof *m);
    m->reads_only = path == NULL;
    m->simulator = simulator;
    m->most = -1;
    for (int i = 0; i < VERB_COUNT; i++)
        m->most_of[i] = -1;
    lua_newtable(L);
    struct reader r = {L, m, lua_gettop(L)};
    if (path != NULL) {
        push_file(L, path);
        evaluate(L, path);
        if (!lua_istable(L, -1))
            luaL_error(L, "it is no table");
        read_sections(&r, lua_gettop(L));
        lua_settop(L, r.anchors);
    }
    lua_setiuservalue(L, -2, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, MANIFEST_KEY);
}

/* ---- showing it ---- */

static void add_names(lua_State *L, luaL_Buffer *b, const char *before, const struct names *names)
{
    (void)L;
    if (names->count > 0)
        luaL_addstring(b, before);
    for (size_t i = 0; i < names->count; i++) {
        luaL_addstring(b, i > 0 ? ", " : " ");
        luaL_addstring(b, names->items[i]);
    }
}

static void add_count(luaL_Buffer *b, const char *format, lua_Integer n)
{
    char text[64];
    snprintf(text, sizeof text, format, (long long)n);
    luaL_addstring(b, text);
}

static void add_place(luaL_Buffer *b, const struct place *p)
{
    if (p->name != NULL) {
        luaL_addstring(b, p->name);
        return;
    }
    luaL_addstring(b, p->provider->name);
    for (int i = 0; p->provider->places[i].name != NULL; i++) {
        luaL_addchar(b, i == 0 ? ' ' : '/');
        luaL_addstring(b, p->values[i]);
    }
    if (p->url != NULL) {
        luaL_addstring(b, " at ");
        luaL_addstring(b, p->url);
    }
}

void manifest_push_text(lua_State *L)
{
    const struct manifest *m = manifest_of(L);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    if (m->reads_only) {
        luaL_addstring(&b, "the script is restricted and has no manifest: it may read, and write "
                           "nothing");
        luaL_pushresult(&b);
        return;
    }
    luaL_addstring(&b, "the script is restricted to its manifest:\ntargets:");
    for (size_t i = 0; i < m->place_count; i++) {
        luaL_addstring(&b, i > 0 ? ", " : " ");
        add_place(&b, &m->places[i]);
    }
    if (m->place_count == 0)
        luaL_addstring(&b, " none");
    luaL_addstring(&b, "\nwrites:");
    for (int i = 0, n = 0; i < VERB_COUNT; i++) {
        if ((m->verbs & BIT(i)) == 0)
            continue;
        luaL_addstring(&b, n++ > 0 ? ", " : " ");
        luaL_addstring(&b, verb_name((enum verb)i));
        if (m->most_of[i] >= 0)
            add_count(&b, " (at most %lld)", m->most_of[i]);
    }
    if (m->verbs == 0)
        luaL_addstring(&b, " none");
    else
        add_count(&b, "; at most %lld in all", m->most);
    add_names(L, &b, "\nconnectors that it may write:", &m->connectors);
    add_names(L, &b, "\nsecrets:", &m->secrets);
    if (m->rate > 0) {
        char text[64];
        snprintf(text, sizeof text, "\nrate: at most %g requests a second", m->rate);
        luaL_addstring(&b, text);
    }
    luaL_pushresult(&b);
}
