#include "program.h"

#include "kelp.h"
#include "lua/interrupt.h"
#include "lua/repl.h"
#include "lua/script.h"
#include "lua/signals.h"
#include "lua/state.h"
#include "lua/watchdog.h"
#include "options.h"
#include "providers/provider.h"
#include "sandbox/sandbox.h"
#include "secret/log.h"
#include "session/at_end.h"
#include "session/exit_code.h"
#include "simulator/simulator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct program {
    const struct options *options;
    struct simulator *simulator; /* NULL: none */
    struct kelp kelp;
    struct state *state;
    struct exit_facts facts;
};

/* Statements, the script or command, the REPL: as far as they are asked for. */
static struct state_result run_code(lua_State *L, struct program *p, const struct script *script)
{
    const struct options *o = p->options;
    struct script_listener listener = {session_describe_script, &p->kelp.session};
    bool named = script->kind != SCRIPT_NONE, terminal = isatty(STDIN_FILENO);
    bool idle = !named && o->action_count == 0 && !o->version && !o->interactive;
    if (o->restricted && !named && terminal && !o->version) {
        log_line(LOG_ERROR, "--restricted needs a script");
        return (struct state_result){.ending = STATE_USAGE};
    }
    if (o->restricted)
        sandbox_enter(L, o->manifest, p->kelp.simulator);
    struct state_result result =
        script_run_actions(L, script, o->actions, o->action_count, &listener);
    if (script_goes_on(result) && (named || (idle && !terminal)))
        result = script_run(L, script, &listener);
    if (o->interactive || (idle && terminal)) {
        script_require(L, "kelp");
        result = repl_run(L, o->simulator);
    }
    return result;
}

/* Everything that may raise, inside one protected call. */
static int run_protected(lua_State *L)
{
    struct program *p = lua_touserdata(L, 1);
    const struct options *o = p->options;
    struct script script = o->script;
    lua_settop(L, 0);
    p->facts.script.ending = STATE_FAILED; /* until it is known better */
    if (o->resume != NULL && !session_resume(L, &p->kelp.session))
        return 0;
    if (o->resume != NULL && script.kind == SCRIPT_NONE && o->action_count == 0) {
        session_push_words(L, &p->kelp.session);
        script = script_of_words(L);
    }
    p->facts.script = run_code(L, p, &script);
    at_end_run(L, &p->facts);
    return 0;
}

/* NULL, or what is wrong. */
static char *open_program(struct program *p)
{
    const struct options *o = p->options;
    struct kelp *k = &p->kelp;
    struct state_settings settings = {.open = kelp_open, .close = kelp_close, .context = k};
    char *why = NULL;
    if (o->simulator) {
        struct simulator_options defaults;
        simulator_defaults(&defaults, provider_simulations());
        p->simulator = simulator_start(&defaults, &why);
        if (p->simulator == NULL)
            return why;
        k->simulator = simulator_url(p->simulator);
    }
    /* What the built-in simulator holds is gone with the process: nothing can be resumed. */
    k->session_options = (struct session_options){
        .plan = o->plan, .records = !o->no_journal && (!o->simulator || o->journal != NULL),
        .journal = o->journal, .resume = o->resume, .accept_changes = o->accept_changes,
        .restricted = o->restricted};
    k->json_output = o->json_output;
    k->concurrency = o->concurrency;
    k->rate = o->rate;
    k->timeout = o->timeout;
    p->state = state_new(&settings, &why);
    if (p->state == NULL)
        return why;
    if (o->memory_limit > 0 || o->restricted)
        state_limit_memory(p->state, o->memory_limit > 0 ? o->memory_limit : SANDBOX_MEMORY);
    if ((o->restricted || o->time_limit > 0) && !watchdog_start(o->time_limit)) {
        log_line(LOG_ERROR, "%s", strerror(errno));
        return strdup("there are no timers for the time limit");
    }
    return NULL;
}

static void close_program(struct program *p)
{
    char *why = NULL;
    state_free(p->state);
    watchdog_stop();
    if (p->simulator != NULL)
        simulator_stop(p->simulator, &why);
    free(why);
}

static void run(struct program *p)
{
    signals_catch();
    lua_State *L = state_lua(p->state);
    lua_pushcfunction(L, run_protected);
    lua_pushlightuserdata(L, p);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        p->facts.script = state_report(L);
    p->facts.limit_reached = interrupt_is_limit();
    if (p->facts.limit_reached && session_exit_code(&p->facts) == 1 && !state_has_raised(L))
        log_line(LOG_ERROR, "stopped: %s", interrupt_reason());
    session_end(L, &p->kelp.session, &p->facts, state_has_raised(L));
}

void program_run(const struct options *o, struct exit_facts *facts)
{
    struct program p = {.options = o};
    char *why = open_program(&p);
    if (why == NULL) {
        run(&p);
    } else {
        log_line(LOG_ERROR, "%s", why);
        p.facts.script.ending = STATE_FAILED;
        free(why);
    }
    close_program(&p);
    *facts = p.facts;
}
