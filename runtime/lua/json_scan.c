#include "lua/json_scan.h"

#include "base/text.h"
#include "lua/json_bytes.h"
#include "lua/json_number.h"

#include <lauxlib.h>

#include <math.h>
#include <stdint.h>
#include <string.h>

enum {
    EXACT_DIGITS = 15,        /* a double holds every integer of so many digits */
    SHOWN_DIGITS = 40,        /* of an integer that does not fit, in the message */
    SAFE_FLOAT_SIZE = 200,    /* no number this short without exponent is an infinity; Lua
                                 reads a longer one only where the locale has a point */
};

struct scan {
    lua_State *L;
    struct json_scratch *out;
    const char *text, *at, *end;
    const char *copied; /* up to here the text is in `out` */
    int depth;
    size_t members;
    bool marks;
};

_Noreturn static void fail(const struct scan *s, const char *at, const char *what)
{
    lua_pushfstring(s->L, "invalid JSON: %s at offset %I", what, (lua_Integer)(at - s->text));
    lua_error(s->L);
    __builtin_unreachable();
}

_Noreturn static void fail_end(const struct scan *s)
{
    fail(s, s->end, "the text ends too early");
}

_Noreturn static void fail_too_long(const struct scan *s, const char *token, size_t size)
{
    bool cut = size > SHOWN_DIGITS;
    lua_pushlstring(s->L, token, cut ? SHOWN_DIGITS : size);
    lua_pushfstring(s->L, "invalid JSON: integer %s%s does not fit in 64 bits at offset %I",
                    lua_tostring(s->L, -1), cut ? "..." : "", (lua_Integer)(token - s->text));
    lua_error(s->L);
    __builtin_unreachable();
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void skip_space(struct scan *s)
{
    while (s->at < s->end &&
           (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r'))
        s->at++;
}

/* The next byte that is not white space. The text must go on. */
static char next_byte(struct scan *s)
{
    skip_space(s);
    if (s->at == s->end)
        fail_end(s);
    return *s->at;
}

/* Puts the mark of token .. s->at into the output. Returns where the token's
 * copy begins; the byte behind it is a NUL until the caller says close_mark. */
static char *open_mark(struct scan *s, const char *token)
{
    size_t before = (size_t)(token - s->copied), size = (size_t)(s->at - token);
    json_scratch_add(s->L, s->out, s->copied, before);
    char *room = json_scratch_take(s->L, s->out, size + 3);
    room[0] = '"';
    room[1] = (char)JSON_MARK;
    memcpy(room + 2, token, size);
    room[size + 2] = '\0';
    s->copied = s->at;
    s->marks = true;
    return room + 2;
}

static void close_mark(struct scan *s)
{
    s->out->bytes[s->out->size - 1] = '"';
}

static void mark_number(struct scan *s, const char *token)
{
    size_t size = (size_t)(s->at - token);
    lua_Integer ignored;
    enum json_number kind = json_number_read(token, size, &ignored);
    if (kind == JSON_NUMBER_TOO_LONG)
        fail_too_long(s, token, size);
    const char *copy = open_mark(s, token);
    bool short_fraction = size <= SAFE_FLOAT_SIZE && memchr(token, 'e', size) == NULL &&
                          memchr(token, 'E', size) == NULL;
    if (kind == JSON_NUMBER_FLOAT && !short_fraction) {
        if (lua_stringtonumber(s->L, copy) == 0)
            fail(s, token, "a number that cannot be read");
        if (isinf(lua_tonumber(s->L, -1)))
            fail(s, token, "a number beyond the range of a double");
        lua_pop(s->L, 1);
    }
    close_mark(s);
}

static void skip_digits(struct scan *s)
{
    if (s->at == s->end)
        fail_end(s);
    if (!is_digit(*s->at))
        fail(s, s->at, "expected a digit");
    while (s->at < s->end && is_digit(*s->at))
        s->at++;
}

static void scan_number(struct scan *s)
{
    const char *token = s->at;
    if (*s->at == '-')
        s->at++;
    const char *digits = s->at;
    skip_digits(s);
    if (*digits == '0' && s->at - digits > 1)
        fail(s, token, "a number with leading zeros");
    bool exact = s->at - digits <= EXACT_DIGITS;
    if (s->at < s->end && *s->at == '.') {
        s->at++;
        skip_digits(s);
        exact = false;
    }
    if (s->at < s->end && (*s->at == 'e' || *s->at == 'E')) {
        s->at++;
        if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
            s->at++;
        skip_digits(s);
        exact = false;
    }
    if (!exact)
        mark_number(s, token);
}

/* The code unit after "\u", which `at` points behind. */
static unsigned scan_hex(struct scan *s)
{
    unsigned unit = 0;
    for (int i = 0; i < 4; i++, s->at++) {
        if (s->at == s->end)
            fail_end(s);
        char c = *s->at;
        unsigned digit;
        if (is_digit(c))
            digit = (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (unsigned)(c - 'a') + 10;
        else if (c >= 'A' && c <= 'F')
            digit = (unsigned)(c - 'A') + 10;
        else
            fail(s, s->at, "expected a hexadecimal digit");
        unit = unit * 16 + digit;
    }
    return unit;
}

static void scan_escape(struct scan *s)
{
    const char *start = s->at++;
    if (s->at == s->end)
        fail_end(s);
    char c = *s->at++;
    if (c != 'u') {
        if (c == '\0' || strchr("\"\\/bfnrt", c) == NULL)
            fail(s, start, "an unknown escape");
        return;
    }
    unsigned unit = scan_hex(s);
    if (unit < 0xD800 || unit > 0xDFFF)
        return;
    bool paired = unit <= 0xDBFF && s->end - s->at >= 2 && s->at[0] == '\\' && s->at[1] == 'u';
    if (paired) {
        s->at += 2;
        unit = scan_hex(s);
        paired = unit >= 0xDC00 && unit <= 0xDFFF;
    }
    if (!paired)
        fail(s, start, "half a surrogate pair");
}

static void scan_string(struct scan *s)
{
    const char *start = s->at++;
    bool ascii = true;
    for (;;) {
        s->at = json_plain_end(s->at, s->end);
        if (s->at == s->end)
            fail(s, start, "a string without end");
        if (*s->at == '"')
            break;
        if (*s->at == '\\') {
            scan_escape(s);
        } else if ((unsigned char)*s->at < 0x20) {
            fail(s, s->at, "a control character in a string");
        } else {
            ascii = false;
            s->at++;
        }
    }
    s->at++;
    if (!ascii && !text_is_utf8(start, (size_t)(s->at - start)))
        fail(s, start, "a string that is not UTF-8");
}

static void scan_word(struct scan *s, const char *word)
{
    size_t size = strlen(word);
    if ((size_t)(s->end - s->at) < size || memcmp(s->at, word, size) != 0)
        fail(s, s->at, "an unknown word");
    s->at += size;
}

static void scan_value(struct scan *s);

static void enter(struct scan *s)
{
    if (++s->depth > JSON_MAX_DEPTH)
        fail(s, s->at, "nested deeper than 128");
    s->at++;
}

/* After a value in a container that `closing` ends: true when another follows. */
static bool scan_comma(struct scan *s, char closing)
{
    char c = next_byte(s);
    if (c != ',' && c != closing)
        fail(s, s->at, closing == ']' ? "expected ',' or ']'" : "expected ',' or '}'");
    s->at++;
    return c == ',';
}

static void scan_array(struct scan *s)
{
    const char *start = s->at;
    enter(s);
    bool empty = next_byte(s) == ']';
    if (empty)
        s->at++;
    else
        do
            scan_value(s);
        while (scan_comma(s, ']'));
    s->depth--;
    if (empty) {
        open_mark(s, start);
        close_mark(s);
    }
}

static void scan_key(struct scan *s)
{
    if (next_byte(s) != '"')
        fail(s, s->at, "expected a key");
    s->members++;
    scan_string(s);
}

static void scan_colon(struct scan *s)
{
    if (next_byte(s) != ':')
        fail(s, s->at, "expected ':'");
    s->at++;
}

static void scan_object(struct scan *s)
{
    enter(s);
    if (next_byte(s) == '}') {
        s->at++;
    } else {
        do {
            scan_key(s);
            scan_colon(s);
            scan_value(s);
        } while (scan_comma(s, '}'));
    }
    s->depth--;
}

static void scan_value(struct scan *s)
{
    char c = next_byte(s);
    switch (c) {
    case '"': scan_string(s); break;
    case '{': scan_object(s); break;
    case '[': scan_array(s); break;
    case 't': scan_word(s, "true"); break;
    case 'f': scan_word(s, "false"); break;
    case 'n': scan_word(s, "null"); break;
    default:
        if (c != '-' && !is_digit(c))
            fail(s, s->at, "expected a value");
        scan_number(s);
    }
}

/* The result of the scan since `start`. */
static struct json_scan scanned_from(struct scan *s, const char *start)
{
    if (s->marks)
        json_scratch_add(s->L, s->out, s->copied, (size_t)(s->at - s->copied));
    return (struct json_scan){.text = s->marks ? s->out->bytes : start,
                              .size = s->marks ? s->out->size : (size_t)(s->at - start),
                              .marks = s->marks, .members = s->members};
}

static void expect_end(struct scan *s)
{
    skip_space(s);
    if (s->at != s->end)
        fail(s, s->at, "something after the value");
}

void json_scan(lua_State *L, struct json_scratch *scratch, const char *text, size_t size,
               struct json_scan *result)
{
    struct scan s = {.L = L, .out = scratch, .text = text, .at = text, .end = text + size,
                     .copied = text};
    scratch->size = 0;
    luaL_checkstack(L, 4, "JSON");
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        fail(&s, text, "a byte order mark");
    scan_value(&s);
    expect_end(&s);
    *result = scanned_from(&s, text);
}

bool json_walk_begin(struct json_walk *walk, const char *text, size_t size, char opening)
{
    struct scan s = {.at = text, .end = text + size};
    skip_space(&s);
    *walk = (struct json_walk){.text = text, .at = s.at + 1, .end = s.end,
                               .closing = opening == '[' ? ']' : '}'};
    return s.at < s.end && *s.at == opening;
}

/* True when a member follows; the walk stands where it begins, or behind the value. */
static bool another_member(struct scan *s, struct json_walk *walk)
{
    bool another = walk->begun ? scan_comma(s, walk->closing) : next_byte(s) != walk->closing;
    if (!another) {
        s->at += !walk->begun;
        expect_end(s);
    }
    walk->begun = true;
    return another;
}

bool json_walk_next(lua_State *L, struct json_walk *walk, struct json_scratch *scratch,
                    struct json_member *member)
{
    struct scan s = {.L = L, .out = scratch, .text = walk->text, .at = walk->at,
                     .end = walk->end, .depth = 1};
    scratch->size = 0;
    luaL_checkstack(L, 4, "JSON");
    if (!another_member(&s, walk))
        return false;
    *member = (struct json_member){0};
    if (walk->closing == '}') {
        skip_space(&s);
        member->key = s.at;
        scan_key(&s);
        member->key_size = (size_t)(s.at - member->key);
        scan_colon(&s);
    }
    skip_space(&s);
    const char *start = s.copied = s.at;
    s.members = 0; /* of the value; its own key is the walk's */
    scan_value(&s);
    member->value = scanned_from(&s, start);
    walk->at = s.at;
    return true;
}
