/* Kafka Connect's REST interface as a worker serves it (Apache Kafka 2.3 and
 * later; what is newer answers 404, 405 or 500 where it is missing, so the
 * version is asked for before): `expand` is
 * repeated, PUT config answers 201 or 200, PATCH config (3.8) takes null for a
 * key to remove, a restart with flags (3.0) answers 202 and what it will do,
 * offsets (3.5, 3.6) are altered at once and only of a connector that is
 * stopped, secrets are shown in clear. Any worker takes any request and hands
 * it to the one that leads. */
#include "providers/connect_rest.h"

#define CONNECTOR "/connectors/{connector}"
#define RESTART CONNECTOR "/restart?includeTasks=true&onlyFailed="

static const struct route routes[VERB_COUNT] = {
    [VERB_LIST] = {"GET", "/connectors?expand=info&expand=status", BODY_NONE, RESPONSE_CONNECTORS,
                   EFFECT_NONE},
    [VERB_GET] = {"GET", CONNECTOR, BODY_NONE, RESPONSE_CONNECTOR, EFFECT_NONE},
    [VERB_STATUS] = {"GET", CONNECTOR "/status", BODY_NONE, RESPONSE_STATUS, EFFECT_NONE},
    [VERB_CREATE] = {"POST", "/connectors", BODY_CREATE, RESPONSE_CONNECTOR, EFFECT_CREATE},
    [VERB_UPDATE] = {"PATCH", CONNECTOR "/config", BODY_CONFIG, RESPONSE_CONNECTOR, EFFECT_CONFIG},
    [VERB_PUT] = {"PUT", CONNECTOR "/config", BODY_CONFIG, RESPONSE_CONNECTOR, EFFECT_CONFIG},
    [VERB_RESTART] = {"POST", CONNECTOR "/restart", BODY_NONE, RESPONSE_DONE, EFFECT_EVENT},
    [VERB_RESTART_TASKS] = {"POST", RESTART "false", BODY_NONE, RESPONSE_RESTARTED, EFFECT_EVENT},
    [VERB_RESTART_FAILED] = {"POST", RESTART "true", BODY_NONE, RESPONSE_RESTARTED, EFFECT_EVENT},
    [VERB_RESTART_TASK] = {"POST", CONNECTOR "/tasks/{task}/restart", BODY_NONE, RESPONSE_DONE,
                           EFFECT_EVENT},
    [VERB_PAUSE] = {"PUT", CONNECTOR "/pause", BODY_NONE, RESPONSE_DONE, EFFECT_STATE},
    [VERB_RESUME] = {"PUT", CONNECTOR "/resume", BODY_NONE, RESPONSE_DONE, EFFECT_STATE},
    [VERB_STOP] = {"PUT", CONNECTOR "/stop", BODY_NONE, RESPONSE_DONE, EFFECT_STATE},
    [VERB_DELETE] = {"DELETE", CONNECTOR, BODY_NONE, RESPONSE_DONE, EFFECT_DELETE},
    [VERB_TASKS] = {"GET", CONNECTOR "/tasks", BODY_NONE, RESPONSE_TASKS, EFFECT_NONE},
    [VERB_VERSION] = {"GET", "/", BODY_NONE, RESPONSE_OBJECT, EFFECT_NONE},
    [VERB_VALIDATE] = {"PUT", "/connector-plugins/{plugin}/config/validate", BODY_CONFIG,
                       RESPONSE_OBJECT, EFFECT_NONE},
    [VERB_PLUGINS] = {"GET", "/connector-plugins", BODY_NONE, RESPONSE_LIST, EFFECT_NONE},
    [VERB_OFFSETS] = {"GET", CONNECTOR "/offsets", BODY_NONE, RESPONSE_OBJECT, EFFECT_NONE},
    /* A stopped connector's offsets do not move, so a repeat sets the same ones. */
    [VERB_ALTER_OFFSETS] = {"PATCH", CONNECTOR "/offsets", BODY_MEMBERS, RESPONSE_OBJECT,
                            EFFECT_STATE},
    [VERB_RESET_OFFSETS] = {"DELETE", CONNECTOR "/offsets", BODY_NONE, RESPONSE_OBJECT,
                            EFFECT_STATE},
};

/* A restart with flags is taken by a worker of 2.8 for one without them (204), and one before 3.8
 * says 405 to a PATCH of a config: those two need no question. */
static const struct ability abilities[] = {
    {"stop", "3.5"},          {"offsets", "3.5"},       {"alter_offsets", "3.6"},
    {"reset_offsets", "3.6"}, {"initial_state", "3.7"}, {NULL, NULL},
};

const struct provider provider_connect = {
    .name = "connect",
    .title = "Kafka Connect",
    .base_url_variable = "KAFKA_CONNECT_URL",
    .url_option = "url",
    .simulator_path = "/connect",
    .user = {"username", "KAFKA_CONNECT_BASIC_AUTH_USERNAME", "simulated-user"},
    .password = {"password", "KAFKA_CONNECT_BASIC_AUTH_PASSWORD", "simulated-password"},
    .anonymous = true,
    .routes = routes,
    .create_name = "name",
    .create_config = "config",
    .list_opening = '{',
    .connector = connect_rest_connector,
    .status = connect_rest_status,
    .listed = connect_rest_listed,
    .task = connect_rest_task,
    .task_config = connect_rest_task_config,
    .source_prefix = "io.debezium.",
    .error = connect_rest_error,
    .error_rules = connect_rest_error_rules,
    .response_rules = connect_rest_response_rules,
    .removes_keys = true,
    .abilities = abilities,
    .initial_state = true,
    .alters_when_stopped = true,
    .assigns_later = true,
    .own_plugins = true,
};
