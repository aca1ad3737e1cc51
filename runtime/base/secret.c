#include "base/secret.h"

#include "base/buffer.h"
#include "base/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct secret {
    size_t references;
    size_t size;
    char *label; /* behind the bytes, in the same block */
    char bytes[];
};

/* One way in which a registered value may show up in output. */
struct form {
    struct form *next_prefix;  /* of the same bucket by_prefix */
    struct form *next_content; /* of the same bucket by_content */
    struct form *next_plain;   /* of those whose encodings are still to be made */
    uint32_t prefix;           /* hash of its first PREFIX bytes */
    uint32_t content;          /* hash of all */
    bool whole;                /* a registered value itself, not only an encoding of one */
    size_t size;
    const char *label; /* owned by the registry */
    char bytes[];
};

enum { PREFIX = SECRET_MIN_REDACTED, FIRST_BUCKETS = 256 };

/* The registry belongs to the process: what was secret once stays so, whoever
 * writes. The encodings of a value are made when something is first written
 * after it was registered: a list of 10,000 connectors registers 20,000 values,
 * of which none may ever meet an output. */
static struct {
    struct form **by_prefix;  /* a power of two of them: what a text may start with */
    struct form **by_content; /* as many: what is known */
    size_t bucket_count, form_count;
    struct form *plain;
    size_t longest;
    char **labels;
    size_t label_count;
} registry;

static uint32_t hash(const char *bytes, size_t size)
{
    uint32_t h = UINT32_C(2166136261);
    for (size_t i = 0; i < size; i++)
        h = (h ^ (unsigned char)bytes[i]) * UINT32_C(16777619);
    return h ^ h >> 15;
}

static uint32_t hash_prefix(const char *bytes)
{
    uint64_t bits;
    memcpy(&bits, bytes, PREFIX);
    bits *= UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(bits >> 32);
}

static struct form **bucket(struct form **table, uint32_t value)
{
    return &table[value & (registry.bucket_count - 1)];
}

static void insert(struct form *f)
{
    struct form **prefix = bucket(registry.by_prefix, f->prefix);
    struct form **content = bucket(registry.by_content, f->content);
    f->next_prefix = *prefix;
    *prefix = f;
    f->next_content = *content;
    *content = f;
}

/* Keeps at least four buckets for each form, so that a byte of ordinary output
 * nearly always meets an empty one. */
static bool make_room(void)
{
    if (registry.bucket_count / 4 > registry.form_count)
        return true;
    size_t count = registry.bucket_count == 0 ? FIRST_BUCKETS : registry.bucket_count * 2;
    struct form **old = registry.by_content;
    size_t old_count = registry.bucket_count;
    struct form **by_prefix = calloc(count, sizeof *by_prefix);
    struct form **by_content = calloc(count, sizeof *by_content);
    if (by_prefix == NULL || by_content == NULL) {
        free(by_prefix);
        free(by_content);
        return false;
    }
    free(registry.by_prefix);
    registry.by_prefix = by_prefix;
    registry.by_content = by_content;
    registry.bucket_count = count;
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
    if (registry.bucket_count == 0)
        return NULL;
    uint32_t content = hash(bytes, size);
    struct form *f = *bucket(registry.by_content, content);
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
    *f = (struct form){ .prefix = hash_prefix(bytes), .content = hash(bytes, size),
                        .size = size, .label = label };
    memcpy(f->bytes, bytes, size);
    insert(f);
    registry.form_count++;
    if (size > registry.longest)
        registry.longest = size;
    return f;
}

static bool add_form(const char *label, const char *bytes, size_t size)
{
    return size < SECRET_MIN_REDACTED || find(bytes, size) != NULL ||
           make_form(label, bytes, size) != NULL;
}

/* Base64 of a text in which the value starts `skew` bytes after a multiple of
 * three: only the characters that the value alone decides. */
