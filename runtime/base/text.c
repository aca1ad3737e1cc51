#include "base/text.h"

#include "base/buffer.h"

#include <nettle/base16.h>
#include <nettle/base64.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

enum { SEGMENT_MAX = 4096 };

/* The length of the well-formed UTF-8 sequence at the start of the bytes, 0
 * when there is none (Unicode, table 3-7). */
static size_t utf8_sequence(const unsigned char *s, size_t size)
{
    if (size == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    size_t length;
    unsigned char low = 0x80, high = 0xbf; /* what the second byte may be */
    if (s[0] >= 0xc2 && s[0] <= 0xdf) {
        length = 2;
    } else if (s[0] >= 0xe0 && s[0] <= 0xef) {
        length = 3;
        if (s[0] == 0xe0)
            low = 0xa0;
        if (s[0] == 0xed)
            high = 0x9f;
    } else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        length = 4;
        if (s[0] == 0xf0)
            low = 0x90;
        if (s[0] == 0xf4)
            high = 0x8f;
    } else {
        return 0;
    }
    if (size < length || s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if (s[i] < 0x80 || s[i] > 0xbf)
            return 0;
    return length;
}

static bool is_control(unsigned char c)
{
    return c < 0x20 || c == 0x7f;
}

bool text_is_plain(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\')
            return false;
    }
    return true;
}

bool text_is_utf8(const char *bytes, size_t size)
{
    const unsigned char *s = (const unsigned char *)bytes;
    while (size > 0) {
        size_t length = utf8_sequence(s, size);
        if (length == 0)
            return false;
        s += length;
        size -= length;
    }
    return true;
}

bool text_has_control(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (is_control((unsigned char)bytes[i]))
            return true;
    return false;
}

const char *text_segment_fault(const char *bytes, size_t size)
{
    if (size == 0)
        return "is empty";
    if (size > SEGMENT_MAX)
        return "is longer than 4096 bytes";
    if (text_has_control(bytes, size))
        return "holds a control character";
    if (!text_is_utf8(bytes, size))
        return "is not valid UTF-8";
    /* Servers and proxies resolve these, percent-encoded or not, and so would
     * reach another resource. */
    if (text_equals_word(bytes, size, ".") || text_equals_word(bytes, size, ".."))
        return "is \".\" or \"..\"";
    return NULL;
}

static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '.' || c == '_' || c == '~';
}

/* Adds the bytes [from, to) as they are. */
static bool add_run(struct buffer *out, const char *bytes, size_t from, size_t to)
{
    return from == to ? !out->overflowed : buffer_add(out, bytes + from, to - from);
}

bool text_add_percent(struct buffer *out, const char *bytes, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t run = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (is_unreserved(c))
            continue;
        char escape[] = { '%', digits[c >> 4], digits[c & 15] };
        if (!add_run(out, bytes, run, i) || !buffer_add(out, escape, sizeof escape))
            return false;
        run = i + 1;
    }
    return add_run(out, bytes, run, size);
}

/* The letter of JSON's two-character escapes, 0 for a byte that has none. */
static char json_short_escape(unsigned char c)
{
    switch (c) {
    case '"': return '"';
    case '\\': return '\\';
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return 0;
    }
}

bool text_add_json(struct buffer *out, const char *bytes, size_t size)
{
    if (!buffer_add_char(out, '"'))
        return false;
    size_t run = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        if (!add_run(out, bytes, run, i))
            return false;
        char letter = json_short_escape(c);
        char escape[] = { '\\', letter };
        if (letter != 0 ? !buffer_add(out, escape, sizeof escape)
                        : !buffer_printf(out, "\\u%04x", c))
            return false;
        run = i + 1;
    }
    return add_run(out, bytes, run, size) && buffer_add_char(out, '"');
}

bool text_add_plain_pair(struct buffer *out, const char *key, size_t key_size, const char *value,
                         size_t size)
{
    if (!buffer_reserve(out, key_size + size + 5))
        return false;
    char *place = out->data + out->size;
    *place++ = '"';
    memcpy(place, key, key_size);
    place += key_size;
    memcpy(place, "\":\"", 3);
    place += 3;
    memcpy(place, value, size);
    place += size;
    *place++ = '"';
    *place = '\0';
    out->size = (size_t)(place - out->data);
    return true;
}

