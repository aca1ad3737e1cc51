/* journal: what each call promises, who may open a journal, and the list of runs.
 * What happens when something fails is in test_journal_faults. */
#define _GNU_SOURCE
#include "journal_case.h"

#include "base/digest.h"
#include "journal/journal_file.h"
#include "journal/journal_index.h"

#include <dirent.h>
#include <errno.h>
#include <sqlite3.h>
#include <sys/mount.h>

enum { NOBODY = 65534 };

/* --- operations --- */

static struct journal_outcome outcome(enum journal_state state)
{
    return (struct journal_outcome){ .state = state, .attempts = 1 };
}

static int64_t committed(struct journal *j, const char *key)
{
    struct journal_intent in = intent(key);
    int64_t op;
    CHECK(j, journal_intend(j, &in, &op));
    CHECK(j, journal_commit(j));
    return op;
}

/* Brings a new operation into a state. */
static int64_t brought(struct journal *j, const char *key, enum journal_state state)
{
    struct journal_outcome done = outcome(JOURNAL_DONE), end = outcome(state);
    struct journal_intent in = intent(key);
    int64_t op;
    if (state == JOURNAL_PLANNED) {
        CHECK(j, journal_plan(j, &in, &op));
        return op;
    }
    op = committed(j, key);
    bool undo = state >= JOURNAL_UNDO_INTENT;
    if (undo) {
        CHECK(j, journal_end(j, op, &done));
        CHECK(j, journal_undo(j, op));
    }
    if (state != JOURNAL_INTENT && state != JOURNAL_UNDO_INTENT)
        CHECK(j, journal_end(j, op, &end));
    return op;
}

static void every_state_may_become_some(void **state)
{
    /* From each, in the order of enum journal_state: + may become, - may not. */
    static const char *const may[JOURNAL_STATES] = {
        [JOURNAL_PLANNED] = "++-+----",     [JOURNAL_INTENT] = "-++++---",
        [JOURNAL_DONE] = "-----+--",        [JOURNAL_REFUSED] = "-+------",
        [JOURNAL_UNKNOWN] = "-+++----",     [JOURNAL_UNDO_INTENT] = "--+--+++",
        [JOURNAL_UNDONE] = "--------",      [JOURNAL_UNDO_CONFLICT] = "-----+--",
    };
    struct journal *j = create(*state);
    for (int from = 0; from < JOURNAL_STATES; from++) {
        for (int to = 0; to < JOURNAL_STATES; to++) {
            char key[32];
            snprintf(key, sizeof key, "%d-%d", from, to);
            int64_t op = brought(j, key, (enum journal_state)from), same = 0;
            struct journal_intent in = intent(key);
            struct journal_outcome out = outcome((enum journal_state)to);
            bool fine = to == JOURNAL_PLANNED       ? journal_plan(j, &in, &same)
                        : to == JOURNAL_INTENT      ? journal_intend(j, &in, &same)
                        : to == JOURNAL_UNDO_INTENT ? journal_undo(j, op)
                                                    : journal_end(j, op, &out);
            if (fine != (may[from][to] == '+'))
                fail_msg("%s to %s: %d", journal_state_name((enum journal_state)from),
                         journal_state_name((enum journal_state)to), fine);
            if (!fine)
                assert_int_equal(journal_fault(j)->kind, JOURNAL_CLASH);
            assert_true(same == 0 || same == op);
            struct journal_op is;
            CHECK(j, journal_get(j, op, &is));
            assert_int_equal(is.state, fine ? to : from);
        }
    }
    CHECK(j, journal_commit(j));
    close_well(j);
    /* All of it can be read again, in the same states. */
    j = resume(*state);
    size_t counts[JOURNAL_STATES], total = 0;
    CHECK(j, journal_counts(j, counts));
    for (int i = 0; i < JOURNAL_STATES; i++)
        total += counts[i];
    assert_int_equal(total, JOURNAL_STATES * JOURNAL_STATES);
    close_well(j);
}

