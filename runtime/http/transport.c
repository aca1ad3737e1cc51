#include "http/transport.h"

#include "base/text.h"

#include <string.h>

/* Ceilings; the transport lowers those of a response to its options'. */
#define URL_LIMIT ((size_t)64 * 1024)
#define HEADERS_LIMIT ((size_t)1024 * 1024)
#define BODY_LIMIT ((size_t)64 * 1024 * 1024)

void transfer_init(struct transfer *x)
{
    *x = (struct transfer){ 0 };
    buffer_init(&x->request.url, URL_LIMIT);
    buffer_init(&x->request.body, BODY_LIMIT);
    buffer_init(&x->response.headers, HEADERS_LIMIT);
    buffer_init(&x->response.body, BODY_LIMIT);
}

void transfer_free(struct transfer *x)
{
    buffer_free(&x->request.url);
    buffer_wipe(&x->request.body);
    buffer_free(&x->response.headers);
    buffer_wipe(&x->response.body); /* what a server sends back may be secret too */
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

const char *response_header(const struct response *r, const char *name, size_t *size)
{
    const char *found = NULL;
    const char *line = buffer_text(&r->headers), *end = line + r->headers.size;
    while (line < end) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        if (stop == NULL)
            stop = end;
        const char *colon = memchr(line, ':', (size_t)(stop - line));
        if (colon != NULL && text_equals_word(line, (size_t)(colon - line), name)) {
            const char *value = colon + 1, *last = stop;
            while (value < last && is_blank(*value))
                value++;
            while (last > value && is_blank(last[-1]))
                last--;
            found = value;
            *size = (size_t)(last - value);
        }
        line = stop < end ? stop + 1 : end;
    }
    return found;
}