static bool add_base64(struct buffer *b, const char *label, const char *bytes, size_t size,
                       size_t skew)
{
    struct buffer shifted;
    buffer_init(&shifted, SIZE_MAX);
    buffer_clear(b);
    bool done = buffer_add(&shifted, "\0\0", skew) && buffer_add(&shifted, bytes, size) &&
                text_add_base64(b, shifted.data, shifted.size);
    buffer_wipe(&shifted);
    size_t first = (skew * 8 + 5) / 6;
    size_t end = (skew + size) * 8 / 6;
    return done && add_form(label, b->data + first, end - first);
}

static bool add_hexadecimal(struct buffer *b, const char *label, const char *bytes, size_t size,
                            const char *digits)
{
    buffer_clear(b);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)bytes[i];
        char pair[] = { digits[c >> 4], digits[c & 15] };
        if (!buffer_add(b, pair, sizeof pair))
            return false;
    }
    return add_form(label, b->data, b->size);
}

static bool add_percent(struct buffer *b, const char *label, const char *bytes, size_t size)
{
    buffer_clear(b);
    return text_add_percent(b, bytes, size) && add_form(label, b->data, b->size);
}

/* As text_add_json writes it, and with '/' as '\/', as lua-cjson and PHP do. */
static bool add_json(struct buffer *b, const char *label, const char *bytes, size_t size)
{
    buffer_clear(b);
    if (!text_add_json(b, bytes, size) || !add_form(label, b->data + 1, b->size - 2))
        return false;
    struct buffer slashed;
    buffer_init(&slashed, SIZE_MAX);
    bool done = true;
    for (size_t i = 1; done && i < b->size - 1; i++)
        done = (b->data[i] != '/' || buffer_add_char(&slashed, '\\')) &&
               buffer_add_char(&slashed, b->data[i]);
    done = done && add_form(label, slashed.data, slashed.size);
    buffer_wipe(&slashed);
    return done;
}

static bool add_encodings(const char *label, const char *bytes, size_t size)
{
    struct buffer b;
    buffer_init(&b, SIZE_MAX);
    bool done = add_base64(&b, label, bytes, size, 0) && add_base64(&b, label, bytes, size, 1) &&
                add_base64(&b, label, bytes, size, 2) && add_percent(&b, label, bytes, size) &&
                add_json(&b, label, bytes, size) &&
                add_hexadecimal(&b, label, bytes, size, "0123456789abcdef") &&
                add_hexadecimal(&b, label, bytes, size, "0123456789ABCDEF");
    buffer_wipe(&b);
    return done;
}

/* The registry's own copy of the label: few differ, so they are looked through. */
static const char *keep_label(const char *label)
{
    for (size_t i = 0; i < registry.label_count; i++)
        if (strcmp(registry.labels[i], label) == 0)
            return registry.labels[i];
    char **labels = realloc(registry.labels, (registry.label_count + 1) * sizeof *labels);
    if (labels == NULL)
        return NULL;
    registry.labels = labels;
    char *copy = strdup(label);
    if (copy != NULL)
        labels[registry.label_count++] = copy;
    return copy;
}

bool secret_register(const char *label, const char *bytes, size_t size)
{
    if (size < SECRET_MIN_REDACTED)
        return true;
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
    f->next_plain = registry.plain;
    registry.plain = f;
    return true;
}

static bool encode_plain(void)
{
    for (struct form *f; (f = registry.plain) != NULL; registry.plain = f->next_plain)
        if (!add_encodings(f->label, f->bytes, f->size))
            return false;
    return true;
}

bool secret_register_basic(const char *user, const struct secret *password)
{
    struct buffer pair, text;
    buffer_init(&pair, SIZE_MAX);
    buffer_init(&text, SIZE_MAX);
    bool done = buffer_add_text(&pair, user) && buffer_add_char(&pair, ':') &&
                buffer_add(&pair, password->bytes, password->size) &&
                text_add_base64(&text, pair.data, pair.size) &&
                secret_register(password->label, text.data, text.size);
    buffer_wipe(&pair);
    buffer_wipe(&text);
    return done;
}

