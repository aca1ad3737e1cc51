/* provider: the contract between the verbs and the services that carry them
 * out.
 *
 * A provider is data: for each primitive verb a route (method, path, body, what
 * a repeat would do), and two functions, one that writes the body of a create
 * and one that turns a decoded reply into kelp's records. Nothing here sends. */
#ifndef KELP_PROVIDERS_PROVIDER_H
#define KELP_PROVIDERS_PROVIDER_H

#include <stdbool.h>
#include <stddef.h>

struct buffer;
struct lua_State;

/* One exchange each. Names in the order of `verb_names` in provider.c. */
enum verb {
    VERB_LIST,    /* every connector of the cluster, with config and state */
    VERB_GET,     /* one connector: name, class, type, config */
    VERB_STATUS,  /* one connector: state, error, tasks */
    VERB_CREATE,
    VERB_UPDATE,  /* change these keys, keep the others (server-side merge) */
    VERB_PUT,     /* make the config exactly this */
    VERB_RESTART,
    VERB_PAUSE,
    VERB_RESUME,
    VERB_DELETE,
    VERB_COUNT
};

enum body { BODY_NONE, BODY_CONFIG, BODY_CREATE };

/* What a 2xx reply holds. */
enum answer { ANSWER_DONE, ANSWER_CONNECTORS, ANSWER_CONNECTOR, ANSWER_STATUS };

/* What it means when the request arrives a second time. */
enum effect {
    EFFECT_NONE,   /* it only reads */
    EFFECT_STATE,  /* it sets something to the same value again */
    EFFECT_CONFIG, /* so too, but over what somebody else may have set meanwhile */
    EFFECT_CREATE, /* it may make a second connector */
    EFFECT_DELETE, /* it finds nothing, or something newer of that name */
    EFFECT_EVENT   /* it happens again, and cannot be seen afterwards */
};

struct route {
    const char *method; /* NULL: the provider does not offer this verb */
    const char *path;   /* below the base address; {environment}, {cluster}, {connector} */
    enum body body;
    enum answer answer;
    enum effect effect;
};

/* One call of a verb; strings are the caller's. */
struct call {
    enum verb verb;
    const char *places[2];      /* values for provider->places */
    const char *connector;      /* the name, or the id where the provider addresses by id */
    const char *name;           /* create: the new connector's name */
    const struct buffer *config; /* the config as a JSON object, or NULL */
};

struct provider {
    const char *name;              /* "confluent": kelp.NAME, and in errors */
    const char *title;             /* "Confluent Cloud" */
    const char *base_url;          /* where it is unless overridden */
    const char *base_url_variable; /* environment variable that overrides it */
    const char *user_option, *user_variable;         /* the key pair: option and */
    const char *password_option, *password_variable; /* environment variable of each half */
    bool bearer;                   /* takes `token` in place of the pair */
    const char *places[2];         /* options that name where connectors live; NULL ends */
    bool by_id;                    /* addresses connectors by id, not by name */
    bool masks_secrets;            /* returns asterisks in place of secrets */
    bool removes_keys;             /* a key can be taken out of a config */
    const struct route *routes;    /* VERB_COUNT of them */
    /* Writes the body of a create. */
    bool (*write_create)(const struct call *call, struct buffer *out);
    /* Replaces the decoded reply at the top by kelp's value: a connector record,
     * an array of them, or for ANSWER_DONE true. Raises the string
     * "unexpected reply: …" when the reply is not of the contract's shape.
     * [-1, +1, e] */
    void (*read)(struct lua_State *L, enum answer answer);
};

extern const struct provider provider_confluent;
extern const struct provider provider_upstash;

/* The provider of that name, or NULL. */
const struct provider *provider_named(const char *name);

const char *verb_name(enum verb verb);
int verb_named(const char *name); /* -1: none */

/* Adds the path of the call, each value percent-encoded as one segment. */
bool provider_add_path(const struct provider *p, const struct call *call, struct buffer *url);

/* Adds the body of the call, if its route has one. */
bool provider_add_body(const struct provider *p, const struct call *call, struct buffer *body);

#endif
