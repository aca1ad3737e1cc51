/* nearest: the word that somebody probably meant, for "did you mean".
 *
 * Every message that refuses an unknown name asks here: commands, options, fields, states,
 * verbs, targets and connectors. */
#ifndef KELP_BASE_NEAREST_H
#define KELP_BASE_NEAREST_H

#include <stddef.h>

/* Of `count` words the one that is nearest to `word`: the same but for letter case, else with the
 * fewest insertions, deletions, replacements and swaps of neighbours, at most one for every three
 * letters; else the only one that begins with it, if it has three letters or more. NULL: none is
 * near. Of equals the first. Words above 128 bytes are never near. */
const char *nearest_word(const char *word, const char *const *words, size_t count);

#endif
