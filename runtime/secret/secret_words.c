#include "secret/secret_words.h"

#include "base/digest.h"
#include "secret/secret_escape.h"
#include "secret/secret_registry.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_COMMON = 15, LONGEST_RUN = 64, BUCKETS = 256 };

struct word {
    struct word *next;
    const char *label;
    size_t size;
    char bytes[];
};

static struct {
    struct word *buckets[BUCKETS];
    uint64_t sizes; /* a bit for each size - 1 that is there */
    size_t count, longest;
} words;

static bool (*key_is_sensitive)(const char *name, size_t size);

void secret_judge_keys(bool (*is_sensitive)(const char *name, size_t size))
{
    key_is_sensitive = is_sensitive;
}

/* ---- what is common ---- */

/* The pairs of letters that are frequent in English and in the names of products and
 * config keys: a row for each first letter, a bit for each second. Words consist of
 * these; of eight random letters nine in ten do not. */
static const uint32_t pairs[26] = {
    0x3febdff, 0x11edb5f, 0x11efdbd, 0x17ef9ff, 0x3fffdff, 0x11e4d3d, 0x01ff9dd,
    0x11e7911, 0x2befc7f, 0x0144111, 0x01e69d1, 0x13efdff, 0x11ddd1f, 0x17efdff,
    0x1feffff, 0x11efdfd, 0x0100800, 0x17efd7f, 0x17ffdff, 0x37efdff, 0x00efd7f,
    0x0045111, 0x00661b5, 0x08c9115, 0x01ef915, 0x0004111,
};

static bool is_frequent_pair(char first, char second)
{
    int row = tolower((unsigned char)first) - 'a', column = tolower((unsigned char)second) - 'a';
    return (pairs[row] >> column & 1) != 0;
}

/* Letters of one case, perhaps after one capital; none three times in a row. */
static bool is_word(const char *bytes, size_t size)
{
    if (size < 2)
        return false;
    bool upper = isupper((unsigned char)bytes[0]) && isupper((unsigned char)bytes[1]);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)bytes[i];
        bool fits = upper ? isupper(c) : islower(c) || (i == 0 && isupper(c));
        if (!fits)
            return false;
        if (i > 0 && !is_frequent_pair(bytes[i - 1], bytes[i]))
            return false;
        if (i > 1 && bytes[i - 1] == bytes[i] && bytes[i - 2] == bytes[i])
            return false;
    }
    return true;
}

/* One word, or several joined by '.' or '_', as keys and class names are. */
static bool is_words(const char *bytes, size_t size)
{
    size_t start = 0;
    for (size_t i = 0; i <= size; i++) {
        if (i < size && bytes[i] != '.' && bytes[i] != '_')
            continue;
        if (!is_word(bytes + start, i - start))
            return false;
        start = i + 1;
    }
    return true;
}

static bool is_number(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] < '0' || bytes[i] > '9')
            return false;
    return true;
}

static bool is_one_byte_repeated(const char *bytes, size_t size)
{
    return memcmp(bytes, bytes + 1, size - 1) == 0;
}

bool secret_is_common(const char *bytes, size_t size)
{
    if (size < SECRET_MIN_REDACTED)
        return true;
    if (size <= LONGEST_COMMON && (is_words(bytes, size) || is_number(bytes, size)))
        return true;
    return size <= LONGEST_RUN && is_one_byte_repeated(bytes, size);
}

/* ---- the registry ---- */

static struct word **bucket(const char *bytes, size_t size)
{
    return &words.buckets[digest_quick(bytes, size) % BUCKETS];
}

static const struct word *look_up(const char *bytes, size_t size)
{
    const struct word *w = *bucket(bytes, size);
    while (w != NULL && (w->size != size || memcmp(w->bytes, bytes, size) != 0))
        w = w->next;
    return w;
}

bool secret_words_has(const char *bytes, size_t size)
{
    return look_up(bytes, size) != NULL;
}

bool secret_words_add(const char *label, const char *bytes, size_t size)
{
    struct word *w = malloc(sizeof *w + size);
    if (w == NULL)
        return false;
    struct word **first = bucket(bytes, size);
    *w = (struct word){.next = *first, .label = label, .size = size};
    memcpy(w->bytes, bytes, size);
    *first = w;
    words.sizes |= UINT64_C(1) << (size - 1);
    words.count++;
    words.longest = size > words.longest ? size : words.longest;
    return true;
}

size_t secret_words_count(void)
{
    return words.count;
}

