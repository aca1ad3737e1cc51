#define _GNU_SOURCE /* memrchr, memmem */
#include "connector/sensitive_keys.h"

#include "base/buffer.h"
#include "secret/secret.h"

#include <lauxlib.h>

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Of folded keys: small letters, '.' for '_' and '-'. */
static const char *const secret_words[] = {
    "password", "passwd", "passphrase", "secret", "token", "private.key", "privatekey", "api.key",
    "apikey", "access.key", "accesskey", "account.key", "accountkey", "credential", "keyfile",
    "jaas.config", "user.info", "sslkey", "ssl.key", "keystore.key", "authorization",
};
static const char *const holding_words[] = {"connection.uri", "connection.string"};

/* basic.auth.credentials.source and its like say where a secret is, not what. */
static const char *const harmless_ends[] = {".source", ".endpoint.url"};

enum { LONGEST_KEY = 255 };

struct added {
    struct added *next;
    char key[]; /* folded */
};

static struct added *added;

/* The keys of a list of connectors are the same few again and again. */
enum { LONGEST_KNOWN = 46, PLACES = 256 };
static struct {
    char key[LONGEST_KNOWN + 1];
    unsigned char veil;
} known[PLACES];

/* False: longer than any connector's. */
static bool fold(const char *key, size_t size, char folded[LONGEST_KEY + 1])
{
    if (size > LONGEST_KEY)
        return false;
    for (size_t i = 0; i < size; i++) {
        char c = (char)tolower((unsigned char)key[i]);
        folded[i] = c == '_' || c == '-' ? '.' : c;
    }
    folded[size] = '\0';
    return true;
}

static bool holds_one(const char *key, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strstr(key, words[i]) != NULL)
            return true;
    return false;
}

static enum sensitivity judge(const char *key, size_t size)
{
    char folded[LONGEST_KEY + 1];
    if (!fold(key, size, folded))
        return SENSITIVE_WHOLE; /* hide what cannot be judged */
    for (const struct added *a = added; a != NULL; a = a->next)
        if (strcmp(a->key, folded) == 0)
            return SENSITIVE_WHOLE;
    for (size_t i = 0; i < sizeof harmless_ends / sizeof *harmless_ends; i++) {
        size_t n = strlen(harmless_ends[i]);
        if (size > n && strcmp(folded + size - n, harmless_ends[i]) == 0)
            return SENSITIVE_NONE;
    }
    if (holds_one(folded, secret_words, sizeof secret_words / sizeof *secret_words))
        return SENSITIVE_WHOLE;
    if (holds_one(folded, holding_words, sizeof holding_words / sizeof *holding_words))
        return SENSITIVE_PART;
    return SENSITIVE_NONE;
}

enum sensitivity sensitivity_of(const char *key)
{
    size_t size = strlen(key);
    if (size == 0 || size > LONGEST_KNOWN)
        return judge(key, size);
    unsigned hash = 2166136261u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)key[i]) * 16777619u;
    hash = (hash ^ hash >> 16) % PLACES;
    if (strcmp(known[hash].key, key) != 0) {
        memcpy(known[hash].key, key, size + 1);
        known[hash].veil = (unsigned char)judge(key, size);
    }
    return known[hash].veil;
}

bool sensitive_keys_add(const char *key)
{
    size_t size = strlen(key);
    if (sensitivity_of(key) == SENSITIVE_WHOLE)
        return true;
    struct added *a = malloc(sizeof *a + LONGEST_KEY + 1);
    if (a == NULL)
        return false;
    fold(key, size, a->key); /* a longer one is SENSITIVE_WHOLE already */
    a->next = added;
    added = a;
    memset(known, 0, sizeof known);
    return true;
}

static int hexadecimal(char c)
{
    return c >= '0' && c <= '9' ? c - '0'
           : tolower((unsigned char)c) >= 'a' && tolower((unsigned char)c) <= 'f'
               ? tolower((unsigned char)c) - 'a' + 10
               : -1;
}

/* A password within an address: as it stands there, and decoded. */
static bool register_encoded(const char *key, const char *bytes, size_t size)
{
    if (!secret_register(key, bytes, size))
        return false;
    if (memchr(bytes, '%', size) == NULL)
        return true;
    struct buffer plain;
    buffer_init(&plain, SIZE_MAX);
    bool done = true;
    for (size_t i = 0; done && i < size; i++) {
        int high = bytes[i] == '%' && size - i > 2 ? hexadecimal(bytes[i + 1]) : -1;
        int low = high >= 0 ? hexadecimal(bytes[i + 2]) : -1;
        char c = bytes[i];
        if (low >= 0) {
            c = (char)(high << 4 | low);
            i += 2;
        }
        done = buffer_add_char(&plain, c);
    }
    done = done && secret_register(key, buffer_text(&plain), plain.size);
    buffer_wipe(&plain);
    return done;
}

