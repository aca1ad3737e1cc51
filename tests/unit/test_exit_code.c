/* The program's exit code as a table of what a run found out. */
#include "session/exit_code.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define DONE {STATE_DONE, 0}
#define RETURNED(n) {STATE_RETURNED, n}
#define FAILED {STATE_FAILED, 0}
#define UNKNOWN {STATE_UNKNOWN, 0}
#define INTERRUPTED {STATE_INTERRUPTED, 0}
#define USAGE {STATE_USAGE, 0}

struct row {
    const char *what;
    int code;
    struct exit_facts facts;
};

static const struct row rows[] = {
    {"nothing to do", 0, {.script = DONE}},
    {"a script that ended", 0, {.script = DONE}},
    {"a script that returned 0", 0, {.script = RETURNED(0)}},
    {"a script that returned a code", 77, {.script = RETURNED(77)}},
    {"an error", 1, {.script = FAILED}},
    {"an error of unknown outcome", 4, {.script = UNKNOWN}},
    {"an interrupt", 130, {.script = INTERRUPTED}},
    {"a command that does not exist", 2, {.script = USAGE}},

    {"failed items", 1, {.failed_items = 80}},
    {"items of unknown outcome", 4, {.failed_items = 1, .unknown_items = 1}},
    {"failed items and a returned 0", 0, {.script = RETURNED(0), .failed_items = 80}},
    {"failed items and a returned code", 9, {.script = RETURNED(9), .failed_items = 1}},
    {"unknown items and a returned 0", 0, {.script = RETURNED(0), .unknown_items = 1}},
    {"failed items and an interrupt", 130, {.script = INTERRUPTED, .failed_items = 3}},

    {"doubles", 4, {.doubles = 1}},
    {"doubles after a returned code", 4, {.script = RETURNED(9), .doubles = 1}},
    {"an audit that failed", 1, {.at_end = FAILED}},
    {"an audit that was interrupted", 130, {.at_end = INTERRUPTED}},
    {"an audit that knows no outcome", 4, {.script = FAILED, .at_end = UNKNOWN}},

    {"a plan with changes", 3, {.changes = 2}},
    {"a plan with changes and a returned 0", 3, {.script = RETURNED(0), .changes = 2}},
    {"a plan of which items failed", 1, {.changes = 2, .failed_items = 1}},
    {"a plan and an error", 1, {.script = FAILED, .changes = 2}},
    {"a plan whose text cannot be written", 3, {.changes = 2, .output_failed = true}},

    {"a limit that the script swallowed", 1, {.limit_reached = true}},
    {"a limit and a returned 0", 1, {.script = RETURNED(0), .limit_reached = true}},

    {"writes without an outcome", 4, {.unknown_writes = 1}},
    {"the same after an error", 4, {.script = FAILED, .unknown_writes = 1}},
    {"the same and a returned 0", 4, {.script = RETURNED(0), .unknown_writes = 1}},
    {"the same and another code", 9, {.script = RETURNED(9), .unknown_writes = 1}},
    {"the same after an interrupt", 130, {.script = INTERRUPTED, .unknown_writes = 1}},
    {"writes that were not asked for again", 1, {.unreached_writes = 1}},
    {"the same and unknown ones", 4, {.unreached_writes = 1, .unknown_writes = 1}},
    {"a journal that cannot be written", 1, {.journal_failed = true}},
    {"the same after an interrupt", 130, {.script = INTERRUPTED, .journal_failed = true}},
    {"output that cannot be written", 1, {.output_failed = true}},
    {"the same and a returned code", 9, {.script = RETURNED(9), .output_failed = true}},
};

static void test_every_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int code = session_exit_code(&rows[i].facts);
        if (code != rows[i].code)
            fail_msg("%s: %d, not %d", rows[i].what, code, rows[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_row)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
