/* journal_types: what the journal's callers fill in and read. */
#ifndef KELP_JOURNAL_JOURNAL_TYPES_H
#define KELP_JOURNAL_JOURNAL_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clock;
struct journal;

enum journal_kind {
    JOURNAL_NO_FAULT,
    JOURNAL_FULL,      /* no space left */
    JOURNAL_IO,        /* the disk failed, or the system did */
    JOURNAL_READ_ONLY, /* it, or its folder, cannot be written */
    JOURNAL_DAMAGED,   /* no journal, or not as it was left */
    JOURNAL_VERSION,   /* of another version of kelp */
    JOURNAL_BUSY,      /* another process has it: `pid`, 0 when that is not known */
    JOURNAL_UNSAFE,    /* somebody else could read or replace it */
    JOURNAL_NETWORK,   /* on a file system where locks and syncs cannot be trusted */
    JOURNAL_EXISTS,
    JOURNAL_MISSING,
    JOURNAL_CLASH,     /* that key or state does not allow it */
    JOURNAL_MEMORY,
    JOURNAL_MISUSE
};

struct journal_fault {
    enum journal_kind kind;
    long pid;
    char message[640]; /* one line, without "error:" and full stop */
};

/* --- a run --- */

enum journal_run_state {
    JOURNAL_RUNNING,     /* or killed, when nobody has it open */
    JOURNAL_INTERRUPTED,
    JOURNAL_FAILED,
    JOURNAL_FINISHED,
    JOURNAL_REVERTED     /* undone */
};

struct journal_run {
    const char *id;        /* the file's name without ".db" */
    const char *script;    /* path, or NULL when there is none */
    const char *digest;    /* of the script's bytes, or NULL */
    const char *arguments; /* JSON, or NULL */
    const char *tool;      /* name and version of what wrote it */
    const char *targets;   /* JSON, or NULL */
    double started, ended; /* seconds since 1970; `ended` 0: has not */
    enum journal_run_state state;
    int passes;            /* times that something was written: 1, and 1 for each resume */
};

struct journal_options {
    const char *path;          /* ends in ".db"; RUN.lock will lie beside it */
    /* For journal_create: script, digest, arguments, tool, targets. */
    const struct journal_run *run;
    struct clock *clock;
    bool allow_network;        /* a network file system is accepted */
    const char *vfs;           /* an SQLite VFS by name, or NULL */
};

/* --- operations --- */

enum journal_state {
    JOURNAL_PLANNED,
    JOURNAL_INTENT,        /* may have been sent */
    JOURNAL_DONE,
    JOURNAL_REFUSED,       /* nothing was done */
    JOURNAL_UNKNOWN,       /* may have been done, and nobody can tell */
    JOURNAL_UNDO_INTENT,   /* as JOURNAL_INTENT, for its inverse */
    JOURNAL_UNDONE,
    JOURNAL_UNDO_CONFLICT, /* what is there now is not what was left: not touched */
    JOURNAL_STATES
};

/* Texts may be NULL except key, verb, target and digest. */
struct journal_intent {
    const char *key;       /* unique in the run */
    const char *verb, *target, *connector;
    const char *place;     /* where in the script, for messages */
    const char *digest;    /* of the request without its secrets */
    const char *request;   /* JSON; kept once for those of a run that have the same one */
    const char *pre_image; /* JSON: what is to be changed, as it was */
};

struct journal_outcome {
    enum journal_state state;
    const char *remote_id, *result, *error; /* NULL: remote_id and result stay as they are */
    int attempts;                           /* sends since the intent */
};

/* An operation as it is recorded, uncommitted changes included. The texts stay
 * until the next operation is read from this journal. */
struct journal_op {
    int64_t id; /* counts from 1 in the order of first mention; 0: there is none */
    const char *key, *verb, *target, *connector, *place, *digest, *request, *pre_image;
    enum journal_state state;
    const char *remote_id, *result, *error;
    double intended, ended; /* seconds since 1970; `ended` 0: has not */
    int attempts;
};

struct journal_attempt {
    const char *class; /* an English word */
    int status;        /* of HTTP, or 0 */
    double wait;       /* seconds before the next one, or 0 */
};

#endif
