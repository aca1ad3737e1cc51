#include "lua/script.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/paths.h"
#include "secret/log.h"
#include "lua/embedded.h"
#include "lua/state.h"
#include "session/session.h"
#include "options.h"

#include <lauxlib.h>
#include <lualib.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

static int report_load(lua_State *L)
{
    state_report(L);
    return EXIT_FAILED;
}

static int run_text(lua_State *L, const char *text)
{
    if (luaL_loadbufferx(L, text, strlen(text), "=(command line)", "t") != LUA_OK)
        return report_load(L);
    return state_run(L, 0);
}

int script_require(lua_State *L, const char *text)
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
    return 0;
}

/* arg[0] is the script, what stood before it has negative indices. */
static int push_arguments(lua_State *L, const struct options *o)
{
    lua_createtable(L, o->argc, 4);
    for (int i = 0; i < o->argc; i++) {
        lua_pushstring(L, o->argv[i]);
        lua_rawseti(L, -2, i - o->script);
    }
    lua_setglobal(L, "arg");
    int n = o->argc - o->script - 1;
    luaL_checkstack(L, n, "too many arguments");
    for (int i = 1; i <= n; i++)
        lua_pushstring(L, o->argv[o->script + i]);
    return n > 0 ? n : 0;
}

/* The user's own commands/NAME.lua, if it is there. */
static bool own_command(struct buffer *path, const char *name)
{
    buffer_init(path, 4096);
    return paths_add_config(path, "commands/") && buffer_add_text(path, name)
           && buffer_add_text(path, ".lua") && access(buffer_text(path), F_OK) == 0;
}

static void list_commands(struct buffer *out)
{
    for (const struct embedded_file *f = embedded_files; f->name != NULL; f++) {
        if (strncmp(f->name, "commands/", 9) == 0)
            buffer_printf(out, " %s", f->name + 9);
    }
}

/* Leaves the command's chunk; 0, or the exit code after reporting. */
static int load_command(lua_State *L, const char *name)
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
        return 0;
    if (status == LUA_ERRFILE) {
        struct buffer known;
        buffer_init(&known, 4096);
        list_commands(&known);
        log_line(LOG_ERROR, "there is no command '%s' (a script's name ends in .lua); commands: sim%s",
                 name, buffer_text(&known));
        buffer_free(&known);
        lua_pop(L, 1);
        return EXIT_USAGE;
    }
    return report_load(L);
}

/* Says in the journal, or compares with it, what is run. [-0, +0, e] */
static void describe(lua_State *L, struct session *jn, const struct options *o)
{
    const char *name = o->script < o->argc ? o->argv[o->script] : NULL;
    if (o->run == OPTIONS_STDIN || o->run == OPTIONS_NONE) {
        if (o->restricted)
            session_keep_words(L, jn, 0, NULL);
        session_describe(L, jn, NULL, NULL, 0);
        return;
    }
    session_keep_words(L, jn, o->argc - o->script, o->argv + o->script);
    struct buffer code;
    if (o->run == OPTIONS_COMMAND) {
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
    session_describe(L, jn, name, bytes, size);
    lua_pop(L, 1);
}

int script_run(lua_State *L, struct session *jn, const struct options *o)
{
    int code = 0;
    if (o->run == OPTIONS_COMMAND) {
        code = load_command(L, o->argv[o->script]);
    } else {
        const char *path = o->run == OPTIONS_SCRIPT ? o->argv[o->script] : NULL;
        if (path != NULL)
            state_add_folder(L, path);
        if (luaL_loadfilex(L, path, "t") != LUA_OK)
            code = report_load(L);
    }
    if (code != 0)
        return code;
    describe(L, jn, o);
    int n = push_arguments(L, o);
    return state_run(L, n);
}

static void describe_actions(lua_State *L, struct session *jn, const struct options *o)
{
    lua_pushliteral(L, "");
    for (size_t i = 0; i < o->action_count; i++) {
        lua_pushfstring(L, "%s\n", o->actions[i].text);
        lua_concat(L, 2);
    }
    size_t size;
    const char *text = lua_tolstring(L, -1, &size);
    session_describe(L, jn, "(command line)", text, size);
    lua_pop(L, 1);
}

int script_run_actions(lua_State *L, struct session *jn, const struct options *o)
{
    if (o->action_count > 0 && script_require(L, "kelp") != 0)
        return EXIT_FAILED;
    if (o->action_count > 0 && o->run == OPTIONS_NONE)
        describe_actions(L, jn, o);
    for (size_t i = 0; i < o->action_count; i++) {
        const struct options_action *a = &o->actions[i];
        int code = a->kind == OPTIONS_RUN_TEXT ? run_text(L, a->text) : script_require(L, a->text);
        if (code != 0)
            return code;
    }
    return 0;
}

struct options script_of_earlier_run(lua_State *L, const struct options *given)
{
    struct options o = *given;
    int words = lua_gettop(L);
    o.argc = (int)lua_rawlen(L, words);
    o.argv = lua_newuserdatauv(L, ((size_t)o.argc + 1) * sizeof *o.argv, 1);
    lua_pushvalue(L, words);
    lua_setiuservalue(L, -2, 1); /* keeps the texts */
    for (int i = 0; i < o.argc; i++) {
        lua_rawgeti(L, words, i + 1);
        o.argv[i] = (char *)lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    o.argv[o.argc] = NULL;
    o.script = 0;
    o.run = options_is_script(o.argv[0]) ? OPTIONS_SCRIPT : OPTIONS_COMMAND;
    return o;
}
