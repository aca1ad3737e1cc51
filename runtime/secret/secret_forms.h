/* secret_forms: the registry of what must not be seen, and the forms in which
 * each of these values may turn up. Between secret_forms.c, which fills it, and
 * secret_match.c, which looks texts up in it. */
#ifndef KELP_SECRET_SECRET_FORMS_H
#define KELP_SECRET_SECRET_FORMS_H

#include "secret/secret_registry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A registered value, or an encoding of one that cannot be undone in place. */
struct form {
    struct form *next_prefix;  /* of the same bucket by_prefix */
    struct form *next_content; /* of the same bucket by_content */
    struct form *next_plain;   /* of those whose encodings are still to be made */
    uint32_t prefix;           /* forms_hash of its first bytes */
    uint32_t content;          /* hash of all */
    bool whole;                /* a registered value itself, not only an encoding of one */
    size_t size;               /* at least FORM_PREFIX */
    const char *label;         /* owned by the registry */
    char bytes[];
};

enum { FORM_PREFIX = SECRET_MIN_REDACTED };

/* The registry belongs to the process: what was secret once stays so. The encodings of a value are made when something is first written
 * after it was registered: a list of 10,000 connectors registers 20,000 values,
 * of which none may ever meet an output. */
struct forms {
    struct form **by_prefix;  /* a power of two of them: what a text may start with */
    struct form **by_content; /* as many: what is known */
    uint64_t *shorter;        /* a bit for each hash of their first 1 to FORM_PREFIX - 1 bytes */
    unsigned char *skips;     /* see forms_skip */
    unsigned bucket_bits; /* of a hash, its highest, that choose the bucket */
    size_t bucket_count, count;
    struct form *plain;
    size_t longest;
    char **labels;
    size_t label_count;
};

extern struct forms forms;

/* Makes the encodings that are still to be made; false when out of memory. */
bool forms_complete(void);

/* A character of a label as it is shown: <secret LABEL> may stand in a JSON string
 * and on a terminal. */
static inline char forms_label_char(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f || c == '"' || c == '\\' || c == '<' || c == '>'
               ? '_' : c;
}

/* Of FORM_PREFIX bytes. */
static inline uint32_t forms_hash(const char *bytes)
{
    uint64_t bits;
    memcpy(&bits, bytes, FORM_PREFIX);
    bits *= UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(bits >> 32);
}

enum { FORM_BLOCK = 3, FORM_SKIP_BITS = 16 };

static inline uint32_t forms_block(const char *bytes)
{
    uint32_t block = (uint32_t)(unsigned char)bytes[0] | (uint32_t)(unsigned char)bytes[1] << 8 |
                     (uint32_t)(unsigned char)bytes[2] << 16;
    return block * UINT32_C(0x9e3779b1) >> (32 - FORM_SKIP_BITS);
}

/* The first of the forms that may start with bytes of this hash, or NULL. */
static inline struct form *forms_bucket(uint32_t hash)
{
    return forms.by_prefix[hash >> (32 - forms.bucket_bits)];
}

/* Of FORM_PREFIX bytes: at how many places, this one first, no form can start,
 * which their last FORM_BLOCK bytes tell (as Wu and Manber search for many words). It
 * buys 6.5 % of the instructions of printing 1.8 MB beside 4,000 secrets. */
static inline unsigned forms_skip(const char *bytes)
{
    return forms.skips[forms_block(bytes + FORM_PREFIX - FORM_BLOCK)];
}

/* Whether a form may start with these bytes, fewer than FORM_PREFIX. */
bool forms_may_start(const char *bytes, size_t size);

#endif
