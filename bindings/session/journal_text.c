#include "session/journal_text.h"

#include "base/buffer.h"
#include "connector/secret_name.h"
#include "journal/journal.h"
#include "secret/secret.h"

#include <lauxlib.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The text with known secrets replaced, to be freed; NULL when out of memory. */
static char *redacted(const char *text, const char *before)
{
    struct buffer safe;
    buffer_init(&safe, SIZE_MAX);
    char *copy = NULL;
    if (buffer_add_text(&safe, before) && secret_redact(&safe, text, strlen(text)))
        copy = strdup(buffer_text(&safe));
    buffer_wipe(&safe);
    return copy;
}

/* Replaces *text by one that is safe. It is on the stack then. [-0, +1, e] */
static void push_safe(lua_State *L, const char **text)
{
    if (*text == NULL || !secret_name_is_known(*text, strlen(*text))) {
        lua_pushnil(L);
        return;
    }
    char *safe = redacted(*text, "");
    if (safe == NULL)
        luaL_error(L, "not enough memory");
    *text = lua_pushstring(L, safe); /* if memory fails here the copy leaks, redacted, once */
    free(safe);
}

/* ---- a run ---- */

static bool no_memory(struct journal_fault *fault)
{
    *fault = (struct journal_fault){.kind = JOURNAL_MEMORY, .message = "not enough memory"};
    return false;
}

/* Replaces *text by a copy that is safe, to be freed. */
static bool copy_safe(const char **text, const char *before, char **copy,
                      struct journal_fault *fault)
{
    *copy = NULL;
    if (*text == NULL)
        return true;
    *copy = redacted(*text, before);
    if (*copy == NULL)
        return no_memory(fault);
    *text = *copy;
    return true;
}

/* The members of the arguments stand behind a mark that some are not as they were, unless it is
 * there already (within a JSON string its quotes would be escaped). */
static bool copy_arguments(const char **text, char **copy, struct journal_fault *fault)
{
    bool hidden = *text != NULL && **text == '{' && secret_name_is_known(*text, strlen(*text))
                  && strstr(*text, "\"hidden\":true") == NULL;
    if (hidden)
        (*text)++;
    return copy_safe(text, hidden ? "{\"hidden\":true," : "", copy, fault);
}

struct journal *journal_text_create(const struct journal_options *options,
                                    struct journal_fault *fault)
{
    struct journal_run run = *options->run;
    struct journal_options safe = *options;
    const char *slash = strrchr(options->path, '/');
    const char *name = slash != NULL ? slash + 1 : options->path;
    char *script = NULL, *arguments = NULL;
    struct journal *j = NULL;
    if (secret_name_is_known(name, strlen(name))) {
        *fault = (struct journal_fault){.kind = JOURNAL_MISUSE};
        snprintf(fault->message, sizeof fault->message, "the name of the journal holds a secret; "
                                                        "choose another with --journal FILE");
        return NULL;
    }
    safe.run = &run;
    if (copy_safe(&run.script, "", &script, fault)
        && copy_arguments(&run.arguments, &arguments, fault))
        j = journal_create(&safe, fault);
    free(script);
    free(arguments);
    return j;
}

/* ---- operations and values ---- */

static void refuse(lua_State *L, const char *what, const char *name)
{
    if (name != NULL)
        secret_name_refuse(L, what, name, strlen(name));
}

bool journal_text_intend(lua_State *L, struct journal *j, const struct journal_intent *intent,
                         int64_t *op)
{
    struct journal_intent safe = *intent;
    refuse(L, "what the journal calls the write", safe.key);
    refuse(L, "the verb", safe.verb);
    refuse(L, "the target's place", safe.target);
    refuse(L, "the connector's name", safe.connector);
    luaL_checkstack(L, 4, NULL);
    push_safe(L, &safe.place);
    push_safe(L, &safe.request);
    push_safe(L, &safe.pre_image);
    bool fine = journal_intend(j, &safe, op);
    lua_pop(L, 3);
    return fine;
}

bool journal_text_end(lua_State *L, struct journal *j, int64_t op,
                      const struct journal_outcome *outcome)
{
    struct journal_outcome safe = *outcome;
    luaL_checkstack(L, 4, NULL);
    push_safe(L, &safe.remote_id);
    push_safe(L, &safe.result);
    push_safe(L, &safe.error);
    bool fine = journal_end(j, op, &safe);
    lua_pop(L, 3);
    return fine;
}

bool journal_text_set_value(lua_State *L, struct journal *j, const char *label, const char *json)
{
    refuse(L, "the label of a recorded value", label);
    refuse(L, "a recorded value", json);
    return journal_value_set(j, label, json);
}
