/* Writes operations, their attempts, and recorded values. */
#include "journal/journal_op.h"

#include "base/clock.h"
#include "journal/journal_handle.h"
#include "journal/journal_private.h"
#include "journal/journal_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* NULL, with the reason in j->fault, when it cannot become that. */
static struct journal_mark *check_state(struct journal *j, int64_t op, enum journal_state to)
{
    struct journal_mark *mark = journal_index_get(&j->index, op);
    if (mark == NULL) {
        journal_no_such(j, op);
        return NULL;
    }
    if ((journal_before[to] & JOURNAL_IS(mark->state)) != 0)
        return mark;
    journal_fail(&j->fault, JOURNAL_CLASH, "operation %lld is %s and cannot become %s",
                 (long long)op, journal_state_name((enum journal_state)mark->state),
                 journal_state_name(to));
    return NULL;
}

bool journal_may_send(struct journal *j, int64_t op)
{
    if (!journal_writable(j))
        return false;
    const struct journal_mark *mark = journal_index_get(&j->index, op);
    if (mark == NULL)
        return journal_no_such(j, op);
    bool intended = mark->state == JOURNAL_INTENT || mark->state == JOURNAL_UNDO_INTENT;
    return (intended && mark->last <= j->durable_entries)
           || journal_fail(&j->fault, JOURNAL_CLASH,
                           "the intent of operation %lld is not on disk", (long long)op);
}

/* --- writing --- */

/* Refuses what no database row can hold, while that does no harm. */
static bool check_size(struct journal *j, const char *const texts[], size_t count, int64_t *bytes)
{
    *bytes = 0;
    for (size_t i = 0; i < count; i++)
        *bytes += texts[i] == NULL ? 0 : (int64_t)strlen(texts[i]);
    return *bytes <= LARGEST_TEXTS
           || journal_fail(&j->fault, JOURNAL_MISUSE, "%lld bytes are too many for the journal",
                           (long long)*bytes);
}

/* Adds the entry that brings an operation, or a new one, into that state. */
static bool write_entry(struct journal *j, int64_t op, enum journal_state state,
                        const struct journal_intent *in, const struct journal_outcome *out)
{
    struct journal_mark *mark = journal_index_get(&j->index, op);
    if (!journal_write(j, SQL_ENTRY_WRITE, "iitidittttttttttt", j->entries + 1, op,
                       journal_state_name(state), mark == NULL ? 0 : mark->last,
                       clock_wall(j->clock), (int64_t)out->attempts, in->key, in->verb, in->target,
                       in->connector, in->place, in->digest, in->request, in->pre_image,
                       out->remote_id, out->result, out->error))
        return false;
    j->entries++;
    if (mark != NULL) {
        mark->last = j->entries;
        mark->state = (unsigned char)state;
    }
    return true;
}

static const struct journal_intent no_intent;
static const struct journal_outcome no_outcome;

static bool check_known(struct journal *j, const struct journal_op *op, const char *digest,
                        enum journal_state to)
{
    bool may = (journal_before[to] & JOURNAL_IS(op->state)) != 0;
    bool sent = op->state == JOURNAL_INTENT || op->state == JOURNAL_UNKNOWN;
    if (may && (!sent || strcmp(op->digest, digest) == 0))
        return true;
    if (may)
        return journal_fail(&j->fault, JOURNAL_CLASH,
                            "%.300s may have been sent before, with a different content", op->key);
    return journal_fail(&j->fault, JOURNAL_CLASH, "%.300s is in the journal already (%s)", op->key,
                        journal_state_name(op->state));
}

enum { SHORTEST_SHARED = 64, LONGEST_SHARED = 1 << 16 }; /* bytes of a request */

/* The reference to a request that an entry of this process holds already, or NULL. */
static const char *find_recent(const struct journal *j, const char *request, size_t size)
{
    for (size_t i = 0; i < JOURNAL_RECENT; i++) {
        const struct journal_recent *l = &j->recent[i];
        if (l->text.size == size && l->same[0] != '\0' && memcmp(l->text.data, request, size) == 0)
            return l->same;
    }
    return NULL;
}

/* Remembers the request of the entry that was just written. It is no loss when there
 * is no memory for that. */
static void note_recent(struct journal *j, const char *request, size_t size)
{
    struct journal_recent *l = &j->recent[j->next_recent++ % JOURNAL_RECENT];
    buffer_clear(&l->text);
    l->same[0] = '\0';
    if (buffer_add(&l->text, request, size))
        snprintf(l->same, sizeof l->same, "%c%lld", JOURNAL_SAME, (long long)j->entries);
}

