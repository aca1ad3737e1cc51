/* options: the program's command line.
 *
 * Options end at the first word that is none: the script or the command, whose
 * own arguments are not looked at, but for a command's --plan. Nothing is copied:
 * the texts are those of argv, which must outlive the struct. */
#ifndef KELP_OPTIONS_H
#define KELP_OPTIONS_H

#include "lua/script.h"
#include "secret/log.h"

#include <stdbool.h>
#include <stddef.h>

struct buffer;

struct options {
    struct script script;
    struct script_action *actions; /* owned: -e and -l, in the order in which they were given */
    size_t action_count;
    bool interactive;  /* -i: a REPL after the script */
    bool version;      /* -v or --version: print the version */
    bool version_only; /* --version: and do nothing else */
    bool help;         /* print the usage, do nothing else */

    bool simulator;
    bool plan;           /* show what would be changed, change nothing */
    bool no_journal;
    bool accept_changes; /* --resume goes on though the script is another */
    const char *journal; /* the file to record in; NULL: one in the state folder */
    const char *resume;  /* the run to resume, or NULL */
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

/* Fills *o from argv (argv[0] is the program). When it cannot be obeyed: false,
 * with one line, without "kelp: " and newline, that says why added to `error`;
 * exit code 2. Call options_free either way. */
bool options_parse(struct options *o, int argc, char **argv, struct buffer *error);

void options_free(struct options *o);

/* The text of --help and the line of --version, newline at the end. */
bool options_usage(struct buffer *out);
bool options_version(struct buffer *out);

#endif