bool text_add_base64(struct buffer *out, const char *bytes, size_t size)
{
    if (size > SIZE_MAX / 2 || !buffer_reserve(out, BASE64_ENCODE_RAW_LENGTH(size)))
        return false;
    base64_encode_raw(out->data + out->size, size, (const uint8_t *)bytes);
    buffer_cut(out, out->size + BASE64_ENCODE_RAW_LENGTH(size));
    return true;
}

bool text_add_hexadecimal(struct buffer *out, const char *bytes, size_t size)
{
    if (size > SIZE_MAX / 2 || !buffer_reserve(out, BASE16_ENCODE_LENGTH(size)))
        return false;
    base16_encode_update(out->data + out->size, size, (const uint8_t *)bytes);
    buffer_cut(out, out->size + BASE16_ENCODE_LENGTH(size));
    return true;
}

/* The code point of a well-formed sequence. */
static uint32_t code_point(const unsigned char *s, size_t length)
{
    uint32_t code = length == 1 ? s[0] : s[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++)
        code = code << 6 | (s[i] & 0x3f);
    return code;
}

/* C1 controls, marks and controls of direction, what has no width, line separators, tags:
 * after these, what is read is not what is there. */
static bool is_deceptive(uint32_t code)
{
    return (code >= 0x80 && code < 0xa0) || code == 0x61c || code == 0x180e ||
           (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2060 && code <= 0x206f) || code == 0xfeff ||
           (code >= 0xfff9 && code <= 0xfffb) || (code >= 0xe0000 && code <= 0xe007f);
}

size_t text_deceptive(const char *bytes, size_t size, uint32_t *code)
{
    const unsigned char *s = (const unsigned char *)bytes;
    size_t length = utf8_sequence(s, size);
    if (length < 2)
        return 0;
    *code = code_point(s, length);
    return is_deceptive(*code) ? length : 0;
}

bool text_add_printable(struct buffer *out, const char *bytes, size_t size)
{
    const unsigned char *s = (const unsigned char *)bytes;
    size_t run = 0, i = 0;
    while (i < size) {
        size_t length = utf8_sequence(s + i, size - i);
        bool control = length == 1 && is_control(s[i]) && s[i] != '\n' && s[i] != '\t';
        uint32_t code;
        if (length > 0 && !control && text_deceptive(bytes + i, length, &code) == 0) {
            i += length;
            continue;
        }
        if (!add_run(out, bytes, run, i))
            return false;
        for (size_t end = i + (length > 0 ? length : 1); i < end; i++)
            if (!buffer_printf(out, "\\x%02x", s[i]))
                return false;
        run = i;
    }
    return add_run(out, bytes, run, size);
}

/* tolower asks the locale, in which a header's name has no business. */
static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool text_equals_word(const char *bytes, size_t size, const char *word)
{
    if (strlen(word) != size)
        return false;
    for (size_t i = 0; i < size; i++)
        if (lower(bytes[i]) != lower(word[i]))
            return false;
    return true;
}

bool text_add_line(struct buffer *out, const char *bytes, size_t size)
{
    size_t start = 0;
    bool done = true;
    while (done && start < size) {
        size_t end = start;
        while (end < size && bytes[end] != '\n' && bytes[end] != '\t' && bytes[end] != '\r')
            end++;
        done = text_add_printable(out, bytes + start, end - start);
        for (start = end; start < size && strchr("\n\t\r ", bytes[start]) != NULL; start++)
            ;
        if (start < size && end > 0)
            done = done && buffer_add_char(out, ' ');
    }
    return done;
}

/* Where the part begins in the text, or NULL. */
static const char *find_part(const char *text, size_t size, const char *part, size_t length)
{
    for (size_t i = 0; i + length <= size; i++) {
        if (strncasecmp(text + i, part, length) == 0)
            return text + i;
    }
    return NULL;
}

bool text_has_phrase(const char *text, size_t size, const char *phrase)
{
    size_t length = strcspn(phrase, "*");
    if (*phrase == '\0')
        return true;
    for (const char *at = text; size > 0; at++) {
        at = find_part(at, size - (size_t)(at - text), phrase, length);
        if (at == NULL || phrase[length] == '\0')
            return at != NULL;
        const char *rest = at + length;
        size_t line = 0, left = size - (size_t)(rest - text);
        while (line < left && rest[line] != '\n')
            line++;
        if (text_has_phrase(rest, line, phrase + length + 1))
            return true;
    }
    return false;
}
