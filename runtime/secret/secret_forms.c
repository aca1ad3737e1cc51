#include "secret/secret_forms.h"

#include "base/buffer.h"
#include "base/digest.h"
#include "base/text.h"
#include "secret/secret_words.h"

#include <stdlib.h>

enum { FIRST_BUCKET_BITS = 10, MOST_BUCKET_BITS = 24, SHORT_BITS = 18 };

struct forms forms;

static uint32_t short_bit(const char *bytes, size_t size)
{
    uint64_t bits = (uint64_t)size << 56;
    memcpy(&bits, bytes, size);
    bits *= UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(bits >> (64 - SHORT_BITS));
}

bool forms_may_start(const char *bytes, size_t size)
{
    if (size == 0)
        return true;
    uint32_t bit = short_bit(bytes, size);
    return (forms.shorter[bit >> 6] >> (bit & 63) & 1) != 0;
}

static void insert(struct form *f)
{
    struct form **prefix = &forms.by_prefix[f->prefix >> (32 - forms.bucket_bits)];
    struct form **content = &forms.by_content[f->content & (forms.bucket_count - 1)];
    f->next_prefix = *prefix;
    *prefix = f;
    f->next_content = *content;
    *content = f;
}

/* The tables that do not grow. */
static bool make_small_tables(void)
{
    enum { SKIPS = 1 << FORM_SKIP_BITS };
    if (forms.shorter == NULL)
        forms.shorter = calloc((1 << SHORT_BITS) / 64, sizeof *forms.shorter);
    if (forms.skips == NULL) {
        forms.skips = malloc(SKIPS);
        if (forms.skips != NULL)
            memset(forms.skips, FORM_PREFIX - FORM_BLOCK + 1, SKIPS);
    }
    return forms.shorter != NULL && forms.skips != NULL;
}

static void mark_short(uint32_t bit)
{
    forms.shorter[bit >> 6] |= UINT64_C(1) << (bit & 63);
}

/* Lowers the skips of what stands in a form's first bytes. */
static void mark_blocks(const char *bytes)
{
    for (size_t end = FORM_BLOCK; end <= FORM_PREFIX; end++) {
        unsigned char *skip = &forms.skips[forms_block(bytes + end - FORM_BLOCK)];
        unsigned char least = (unsigned char)(FORM_PREFIX - end);
        *skip = *skip < least ? *skip : least;
    }
}

/* Keeps a bucket for each form. */
static bool make_room(void)
{
    if (forms.count < forms.bucket_count || forms.bucket_bits == MOST_BUCKET_BITS)
        return true;
    unsigned bits = forms.bucket_count == 0 ? FIRST_BUCKET_BITS : forms.bucket_bits + 1;
    size_t count = (size_t)1 << bits;
    struct form **old = forms.by_content;
    size_t old_count = forms.bucket_count;
    struct form **by_prefix = calloc(count, sizeof *by_prefix);
    struct form **by_content = calloc(count, sizeof *by_content);
    if (by_prefix == NULL || by_content == NULL || !make_small_tables()) {
        free(by_prefix);
        free(by_content);
        return false;
    }
    free(forms.by_prefix);
    forms.by_prefix = by_prefix;
    forms.by_content = by_content;
    forms.bucket_bits = bits;
    forms.bucket_count = count;
    for (size_t i = 0; i < old_count; i++) {
        for (struct form *f = old[i], *next; f != NULL; f = next) {
            next = f->next_content;
            insert(f);
        }
    }
    free(old);
    return true;
}

static struct form *find(const char *bytes, size_t size)
{
    if (forms.bucket_count == 0)
        return NULL;
    uint32_t content = (uint32_t)digest_quick(bytes, size);
    struct form *f = forms.by_content[content & (forms.bucket_count - 1)];
    while (f != NULL && (f->content != content || f->size != size ||
                         memcmp(f->bytes, bytes, size) != 0))
        f = f->next_content;
    return f;
}

/* NULL: out of memory. */
static struct form *make_form(const char *label, const char *bytes, size_t size)
{
    struct form *f = malloc(sizeof *f + size);
    if (f == NULL || !make_room()) {
        free(f);
        return NULL;
    }
    *f = (struct form){ .prefix = forms_hash(bytes), .content = (uint32_t)digest_quick(bytes, size), .size = size, .label = label };
    memcpy(f->bytes, bytes, size);
    insert(f);
    mark_blocks(bytes);
    for (size_t i = 1; i < FORM_PREFIX; i++)
        mark_short(short_bit(bytes, i));
    forms.count++;
    if (size > forms.longest)
        forms.longest = size;
    return f;
}

static bool add_form(const char *label, const char *bytes, size_t size)
{
    return size < FORM_PREFIX || find(bytes, size) != NULL ||
           make_form(label, bytes, size) != NULL;
}

