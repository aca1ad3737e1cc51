/* op_table: an operation of a journal as Lua sees it. */
#ifndef KELP_SESSION_OP_TABLE_H
#define KELP_SESSION_OP_TABLE_H

#include <lua.h>

#include <stdbool.h>

struct journal_op;

/* Pushes an operation as a table: op (its number), key, verb, connector, state, intended,
 * ended, attempts, remote_id, error; location: where in the script it was asked for; and as
 * JSON texts place (place.h), request, pre_image (the connector as it was, as far as
 * recorded) and result. What is not recorded is nil. [-0, +1, e] */
void op_table_push(lua_State *L, const struct journal_op *op);

/* Whether only what the request of that verb changes is recorded of its pre-image. */
bool op_table_is_partial(const char *verb);

#endif