static void an_operation_keeps_what_it_was_told(void **state)
{
    struct place *p = *state;
    struct journal *j = create(p);
    struct journal_intent in = intent("k");
    struct journal_op op;
    int64_t id;
    clock_advance(&p->clock, 1);
    double intended = clock_wall(&p->clock.clock);
    CHECK(j, journal_intend(j, &in, &id));
    clock_advance(&p->clock, 1);
    double ended = clock_wall(&p->clock.clock);
    CHECK(j, journal_end(j, id, &(struct journal_outcome){ JOURNAL_DONE, "r1", "{}", NULL, 2 }));
    clock_advance(&p->clock, 1);
    CHECK(j, journal_undo(j, id));
    CHECK(j, journal_get(j, id, &op));
    assert_string_equal(op.key, "k");
    assert_string_equal(op.verb, "update");
    assert_string_equal(op.request, in.request);
    assert_string_equal(op.pre_image, in.pre_image);
    assert_string_equal(op.remote_id, "r1");
    assert_string_equal(op.result, "{}");
    assert_null(op.error);
    assert_true(op.intended == intended && op.ended == ended);
    /* NULL leaves the id and the result; the error goes, the attempts add up. */
    CHECK(j, journal_end(j, id, &(struct journal_outcome){ JOURNAL_UNDO_CONFLICT, NULL, "[2]",
                                                           "changed", 1 }));
    CHECK(j, journal_get(j, id, &op));
    assert_string_equal(op.remote_id, "r1");
    assert_string_equal(op.result, "[2]");
    assert_string_equal(op.error, "changed");
    assert_int_equal(op.attempts, 3);

    /* Taken up again: nothing of the outcome is left, but for the attempts. */
    struct journal_intent other = intent("other");
    CHECK(j, journal_intend(j, &other, &id));
    CHECK(j, journal_end(j, id, &(struct journal_outcome){ JOURNAL_REFUSED, "r", "x", "400", 4 }));
    other.digest = "another";
    other.request = "{\"b\":1}";
    CHECK(j, journal_intend(j, &other, &id));
    CHECK(j, journal_find(j, "other", &op));
    assert_string_equal(op.request, other.request);
    assert_true(op.remote_id == NULL && op.result == NULL && op.error == NULL && op.ended == 0);
    assert_int_equal(op.attempts, 4);
    /* What a journal tells of one operation can be told to it of another. */
    CHECK(j, journal_find(j, "k", &op));
    struct journal_intent again = { .key = "other", .verb = op.verb, .target = op.target,
                                    .digest = other.digest, .request = op.request,
                                    .pre_image = op.pre_image };
    CHECK(j, journal_intend(j, &again, &id));
    CHECK(j, journal_find(j, "other", &op));
    assert_string_equal(op.verb, in.verb);
    assert_string_equal(op.request, in.request);
    assert_string_equal(op.pre_image, in.pre_image);
    CHECK(j, journal_find(j, "nobody", &op));
    assert_int_equal(op.id, 0);
    close_well(j);
}

/* More kinds of requests than are compared with, each many times. */
static void a_request_is_kept_once_for_all_that_ask_for_it(void **state)
{
    enum { KINDS = 7, OPERATIONS = 210, SIZE = 20000 };
    struct place *p = *state;
    struct journal *j = create(p);
    struct journal_fault fault = { .kind = JOURNAL_NO_FAULT };
    char *requests[KINDS];
    for (int kind = 0; kind < KINDS; kind++) {
        requests[kind] = big_text(SIZE + (size_t)kind % 2);
        requests[kind][SIZE / 2] = (char)('0' + kind);
    }
    int64_t id;
    for (int i = 0; i < OPERATIONS; i++) {
        char key[16];
        snprintf(key, sizeof key, "key-%d", i);
        struct journal_intent in = intent(key);
        in.request = requests[i / (OPERATIONS / KINDS)];
        CHECK(j, journal_intend(j, &in, &id));
        if (i % 20 == 0)
            CHECK(j, journal_commit(j));
        CHECK(j, journal_end(j, id, &(struct journal_outcome){ JOURNAL_REFUSED, "r", "{}", "e", 1 }));
    }
    /* One that is taken up again, and one that was told by the journal itself. */
    struct journal_op op;
    CHECK(j, journal_get(j, 3, &op));
    struct journal_intent again = intent("key-9");
    again.request = op.request;
    CHECK(j, journal_intend(j, &again, &id));
    CHECK(j, journal_commit(j));
    struct journal_intent wrong = intent("wrong");
    wrong.request = "=1";
    assert_false(journal_intend(j, &wrong, &id));
    assert_int_equal(journal_fault(j)->kind, JOURNAL_MISUSE);
    close_well(j);

    struct stat status;
    assert_int_equal(stat(p->options.path, &status), 0);
    assert_true(status.st_size < 3 * KINDS * SIZE);
    for (int pass = 0; pass < 2; pass++) {
        j = pass == 0 ? journal_open_readonly(&p->options, &fault)
                      : journal_resume(&p->options, &fault);
        assert_non_null(j);
        for (int i = 0; i < OPERATIONS; i++) {
            CHECK(j, journal_get(j, i + 1, &op));
            assert_string_equal(op.request, requests[i / (OPERATIONS / KINDS)]);
            assert_string_equal(op.pre_image, again.pre_image);
        }
        close_well(j);
    }
    for (int kind = 0; kind < KINDS; kind++)
        free(requests[kind]);
}

static void an_operation_is_known_by_its_place(void **state)
{
    struct journal *j = create(*state);
    struct journal_op op;
    for (int i = 0; i < 300; i++) {
        char key[16];
        snprintf(key, sizeof key, "key-%d", i);
        struct journal_intent in = intent(key);
        int64_t id;
        CHECK(j, journal_plan(j, &in, &id));
        assert_int_equal(id, i + 1);
    }
    CHECK(j, journal_find(j, "key-217", &op));
    assert_int_equal(op.id, 218);
    CHECK(j, journal_next(j, 0, &op));
    assert_int_equal(op.id, 1);
    CHECK(j, journal_next(j, 299, &op));
    assert_string_equal(op.key, "key-299");
    CHECK(j, journal_next(j, 300, &op));
    assert_int_equal(op.id, 0);
    CHECK(j, journal_previous(j, INT64_MAX, &op));
    assert_int_equal(op.id, 300);
    CHECK(j, journal_previous(j, 1, &op));
    assert_int_equal(op.id, 0);
    CHECK(j, journal_get(j, 301, &op));
    assert_int_equal(op.id, 0);
    close_well(j);
}

