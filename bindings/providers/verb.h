/* verb: what is known of the verbs before any provider: verbs.def as an enum and a table.
 * Used by the providers' routes, by the calls and the journal, and through raw.verbs
 * (connector/verb_table.h) by the Lua side. */
#ifndef KELP_PROVIDERS_VERB_H
#define KELP_PROVIDERS_VERB_H

#include <stdbool.h>
#include <stddef.h>

/* One request each. */
enum verb {
#define VERB(id, name, scope, effect, inverse, sign, state, on, senders, usage, help) VERB_##id,
#include "verbs.def"
    VERB_COUNT
};

/* What it means when the request arrives a second time. */
enum effect {
    EFFECT_NONE,   /* it only reads */
    EFFECT_STATE,  /* it sets something to the same value again */
    EFFECT_CONFIG, /* so too, but over what somebody else may have set meanwhile */
    EFFECT_CREATE, /* it may make a second connector */
    EFFECT_DELETE, /* it finds nothing, or something newer of that name */
    EFFECT_EVENT   /* it happens again, and cannot be seen afterwards */
};

/* Where scripts find it as a method. */
enum verb_place { VERB_NOWHERE, VERB_ON_TARGET, VERB_ON_BOTH };

/* A row of verbs.def, which says what the fields mean. */
struct verb_row {
    int verb; /* enum verb, or -1: it is made of others */
    const char *name;
    const char *step_of; /* the public verb of which it is a step; NULL: it is public */
    enum effect effect;
    const char *inverse, *sign, *state;
    enum verb_place on;
    const char *senders, *usage, *help;
};

/* The rows in the order of verbs.def; NULL behind the last. */
const struct verb_row *verb_row_at(size_t index);

/* The row of that name, or NULL. */
const struct verb_row *verb_row_named(const char *name);

const char *verb_name(enum verb verb);
int verb_named(const char *name); /* -1: none that is one request */

/* The verb as the user called it: "restart" for "restart_failed". */
const char *verb_shown(enum verb verb);

/* Whether scripts call it and it writes. */
bool verb_is_public_write(enum verb verb);

/* Whether the public verb `sender` may need a request of `verb`. */
bool verb_may_be_sent_by(enum verb verb, enum verb sender);

/* "state" for EFFECT_STATE; NULL for EFFECT_NONE. */
const char *verb_effect_name(enum effect effect);

#endif
