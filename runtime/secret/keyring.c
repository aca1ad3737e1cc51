#include "secret/keyring.h"

#include "secret/secret.h"

#include <stdlib.h>
#include <string.h>

struct key {
    struct key *next;
    struct secret *secret;
    char name[];
};

static struct key *keys;

struct secret *keyring_find(const char *name)
{
    for (struct key *k = keys; k != NULL; k = k->next)
        if (strcmp(k->name, name) == 0)
            return k->secret;
    return NULL;
}

static bool keep(const char *name, struct secret *s)
{
    size_t size = strlen(name) + 1;
    struct key *k = malloc(sizeof *k + size);
    if (k == NULL)
        return false;
    memcpy(k->name, name, size);
    k->secret = s;
    k->next = keys;
    keys = k;
    return true;
}

static struct secret *take_variable(const char *name, const char **why,
                           struct secret *(*make)(const char *, const char *, size_t))
{
    struct secret *s = keyring_find(name);
    if (s != NULL)
        return s;
    char *value = getenv(name);
    if (value == NULL || *value == '\0') {
        *why = value == NULL ? "is not set" : "is empty";
        return NULL;
    }
    size_t size = strlen(value);
    s = make(name, value, size);
    if (s == NULL || !keep(name, s)) {
        secret_release(s);
        *why = "cannot be held: not enough memory";
        return NULL;
    }
    explicit_bzero(value, size);
    unsetenv(name);
    return s;
}

struct secret *keyring_take(const char *name, const char **why)
{
    return take_variable(name, why, secret_new);
}

struct secret *keyring_take_printable(const char *name, const char **why)
{
    return take_variable(name, why, secret_new_printable);
}

void keyring_forget_all(void)
{
    while (keys != NULL) {
        struct key *k = keys;
        keys = k->next;
        secret_release(k->secret);
        free(k);
    }
}
