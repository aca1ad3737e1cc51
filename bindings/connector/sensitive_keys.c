#include "connector/sensitive_keys.h"

#include "providers/password_keys.h"

#include <lauxlib.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Of folded keys: small letters, '.' for '_' and '-'. */
static const char *const secret_words[] = {
    "password", "passwd", "passphrase", "passcode", "secret", "token", "private.key",
    "privatekey", "api.key", "apikey", "access.key", "accesskey", "account.key", "accountkey",
    "credential", "keyfile", "jaas.config", "user.info", "sslkey", "ssl.key", "keystore.key",
    "authorization", "sas.key", "saskey", "shared.key", "sharedkey", "customer.key",
    "consumer.key", "client.key", "function.key", "master.key", "subscription.key",
    "encryption.key", "signing.key", "access.signature", "accesssignature", "sensitive.headers",
};
static const char *const holding_words[] = {"connection.uri", "connection.string"};

/* Where a secret is, how it is made or what it is called: not the secret. */
static const char *const harmless_ends[] = {
    ".algorithm", ".class", ".enable", ".enabled", ".endpoint", ".endpoint.url", ".file.name",
    ".keyname", ".location", ".name", ".property", ".provider", ".source", ".type",
    ".token.uri", ".url",
    /* of the managed secret stores that stand in for the values */
    "secret.manager", "secret.manager.managed.configs", "secret.manager.provider.integration.id",
};

enum { LONGEST_KEY = SENSITIVE_LONGEST_KEY };

struct added {
    struct added *next;
    char key[]; /* folded */
};

static struct added *added;

/* The keys of a list of connectors are the same few again and again. */
enum { LONGEST_KNOWN = 46, PLACES = 256 };
static struct {
    char key[LONGEST_KNOWN + 1];
    unsigned char sensitivity;
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

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool has_word(const char *key, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strstr(key, words[i]) != NULL)
            return true;
    return false;
}

/* Ends that begin with '.' follow something; the others may be all of the key. */
static bool has_end(const char *key, size_t size, const char *const *ends, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(ends[i]);
        if (size < n || strcmp(key + size - n, ends[i]) != 0)
            continue;
        if (ends[i][0] == '.' ? size > n : size == n || key[size - n - 1] == '.')
            return true;
    }
    return false;
}

static int compare_keys(const void *key, const void *item)
{
    return strcmp(key, *(const char *const *)item);
}

static bool is_defined(const char *folded)
{
    for (const struct added *a = added; a != NULL; a = a->next)
        if (strcmp(a->key, folded) == 0)
            return true;
    return bsearch(folded, password_keys, password_key_count, sizeof *password_keys,
                   compare_keys) != NULL;
}

static enum sensitivity judge(const char *key, size_t size)
{
    char folded[LONGEST_KEY + 1];
    if (!fold(key, size, folded) || is_defined(folded))
        return SENSITIVE_WHOLE; /* what cannot be judged is hidden too */
    if (has_end(folded, size, harmless_ends, COUNT(harmless_ends)))
        return SENSITIVE_NONE;
    if (has_word(folded, secret_words, COUNT(secret_words)))
        return SENSITIVE_WHOLE;
    return has_word(folded, holding_words, COUNT(holding_words)) ? SENSITIVE_PART : SENSITIVE_NONE;
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
        known[hash].sensitivity = (unsigned char)judge(key, size);
    }
    return known[hash].sensitivity;
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

int sensitive_keys_add_call(lua_State *L)
{
    if (!sensitive_keys_add(luaL_checkstring(L, 1)))
        return luaL_error(L, "not enough memory");
    return 0;
}
