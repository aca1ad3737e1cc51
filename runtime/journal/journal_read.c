/* Reads operations from their entries, all entries when a journal is opened, and
 * recorded values. */
#include "journal/journal_read.h"

#include "journal/journal_handle.h"
#include "journal/journal_private.h"

#include <stdlib.h>
#include <string.h>

const unsigned journal_before[JOURNAL_STATES] = {
    [JOURNAL_PLANNED] = JOURNAL_IS(JOURNAL_PLANNED),
    [JOURNAL_INTENT] = JOURNAL_IS(JOURNAL_PLANNED) | JOURNAL_IS(JOURNAL_REFUSED)
                       | JOURNAL_IS(JOURNAL_INTENT) | JOURNAL_IS(JOURNAL_UNKNOWN),
    [JOURNAL_DONE] = JOURNAL_IS(JOURNAL_INTENT) | JOURNAL_IS(JOURNAL_UNKNOWN)
                     | JOURNAL_IS(JOURNAL_UNDO_INTENT),
    [JOURNAL_REFUSED] = JOURNAL_IS(JOURNAL_PLANNED) | JOURNAL_IS(JOURNAL_INTENT)
                        | JOURNAL_IS(JOURNAL_UNKNOWN),
    [JOURNAL_UNKNOWN] = JOURNAL_IS(JOURNAL_INTENT),
    [JOURNAL_UNDO_INTENT] = JOURNAL_IS(JOURNAL_DONE) | JOURNAL_IS(JOURNAL_UNDO_INTENT)
                            | JOURNAL_IS(JOURNAL_UNDO_CONFLICT),
    [JOURNAL_UNDONE] = JOURNAL_IS(JOURNAL_UNDO_INTENT),
    [JOURNAL_UNDO_CONFLICT] = JOURNAL_IS(JOURNAL_UNDO_INTENT),
};

static bool state_of(const char *name, enum journal_state *state)
{
    for (int i = 0; i < JOURNAL_STATES; i++) {
        if (name != NULL && strcmp(name, journal_state_name((enum journal_state)i)) == 0) {
            *state = (enum journal_state)i;
            return true;
        }
    }
    return false;
}

/* --- operations --- */

bool journal_no_such(struct journal *j, int64_t op)
{
    return journal_fail(&j->fault, JOURNAL_CLASH, "the journal has no operation %lld",
                        (long long)op);
}

/* The texts of an operation while its entries are read, the last one first. */
enum { KEY, VERB, TARGET, CONNECTOR, PLACE, DIGEST, REQUEST, PRE_IMAGE, REMOTE_ID, RESULT, ERROR,
       TEXTS };

struct reading {
    struct journal_op *op;
    struct buffer *texts;
    size_t at[TEXTS];
    bool contents; /* of the entry that holds them, and before it, nothing else is told */
};

static bool read_texts(struct journal *j, sqlite3_stmt *s, struct reading *r, int first, int end)
{
    enum { FIRST_TEXT = 4 }; /* the column */
    for (int i = first; i < end; i++) {
        if (r->at[i] == SIZE_MAX
            && !journal_copy_text(j, s, FIRST_TEXT + i, r->texts, &r->at[i]))
            return false;
    }
    return true;
}

static bool read_entry(struct journal *j, sqlite3_stmt *s, struct reading *r, bool last)
{
    enum journal_state state;
    struct journal_op *op = r->op;
    if (!state_of((const char *)sqlite3_column_text(s, 1), &state))
        return journal_die_damaged(j, "an entry has no state");
    op->attempts += sqlite3_column_int(s, 3);
    if (r->contents)
        return true;
    if (op->ended == 0 && (JOURNAL_IS(state) & JOURNAL_UNDER_WAY) == 0)
        op->ended = sqlite3_column_double(s, 2);
    if (!read_texts(j, s, r, REMOTE_ID, ERROR) || (last && !read_texts(j, s, r, ERROR, TEXTS)))
        return false;
    if ((JOURNAL_IS(state) & JOURNAL_WITH_CONTENTS) == 0)
        return true;
    r->contents = true;
    op->intended = sqlite3_column_double(s, 2);
    return read_texts(j, s, r, KEY, REMOTE_ID);
}

static bool read_entries(struct journal *j, int64_t last, struct reading *r)
{
    for (int64_t n = last; n != 0;) {
        sqlite3_stmt *s = journal_read_number(j, SQL_ENTRY, n);
        int found = s == NULL ? -1 : journal_row(j, s);
        if (found <= 0)
            return found == 0 && journal_die_damaged(j, "an entry is missing");
        bool fine = read_entry(j, s, r, n == last);
        int64_t previous = sqlite3_column_int64(s, 0);
        journal_reset(s);
        if (!fine)
            return false;
        if (previous < 0 || previous >= n)
            return journal_die_damaged(j, "its entries are in disorder");
        n = previous;
    }
    return true;
}

