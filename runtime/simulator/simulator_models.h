/* simulator_models: a Lua state with the provider models in it, asked one
 * request at a time. One thread at a time. */
#ifndef KELP_SIMULATOR_SIMULATOR_MODELS_H
#define KELP_SIMULATOR_SIMULATOR_MODELS_H

#include "simulator/simulator.h"

#include <stddef.h>

struct models;

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

/* `now` is in seconds since models_new. An error in the models, which is a bug,
 * becomes a 500 that carries it and is printed on standard error. */
void models_answer(struct models *m, double now, const struct model_request *request,
                   struct model_reply *response);

/* Replaces the file by the world at `now`, wholly or not at all. False with
 * *why as above. */
bool models_save(struct models *m, double now, const char *file, char **why);

#endif
