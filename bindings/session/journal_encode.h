/* recorded: how configs and connectors are written down in a journal: as JSON in
 * which references stand in the place of secrets.
 *
 *  - a kelp.secret becomes {"$secret":"LABEL"}: its label says where it came from;
 *  - the value of a key that looks like a secret, and a text with a password in
 *    its address, become {"$hidden":true}; a mask stays what it is;
 *  - a registered secret within another text becomes <secret LABEL>.
 *
 * Of tables: strings, kelp.secrets, numbers, booleans and kelp.null by string
 * keys; anything else is left out. All return false when memory failed. */
#ifndef KELP_SESSION_JOURNAL_ENCODE_H
#define KELP_SESSION_JOURNAL_ENCODE_H

#include <lua.h>

#include <stdbool.h>
#include <stdint.h>

struct buffer;

/* Adds the table at `index`, and to `digest` what tells it apart from others: the
 * order of its keys, which differs between processes, does not count. [-0, +0, m] */
bool journal_encode_request(lua_State *L, int index, struct buffer *out, uint64_t *digest);

/* Adds a connector as it was before a write (a record, or null for anything else).
 * `request`: the index of a table, or 0: of the config only its keys, and of those only
 * what is not the same there; null for what the connector did not have. [-0, +0, m] */
bool journal_encode_pre_image(lua_State *L, int index, int request, struct buffer *out);

/* Pushes what journal_encode_pre_image wrote with a `request`, with all of the keys again that
 * the connector had, given what journal_encode_request wrote; both may be NULL. [-0, +1, e] */
void journal_push_pre_image(lua_State *L, const char *before, const char *request);

/* raw.journal_hides(key, text): whether that value of that key is recorded as
 * {"$hidden":true}. [-2, +1, e] */
int journal_hides_call(lua_State *L);

/* Adds a verb's result: a record, a boolean, or null. `request`: the index of a
 * table, or 0: of the config only what is not the same there. [-0, +0, m] */
bool journal_encode_result(lua_State *L, int index, int request, struct buffer *out);

#endif
