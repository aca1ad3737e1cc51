#include "options.h"

#include "base/buffer.h"
#include "base/nearest.h"
#include "base/text.h"

#include <lua.h>

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_DIGITS = 15, /* what a double holds exactly, whatever the digits */
    MAX_CONCURRENCY = 1000,
    MAX_MEMORY = 1048576, /* MiB */
    MAX_TIME = 100000000, /* seconds */
};

/* ---- values: each reader fills its field; NULL, or what the value should have been ---- */

/* Digits with at most one point among them: no sign, exponent, hexadecimal,
 * "inf" or locale, all of which strtod would take. Returns the first byte after
 * the number, NULL when there is none or it is not above zero. */
static const char *read_number(const char *text, double *out)
{
    double digits = 0, divisor = 1;
    int count = 0;
    bool point = false;
    for (; (*text >= '0' && *text <= '9') || (*text == '.' && !point); text++) {
        if (*text == '.') {
            point = true;
            continue;
        }
        if (++count > MAX_DIGITS)
            return NULL;
        digits = digits * 10 + (*text - '0');
        divisor = point ? divisor * 10 : divisor;
    }
    *out = digits / divisor;
    return digits > 0 ? text : NULL;
}

static const char *read_rate(void *field, const char *value)
{
    const char *rest = read_number(value, field);
    if (rest == NULL || (*rest != '\0' && strcmp(rest, "/s") != 0))
        return "a number of requests per second such as 5 or 5/s";
    return NULL;
}

static const char *read_seconds(void *field, const char *value)
{
    const char *rest = read_number(value, field);
    if (rest == NULL || *rest != '\0' || *(double *)field > MAX_TIME)
        return "a number of seconds such as 30 or 2.5";
    return NULL;
}

/* 0 when the value is not a whole number from 1 to `most`. */
static double whole_number(const char *value, double most)
{
    double number = 0;
    const char *rest = read_number(value, &number);
    bool whole = rest != NULL && *rest == '\0' && strchr(value, '.') == NULL;
    return whole && number <= most ? number : 0;
}

static const char *read_concurrency(void *field, const char *value)
{
    int *concurrency = field;
    *concurrency = (int)whole_number(value, MAX_CONCURRENCY);
    return *concurrency > 0 ? NULL : "a whole number from 1 to 1000";
}

static const char *read_memory(void *field, const char *value)
{
    size_t *bytes = field;
    *bytes = (size_t)whole_number(value, MAX_MEMORY) * 1024 * 1024;
    return *bytes > 0 ? NULL : "a whole number of MiB from 1 to 1048576";
}

static const char *read_format(void *field, const char *value)
{
    bool *json = field;
    *json = strcmp(value, "json") == 0;
    return *json || strcmp(value, "text") == 0 ? NULL : "text or json";
}

static const char *read_log_level(void *field, const char *value)
{
    int level = log_level_of(value);
    if (level < 0)
        return "none, error, warning, info, debug or trace";
    *(enum log_level *)field = (enum log_level)level;
    return NULL;
}

static const char *read_journal(void *field, const char *value)
{
    size_t size = strlen(value);
    *(const char **)field = value;
    return size > 3 && strcmp(value + size - 3, ".db") == 0 ? NULL : "a file whose name ends in .db";
}

static const char *read_run(void *field, const char *value)
{
    *(const char **)field = value;
    return *value != '\0' ? NULL : "a run, or \"last\"";
}

static const char *read_file_name(void *field, const char *value)
{
    *(const char **)field = value;
    return *value != '\0' ? NULL : "a file";
}

/* The actions have room for one for each word of argv. */
static const char *add_statement(void *field, const char *value)
{
    struct options *o = field;
    o->actions[o->action_count++] = (struct script_action){SCRIPT_STATEMENT, value};
    return NULL;
}

static const char *add_require(void *field, const char *value)
{
    struct options *o = field;
    const char *equals = strchr(value, '=');
    if (value[0] == '\0' || equals == value || (equals != NULL && equals[1] == '\0'))
        return "MOD or GLOBAL=MOD";
    o->actions[o->action_count++] = (struct script_action){SCRIPT_REQUIRE, value};
    return NULL;
}

/* ---- the table ---- */

struct row {
    const char *name;
    const char *argument; /* NULL: takes none */
    size_t field;         /* of struct options: a bool to set, or what `read` fills */
    const char *(*read)(void *field, const char *value);
    const char *help;
};

