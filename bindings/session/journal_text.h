/* journal_text: the one way by which text goes into a journal. Every text that the journal's
 * functions store passes one of these, which see to it that no known secret is readable in it:
 *
 *  - names are refused: key, verb, target, connector, the label of a value, the journal's own
 *    name. What was written is looked for by them, so that they cannot be changed;
 *  - a recorded value is refused too: it has to come back as it was;
 *  - all else is redacted: <secret LABEL> stands there.
 *
 * Nothing else in bindings calls journal_create, journal_intend, journal_plan, journal_end,
 * journal_value_set, journal_set_targets or journal_attempt (tests/checks). */
#ifndef KELP_SESSION_JOURNAL_TEXT_H
#define KELP_SESSION_JOURNAL_TEXT_H

#include <lua.h>

#include <stdbool.h>
#include <stdint.h>

struct journal;
struct journal_fault;
struct journal_intent;
struct journal_options;
struct journal_outcome;

/* As journal_create; options->run->arguments is a JSON object or NULL. Where a secret was in
 * them, "hidden":true is among the arguments: they cannot be used again. */
struct journal *journal_text_create(const struct journal_options *options,
                                    struct journal_fault *fault);

/* As journal_intend. Raises an `invalid` error object for a name with a secret.
 * [-0, +0, e] */
bool journal_text_intend(lua_State *L, struct journal *j, const struct journal_intent *intent,
                         int64_t *op);

/* As journal_end. [-0, +0, e] */
bool journal_text_end(lua_State *L, struct journal *j, int64_t op,
                      const struct journal_outcome *outcome);

/* As journal_value_set. Raises an `invalid` error object for a label or a value with a
 * secret. [-0, +0, e] */
bool journal_text_set_value(lua_State *L, struct journal *j, const char *label, const char *json);

#endif