static void only_what_is_on_disk_may_be_sent(void **state)
{
    struct journal *j = create(*state);
    struct journal_intent in = intent("k");
    struct journal_outcome done = outcome(JOURNAL_DONE);
    int64_t op;
    CHECK(j, journal_intend(j, &in, &op));
    REFUSED(j, JOURNAL_CLASH, journal_may_send(j, op));
    CHECK(j, journal_commit(j));
    CHECK(j, journal_may_send(j, op));
    CHECK(j, journal_end(j, op, &done));
    REFUSED(j, JOURNAL_CLASH, journal_may_send(j, op));
    CHECK(j, journal_commit(j));
    REFUSED(j, JOURNAL_CLASH, journal_may_send(j, op));
    CHECK(j, journal_undo(j, op));
    REFUSED(j, JOURNAL_CLASH, journal_may_send(j, op));
    CHECK(j, journal_commit(j));
    CHECK(j, journal_may_send(j, op));
    REFUSED(j, JOURNAL_CLASH, journal_may_send(j, 99));
    close_well(j);

    /* What was sent before may be sent, but a new intent goes to disk first. */
    j = resume(*state);
    CHECK(j, journal_may_send(j, op));
    int64_t fresh = committed(j, "fresh");
    CHECK(j, journal_intend(j, &(struct journal_intent){ .key = "fresh", .verb = "update",
                                                         .target = "t", .digest = "abc" }, &fresh));
    REFUSED(j, JOURNAL_CLASH, journal_may_send(j, fresh));
    close_well(j);
}

static void a_key_is_taken_up_with_the_same_content_only(void **state)
{
    struct journal *j = create(*state);
    struct journal_intent in = intent("k");
    int64_t op = committed(j, "k");
    in.digest = "different";
    REFUSED(j, JOURNAL_CLASH, journal_intend(j, &in, &op));
    assert_non_null(strstr(journal_fault(j)->message, "different content"));
    struct journal_outcome unknown = outcome(JOURNAL_UNKNOWN), refused = outcome(JOURNAL_REFUSED);
    CHECK(j, journal_end(j, op, &unknown));
    REFUSED(j, JOURNAL_CLASH, journal_intend(j, &in, &op));
    CHECK(j, journal_end(j, op, &refused));
    CHECK(j, journal_intend(j, &in, &op));
    REFUSED(j, JOURNAL_MISUSE, journal_intend(j, &(struct journal_intent){ .key = "x" }, &op));
    close_well(j);
}

/* Two texts of sixteen bytes with one hash: what the second word must be follows
 * from the first. */
static void keys_of_one_hash_are_two_keys(void **state)
{
    const uint64_t factor = UINT64_C(0x9e3779b97f4a7c15);
    struct journal *j = create(*state);
    char a[17] = "abcdefghijklmnop", b[17] = "";
    uint64_t start = (0 ^ (UINT64_C(16) << 8 | 1)) * factor, sums[2], words[2][2];
    start ^= start >> 32;
    memcpy(words[0], a, 16);
    for (uint64_t i = 1; strlen(b) != 16; i++) {
        words[1][0] = words[0][0] + i;
        for (int k = 0; k < 2; k++) {
            sums[k] = (start ^ words[k][0]) * factor;
            sums[k] ^= sums[k] >> 32;
        }
        words[1][1] = words[0][1] ^ sums[0] ^ sums[1];
        memcpy(b, words[1], 16);
    }
    assert_true(journal_index_hash(a) == journal_index_hash(b));
    struct journal_op op;
    assert_int_equal(committed(j, a), 1);
    CHECK(j, journal_find(j, b, &op));
    assert_int_equal(op.id, 0);
    assert_int_equal(committed(j, b), 2);
    close_well(j);
    j = resume(*state);
    CHECK(j, journal_find(j, b, &op));
    assert_int_equal(op.id, 2);
    CHECK(j, journal_find(j, a, &op));
    assert_int_equal(op.id, 1);
    close_well(j);
}

static void what_is_not_committed_is_dropped(void **state)
{
    struct journal *j = create(*state);
    committed(j, "kept");
    struct journal_intent in = intent("dropped");
    struct journal_op found;
    int64_t op;
    CHECK(j, journal_intend(j, &in, &op));
    CHECK(j, journal_value_set(j, "first", "1"));
    CHECK(j, journal_set_targets(j, "{}"));
    close_well(j);
    j = resume(*state);
    CHECK(j, journal_find(j, "dropped", &found));
    assert_int_equal(found.id, 0);
    char *json;
    CHECK(j, journal_value_get(j, "first", &json));
    assert_null(json);
    assert_null(journal_run(j)->targets);
    close_well(j);
}