static void point(const struct reading *r)
{
    struct journal_op *op = r->op;
    const char **const fields[TEXTS] = { &op->key,       &op->verb,   &op->target,
                                         &op->connector, &op->place,  &op->digest,
                                         &op->request,   &op->pre_image, &op->remote_id,
                                         &op->result,    &op->error };
    for (int i = 0; i < TEXTS; i++)
        *fields[i] = r->at[i] == SIZE_MAX ? NULL : r->texts->data + r->at[i];
}

/* Puts the request itself in the place of what says which entry holds it. */
static bool resolve_request(struct journal *j, struct reading *r, int64_t last)
{
    if (r->at[REQUEST] == SIZE_MAX)
        return true;
    const char *said = r->texts->data + r->at[REQUEST];
    if (*said != JOURNAL_SAME)
        return true;
    int64_t n = strtoll(said + 1, NULL, 10);
    if (n >= last)
        return journal_die_damaged(j, "its entries are in disorder");
    sqlite3_stmt *s = journal_read_number(j, SQL_REQUEST, n);
    int found = s == NULL ? -1 : journal_row(j, s);
    if (found <= 0)
        return found == 0 && journal_die_damaged(j, "a request is missing");
    bool fine = journal_copy_text(j, s, 0, r->texts, &r->at[REQUEST]);
    journal_reset(s);
    if (!fine)
        return false;
    return (r->at[REQUEST] != SIZE_MAX && r->texts->data[r->at[REQUEST]] != JOURNAL_SAME)
           || journal_die_damaged(j, "a request is missing");
}

static bool read_op(struct journal *j, int64_t id, struct buffer *texts, struct journal_op *op)
{
    *op = (struct journal_op){ .id = 0 };
    if (!journal_readable(j))
        return false;
    const struct journal_mark *mark = journal_index_get(&j->index, id);
    if (mark == NULL)
        return true;
    struct reading r = { .op = op, .texts = texts };
    for (int i = 0; i < TEXTS; i++)
        r.at[i] = SIZE_MAX;
    buffer_clear(texts);
    if (!read_entries(j, mark->last, &r) || !resolve_request(j, &r, mark->last))
        return false;
    point(&r);
    if (op->key == NULL || op->verb == NULL || op->target == NULL || op->digest == NULL)
        return journal_die_damaged(j, "an operation lacks its contents");
    op->id = id;
    op->state = (enum journal_state)mark->state;
    return true;
}

bool journal_get(struct journal *j, int64_t id, struct journal_op *op)
{
    return read_op(j, id, &j->op_texts, op);
}

bool journal_find_hashed(struct journal *j, const char *key, uint64_t hash, struct buffer *texts,
                         struct journal_op *op)
{
    size_t step = 0;
    int64_t id;
    while ((id = journal_index_find(&j->index, hash, &step)) != 0) {
        if (!read_op(j, id, texts, op))
            return false;
        if (strcmp(op->key, key) == 0)
            return true;
    }
    *op = (struct journal_op){ .id = 0 };
    return true;
}

bool journal_find(struct journal *j, const char *key, struct journal_op *op)
{
    return journal_find_hashed(j, key, journal_index_hash(key), &j->op_texts, op)
           && journal_readable(j);
}

bool journal_next(struct journal *j, int64_t id, struct journal_op *op)
{
    return journal_get(j, id < 0 ? 1 : id == INT64_MAX ? 0 : id + 1, op);
}

bool journal_previous(struct journal *j, int64_t id, struct journal_op *op)
{
    int64_t count = (int64_t)j->index.count;
    return journal_get(j, id > count ? count : id - 1, op);
}

bool journal_counts(struct journal *j, size_t counts[JOURNAL_STATES])
{
    memset(counts, 0, JOURNAL_STATES * sizeof *counts);
    for (size_t i = 0; i < j->index.count; i++)
        counts[j->index.marks[i].state]++;
    return journal_readable(j);
}

/* --- loading --- */

static bool load_entry(struct journal *j, sqlite3_stmt *s)
{
    int64_t n = sqlite3_column_int64(s, 0), op = sqlite3_column_int64(s, 1);
    int64_t previous = sqlite3_column_int64(s, 3);
    enum journal_state state;
    const char *key = (const char *)sqlite3_column_text(s, 4);
    if (n != j->entries + 1 || !state_of((const char *)sqlite3_column_text(s, 2), &state)
        || ((JOURNAL_IS(state) & JOURNAL_WITH_CONTENTS) != 0) != (key != NULL))
        return journal_die_damaged(j, "its entries are not all there");
    uint64_t hash = key == NULL ? 0 : journal_index_hash(key);
    struct journal_mark *mark = journal_index_get(&j->index, op);
    j->entries = n;
    if (mark != NULL) {
        bool follows = mark->last == previous
                       && (journal_before[state] & JOURNAL_IS(mark->state)) != 0
                       && (key == NULL || mark->hash == hash);
        mark->last = n;
        mark->state = (unsigned char)state;
        return follows || journal_die_damaged(j, "its entries are in disorder");
    }
    struct journal_op known;
    if (op != (int64_t)j->index.count + 1 || previous != 0 || key == NULL)
        return journal_die_damaged(j, "its entries are in disorder");
    if (!journal_find_hashed(j, key, hash, &j->key_texts, &known))
        return false;
    if (known.id != 0)
        return journal_die_damaged(j, "two operations have one key");
    if (!journal_index_reserve(&j->index))
        return journal_die(j, SQLITE_NOMEM);
    journal_index_add(&j->index, hash, n, state);
    return true;
}

