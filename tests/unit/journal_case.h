/* journal_case: what the tests of the journal share: a folder for each test, a
 * story that uses every function that writes, and a journal's whole content as
 * one text. */
#ifndef KELP_TESTS_JOURNAL_CASE_H
#define KELP_TESTS_JOURNAL_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "journal/journal_runs.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t first_process;

struct place {
    char folder[64];
    char db[80], wal[84], lock[80];
    struct virtual_clock clock;
    struct journal_run run;
    struct journal_options options;
};

static inline int begin_place(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    first_process = getpid();
    if (p == NULL)
        return 1;
    /* In memory where there is such a place: the faults are made, no real disk is asked. */
    snprintf(p->folder, sizeof p->folder, "%s/kelp-journal-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(p->folder) == NULL)
        return 1;
    snprintf(p->db, sizeof p->db, "%s/run.db", p->folder);
    snprintf(p->wal, sizeof p->wal, "%s-wal", p->db);
    snprintf(p->lock, sizeof p->lock, "%s/run.lock", p->folder);
    clock_virtual(&p->clock, 1);
    p->run = (struct journal_run){ .script = "fix.lua", .digest = "d1", .arguments = "[]",
                                   .tool = "kelp 1", .targets = NULL };
    p->options = (struct journal_options){ .path = p->db, .run = &p->run,
                                           .clock = &p->clock.clock };
    *state = p;
    return 0;
}

static inline int remove_entry(const char *path, const struct stat *status, int type,
                               struct FTW *at)
{
    (void)status;
    (void)type;
    (void)at;
    return remove(path);
}

static inline int end_place(void **state)
{
    struct place *p = *state;
    chmod(p->folder, 0700);
    int left = nftw(p->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(p);
    return left;
}

/* As fail_msg; in a child, ends it, because cmocka would run the next test. */
#define FAIL(...)                                                                                 \
    do {                                                                                          \
        if (getpid() != first_process) {                                                          \
            fprintf(stderr, "in a child: " __VA_ARGS__);                                          \
            _exit(99);                                                                            \
        }                                                                                         \
        fail_msg(__VA_ARGS__);                                                                    \
    } while (0)
#define MUST(condition)                                                                           \
    do {                                                                                          \
        if (!(condition))                                                                         \
            FAIL("line %d: %s\n", __LINE__, #condition);                                          \
    } while (0)

/* Runs that in a process of its own, which is killed when it is through: what it holds
 * it leaves behind. */
static inline void in_child(struct place *p, void (*run)(struct place *p))
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        run(p);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static inline struct journal *create(struct place *p)
{
    struct journal_fault fault;
    struct journal *j = journal_create(&p->options, &fault);
    if (j == NULL)
        FAIL("create: %s", fault.message);
    return j;
}

static inline struct journal *resume(struct place *p)
{
    struct journal_fault fault;
    struct journal *j = journal_resume(&p->options, &fault);
    if (j == NULL)
        FAIL("resume: %s", fault.message);
    return j;
}

static inline void close_well(struct journal *j)
{
    struct journal_fault fault;
    if (!journal_close(j, &fault))
        FAIL("close: %s", fault.message);
}

static inline struct journal_intent intent(const char *key)
{
    return (struct journal_intent){ .key = key, .verb = "update", .target = "upstash 1",
                                    .connector = "orders", .place = "fix.lua:3", .digest = "abc",
                                    .request = "{\"a\":1}", .pre_image = "{\"a\":0}" };
}

static inline void check(struct journal *j, bool fine, const char *what)
{
    if (!fine)
        FAIL("%s: %s", what, journal_fault(j)->message);
}

#define CHECK(j, call) check(j, call, #call)

/* Refused with that kind, and alive. */
#define REFUSED(j, expected, call)                                                                \
    do {                                                                                          \
        assert_false(call);                                                                       \
        assert_int_equal(journal_fault(j)->kind, expected);                                       \
        assert_false(journal_is_dead(j));                                                         \
    } while (0)

static inline void add(struct buffer *b, const char *name, const char *text)
{
    assert_true(buffer_printf(b, "%s=", name) && buffer_add_text(b, text == NULL ? "(nil)" : text)
                && buffer_add_char(b, '\n'));
}

/* All that a reader can learn; to be freed. */
static inline char *dump(struct journal *j)
{
    struct buffer b;
    struct journal_op op;
    buffer_init(&b, SIZE_MAX / 2);
    const struct journal_run *r = journal_run(j);
    add(&b, "run", r->id);
    add(&b, "script", r->script);
    add(&b, "digest", r->digest);
    add(&b, "arguments", r->arguments);
    add(&b, "tool", r->tool);
    add(&b, "targets", r->targets);
    assert_true(buffer_printf(&b, "%.3f %.3f %s %d\n", r->started, r->ended,
                              journal_run_state_name(r->state), r->passes));
    for (int64_t id = 0;; id = op.id) {
        CHECK(j, journal_next(j, id, &op));
        if (op.id == 0)
            break;
        assert_true(buffer_printf(&b, "%lld %s %.3f %.3f %d\n", (long long)op.id,
                                  journal_state_name(op.state), op.intended, op.ended,
                                  op.attempts));
        const char *texts[] = { op.key,     op.verb,      op.target,    op.connector,
                                op.place,   op.digest,    op.request,   op.pre_image,
                                op.remote_id, op.result, op.error };
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
            add(&b, "", texts[i]);
    }
    static const char *const labels[] = { "first", "second" };
    for (size_t i = 0; i < 2; i++) {
        char *json;
        CHECK(j, journal_value_get(j, labels[i], &json));
        add(&b, labels[i], json);
        free(json);
    }
    return b.data;
}

/* --- the story --- */

/* One call of the story after the journal was made; `big` bytes for its large texts.
 * False: the journal refused, or died. */
enum { STORY_CALLS = 25 };

static inline bool tell(struct journal *j, struct virtual_clock *clock, int call,
                        const char *big, bool *commit)
{
    struct journal_intent a = intent("a"), b = intent("b"), c = intent("c"), d = intent("d");
    struct journal_attempt attempt = { "timeout", 0, 1.5 };
    int64_t op;
    *commit = false;
    clock_advance(clock, 1);
    switch (call) {
    case 0: return journal_intend(j, &a, &op);
    case 1: return journal_intend(j, &b, &op);
    case 2: return journal_plan(j, &c, &op);
    case 3: *commit = true; return journal_commit(j);
    case 4: return journal_end(j, 1, &(struct journal_outcome){ JOURNAL_DONE, "id-1", "{\"x\":1}",
                                                                NULL, 1 });
    case 5: return journal_attempt(j, 2, &attempt);
    case 6: return journal_end(j, 2, &(struct journal_outcome){ JOURNAL_UNKNOWN, NULL, NULL,
                                                                "lost", 2 });
    case 7: return journal_value_set(j, "first", "[1]");
    case 8: *commit = true; return journal_commit(j);
    case 9: c.request = big; return journal_intend(j, &c, &op);
    case 10: return journal_set_targets(j, "{\"upstash\":\"u\"}");
    case 11: *commit = true; return journal_commit(j);
    case 12: return journal_end(j, 3, &(struct journal_outcome){ JOURNAL_REFUSED, NULL, NULL,
                                                                 "409", 1 });
    case 13: *commit = true; return journal_commit(j);
    case 14: c.pre_image = "{}"; return journal_intend(j, &c, &op);
    case 15: return journal_undo(j, 1);
    case 16: d.pre_image = big; return journal_intend(j, &d, &op);
    case 17: *commit = true; return journal_commit(j);
    case 18: return journal_end(j, 1, &(struct journal_outcome){ JOURNAL_UNDONE, NULL, NULL, NULL,
                                                                 1 });
    case 19: return journal_end(j, 3, &(struct journal_outcome){ JOURNAL_DONE, "id-3", big, NULL,
                                                                 1 });
    case 20: *commit = true; return journal_commit(j);
    case 21: return journal_end(j, 2, &(struct journal_outcome){ JOURNAL_DONE, "id-2", "{}", NULL,
                                                                 0 });
    case 22: return journal_value_set(j, "second", big);
    case 23: *commit = true; return journal_commit(j);
    default: *commit = true; return journal_finish(j, JOURNAL_FINISHED);
    }
}

static inline char *big_text(size_t size)
{
    char *text = malloc(size + 1);
    assert_non_null(text);
    for (size_t i = 0; i < size; i++)
        text[i] = (char)('a' + i * 7 % 26);
    text[size] = '\0';
    return text;
}

#endif