/* The password in scheme://user:password@host. One that holds a '/' should have
 * been encoded: what is up to the last '@' counts, unless a port comes first. */
static bool register_userinfo(const char *key, const char *text, size_t size)
{
    const char *start = memmem(text, size, "://", 3);
    if (start == NULL)
        return true;
    start += 3;
    size_t rest = size - (size_t)(start - text);
    size_t authority = 0;
    while (authority < rest && strchr("/?#", start[authority]) == NULL)
        authority++;
    const char *at = memrchr(start, '@', authority);
    const char *colon = memchr(start, ':', authority);
    if (at == NULL && colon != NULL && strspn(colon + 1, "0123456789") !=
                                           authority - (size_t)(colon + 1 - start))
        at = memrchr(start, '@', rest);
    if (at == NULL || colon == NULL || colon > at)
        return true;
    return register_encoded(key, colon + 1, (size_t)(at - colon) - 1);
}

/* The values of secret keys in ?password=…&… and ;password=…;…, or of a text that
 * starts with such a pair. */
static bool register_parameters(const char *label, const char *text, size_t size)
{
    char key[LONGEST_KEY + 1];
    const char *end = text + size, *pair = text;
    while (pair < end) {
        size_t n = 0;
        while (pair + n < end && strchr("?&;", pair[n]) == NULL)
            n++;
        const char *equals = memchr(pair, '=', n);
        size_t key_size = equals != NULL ? (size_t)(equals - pair) : 0;
        if (key_size > 0 && key_size <= LONGEST_KEY) {
            memcpy(key, pair, key_size);
            key[key_size] = '\0';
            if (sensitivity_of(key) == SENSITIVE_WHOLE &&
                !register_encoded(label, equals + 1, n - key_size - 1))
                return false;
        }
        pair += n + 1;
    }
    return true;
}

/* Of user:password, and of JAAS's password="…". */
static bool register_inner(const char *key, const char *value, size_t size)
{
    static const char mark[] = "password=\"";
    const char *colon = memchr(value, ':', size);
    if (strstr(key, "user.info") != NULL && colon != NULL &&
        !secret_register(key, colon + 1, size - (size_t)(colon + 1 - value)))
        return false;
    const char *start = memmem(value, size, mark, sizeof mark - 1);
    if (start == NULL)
        return true;
    start += sizeof mark - 1;
    const char *end = memchr(start, '"', size - (size_t)(start - value));
    return end == NULL || secret_register(key, start, (size_t)(end - start));
}

/* "${file:/etc/kafka/secrets:password}": the worker puts the secret there. */
static bool is_placeholder(const char *value, size_t size)
{
    return size > 4 && value[0] == '$' && value[1] == '{' &&
           memchr(value, '}', size) == value + size - 1 && memchr(value, ':', size) != NULL;
}

bool sensitive_value_register(const char *key, const char *value, size_t size)
{
    if (is_placeholder(value, size))
        return true;
    enum sensitivity veil = sensitivity_of(key);
    if (veil == SENSITIVE_WHOLE &&
        (!secret_register(key, value, size) || !register_inner(key, value, size)))
        return false;
    bool address = memmem(value, size, "://", 3) != NULL;
    if (!address && veil != SENSITIVE_PART)
        return true;
    if (veil == SENSITIVE_PART && !address && memchr(value, '=', size) == NULL)
        return secret_register(key, value, size); /* neither of the forms that we know */
    return register_userinfo(key, value, size) && register_parameters(key, value, size);
}

int sensitive_keys_is_call(lua_State *L)
{
    enum sensitivity veil = sensitivity_of(luaL_checkstring(L, 1));
    lua_pushboolean(L, veil != SENSITIVE_NONE);
    lua_pushboolean(L, veil == SENSITIVE_WHOLE);
    return 2;
}

int sensitive_keys_add_call(lua_State *L)
{
    if (!sensitive_keys_add(luaL_checkstring(L, 1)))
        return luaL_error(L, "not enough memory");
    return 0;
}
