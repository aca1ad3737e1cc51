/* state: the Lua state that scripts run in: its libraries, its scheduler, how code in it is
 * called, and how it ends.
 *
 * What a script can require beyond the libraries is not known here: whoever makes a state says in
 * its settings what registers those modules. */
#ifndef KELP_LUA_STATE_H
#define KELP_LUA_STATE_H

#include <lua.h>

#include <stdbool.h>
#include <stddef.h>

struct clock;
struct engine;
struct state;
struct transport;

struct state_settings {
    /* The caller's, which must outlive the state; NULL: libcurl, the machine's clock. */
    struct transport *transport;
    struct clock *clock;
    lua_Alloc allocate; /* NULL: the ordinary allocator */
    void *allocate_data;
    /* Registers modules, once libraries and scheduler are there. NULL: none. [-0, +0, e] */
    void (*open)(lua_State *L, struct engine *engine, void *context);
    /* Before the state is closed: lets go what `open` acquired, of which there may be nothing
     * when it failed. NULL: nothing. [-0, +0, -] */
    void (*close)(lua_State *L, void *context);
    void *context; /* of both */
};

/* Makes a state with the libraries, the embedded modules, those of settings->open, and
 * package.path and package.cpath without relative entries. NULL with *why (the caller frees it)
 * when that fails. */
struct state *state_new(const struct state_settings *settings, char **why);

/* Ends all tasks, closes the state, then the engine and the transport. NULL is allowed. */
void state_free(struct state *h);

lua_State *state_lua(struct state *h);

/* From now on the state holds at most so many bytes: see memory.h. */
void state_limit_memory(struct state *h, size_t most);

/* The script has ended: what reports that, outside of any protected call, has memory of its own. */
void state_add_reserve(struct state *h);

/* Puts the folder of the script at `path` first in package.path, so that it
 * finds modules beside itself. [-0, +0, m] */
void state_add_folder(lua_State *L, const char *path);

/* Calls the function below `nargs` arguments as a task and waits for its end.
 * LUA_OK leaves the results; otherwise the error value is left, with a string
 * message already extended by its traceback. [-(nargs + 1), +(results | 1), m] */
int state_call(lua_State *L, int nargs);

enum state_ending {
    STATE_DONE,        /* it came to its end and returned no integer */
    STATE_RETURNED,    /* it returned an integer */
    STATE_FAILED,      /* by an error, or because a limit was reached */
    STATE_UNKNOWN,     /* by an error: nobody knows whether a write was carried out */
    STATE_INTERRUPTED, /* by the user */
    STATE_USAGE,       /* it was not started: what was asked for does not exist */
};

struct state_result {
    enum state_ending ending;
    int code; /* of STATE_RETURNED: the integer, 1 when it does not fit an exit code */
};

/* As state_call, for code whose result is the program's: reports an error, and says how it
 * ended. [-(nargs + 1), +0, -] */
struct state_result state_run(lua_State *L, int nargs);

/* Writes the error value at the top to standard error through the log as the
 * user shall read it, and pops it. Returns the ending that it stands for. [-1, +0, -] */
struct state_result state_report(lua_State *L);

/* True when state_report has had something to report: the program did not come to
 * its end by itself. [-0, +0, -] */
bool state_has_raised(lua_State *L);

#endif
