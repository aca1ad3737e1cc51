#include "providers/provider.h"

#include "base/buffer.h"
#include "base/text.h"

#include <string.h>

static const char *const verb_names[VERB_COUNT] = {
    "list", "get", "status", "create", "update", "put", "restart", "pause", "resume", "delete",
};

static const struct provider *const providers[] = {&provider_confluent, &provider_upstash};

const struct provider *provider_named(const char *name)
{
    for (size_t i = 0; i < sizeof providers / sizeof *providers; i++) {
        if (strcmp(providers[i]->name, name) == 0)
            return providers[i];
    }
    return NULL;
}

const char *verb_name(enum verb verb)
{
    return verb_names[verb];
}

int verb_named(const char *name)
{
    for (int i = 0; i < VERB_COUNT; i++) {
        if (strcmp(verb_names[i], name) == 0)
            return i;
    }
    return -1;
}

static const char *value_of(const struct provider *p, const struct call *call, const char *name,
                            size_t size)
{
    if (text_equals_word(name, size, "connector"))
        return call->connector;
    for (size_t i = 0; i < 2 && p->places[i] != NULL; i++) {
        if (text_equals_word(name, size, p->places[i]))
            return call->places[i];
    }
    return NULL;
}

bool provider_add_path(const struct provider *p, const struct call *call, struct buffer *url)
{
    const char *path = p->routes[call->verb].path;
    for (const char *open; (open = strchr(path, '{')) != NULL;) {
        const char *close = strchr(open, '}');
        const char *value = value_of(p, call, open + 1, (size_t)(close - open) - 1);
        if (value == NULL)
            return false;
        buffer_add(url, path, (size_t)(open - path));
        text_add_percent(url, value, strlen(value));
        path = close + 1;
    }
    return buffer_add_text(url, path);
}

bool provider_add_body(const struct provider *p, const struct call *call, struct buffer *body)
{
    switch (p->routes[call->verb].body) {
    case BODY_NONE:
        return true;
    case BODY_CONFIG:
        return buffer_add(body, call->config->data, call->config->size);
    case BODY_CREATE:
        return p->write_create(call, body);
    }
    return false;
}
