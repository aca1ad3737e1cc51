/* error_response: what a response that says no says, by the error map and the error rules of
 * the provider that was asked. */
#ifndef KELP_CONNECTOR_ERROR_RESPONSE_H
#define KELP_CONNECTOR_ERROR_RESPONSE_H

#include "lua/error.h"
#include "connector/provider_request.h"

struct response;

/* Pushes an error object for a response whose status is not 2xx: kind, message,
 * status, code, request_id, retry_after and rate_limit where they are told. A body that is
 * text, or a web page, is quoted. [-0, +1, m] */
void error_response_push(lua_State *L, const struct call *call, const struct response *response);

/* When the decoded value at `index` is an object with an `error` that is not
 * null ({"error": null} says that all went well), pushes the error object and returns
 * true. [-0, +(0|1), m] */
bool error_response_in_success(lua_State *L, const struct call *call, int index,
                               const struct response *response);

#endif
