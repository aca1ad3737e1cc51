#include "http/transport_job.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

static enum fault fault_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return FAULT_NONE;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return FAULT_RESOLVE;
    case CURLE_COULDNT_CONNECT:
    case CURLE_INTERFACE_FAILED:
    case CURLE_PROXY:
        return FAULT_CONNECT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_CLIENTCERT:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_USE_SSL_FAILED:
        return FAULT_TLS;
    case CURLE_OPERATION_TIMEDOUT:
        return FAULT_TIMEOUT;
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9: request_refusal saw to the scheme */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_WRITE_ERROR:
    case CURLE_HTTP2:
        return FAULT_PROTOCOL;
    case CURLE_URL_MALFORMAT:
    case CURLE_BAD_FUNCTION_ARGUMENT:
    case CURLE_UNKNOWN_OPTION:
    case CURLE_NOT_BUILT_IN:
        return FAULT_REFUSED;
    case CURLE_OUT_OF_MEMORY:
        return FAULT_MEMORY;
    default:
        return FAULT_CLOSED;
    }
}

static bool none_left(struct job *j)
{
    long bytes = 0; /* of requests, all connections of this transfer together */
    return curl_easy_getinfo(j->easy, CURLINFO_REQUEST_SIZE, &bytes) == CURLE_OK && bytes == 0;
}

static enum sent sent_of(struct job *j, enum fault fault)
{
    switch (fault) {
    case FAULT_NONE:
        return SENT_YES;
    case FAULT_REFUSED:
    case FAULT_RESOLVE:
    case FAULT_CONNECT:
    case FAULT_TLS:
    case FAULT_TIMEOUT:
    case FAULT_CANCELLED:
    case FAULT_SCARCE:
        /* libcurl may have sent it on a connection that died, and have failed
         * only then to make another one. */
        return none_left(j) ? SENT_NO : SENT_MAYBE;
    default:
        return SENT_MAYBE;
    }
}

/* True when the handshake failed because the connection went, and not because of
 * what was said in it: the first is worth another try. libcurl has one code for
 * both; where its words are other ones, the failure counts as the second. */
static bool handshake_cut(const struct job *j, CURLcode code)
{
    return code == CURLE_SSL_CONNECT_ERROR &&
           (strstr(j->error, "SSL_ERROR_SYSCALL") != NULL ||
            strncmp(j->error, "Recv failure:", strlen("Recv failure:")) == 0 ||
            strncmp(j->error, "Send failure:", strlen("Send failure:")) == 0);
}

/* libcurl's word for a header line of more than 100 kB. */
static bool line_too_long(struct job *j, CURLcode code)
{
    return code == CURLE_OUT_OF_MEMORY && !j->complete && !none_left(j);
}

/* True when the certificate's dates are what was not accepted. */
static bool dates_failed(struct job *j)
{
    enum { NOT_YET_VALID = 9, HAS_EXPIRED = 10 }; /* X509_V_ERR_CERT_… of OpenSSL */
    long result = 0;
    return curl_easy_getinfo(j->easy, CURLINFO_SSL_VERIFYRESULT, &result) == CURLE_OK &&
           (result == NOT_YET_VALID || result == HAS_EXPIRED);
}

static void describe(struct job *j, CURLcode code)
{
    struct response *r = &j->transfer->response;
    const struct http_options *c = j->transfer->request.http;
    const char *text = j->error[0] != '\0' ? j->error : curl_easy_strerror(code);
    if (j->fault == FAULT_TOO_LARGE) {
        bool body = j->header_bytes <= c->max_headers && j->complete;
        snprintf(r->message, sizeof r->message, "the response's %s larger than %zu bytes",
                 body ? "body is" : "headers are", body ? c->max_body : c->max_headers);
        return;
    }
    if (j->fault == FAULT_PROTOCOL)
        text = "the response has two lengths that differ";
    else if (code == CURLE_OK)
        text = "the connection ended within the response's headers";
    else if (r->fault == FAULT_TOO_LARGE)
        text = "a line of the response's headers is too long";
    else if (r->fault == FAULT_SCARCE)
        text = "no file descriptor is left for a connection (ulimit -n)";
    else if (code == CURLE_ABORTED_BY_CALLBACK)
        text = "the connection ended before the response, and the request may not be sent twice";
    /* The text may quote the server. */
    struct buffer printable;
    buffer_init(&printable, sizeof r->message - 1);
    text_add_printable(&printable, text, strlen(text));
    if (r->fault == FAULT_TLS && dates_failed(j))
        buffer_add_text(&printable, " (or this machine's clock is wrong)");
    snprintf(r->message, sizeof r->message, "%s", buffer_text(&printable));
    buffer_free(&printable);
}

static int version_of(long version)
{
    switch (version) {
    case CURL_HTTP_VERSION_1_0: return 10;
    case CURL_HTTP_VERSION_1_1: return 11;
    case CURL_HTTP_VERSION_2_0: return 20;
    case CURL_HTTP_VERSION_3: return 30;
    default: return 0;
    }
}

/* Fills in what every response has, however it ended. */
static void measure(struct job *j)
{
    struct response *r = &j->transfer->response;
    curl_off_t microseconds = 0;
    long version = 0;
    r->status = j->status >= 200 ? j->status : 0;
    if (curl_easy_getinfo(j->easy, CURLINFO_HTTP_VERSION, &version) == CURLE_OK)
        r->version = r->status != 0 ? version_of(version) : 0;
    if (curl_easy_getinfo(j->easy, CURLINFO_TOTAL_TIME_T, &microseconds) == CURLE_OK)
        r->elapsed = (double)microseconds / 1e6;
}

/* The fault behind a code, where the code alone does not tell. */
static enum fault fault_behind(struct job *j, CURLcode code)
{
    if (j->fault != FAULT_NONE)
        return j->fault; /* a callback knows better than the code that it caused */
    if (code == CURLE_OK && !j->complete)
        return FAULT_CLOSED; /* libcurl is content with half a header block */
    if (line_too_long(j, code))
        return FAULT_TOO_LARGE;
    if (j->starved && code == CURLE_COULDNT_CONNECT)
        return FAULT_SCARCE;
    return fault_of(code);
}

void job_end(struct job *j, CURLcode code)
{
    struct response *r = &j->transfer->response;
    measure(j);
    r->fault = fault_behind(j, code);
    r->sent = sent_of(j, r->fault);
    bool connection = r->fault == FAULT_CONNECT || r->fault == FAULT_RESOLVE ||
                      r->fault == FAULT_SCARCE;
    if ((connection && r->sent == SENT_MAYBE) || handshake_cut(j, code))
        r->fault = FAULT_CLOSED;
    if (r->fault != FAULT_NONE)
        describe(j, code);
}

void job_end_cancelled(struct job *j)
{
    struct response *r = &j->transfer->response;
    measure(j);
    r->fault = FAULT_CANCELLED;
    r->sent = sent_of(j, FAULT_CANCELLED);
    snprintf(r->message, sizeof r->message, "cancelled");
}
