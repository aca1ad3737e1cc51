/* main: the program. The one file of the runtime that names the bindings. */
#include "base/buffer.h"
#include "lua/output.h"
#include "options.h"
#include "program.h"
#include "providers/provider.h"
#include "secret/hardening.h"
#include "secret/log.h"
#include "session/exit_code.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* False when nothing else is asked for. */
static bool print_texts(const struct options *o)
{
    struct buffer text;
    buffer_init(&text, 64 * 1024);
    if (o->help)
        options_usage(&text);
    if (o->version)
        options_version(&text);
    fwrite(buffer_text(&text), 1, text.size, stdout);
    buffer_free(&text);
    return !o->help && !o->version_only;
}

/* Credentials leave the environment and the process closes before anything is opened. */
static bool harden(void)
{
    if (hardening_take_credentials(provider_credentials()) != NULL || !hardening_close_process())
        return false;
    hardening_clean_environment();
    return true;
}

int main(int argc, char **argv)
{
    struct options o;
    struct buffer error;
    struct exit_facts facts = {0};
    if (!output_open() || !harden()) {
        fprintf(stderr, "kelp: cannot start: %s\n", strerror(errno));
        return 1;
    }
    buffer_init(&error, 4096);
    bool understood = options_parse(&o, argc, argv, &error);
    log_set_level(o.log_level);
    log_set_json(o.log_json);
    if (!understood) {
        /* Not a log line: --log none does not silence it. */
        fprintf(stderr, "kelp: %s\n", buffer_text(&error));
        facts.script.ending = STATE_USAGE;
    } else if (print_texts(&o)) {
        program_run(&o, &facts);
    }
    options_free(&o);
    buffer_free(&error);
    int failure = output_end();
    if (failure != 0)
        fprintf(stderr, "kelp: cannot write to standard output: %s\n", strerror(failure));
    facts.output_failed = failure != 0;
    return session_exit_code(&facts);
}
