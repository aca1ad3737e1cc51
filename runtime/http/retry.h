/* retry: what the end of an exchange means, and whether and when to send it
 * again. Functions of their arguments: nothing is kept, nothing waits. */
#ifndef KELP_HTTP_RETRY_H
#define KELP_HTTP_RETRY_H

#include "http/transport.h"

#include <stdbool.h>

struct clock;

enum outcome {
    OUTCOME_DONE,      /* 2xx; the body is not looked at */
    OUTCOME_REFUSED,   /* a final no; nothing was done */
    OUTCOME_REJECTED,  /* not now; nothing was done, any method may be sent again */
    OUTCOME_NOT_SENT,  /* no byte of it left this machine */
    OUTCOME_AMBIGUOUS  /* it may have been done, or may still be */
};

/* What a text in the body of a response means, where its status alone does not tell.
 * Rules stand in an array that a rule of status 0 ends; the first one that fits counts. */
struct response_rule {
    long status;
    const char *text; /* in any case, where * stands for any text on the same line; looked
                       * for in the first 64 KiB of the body; "": whatever it says */
    enum outcome outcome;
};

/* `rules`: those of the service that was asked, or NULL: the status alone decides. */
enum outcome retry_classify(const struct response *response, const struct response_rule *rules);

struct retry_policy {
    int attempts;         /* sends that count, the first one included */
    double base, cap;     /* seconds: backoff after a failure */
    double throttle_base, throttle_cap; /* after a REJECTED without a hint */
    double deadline;      /* seconds for all of it, waits included; 0: no limit */
    double longest_hint;  /* seconds; a longer one is for the user to decide */
};

/* 4 attempts; 0.25 s doubling to 20 s; 1 s doubling to 60 s; 15 min; 5 min. */
struct retry_policy retry_policy_default(void);

/* Seconds to wait after the n-th failure in a row, from 0: evenly distributed below
 * `base` doubled n times, at most `cap`, never less than 0.01. The one formula of
 * every wait that no server has named. */
double retry_backoff(const struct retry_policy *policy, struct clock *clock, int n);

/* The attempts so far; the caller keeps it for each exchange, from zero. */
struct retry_past {
    int attempts;   /* decisions so far that counted */
    int throttles;  /* decisions so far that did not */
    double elapsed; /* seconds since the first send */
};

struct retry_decision {
    bool again;
    double wait;     /* seconds until then; with `pause`, those that the server named */
    const char *why; /* an English phrase for the progress line and the log; a constant */
    bool counts;     /* one of policy.attempts is used up */
    bool pause;      /* not again in this run: the server named a time too far away */
};

/* `repeatable`: sending it twice has the effect of sending it once. */
struct retry_decision retry_decide(const struct retry_policy *policy, struct clock *clock,
                                   enum outcome outcome, const struct response *response,
                                   const struct retry_past *past, bool repeatable);

/* The seconds after which the server wants to be asked again: Retry-After, else
 * X-RateLimit-Reset when the status is 429 or nothing remains. Never negative.
 * Of Retry-After: an HTTP-date, or the number that stands first ("3600, 5"), at most 1e10. Of
 * X-RateLimit-Reset: a number; one above 1e9 is a mistake and counts as absent. */
bool retry_hint(const struct response *response, struct clock *clock, double *seconds);

/* X-RateLimit-*, each -1 when it is absent or no number from 0 to 1e9. */
struct retry_limits {
    double limit;     /* requests in a window, or the depth of a bucket */
    double remaining; /* of them */
    double reset;     /* seconds from the response until all of them are back */
};

/* True when at least `remaining` is there. */
bool retry_limits(const struct response *response, struct retry_limits *limits);

#endif
