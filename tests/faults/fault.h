/* fault: what is to go wrong, as lines of text, and when.
 *
 *   fault METHOD TEXT [skip=N] [times=N] [lasting=S]
 *     step                    for requests of that method (or *) whose target holds that text (or
 *     …                       *): spares the first N of them, does so N times (without: always),
 *   end                       and no longer than S seconds after the first
 *   connection [skip=N] [times=N]            the same for connections, before a byte is read
 *
 * The first fault that fits a request is used. Its steps are done in order:
 *
 *   read N            reads only N bytes of the request's body (else all of it is read)
 *   take N            reads N bytes, whatever they are
 *   delay S           waits S seconds
 *   meanwhile METHOD TARGET [BODY]           somebody else's request, before ours goes on
 *   again             forwards the request, and forgets the answer
 *   forward           forwards the request; its answer is what the next steps are about
 *   later S           forwards it S seconds from now, whatever becomes of the connection
 *   answer STATUS REASON                     an answer of our own, as JSON without a body
 *   status STATUS REASON                     another status for the answer
 *   header LINE       one more header line;  remove NAME: without those lines
 *   body TEXT         another body;          file PATH: the body is that file's
 *   fill N            N more bytes of body, all blanks
 *   length WHAT       none (the end of the connection is the end), chunked, or what
 *                     Content-Length shall say: +N and -N from the truth, or anything else
 *   meter N           as forward, but past N requests a second an answer of our own: 429
 *   send              sends the answer
 *   send head | N     its head, and no more than N bytes of body
 *   drip S            sends the rest of it, one byte each S seconds
 *   raw TEXT          sends these bytes
 *   repeat N TEXT     sends these bytes N times
 *   stall             waits until the other side closes
 *   fin, rst, half    ends the connection: in order; by a reset; one way, and waits for the other
 *
 * A connection goes on after an answer that was sent whole and has an end of its own. */
#ifndef KELP_TESTS_FAULTS_FAULT_H
#define KELP_TESTS_FAULTS_FAULT_H

#include <stdbool.h>

enum action {
    READ, TAKE, DELAY, MEANWHILE, AGAIN, FORWARD, LATER, ANSWER, STATUS, HEADER, REMOVE, BODY,
    FILE_, FILL, LENGTH, METER, SEND, DRIP, RAW, REPEAT, STALL, FIN, RST, HALF, ACTION_COUNT
};

struct step {
    enum action action;
    char *text;    /* what stands behind the word, never NULL */
    double number; /* of the text, when it starts with one */
    struct step *next;
};

struct fault {
    bool connection;
    char *method, *target;
    long skip, times;      /* times < 0: always */
    double lasting, until; /* seconds, 0: for good; wire_seconds, 0: not used yet */
    struct step *steps;
    struct fault *next;
};

/* Reads a fault from the line that begins it and those that follow; ends the program, saying why,
 * when it makes no sense. */
struct fault *fault_read(char *line);

/* The fault for this connection (method NULL) or request, or NULL; it counts as used. */
const struct fault *fault_find(struct fault *first, const char *method, const char *target);

#endif
