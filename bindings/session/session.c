#define _GNU_SOURCE
#include "session/session.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/paths.h"
#include "secret/log.h"
#include "connector/sensitive_keys.h"
#include "journal/journal.h"
#include "journal/journal_runs.h"
#include "lua/error.h"
#include "lua/json.h"
#include "session/journal_text.h"

#include <lauxlib.h>

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PATH = 4096 };

static struct journal *fail(struct journal_fault *fault, const char *format, const char *a,
                            const char *b)
{
    *fault = (struct journal_fault){.kind = JOURNAL_MISSING};
    snprintf(fault->message, sizeof fault->message, format, a, b);
    return NULL;
}

static bool add_folder(struct buffer *path)
{
    return paths_add_state(path, "runs");
}

static const char *const no_place = "there is no place for the journal: HOME is not set "
                                    "(--journal FILE names one, --no-journal does without)";

/* "20261121-132644-381xq": sorts by time, to the millisecond; the letters tell apart
 * what began in the same one. */
static void add_id(struct buffer *path, struct clock *clock)
{
    static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
    char text[32];
    double wall = clock_wall(clock);
    time_t now = (time_t)wall;
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(text, sizeof text, "%Y%m%d-%H%M%S-", &utc);
    uint64_t random = clock->random(clock);
    buffer_printf(path, "%s%03d%c%c", text, (int)((wall - (double)now) * 1000),
                  letters[random & 31], letters[random >> 5 & 31]);
}

static struct journal *create(void *context, struct journal_fault *fault)
{
    struct session *jn = context;
    struct buffer path;
    buffer_init(&path, MAX_PATH);
    if (jn->options->journal != NULL) {
        buffer_add_text(&path, jn->options->journal);
    } else if (add_folder(&path)) {
        buffer_add_char(&path, '/');
        add_id(&path, jn->clock);
        buffer_add_text(&path, ".db");
    } else {
        buffer_free(&path);
        return fail(fault, "%s%s", no_place, "");
    }
    struct journal_run run = {.script = jn->script, .digest = jn->digest,
                              .arguments = jn->arguments, .tool = "kelp " KELP_VERSION};
    struct journal_options options = {.path = buffer_text(&path), .run = &run,
                                      .clock = jn->clock};
    struct journal *j = path.overflowed ? fail(fault, "%s%s", "the journal's path is too long", "")
                                        : journal_text_create(&options, fault);
    if (j != NULL)
        log_line(LOG_INFO, "this run is recorded in %s", buffer_text(&path));
    buffer_free(&path);
    return j;
}

static bool is_unfinished(const char *folder, const char *name)
{
    struct buffer path;
    buffer_init(&path, MAX_PATH);
    bool unfinished = buffer_printf(&path, "%s/%s", folder, name)
                      && journal_is_unfinished(buffer_text(&path));
    buffer_free(&path);
    return unfinished;
}

/* The one file of the folder whose run's name starts so, or the newest for "last".
 * 1 found, 0 none, 2 several. */
static int pick_run(const char *folder, const char *wanted, struct buffer *found)
{
    DIR *d = opendir(folder);
    int count = 0;
    bool last = strcmp(wanted, "last") == 0;
    size_t length = strlen(wanted);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        size_t size = strlen(e->d_name);
        if (size <= 3 || e->d_name[0] == '.' || strcmp(e->d_name + size - 3, ".db") != 0)
            continue;
        if (!last && strncmp(e->d_name, wanted, length) != 0)
            continue;
        bool whole = size - 3 == length;
        if (!last && !whole && count > 0) {
            count = 2;
            continue;
        }
        if (last && (strcmp(buffer_text(found), e->d_name) > 0 || is_unfinished(folder, e->d_name)))
            continue;
        buffer_clear(found);
        buffer_add_text(found, e->d_name);
        count = 1;
        if (whole && !last)
            break;
    }
    if (d != NULL)
        closedir(d);
    return count;
}

/* True for a file in the folder of this user's runs: others may have written what
 * lies in other folders. */