/* Base64 of a text in which the value starts `skew` bytes after a multiple of
 * three: only the characters that the value alone decides; and as base64url. */
static bool add_base64(struct buffer *b, const char *label, const char *bytes, size_t size,
                       size_t skew)
{
    struct buffer shifted;
    buffer_init(&shifted, SIZE_MAX);
    buffer_clear(b);
    bool done = buffer_add(&shifted, "\0\0", skew) && buffer_add(&shifted, bytes, size) &&
                text_add_base64(b, shifted.data, shifted.size);
    buffer_wipe(&shifted);
    if (!done)
        return false;
    size_t first = (skew * 8 + 5) / 6;
    size_t end = (skew + size) * 8 / 6;
    if (!add_form(label, b->data + first, end - first))
        return false;
    for (size_t i = first; i < end; i++) {
        char c = b->data[i];
        b->data[i] = c == '+' ? '-' : c == '/' ? '_' : c;
    }
    return add_form(label, b->data + first, end - first);
}

/* In lower case and in upper case. */
static bool add_hexadecimal(struct buffer *b, const char *label, const char *bytes, size_t size)
{
    buffer_clear(b);
    if (!text_add_hexadecimal(b, bytes, size) || !add_form(label, b->data, b->size))
        return false;
    for (size_t i = 0; i < b->size; i++)
        if (b->data[i] >= 'a')
            b->data[i] = (char)(b->data[i] - 'a' + 'A');
    return add_form(label, b->data, b->size);
}

static bool add_encodings(const char *label, const char *bytes, size_t size)
{
    struct buffer b;
    buffer_init(&b, SIZE_MAX);
    bool done = add_base64(&b, label, bytes, size, 0) && add_base64(&b, label, bytes, size, 1) &&
                add_base64(&b, label, bytes, size, 2) && add_hexadecimal(&b, label, bytes, size);
    buffer_wipe(&b);
    return done;
}

bool forms_complete(void)
{
    for (struct form *f; (f = forms.plain) != NULL; forms.plain = f->next_plain)
        if (!add_encodings(f->label, f->bytes, f->size))
            return false;
    return true;
}

/* The registry's own copy of the label: few differ, so they are looked through. */
static const char *keep_label(const char *label)
{
    for (size_t i = 0; i < forms.label_count; i++) {
        const char *known = forms.labels[i], *c = label;
        while (*known != '\0' && *c != '\0' && *known == forms_label_char(*c))
            known++, c++;
        if (*known == '\0' && *c == '\0')
            return forms.labels[i];
    }
    char **labels = realloc(forms.labels, (forms.label_count + 1) * sizeof *labels);
    if (labels == NULL)
        return NULL;
    forms.labels = labels;
    char *copy = strdup(label);
    if (copy == NULL)
        return NULL;
    for (char *c = copy; *c != '\0'; c++)
        *c = forms_label_char(*c);
    labels[forms.label_count++] = copy;
    return copy;
}

/* Its encodings look like nothing else, and are searched for everywhere. */
static bool register_common(const char *label, const char *bytes, size_t size)
{
    if (secret_words_has(bytes, size))
        return true;
    const char *kept = keep_label(label);
    return kept != NULL && secret_words_add(kept, bytes, size) &&
           (size < FORM_PREFIX || add_encodings(kept, bytes, size));
}

bool secret_register(const char *label, const char *bytes, size_t size)
{
    if (size == 0)
        return true;
    if (secret_is_common(bytes, size))
        return register_common(label, bytes, size);
    struct form *known = find(bytes, size);
    if (known != NULL && known->whole)
        return true;
    const char *kept = keep_label(label);
    if (kept == NULL)
        return false;
    struct form *f = known != NULL ? known : make_form(kept, bytes, size);
    if (f == NULL)
        return false;
    f->whole = true;
    f->label = kept;
    f->next_plain = forms.plain;
    forms.plain = f;
    return true;
}

size_t secret_longest(void)
{
    forms_complete(); /* if memory fails, the redaction that follows fails too */
    return forms.longest > secret_words_longest() ? forms.longest : secret_words_longest();
}

void secret_forget_all(void)
{
    for (size_t i = 0; i < forms.bucket_count; i++) {
        for (struct form *f = forms.by_content[i], *next; f != NULL; f = next) {
            next = f->next_content;
            explicit_bzero(f->bytes, f->size);
            free(f);
        }
    }
    secret_words_forget();
    for (size_t i = 0; i < forms.label_count; i++)
        free(forms.labels[i]);
    free(forms.by_prefix);
    free(forms.by_content);
    free(forms.shorter);
    free(forms.skips);
    free(forms.labels);
    memset(&forms, 0, sizeof forms);
}

size_t secret_generation(void)
{
    return forms.count + secret_words_count();
}
