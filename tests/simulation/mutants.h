/* mutants: kelp broken on purpose, to see whether the simulation notices. */
#ifndef KELP_TESTS_MUTANTS_H
#define KELP_TESTS_MUTANTS_H

#include <stdbool.h>

/* Breaks what this program was linked for; false when it was not for that. */
bool mutant_select(const char *name);

#endif