static bool is_own(const char *path)
{
    struct buffer folder;
    buffer_init(&folder, MAX_PATH);
    char *real = add_folder(&folder) ? realpath(buffer_text(&folder), NULL) : NULL;
    char *file = realpath(path, NULL);
    size_t size = real != NULL ? strlen(real) : 0;
    bool own = real != NULL && file != NULL && strncmp(file, real, size) == 0
               && file[size] == '/' && strchr(file + size + 1, '/') == NULL;
    free(real);
    free(file);
    buffer_free(&folder);
    return own;
}

static struct journal *take(void *context, const char *name, bool *own,
                            struct journal_fault *fault)
{
    struct session *jn = context;
    struct buffer path, file;
    struct journal *j = NULL;
    buffer_init(&path, MAX_PATH);
    buffer_init(&file, MAX_PATH);
    size_t size = strlen(name);
    int found = 1;
    if (strchr(name, '/') != NULL || (size > 3 && strcmp(name + size - 3, ".db") == 0)) {
        buffer_add_text(&path, name);
    } else if (!add_folder(&path)) {
        fail(fault, "%s%s", no_place, "");
        goto done;
    } else {
        found = pick_run(buffer_text(&path), name, &file);
        if (found == 1)
            buffer_printf(&path, "/%s", buffer_text(&file));
    }
    if (found == 0)
        fail(fault, "there is no run '%.100s' in %.400s", name, buffer_text(&path));
    else if (found == 2)
        fail(fault, "more than one run starts with '%.100s' in %.400s", name, buffer_text(&path));
    else
        j = journal_resume(&(struct journal_options){.path = buffer_text(&path),
                                                     .clock = jn->clock}, fault);
    *own = j != NULL && is_own(buffer_text(&path));
    jn->taken = true;
done:
    buffer_free(&path);
    buffer_free(&file);
    return j;
}

void session_init(struct session *jn, const struct session_options *options, struct clock *clock)
{
    *jn = (struct session){.options = options, .clock = clock};
    jn->settings = (struct writes_settings){.plan = options->plan, .take = take, .context = jn};
    if (options->records && !options->plan)
        jn->settings.create = create;
}

void session_free(struct session *jn)
{
    free(jn->script);
    free(jn->digest);
    free(jn->arguments);
}

static char *copy(lua_State *L, const char *text)
{
    char *result = strdup(text);
    if (result == NULL)
        luaL_error(L, "not enough memory");
    return result;
}

static void refuse_script(lua_State *L, const struct journal_run *run, const char *script)
{
    error_push(L, ERROR_JOURNAL,
               "%s is not what run %s was made with%s%s. Resume with that script, or say "
               "--accept-script-change: what is done stays done, what is asked for anew is sent",
               script != NULL ? script : "the script", run->id, run->script != NULL ? ": " : "",
               run->script != NULL ? run->script : "");
    lua_pushliteral(L, "no");
    lua_setfield(L, -2, "sent");
    lua_error(L);
}

void session_describe(lua_State *L, struct session *jn, const char *script,
                         const char *code, size_t size)
{
    char digest[DIGEST_TEXT];
    char *real = script != NULL && strchr(script, '.') != NULL ? realpath(script, NULL) : NULL;
    free(jn->script);
    jn->script = real;
    if (real == NULL && script != NULL)
        jn->script = copy(L, script);
    free(jn->digest);
    jn->digest = NULL;
    if (code != NULL) {
        digest_sha256(code, size, digest);
        jn->digest = copy(L, digest);
    }
    struct journal *j = writes_journal(L);
    if (!jn->resumed || j == NULL || jn->options->accept_changes)
        return;
    const struct journal_run *run = journal_run(j);
    if (run->digest != NULL && (jn->digest == NULL || strcmp(run->digest, jn->digest) != 0))
        refuse_script(L, run, jn->script);
}

/* For "--password=TEXT", the size of what stands before TEXT; 0 for other words, and where
 * a source stands in place of a secret, as in key=env:NAME. */
static size_t credential_start(const char *word)
{
    static const char *const sources[] = {"env:", "file:", "command:"};
    const char *name = word + strspn(word, "-"), *equals = strchr(name, '=');
    char key[256];
    if (equals == NULL || equals[1] == '\0' || (size_t)(equals - name) >= sizeof key)
        return 0;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        if (strncmp(equals + 1, sources[i], strlen(sources[i])) == 0)
            return 0;
    }
    memcpy(key, name, (size_t)(equals - name));
    key[equals - name] = '\0';
    return sensitivity_of(key) == SENSITIVE_WHOLE ? (size_t)(equals + 1 - word) : 0;
}

