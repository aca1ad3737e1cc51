#include "connector/provider_request.h"

#include "base/buffer.h"
#include "base/text.h"

#include <string.h>

static const char *value_of(const struct provider *p, const struct call *call, const char *name,
                            size_t size)
{
    if (text_equals_word(name, size, "connector"))
        return call->connector;
    if (text_equals_word(name, size, "plugin"))
        return call->plugin;
    if (text_equals_word(name, size, "task"))
        return call->task;
    for (size_t i = 0; p->places[i].name != NULL; i++) {
        if (text_equals_word(name, size, p->places[i].name))
            return call->places[i];
    }
    return NULL;
}

static bool add_page(const struct provider *p, const struct call *call, const char *path,
                     struct buffer *url)
{
    if (call->page == NULL || p->pages.parameter == NULL)
        return !url->overflowed;
    buffer_add_char(url, strchr(path, '?') != NULL ? '&' : '?');
    buffer_add_text(url, p->pages.parameter);
    buffer_add_char(url, '=');
    return text_add_percent(url, call->page, strlen(call->page));
}

bool provider_add_path(const struct provider *p, const struct call *call, struct buffer *url)
{
    const char *path = p->routes[call->verb].path, *rest = path;
    for (const char *open; (open = strchr(rest, '{')) != NULL;) {
        const char *close = strchr(open, '}');
        const char *value = value_of(p, call, open + 1, (size_t)(close - open) - 1);
        if (value == NULL)
            return false;
        buffer_add(url, rest, (size_t)(open - rest));
        text_add_percent(url, value, strlen(value));
        rest = close + 1;
    }
    buffer_add_text(url, rest);
    return add_page(p, call, path, url);
}

/* Adds the members to the object that the body ends with. */
static bool add_members(const struct buffer *members, struct buffer *body)
{
    static const char empty[] = "{}";
    if (members == NULL || members->size <= strlen(empty) || body->size == 0)
        return !body->overflowed;
    bool first = body->size >= 2 && body->data[body->size - 2] == '{';
    body->data[--body->size] = '\0';
    if (!first)
        buffer_add_char(body, ',');
    return buffer_add(body, members->data + 1, members->size - 1);
}

/* Adds "KEY": for the next member of an object. */
static void add_key(struct buffer *body, const char *key)
{
    if (body->size > 0 && body->data[body->size - 1] != '{')
        buffer_add_char(body, ',');
    text_add_json(body, key, strlen(key));
    buffer_add_char(body, ':');
}

static void add_config(const char *key, const struct call *call, struct buffer *body)
{
    add_key(body, key);
    buffer_add(body, call->config->data, call->config->size);
}

static bool add_create(const struct provider *p, const struct call *call, struct buffer *body)
{
    buffer_add_char(body, '{');
    add_key(body, p->create_name);
    text_add_json(body, call->name, strlen(call->name));
    for (size_t i = 0; p->places[i].name != NULL; i++) {
        if (p->places[i].member == NULL)
            continue;
        add_key(body, p->places[i].member);
        text_add_json(body, call->places[i], strlen(call->places[i]));
    }
    add_config(p->create_config, call, body);
    buffer_add_char(body, '}');
    return add_members(call->members, body);
}

/* The members are keys of the config: what is null is to be removed. */
static bool add_update(const struct provider *p, const struct call *call, struct buffer *body)
{
    buffer_add_char(body, '{');
    add_config(p->update_config, call, body);
    add_members(call->members, body);
    return buffer_add_char(body, '}');
}

static bool wraps_update(const struct provider *p, enum verb verb)
{
    return p->update_config != NULL && (verb == VERB_UPDATE || verb == VERB_PUT);
}

bool provider_wraps_config(const struct provider *p, enum verb verb)
{
    return p->routes[verb].body == BODY_CREATE || wraps_update(p, verb);
}

bool provider_add_body(const struct provider *p, const struct call *call, struct buffer *body)
{
    switch (p->routes[call->verb].body) {
    case BODY_NONE:
        return true;
    case BODY_CONFIG:
        if (wraps_update(p, call->verb))
            return add_update(p, call, body);
        return buffer_add(body, call->config->data, call->config->size) &&
               add_members(call->members, body);
    case BODY_CREATE:
        return add_create(p, call, body);
    case BODY_MEMBERS:
        return buffer_add(body, call->members->data, call->members->size);
    }
    return false;
}