struct secret *secret_new(const char *label, const char *bytes, size_t size)
{
    size_t label_size = strlen(label) + 1;
    if (size > SIZE_MAX / 2)
        return NULL;
    struct secret *s = malloc(sizeof *s + size + 1 + label_size);
    if (s == NULL)
        return NULL;
    s->references = 1;
    s->size = size;
    s->label = s->bytes + size + 1;
    if (size > 0)
        memcpy(s->bytes, bytes, size);
    s->bytes[size] = '\0';
    memcpy(s->label, label, label_size);
    if (!secret_register(s->label, s->bytes, s->size)) {
        secret_release(s);
        return NULL;
    }
    return s;
}

struct secret *secret_retain(struct secret *s)
{
    s->references++;
    return s;
}

void secret_release(struct secret *s)
{
    if (s == NULL || --s->references > 0)
        return;
    explicit_bzero(s->bytes, s->size);
    free(s);
}

const char *secret_bytes(const struct secret *s)
{
    return s->bytes;
}

size_t secret_size(const struct secret *s)
{
    return s->size;
}

const char *secret_label(const struct secret *s)
{
    return s->label;
}

/* The longest form that starts here, or NULL. */
static const struct form *match(const char *bytes, size_t size)
{
    const struct form *best = NULL;
    const struct form *f = *bucket(registry.by_prefix, hash_prefix(bytes));
    for (; f != NULL; f = f->next_prefix)
        if (f->size <= size && (best == NULL || f->size > best->size) &&
            memcmp(f->bytes, bytes, f->size) == 0)
            best = f;
    return best;
}

/* The end of everything secret that overlaps the match `f` at `start`: blanking
 * only the first of two overlapping values would leave a piece of the other.
 * *widest becomes the longest of them. */
static size_t extent(const char *bytes, size_t size, size_t start, const struct form *f,
                     const struct form **widest)
{
    size_t end = start + f->size;
    *widest = f;
    for (size_t i = start + 1; i < end && size - i >= PREFIX; i++) {
        const struct form *other = match(bytes + i, size - i);
        if (other == NULL || i + other->size <= end)
            continue;
        end = i + other->size;
        if (other->size > (*widest)->size)
            *widest = other;
    }
    return end;
}

bool secret_redact(struct buffer *out, const char *bytes, size_t size)
{
    if (registry.form_count == 0)
        return buffer_add(out, bytes, size);
    if (!encode_plain())
        return false; /* better not written than written in clear */
    size_t run = 0, i = 0;
    while (size - i >= SECRET_MIN_REDACTED) {
        const struct form *f = match(bytes + i, size - i);
        if (f == NULL) {
            i++;
            continue;
        }
        const struct form *widest;
        size_t end = extent(bytes, size, i, f, &widest);
        if (!buffer_add(out, bytes + run, i - run) || !buffer_add_text(out, "<secret ") ||
            !buffer_add_text(out, widest->label) || !buffer_add_char(out, '>'))
            return false;
        run = i = end;
    }
    return buffer_add(out, bytes + run, size - run);
}

size_t secret_longest(void)
{
    encode_plain(); /* if memory fails, the redaction that follows fails too */
    return registry.longest;
}

void secret_forget_all(void)
{
    for (size_t i = 0; i < registry.bucket_count; i++) {
        for (struct form *f = registry.by_content[i], *next; f != NULL; f = next) {
            next = f->next_content;
            explicit_bzero(f->bytes, f->size);
            free(f);
        }
    }
    for (size_t i = 0; i < registry.label_count; i++)
        free(registry.labels[i]);
    free(registry.by_prefix);
    free(registry.by_content);
    free(registry.labels);
    memset(&registry, 0, sizeof registry);
}
