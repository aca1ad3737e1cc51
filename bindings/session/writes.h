/* run: what is recorded of the script that runs: its journal, into which every
 * write goes before it is sent and its outcome before the script sees it; and
 * whether it may write at all (not while planning).
 *
 * In Lua (all in kelp.raw; OP is the number of an operation in the journal):
 *   journal_find(target, verb, name, key, request)  the key of the next write of that
 *       kind, and what the resumed run has of it: the fields of op_table_push, and
 *       `differs`: it was asked for with another content; nil when nothing is recorded
 *   journal_intend(key, target, verb, name, request, pre_image)  records the intent; OP
 *       (of an update, only what `request` changes is recorded of `pre_image`)
 *   journal_end(OP, state, value, error, request, key)  records the outcome and waits
 *       until it is on disk (of `value`'s config, what is not in `request`); one that
 *       cannot be recorded is logged by its `key`
 *   journal_sent(OP)  how often this process has sent a request for it
 *   journal_undo(OP)  records that its inverse is about to be sent
 *   journal_previous(OP)  the operation recorded before that one, nil for none;
 *       without OP the last
 *   journal_saw(target, name)  a read has shown that connector, or that it is not
 *       there: then a resumed run that does not repeat a write has a reason
 *   journal_take(run)  resumes an earlier run's journal; true when it is of this
 *       user's own runs
 *   journal_value(label), journal_set_value(label, json)  recorded values
 *   journal_hides(key, text)  whether a config's value of that key is not recorded
 *   journal_records()  whether this run's writes are recorded
 *   journal_id()  the run's name, once it has a journal
 * They raise error objects of kind `journal`. */
#ifndef KELP_SESSION_WRITES_H
#define KELP_SESSION_WRITES_H

#include <lua.h>
#include <lauxlib.h>

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct exchange;
struct journal;
struct journal_fault;
struct journal_op;
struct route;

struct writes_settings {
    bool plan; /* nothing is sent that changes anything */
    /* Makes the journal, at the first write. NULL: this run records nothing. */
    struct journal *(*create)(void *context, struct journal_fault *fault);
    /* Opens an earlier run's, named as the user names it; *own: it lies where only
     * this user's runs are recorded. */
    struct journal *(*take)(void *context, const char *run, bool *own,
                            struct journal_fault *fault);
    void *context;
};

/* Before the first exchange. `settings` must outlive the state. [-0, +0, m] */
void writes_open(lua_State *L, struct engine *e, const struct writes_settings *settings);

/* The functions above, for kelp.raw. */
extern const luaL_Reg writes_functions[];

/* Resumes an earlier run, or records in this journal from now on; it is the
 * run's, for writes_detach_journal to return. [-0, +0, m] */
void writes_use_journal(lua_State *L, struct journal *j, bool earlier);

/* The journal, or NULL; the engine and the run forget it. */
struct journal *writes_detach_journal(lua_State *L);
struct journal *writes_journal(lua_State *L);

/* Whether journal_saw was called for that connector of that place. [-0, +0, m] */
bool writes_has_seen(lua_State *L, const char *connector, const char *place);

/* Raises unless a request of that route may be sent for `op` (0: none). */
void writes_check(lua_State *L, const struct route *route, const char *verb, int64_t op);

#endif