/* The array of the words; true when a credential was left out of one. [-0, +1, m] */
static bool push_words(lua_State *L, int count, char *const words[])
{
    bool hidden = false;
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        size_t kept = credential_start(words[i]);
        lua_pushlstring(L, words[i], kept > 0 ? kept : strlen(words[i]));
        hidden |= kept > 0;
        lua_rawseti(L, -2, i + 1);
    }
    return hidden;
}

static void keep_words(lua_State *L, struct session *jn, int count, char *const words[])
{
    lua_createtable(L, 0, 4);
    bool hidden = push_words(L, count, words);
    lua_setfield(L, -2, "words");
    if (hidden) {
        lua_pushboolean(L, 1);
        lua_setfield(L, -2, "hidden");
    }
    char *folder = getcwd(NULL, 0);
    if (folder != NULL) {
        lua_pushstring(L, folder);
        free(folder);
        lua_setfield(L, -2, "folder");
    }
    if (jn->options->restricted) {
        lua_pushboolean(L, 1);
        lua_setfield(L, -2, "restricted");
    }
    json_encode(L);
    free(jn->arguments);
    jn->arguments = copy(L, lua_tostring(L, -1));
    lua_pop(L, 1);
}

void session_describe_script(lua_State *L, void *session, const struct script *script,
                             const char *name, const char *code, size_t size)
{
    struct session *jn = session;
    if (script != NULL && name != NULL)
        keep_words(L, jn, script->argc - script->index, script->argv + script->index);
    else if (script != NULL && jn->options->restricted)
        keep_words(L, jn, 0, NULL);
    session_describe(L, jn, name, code, size);
}

void session_push_words(lua_State *L, struct session *jn)
{
    const struct journal_run *run = journal_run(writes_journal(L));
    int top = lua_gettop(L);
    if (!jn->own) {
        error_push(L, ERROR_JOURNAL, "a journal outside the state folder does not choose what is run; name "
                                     "the script: kelp --resume %s SCRIPT [args]",
                   jn->options->resume);
        lua_error(L);
    }
    if (run->arguments != NULL) {
        json_decode(L, run->arguments, strlen(run->arguments));
        if (!lua_istable(L, -1) || lua_getfield(L, -1, "words") != LUA_TTABLE
            || lua_rawlen(L, -1) == 0)
            lua_settop(L, top);
    }
    if (lua_gettop(L) == top) {
        error_push(L, ERROR_JOURNAL, "run %s was made without a script's name (%s); give it again: "
                                     "kelp --resume %s …", run->id,
                   run->script != NULL ? run->script : "from standard input", run->id);
        lua_error(L);
    }
    if (lua_getfield(L, -2, "hidden") == LUA_TBOOLEAN) {
        error_push(L, ERROR_JOURNAL, "a secret was among the words that run %s was started with, "
                                     "and is not recorded; give them again: kelp --resume %s "
                                     "SCRIPT [args]", run->id, run->id);
        lua_error(L);
    }
    lua_pop(L, 1);
    if (lua_getfield(L, -2, "folder") == LUA_TSTRING && chdir(lua_tostring(L, -1)) != 0) {
        error_push(L, ERROR_JOURNAL, "the folder that run %s was started in: %s: %s", run->id,
                   lua_tostring(L, -1), strerror(errno));
        lua_error(L);
    }
    lua_pop(L, 1);
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
}

/* A script that was not trusted then is not trusted now, because its run is resumed. */
static void stay_restricted(lua_State *L, const struct session *jn)
{
    int top = lua_gettop(L);
    const struct journal_run *run = journal_run(writes_journal(L));
    if (jn->options->restricted || run->arguments == NULL)
        return;
    json_decode(L, run->arguments, strlen(run->arguments));
    if (lua_istable(L, -1) && lua_getfield(L, -1, "restricted") == LUA_TBOOLEAN) {
        error_push(L, ERROR_JOURNAL, "run %s was that of a restricted script; resume it with "
                                     "kelp --restricted [--manifest FILE] --resume %s", run->id,
                   run->id);
        lua_error(L);
    }
    lua_settop(L, top);
}

