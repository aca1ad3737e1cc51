/* provider_request: the path and the body of a request, from a provider's data. Functions of
 * their arguments: nothing is sent here. */
#ifndef KELP_CONNECTOR_PROVIDER_REQUEST_H
#define KELP_CONNECTOR_PROVIDER_REQUEST_H

#include "providers/provider.h"

struct buffer;

/* One call of a verb; strings are the caller's. */
struct call {
    const struct provider *provider;
    enum verb verb;
    const char *places[MAX_PLACES]; /* values for provider->places */
    const char *connector;      /* the name, or the id where the provider addresses by id */
    const char *name;           /* create: the new connector's name */
    const char *plugin, *task;  /* for routes that name one */
    const char *page;           /* list: the page, as the one before it named it; NULL: the first */
    const struct buffer *config; /* the config as a JSON object, or NULL */
    const struct buffer *members; /* a JSON object of members to add to the body, or NULL */
};

/* Adds the path of the call, each value percent-encoded as one segment. False when a value is
 * missing or memory is. */
bool provider_add_path(const struct provider *p, const struct call *call, struct buffer *url);

/* Adds the body of the call, if its route has one. False when memory is missing. */
bool provider_add_body(const struct provider *p, const struct call *call, struct buffer *body);

/* Whether the config of a call of that verb is only a part of its body. */
bool provider_wraps_config(const struct provider *p, enum verb verb);

#endif