static void a_script_asks_once(void **state)
{
    struct journal *j = create(*state);
    int64_t op = committed(j, "k");
    assert_false(journal_is_reached(j, op));
    CHECK(j, journal_reach(j, op));
    assert_true(journal_is_reached(j, op));
    REFUSED(j, JOURNAL_CLASH, journal_reach(j, op));
    REFUSED(j, JOURNAL_CLASH, journal_reach(j, op + 1));
    close_well(j);
    j = resume(*state);
    assert_false(journal_is_reached(j, op));
    close_well(j);
}

static void values_are_recorded_once(void **state)
{
    struct journal *j = create(*state);
    char *json;
    CHECK(j, journal_value_get(j, "label", &json));
    assert_null(json);
    CHECK(j, journal_value_set(j, "label", "{\"a\":[]}"));
    REFUSED(j, JOURNAL_CLASH, journal_value_set(j, "label", "2"));
    CHECK(j, journal_commit(j));
    close_well(j);
    j = resume(*state);
    CHECK(j, journal_value_get(j, "label", &json));
    assert_string_equal(json, "{\"a\":[]}");
    free(json);
    close_well(j);
}

static void a_run_tells_its_passes(void **state)
{
    struct place *p = *state;
    struct journal *j = create(p);
    assert_string_equal(journal_run(j)->id, "run");
    assert_string_equal(journal_run(j)->script, "fix.lua");
    assert_int_equal(journal_run(j)->state, JOURNAL_RUNNING);
    CHECK(j, journal_set_targets(j, "{\"t\":1}"));
    CHECK(j, journal_finish(j, JOURNAL_INTERRUPTED));
    close_well(j);

    j = resume(p);
    assert_int_equal(journal_run(j)->state, JOURNAL_INTERRUPTED);
    assert_int_equal(journal_run(j)->passes, 1); /* until something is written */
    assert_string_equal(journal_run(j)->targets, "{\"t\":1}");
    committed(j, "k");
    assert_int_equal(journal_run(j)->passes, 2);
    assert_int_equal(journal_run(j)->state, JOURNAL_RUNNING);
    clock_advance(&p->clock, 5);
    CHECK(j, journal_finish(j, JOURNAL_FINISHED));
    assert_true(journal_run(j)->ended == clock_wall(&p->clock.clock));
    close_well(j);

    struct journal_fault fault;
    struct journal *r = journal_open_readonly(&p->options, &fault);
    assert_non_null(r);
    assert_int_equal(journal_run(r)->state, JOURNAL_FINISHED);
    assert_int_equal(journal_run(r)->passes, 2);
    int64_t op;
    struct journal_intent in = intent("x");
    REFUSED(r, JOURNAL_MISUSE, journal_intend(r, &in, &op));
    REFUSED(r, JOURNAL_MISUSE, journal_finish(r, JOURNAL_FAILED));
    REFUSED(r, JOURNAL_MISUSE, journal_may_send(r, 1));
    close_well(r);
}

/* --- who may open it --- */

static unsigned mode_of(const char *path)
{
    struct stat status;
    assert_int_equal(lstat(path, &status), 0);
    return status.st_mode & 07777;
}

static void files_are_for_this_user_alone(void **state)
{
    struct place *p = *state;
    char deep[96], folder[80];
    snprintf(folder, sizeof folder, "%s/a", p->folder);
    snprintf(deep, sizeof deep, "%s/b/run.db", folder);
    p->options.path = deep;
    mode_t mask = umask(0);
    close_well(create(p));
    p->options.path = p->db;
    umask(0377);
    close_well(create(p));
    p->options.path = deep;
    struct journal *j = resume(p);
    committed(j, "k");
    umask(mask);
    assert_int_equal(mode_of(p->db), 0600);
    assert_int_equal(mode_of(p->lock), 0600);
    assert_int_equal(mode_of(folder), 0700);
    snprintf(folder, sizeof folder, "%s/a/b", p->folder);
    assert_int_equal(mode_of(folder), 0700);
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    int files = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[512];
        if (entry->d_name[0] == '.')
            continue;
        files++;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (mode_of(path) != 0600)
            fail_msg("%s has mode %04o", path, mode_of(path));
    }
    closedir(dir);
    assert_int_equal(files, 3); /* database, log, lock; the log's index is in memory */
    close_well(j);
}

static void no_descriptor_goes_to_a_child(void **state)
{
    struct place *p = *state;
    struct journal *j = create(p);
    committed(j, "k");
    int ours = 0;
    for (int fd = 0; fd < 64; fd++) {
        char name[32], link[512] = "";
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        if (readlink(name, link, sizeof link - 1) < 0 || strstr(link, p->folder) == NULL)
            continue;
        ours++;
        assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    }
    assert_true(ours >= 3);
    close_well(j);
}

