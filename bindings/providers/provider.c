#include "providers/provider.h"

#include <string.h>

static const char *const verb_names[VERB_COUNT] = {
    [VERB_LIST] = "list",
    [VERB_GET] = "get",
    [VERB_STATUS] = "status",
    [VERB_CREATE] = "create",
    [VERB_UPDATE] = "update",
    [VERB_PUT] = "put",
    [VERB_RESTART] = "restart",
    [VERB_PAUSE] = "pause",
    [VERB_RESUME] = "resume",
    [VERB_DELETE] = "delete",
    [VERB_STOP] = "stop",
    [VERB_RESTART_TASKS] = "restart_tasks",
    [VERB_RESTART_FAILED] = "restart_failed",
    [VERB_RESTART_TASK] = "restart_task",
    [VERB_TASKS] = "tasks",
    [VERB_VALIDATE] = "validate",
    [VERB_PLUGINS] = "plugins",
    [VERB_TRANSLATE] = "translate",
    [VERB_OFFSETS] = "offsets",
    [VERB_ALTER_OFFSETS] = "alter_offsets",
    [VERB_RESET_OFFSETS] = "reset_offsets",
    [VERB_OFFSETS_REQUEST] = "offsets_request",
};

const char *verb_name(enum verb verb)
{
    return verb_names[verb];
}

const char *verb_shown(enum verb verb)
{
    switch (verb) {
    case VERB_RESTART_TASKS:
    case VERB_RESTART_FAILED:
    case VERB_RESTART_TASK:
        return verb_names[VERB_RESTART];
    case VERB_OFFSETS_REQUEST:
        return verb_names[VERB_OFFSETS];
    default:
        return verb_names[verb];
    }
}

int verb_named(const char *name)
{
    for (int i = 0; i < VERB_COUNT; i++) {
        if (strcmp(verb_names[i], name) == 0)
            return i;
    }
    return -1;
}
