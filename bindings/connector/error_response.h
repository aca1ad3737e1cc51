/* refusal: what a provider's error response says, whatever its shape. */
#ifndef KELP_CONNECTOR_ERROR_RESPONSE_H
#define KELP_CONNECTOR_ERROR_RESPONSE_H

#include "lua/error.h"
#include "providers/provider.h"

struct response;

/* Pushes an error object for a response whose status is not 2xx: kind, message,
 * status, code, request_id, retry_after and rate_limit where they are told.
 * Understands the error bodies seen from Confluent Cloud (peers.md, 2a: seven
 * shapes), Upstash and Kafka Connect, and text. [-0, +1, m] */
void error_response_push(lua_State *L, const struct call *call, const struct response *response);

/* When the decoded value at `index` is an object with an `error` that is not
 * null (Confluent answers {"error": null} in a 200 when all went well), pushes
 * the error object and returns true. [-0, +(0|1), m] */
bool error_response_in_success(lua_State *L, int index, const struct response *response);

#endif
