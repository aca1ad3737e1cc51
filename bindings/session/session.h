/* journaling: which journal a run is recorded in, what it says there of the run,
 * and how the run ends. What is recorded of each write is bindings/lua/run. */
#ifndef KELP_SESSION_SESSION_H
#define KELP_SESSION_SESSION_H

#include "session/writes.h"

#include <lua.h>

#include <stdbool.h>

struct clock;
struct journal;
struct options;

struct session {
    struct writes_settings settings; /* for writes_open; its context is this struct */
    const struct options *options;
    struct clock *clock;
    /* What the journal says of the run; owned. */
    char *script, *digest, *arguments;
    bool resumed; /* with --resume */
    bool own;     /* the resumed run is one of this user's folder of runs */
    bool taken;   /* by a command that takes the run back */
};

/* `options` and `clock` must outlive it. */
void session_init(struct session *jn, const struct options *options, struct clock *clock);
void session_free(struct session *jn);

/* What the run will be known by, before its chunk is run: the script's or the
 * command's name, and the bytes of its code (NULL: they are not known, and cannot be
 * compared). With --resume: raises unless they are those of the run that is
 * gone on with. [-0, +0, e] */
void session_describe(lua_State *L, struct session *jn, const char *script,
                         const char *code, size_t size);

/* The words of the command line from the script or command on, kept for a run
 * that goes on with this one. [-0, +0, m] */
void session_keep_words(lua_State *L, struct session *jn, int count, char *const words[]);

/* With --resume and no script: pushes the array of those words as they were, and
 * goes to the folder that the run was started in. Raises when the run had none, or when its
 * journal is not from the folder of this user's runs.
 * [-0, +1, e] */
void session_push_words(lua_State *L, struct session *jn);

/* Opens the run that --resume names. False after reporting why not. [-0, +0, m] */
bool session_resume(lua_State *L, struct session *jn);

/* Records how the run ended (`broken_off`: by an error), closes the journal and says how to go on. Returns the
 * program's exit code for one that would have been `code`: 4 when an outcome is
 * unknown, 1 when a resumed run has left something out. [-0, +0, m] */
int session_end(lua_State *L, struct session *jn, int code, bool broken_off);

#endif