/* As write_entry for an intent, with its request once for all that ask for the same. */
static bool write_intent(struct journal *j, int64_t op, enum journal_state state,
                         const struct journal_intent *in)
{
    size_t size = in->request == NULL ? 0 : strlen(in->request);
    if (size < SHORTEST_SHARED || size > LONGEST_SHARED)
        return write_entry(j, op, state, in, &no_outcome);
    struct journal_intent shared = *in;
    const char *same = find_recent(j, in->request, size);
    if (same != NULL)
        shared.request = same;
    if (!write_entry(j, op, state, &shared, &no_outcome))
        return false;
    if (same == NULL)
        note_recent(j, in->request, size);
    return true;
}

static bool record(struct journal *j, const struct journal_intent *in, enum journal_state state,
                   int64_t *op)
{
    struct journal_op known;
    int64_t bytes;
    if (!journal_writable(j))
        return false;
    if (in->key == NULL || in->verb == NULL || in->target == NULL || in->digest == NULL)
        return journal_fail(&j->fault, JOURNAL_MISUSE,
                            "an intent lacks a key, verb, target or digest");
    if (in->request != NULL && in->request[0] == JOURNAL_SAME)
        return journal_fail(&j->fault, JOURNAL_MISUSE, "an intent's request is no JSON text");
    const char *const all[] = { in->key,   in->verb,   in->target,  in->connector,
                                in->place, in->digest, in->request, in->pre_image };
    uint64_t hash = journal_index_hash(in->key);
    if (!check_size(j, all, sizeof all / sizeof *all, &bytes)
        || !journal_find_hashed(j, in->key, hash, &j->key_texts, &known)
        || (known.id != 0 && !check_known(j, &known, in->digest, state)))
        return false;
    if (!journal_index_reserve(&j->index))
        return journal_fail(&j->fault, JOURNAL_MEMORY, "out of memory");
    if (!journal_reserve(j, bytes) || !journal_begin(j))
        return false;
    *op = known.id != 0 ? known.id : (int64_t)j->index.count + 1;
    if (!write_intent(j, *op, state, in))
        return false;
    if (known.id == 0)
        journal_index_add(&j->index, hash, j->entries, state);
    return true;
}

bool journal_intend(struct journal *j, const struct journal_intent *intent, int64_t *op)
{
    return record(j, intent, JOURNAL_INTENT, op);
}

bool journal_plan(struct journal *j, const struct journal_intent *intent, int64_t *op)
{
    return record(j, intent, JOURNAL_PLANNED, op);
}

bool journal_undo(struct journal *j, int64_t op)
{
    return journal_writable(j) && check_state(j, op, JOURNAL_UNDO_INTENT) != NULL
           && journal_reserve(j, 0) && journal_begin(j)
           && write_entry(j, op, JOURNAL_UNDO_INTENT, &no_intent, &no_outcome);
}

bool journal_end(struct journal *j, int64_t op, const struct journal_outcome *outcome)
{
    int64_t bytes;
    if (!journal_writable(j))
        return false;
    if ((JOURNAL_IS(outcome->state) & JOURNAL_UNDER_WAY) != 0)
        return journal_fail(&j->fault, JOURNAL_MISUSE, "%s is no outcome",
                            journal_state_name(outcome->state));
    const char *const all[] = { outcome->remote_id, outcome->result, outcome->error };
    return check_size(j, all, sizeof all / sizeof *all, &bytes)
           && check_state(j, op, outcome->state) != NULL && journal_begin(j)
           && write_entry(j, op, outcome->state, &no_intent, outcome);
}

bool journal_attempt(struct journal *j, int64_t op, const struct journal_attempt *attempt)
{
    if (!journal_writable(j))
        return false;
    if (journal_index_get(&j->index, op) == NULL)
        return journal_no_such(j, op);
    if (!journal_begin(j)
        || !journal_write(j, SQL_ATTEMPT_WRITE, "iitidd", j->attempts + 1, op, attempt->class,
                          (int64_t)attempt->status, attempt->wait, clock_wall(j->clock)))
        return false;
    j->attempts++;
    return true;
}

bool journal_value_set(struct journal *j, const char *label, const char *json)
{
    char *old;
    int64_t bytes;
    if (!journal_writable(j) || !journal_value_get(j, label, &old))
        return false;
    if (old != NULL) {
        free(old);
        return journal_fail(&j->fault, JOURNAL_CLASH, "a value %.300s is recorded already", label);
    }
    const char *const all[] = { label, json };
    return check_size(j, all, 2, &bytes) && journal_reserve(j, bytes) && journal_begin(j)
           && journal_write(j, SQL_VALUE_WRITE, "ttd", label, json, clock_wall(j->clock));
}