bool session_resume(lua_State *L, struct session *jn)
{
    struct journal_fault fault;
    struct journal *j = take(jn, jn->options->resume, &jn->own, &fault);
    if (j == NULL) {
        log_line(LOG_ERROR, "%s", fault.message);
        return false;
    }
    jn->resumed = true;
    jn->taken = false;
    writes_use_journal(L, j, true);
    stay_restricted(L, jn);
    return true;
}

/* ---- the end ---- */

enum { SHOWN = 10 };

/* What the earlier run did and this one, which came to its end, did not ask for. A
 * connector that the script has looked at needs no repetition: that is only said. */
static size_t report_unreached(lua_State *L, struct journal *j, enum log_level level)
{
    struct journal_op op = {0};
    size_t n = 0, seen = 0;
    while (journal_next(j, op.id, &op) && op.id != 0) {
        bool done = op.state == JOURNAL_DONE;
        bool sent = done || op.state == JOURNAL_INTENT || op.state == JOURNAL_UNKNOWN;
        if (!sent || journal_is_reached(j, op.id))
            continue;
        if (done && op.connector != NULL && writes_has_seen(L, op.connector, op.target)) {
            seen++;
            continue;
        }
        if (++n <= SHOWN)
            log_line(level, "not asked for this time: %s (%s%s%s)", op.key,
                     journal_state_name(op.state), op.place != NULL ? ", " : "",
                     op.place != NULL ? op.place : "");
    }
    if (n > 0)
        log_line(level, "%zu write%s of the earlier run %s not asked for this time. Keep what %s "
                 "did, or undo it with: kelp undo %s --only NAME", n, n == 1 ? "" : "s",
                 n == 1 ? "was" : "were", n == 1 ? "it" : "they", journal_run(j)->id);
    if (seen > 0)
        log_line(LOG_NOTICE, "%zu write%s of the earlier run not asked for again: the script saw "
                 "what %s did", seen, seen == 1 ? "" : "s", seen == 1 ? "it" : "they");
    return n;
}

/* What may have been done, and nobody can tell. */
static void report_unknown(struct journal *j)
{
    struct journal_op op = {0};
    size_t n = 0;
    while (journal_next(j, op.id, &op) && op.id != 0) {
        if (op.state != JOURNAL_UNKNOWN && op.state != JOURNAL_INTENT)
            continue;
        if (++n <= SHOWN)
            log_line(LOG_NOTICE, "not known whether it was carried out: %s (%s)", op.key,
                     op.place != NULL ? op.place : journal_state_name(op.state));
    }
    if (n > SHOWN)
        log_line(LOG_NOTICE, "and so with %zu more", n - SHOWN);
}

static void add_count(struct buffer *text, size_t n, const char *what)
{
    if (n > 0)
        buffer_printf(text, "%s%zu %s", text->size > 0 ? ", " : "", n, what);
}

/* Whether running the script again would do anything more. */
static bool is_complete(const size_t counts[JOURNAL_STATES], int code, bool broken_off)
{
    return code != 130 && !broken_off
           && counts[JOURNAL_REFUSED] + counts[JOURNAL_UNKNOWN] + counts[JOURNAL_INTENT] == 0;
}

/* Whether resuming the run does what running the script again does not, and can be done. */
static bool is_worth_resuming(const struct session *jn, const size_t counts[JOURNAL_STATES],
                              int code)
{
    size_t other = counts[JOURNAL_DONE] + counts[JOURNAL_UNKNOWN] + counts[JOURNAL_INTENT]
                          + counts[JOURNAL_UNDONE] + counts[JOURNAL_UNDO_CONFLICT];
    return !jn->at_prompt && (other > 0 || counts[JOURNAL_REFUSED] == 0 || code == 130);
}