#define AT(field) offsetof(struct options, field)

/* Parsing and --help both walk it. The last two rows are only for --help: getopt_long knows them. */
static const struct row rows[] = {
    {"-e", "STAT", 0, add_statement, "run the Lua statement STAT (may be given again)"},
    {"-l", "MOD", 0, add_require, "require MOD as a global; -l g=MOD names the global g"},
    {"-i", NULL, AT(interactive), NULL, "start the REPL after the script"},
    {"-v", NULL, AT(version), NULL, "print the version, then go on"},
    {"--sim", NULL, AT(simulator), NULL, "run against the built-in simulator: needs no account"},
    {"--plan", NULL, AT(plan), NULL, "show what would change, send nothing (exit 3: changes)"},
    {"--resume", "RUN", AT(resume), read_run, "resume a run that ended early (an id, or last)"},
    {"--accept-script-change", NULL, AT(accept_changes), NULL,
     "with --resume: though the script is not what it was"},
    {"--journal", "FILE", AT(journal), read_journal,
     "record this run in FILE (a name that ends in .db)"},
    {"--no-journal", NULL, AT(no_journal), NULL,
     "record nothing; the run cannot be resumed or undone"},
    {"--concurrency", "N", AT(concurrency), read_concurrency,
     "at most N operations at once, 1 to 1000"},
    {"--rate", "N/s", AT(rate), read_rate, "at most N requests a second"},
    {"--timeout", "S", AT(timeout), read_seconds, "give up a request after S seconds"},
    {"--output", "FORMAT", AT(json_output), read_format, "print results as text or json"},
    {"--log", "LEVEL", AT(log_level), read_log_level,
     "log none, error, warning, info, debug or trace"},
    {"--log-format", "FORMAT", AT(log_json), read_format, "write the log as text or json"},
    {"--restricted", NULL, AT(restricted), NULL, "run a script of others: no files, no commands"},
    {"--manifest", "FILE", AT(manifest), read_file_name,
     "what a restricted script may write; else nothing"},
    {"--memory-limit", "MIB", AT(memory_limit), read_memory,
     "most memory for Lua; restricted: 256"},
    {"--time-limit", "S", AT(time_limit), read_seconds, "end the run after S seconds"},
    {"--help", NULL, AT(help), NULL, "print this and exit"},
    {"--version", NULL, AT(version_only), NULL, "print the version and exit"},
    {"--", NULL, 0, NULL, "options end here"},
    {"-", NULL, 0, NULL, "options end here; the script is on standard input"},
};

enum { ROWS = sizeof rows / sizeof *rows, LONG = 256 /* + row: what getopt_long returns */ };

static bool is_long(const struct row *r)
{
    return r->name[1] == '-' && r->name[2] != '\0';
}

static bool is_short(const struct row *r)
{
    return r->name[1] != '-' && r->name[1] != '\0';
}

/* What getopt_long wants to know of the rows. */
struct getopt_table {
    struct option longs[ROWS + 1];
    char shorts[2 * ROWS + 3];
};

static void fill_table(struct getopt_table *t)
{
    size_t n = 0;
    char *s = t->shorts;
    /* "+": stop at the first word that is no option; ":": a value that is missing is told apart. */
    *s++ = '+';
    *s++ = ':';
    for (int i = 0; i < ROWS; i++) {
        int argument = rows[i].argument != NULL ? required_argument : no_argument;
        if (is_long(&rows[i])) {
            t->longs[n++] = (struct option){rows[i].name + 2, argument, NULL, LONG + i};
        } else if (is_short(&rows[i])) {
            *s++ = rows[i].name[1];
            if (argument == required_argument)
                *s++ = ':';
        }
    }
    *s = '\0';
    t->longs[n] = (struct option){NULL, 0, NULL, 0};
}

static const struct row *row_of(int found)
{
    if (found >= LONG)
        return &rows[found - LONG];
    for (int i = 0; i < ROWS; i++) {
        if (is_short(&rows[i]) && rows[i].name[1] == found)
            return &rows[i];
    }
    return NULL;
}

/* Names only the part before '=': what follows may be a secret that somebody
 * tried to give where none is taken. */
