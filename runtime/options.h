/* options: the program's command line.
 *
 * Options end at the first word that is none: the script or the command, whose
 * own arguments are not looked at, but for a command's --plan. Nothing is copied:
 * the texts are those of argv, which must outlive the struct. */
#ifndef KELP_OPTIONS_H
#define KELP_OPTIONS_H

#include "secret/log.h"

#include <stdbool.h>
#include <stddef.h>

struct buffer;

/* -e and -l, in the order in which they were given. */
struct options_action {
    enum { OPTIONS_RUN_TEXT, OPTIONS_REQUIRE } kind;
    const char *text; /* the statement; "mod" or "g=mod" */
};

struct options {
    int argc;
    char **argv;
    int script; /* index in argv of the script or command; argc when there is none */
    enum {
        OPTIONS_NONE,    /* no script: a REPL, standard input, or only -e and -v */
        OPTIONS_STDIN,   /* "-" */
        OPTIONS_SCRIPT,  /* a path, or a name that ends in ".lua" */
        OPTIONS_COMMAND, /* any other word */
    } run;

    struct options_action *actions; /* owned */
    size_t action_count;
    bool interactive; /* -i: a REPL after the script */
    bool version;     /* -v: print the version, then go on */
    bool quit;        /* --help or --version: print what is asked for, do nothing else */
    bool help;

    bool simulator;
    bool plan;           /* show what would be changed, change nothing */
    bool no_journal;
    bool accept_changes; /* --resume goes on though the script is another */
    const char *journal; /* the file to record in; NULL: one in the state folder */
    const char *resume;  /* the run to go on with, or NULL */
    bool json_output;
    bool log_json;
    enum log_level log_level;
    int concurrency; /* operations under way at once; 0: not given */
    double rate;     /* requests a second; 0: not given */
    double timeout;  /* seconds for one request; 0: not given */

    bool restricted;      /* the script is somebody else's */
    const char *manifest; /* the file that says what it may do; NULL: not given */
    size_t memory_limit;  /* bytes of Lua values; 0: not given */
    double time_limit;    /* seconds for the whole run; 0: not given */
};

/* True for a word that names a script: a path, or a name that ends in ".lua". */
bool options_is_script(const char *word);

/* What holds when nothing is given. */
void options_defaults(struct options *o);

/* Fills *o from argv (argv[0] is the program). When it cannot be obeyed: false,
 * with one line, without "kelp: " and newline, that says why added to `error`;
 * exit code 2. Call options_free either way. */
bool options_parse(struct options *o, int argc, char **argv, struct buffer *error);

void options_free(struct options *o);

/* The text of --help and the line of --version, newline at the end. */
bool options_usage(struct buffer *out);
bool options_version(struct buffer *out);

#endif
