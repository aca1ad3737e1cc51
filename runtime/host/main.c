/* main: wires the options, the host, the simulator and the REPL together. */
#include "base/buffer.h"
#include "base/log.h"
#include "host/embedded.h"
#include "host/hardening.h"
#include "host/host.h"
#include "host/memory.h"
#include "host/journaling.h"
#include "host/options.h"
#include "host/output.h"
#include "host/repl.h"
#include "host/restricted.h"
#include "host/simulator.h"
#include "host/watchdog.h"
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

#define RESTRICTED_MEMORY ((size_t)256 * 1024 * 1024)

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
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
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

/* The bytes of a script, for its digest; nothing when it cannot be read again. */
static void read_file(const char *path, struct buffer *out)
{
    char piece[16384];
    size_t n;
    FILE *f = fopen(path, "re");
    buffer_init(out, 64 * 1024 * 1024);
    while (f != NULL && (n = fread(piece, 1, sizeof piece, f)) > 0)
        buffer_add(out, piece, n);
    if (f != NULL)
        fclose(f);
}

/* Says in the journal, or compares with it, what is run. [-0, +0, e] */
static void describe(lua_State *L, struct journaling *jn, const struct options *o)
{
    const char *name = o->script < o->argc ? o->argv[o->script] : NULL;
    if (o->run == OPTIONS_STDIN || o->run == OPTIONS_NONE) {
        if (o->restricted)
            journaling_keep_words(L, jn, 0, NULL);
        journaling_describe(L, jn, NULL, NULL, 0);
        return;
    }
    journaling_keep_words(L, jn, o->argc - o->script, o->argv + o->script);
    struct buffer code;
    if (o->run == OPTIONS_COMMAND) {
        buffer_init(&code, 4096);
        buffer_printf(&code, "kelp %s %s", KELP_VERSION, name);
    } else {
        read_file(name, &code);
    }
    lua_pushlstring(L, buffer_text(&code), code.size);
    buffer_free(&code);
    size_t size;
    const char *bytes = lua_tolstring(L, -1, &size);
    journaling_describe(L, jn, name, bytes, size);
    lua_pop(L, 1);
}

static int run_script(lua_State *L, struct journaling *jn, const struct options *o)
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
    describe(L, jn, o);
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

static void describe_actions(lua_State *L, struct journaling *jn, const struct options *o)
{
    lua_pushliteral(L, "");
    for (size_t i = 0; i < o->action_count; i++) {
        lua_pushfstring(L, "%s\n", o->actions[i].text);
        lua_concat(L, 2);
    }
    size_t size;
    const char *text = lua_tolstring(L, -1, &size);
    journaling_describe(L, jn, "(command line)", text, size);
    lua_pop(L, 1);
}

static int run_actions(lua_State *L, struct journaling *jn, const struct options *o)
{
    if (o->action_count > 0 && run_require(L, "kelp") != 0)
        return EXIT_FAILED;
    if (o->action_count > 0 && o->run == OPTIONS_NONE)
        describe_actions(L, jn, o);
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

/* The options of a run that is gone on with, when its script is not named again:
 * its words are at the top. [-0, +0, m] */
static struct options options_of_words(lua_State *L, const struct options *given)
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

/* Everything that may raise, inside one protected call. */
static int protected_main(lua_State *L)
{
    struct program *p = lua_touserdata(L, 1);
    const struct options *o = p->options;
    struct journaling *jn = host_journaling(p->host);
    struct options earlier;
    lua_settop(L, 0);
    bool terminal = isatty(STDIN_FILENO);
    if (o->resume != NULL && !journaling_resume(L, jn))
        return 0;
    if (o->resume != NULL && o->run == OPTIONS_NONE && o->action_count == 0) {
        journaling_push_words(L, jn);
        earlier = options_of_words(L, o);
        o = &earlier;
    }
    bool bare = o->run == OPTIONS_NONE;
    if (o->restricted && bare && terminal && !o->version) {
        log_line(LOG_ERROR, "--restricted needs a script");
        p->code = EXIT_USAGE;
        return 0;
    }
    if (o->restricted)
        restricted_enter(L, o->manifest);
    p->code = run_actions(L, jn, o);
    if (p->code == 0 &&
        (!bare || (o->action_count == 0 && !o->version && !o->interactive && !terminal)))
        p->code = run_script(L, jn, o);
    if (o->interactive || (bare && o->action_count == 0 && !o->version && terminal))
        p->code = run_repl(L);
    p->code = host_audit(L, p->code);
    if (o->plan)
        p->code = host_plan(L, p->code);
    return 0;
}

/* False, after saying so, when the limits cannot be set. */
static bool set_limits(lua_State *L, const struct options *o, struct memory *memory)
{
    size_t most = o->memory_limit;
    if (most == 0 && o->restricted)
        most = RESTRICTED_MEMORY;
    if (most > 0)
        memory_limit(L, memory, most);
    if (!o->restricted && !(o->time_limit > 0))
        return true;
    if (watchdog_start(o->time_limit))
        return true;
    log_line(LOG_ERROR, "no timers for the time limit: %s", strerror(errno));
    return false;
}

static int run(const struct options *o)
{
    char *why = NULL;
    struct simulator *simulator = NULL;
    struct memory memory;
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
    if (!set_limits(L, o, &memory))
        goto failed;
    lua_pushcfunction(L, protected_main);
    lua_pushlightuserdata(L, &p);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        p.code = host_report(L);
    if (interrupt_is_limit() && p.code == 0) {
        log_line(LOG_ERROR, "stopped: %s", interrupt_reason());
        p.code = EXIT_FAILED;
    }
    p.code = journaling_end(L, host_journaling(p.host), p.code);
failed:
    if (why != NULL) {
        log_line(LOG_ERROR, "%s", why);
        free(why);
        why = NULL;
    }
    host_free(p.host);
    watchdog_stop();
    if (simulator != NULL)
        simulator_stop(simulator, &why);
    free(why);
    return p.code;
}

/* What was buffered may be what does not fit. */
static int finish_output(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        int failure = log_release(STDOUT_FILENO);
        if (failure == 0)
            return code;
        errno = failure;
    }
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
    if (!output_open() || hardening_take_credentials() != NULL) {
        fputs("kelp: not enough memory\n", stderr);
        return EXIT_FAILED;
    }
    if (!hardening_close_process()) {
        fprintf(stderr, "kelp: cannot forbid core files: %s\n", strerror(errno));
        return EXIT_FAILED;
    }
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