size_t secret_words_longest(void)
{
    return words.longest;
}

void secret_words_forget(void)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct word *w = words.buckets[i], *next; w != NULL; w = next) {
            next = w->next;
            explicit_bzero(w->bytes, w->size);
            free(w);
        }
    }
    memset(&words, 0, sizeof words);
}

/* ---- where they stand ---- */

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '.' || c == '_' || c == '-';
}

/* Where the name before the separator at `at` starts; its size in *size. */
static size_t name_before(const char *text, size_t at, size_t *size)
{
    size_t end = at;
    while (end > 0 && strchr(" \t\"'\\]", text[end - 1]) != NULL && text[end - 1] != '\0')
        end--;
    size_t start = end;
    while (start > 0 && is_name_char(text[start - 1]))
        start--;
    *size = end - start;
    return start;
}

/* Whether what could be a word holds what begins an escape. */
static bool may_be_escaped(const char *text, size_t size)
{
    size = size < words.longest ? size : words.longest;
    return memchr(text, '\\', size) != NULL || memchr(text, '%', size) != NULL ||
           memchr(text, '+', size) != NULL;
}

/* The longest word that starts at `start`, with any of the escapes undone, and its end. */
static const struct word *word_at(const char *text, size_t size, size_t start, size_t *end)
{
    const struct word *found = NULL;
    int ways = may_be_escaped(text + start, size - start) ? ESCAPE_WAYS : ESCAPE_PLAIN + 1;
    for (int way = ESCAPE_PLAIN; way < ways; way++) {
        struct escape_cursor c = escape_start(text + start, size - start, way);
        char bytes[LONGEST_RUN];
        int byte;
        for (size_t n = 0; n < words.longest && (byte = escape_next(&c)) != ESCAPE_END;) {
            bytes[n++] = (char)byte;
            if ((words.sizes >> (n - 1) & 1) == 0 || (found != NULL && n <= found->size))
                continue;
            size_t stop = (size_t)(c.at - text);
            const struct word *w = look_up(bytes, n);
            if (w == NULL || (stop < size && isalnum((unsigned char)text[stop])))
                continue;
            found = w;
            *end = stop;
        }
    }
    return found;
}

/* Whether the text ends within what may become a word. */
static bool may_go_on(const char *text, size_t size, size_t start)
{
    enum { LONGEST_ESCAPE = 12 };
    if (size - start > words.longest * LONGEST_ESCAPE)
        return false;
    for (size_t i = start; i < size; i++)
        if (text[i] == '\n' || text[i] == '"')
            return false;
    return true;
}

/* What follows the separator at `at`. */
static bool find_at(const char *text, size_t size, size_t at, bool open, struct word_match *p)
{
    size_t name_size, start = at + 1;
    p->key = name_before(text, at, &name_size);
    bool user = text[at] == ':' && p->key > 1 && text[p->key - 1] == '/' && text[p->key - 2] == '/';
    if (!user && (name_size == 0 || !key_is_sensitive(text + p->key, name_size)))
        return false;
    while (!user && start < size && strchr(" \t\"'\\=>{", text[start]) != NULL && text[start] != '\0')
        start++;
    p->start = start;
    p->bare = text[at] == ':' && at > 0 && text[at - 1] == '"' && start > 0 &&
              strchr("\"'\\", text[start - 1]) == NULL;
    const struct word *w = word_at(text, size, start, &p->end);
    if (open && may_go_on(text, size, start) && (w == NULL || p->end == size)) {
        p->label = NULL;
        p->end = size;
        return true;
    }
    if (w == NULL || (user && (p->end == size || text[p->end] != '@')))
        return false;
    p->label = w->label;
    return true;
}

/* Where the byte is at or after `from`; `known`: where it was at or after less, or less. */
static size_t next_of(char byte, const char *text, size_t size, size_t known, size_t from)
{
    if (known > from)
        return known;
    const char *at = memchr(text + from, byte, size - from);
    return at != NULL ? (size_t)(at - text) : size;
}

bool secret_words_find(const char *text, size_t size, size_t from, bool open,
                       struct word_match *match)
{
    if (words.count == 0 || key_is_sensitive == NULL)
        return false;
    size_t colon = from, equals = from;
    for (size_t at = from; at < size; at++) {
        colon = next_of(':', text, size, colon, at);
        equals = next_of('=', text, size, equals, at);
        at = colon < equals ? colon : equals;
        if (at < size && find_at(text, size, at, open, match))
            return true;
    }
    return false;
}
