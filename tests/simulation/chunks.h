/* chunks: the Lua files of a run, compiled once for all runs. */
#ifndef KELP_TESTS_CHUNKS_H
#define KELP_TESTS_CHUNKS_H

#include <lua.h>

#include <stdbool.h>

struct chunks;

/* Compiles the files of this folder, with `L` for scratch. `patched` (or NULL)
 * names a module of kelp's in whose file `from`, which must be there once, is
 * replaced by `to`. NULL after a message on standard error. */
struct chunks *chunks_new(lua_State *L, const char *patched, const char *from, const char *to);
void chunks_free(struct chunks *c);

/* Pushes the function of that file of this folder ("jobs.lua"). [-0, +1, e] */
void chunks_push(lua_State *L, const struct chunks *c, const char *name);

/* Puts a searcher for the patched module first in package.searchers. [-0, +0, e] */
void chunks_install(lua_State *L, struct chunks *c);

#endif