static enum journal_kind cannot(struct place *p, bool make)
{
    struct journal_fault fault = { .kind = JOURNAL_NO_FAULT };
    struct journal *j = make ? journal_create(&p->options, &fault)
                             : journal_resume(&p->options, &fault);
    assert_null(j);
    assert_true(fault.message[0] != '\0');
    return fault.kind;
}

static void what_others_could_touch_is_refused(void **state)
{
    struct place *p = *state;
    char other[80];
    snprintf(other, sizeof other, "%s/elsewhere", p->folder);
    close_well(create(p));
    const char *files[] = { p->db, p->lock };
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(chmod(files[i], 0644), 0);
        assert_int_equal(cannot(p, false), JOURNAL_UNSAFE);
        assert_int_equal(chmod(files[i], 0600), 0);
        assert_int_equal(link(files[i], other), 0);
        assert_int_equal(cannot(p, false), JOURNAL_UNSAFE);
        assert_int_equal(unlink(other), 0);
        assert_int_equal(rename(files[i], other), 0);
        assert_int_equal(symlink(other, files[i]), 0);
        assert_int_equal(cannot(p, false), JOURNAL_UNSAFE);
        assert_int_equal(unlink(files[i]), 0);
        assert_int_equal(rename(other, files[i]), 0);
    }
    assert_int_equal(symlink("/nowhere", p->wal), 0);
    assert_int_equal(cannot(p, false), JOURNAL_UNSAFE);
    assert_int_equal(unlink(p->wal), 0);
    assert_int_equal(chmod(p->folder, 0777), 0);
    assert_int_equal(cannot(p, false), JOURNAL_UNSAFE);
    assert_int_equal(chmod(p->folder, 0700), 0);
    close_well(resume(p));
}

