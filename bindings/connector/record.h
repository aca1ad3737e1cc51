/* record: decoded responses read into connector records, by the field maps of a provider.
 *
 * All functions raise the string "unexpected response: …" when a response is not of the
 * provider's shape. */
#ifndef KELP_CONNECTOR_RECORD_H
#define KELP_CONNECTOR_RECORD_H

#include "providers/provider.h"

#include <lua.h>

#include <stdbool.h>

/* Replaces the decoded response at the top by kelp's value: a connector record, true for
 * RESPONSE_DONE, for the last three the decoded value, secrets in it registered. Not for
 * RESPONSE_CONNECTORS. [-1, +1, e] */
void record_read(lua_State *L, const struct provider *p, enum response_content content);

/* Pushes an array of records from the text of a list of connectors, and what names its next
 * page: a string or nil. `choose`, unless it is NULL, finds each record on top when it has
 * been read, and may replace it by nil to leave it out: thousands need not be in memory for
 * the few that are wanted. Raises as json_decode too, and what `choose` raises. [-0, +2, e] */
void record_read_list(lua_State *L, const struct provider *p, const char *text, size_t size,
                      void (*choose)(lua_State *L, void *context), void *context);

/* Pushes an array of kelp's own words for the states of connectors: what a filter may ask for.
 * [-0, +1, m] */
void record_push_states(lua_State *L);

/* raw.read_listed(provider, entry): the record of a connector as the provider's list has it,
 * decoded by somebody else. [-2, +1, e] */
int record_read_listed_call(lua_State *L);

/* Pushes what stands at the path in the table at `source`, nil when it is absent or null. A
 * part of the path that is no table counts as absent. [-0, +1, -] */
void record_push_path(lua_State *L, int source, const char *path);

#endif
