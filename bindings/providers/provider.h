/* provider: what a service that runs connectors is, as data.
 *
 * A provider is one constant `struct provider` in a file of its own. It says where the
 * service is, who may use it, which request each verb is, where in a response the fields
 * of a connector stand, and what its errors mean. It holds no code: connector/ reads
 * responses and builds requests by it, and everything else iterates over the registry. */
#ifndef KELP_PROVIDERS_PROVIDER_H
#define KELP_PROVIDERS_PROVIDER_H

#include "providers/verb.h"

#include <stdbool.h>
#include <stddef.h>

struct credential_variable; /* secret/hardening.h */
struct response_rule;       /* http/retry.h */
struct simulated_provider;  /* simulator/simulator.h */


/* BODY_MEMBERS: only what the caller adds; the others may have members added. */
enum body { BODY_NONE, BODY_CONFIG, BODY_CREATE, BODY_MEMBERS };

/* What a 2xx response holds. */
enum response_content {
    RESPONSE_DONE,
    RESPONSE_CONNECTORS,
    RESPONSE_CONNECTOR, /* provider->connector */
    RESPONSE_STATUS,    /* provider->status */
    RESPONSE_RESTARTED, /* the same, or a 204 of a server that left out the tasks: true */
    RESPONSE_TASKS,     /* an array of provider->task_config */
    RESPONSE_OBJECT,    /* handed on as it was decoded */
    RESPONSE_LIST       /* likewise */
};

struct route {
    const char *method; /* NULL: the provider does not offer this verb */
    /* Below the base address; {connector}, {plugin}, {task} and the names of places. */
    const char *path;
    enum body body;
    enum response_content answer;
    enum effect effect;
};

/* How a member of a response becomes a field of kelp's connector record, or of an error. */
enum field_type {
    FIELD_TEXT,      /* an empty one counts as absent */
    FIELD_NUMBER,
    FIELD_VALUE,     /* a text or a number, whichever it is */
    FIELD_STATE,     /* a word of provider->states; after another one it refines that */
    FIELD_TYPE,      /* "source" or "sink"; any other word counts as absent */
    FIELD_CONFIG,    /* an object of config keys */
    FIELD_LIST,      /* handed on as it was decoded */
    FIELD_TASKS,     /* an array of provider->task */
    FIELD_OBJECT,    /* must be there; read by the fields that follow */
    FIELD_CONNECTOR, /* an object of the fields of provider->connector */
    FIELD_STATUS,    /* an object of the fields of provider->status */
    FIELD_SECRET     /* a text that is never shown */
};

/* `from` and `to` may be paths ("connector.state", "errors.1.detail": elements count from
 * 1). A later field overrides an earlier one of the same `to` in a record; in an error the
 * first one that is there counts. A map ends with a field whose `from` is NULL. */
struct field {
    const char *from, *to;
    enum field_type type;
};

/* A provider's word for a state, in lower case, and kelp's. The words that are the same
 * need not be listed. A table of them ends with a NULL word. */
struct state_word {
    const char *word, *state;
};

/* What an error response of that status means, where the status alone does not tell. The
 * first rule that fits counts; a table of them ends with status 0. */
struct error_rule {
    long status;
    int verb;            /* an enum verb, or ANY_VERB */
    const char *text;    /* in the server's message, as in a response_rule; NULL: whatever it says */
    const char *kind;    /* of the error object; NULL: as the status alone has it */
    const char *message; /* stands before the server's, which follows a colon; NULL: nothing */
    bool not_json;       /* only for a body that is no JSON: somebody else's, as a proxy's page */
};

enum { ANY_VERB = -1, MAX_PLACES = 4, MAX_VARIABLES = 3 };

/* An option of kelp.NAME that holds a credential. */
struct credential {
    const char *option;    /* NULL: the provider has no such credential */
    const char *variable;  /* environment variable that stands in for it, or NULL */
    const char *simulated; /* its value under --sim */
};

