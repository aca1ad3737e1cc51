#include "lua/script.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/nearest.h"
#include "base/paths.h"
#include "lua/embedded.h"
#include "secret/log.h"

#include <lauxlib.h>
#include <lualib.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct state_result done = {.ending = STATE_DONE};

bool script_is_file(const char *word)
{
    size_t size = strlen(word);
    return strchr(word, '/') != NULL || (size > 4 && strcmp(word + size - 4, ".lua") == 0);
}

bool script_goes_on(struct state_result result)
{
    return result.ending == STATE_DONE ||
           (result.ending == STATE_RETURNED && result.code == 0);
}

static struct state_result run_text(lua_State *L, const char *text)
{
    if (luaL_loadbufferx(L, text, strlen(text), "=(command line)", "t") != LUA_OK)
        return state_report(L);
    return state_run(L, 0);
}

struct state_result script_require(lua_State *L, const char *text)
{
    const char *equals = strchr(text, '=');
    const char *module = equals != NULL ? equals + 1 : text;
    lua_getglobal(L, "require");
    lua_pushstring(L, module);
    int base = lua_gettop(L) - 1;
    if (state_call(L, 1) != LUA_OK)
        return state_report(L);
    if (equals != NULL)
        lua_pushlstring(L, text, (size_t)(equals - text));
    else
        lua_pushlstring(L, module, strcspn(module, "-"));
    lua_pushglobaltable(L);
    lua_pushvalue(L, -2);
    lua_pushvalue(L, base);
    lua_settable(L, -3);
    lua_settop(L, base - 1);
    return done;
}

/* arg[0] is the script, what stood before it has negative indices. */
static int push_arguments(lua_State *L, const struct script *s)
{
    lua_createtable(L, s->argc, 4);
    for (int i = 0; i < s->argc; i++) {
        lua_pushstring(L, s->argv[i]);
        lua_rawseti(L, -2, i - s->index);
    }
    lua_setglobal(L, "arg");
    int n = s->argc - s->index - 1;
    luaL_checkstack(L, n, "too many arguments");
    for (int i = 1; i <= n; i++)
        lua_pushstring(L, s->argv[s->index + i]);
    return n > 0 ? n : 0;
}

/* The user's own commands/NAME.lua, if it is there. */
static bool own_command(struct buffer *path, const char *name)
{
    buffer_init(path, 4096);
    return paths_add_config(path, "commands/") && buffer_add_text(path, name)
           && buffer_add_text(path, ".lua") && access(buffer_text(path), F_OK) == 0;
}

bool script_is_users_command(const char *name)
{
    struct buffer path;
    bool is = own_command(&path, name);
    buffer_free(&path);
    return is;
}

enum { MOST_COMMANDS = 64 };

/* "there is no command …", with those that there are. */
static void refuse_command(const char *name)
{
    const char *words[MOST_COMMANDS];
    size_t count = 0;
    struct buffer known;
    buffer_init(&known, 4096);
    for (const struct embedded_file *f = embedded_files; f->name != NULL; f++) {
        if (strncmp(f->name, "commands/", 9) == 0 && count < MOST_COMMANDS) {
            words[count++] = f->name + 9;
            buffer_printf(&known, " %s", f->name + 9);
        }
    }
    const char *nearest = nearest_word(name, words, count);
    log_line(LOG_ERROR, "there is no command '%s'%s%s%s (a script's name ends in .lua); commands:%s",
             name, nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "",
             nearest != NULL ? "'?" : "", buffer_text(&known));
    buffer_free(&known);
}

/* Leaves the function of the command; false, with *result, after reporting. */
static bool load_command(lua_State *L, const char *name, struct state_result *result)
{
    struct buffer path;
    int status;
    if (own_command(&path, name)) {
        state_add_folder(L, buffer_text(&path));
        status = luaL_loadfilex(L, buffer_text(&path), "t");
    } else {
        lua_pushfstring(L, "commands/%s", name);
        status = embedded_load(L, lua_tostring(L, -1));
        lua_remove(L, -2);
    }
    buffer_free(&path);
    if (status == LUA_OK)
        return true;
    if (status != LUA_ERRFILE) {
        *result = state_report(L);
        return false;
    }
    refuse_command(name);
    lua_pop(L, 1);
    result->ending = STATE_USAGE;
    return false;
}

