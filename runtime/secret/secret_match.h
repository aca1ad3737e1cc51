/* secret_match: finds the registered values in a text, also where they are escaped. */
#ifndef KELP_SECRET_SECRET_MATCH_H
#define KELP_SECRET_SECRET_MATCH_H

#include "secret/secret_forms.h"
#include "secret/secret_words.h"

/* Where the next of the characters is that begin an escape; all zero at first. One
 * for all of a text, so that what is far ahead is looked for once. */
struct match_marks {
    size_t next[3]; /* of each; the text's size: none */
    bool ends;      /* nothing follows the text: what its end cuts off counts as whole */
    bool searched;  /* for the next common value, which is `word` or none */
    bool has_word;
    struct word_match word;
};

/* A part of a text that must not be seen. */
struct match {
    size_t start, end;
    size_t hold;             /* what is before it tells what it is from here on */
    const struct form *form; /* the widest in it; NULL: it may be the beginning of any */
    const struct word_match *word; /* or a common value, which stands where it must not be seen */
    bool open;               /* what follows the text may belong to it */
    bool cut;                /* and enough is there to know that it does */
};

/* Whether nothing is registered that a text could hold. */
bool match_nothing(void);

/* Finds the first match at or after `from`; false: none. With `stream`, also what
 * has only begun: then form is NULL, or what has begun for sure. `from`
 * never goes back for the same marks. */
bool match_find(const char *bytes, size_t size, size_t from, struct match_marks *marks,
                bool stream, struct match *p);

#endif
