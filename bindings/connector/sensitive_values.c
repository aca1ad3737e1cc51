#define _GNU_SOURCE /* memrchr, memmem */
#include "connector/sensitive_values.h"

#include "base/buffer.h"
#include "base/text.h"
#include "secret/secret.h"

#include <lauxlib.h>

#include <ctype.h>
#include <stdint.h>
#include <string.h>

/* A part of a value. */
struct span {
    const char *start;
    size_t size;
};

/* What is done with each secret that is found; false ends the search. */
struct search {
    bool (*visit)(struct search *s, struct span secret);
    const char *label;
    bool found;  /* a secret in one of the forms that are known, or a reference in its place */
    bool secret; /* at least one is no reference */
};

/* ---- references ---- */

/* The bytes of the reference ${provider:…} at the start; 0: there is none. */
static size_t reference_size(struct span text)
{
    size_t i = 2;
    if (text.size < 5 || text.start[0] != '$' || text.start[1] != '{')
        return 0;
    while (i < text.size && (isalnum((unsigned char)text.start[i]) || text.start[i] == '_' ||
                             text.start[i] == '-' || text.start[i] == '.'))
        i++;
    if (i == 2 || i == text.size || text.start[i] != ':')
        return 0;
    const char *end = memchr(text.start + i, '}', text.size - i);
    return end == NULL || end == text.start + i + 1 ? 0 : (size_t)(end - text.start) + 1;
}

/* References and what joins them, and nothing that could be a secret of its own. */
static bool is_reference(struct span text)
{
    bool any = false;
    for (size_t i = 0; i < text.size;) {
        size_t n = reference_size((struct span){text.start + i, text.size - i});
        if (n == 0 && isalnum((unsigned char)text.start[i]))
            return false;
        any |= n > 0;
        i += n > 0 ? n : 1;
    }
    return any;
}

static bool has_reference(struct span text)
{
    const char *end = text.start + text.size;
    for (const char *at = text.start; at < end; at++) {
        at = memchr(at, '$', (size_t)(end - at));
        if (at == NULL)
            return false;
        if (reference_size((struct span){at, (size_t)(end - at)}) > 0)
            return true;
    }
    return false;
}

static bool visit(struct search *s, const char *start, const char *end)
{
    struct span secret = {start, (size_t)(end - start)};
    if (secret.size == 0)
        return true;
    s->found = true;
    if (is_reference(secret))
        return true;
    s->secret = true;
    return s->visit(s, secret);
}

/* ---- addresses ---- */

/* The end of the address whose "//" is at `start`: where a blank or the next address
 * of a list begins. */
static const char *address_end(const char *start, const char *end)
{
    for (const char *c = start; c < end; c++) {
        if (isspace((unsigned char)*c) || *c == '"')
            return c;
        if ((*c != ',' && *c != ';' && *c != '|') || end - c < 5)
            continue;
        const char *scheme = c + 1;
        while (scheme < end && (isalnum((unsigned char)*scheme) || strchr("+-.:", *scheme) != NULL))
            scheme++;
        if (end - scheme > 1 && scheme > c + 1 && scheme[-1] == ':' && scheme[0] == '/' &&
            scheme[1] == '/')
            return c;
    }
    return end;
}

/* The password in user:password@host, from behind the "//". One that holds a '/'
 * should have been encoded: what is up to the last '@' counts, unless a port comes
 * first. */
static bool find_userinfo(struct search *s, const char *start, const char *end)
{
    const char *authority = start;
    while (authority < end && strchr("/?#", *authority) == NULL)
        authority++;
    size_t size = (size_t)(authority - start);
    const char *at = memrchr(start, '@', size);
    const char *colon = memchr(start, ':', size);
    if (at == NULL && colon != NULL &&
        strspn(colon + 1, "0123456789") != (size_t)(authority - (colon + 1)))
        at = memrchr(start, '@', (size_t)(end - start));
    return at == NULL || colon == NULL || colon > at || visit(s, colon + 1, at);
}

/* Of every address, whatever its scheme. */
static bool find_addresses(struct search *s, struct span text)
{
    const char *end = text.start + text.size;
    const char *at = text.start;
    while ((at = memmem(at, (size_t)(end - at), "://", 3)) != NULL) {
        const char *stop = address_end(at + 3, end);
        if (!find_userinfo(s, at + 3, stop))
            return false;
        at = stop;
    }
    return true;
}

/* jdbc:oracle:thin:USER/PASSWORD@host, a form without "//" before the user. */
static bool find_slash_pair(struct search *s, struct span text)
{
    static const char scheme[] = "jdbc:oracle:";
    const char *end = text.start + text.size;
    const char *start = memmem(text.start, text.size, scheme, sizeof scheme - 1);
    if (start == NULL)
        return true;
    start += sizeof scheme - 1;
    start = memchr(start, ':', (size_t)(end - start)); /* behind the driver's kind */
    const char *slash = start == NULL ? NULL : memchr(start, '/', (size_t)(end - start));
    const char *at = slash == NULL ? NULL : memrchr(slash, '@', (size_t)(end - slash));
    if (at == NULL || slash[1] == '/')
        return true;
    return visit(s, slash + 1, at);
}

