/* provider: the contract between the verbs and the services that carry them
 * out.
 *
 * A provider is data: for each primitive verb a route (method, path, body, what
 * a repeat would do), and two functions, one that writes the body of a create
 * and one that turns a decoded response into kelp's records. Nothing here sends. */
#ifndef KELP_PROVIDERS_PROVIDER_H
#define KELP_PROVIDERS_PROVIDER_H

#include <stdbool.h>
#include <stddef.h>

struct buffer;
struct lua_State;
struct response_rule;

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
    VERB_STOP,
    VERB_RESTART_TASKS,   /* the connector and all its tasks */
    VERB_RESTART_FAILED,  /* those of them that have failed */
    VERB_RESTART_TASK,    /* the task of that number */
    VERB_TASKS,           /* the tasks' configs */
    VERB_VALIDATE,
    VERB_PLUGINS,
    VERB_TRANSLATE,       /* a self-managed config as a managed one */
    VERB_OFFSETS,
    VERB_ALTER_OFFSETS,
    VERB_RESET_OFFSETS,
    VERB_OFFSETS_REQUEST, /* what became of an alter or reset that is carried out later */
    VERB_COUNT
};

/* BODY_MEMBERS: only what the caller adds; the others may have members added. */
enum body { BODY_NONE, BODY_CONFIG, BODY_CREATE, BODY_MEMBERS };

/* What a 2xx response holds. */
enum response_content {
    RESPONSE_DONE,
    RESPONSE_CONNECTORS,
    RESPONSE_CONNECTOR,
    RESPONSE_STATUS,
    RESPONSE_TASKS, /* [{id: {task}, config}] */
    RESPONSE_OBJECT, /* handed on as it was decoded */
    RESPONSE_LIST    /* likewise */
};

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
    /* Below the base address; {environment}, {cluster}, {connector}, {plugin}, {task}. */
    const char *path;
    enum body body;
    enum response_content answer;
    enum effect effect;
};

/* One call of a verb; strings are the caller's. */
struct call {
    enum verb verb;
    const char *places[2];      /* values for provider->places */
    const char *connector;      /* the name, or the id where the provider addresses by id */
    const char *name;           /* create: the new connector's name */
    const char *plugin, *task;  /* for routes that name one */
    const struct buffer *config; /* the config as a JSON object, or NULL */
    const struct buffer *members; /* a JSON object of members to add to the body, or NULL */
};

struct provider {
    const char *name;              /* "confluent": kelp.NAME, and in errors */
    const char *title;             /* "Confluent Cloud" */
    const char *base_url;          /* where it is unless overridden; NULL: must be told */
    const char *base_url_variable; /* environment variable that overrides it */
    const char *url_option;        /* option that holds one address or several; NULL: base_url */
    const char *user_option, *user_variable;         /* the key pair: option and */
    const char *password_option, *password_variable; /* environment variable of each half */
    bool bearer;                   /* takes `token` in place of the pair */
    bool anonymous;                /* does without credentials */
    const char *places[2];         /* options that name where connectors live; NULL ends */
    bool by_id;                    /* addresses connectors by id, not by name */
    bool masks_secrets;            /* returns asterisks in place of secrets */
    bool removes_keys;             /* a key can be taken out of a config */
    bool initial_state;            /* a create can say in which state to begin */
    bool initial_offsets;          /* a create can say where to begin */
    bool alters_when_stopped;      /* offsets are altered at once, of what is stopped only */
    bool assigns_later;            /* a new connector has no status for a while, then no tasks */
    const struct response_rule *response_rules; /* http/retry.h; NULL: the status alone decides */
    const struct route *routes;    /* VERB_COUNT of them */
    /* Writes the body of a create. */
    bool (*write_create)(const struct call *call, struct buffer *out);
    /* Replaces the decoded response at the top by kelp's value: a connector record, for
     * RESPONSE_DONE true; for the last three answers the decoded value, secrets in it
     * registered. Raises the string "unexpected response: …" when the response is not of
     * the contract's shape. Not for RESPONSE_CONNECTORS. [-1, +1, e] */
    void (*read)(struct lua_State *L, enum response_content answer);
    /* A list of connectors begins with '[' or '{'. Replaces a member of it and its key
     * below it, a number or a name, by the connector's record. [-2, +1, e] */
    char list_opening;
    void (*read_listed)(struct lua_State *L);
};

extern const struct provider provider_confluent;
extern const struct provider provider_connect;
extern const struct provider provider_upstash;

/* The provider of that name, or NULL. */
const struct provider *provider_named(const char *name);

/* One after the other; NULL behind the last. */
const struct provider *provider_at(size_t index);

const char *verb_name(enum verb verb);
int verb_named(const char *name); /* -1: none */

/* The verb as the user called it: "restart" for "restart_failed". */
const char *verb_shown(enum verb verb);

/* Pushes an array of records from the text of a list of connectors. `choose`, unless it is
 * NULL, finds each record on top when it has been read, and may replace it by nil to leave
 * it out: thousands need not be in memory for the few that are wanted. Raises as `read`,
 * as json_decode, and what `choose` raises. [-0, +1, e] */
void provider_read_list(struct lua_State *L, const struct provider *p, const char *text,
                        size_t size, void (*choose)(struct lua_State *L, void *context),
                        void *context);

/* Adds the path of the call, each value percent-encoded as one segment. */
bool provider_add_path(const struct provider *p, const struct call *call, struct buffer *url);

/* Adds the body of the call, if its route has one. */
bool provider_add_body(const struct provider *p, const struct call *call, struct buffer *body);

#endif
