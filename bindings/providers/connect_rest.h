/* connect_rest: the dialect that Confluent Cloud and Kafka Connect share. */
#ifndef KELP_PROVIDERS_CONNECT_REST_H
#define KELP_PROVIDERS_CONNECT_REST_H

#include "http/retry.h"
#include "providers/provider.h"

/* Which 409 and 500 of a Kafka Connect worker mean that nothing was done. */
extern const struct response_rule connect_rest_response_rules[];

/* {"name": …, "config": {…}} */
bool connect_rest_write_create(const struct call *call, struct buffer *out);

/* provider->read for the dialect: a connector, a status, tasks, and what is handed on. */
void connect_rest_read(struct lua_State *L, enum response_content answer);

/* provider->read_listed: of the expanded list, {NAME: {info, status, id: {id, id_type},
 * extensions}}. */
void connect_rest_read_listed(struct lua_State *L);

#endif
