#include "providers/provider.h"

#include "base/buffer.h"
#include "base/text.h"
#include "lua/json.h"
#include "connector/record.h"

#include <string.h>

static const struct provider *const providers[] = {&provider_confluent, &provider_upstash,
                                                   &provider_connect};

const struct provider *provider_named(const char *name)
{
    for (size_t i = 0; i < sizeof providers / sizeof *providers; i++) {
        if (strcmp(providers[i]->name, name) == 0)
            return providers[i];
    }
    return NULL;
}

const struct provider *provider_at(size_t index)
{
    return index < sizeof providers / sizeof *providers ? providers[index] : NULL;
}

static const char *value_of(const struct provider *p, const struct call *call, const char *name,
                            size_t size)
{
    if (text_equals_word(name, size, "connector"))
        return call->connector;
    if (text_equals_word(name, size, "plugin"))
        return call->plugin;
    if (text_equals_word(name, size, "task"))
        return call->task;
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

bool provider_add_body(const struct provider *p, const struct call *call, struct buffer *body)
{
    switch (p->routes[call->verb].body) {
    case BODY_NONE:
        return true;
    case BODY_CONFIG:
        return buffer_add(body, call->config->data, call->config->size) &&
               add_members(call->members, body);
    case BODY_CREATE:
        return p->write_create(call, body) && add_members(call->members, body);
    case BODY_MEMBERS:
        return buffer_add(body, call->members->data, call->members->size);
    }
    return false;
}

struct listing {
    const struct provider *provider;
    void (*choose)(lua_State *L, void *context);
    void *context;
};

static void take_listed(lua_State *L, void *data)
{
    const struct listing *l = data;
    l->provider->read_listed(L);
    if (l->choose != NULL)
        l->choose(L, l->context);
}

void provider_read_list(lua_State *L, const struct provider *p, const char *text, size_t size,
                        void (*choose)(lua_State *L, void *context), void *context)
{
    struct listing listing = {p, choose, context};
    if (json_decode_members(L, text, size, p->list_opening, take_listed, &listing))
        return;
    json_decode(L, text, size); /* a text that is no JSON is the greater surprise */
    /* An object, {} too, is no proof that there are no connectors. */
    record_unexpected(L, p->list_opening == '[' ? "the list is not an array"
                                                : "the list is not an object");
}
