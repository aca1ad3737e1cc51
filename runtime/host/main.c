/* main: wires the options, the host, the simulator and the REPL together. */
#include "base/buffer.h"
#include "base/log.h"
#include "host/embedded.h"
#include "host/host.h"
#include "host/options.h"
#include "host/repl.h"
#include "host/simulator.h"
#include "lua/interrupt.h"

#include <lauxlib.h>
#include <lualib.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* A second Ctrl-C, while the first is still being obeyed, ends the process at
 * once. */
static void on_interrupt(int signal_number)
{
    if (interrupt_pending()) {
        struct sigaction plain = {.sa_handler = SIG_DFL};
        sigaction(signal_number, &plain, NULL);
        raise(signal_number);
    }
    interrupt_signal();
}

static void catch_interrupt(void)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
}

static int report_load(lua_State *L)
{
    host_report(L);
    return EXIT_FAILED;
}

static int run_text(lua_State *L, const char *text)
{
    if (luaL_loadbufferx(L, text, strlen(text), "=(command line)", "t") != LUA_OK)
        return report_load(L);
    return host_run(L, 0);
}

/* -l mod, or -l g=mod: g = require "mod". */
static int run_require(lua_State *L, const char *text)
{
    const char *equals = strchr(text, '=');
    const char *module = equals != NULL ? equals + 1 : text;
    lua_getglobal(L, "require");
    lua_pushstring(L, module);
    int base = lua_gettop(L) - 1;
    if (host_call(L, 1) != LUA_OK)
        return host_report(L);
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

/* $XDG_CONFIG_HOME/kelp/commands/NAME.lua, if it is there. */
static bool own_command(struct buffer *path, const char *name)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    buffer_init(path, 4096);
    if (config != NULL && *config == '/')
        buffer_add_text(path, config);
    else if (home != NULL && *home == '/')
        buffer_printf(path, "%s/.config", home);
    else
        return false;
    buffer_printf(path, "/kelp/commands/%s.lua", name);
    return !path->overflowed && access(buffer_text(path), F_OK) == 0;
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
        host_add_folder(L, buffer_text(&path));
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

static int run_script(lua_State *L, const struct options *o)
{
    int code = 0;
    if (o->run == OPTIONS_COMMAND) {
        code = load_command(L, o->argv[o->script]);
    } else {
        const char *path = o->run == OPTIONS_SCRIPT ? o->argv[o->script] : NULL;
        if (path != NULL)
            host_add_folder(L, path);
        if (luaL_loadfilex(L, path, "t") != LUA_OK)
            code = report_load(L);
    }
    if (code != 0)
        return code;
    int n = push_arguments(L, o);
    return host_run(L, n);
}

/* $XDG_STATE_HOME/kelp/history */
static void history_path(struct buffer *path)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    buffer_init(path, 4096);
    if (state != NULL && *state == '/')
        buffer_printf(path, "%s/kelp/history", state);
    else if (home != NULL && *home == '/')
        buffer_printf(path, "%s/.local/state/kelp/history", home);
}

static int run_repl(lua_State *L)
{
    run_require(L, "kelp");
    struct buffer path;
    history_path(&path);
    int code = repl_run(L, path.size > 0 ? buffer_text(&path) : NULL);
    buffer_free(&path);
    return code;
}

static int run_actions(lua_State *L, const struct options *o)
{
    if (o->action_count > 0 && run_require(L, "kelp") != 0)
        return EXIT_FAILED;
    for (size_t i = 0; i < o->action_count; i++) {
        const struct options_action *a = &o->actions[i];
        int code = a->kind == OPTIONS_RUN_TEXT ? run_text(L, a->text) : run_require(L, a->text);
        if (code != 0)
            return code;
    }
    return 0;
}

struct program {
    const struct options *options;
    struct host *host;
    int code;
};

/* Everything that may raise, inside one protected call. */
static int protected_main(lua_State *L)
{
    struct program *p = lua_touserdata(L, 1);
    const struct options *o = p->options;
    lua_settop(L, 0);
    bool terminal = isatty(STDIN_FILENO);
    p->code = run_actions(L, o);
    bool bare = o->run == OPTIONS_NONE;
    if (p->code == 0 &&
        (!bare || (o->action_count == 0 && !o->version && !o->interactive && !terminal)))
        p->code = run_script(L, o);
    if (o->interactive || (bare && o->action_count == 0 && !o->version && terminal))
        p->code = run_repl(L);
    p->code = host_audit(L, p->code);
    return 0;
}

static int run(const struct options *o)
{
    char *why = NULL;
    struct simulator *simulator = NULL;
    struct program p = {o, NULL, EXIT_FAILED};
    p.host = host_new(o, NULL, NULL, &why);
    if (p.host == NULL)
        goto failed;
    if (o->simulator) {
        struct simulator_options settings;
        simulator_defaults(&settings);
        simulator = simulator_start(&settings, &why);
        if (simulator == NULL)
            goto failed;
        host_simulate(p.host, simulator_url(simulator));
    }
    catch_interrupt();
    lua_State *L = host_state(p.host);
    lua_pushcfunction(L, protected_main);
    lua_pushlightuserdata(L, &p);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        p.code = host_report(L);
failed:
    if (why != NULL) {
        log_line(LOG_ERROR, "%s", why);
        free(why);
        why = NULL;
    }
    host_free(p.host);
    if (simulator != NULL)
        simulator_stop(simulator, &why);
    free(why);
    return p.code;
}

/* What was buffered may be what does not fit. */
static int finish_output(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "kelp: cannot write to standard output: %s\n", strerror(errno));
    return code == 0 ? EXIT_FAILED : code;
}

static void print_buffer(bool (*fill)(struct buffer *))
{
    struct buffer text;
    buffer_init(&text, 64 * 1024);
    fill(&text);
    fwrite(buffer_text(&text), 1, text.size, stdout);
    buffer_free(&text);
}

int main(int argc, char **argv)
{
    struct options o;
    struct buffer error;
    buffer_init(&error, 4096);
    options_defaults(&o);
    bool understood = options_parse(&o, argc, argv, &error);
    log_set_level(o.log_level);
    log_set_json(o.log_json);
    int code = 0;
    if (!understood) {
        /* Not a log line: --log none does not silence it. */
        fprintf(stderr, "kelp: %s\n", buffer_text(&error));
        code = EXIT_USAGE;
    } else {
        if (o.help)
            print_buffer(options_usage);
        if (o.version)
            print_buffer(options_version);
        if (!o.quit) {
            if (o.run == OPTIONS_COMMAND && strcmp(argv[o.script], "sim") == 0)
                code = simulator_main(o.argc - o.script, o.argv + o.script);
            else
                code = run(&o);
        }
    }
    options_free(&o);
    buffer_free(&error);
    return finish_output(code);
}
