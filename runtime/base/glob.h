/* glob: the patterns by which connectors are chosen: `*`, `?`, `[a-z]`, `[!a-z]`. A plain name
 * matches itself. There is no escape and no special dot or slash. */
#ifndef KELP_BASE_GLOB_H
#define KELP_BASE_GLOB_H

#include <stdbool.h>

/* True when the whole of `name` matches. */
bool glob_matches(const char *pattern, const char *name);

/* What is wrong with a pattern, an English phrase that is a constant, or NULL: an unclosed `[`
 * would match only itself, which nobody means. */
const char *glob_fault(const char *pattern);

/* True when it has a character that is not plain text. */
bool glob_is_pattern(const char *pattern);

#endif
