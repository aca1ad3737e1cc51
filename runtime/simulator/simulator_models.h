/* simulator_models: a Lua state with the provider models in it, asked one
 * request at a time. One thread at a time. */
#ifndef KELP_SIMULATOR_SIMULATOR_MODELS_H
#define KELP_SIMULATOR_SIMULATOR_MODELS_H

#include <stdbool.h>
#include <stddef.h>

struct models;

/* A provider that is served: by the model scripts/simulator/NAME.lua, at the simulator's address
 * followed by `path`. */
struct simulated_provider {
    const char *name, *path;
};

struct simulator_options {
    const struct simulated_provider *providers; /* a NULL name ends them */
    int port;              /* 0: the kernel chooses */
    double latency;        /* seconds before each response */
    double provisioning;   /* seconds until a new connector runs */
    double rate;           /* requests a second before 429; 0: no limit */
    double lag;            /* seconds that reads are behind */
    long long seed;        /* of ids and faults; 0: 1 */
    const char *faults;    /* what goes wrong: KIND=RATE,… as scripts/simulator/faults.lua has
                            * it, or the name of a JSON file (no '=' in it), or NULL */
    const char *state;     /* JSON file to load at the start and save at the end, or NULL */
};

struct model_header {
    const char *name;
    const char *value;
};

enum { MODEL_MAX_HEADERS = 64 };

struct model_request {
    const char *method;
    const char *path;  /* still percent-encoded */
    const char *query; /* likewise, "" when there is none */
    const char *body;
    size_t body_size;
    size_t header_count;
    struct model_header headers[MODEL_MAX_HEADERS];
};

/* Everything belongs to the models and lasts until the next call. */
struct model_reply {
    unsigned status;
    double delay;               /* seconds before it leaves */
    enum { MODEL_WHOLE, MODEL_CLOSE, MODEL_CUT } ending; /* all of it, nothing, or half */
    const char *body;
    size_t body_size;
    size_t header_count;
    struct model_header headers[MODEL_MAX_HEADERS];
};

/* A world from o->state (or the example when that is NULL or there is no such
 * file yet); NULL with *why, which the caller frees. */
struct models *models_new(const struct simulator_options *o, char **why);
void models_free(struct models *m); /* NULL is allowed */

/* `now` is in seconds since models_new. False: the models raised an error, which is a bug in them;
 * the response is a 500 that carries it. */
bool models_answer(struct models *m, double now, const struct model_request *request,
                   struct model_reply *response);

/* Replaces the file by the world at `now`, wholly or not at all. False with
 * *why as above. */
bool models_save(struct models *m, double now, const char *file, char **why);

#endif
