#include "providers/verb.h"

#include <string.h>

#define PUBLIC NULL
#define NOWHERE VERB_NOWHERE
#define TARGET VERB_ON_TARGET
#define BOTH VERB_ON_BOTH

static const struct verb_row rows[] = {
#define VERB(id, name, scope, effect, inverse, sign, state, on, senders, usage, help) \
    {VERB_##id, name, scope, effect, inverse, sign, state, on, senders, usage, help},
#define COMPOSED_VERB(name, on, usage, help) \
    {-1, name, PUBLIC, EFFECT_NONE, NULL, NULL, NULL, on, NULL, usage, help},
#include "verbs.def"
};

enum { ROWS = sizeof rows / sizeof *rows };

/* The rows of what is one request, by enum verb. */
static const struct verb_row *row_of(enum verb verb)
{
    static const struct verb_row *by_verb[VERB_COUNT];
    if (by_verb[0] == NULL) {
        for (size_t i = 0; i < ROWS; i++) {
            if (rows[i].verb >= 0)
                by_verb[rows[i].verb] = &rows[i];
        }
    }
    return by_verb[verb];
}

const struct verb_row *verb_row_at(size_t index)
{
    return index < ROWS ? &rows[index] : NULL;
}

const struct verb_row *verb_row_named(const char *name)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    }
    return NULL;
}

const char *verb_name(enum verb verb)
{
    return row_of(verb)->name;
}

const char *verb_shown(enum verb verb)
{
    const struct verb_row *row = row_of(verb);
    return row->step_of != NULL ? row->step_of : row->name;
}

int verb_named(const char *name)
{
    const struct verb_row *row = verb_row_named(name);
    return row != NULL ? row->verb : -1;
}

bool verb_is_public_write(enum verb verb)
{
    const struct verb_row *row = row_of(verb);
    return row->step_of == NULL && row->effect != EFFECT_NONE;
}

/* Whether the word is one of the words of the text. */
static bool has_word(const char *text, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += size) {
        bool begins = at == text || at[-1] == ' ';
        if (begins && (at[size] == '\0' || at[size] == ' '))
            return true;
    }
    return false;
}

bool verb_may_be_sent_by(enum verb verb, enum verb sender)
{
    const char *senders = row_of(verb)->senders;
    return senders != NULL && has_word(senders, verb_name(sender));
}

const char *verb_effect_name(enum effect effect)
{
    static const char *const names[] = {NULL, "state", "config", "create", "delete", "event"};
    return names[effect];
}
