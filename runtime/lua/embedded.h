/* embedded: the Lua files of scripts/ that are compiled into the program.
 *
 * A file is known by its path below scripts/ without ".lua" ("kelp/NAME",
 * "commands/list"), and as a module by the same with dots ("kelp.NAME",
 * "commands.list"); "kelp/init" is also the module "kelp". argparse is among them as
 * "argparse". The chunk name of a file is "@builtin/kelp/show.lua". When the environment variable KELP_SCRIPTS names a
 * folder, a file of the same path in it is loaded in place of the built-in one,
 * for development. */
#ifndef KELP_LUA_EMBEDDED_H
#define KELP_LUA_EMBEDDED_H

#include <stdbool.h>
#include <stddef.h>

struct lua_State;

struct embedded_file {
    const char *name; /* "commands/list" */
    const char *chunk; /* compiled at build time by the Lua that is linked in */
    size_t size;
};

/* All files, sorted by name; the last has a NULL name. Generated. */
extern const struct embedded_file embedded_files[];

/* Pushes the chunk of that name, or an error message. Returns LUA_OK, or
 * another status of lua_load, or LUA_ERRFILE when there is none. [-0, +1, m] */
int embedded_load(struct lua_State *L, const char *name);

/* Puts a searcher for embedded modules first in package.searchers; `package`
 * must be open. [-0, +0, m] */
void embedded_install(struct lua_State *L);

#endif
