#include "options.h"

#include "base/buffer.h"
#include "base/text.h"

#include <lua.h>

#include <stdlib.h>
#include <string.h>

enum {
    MAX_DIGITS = 15, /* what a double holds exactly, whatever the digits */
    MAX_CONCURRENCY = 1000,
    MAX_MEMORY = 1048576, /* MiB */
    MAX_TIME = 100000000, /* seconds */
};

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

/* Each takes the value of one option; NULL, or what the value should have been. */
static const char *take_rate(struct options *o, const char *value)
{
    const char *rest = read_number(value, &o->rate);
    if (rest == NULL || (*rest != '\0' && strcmp(rest, "/s") != 0))
        return "a number of requests per second such as 5 or 5/s";
    return NULL;
}

static const char *take_timeout(struct options *o, const char *value)
{
    const char *rest = read_number(value, &o->timeout);
    return rest == NULL || *rest != '\0' ? "a number of seconds such as 30 or 2.5" : NULL;
}

static const char *take_concurrency(struct options *o, const char *value)
{
    double number = 0;
    const char *rest = read_number(value, &number);
    if (rest == NULL || *rest != '\0' || strchr(value, '.') != NULL || number > MAX_CONCURRENCY)
        return "a whole number from 1 to 1000";
    o->concurrency = (int)number;
    return NULL;
}

static const char *take_text_or_json(bool *json, const char *value)
{
    *json = strcmp(value, "json") == 0;
    return *json || strcmp(value, "text") == 0 ? NULL : "text or json";
}

static const char *take_output(struct options *o, const char *value)
{
    return take_text_or_json(&o->json_output, value);
}

static const char *take_log_format(struct options *o, const char *value)
{
    return take_text_or_json(&o->log_json, value);
}

static const char *take_log(struct options *o, const char *value)
{
    int level = log_level_of(value);
    if (level < 0)
        return "none, error, warning, info, debug or trace";
    o->log_level = (enum log_level)level;
    return NULL;
}

/* `actions` has room for one action a word of argv. */
static const char *take_run(struct options *o, const char *value)
{
    o->actions[o->action_count++] = (struct options_action){OPTIONS_RUN_TEXT, value};
    return NULL;
}

static const char *take_require(struct options *o, const char *value)
{
    const char *equals = strchr(value, '=');
    if (value[0] == '\0' || equals == value || (equals != NULL && equals[1] == '\0'))
        return "MOD or GLOBAL=MOD";
    o->actions[o->action_count++] = (struct options_action){OPTIONS_REQUIRE, value};
    return NULL;
}

static const char *take_interactive(struct options *o, const char *value)
{
    (void)value;
    o->interactive = true;
    return NULL;
}

static const char *take_simulator(struct options *o, const char *value)
{
    (void)value;
    o->simulator = true;
    return NULL;
}

static const char *take_plan(struct options *o, const char *value)
{
    (void)value;
    o->plan = true;
    return NULL;
}

static const char *take_no_journal(struct options *o, const char *value)
{
    (void)value;
    o->no_journal = true;
    return NULL;
}

static const char *take_journal(struct options *o, const char *value)
{
    size_t size = strlen(value);
    o->journal = value;
    return size > 3 && strcmp(value + size - 3, ".db") == 0 ? NULL : "a file whose name ends in .db";
}

static const char *take_resume(struct options *o, const char *value)
{
    o->resume = value;
    return *value != '\0' ? NULL : "a run, or \"last\"";
}

static const char *take_accept_changes(struct options *o, const char *value)
{
    (void)value;
    o->accept_changes = true;
    return NULL;
}

static const char *take_restricted(struct options *o, const char *value)
{
    (void)value;
    o->restricted = true;
    return NULL;
}

static const char *take_manifest(struct options *o, const char *value)
{
    o->manifest = value;
    return value[0] == '\0' ? "a file" : NULL;
}

static const char *take_memory_limit(struct options *o, const char *value)
{
    double number = 0;
    const char *rest = read_number(value, &number);
    if (rest == NULL || *rest != '\0' || strchr(value, '.') != NULL || number > MAX_MEMORY)
        return "a whole number of MiB from 1 to 1048576";
    o->memory_limit = (size_t)number * 1024 * 1024;
    return NULL;
}

static const char *take_time_limit(struct options *o, const char *value)
{
    const char *rest = read_number(value, &o->time_limit);
    if (rest == NULL || *rest != '\0' || o->time_limit > MAX_TIME)
        return "a number of seconds such as 30 or 2.5";
    return NULL;
}

static const char *take_v(struct options *o, const char *value)
{
    (void)value;
    o->version = true;
    return NULL;
}

static const char *take_version(struct options *o, const char *value)
{
    o->quit = true;
    return take_v(o, value);
}

static const char *take_help(struct options *o, const char *value)
{
    (void)value;
    o->quit = o->help = true;
    return NULL;
}

static const char *take_stdin(struct options *o, const char *value)
{
    (void)value;
    o->run = OPTIONS_STDIN;
    return NULL;
}

static const char *take_end(struct options *o, const char *value)
{
    (void)o, (void)value;
    return NULL;
}

struct row {
    const char *name;
    const char *argument; /* NULL: takes none */
    const char *(*take)(struct options *o, const char *value);
    const char *help;
};