static bool load_counts(struct journal *j)
{
    sqlite3_stmt *s = journal_read(j, SQL_ATTEMPTS);
    if (s == NULL || journal_row(j, s) < 0)
        return false;
    j->attempts = sqlite3_column_int64(s, 0);
    bool all = j->attempts == sqlite3_column_int64(s, 1);
    journal_reset(s);
    if (!all)
        return journal_die_damaged(j, "its attempts are not all there");
    s = journal_read(j, SQL_VALUES);
    if (s == NULL || journal_row(j, s) < 0)
        return false;
    j->changes = j->run_changes + j->entries + j->attempts + sqlite3_column_int64(s, 0);
    journal_reset(s);
    return true;
}

bool journal_load(struct journal *j)
{
    sqlite3_stmt *s = journal_read(j, SQL_ENTRIES);
    int found = -1;
    while (s != NULL && (found = journal_row(j, s)) == 1) {
        if (!load_entry(j, s)) {
            journal_reset(s);
            return false;
        }
    }
    j->durable_entries = j->entries;
    return found == 0 && load_counts(j);
}

/* --- the run --- */

static bool run_state_of(const char *name, enum journal_run_state *state)
{
    for (int i = 0; i <= JOURNAL_REVERTED; i++) {
        if (name != NULL && strcmp(name, journal_run_state_name((enum journal_run_state)i)) == 0) {
            *state = (enum journal_run_state)i;
            return true;
        }
    }
    return false;
}

bool journal_read_run(struct journal *j)
{
    struct journal_run *run = &j->run;
    const char *state;
    const char **const fields[] = { &run->id,   &run->script,  &run->digest, &run->arguments,
                                    &run->tool, &run->targets, &state };
    enum { COUNT = sizeof fields / sizeof *fields };
    size_t at[COUNT];
    sqlite3_stmt *s = journal_read(j, SQL_RUN);
    int found = s == NULL ? -1 : journal_row(j, s);
    if (found <= 0)
        return found == 0 && journal_die_damaged(j, "it holds no run");
    bool fine = true;
    buffer_clear(&j->run_texts);
    for (int i = 0; i < COUNT && fine; i++)
        fine = journal_copy_text(j, s, i, &j->run_texts, &at[i]);
    for (int i = 0; i < COUNT && fine; i++)
        *fields[i] = at[i] == SIZE_MAX ? NULL : j->run_texts.data + at[i];
    const void *secret = sqlite3_column_blob(s, 7);
    if (fine && (sqlite3_column_bytes(s, 7) != DIGEST_SIZE || !run_state_of(state, &run->state)))
        fine = journal_die_damaged(j, "its run cannot be read");
    if (fine)
        memcpy(j->secret, secret, DIGEST_SIZE);
    run->started = sqlite3_column_double(s, 8);
    run->ended = sqlite3_column_double(s, 9);
    run->passes = sqlite3_column_int(s, 10);
    j->run_changes = sqlite3_column_int64(s, 11);
    j->open = sqlite3_column_int(s, 12) != 0;
    journal_reset(s);
    return fine;
}

/* --- what this pass has asked for --- */

bool journal_is_reached(const struct journal *j, int64_t op)
{
    const struct journal_mark *mark = journal_index_get(&j->index, op);
    return mark != NULL && mark->reached;
}

bool journal_reach(struct journal *j, int64_t op)
{
    if (!journal_readable(j))
        return false;
    struct journal_mark *mark = journal_index_get(&j->index, op);
    if (mark == NULL)
        return journal_no_such(j, op);
    if (mark->reached)
        return journal_fail(&j->fault, JOURNAL_CLASH, "operation %lld was asked for before",
                            (long long)op);
    mark->reached = true;
    return true;
}

/* --- recorded values --- */

bool journal_value_get(struct journal *j, const char *label, char **json)
{
    *json = NULL;
    if (!journal_readable(j))
        return false;
    sqlite3_stmt *s = journal_read_text(j, SQL_VALUE_GET, label);
    int found = s == NULL ? -1 : journal_row(j, s);
    if (found <= 0)
        return found == 0;
    const char *text = (const char *)sqlite3_column_text(s, 0);
    *json = text == NULL ? NULL : strdup(text);
    journal_reset(s);
    return *json != NULL || journal_fail(&j->fault, JOURNAL_MEMORY, "out of memory");
}
