/* manifest_private: what manifest_file.c reads and manifest.c enforces. */
#ifndef KELP_SANDBOX_MANIFEST_PRIVATE_H
#define KELP_SANDBOX_MANIFEST_PRIVATE_H

#include "providers/provider.h"

#include <lua.h>

#include <stdbool.h>
#include <stddef.h>

/* Where it lies in the registry: a userdata; its user value 1 is a table that keeps
 * what it points to, and in which learn_record notes names by id. */
#define MANIFEST_KEY "kelp.manifest"

/* The bit of a public verb that writes; enum verb has no more values than an unsigned. */
#define BIT(writer) (1u << (writer))

struct names {
    const char **items;
    size_t count;
};

/* A target that may be had: by its name in the targets file, or by its place. */
struct place {
    const char *name; /* or NULL, and then: */
    const struct provider *provider;
    const char *values[MAX_PLACES]; /* of provider->places */
    const char *url;       /* NULL: wherever the user's settings say */
};

struct manifest {
    bool reads_only; /* there is no file */
    struct place *places;
    size_t place_count;
    unsigned verbs; /* bits of enum verb */
    struct names connectors, secrets;
    lua_Integer most, sent;             /* write requests */
    lua_Integer most_of[VERB_COUNT];       /* calls of each verb; -1: only the total holds */
    lua_Integer calls[VERB_COUNT];
    double rate; /* requests a second; 0: not limited */
    const char *simulator; /* the address at which all targets are simulated; NULL: they are not */
    bool admits; /* a target that is listed by name is being made */
};

/* The state's manifest, or NULL when it is not restricted. [-0, +0, -] */
struct manifest *manifest_of(lua_State *L);

/* The verb (enum verb) that scripts call by that name, if it writes; else -1. */
int manifest_writer(const char *verb);

/* Whether it is a verb of scripts that only reads. */
bool manifest_reader(const char *verb);

#endif
