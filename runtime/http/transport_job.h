/* transport_job: one transfer on one libcurl handle; private to
 * transport_curl.c, which owns the handles and drives them. */
#ifndef KELP_HTTP_TRANSPORT_JOB_H
#define KELP_HTTP_TRANSPORT_JOB_H

#include "http/transport.h"

#include <curl/curl.h>

enum { JOB_HEADER_LINES = 5 };

struct job {
    CURL *easy;                 /* kept when the job is idle, with its buffers */
    CURLU *url;                 /* likewise: the request's address, taken apart */
    struct buffer origin;       /* the scheme, host and port in it; empty: none */
    struct transfer *transfer;  /* NULL when idle */
    struct job *next, *previous;
    struct buffer authorization; /* a header line; wiped by job_release */
    struct curl_slist headers[JOB_HEADER_LINES];
    size_t header_lines;        /* of the request */
    bool begun;                 /* libcurl has been allowed to send the request */
    size_t header_bytes;        /* of the response, all blocks together */
    long status;                /* of the block that is arriving */
    bool complete;              /* the last header block has ended */
    size_t length_at, length_size; /* Content-Length's value in response.headers */
    enum fault fault;           /* why a callback ended the transfer */
    bool starved;               /* there was no descriptor for its last connection */
    CURLcode setup;             /* the first option that could not be set */
    char error[CURL_ERROR_SIZE];
};

/* NULL when out of memory. */
struct job *job_new(void);
void job_free(struct job *j);

/* Binds an idle job to a transfer that request_fault has nothing against, and
 * sets the handle up for it. False: could not be set up, and the response says so. */
bool job_prepare(struct job *j, struct transfer *x);

/* Fills the response's outcome from how libcurl ended. */
void job_end(struct job *j, CURLcode code);

/* Fills the response's outcome for a transfer that is ended from this side. */
void job_end_cancelled(struct job *j);

/* Makes the job idle again; nothing of the request stays in it. */
void job_release(struct job *j);

/* Why this side will not send the request, or NULL. */
const char *request_fault(const struct request *r);

/* Fills what `take` returns for a transfer that never started. */
void response_refuse(struct response *r, enum fault fault, const char *message);

#endif
