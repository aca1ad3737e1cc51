/* script: the Lua that the command line names: statements, modules, a script, a command; how it
 * is found, loaded, described to whoever wants to know what runs, and run. */
#ifndef KELP_LUA_SCRIPT_H
#define KELP_LUA_SCRIPT_H

#include "lua/state.h"

#include <lua.h>

#include <stdbool.h>
#include <stddef.h>

struct script {
    enum {
        SCRIPT_NONE,    /* none is named: standard input, unless there is something else to do */
        SCRIPT_STDIN,   /* "-" */
        SCRIPT_FILE,    /* a path, or a name that ends in ".lua" */
        SCRIPT_COMMAND, /* any other word */
    } kind;
    int argc;
    char **argv; /* the caller's; NULL after the last */
    int index;   /* of the script or command in argv; argc when there is none */
};

/* What stands before a script: -e and -l. */
struct script_action {
    enum { SCRIPT_STATEMENT, SCRIPT_REQUIRE } kind;
    const char *text; /* the statement; "mod" or "g=mod" */
};

/* Is told what will run, before it does: the script (NULL: statements), its name (NULL: it has
 * none) and the bytes of its code (NULL: they are not known). May raise. */
struct script_listener {
    void (*describe)(lua_State *L, void *context, const struct script *script, const char *name,
                     const char *code, size_t size);
    void *context;
};

/* True for a word that names a script: a path, or a name that ends in ".lua". */
bool script_is_file(const char *word);

/* Whether a command of that name is the user's own file in the config folder. */
bool script_is_users_command(const char *name);

/* True when what comes next may run. */
bool script_goes_on(struct state_result result);

/* -l mod, or -l g=mod: g = require "mod". Reports what fails. [-0, +0, m] */
struct state_result script_require(lua_State *L, const char *text);

/* What -e and -l say, in their order, until one does not go on. Without a script they are what
 * runs, and the listener (NULL: none) is told so. [-0, +0, e] */
struct state_result script_run_actions(lua_State *L, const struct script *s,
                                       const struct script_action *actions, size_t count,
                                       const struct script_listener *listener);

/* The script or the command with its arguments; reports what fails, but raises what the
 * listener (NULL: none) raises. [-0, +0, e] */
struct state_result script_run(lua_State *L, const struct script *s,
                               const struct script_listener *listener);

/* The script that the array of words at the top names: itself, then its arguments. Its texts last
 * as long as what is pushed. [-0, +1, m] */
struct script script_of_words(lua_State *L);

#endif
