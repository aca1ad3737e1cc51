/* transport: how bytes get to a server and back, behind a table of functions.
 *
 * A transfer is one HTTP request and its response. Its owner fills the request,
 * starts it, and gets the same object back from `take` when it has ended, well
 * or badly. Nothing is retried here, and a request whose `repeatable` is false
 * leaves this machine at most once (libcurl's own silent resend on a dead
 * reused connection is made impossible for it).
 *
 * transport_curl is the one that ships; tests have another, with scripted
 * faults and virtual time. */
#ifndef KELP_HTTP_TRANSPORT_H
#define KELP_HTTP_TRANSPORT_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

struct response_rule; /* of http/retry.h */
struct secret;

enum authentication { AUTH_NONE, AUTH_BASIC, AUTH_BEARER };

/* The credential and the options of HTTP; shared by the requests of one target and not
 * changed while one of them is under way. Strings are owned by its maker
 * and may be NULL where that is said. */
struct http_options {
    enum authentication authentication;
    const char *user;          /* AUTH_BASIC: no ':' and no control character */
    struct secret *password;   /* AUTH_BASIC: password; AUTH_BEARER: the token */
    const char *ca_file;       /* PEM bundle in place of the system's, or NULL */
    const char *cert_file;     /* PEM certificate that this side shows, or NULL for none */
    const char *key_file;      /* its private key, or NULL: in cert_file too */
    struct secret *key_password; /* opens the key, or NULL */
    const char *proxy;         /* proxy URL, or NULL for none at all */
    bool allow_http;           /* plain http to more than this machine itself */
    double connect_timeout;    /* seconds until a connection stands */
    double stall_timeout;      /* seconds that a begun response may stand still; 0: 30 */
    size_t max_body;           /* most bytes of a response's decoded body */
    size_t max_headers;        /* most bytes of a response's header lines */
};

struct request {
    const struct http_options *http;
    const char *method;        /* a constant: "GET", "PUT", … */
    struct buffer url;         /* absolute; already percent-encoded */
    struct buffer body;        /* JSON; may hold opened secrets, wiped on free */
    bool has_body;             /* an empty body is still sent as one when true */
    const struct response_rule *rules; /* what its responses mean; not looked at here */
    bool repeatable;           /* may reach the server more than once */
    double timeout;            /* seconds for the whole transfer */
};

/* How a transfer ended, in the words of the cause. */
enum fault {
    FAULT_NONE,      /* a complete HTTP response, whatever its status */
    FAULT_RESOLVE,   /* the host has no address */
    FAULT_CONNECT,   /* nothing accepts connections there */
    FAULT_TLS,       /* no trusted, encrypted connection */
    FAULT_TIMEOUT,   /* `timeout` or `connect_timeout` passed, or it stalled */
    FAULT_CLOSED,    /* the connection ended before the response did; with SENT_NO: in
                      * the TLS handshake */
    FAULT_PROTOCOL,  /* what came is not HTTP, or lies about its length */
    FAULT_TOO_LARGE, /* more than max_body or max_headers */
    FAULT_REFUSED,   /* this side would not send it: scheme, credential, URL */
    FAULT_CANCELLED, /* transport->cancel */
    FAULT_MEMORY,    /* this side ran out of memory */
    FAULT_UNRECORDED, /* this side would not send it: its intent is not on disk */
    FAULT_SCARCE     /* this side has no file descriptor left for a connection */
};

/* How much of the request the server can have seen. */
enum sent { SENT_NO, SENT_MAYBE, SENT_YES };

struct response {
    enum fault fault;
    enum sent sent;
    long status;               /* HTTP status, 0 when none arrived */
    int version;               /* 10, 11, 20; 0 when none arrived */
    struct buffer headers;     /* "Name: value\n" lines of the last header block */
    struct buffer body;
    char message[256];         /* for a fault: what happened, no secret in it */
    double elapsed;            /* seconds from start to end */
};

struct transfer {
    struct request request;
    struct response response;
    void *owner;               /* not looked at */
    void *private_;            /* the transport's own while it is under way */
    struct transfer *next;     /* likewise */
};

struct transport {
    /* Takes the transfer; it must stay where it is until `take` returns it.
     * What cannot be started is finished at once with a fault. */
    void (*start)(struct transport *t, struct transfer *x);
    /* Ends a started transfer with FAULT_CANCELLED; `take` returns it. */
    void (*cancel)(struct transport *t, struct transfer *x);
    /* Waits until a transfer has ended, `wake` is called or `seconds` passed
     * (negative: no limit). Returns 0 or an errno value. */
    int (*wait)(struct transport *t, double seconds);
    /* Ends a wait from a signal handler. */
    void (*wake)(struct transport *t);
    /* The next transfer that has ended, oldest first, or NULL. */
    struct transfer *(*take)(struct transport *t);
    /* Cancels what is under way and frees the transport. */
    void (*free)(struct transport *t);
};

void transfer_init(struct transfer *x);
void transfer_free(struct transfer *x); /* wipes the body; x itself is the owner's */

/* The value of the last header of that name (any case), without surrounding
 * blanks; NULL when there is none. Not NUL-terminated: *size tells its end. */
const char *response_header(const struct response *r, const char *name, size_t *size);

/* Reads a date of an HTTP header (RFC 9110, section 5.6.7) in one of its three forms,
 * without blanks around it, into seconds since 1970-01-01T00:00:00Z. A year of two
 * digits is the one that lies at most 50 years after `wall`. False when the bytes are
 * anything else, no day of the calendar, a year before 1583, or the second before
 * 1970, which curl_getdate cannot tell from an error. */
bool transport_date(const char *bytes, size_t size, double wall, double *seconds);

/* The libcurl transport: one multi handle for the process. NULL when libcurl
 * cannot be initialised; *why then says what is missing. libcurl is first
 * initialised by the first call. */
struct transport *transport_curl(const char **why);

/* "libcurl/7.88.1 OpenSSL/3.0.19 …", for --version. */
const char *transport_version(void);

#endif
