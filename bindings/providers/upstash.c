/* Upstash Kafka's developer API, which ended with the service on 11 March 2025:
 * connectors are addressed by id, an update sends the changed properties as a
 * flat object and keeps the others, lifecycle calls answer the JSON string
 * "OK", resume is called start, and a bad config is a 200 with state "failed".
 * The answers to create and update come without properties. */
#include "providers/connect_rest.h"

static const struct route routes[VERB_COUNT] = {
    [VERB_LIST] = {"GET", "/connectors/{cluster}", BODY_NONE, RESPONSE_CONNECTORS, EFFECT_NONE},
    [VERB_GET] = {"GET", "/connector/{connector}", BODY_NONE, RESPONSE_CONNECTOR, EFFECT_NONE},
    [VERB_STATUS] = {"GET", "/connector/{connector}", BODY_NONE, RESPONSE_CONNECTOR, EFFECT_NONE},
    [VERB_CREATE] = {"POST", "/connector", BODY_CREATE, RESPONSE_CONNECTOR, EFFECT_CREATE},
    [VERB_UPDATE] = {"POST", "/update-connector/{connector}", BODY_CONFIG, RESPONSE_CONNECTOR,
                     EFFECT_CONFIG},
    [VERB_RESTART] = {"POST", "/connector/{connector}/restart", BODY_NONE, RESPONSE_DONE,
                      EFFECT_EVENT},
    [VERB_PAUSE] = {"POST", "/connector/{connector}/pause", BODY_NONE, RESPONSE_DONE, EFFECT_STATE},
    [VERB_RESUME] = {"POST", "/connector/{connector}/start", BODY_NONE, RESPONSE_DONE, EFFECT_STATE},
    [VERB_DELETE] = {"DELETE", "/connector/{connector}", BODY_NONE, RESPONSE_DONE, EFFECT_DELETE},
};

/* `state` is what the service made of the connector, `connector_state` what the worker says
 * of it once it exists. */
static const struct field connector[] = {
    {"connector_id", "id", FIELD_TEXT},
    {"name", "name", FIELD_TEXT},
    {"connector_class", "class", FIELD_TEXT},
    {"state", "state", FIELD_STATE},
    {"connector_state", "state", FIELD_STATE},
    {"state_error_message", "error", FIELD_TEXT},
    {"tasks", "tasks", FIELD_TASKS},
    {"topics", "topics", FIELD_LIST},
    {"properties", "config", FIELD_CONFIG},
    {"creation_time", "created", FIELD_NUMBER},
    {"customer_id", "details.customer_id", FIELD_TEXT},
    {"cluster_id", "details.cluster_id", FIELD_TEXT},
    {"encoded_username", "details.encoded_username", FIELD_TEXT},
    {"deletion_time", "details.deletion_time", FIELD_NUMBER},
    {"TTL", "details.TTL", FIELD_NUMBER},
    {"encoded_username", NULL, FIELD_SECRET},
    {"user_password", NULL, FIELD_SECRET},
    {"properties_encrypted", NULL, FIELD_SECRET},
    {NULL, NULL, FIELD_TEXT},
};

static const struct state_word states[] = {{"restart", "restarting"}, {NULL, NULL}};

const struct provider provider_upstash = {
    .name = "upstash",
    .title = "Upstash Kafka",
    .base_url = "https://api.upstash.com/v2/kafka",
    .base_url_variable = "UPSTASH_API_URL",
    .simulator_path = "/upstash/v2/kafka",
    .user = {"email", "UPSTASH_EMAIL", "somebody@example.com"},
    .password = {"api_key", "UPSTASH_API_KEY", "simulated-api-key"},
    .places = {{"cluster", {"UPSTASH_KAFKA_CLUSTER_ID"}, "7568431c-88d5-4409-a808-2167f22a7133",
                "cluster_id"}},
    .routes = routes,
    .create_name = "name",
    .create_config = "properties",
    .list_opening = '[',
    .connector = connector,
    .status = connector,
    .task = connect_rest_task,
    .states = states,
    .source_prefix = "io.debezium.",
    .error = connect_rest_error,
    .error_rules = connect_rest_error_rules,
    .response_rules = connect_rest_response_rules,
    .by_id = true,
    .saved_lists = true,
};
