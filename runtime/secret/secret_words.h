/* secret_words: the values that are too common to be searched for wherever they stand.
 * secret_registry.h says which; here is the test, their registry, and where they are found: as
 * the value of a sensitive key, or as the password of an address. For secret_forms.c
 * and secret_match.c. */
#ifndef KELP_SECRET_SECRET_WORDS_H
#define KELP_SECRET_SECRET_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* Whether hiding the bytes wherever they stand would hide more than it protects. */
bool secret_is_common(const char *bytes, size_t size);

/* The label stays the caller's, and must outlive the registry. False when out of memory. */
bool secret_words_add(const char *label, const char *bytes, size_t size);

bool secret_words_has(const char *bytes, size_t size);

size_t secret_words_count(void);
size_t secret_words_longest(void);

/* Where a common value stands in a text. */
struct word_match {
    size_t key;          /* where the key before it starts */
    size_t start, end;
    const char *label;   /* NULL: it may go on behind the end of the text */
    bool bare;           /* a JSON value without quotes: the label needs its own */
};

/* Finds the first at or after `from`. With `open`, the text may go on: then a key that
 * nothing or only the beginning of a value follows is found too, without a label. */
bool secret_words_find(const char *text, size_t size, size_t from, bool open,
                       struct word_match *match);

void secret_words_forget(void);

#endif