/* ---- names and their values ---- */

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '.' || c == '_' || c == '-';
}

/* Words that are secret as parameters, and too common for keys. */
bool sensitive_name(const char *start, size_t size)
{
    static const char *const names[] = {"sig", "signature", "x-amz-signature", "pwd", "pass", "pw"};
    char name[SENSITIVE_LONGEST_KEY + 1];
    if (size == 0 || size >= sizeof name)
        return false;
    bool may_be_one = strchr("sxp", tolower((unsigned char)*start)) != NULL && *start != '\0';
    for (size_t i = 0; may_be_one && i < sizeof names / sizeof *names; i++)
        if (text_equals_word(start, size, names[i]))
            return true;
    memcpy(name, start, size);
    name[size] = '\0';
    return sensitivity_of(name) == SENSITIVE_WHOLE;
}

/* The name before the separator at `at`, perhaps in quotes: a JSON key. */
static struct span name_before(const char *text, const char *at)
{
    const char *end = at;
    while (end > text && strchr(" \"'\\", end[-1]) != NULL)
        end--;
    const char *start = end;
    while (start > text && is_name_char(start[-1]))
        start--;
    if (start > text && start[-1] == '/')
        return (struct span){start, 0}; /* the user of an address */
    return (struct span){start, (size_t)(end - start)};
}

/* Where what stands in quotes that open at `start` ends: {…}, "…", \"…\", '…'. */
static const char *quote_end(const char *start, const char *end)
{
    bool escaped = *start == '\\';
    char close = *start == '{' ? '}' : escaped ? '"' : *start;
    for (const char *c = start + (escaped ? 2 : 1); c < end; c++) {
        if (*c == '\\' && !escaped && close == '"')
            c++;
        else if (*c == close && close == '}' && end - c > 1 && c[1] == '}')
            c++;
        else if (*c == close)
            return escaped && c[-1] == '\\' ? c - 1 : c;
    }
    return end;
}

/* Behind "Bearer " and its like; `start` itself where there is none. */
static const char *after_scheme(const char *start, const char *end)
{
    static const char *const schemes[] = {"bearer", "basic", "token", "apikey", "digest",
                                          "negotiate", "splunk", "sharedkey"};
    const char *word = start;
    while (word < end && isalpha((unsigned char)*word))
        word++;
    if (word == end || *word != ' ')
        return start;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (!text_equals_word(start, (size_t)(word - start), schemes[i]))
            continue;
        while (word < end && *word == ' ')
            word++;
        return word;
    }
    return start;
}

static const char *first_of(const char *start, const char *end, const char *stops)
{
    while (start < end && strchr(stops, *start) == NULL)
        start++;
    return start;
}

/* Whether the next NAME= or NAME: of a list starts behind the comma or blank at `at`. */
static bool starts_next(const char *at, const char *end)
{
    while (at < end && (*at == ',' || *at == ' '))
        at++;
    const char *name = at;
    while (at < end && is_name_char(*at))
        at++;
    return at > name && at < end && (*at == '=' || *at == ':');
}

/* The value of a secret name. What is not in quotes may end at a comma or a blank, or
 * hold them: both readings are secret. */
static bool find_value(struct search *s, const char *start, const char *end)
{
    while (start < end && *start == ' ')
        start++;
    if (start < end && (strchr("{\"'", *start) != NULL ||
                        (*start == '\\' && end - start > 1 && start[1] == '"'))) {
        const char *open = start + (*start == '\\' ? 2 : 1);
        const char *close = quote_end(start, end);
        return open > close || visit(s, after_scheme(open, close), close);
    }
    size_t reference = reference_size((struct span){start, (size_t)(end - start)});
    if (reference > 0)
        return visit(s, start, start + reference);
    start = after_scheme(start, end);
    const char *last = first_of(start, end, "&;|\n\"");
    const char *first = first_of(start, last, ", )}");
    if (!visit(s, start, first))
        return false;
    for (const char *c = first; c < last; c++)
        if ((*c == ',' || *c == ' ') && starts_next(c, last))
            last = c;
    return first >= last || visit(s, start, last);
}

/* A colon separates in JSON, in headers and before a blank. Otherwise it joins
 * other things, as in a list of fields to be renamed. */
static bool is_separator(const struct search *s, struct span name, const char *at, const char *end)
{
    if (*at == '=')
        return true;
    bool quoted = name.start + name.size < at;
    return quoted || (end - at > 1 && at[1] == ' ') || strstr(s->label, "header") != NULL ||
           memmem(name.start, name.size, "uthorization", 12) != NULL;
}

/* Of every NAME=VALUE and NAME: VALUE, in an address, a header, a connection string,
 * an inner JSON object or JAAS's options. */
