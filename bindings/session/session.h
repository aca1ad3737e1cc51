/* session: which journal a run is recorded in, what it says there of the run,
 * and how the run ends. What is recorded of each write is bindings/lua/run. */
#ifndef KELP_SESSION_SESSION_H
#define KELP_SESSION_SESSION_H

#include "lua/script.h"
#include "session/exit_code.h"
#include "session/writes.h"

#include <lua.h>

#include <stdbool.h>

struct clock;
struct journal;

struct session_options {
    bool plan;           /* nothing is sent that changes anything */
    bool records;        /* writes go into a journal */
    const char *journal; /* its file; NULL: one in the folder of this user's runs */
    const char *resume;  /* the run to resume, or NULL */
    bool accept_changes; /* resume it though the script is another */
    bool restricted;     /* a sandbox is on */
};

struct session {
    struct writes_settings settings; /* for writes_open; its context is this struct */
    const struct session_options *options;
    struct clock *clock;
    /* What the journal says of the run; owned. */
    char *script, *digest, *arguments;
    bool resumed; /* with --resume */
    bool own;     /* the resumed run is one of this user's folder of runs */
    bool at_prompt; /* statements were typed, which no resume can give again */
    bool taken;   /* by a command that takes the run back */
};

/* `options` and `clock` must outlive it. */
void session_init(struct session *jn, const struct session_options *options, struct clock *clock);
void session_free(struct session *jn);

/* What the run will be known by, before its chunk is run: the script's or the
 * command's name, and the bytes of its code (NULL: they are not known, and cannot be
 * compared). With --resume: raises unless they are those of the run that is
 * resumed. [-0, +0, e] */
void session_describe(lua_State *L, struct session *jn, const char *script,
                         const char *code, size_t size);

/* session_describe as a script_listener's function, whose context is the session; it also keeps
 * the words of the command line from the script or command on, for whoever resumes the run.
 * [-0, +0, e] */
void session_describe_script(lua_State *L, void *session, const struct script *script,
                             const char *name, const char *code, size_t size);

/* With --resume and no script: pushes the array of those words as they were, and
 * goes to the folder that the run was started in. Raises when the run had none, or when its
 * journal is not from the folder of this user's runs.
 * [-0, +1, e] */
void session_push_words(lua_State *L, struct session *jn);

/* Opens the run that --resume names. False after reporting why not. [-0, +0, m] */
bool session_resume(lua_State *L, struct session *jn);

/* Records how the run ended (`broken_off`: by an error), closes the journal and says how to
 * resume or undo it. Adds to *facts what the journal has to say. [-0, +0, m] */
void session_end(lua_State *L, struct session *jn, struct exit_facts *facts, bool broken_off);

#endif
