/* Confluent Cloud's Connect API v1, as its OpenAPI definition has it: PUT
 * config replaces, pause and resume are asynchronous (202, no body), restart is
 * a Preview without flags, delete answers {"error": null}. There is no PATCH, no
 * stop, no restart of one task. */
#include "providers/connect_rest.h"

#define CONNECTORS "/connect/v1/environments/{environment}/clusters/{cluster}/connectors"
#define CONNECTOR CONNECTORS "/{connector}"

static const struct route routes[VERB_COUNT] = {
    /* The comma form of expand is the documented one; a list has no pages. */
    [VERB_LIST] = {"GET", CONNECTORS "?expand=info,status,id", BODY_NONE, ANSWER_CONNECTORS,
                   EFFECT_NONE},
    [VERB_GET] = {"GET", CONNECTOR, BODY_NONE, ANSWER_CONNECTOR, EFFECT_NONE},
    [VERB_STATUS] = {"GET", CONNECTOR "/status", BODY_NONE, ANSWER_STATUS, EFFECT_NONE},
    [VERB_CREATE] = {"POST", CONNECTORS, BODY_CREATE, ANSWER_CONNECTOR, EFFECT_CREATE},
    [VERB_PUT] = {"PUT", CONNECTOR "/config", BODY_CONFIG, ANSWER_CONNECTOR, EFFECT_CONFIG},
    [VERB_RESTART] = {"POST", CONNECTOR "/restart", BODY_NONE, ANSWER_DONE, EFFECT_EVENT},
    [VERB_PAUSE] = {"PUT", CONNECTOR "/pause", BODY_NONE, ANSWER_DONE, EFFECT_STATE},
    [VERB_RESUME] = {"PUT", CONNECTOR "/resume", BODY_NONE, ANSWER_DONE, EFFECT_STATE},
    [VERB_DELETE] = {"DELETE", CONNECTOR, BODY_NONE, ANSWER_DONE, EFFECT_DELETE},
};

const struct provider provider_confluent = {
    .name = "confluent",
    .title = "Confluent Cloud",
    .base_url = "https://api.confluent.cloud",
    .base_url_variable = "CONFLUENT_CLOUD_REST_ENDPOINT",
    .user_option = "api_key",
    .user_variable = "CONFLUENT_CLOUD_API_KEY",
    .password_option = "api_secret",
    .password_variable = "CONFLUENT_CLOUD_API_SECRET",
    .bearer = true,
    .places = {"environment", "cluster"},
    .masks_secrets = true,
    .removes_keys = true,
    .routes = routes,
    .write_create = connect_rest_write_create,
    .read = connect_rest_read,
};
