/* main: wires the options, the host, the simulator and the REPL together. */
#include "base/buffer.h"
#include "secret/log.h"
#include "lua/script.h"
#include "secret/hardening.h"
#include "lua/state.h"
#include "lua/memory.h"
#include "session/session.h"
#include "options.h"
#include "lua/output.h"
#include "providers/provider.h"
#include "lua/repl.h"
#include "sandbox/sandbox.h"
#include "simulator/simulator.h"
#include "lua/watchdog.h"
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

/* `help` of the module kelp, at the top, as a global of the prompt, unless a script has set
 * one. */
static void offer_help(lua_State *L)
{
    if (lua_getglobal(L, "help") == LUA_TNIL && lua_istable(L, -2)) {
        lua_getfield(L, -2, "help");
        lua_setglobal(L, "help");
    }
    lua_pop(L, 2);
}

static int run_repl(lua_State *L, const struct options *o)
{
    script_require(L, "kelp");
    lua_getglobal(L, "kelp");
    offer_help(L);
    repl_greet(o->simulator);
    struct buffer path;
    history_path(&path);
    int code = repl_run(L, path.size > 0 ? buffer_text(&path) : NULL);
    buffer_free(&path);
    return code;
}

struct program {
    const struct options *options;
    struct state *host;
    int code;
};

/* Everything that may raise, inside one protected call. */
static int protected_main(lua_State *L)
{
    struct program *p = lua_touserdata(L, 1);
    const struct options *o = p->options;
    struct session *jn = state_session(p->host);
    struct options earlier;
    lua_settop(L, 0);
    bool terminal = isatty(STDIN_FILENO);
    if (o->resume != NULL && !session_resume(L, jn))
        return 0;
    if (o->resume != NULL && o->run == OPTIONS_NONE && o->action_count == 0) {
        session_push_words(L, jn);
        earlier = script_of_earlier_run(L, o);
        o = &earlier;
    }
    bool bare = o->run == OPTIONS_NONE;
    if (o->restricted && bare && terminal && !o->version) {
        log_line(LOG_ERROR, "--restricted needs a script");
        p->code = EXIT_USAGE;
        return 0;
    }
    if (o->restricted)
        sandbox_enter(L, o->manifest);
    p->code = script_run_actions(L, jn, o);
    if (p->code == 0 &&
        (!bare || (o->action_count == 0 && !o->version && !o->interactive && !terminal)))
        p->code = script_run(L, jn, o);
    if (o->interactive || (bare && o->action_count == 0 && !o->version && terminal))
        p->code = run_repl(L, o);
    p->code = state_audit(L, p->code);
    if (o->plan)
        p->code = state_plan(L, p->code);
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
    p.host = state_new(o, NULL, NULL, &why);
    if (p.host == NULL)
        goto failed;
    if (o->simulator) {
        struct simulator_options settings;
        simulator_defaults(&settings, provider_simulations());
        simulator = simulator_start(&settings, &why);
        if (simulator == NULL)
            goto failed;
        state_simulate(p.host, simulator_url(simulator));
    }
    catch_interrupt();
    lua_State *L = state_lua(p.host);
    if (!set_limits(L, o, &memory))
        goto failed;
    lua_pushcfunction(L, protected_main);
    lua_pushlightuserdata(L, &p);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        p.code = state_report(L);
    if (interrupt_is_limit() && p.code == 0) {
        log_line(LOG_ERROR, "stopped: %s", interrupt_reason());
        p.code = EXIT_FAILED;
    }
    p.code = session_end(L, state_session(p.host), p.code, state_has_raised(L));
failed:
    if (why != NULL) {
        log_line(LOG_ERROR, "%s", why);
        free(why);
        why = NULL;
    }
    state_free(p.host);
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
    if (!output_open() || hardening_take_credentials(provider_credentials()) != NULL) {
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
                code = simulator_main(o.argc - o.script, o.argv + o.script,
                                      provider_simulations());
            else
                code = run(&o);
        }
    }
    options_free(&o);
    buffer_free(&error);
    return finish_output(code);
}