static void a_new_journal_replaces_nothing(void **state)
{
    struct place *p = *state;
    assert_int_equal(cannot(p, false), JOURNAL_MISSING);
    assert_int_equal(access(p->lock, F_OK), -1); /* looking leaves nothing behind */
    char target[80];
    snprintf(target, sizeof target, "%s/target", p->folder);
    assert_int_equal(symlink(target, p->db), 0);
    assert_int_equal(cannot(p, true), JOURNAL_EXISTS);
    assert_int_equal(access(target, F_OK), -1);
    assert_int_equal(unlink(p->db), 0);
    int fd = open(p->wal, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(cannot(p, true), JOURNAL_EXISTS);
    assert_int_equal(unlink(p->wal), 0);
    close_well(create(p));
    assert_int_equal(cannot(p, true), JOURNAL_EXISTS);
    p->options.path = p->folder;
    assert_int_equal(cannot(p, true), JOURNAL_MISUSE);
}

static void network_file_systems_have_names(void **state)
{
    (void)state;
    assert_string_equal(journal_network_name(0x6969), "NFS");
    assert_string_equal(journal_network_name(0xff534d42), "CIFS");
    assert_null(journal_network_name(0xef53)); /* ext4 */
    assert_null(journal_network_name(0x01021994)); /* tmpfs */
}

static void as_nobody_in_a_folder_that_cannot_be_written(struct place *p)
{
    struct journal_fault fault;
    if (geteuid() == 0)
        MUST(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
    struct journal *j = create(p);
    committed(j, "k");
    CHECK(j, journal_finish(j, JOURNAL_FINISHED));
    close_well(j);
    MUST(chmod(p->db, 0400) == 0 && chmod(p->lock, 0400) == 0 && chmod(p->folder, 0500) == 0);
    MUST(journal_resume(&p->options, &fault) == NULL);
    MUST(fault.kind == JOURNAL_READ_ONLY);
    char other[80];
    snprintf(other, sizeof other, "%s/other.db", p->folder);
    p->options.path = other;
    MUST(journal_create(&p->options, &fault) == NULL);
    MUST(fault.kind == JOURNAL_READ_ONLY);
    p->options.path = p->db;
    j = journal_open_readonly(&p->options, &fault);
    MUST(j != NULL);
    struct journal_op op;
    CHECK(j, journal_find(j, "k", &op));
    MUST(op.id == 1);
    close_well(j);
}

static void a_folder_that_cannot_be_written(void **state)
{
    struct place *p = *state;
    if (geteuid() == 0)
        assert_int_equal(chown(p->folder, NOBODY, NOBODY), 0);
    in_child(p, as_nobody_in_a_folder_that_cannot_be_written);
}

/* --- two processes --- */

static int64_t holder;

static void find_it_held(struct place *p)
{
    struct journal_fault fault;
    MUST(journal_resume(&p->options, &fault) == NULL);
    MUST(fault.kind == JOURNAL_BUSY && fault.pid == (long)holder);
    char pid[24];
    snprintf(pid, sizeof pid, "%ld", (long)holder);
    MUST(strstr(fault.message, pid) != NULL);
    MUST(journal_open_readonly(&p->options, &fault) == NULL && fault.kind == JOURNAL_BUSY);
    MUST(!journal_remove(&p->options, &fault) && fault.kind == JOURNAL_BUSY);
}

static void a_second_process_is_refused_by_name(void **state)
{
    struct place *p = *state;
    struct journal *j = create(p);
    holder = getpid();
    committed(j, "k");
    in_child(p, find_it_held);
    struct journal_fault fault;
    assert_null(journal_resume(&p->options, &fault)); /* nor the same process twice */
    assert_int_equal(fault.kind, JOURNAL_BUSY);
    committed(j, "still fine");
    close_well(j);
    close_well(resume(p));
}

static void readers_share_and_keep_writers_out(void **state)
{
    struct place *p = *state;
    struct journal_fault fault;
    close_well(create(p));
    struct journal *a = journal_open_readonly(&p->options, &fault);
    struct journal *b = journal_open_readonly(&p->options, &fault);
    assert_true(a != NULL && b != NULL);
    assert_null(journal_resume(&p->options, &fault));
    assert_int_equal(fault.kind, JOURNAL_BUSY);
    assert_int_equal(fault.pid, 0);
    close_well(a);
    close_well(b);
    close_well(resume(p));
}

static void take_the_lock(struct place *p)
{
    committed(create(p), "k");
}

static void a_killed_holder_lets_go(void **state)
{
    struct place *p = *state;
    in_child(p, take_the_lock);
    struct journal *j = resume(p);
    CHECK(j, journal_may_send(j, 1));
    close_well(j);
}

static struct journal *inherited;

static void use_what_was_inherited(struct place *p)
{
    struct journal *j = inherited;
    struct journal_intent in = intent("child");
    struct journal_op op;
    struct journal_fault fault;
    size_t counts[JOURNAL_STATES];
    char *json;
    int64_t id;
    (void)p;
    MUST(!journal_intend(j, &in, &id) && journal_fault(j)->kind == JOURNAL_MISUSE);
    MUST(!journal_commit(j) && !journal_may_send(j, 1) && !journal_find(j, "k", &op));
    MUST(!journal_counts(j, counts) && !journal_value_get(j, "x", &json) && !journal_reach(j, 1));
    MUST(!journal_finish(j, JOURNAL_FINISHED) && !journal_set_targets(j, "{}"));
    MUST(journal_close(j, &fault));
}

static void a_fork_does_not_share_it(void **state)
{
    struct place *p = *state;
    inherited = create(p);
    struct journal_intent in = intent("open");
    int64_t op;
    committed(inherited, "k");
    CHECK(inherited, journal_intend(inherited, &in, &op)); /* in a transaction */
    in_child(p, use_what_was_inherited);
    CHECK(inherited, journal_commit(inherited));
    holder = getpid();
    in_child(p, find_it_held); /* the child's end let no lock go */
    close_well(inherited);
    close_well(resume(p));
}

/* --- other people's databases --- */

static void change(struct place *p, const char *sql)
{
    sqlite3 *db;
    char *why = NULL;
    assert_int_equal(sqlite3_open(p->db, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    unlink(p->wal);
}

static void other_versions_are_refused(void **state)
{
    struct place *p = *state;
    close_well(create(p));
    change(p, "PRAGMA user_version = 3");
    assert_int_equal(cannot(p, false), JOURNAL_VERSION);
    change(p, "PRAGMA user_version = 1"); /* its keys named places by their labels */
    assert_int_equal(cannot(p, false), JOURNAL_VERSION);
    change(p, "PRAGMA user_version = 2; PRAGMA application_id = 7");
    assert_int_equal(cannot(p, false), JOURNAL_DAMAGED);
}

static void a_hostile_journal_is_refused(void **state)
{
    static const char *const changes[] = {
        "CREATE TRIGGER t AFTER INSERT ON entry BEGIN DELETE FROM entry; END",
        "CREATE VIEW v AS SELECT * FROM entry",
        "CREATE INDEX i ON entry (key)",
        "CREATE TABLE more (x)",
        "ALTER TABLE entry ADD COLUMN more TEXT",
        "ALTER TABLE entry ADD COLUMN more TEXT AS (upper(key))",
        "ALTER TABLE entry RENAME COLUMN request TO wish",
        "DROP TABLE attempt; CREATE VIEW attempt AS SELECT 1 AS n",
        "DROP TABLE value",
        "DELETE FROM run",
        "DELETE FROM entry WHERE n = 1",
        "DELETE FROM entry WHERE n = 2",
        "DELETE FROM attempt WHERE n = 1",
        "UPDATE entry SET request = '{}' WHERE n = 1",
        "UPDATE entry SET state = 'done' WHERE n = 1",
        "UPDATE entry SET op = 2 WHERE n = 3",
        "UPDATE run SET targets = '{\"upstash\":\"https://elsewhere.example\"}'",
        "UPDATE run SET secret = zeroblob(5)",
        "UPDATE attempt SET wait = 9",
        "UPDATE value SET json = '2'",
        "DELETE FROM value",
        "INSERT INTO entry SELECT 6, op, state, previous, at, attempts, key, verb, target,"
        " connector, place, digest, request, pre_image, remote_id, result, error, seal"
        " FROM entry WHERE n = 1",
    };
    struct place *p = *state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct journal_fault fault = { .kind = JOURNAL_NO_FAULT };
        struct journal *j = create(p);
        bool commit;
        for (int call = 0; call <= 8; call++)
            CHECK(j, tell(j, &p->clock, call, "big", &commit));
        close_well(j);
        change(p, changes[i]);
        j = journal_resume(&p->options, &fault);
        if (j != NULL)
            fail_msg("accepted after %s", changes[i]);
        assert_int_equal(fault.kind, JOURNAL_DAMAGED);
        assert_true(journal_remove(&p->options, &fault));
    }
}

/* The last entry of its operation, and not the last of all: without it a is ambiguous
 * again, and nothing else tells. */
static void a_lost_entry_leaves_a_gap(void **state)
{
    struct place *p = *state;
    struct journal *j = create(p);
    bool commit;
    for (int call = 0; call <= 8; call++)
        CHECK(j, tell(j, &p->clock, call, "big", &commit));
    close_well(j);
    change(p, "DELETE FROM entry WHERE n = 4");
    assert_int_equal(unlink(p->lock), 0);
    assert_int_equal(cannot(p, false), JOURNAL_DAMAGED);
}

/* --- a disk that is full --- */

static void outcomes_have_room_on_a_full_disk(void **state)
{
    struct place *p = *state;
    enum { OPERATIONS = 64 };
    struct journal_fault fault;
    if (mount("tmpfs", p->folder, "tmpfs", 0, "size=10m,mode=700") < 0)
        skip();
    char *large = big_text(40000), *result = big_text(16000);
    struct journal *j = create(p);
    int64_t op = 0;
    int intended = 0;
    bool full = false;
    for (; !full && intended < 10000; intended += !full) {
        char key[16];
        snprintf(key, sizeof key, "key-%d", intended);
        struct journal_intent in = intent(key);
        memcpy(large, key, strlen(key)); /* no two are the same */
        in.request = large;
        full = !journal_intend(j, &in, &op);
        if (!full)
            CHECK(j, journal_commit(j));
    }
    bool said = journal_fault(j)->kind == JOURNAL_FULL && !journal_is_dead(j);
    bool all = intended > OPERATIONS;
    for (int i = 0; i < OPERATIONS && all; i++) {
        struct journal_outcome done = { .state = JOURNAL_DONE, .result = result, .attempts = 1 };
        all = journal_end(j, intended - i, &done) && journal_commit(j);
    }
    if (!all)
        print_message("%s\n", journal_fault(j)->message);
    journal_close(j, &fault); /* it may not find room to be put in order */
    struct journal *again = journal_open_readonly(&p->options, &fault);
    size_t counts[JOURNAL_STATES] = { 0 };
    bool read = again != NULL && journal_counts(again, counts);
    journal_close(again, &fault);
    assert_int_equal(umount(p->folder), 0);
    free(large);
    free(result);
    assert_true(full && said && all && read);
    assert_int_equal(counts[JOURNAL_DONE], OPERATIONS);
    assert_int_equal(counts[JOURNAL_INTENT], intended - OPERATIONS);
}

/* --- the list of runs --- */

struct seen {
    int count;
    char ids[256];
    bool resumable[8];
    enum journal_kind kinds[8];
    long pids[8];
    char scripts[8][32];
    size_t intents[8];
};

static bool see(void *context, const struct journal_summary *summary)
{
    struct seen *seen = context;
    int i = seen->count++;
    snprintf(seen->ids + strlen(seen->ids), sizeof seen->ids - strlen(seen->ids), "%s ",
             summary->id);
    assert_true((summary->run == NULL) == (summary->fault != NULL));
    seen->resumable[i] = summary->resumable;
    seen->kinds[i] = summary->fault == NULL ? JOURNAL_NO_FAULT : summary->fault->kind;
    seen->pids[i] = summary->fault == NULL ? 0 : summary->fault->pid;
    seen->intents[i] = summary->counts[JOURNAL_INTENT];
    snprintf(seen->scripts[i], sizeof seen->scripts[i], "%s",
             summary->script == NULL ? "" : summary->script);
    return true;
}

static void make_run(struct place *p, const char *id, enum journal_run_state state, bool is_ambiguous)
{
    char path[96];
    snprintf(path, sizeof path, "%s/%s.db", p->folder, id);
    p->options.path = path;
    struct journal *j = create(p);
    int64_t op = committed(j, "k");
    struct journal_outcome done = outcome(JOURNAL_DONE);
    if (!is_ambiguous)
        CHECK(j, journal_end(j, op, &done));
    CHECK(j, journal_finish(j, state));
    close_well(j);
}

static struct seen list(struct place *p)
{
    struct seen seen = { .count = 0 };
    struct journal_fault fault;
    p->options.path = p->folder;
    if (!journal_list(&p->options, see, &seen, &fault))
        fail_msg("list: %s", fault.message);
    return seen;
}

static struct journal *make_runs(struct place *p)
{
    make_run(p, "a-done", JOURNAL_FINISHED, false);
    make_run(p, "b-doubt", JOURNAL_FINISHED, true);
    make_run(p, "c-failed", JOURNAL_FAILED, false);
    make_run(p, "d-undone", JOURNAL_REVERTED, false);
    char path[96];
    snprintf(path, sizeof path, "%s/f-broken.db", p->folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("this is no database", file);
    fclose(file);
    assert_int_equal(chmod(path, 0600), 0);
    snprintf(path, sizeof path, "%s/e-busy.db", p->folder);
    p->options.path = path;
    struct journal *busy = create(p);
    committed(busy, "k");
    return busy;
}

static void a_list_shows_all_runs(void **state)
{
    struct place *p = *state;
    struct journal *busy = make_runs(p);
    struct seen seen = list(p);
    assert_string_equal(seen.ids, "a-done b-doubt c-failed d-undone e-busy f-broken ");
    const bool resumable[] = { false, true, true, false, false, false };
    const enum journal_kind kinds[] = { JOURNAL_NO_FAULT, JOURNAL_NO_FAULT, JOURNAL_NO_FAULT,
                                        JOURNAL_NO_FAULT, JOURNAL_BUSY,     JOURNAL_DAMAGED };
    for (int i = 0; i < 6; i++) {
        assert_int_equal(seen.resumable[i], resumable[i]);
        assert_int_equal(seen.kinds[i], kinds[i]);
    }
    assert_int_equal(seen.pids[4], getpid());
    assert_string_equal(seen.scripts[4], "fix.lua");
    assert_int_equal(seen.intents[1], 1);
    close_well(busy);
    seen = list(p);
    assert_int_equal(seen.kinds[4], JOURNAL_NO_FAULT);
    assert_true(seen.resumable[4]);
    p->options.path = "/tmp/kelp-there-is-no-such-folder";
    struct journal_fault fault;
    assert_true(journal_list(&p->options, see, &seen, &fault));
}

static void pruning_keeps_what_can_be_resumed(void **state)
{
    struct place *p = *state;
    struct journal_fault fault;
    size_t removed;
    struct journal *busy = make_runs(p);
    double now = clock_wall(&p->clock.clock);
    p->options.path = p->folder;
    assert_true(journal_prune(&p->options, now, &removed, &fault));
    assert_int_equal(removed, 0); /* they are not older */
    assert_true(journal_prune(&p->options, now + 1, &removed, &fault));
    assert_int_equal(removed, 2);
    assert_string_equal(list(p).ids, "b-doubt c-failed e-busy f-broken ");
    char path[96];
    snprintf(path, sizeof path, "%s/a-done.lock", p->folder);
    assert_int_equal(access(path, F_OK), -1);
    static const char *const rest[] = { "b-doubt", "c-failed", "f-broken" };
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s.db", p->folder, rest[i]);
        p->options.path = path;
        assert_true(journal_remove(&p->options, &fault));
    }
    snprintf(path, sizeof path, "%s/e-busy.db", p->folder);
    p->options.path = path;
    assert_false(journal_remove(&p->options, &fault));
    assert_int_equal(fault.kind, JOURNAL_BUSY);
    assert_string_equal(list(p).ids, "e-busy ");
    close_well(busy);
}

/* --- digests --- */

static void digests_are_those_of_the_standards(void **state)
{
    char text[DIGEST_TEXT];
    (void)state;
    digest_sha256("abc", 3, text); /* FIPS 180-2 */
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_sha256(NULL, 0, text);
    assert_string_equal(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_place, end_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_state_may_become_some),
        TEST(an_operation_keeps_what_it_was_told),
        TEST(a_request_is_kept_once_for_all_that_ask_for_it),
        TEST(an_operation_is_known_by_its_place),
        TEST(only_what_is_on_disk_may_be_sent),
        TEST(a_key_is_taken_up_with_the_same_content_only),
        TEST(keys_of_one_hash_are_two_keys),
        TEST(what_is_not_committed_is_dropped),
        TEST(a_script_asks_once),
        TEST(values_are_recorded_once),
        TEST(a_run_tells_its_passes),
        TEST(files_are_for_this_user_alone),
        TEST(no_descriptor_goes_to_a_child),
        TEST(what_others_could_touch_is_refused),
        TEST(a_new_journal_replaces_nothing),
        TEST(network_file_systems_have_names),
        TEST(a_folder_that_cannot_be_written),
        TEST(a_second_process_is_refused_by_name),
        TEST(readers_share_and_keep_writers_out),
        TEST(a_killed_holder_lets_go),
        TEST(a_fork_does_not_share_it),
        TEST(other_versions_are_refused),
        TEST(a_hostile_journal_is_refused),
        TEST(a_lost_entry_leaves_a_gap),
        TEST(outcomes_have_room_on_a_full_disk),
        TEST(a_list_shows_all_runs),
        TEST(pruning_keeps_what_can_be_resumed),
        cmocka_unit_test(digests_are_those_of_the_standards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
