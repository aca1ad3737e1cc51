/* Replacements that the linker puts in the place of kelp's own functions
 * (--wrap), for the mutants that are one wrong decision of the engine. */
#include "mutants.h"

#include "http/exchange.h"
#include "http/retry.h"

#include <string.h>

static bool failure_is_not_sent, resends_creates;

bool mutant_select(const char *name)
{
    failure_is_not_sent = strcmp(name, "500-not-sent") == 0;
    resends_creates = strcmp(name, "retry-post") == 0;
    return failure_is_not_sent || resends_creates;
}

enum outcome __real_retry_classify(const struct response *response,
                                   const struct response_rule *rules);
enum outcome __wrap_retry_classify(const struct response *response,
                                   const struct response_rule *rules);
enum outcome __wrap_retry_classify(const struct response *response,
                                   const struct response_rule *rules)
{
    if (failure_is_not_sent && response->fault == FAULT_NONE && response->status == 500)
        return OUTCOME_NOT_SENT;
    return __real_retry_classify(response, rules);
}

void __real_engine_submit(struct engine *e, struct exchange *x);
void __wrap_engine_submit(struct engine *e, struct exchange *x);
void __wrap_engine_submit(struct engine *e, struct exchange *x)
{
    if (resends_creates && strcmp(x->transfer.request.method, "POST") == 0)
        x->resend = true;
    __real_engine_submit(e, x);
}
