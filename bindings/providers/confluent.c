/* Confluent Cloud's Connect API v1, as its OpenAPI definition has it: PUT
 * config replaces, pause and resume are asynchronous (202, no body), restart is
 * a Preview without flags, delete answers {"error": null}. There is no PATCH, no
 * stop, no restart of one task. Offsets are altered by a request that the service
 * carries out in its own time, stopping the connector for it; one at a time, and
 * only the last one can be asked after. */
#include "providers/connect_rest.h"

#define CLUSTER "/connect/v1/environments/{environment}/clusters/{cluster}"
#define CONNECTORS CLUSTER "/connectors"
#define CONNECTOR CONNECTORS "/{connector}"
#define PLUGIN CLUSTER "/connector-plugins/{plugin}"

static const struct route routes[VERB_COUNT] = {
    /* The comma form of expand is the documented one; a list has no pages. */
    [VERB_LIST] = {"GET", CONNECTORS "?expand=info,status,id", BODY_NONE, RESPONSE_CONNECTORS,
                   EFFECT_NONE},
    [VERB_GET] = {"GET", CONNECTOR, BODY_NONE, RESPONSE_CONNECTOR, EFFECT_NONE},
    [VERB_STATUS] = {"GET", CONNECTOR "/status", BODY_NONE, RESPONSE_STATUS, EFFECT_NONE},
    [VERB_CREATE] = {"POST", CONNECTORS, BODY_CREATE, RESPONSE_CONNECTOR, EFFECT_CREATE},
    [VERB_PUT] = {"PUT", CONNECTOR "/config", BODY_CONFIG, RESPONSE_CONNECTOR, EFFECT_CONFIG},
    [VERB_RESTART] = {"POST", CONNECTOR "/restart", BODY_NONE, RESPONSE_DONE, EFFECT_EVENT},
    [VERB_PAUSE] = {"PUT", CONNECTOR "/pause", BODY_NONE, RESPONSE_DONE, EFFECT_STATE},
    [VERB_RESUME] = {"PUT", CONNECTOR "/resume", BODY_NONE, RESPONSE_DONE, EFFECT_STATE},
    [VERB_DELETE] = {"DELETE", CONNECTOR, BODY_NONE, RESPONSE_DONE, EFFECT_DELETE},
    [VERB_TASKS] = {"GET", CONNECTOR "/tasks", BODY_NONE, RESPONSE_TASKS, EFFECT_NONE},
    [VERB_VALIDATE] = {"PUT", PLUGIN "/config/validate", BODY_CONFIG, RESPONSE_OBJECT, EFFECT_NONE},
    [VERB_PLUGINS] = {"GET", CLUSTER "/connector-plugins", BODY_NONE, RESPONSE_LIST, EFFECT_NONE},
    [VERB_TRANSLATE] = {"PUT", PLUGIN "/config/translate", BODY_CONFIG, RESPONSE_OBJECT,
                        EFFECT_NONE},
    [VERB_OFFSETS] = {"GET", CONNECTOR "/offsets", BODY_NONE, RESPONSE_OBJECT, EFFECT_NONE},
    [VERB_ALTER_OFFSETS] = {"POST", CONNECTOR "/offsets/request", BODY_MEMBERS, RESPONSE_OBJECT,
                            EFFECT_CONFIG},
    [VERB_RESET_OFFSETS] = {"POST", CONNECTOR "/offsets/request", BODY_MEMBERS, RESPONSE_OBJECT,
                            EFFECT_CONFIG},
    [VERB_OFFSETS_REQUEST] = {"GET", CONNECTOR "/offsets/request/status", BODY_NONE,
                              RESPONSE_OBJECT, EFFECT_NONE},
};

static const struct state_word states[] = {
    {"system_error", "failed"}, {"user_actionable_error", "failed"}, {NULL, NULL},
};

/* Seen in configs that the service returns and set by nobody: its Terraform provider ignores
 * the same keys (resource_connector.go), and kafka.user.id. */
static const char *const injected[] = {
    "cloud.environment", "cloud.provider", "connector.crn", "kafka.endpoint",
    "kafka.max.partition.validation.disable", "kafka.region", "kafka.dedicated",
    "schema.registry.url", "valid.kafka.api.key", "confluent.custom.plugin.type",
    "confluent.resource.connector.tier", "kafka.user.id", "config.internal.*", NULL,
};

static const char *const cluster_keys[] = {"kafka.api.key", "kafka.api.secret", NULL};

/* Of the configs in scripts/simulator. */
static const char *const simulated_secrets[] = {
    "kafka.api.key", "kafka.api.secret", "aws.access.key.id", "aws.secret.access.key",
    "database.password", "connection.password", "snowflake.private.key", NULL,
};

/* A bad update is taken, and only the status says so. */
static const char *const rejections[] = {
    "continues to operate on a previous configuration",
    "Unable to validate configuration. If an update was made", NULL,
};

const struct provider provider_confluent = {
    .name = "confluent",
    .title = "Confluent Cloud",
    .base_url = "https://api.confluent.cloud",
    .base_url_variable = "CONFLUENT_CLOUD_REST_ENDPOINT",
    .simulator_path = "/confluent",
    .user = {"api_key", "CONFLUENT_CLOUD_API_KEY", "simulated-key"},
    .password = {"api_secret", "CONFLUENT_CLOUD_API_SECRET", "simulated-secret"},
    .token = {"token", NULL, NULL},
    .places = {{"environment", {"CONFLUENT_ENVIRONMENT_ID", "KAFKA_ENV_ID"}, "env-sim", NULL},
               {"cluster", {"KAFKA_CLUSTER_ID", "KAFKA_ID"}, "lkc-sim", NULL}},
    .routes = routes,
    .create_name = "name",
    .create_config = "config",
    .list_opening = '{',
    .connector = connect_rest_connector,
    .status = connect_rest_status,
    .listed = connect_rest_listed,
    .task = connect_rest_task,
    .task_config = connect_rest_task_config,
    .states = states,
    .mask = "**",
    .cluster_keys = cluster_keys,
    .cluster_mode = {"kafka.auth.mode", "KAFKA_API_KEY"},
    .simulated_secrets = simulated_secrets,
    .injected = injected,
    .error = connect_rest_error,
    .error_rules = connect_rest_error_rules,
    .response_rules = connect_rest_response_rules,
    .rejections = rejections,
    .removes_keys = true,
    .initial_offsets = true,
};
