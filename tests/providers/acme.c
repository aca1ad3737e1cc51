/* Acme Streams, a service that exists in the tests only. It shares nothing with the others: a
 * token, three places, ids, lists in pages within an object, a PATCH that merges and takes the
 * config as a member, other words for states and errors, and masks of its own. It has no stop,
 * no single tasks and no offsets. */
#include "providers/provider.h"

#include "http/retry.h"

#define PROJECT "/organizations/{organization}/projects/{project}"
#define PIPELINE "/pipelines/{connector}"

extern const struct provider provider_acme;

static const struct route routes[VERB_COUNT] = {
    [VERB_LIST] = {"GET", PROJECT "/pipelines?region={region}", BODY_NONE, RESPONSE_CONNECTORS,
                   EFFECT_NONE},
    [VERB_GET] = {"GET", PIPELINE, BODY_NONE, RESPONSE_CONNECTOR, EFFECT_NONE},
    [VERB_STATUS] = {"GET", PIPELINE, BODY_NONE, RESPONSE_CONNECTOR, EFFECT_NONE},
    [VERB_CREATE] = {"POST", PROJECT "/pipelines", BODY_CREATE, RESPONSE_CONNECTOR, EFFECT_CREATE},
    [VERB_UPDATE] = {"PATCH", PIPELINE, BODY_CONFIG, RESPONSE_CONNECTOR, EFFECT_CONFIG},
    [VERB_RESTART] = {"POST", PIPELINE "/restart", BODY_NONE, RESPONSE_DONE, EFFECT_EVENT},
    [VERB_PAUSE] = {"POST", PIPELINE "/halt", BODY_NONE, RESPONSE_DONE, EFFECT_STATE},
    [VERB_RESUME] = {"POST", PIPELINE "/start", BODY_NONE, RESPONSE_DONE, EFFECT_STATE},
    [VERB_DELETE] = {"DELETE", PIPELINE, BODY_NONE, RESPONSE_DONE, EFFECT_DELETE},
};

static const struct field pipeline[] = {
    {"pipeline_id", "id", FIELD_TEXT},
    {"display_name", "name", FIELD_TEXT},
    {"kind", "class", FIELD_TEXT},
    {"settings", "config", FIELD_CONFIG},
    {"runtime.state", "state", FIELD_STATE},
    {"runtime.failure", "error", FIELD_TEXT},
    {"runtime.workers", "tasks", FIELD_TASKS},
    {"born", "created", FIELD_NUMBER},
    {"region", "details.region", FIELD_TEXT},
    {NULL, NULL, FIELD_TEXT},
};

static const struct field worker[] = {
    {"number", "id", FIELD_NUMBER},
    {"state", "state", FIELD_STATE},
    {"host", "worker", FIELD_TEXT},
    {"failure", "error", FIELD_TEXT},
    {NULL, NULL, FIELD_TEXT},
};

static const struct state_word states[] = {
    {"active", "running"}, {"halted", "paused"}, {"broken", "failed"}, {"starting", "provisioning"},
    {"reviving", "restarting"}, {NULL, NULL},
};

static const struct field error[] = {
    {"problem.text", "message", FIELD_TEXT},
    {"problem.number", "code", FIELD_VALUE},
    {"problem.trace", "request_id", FIELD_TEXT},
    {NULL, NULL, FIELD_TEXT},
};

static const struct error_rule error_rules[] = {
    {409, ANY_VERB, "is taken", "exists", NULL, false},
    {409, VERB_RESTART, NULL, "conflict", "a halted pipeline is not restarted", false},
    {0, ANY_VERB, NULL, NULL, NULL, false},
};

static const struct response_rule response_rules[] = {
    {409, "is taken", OUTCOME_REFUSED},
    {409, "halted", OUTCOME_REFUSED},
    {0, NULL, OUTCOME_AMBIGUOUS},
};

static const char *const injected[] = {"acme.*", NULL};

const struct provider provider_acme = {
    .name = "acme",
    .title = "Acme Streams",
    .base_url = "https://streams.acme.example/api",
    .base_url_variable = "ACME_URL",
    .simulator_path = "/acme/api",
    .token = {"token", "ACME_TOKEN", "simulated-token"},
    .places = {{"organization", {"ACME_ORGANIZATION"}, "shop", NULL},
               {"project", {"ACME_PROJECT"}, "orders", NULL},
               {"region", {"ACME_REGION", "ACME_ZONE"}, "north", "region"}},
    .routes = routes,
    .create_name = "display_name",
    .create_config = "settings",
    .update_config = "settings",
    .pages = {"page.pipelines", "page.next", "page_token"},
    .list_opening = '[',
    .connector = pipeline,
    .status = pipeline,
    .task = worker,
    .states = states,
    .mask = "####",
    .injected = injected,
    .error = error,
    .error_rules = error_rules,
    .response_rules = response_rules,
    .by_id = true,
    .removes_keys = true,
};