static bool find_named(struct search *s, struct span text)
{
    const char *end = text.start + text.size;
    for (const char *at = text.start; at < end; at++) {
        if (*at != '=' && *at != ':')
            continue;
        struct span name = name_before(text.start, at);
        if (sensitive_name(name.start, name.size) && is_separator(s, name, at, end) &&
            !find_value(s, at + 1, end))
            return false;
    }
    return true;
}

/* "Bearer TOKEN" alone. */
static bool find_bare_scheme(struct search *s, struct span text)
{
    const char *end = text.start + text.size;
    const char *start = after_scheme(text.start, end);
    if (start == text.start || end - start < SECRET_MIN_REDACTED ||
        memchr(start, ' ', (size_t)(end - start)) != NULL)
        return true;
    return visit(s, start, end);
}

static bool find_all(struct search *s, struct span text)
{
    bool colon = memchr(text.start, ':', text.size) != NULL;
    if (colon && (!find_addresses(s, text) || !find_slash_pair(s, text)))
        return false;
    if ((colon || memchr(text.start, '=', text.size) != NULL) && !find_named(s, text))
        return false;
    return find_bare_scheme(s, text);
}

/* ---- the whole ---- */

/* user:password */
static bool find_user_info(struct search *s, struct span text)
{
    const char *colon = memchr(text.start, ':', text.size);
    return strstr(s->label, "user.info") == NULL || colon == NULL ||
           visit(s, colon + 1, text.start + text.size);
}

/* Everything that is secret in the value of the key s->label; *by_key: what the key
 * tells, and a reference is not. */
static bool search_value(struct search *s, struct span text, enum sensitivity *by_key)
{
    *by_key = SENSITIVE_NONE;
    if (text.start == NULL || text.size == 0 || is_reference(text))
        return true;
    *by_key = sensitivity_of(s->label);
    if (!find_all(s, text))
        return false;
    /* JAAS options with references in place of every secret */
    if (*by_key == SENSITIVE_WHOLE && s->found && !s->secret && has_reference(text))
        *by_key = SENSITIVE_NONE;
    if (*by_key == SENSITIVE_WHOLE)
        return visit(s, text.start, text.start + text.size) && find_user_info(s, text);
    bool known = s->found || memmem(text.start, text.size, "://", 3) != NULL ||
                 memchr(text.start, '=', text.size) != NULL;
    if (*by_key == SENSITIVE_PART && !known)
        return visit(s, text.start, text.start + text.size);
    return true;
}

static bool note_secret(struct search *s, struct span secret)
{
    (void)s; /* sensitivity_of_value only looks */
    (void)secret;
    return true;
}

enum sensitivity sensitivity_of_value(const char *key, const char *value, size_t size)
{
    struct search s = {.visit = note_secret, .label = key};
    enum sensitivity by_key;
    (void)search_value(&s, (struct span){value, size}, &by_key);
    if (by_key == SENSITIVE_WHOLE)
        return SENSITIVE_WHOLE;
    return s.secret ? SENSITIVE_PART : SENSITIVE_NONE;
}

static int hexadecimal(char c)
{
    return c >= '0' && c <= '9' ? c - '0'
           : tolower((unsigned char)c) >= 'a' && tolower((unsigned char)c) <= 'f'
               ? tolower((unsigned char)c) - 'a' + 10
               : -1;
}

/* As it stands there, and decoded. */
static bool register_encoded(struct search *s, struct span secret)
{
    const char *bytes = secret.start;
    if (!secret_register(s->label, bytes, secret.size))
        return false;
    if (memchr(bytes, '%', secret.size) == NULL)
        return true;
    struct buffer plain;
    buffer_init(&plain, SIZE_MAX);
    bool done = true;
    for (size_t i = 0; done && i < secret.size; i++) {
        int high = bytes[i] == '%' && secret.size - i > 2 ? hexadecimal(bytes[i + 1]) : -1;
        int low = high >= 0 ? hexadecimal(bytes[i + 2]) : -1;
        char c = bytes[i];
        if (low >= 0) {
            c = (char)(high << 4 | low);
            i += 2;
        }
        done = buffer_add_char(&plain, c);
    }
    done = done && secret_register(s->label, buffer_text(&plain), plain.size);
    buffer_wipe(&plain);
    return done;
}

bool sensitive_value_register(const char *key, const char *value, size_t size)
{
    struct search s = {.visit = register_encoded, .label = key};
    enum sensitivity by_key;
    return search_value(&s, (struct span){value, size}, &by_key);
}

int sensitive_values_is_call(lua_State *L)
{
    const char *key = luaL_checkstring(L, 1);
    enum sensitivity sensitivity;
    if (lua_type(L, 2) == LUA_TSTRING) {
        size_t size;
        const char *value = lua_tolstring(L, 2, &size);
        sensitivity = sensitivity_of_value(key, value, size);
    } else {
        sensitivity = sensitivity_of(key);
    }
    lua_pushboolean(L, sensitivity != SENSITIVE_NONE);
    lua_pushboolean(L, sensitivity == SENSITIVE_WHOLE);
    return 2;
}
