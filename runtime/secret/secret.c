#include "secret/secret.h"

#include "secret/secret_forms.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct secret {
    size_t references;
    size_t size;
    char *label; /* behind the bytes, in the same block */
    char bytes[];
};

struct secret *secret_new_printable(const char *label, const char *bytes, size_t size)
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
    for (char *c = s->label; *c != '\0'; c++)
        *c = forms_label_char(*c);
    return s;
}

struct secret *secret_new(const char *label, const char *bytes, size_t size)
{
    struct secret *s = secret_new_printable(label, bytes, size);
    if (s != NULL && !secret_register(s->label, s->bytes, s->size)) {
        secret_release(s);
        return NULL;
    }
    return s;
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
