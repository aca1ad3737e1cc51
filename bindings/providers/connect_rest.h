/* connect_rest: the dialect that Kafka Connect and the services built on it share, as data
 * for their providers. */
#ifndef KELP_PROVIDERS_CONNECT_REST_H
#define KELP_PROVIDERS_CONNECT_REST_H

#include "http/retry.h"
#include "providers/provider.h"

/* {name, config, tasks: [{connector, task}], type} */
extern const struct field connect_rest_connector[];

/* {name, connector: {state, worker_id, trace}, tasks: [{id, state, worker_id, trace}], type} */
extern const struct field connect_rest_status[];

/* {info, status, id: {id, id_type}}: an entry of the expanded list */
extern const struct field connect_rest_listed[];

/* A task of a connector or of a status. */
extern const struct field connect_rest_task[];

/* {id: {connector, task}, config} */
extern const struct field connect_rest_task_config[];

/* {error_code, message}, the same within "error", and a gateway's {errors: [{detail, …}]}. */
extern const struct field connect_rest_error[];
extern const struct error_rule connect_rest_error_rules[];

/* Which 409 and 500 of a Kafka Connect worker mean that nothing was done. */
extern const struct response_rule connect_rest_response_rules[];

#endif
