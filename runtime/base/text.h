/* text: what may stand in a name, a header, a URL or a JSON document, and how
 * it is written there. Pure functions over bytes. */
#ifndef KELP_BASE_TEXT_H
#define KELP_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer;

/* True when the bytes are well-formed UTF-8 (no overlong forms, no surrogates,
 * nothing above U+10FFFF). */
bool text_is_utf8(const char *bytes, size_t size);

/* True when a byte below 0x20 or 0x7f is among them (NUL, CR and LF too). */
bool text_has_control(const char *bytes, size_t size);

/* True when all of them are printable ASCII other than '"' and '\\': such bytes
 * are UTF-8 without controls, and stand for themselves in JSON. False for bytes
 * that need a closer look, and may be either. */
bool text_is_plain(const char *bytes, size_t size);

/* Why the bytes cannot be one segment of a URL path, as an English clause that
 * follows the argument's name ("is empty", "holds a control character", …), or
 * NULL when they can. Refused: empty, ".", "..", control characters, bytes
 * that are not UTF-8, more than 4096 bytes. */
const char *text_segment_fault(const char *bytes, size_t size);

/* Adds the bytes percent-encoded: only RFC 3986's unreserved characters
 * (letters, digits, '-', '.', '_', '~') stand for themselves. */
bool text_add_percent(struct buffer *out, const char *bytes, size_t size);

/* Adds a JSON string, quotes included. The bytes must be UTF-8; '"', '\' and
 * bytes below 0x20 are escaped, everything else (0x7f and '/' too) is as is. */
bool text_add_json(struct buffer *out, const char *bytes, size_t size);

/* Adds "KEY":"VALUE", both of which text_is_plain. */
bool text_add_plain_pair(struct buffer *out, const char *key, size_t key_size, const char *value,
                         size_t size);

/* Adds the bytes in Base64 with padding (RFC 4648 section 4). */
bool text_add_base64(struct buffer *out, const char *bytes, size_t size);

/* Adds two lower-case digits for each byte. */
bool text_add_hexadecimal(struct buffer *out, const char *bytes, size_t size);

/* The size of the character beyond ASCII at the start, when a terminal obeys it or a
 * reader does not see it: a C1 control, a mark or control of direction, a line
 * separator, what has no width; *code is its code point then. Otherwise 0. */
size_t text_deceptive(const char *bytes, size_t size, uint32_t *code);

/* Adds bytes of unknown origin so that a terminal shows them and obeys none of
 * them: control characters other than newline and tab become \xNN, and so do
 * bytes that are not UTF-8, and what text_deceptive finds. */
bool text_add_printable(struct buffer *out, const char *bytes, size_t size);

/* As text_add_printable, on one line: newlines and tabs with the blanks around
 * them become one space. */
bool text_add_line(struct buffer *out, const char *bytes, size_t size);

/* Case-insensitive (ASCII) comparison of a NUL-terminated `word` with bytes. */
bool text_equals_word(const char *bytes, size_t size, const char *word);

/* Whether the text holds the phrase, in any case (of ASCII); a * in it stands for any text on the
 * same line. The empty phrase is in every text. */
bool text_has_phrase(const char *text, size_t size, const char *phrase);

#endif