static void report_run(struct journal *j, const struct session *jn,
                       const size_t counts[JOURNAL_STATES], bool complete, int code)
{
    struct buffer text;
    const char *id = journal_run(j)->id;
    buffer_init(&text, 1024);
    add_count(&text, counts[JOURNAL_DONE], "done");
    add_count(&text, counts[JOURNAL_REFUSED], "refused");
    add_count(&text, counts[JOURNAL_UNKNOWN] + counts[JOURNAL_INTENT], "unknown");
    add_count(&text, counts[JOURNAL_UNDONE], "undone");
    add_count(&text, counts[JOURNAL_UNDO_CONFLICT], "not undone");
    if (text.size == 0)
        buffer_add_text(&text, "nothing done");
    if (complete)
        log_line(LOG_INFO, "run %s: %s; to undo it: kelp undo %s", id,
                 buffer_text(&text), id);
    else if (jn->resumed && counts[JOURNAL_REFUSED] == 0
             && counts[JOURNAL_UNKNOWN] + counts[JOURNAL_INTENT] > 0)
        log_line(LOG_NOTICE, "run %s: %s; what it cannot find out, you may: kelp runs resolve %s "
                 "[OP] done|refused (kelp runs show %s tells the numbers)", id, buffer_text(&text),
                 id, id);
    else if (is_worth_resuming(jn, counts, code))
        log_line(LOG_NOTICE, "run %s: %s; to resume it: kelp --resume %s", id, buffer_text(&text),
                 id);
    else if (counts[JOURNAL_DONE] > 0)
        log_line(LOG_NOTICE, "run %s: %s; to undo it: kelp undo %s", id, buffer_text(&text), id);
    else
        log_line(LOG_NOTICE, "run %s: %s", id, buffer_text(&text));
    buffer_free(&text);
}

/* Leaves the run's own state, unless all of it has been undone. */
static bool finish(struct journal *j, const struct session *jn, const size_t counts[JOURNAL_STATES],
                   int code, bool complete)
{
    if (!jn->taken)
        return journal_finish(j, complete || code == 0 ? JOURNAL_FINISHED
                                 : code == 130         ? JOURNAL_INTERRUPTED
                                                       : JOURNAL_FAILED);
    size_t left = counts[JOURNAL_DONE] + counts[JOURNAL_UNKNOWN] + counts[JOURNAL_INTENT]
                  + counts[JOURNAL_UNDO_INTENT] + counts[JOURNAL_UNDO_CONFLICT];
    if (jn->options->plan || code != 0 || counts[JOURNAL_UNDONE] == 0 || left > 0)
        return journal_commit(j);
    return journal_finish(j, JOURNAL_REVERTED);
}

static const char when_mended[] = "what the journal holds is good; when that is mended, resume it "
                                  "with: kelp --resume %s";

/* Says why the journal could not be written to its end. */
static void give_up(struct journal *j, struct exit_facts *facts)
{
    struct journal_fault fault;
    log_line(LOG_ERROR, "%s", journal_fault(j)->message);
    log_line(LOG_NOTICE, when_mended, journal_run(j)->id);
    journal_close(j, &fault);
    facts->journal_failed = true;
}

/* The same when all is written and only its files are not in order. */
static void close_journal(struct journal *j, struct exit_facts *facts)
{
    struct journal_fault fault;
    char *id = strdup(journal_run(j)->id);
    if (!journal_close(j, &fault)) {
        log_line(LOG_ERROR, "%s", fault.message);
        log_line(LOG_NOTICE, when_mended, id != NULL ? id : "last");
        facts->journal_failed = true;
    }
    free(id);
}

void session_end(lua_State *L, struct session *jn, struct exit_facts *facts, bool broken_off)
{
    struct journal *j = writes_detach_journal(L);
    size_t counts[JOURNAL_STATES] = {0};
    if (j == NULL)
        return;
    if (journal_is_dead(j)) {
        give_up(j, facts);
        return;
    }
    if (jn->resumed && session_exit_code(facts) == 0) {
        bool accepted = jn->options->accept_changes;
        size_t unreached = report_unreached(L, j, accepted ? LOG_NOTICE : LOG_ERROR);
        facts->unreached_writes = accepted ? 0 : unreached;
    }
    if (!journal_counts(j, counts)) {
        give_up(j, facts);
        return;
    }
    size_t unknown = counts[JOURNAL_UNKNOWN] + counts[JOURNAL_INTENT];
    if (!jn->taken)
        facts->unknown_writes = unknown;
    int code = session_exit_code(facts);
    bool complete = is_complete(counts, code, broken_off);
    if (!finish(j, jn, counts, code, complete)) {
        give_up(j, facts);
        return;
    }
    if (!jn->taken) {
        if (unknown > 0)
            report_unknown(j);
        report_run(j, jn, counts, complete, code);
    }
    close_journal(j, facts);
}
