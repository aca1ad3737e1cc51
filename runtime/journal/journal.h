/* journal: what a run was about to do and what came of it, on disk, so that
 * kill -9 is a safe stop. One SQLite file for each run.
 *
 * The order that makes it so: an intent is committed before the first byte of
 * its request may leave (journal_may_send), an outcome before the script sees it.
 * Everything between two calls of journal_commit joins one transaction: one
 * fsync for all that became ready in one turn of the loop.
 *
 * Only what a caller passes is stored, and no caller passes a secret: requests
 * and pre-images arrive with references in the place of secrets.
 *
 * Functions that return bool return false with the reason in journal_fault (or
 * in their `fault`). A failure to read, write or sync makes the journal dead:
 * nothing is written through it any more, not even when it is closed, and every
 * later call fails; another process finds all that was committed. A refusal
 * (JOURNAL_CLASH, JOURNAL_MISUSE, and JOURNAL_FULL from journal_intend,
 * journal_plan, journal_undo and journal_value_set) changes nothing, and
 * journal_is_dead tells it from a failure. One thread; not carried across fork. */
#ifndef KELP_JOURNAL_JOURNAL_H
#define KELP_JOURNAL_JOURNAL_H

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

/* A new journal; nothing of that name may exist. Folders that are missing are
 * made for this user alone. NULL: see `fault`. */
struct journal *journal_create(const struct journal_options *options, struct journal_fault *fault);

/* An earlier run's journal, checked from end to end, to go on with. */
struct journal *journal_resume(const struct journal_options *options, struct journal_fault *fault);

/* The same, to look at: nothing is changed, functions that write fail. */
struct journal *journal_open_readonly(const struct journal_options *options,
                                      struct journal_fault *fault);

/* Ends and frees it; what was not committed is dropped. False: it could not be
 * put in order (it can still be resumed). NULL is allowed. */
bool journal_close(struct journal *j, struct journal_fault *fault);

/* Records how the run ended, and commits. */
bool journal_finish(struct journal *j, enum journal_run_state state);

/* Makes all since the last commit durable, with one fsync. */
bool journal_commit(struct journal *j);

/* The last failure. */
const struct journal_fault *journal_fault(const struct journal *j);
bool journal_is_dead(const struct journal *j);

const struct journal_run *journal_run(const struct journal *j);
bool journal_set_targets(struct journal *j, const char *json);

/* What tells whether a credential is the one used before, without telling it:
 * 64 hexadecimal digits, different in each journal. */
void journal_fingerprint(const struct journal *j, const char *bytes, size_t size, char text[65]);

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

const char *journal_state_name(enum journal_state state);
const char *journal_run_state_name(enum journal_run_state state);

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

/* Records the intent and gives its id. A key that is known is taken up again
 * when it was planned or refused, or in intent or unknown with the same digest;
 * else the call is refused. Refused too (JOURNAL_FULL) when there is no room for
 * the outcome: room for outcomes is set aside beforehand. */
bool journal_intend(struct journal *j, const struct journal_intent *intent, int64_t *op);

/* As journal_intend for what will be done later, or perhaps never; the key must
 * be new or planned. */
bool journal_plan(struct journal *j, const struct journal_intent *intent, int64_t *op);

/* Records that the inverse of a done operation is about to be sent. */
bool journal_undo(struct journal *j, int64_t op);

/* True when the intent of this operation, or of its inverse, is on disk. */
bool journal_may_send(struct journal *j, int64_t op);

/* Records the outcome: of an intent DONE, REFUSED or UNKNOWN, of an unknown DONE
 * or REFUSED, of a planned one REFUSED, of an undo intent UNDONE, UNDO_CONFLICT or
 * DONE (still). */
bool journal_end(struct journal *j, int64_t op, const struct journal_outcome *outcome);

struct journal_attempt {
    const char *class; /* an English word */
    int status;        /* of HTTP, or 0 */
    double wait;       /* seconds before the next one, or 0 */
};
bool journal_attempt(struct journal *j, int64_t op, const struct journal_attempt *attempt);

/* The operation of that key, of that id, the first after and the last before an
 * id (0 and INT64_MAX for the ends); op->id is 0 when there is none. */
bool journal_find(struct journal *j, const char *key, struct journal_op *op);
bool journal_get(struct journal *j, int64_t id, struct journal_op *op);
bool journal_next(struct journal *j, int64_t id, struct journal_op *op);
bool journal_previous(struct journal *j, int64_t id, struct journal_op *op);

bool journal_counts(struct journal *j, size_t counts[JOURNAL_STATES]);

/* Notes, in memory, that the script asked for this operation in this pass.
 * JOURNAL_CLASH: it did already. What a completed resume has not reached was
 * left behind by the earlier run. */
bool journal_reach(struct journal *j, int64_t op);
bool journal_is_reached(const struct journal *j, int64_t op);

/* --- recorded values --- */

/* The JSON text of that label, to be freed by the caller, or NULL in *json. */
bool journal_value_get(struct journal *j, const char *label, char **json);
/* The label must be new. */
bool journal_value_set(struct journal *j, const char *label, const char *json);

#endif
