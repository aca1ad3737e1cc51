#include "session/exit_code.h"

enum { DONE = 0, FAILED = 1, USAGE = 2, CHANGES = 3, UNKNOWN = 4, INTERRUPTED = 130 };

static int code_of(struct state_result result)
{
    switch (result.ending) {
    case STATE_DONE: return DONE;
    case STATE_RETURNED: return result.code;
    case STATE_FAILED: return FAILED;
    case STATE_UNKNOWN: return UNKNOWN;
    case STATE_INTERRUPTED: return INTERRUPTED;
    case STATE_USAGE: return USAGE;
    }
    return FAILED;
}

static int code_of_script(const struct exit_facts *f)
{
    if (f->script.ending != STATE_DONE)
        return code_of(f->script); /* a code that the script returned stands above its items */
    return f->unknown_items > 0 ? UNKNOWN : f->failed_items > 0 ? FAILED : DONE;
}

int session_exit_code(const struct exit_facts *f)
{
    int code = code_of_script(f);
    if (f->at_end.ending != STATE_DONE)
        code = code_of(f->at_end);
    else if (f->doubles > 0)
        code = UNKNOWN;
    if (code == DONE && f->changes > 0)
        code = CHANGES;
    if (code == DONE && (f->limit_reached || f->unreached_writes > 0))
        code = FAILED;
    if ((code == DONE || code == FAILED) && f->unknown_writes > 0)
        code = UNKNOWN;
    if (code == DONE && (f->journal_failed || f->output_failed))
        code = FAILED;
    return code;
}