static bool refuse_unknown(struct buffer *error, const char *word)
{
    char name[32];
    const char *words[ROWS], *nearest = NULL;
    size_t size = strcspn(word, "="), count = 0;
    for (int i = 0; i < ROWS; i++) {
        if (is_long(&rows[i]))
            words[count++] = rows[i].name;
    }
    snprintf(name, sizeof name, "%.*s", (int)size, word);
    if (strncmp(name, "--", 2) == 0 && size < sizeof name)
        nearest = nearest_word(name, words, count);
    (void)(buffer_add_text(error, "unknown option '") &&
           text_add_printable(error, word, size) &&
           (nearest == NULL || buffer_printf(error, "'; did you mean '%s", nearest)) &&
           buffer_add_text(error, nearest != NULL ? "'? (kelp --help lists all)"
                                                  : "' (kelp --help lists all)"));
    return false;
}

static bool refuse_missing(struct buffer *error, const struct row *r)
{
    (void)buffer_printf(error, "%s needs a value: %s %s", r->name, r->name, r->argument);
    return false;
}

static bool store(struct options *o, const struct row *r, const char *value, struct buffer *error)
{
    void *field = (char *)o + r->field;
    if (r->argument == NULL) {
        *(bool *)field = true;
        return true;
    }
    const char *expected = r->read(field, value);
    if (expected == NULL)
        return true;
    (void)(buffer_printf(error, "%s: '", r->name) &&
           text_add_printable(error, value, strlen(value)) &&
           buffer_printf(error, "' is not %s", expected));
    return false;
}

/* getopt_long also takes a beginning of a long option's name, which would change its meaning when
 * an option is added. */
static bool is_whole(const struct row *r, const char *word)
{
    size_t size = strlen(r->name);
    return strncmp(word, r->name, size) == 0 && (word[size] == '\0' || word[size] == '=');
}

/* Up to the first word that is no option, whose index it returns in *next; *ended: after "--". */
static bool parse_options(struct options *o, int argc, char **argv, int *next, bool *ended,
                          struct buffer *error)
{
    struct getopt_table table;
    fill_table(&table);
    opterr = 0;
    optind = 0; /* begin anew: optind becomes 1 */
    for (*next = 1;; *next = optind) {
        const char *word = *next < argc ? argv[*next] : "";
        int found = getopt_long(argc, argv, table.shorts, table.longs, NULL);
        if (found == -1)
            break;
        const struct row *r = row_of(found == '?' || found == ':' ? optopt : found);
        if (r == NULL || (is_long(r) && !is_whole(r, word)))
            return refuse_unknown(error, word);
        if (found == ':')
            return refuse_missing(error, r);
        if (found == '?') {
            (void)buffer_printf(error, "%s takes no value", r->name);
            return false;
        }
        if (!store(o, r, optarg, error))
            return false;
    }
    *ended = optind > *next;
    *next = optind;
    return true;
}

/* ---- what does not go together ---- */

static bool refuse_together(struct buffer *error, const char *a, const char *b)
{
    (void)buffer_printf(error, "%s and %s do not go together", a, b);
    return false;
}

/* What is typed at a prompt or after -e, and kelp's own commands, are not somebody
 * else's script. */
static bool check_restricted(const struct options *o, struct buffer *error)
{
    const char *fault = NULL;
    if (!o->restricted && o->manifest != NULL)
        fault = "--manifest needs --restricted";
    else if (o->restricted && (o->action_count > 0 || o->interactive))
        fault = "--restricted runs a script: it goes with none of -e, -l, -i";
    else if (o->restricted && o->script.kind == SCRIPT_COMMAND)
        fault = "--restricted runs a script, not a command (a script's name ends in .lua)";
    return fault == NULL || (buffer_add_text(error, fault), false);
}

static bool check_together(const struct options *o, struct buffer *error)
{
    if (o->resume != NULL && o->no_journal)
        return refuse_together(error, "--resume", "--no-journal");
    if (o->resume != NULL && o->journal != NULL)
        return refuse_together(error, "--resume", "--journal");
    if (o->resume != NULL && o->plan)
        return refuse_together(error, "--resume", "--plan");
    if (o->journal != NULL && o->no_journal)
        return refuse_together(error, "--journal", "--no-journal");
    return check_restricted(o, error);
}

/* Commands' own options that have the name of one of the program: after the command, they are the
 * command's. */
static const struct {
    const char *command, *option;
} own_options[] = {
    {"migrate", "--timeout"},
    {"sim", "--rate"},
};