/* An option that says where among a provider's connectors a target is. */
struct place_option {
    const char *name;                     /* the option's, and {name} in routes; NULL ends */
    const char *variables[MAX_VARIABLES]; /* where kelp.target looks for it, the first that is set */
    const char *simulated;                /* its value under --sim unless it is given */
    const char *member;                   /* of a create's body, or NULL: only the path has it */
};

struct config_value {
    const char *key, *value;
};

/* A list that comes in pages, or within an object. */
struct pages {
    const char *items;     /* path of the connectors in the response; NULL: it is them */
    const char *next;      /* path of what names the next page (a token, or an address that
                            * holds the parameter); NULL: there are no pages */
    const char *parameter; /* of the query, that asks for a page */
};

/* Something that servers of a service can do only since a version: a verb's name, or another field of
 * what a target can do. A server is asked for its version (VERB_VERSION) before it is used. A table
 * of them ends with a NULL name. */
struct ability {
    const char *name;
    const char *since; /* "3.5" */
};

struct provider {
    const char *name;              /* "acme": kelp.NAME, and in errors */
    const char *title;             /* "Acme Cloud" */
    const char *base_url;          /* where it is unless overridden; NULL: must be told */
    const char *base_url_variable; /* environment variable that overrides it */
    const char *url_option;        /* option that holds one address or several; NULL: base_url */
    const char *simulator_path;    /* of its base address below the simulator's */

    struct credential user, password; /* Basic authentication takes both */
    struct credential token;          /* Bearer authentication */
    bool anonymous;                   /* does without credentials */
    struct place_option places[MAX_PLACES + 1];

    const struct route *routes;    /* VERB_COUNT of them */
    const char *create_name, *create_config; /* members of a create's body */
    const char *update_config;     /* member that holds the config of an update or a put; NULL:
                                    * the config is the body */
    struct pages pages;
    char list_opening;             /* '[': an array of connectors; '{': by name */

    const struct field *connector, *status; /* of one connector */
    const struct field *listed;    /* of one in a list; NULL: as `connector` */
    const struct field *task, *task_config;
    const struct state_word *states; /* NULL: its words are kelp's */
    const char *source_prefix;     /* classes that begin so are sources, or NULL */
    const char *mask;              /* values of at least this, and of its character only, stand
                                    * for secrets that it does not show; NULL: it shows them */
    /* Config keys of the credentials that connectors use the Kafka cluster with: a whole config
     * needs them, unless the key of `cluster_mode` says otherwise. NULL ends; NULL: none. */
    const char *const *cluster_keys;
    struct config_value cluster_mode; /* key NULL: no key says so */
    const char *const *simulated_secrets; /* config keys for which --sim targets have a value */
    const char *const *injected;   /* config keys that it adds to what was sent, and beginnings
                                    * of keys, which end in '*'; NULL ends; NULL: none */

    const struct field *error;     /* message, advice, code, request_id */
    const struct error_rule *error_rules;
    const struct response_rule *response_rules; /* NULL: the status alone decides */
    const char *const *rejections; /* texts of a connector's error that say that its last update
                                    * was rejected and the config before it holds; NULL ends */

    const struct ability *abilities; /* NULL: what the routes and the flags below say holds */
    bool by_id;                    /* addresses connectors by id, not by name */
    bool removes_keys;             /* a key can be taken out of a config */
    bool initial_state;            /* a create can say in which state to begin */
    bool initial_offsets;          /* a create can say where to begin */
    bool alters_when_stopped;      /* offsets are altered at once, of what is stopped only */
    bool assigns_later;            /* a new connector has no status for a while, then no tasks */
    bool own_plugins;              /* a server has the plugins that its users put there */
    bool saved_lists;              /* a file may hold a saved response to its list */
};

/* The provider of that name, or NULL. */
const struct provider *provider_named(const char *name);

/* One after the other; NULL behind the last. */
const struct provider *provider_at(size_t index);

/* The environment variables that hold the providers' credentials, for
 * hardening_take_credentials. A static array, filled at the first call. */
const struct credential_variable *provider_credentials(void);

/* What of the providers is simulated, for simulator_defaults. Likewise. */
const struct simulated_provider *provider_simulations(void);


#endif
