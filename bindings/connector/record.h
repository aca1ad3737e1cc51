/* record: reading the fields of decoded responses into connector records. */
#ifndef KELP_CONNECTOR_RECORD_H
#define KELP_CONNECTOR_RECORD_H

#include <lua.h>

/* Copies the string field `from` of the table at `source` to field `to` of the
 * table at `record`; an absent, null or empty one leaves it unset; another type
 * raises "unexpected response: FROM is a number". [-0, +0, e] */
void record_text(lua_State *L, int source, const char *from, int record, const char *to);

/* As record_text for a number. */
void record_number(lua_State *L, int source, const char *from, int record, const char *to);

/* Pushes the field of the table at `source` when it is a table, else nil (also
 * for JSON null); another type raises. Returns whether it is one. [-0, +1, e] */
int record_table(lua_State *L, int source, const char *field);

/* Sets `state` of the record from a provider's word, in any case, in kelp's
 * vocabulary; a word that is not known becomes "unknown". [-0, +0, m] */
void record_state(lua_State *L, int record, const char *word);

/* The same for a task's state: SYSTEM_ERROR and USER_ACTIONABLE_ERROR are
 * "failed". */
const char *record_state_name(const char *word);

/* Sets `type` from the class when the provider does not say it: "…Sink…" and
 * "…Source…", and Debezium's classes, which are sources. [-0, +0, m] */
void record_type_from_class(lua_State *L, int record);

/* Raises "unexpected response: WHAT". */
int record_unexpected(lua_State *L, const char *what);

#endif