static bool is_own_option(const char *command, const struct row *r)
{
    for (size_t i = 0; i < sizeof own_options / sizeof *own_options; i++) {
        if (strcmp(own_options[i].command, command) == 0 &&
            strcmp(own_options[i].option, r->name) == 0)
            return true;
    }
    return false;
}

/* The program's option that this word of a command is, or NULL. Of a command that the user wrote
 * nobody knows which options it has, so it has all but --plan. */
static const struct row *program_option(const char *command, bool is_users, const char *word)
{
    for (int i = 0; i < ROWS; i++) {
        const struct row *r = &rows[i];
        bool is_plan = r->field == AT(plan);
        if (!is_long(r) || !is_whole(r, word) || r->field == AT(help) ||
            r->field == AT(version_only) || (!is_plan && is_users) || is_own_option(command, r))
            continue;
        return r;
    }
    return NULL;
}

/* One option of the program at words[i]; *used: how many words it takes. */
static bool take_option(struct options *o, const struct row *r, char **words, int left, int *used,
                        struct buffer *error)
{
    const char *value = strchr(words[0], '=');
    *used = 1;
    if (r->argument == NULL) {
        if (value == NULL)
            return store(o, r, "", error);
        (void)buffer_printf(error, "%s takes no value", r->name);
        return false;
    }
    if (value != NULL)
        return store(o, r, value + 1, error);
    if (left < 2)
        return refuse_missing(error, r);
    *used = 2;
    return store(o, r, words[1], error);
}

/* The program's options may also stand among the words of a command; they are taken out. */
static bool take_options_of_command(struct options *o, struct buffer *error)
{
    struct script *s = &o->script;
    const char *command = s->argv[s->index];
    bool is_users = script_is_users_command(command), ended = false;
    int kept = s->index + 1;
    for (int i = kept, used; i < s->argc; i += used) {
        ended |= strcmp(s->argv[i], "--") == 0;
        const struct row *r = ended ? NULL : program_option(command, is_users, s->argv[i]);
        used = 1;
        if (r == NULL)
            s->argv[kept++] = s->argv[i];
        else if (!take_option(o, r, &s->argv[i], s->argc - i, &used, error))
            return false;
    }
    s->argc = kept;
    return true;
}

/* What stands at `next` in argv, after the options. */
static bool find_script(struct options *o, int next, bool ended, struct buffer *error)
{
    struct script *s = &o->script;
    s->index = next;
    if (next >= s->argc)
        return true;
    if (!ended && strcmp(s->argv[next], "-") == 0) {
        s->kind = SCRIPT_STDIN;
    } else if (script_is_file(s->argv[next])) {
        s->kind = SCRIPT_FILE;
    } else {
        s->kind = SCRIPT_COMMAND;
        return take_options_of_command(o, error);
    }
    return true;
}

bool options_parse(struct options *o, int argc, char **argv, struct buffer *error)
{
    int next = argc;
    bool ended = false;
    *o = (struct options){.log_level = LOG_NOTICE};
    o->script = (struct script){.argc = argc, .argv = argv, .index = argc};
    o->actions = calloc((size_t)argc + 1, sizeof *o->actions);
    if (o->actions == NULL) {
        (void)buffer_add_text(error, "out of memory");
        return false;
    }
    if (!parse_options(o, argc, argv, &next, &ended, error))
        return false;
    o->version |= o->version_only;
    return find_script(o, next, ended, error) && check_together(o, error);
}

void options_free(struct options *o)
{
    free(o->actions);
    o->actions = NULL;
    o->action_count = 0;
}

bool options_usage(struct buffer *out)
{
    buffer_add_text(out,
        "usage: kelp [options]                 a REPL, or the script on standard input\n"
        "       kelp [options] SCRIPT [args]   a script: a path, or a name ending in .lua\n"
        "       kelp [options] COMMAND [args]  a command, such as list or migrate;\n"
        "                                      options may stand behind it as well\n"
        "\noptions:\n");
    for (int i = 0; i < ROWS; i++) {
        const char *argument = rows[i].argument != NULL ? rows[i].argument : "";
        int width = 22 - (int)strlen(rows[i].name);
        buffer_printf(out, "  %s %-*s%s\n", rows[i].name, width, argument, rows[i].help);
    }
    return buffer_add_text(out, "\nkelp COMMAND --help explains a command.\n");
}

bool options_version(struct buffer *out)
{
    return buffer_printf(out, "kelp %s (%s)\n", KELP_VERSION, LUA_RELEASE);
}
