#include "providers/connect_rest.h"

#include <stddef.h>

const struct field connect_rest_connector[] = {
    {"name", "name", FIELD_TEXT},
    {"config", "config", FIELD_CONFIG},
    {"type", "type", FIELD_TYPE}, /* "unknown" has been seen */
    {"tasks", "tasks", FIELD_TASKS},
    {NULL, NULL, FIELD_TEXT},
};

const struct field connect_rest_status[] = {
    {"name", "name", FIELD_TEXT},
    {"connector", NULL, FIELD_OBJECT},
    {"connector.state", "state", FIELD_STATE},
    {"connector.msg", "error", FIELD_TEXT},
    {"connector.trace", "error", FIELD_TEXT},
    {"tasks", "tasks", FIELD_TASKS},
    {NULL, NULL, FIELD_TEXT},
};

const struct field connect_rest_listed[] = {
    {"info", NULL, FIELD_CONNECTOR},
    {"status", NULL, FIELD_STATUS},
    {"id.id", "id", FIELD_TEXT},
    {NULL, NULL, FIELD_TEXT},
};

/* A connector names its tasks by `task`, a status by `id`. */
const struct field connect_rest_task[] = {
    {"task", "id", FIELD_NUMBER},
    {"id", "id", FIELD_NUMBER},
    {"state", "state", FIELD_STATE},
    {"worker_id", "worker", FIELD_TEXT},
    {"msg", "error", FIELD_TEXT},
    {"trace", "error", FIELD_TEXT},
    {NULL, NULL, FIELD_TEXT},
};

const struct field connect_rest_task_config[] = {
    {"id.task", "id", FIELD_NUMBER},
    {"config", "config", FIELD_CONFIG},
    {NULL, NULL, FIELD_TEXT},
};

const struct field connect_rest_error[] = {
    {"errors.1.detail", "message", FIELD_TEXT},
    {"errors.1.title", "message", FIELD_TEXT},
    {"errors.1.resolution", "advice", FIELD_TEXT},
    {"errors.1.code", "code", FIELD_VALUE},
    {"errors.1.id", "request_id", FIELD_VALUE},
    {"error.message", "message", FIELD_TEXT},
    {"error.error_code", "code", FIELD_NUMBER},
    {"error.code", "code", FIELD_VALUE},
    {"message", "message", FIELD_TEXT},
    {"error_code", "code", FIELD_NUMBER},
    {"code", "code", FIELD_VALUE},
    {"error", "message", FIELD_TEXT},
    {NULL, NULL, FIELD_TEXT},
};

#define RESTART "a connector that is provisioning or paused is not restarted"
#define STOP "its offsets can only be changed while it is stopped: stop it first; the worker says"

const struct error_rule connect_rest_error_rules[] = {
    {409, ANY_VERB, "already exists", "exists", NULL, false},
    {400, ANY_VERB, "already exists", "exists", NULL, false},
    /* Seen only in a client's own tests; the wording is not documented. */
    {400, VERB_RESTART, NULL, "conflict", RESTART, false},
    /* "Connectors must be in the STOPPED state before their offsets can be modified." */
    {400, VERB_ALTER_OFFSETS, "STOPPED state", "conflict", STOP, false},
    {400, VERB_RESET_OFFSETS, "STOPPED state", "conflict", STOP, false},
    {500, ANY_VERB, "forward*Connector * not found", "not_found", NULL, false},
    /* A plugin that is not there is no failure to validate. */
    {500, VERB_VALIDATE, "Failed to find any class", "not_found", NULL, false},
    /* Nor is it one to create it. */
    {500, VERB_CREATE, "Failed to find any class", "invalid", NULL, false},
    {500, VERB_PUT, "Failed to find any class", "invalid", NULL, false},
    {500, VERB_UPDATE, "Failed to find any class", "invalid", NULL, false},
    {0, ANY_VERB, NULL, NULL, NULL, false},
};

const struct response_rule connect_rest_response_rules[] = {
    /* First, because a text may quote a name: the connector may be called "rebalance". */
    {409, "already exists", OUTCOME_REFUSED},
    {409, "rebalance", OUTCOME_REJECTED},
    {409, "stale configuration", OUTCOME_REJECTED},
    {409, "no known leader", OUTCOME_REJECTED},
    {409, "conflicting operation", OUTCOME_REJECTED},
    /* A worker that says what it was doing when a request's time was up has taken the
     * request, and may still carry it out. */
    {500, "request timed out", OUTCOME_AMBIGUOUS},
    {500, "Failed to find any class", OUTCOME_REFUSED},
    {500, "stale configuration", OUTCOME_REJECTED},
    {500, "no known leader", OUTCOME_REJECTED},
    {500, "conflicting operation", OUTCOME_REJECTED},
    {500, "a rebalance is expected", OUTCOME_REJECTED},
    {500, "rebalance is in progress", OUTCOME_REJECTED},
    {500, "rebalance in progress", OUTCOME_REJECTED},
    {500, "a rebalance is underway", OUTCOME_REJECTED},
    {500, "a rebalance was underway", OUTCOME_REJECTED},
    {500, "worker rebalance", OUTCOME_REJECTED},
    /* A follower tells what its leader answered: that there is no such connector. */
    {500, "forward*Connector * not found", OUTCOME_REFUSED},
    /* A method that somebody on the way does not know was not carried out. */
    {501, "", OUTCOME_REFUSED},
    /* The APIs' own words for what is not there, and a gateway's. A page of a web server, or
     * nothing at all, is no word about a connector. */
    {404, "<html", OUTCOME_AMBIGUOUS},
    {404, "<!doctype", OUTCOME_AMBIGUOUS},
    {404, "\"error_code\"", OUTCOME_REFUSED},
    {404, "\"error\"*\"code\"", OUTCOME_REFUSED},
    {404, "\"errors\"", OUTCOME_REFUSED},
    {404, "\"code\"*\"message\"", OUTCOME_REFUSED},
    {404, "connector not found", OUTCOME_REFUSED},
    {404, "cluster not found", OUTCOME_REFUSED},
    {404, "", OUTCOME_AMBIGUOUS},
    {0, NULL, OUTCOME_AMBIGUOUS},
};