/* The same for a script, or for standard input. */
static bool load_file(lua_State *L, const char *path, struct state_result *result)
{
    if (path != NULL)
        state_add_folder(L, path);
    if (luaL_loadfilex(L, path, "t") == LUA_OK)
        return true;
    *result = state_report(L);
    return false;
}

static void describe(lua_State *L, const struct script *s, const struct script_listener *listener)
{
    if (listener == NULL)
        return;
    if (s->kind == SCRIPT_STDIN || s->kind == SCRIPT_NONE) {
        listener->describe(L, listener->context, s, NULL, NULL, 0);
        return;
    }
    const char *name = s->argv[s->index];
    struct buffer code;
    if (s->kind == SCRIPT_COMMAND) {
        buffer_init(&code, 4096);
        buffer_printf(&code, "kelp %s %s", KELP_VERSION, name);
    } else {
        buffer_init(&code, 64 * 1024 * 1024);
        (void)file_read(name, &code); /* without its digest when it cannot be read again */
    }
    lua_pushlstring(L, buffer_text(&code), code.size);
    buffer_free(&code);
    size_t size;
    const char *bytes = lua_tolstring(L, -1, &size);
    listener->describe(L, listener->context, s, name, bytes, size);
    lua_pop(L, 1);
}

struct state_result script_run(lua_State *L, const struct script *s,
                               const struct script_listener *listener)
{
    struct state_result result = done;
    bool loaded = s->kind == SCRIPT_COMMAND
                      ? load_command(L, s->argv[s->index], &result)
                      : load_file(L, s->kind == SCRIPT_FILE ? s->argv[s->index] : NULL, &result);
    if (!loaded)
        return result;
    describe(L, s, listener);
    return state_run(L, push_arguments(L, s));
}

static void describe_actions(lua_State *L, const struct script_action *actions, size_t count,
                             const struct script_listener *listener)
{
    lua_pushliteral(L, "");
    for (size_t i = 0; i < count; i++) {
        lua_pushfstring(L, "%s\n", actions[i].text);
        lua_concat(L, 2);
    }
    size_t size;
    const char *text = lua_tolstring(L, -1, &size);
    listener->describe(L, listener->context, NULL, "(command line)", text, size);
    lua_pop(L, 1);
}

struct state_result script_run_actions(lua_State *L, const struct script *s,
                                       const struct script_action *actions, size_t count,
                                       const struct script_listener *listener)
{
    struct state_result result = count > 0 ? script_require(L, "kelp") : done;
    if (!script_goes_on(result))
        return result;
    if (count > 0 && s->kind == SCRIPT_NONE && listener != NULL)
        describe_actions(L, actions, count, listener);
    for (size_t i = 0; i < count && script_goes_on(result); i++) {
        const char *text = actions[i].text;
        result = actions[i].kind == SCRIPT_STATEMENT ? run_text(L, text) : script_require(L, text);
    }
    return result;
}

struct script script_of_words(lua_State *L)
{
    int words = lua_gettop(L);
    struct script s = {.argc = (int)lua_rawlen(L, words)};
    s.argv = lua_newuserdatauv(L, ((size_t)s.argc + 1) * sizeof *s.argv, 1);
    lua_pushvalue(L, words);
    lua_setiuservalue(L, -2, 1); /* keeps the texts */
    for (int i = 0; i < s.argc; i++) {
        lua_rawgeti(L, words, i + 1);
        s.argv[i] = (char *)(uintptr_t)lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    s.argv[s.argc] = NULL;
    s.kind = script_is_file(s.argv[0]) ? SCRIPT_FILE : SCRIPT_COMMAND;
    return s;
}