/* The one list: parsing and help both walk it. */
static const struct row rows[] = {
    {"-e", "STAT", take_run, "run the Lua statement STAT (may be given again)"},
    {"-l", "MOD", take_require, "require MOD as a global; -l g=MOD names the global g"},
    {"-i", NULL, take_interactive, "go on in the REPL after the script"},
    {"-v", NULL, take_v, "print the version, then go on"},
    {"--sim", NULL, take_simulator, "run against the built-in simulator: needs no account"},
    {"--plan", NULL, take_plan, "show what would change, send nothing (exit 3: changes)"},
    {"--resume", "RUN", take_resume, "go on with a run that ended early (an id, or last)"},
    {"--accept-script-change", NULL, take_accept_changes,
     "with --resume: though the script is not what it was"},
    {"--journal", "FILE", take_journal, "record this run in FILE (a name that ends in .db)"},
    {"--no-journal", NULL, take_no_journal, "record nothing; the run cannot be resumed or undone"},
    {"--concurrency", "N", take_concurrency, "at most N operations at once, 1 to 1000"},
    {"--rate", "N/s", take_rate, "at most N requests a second"},
    {"--timeout", "S", take_timeout, "give up a request after S seconds"},
    {"--output", "FORMAT", take_output, "print results as text or json"},
    {"--log", "LEVEL", take_log, "log none, error, warning, info, debug or trace"},
    {"--log-format", "FORMAT", take_log_format, "write the log as text or json"},
    {"--restricted", NULL, take_restricted, "run a script of others: no files, no commands"},
    {"--manifest", "FILE", take_manifest, "what a restricted script may write; else nothing"},
    {"--memory-limit", "MIB", take_memory_limit, "most memory for Lua; restricted: 256"},
    {"--time-limit", "S", take_time_limit, "end the run after S seconds"},
    {"--help", NULL, take_help, "print this and exit"},
    {"--version", NULL, take_version, "print the version and exit"},
    {"--", NULL, take_end, "options end here"},
    {"-", NULL, take_stdin, "options end here; the script is on standard input"},
};

static bool is_long(const struct row *r)
{
    return r->name[1] == '-' && r->name[2] != '\0';
}

/* The row that `word` names, alone or with its value attached: --rate=5, -e1.
 * *attached is that value, or NULL. */
static const struct row *find_row(const char *word, const char **attached)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t size = strlen(rows[i].name);
        *attached = NULL;
        if (strcmp(word, rows[i].name) == 0)
            return &rows[i];
        if (strncmp(word, rows[i].name, size) != 0)
            continue;
        if (is_long(&rows[i]) && word[size] == '=')
            return *attached = word + size + 1, &rows[i];
        if (!is_long(&rows[i]) && rows[i].argument != NULL)
            return *attached = word + size, &rows[i];
    }
    return NULL;
}

/* Names only the part before '=': what follows may be a secret that somebody
 * tried to give where none is taken. */
static bool refuse_unknown(struct buffer *error, const char *word)
{
    (void)(buffer_add_text(error, "unknown option '") &&
           text_add_printable(error, word, strcspn(word, "=")) &&
           buffer_add_text(error, "' (kelp --help lists all)"));
    return false;
}

static bool take_word(struct options *o, int *index, const struct row *r, const char *value,
                      struct buffer *error)
{
    if (r->argument == NULL && value != NULL) {
        (void)buffer_printf(error, "%s takes no value", r->name);
        return false;
    }
    if (r->argument != NULL && value == NULL) {
        if (*index + 1 >= o->argc) {
            (void)buffer_printf(error, "%s needs a value: %s %s", r->name, r->name,
                                r->argument);
            return false;
        }
        value = o->argv[++*index];
    }
    const char *expected = r->take(o, value);
    if (expected == NULL)
        return true;
    (void)(buffer_printf(error, "%s: '", r->name) &&
           text_add_printable(error, value, strlen(value)) &&
           buffer_printf(error, "' is not %s", expected));
    return false;
}

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
    else if (o->restricted && o->run == OPTIONS_COMMAND)
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

bool options_is_script(const char *word)
{
    size_t size = strlen(word);
    return strchr(word, '/') != NULL || (size > 4 && strcmp(word + size - 4, ".lua") == 0);
}

/* Every command takes --plan among its own words too. */
static void take_plan_of_command(struct options *o)
{
    int kept = o->script + 1;
    bool ended = false;
    for (int i = kept; i < o->argc; i++) {
        ended |= strcmp(o->argv[i], "--") == 0;
        if (!ended && strcmp(o->argv[i], "--plan") == 0)
            o->plan = true;
        else
            o->argv[kept++] = o->argv[i];
    }
    o->argc = kept;
}

void options_defaults(struct options *o)
{
    *o = (struct options){.log_level = LOG_NOTICE};
}

bool options_parse(struct options *o, int argc, char **argv, struct buffer *error)
{
    options_defaults(o);
    o->argc = o->script = argc;
    o->argv = argv;
    o->actions = calloc((size_t)argc + 1, sizeof *o->actions);
    if (o->actions == NULL) {
        (void)buffer_add_text(error, "out of memory");
        return false;
    }
    int i = 1;
    bool ended = false;
    for (; i < argc && argv[i][0] == '-' && !ended; i++) {
        const char *value;
        const struct row *r = find_row(argv[i], &value);
        if (r == NULL)
            return refuse_unknown(error, argv[i]);
        if (!take_word(o, &i, r, value, error))
            return false;
        ended = r->take == take_end || r->take == take_stdin;
    }
    if (o->run == OPTIONS_STDIN) {
        o->script = i - 1;
    } else if (i < argc) {
        o->script = i;
        o->run = options_is_script(argv[i]) ? OPTIONS_SCRIPT : OPTIONS_COMMAND;
        if (o->run == OPTIONS_COMMAND)
            take_plan_of_command(o);
    }
    return check_together(o, error);
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
        "       kelp [options] COMMAND [args]  a command, such as list or migrate\n"
        "\noptions:\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
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
