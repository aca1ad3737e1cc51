/* refusal: what a provider's error reply says, whatever its shape. */
#ifndef KELP_CONNECTOR_ERROR_RESPONSE_H
#define KELP_CONNECTOR_ERROR_RESPONSE_H

#include "lua/error.h"
#include "providers/provider.h"

struct reply;

/* Pushes an error object for a reply whose status is not 2xx: kind, message,
 * status, code, request_id, retry_after and rate_limit where they are told.
 * Understands the error bodies seen from Confluent Cloud (peers.md, 2a: seven
 * shapes), Upstash and Kafka Connect, and text. [-0, +1, m] */
void refusal_push(lua_State *L, const struct call *call, const struct reply *reply);

/* When the decoded value at `index` is an object with an `error` that is not
 * null (Confluent answers {"error": null} in a 200 when all went well), pushes
 * the error object and returns true. [-0, +(0|1), m] */
bool refusal_in_answer(lua_State *L, int index, const struct reply *reply);

#endif
