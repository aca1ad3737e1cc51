#include "http/transport_job.h"

#include "secret/secret.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* libcurl sends a method as it is given, line breaks and all. */
static bool is_method(const char *method)
{
    size_t size = strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return size > 0 && method[size] == '\0';
}

static bool is_visible_ascii(const struct buffer *b)
{
    for (size_t i = 0; i < b->size; i++)
        if (b->data[i] <= ' ' || b->data[i] > '~')
            return false;
    return true;
}

static bool is_loopback_host(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    char bare[INET6_ADDRSTRLEN];
    size_t size = strlen(host);
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (size < 2 || host[0] != '[' || size - 2 >= sizeof bare)
        return text_equals_word(host, size, "localhost");
    memcpy(bare, host + 1, size - 2);
    bare[size - 2] = '\0';
    return inet_pton(AF_INET6, bare, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* Whether the URL leads to this machine itself. libcurl's own parser reads it,
 * so that no spelling of a host means one thing here and another there. */
static bool is_loopback(const char *url)
{
    /* This spelling has one meaning only, and is what a simulator is called by. */
    static const char literal[] = "http://127.0.0.1";
    const size_t size = sizeof literal - 1;
    if (strncmp(url, literal, size) == 0 && (url[size] == ':' || url[size] == '/'))
        return true;
    bool loopback = false;
    char *host = NULL;
    CURLU *parsed = curl_url();
    if (parsed != NULL && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK)
        loopback = is_loopback_host(host);
    curl_free(host);
    curl_url_cleanup(parsed);
    return loopback;
}

static const char *url_fault(const struct request *r)
{
    static const char https[] = "https://", http[] = "http://";
    const char *url = buffer_text(&r->url);
    if (!is_visible_ascii(&r->url))
        return "the URL holds a character that is not percent-encoded";
    bool secure = r->url.size > strlen(https) && text_equals_word(url, strlen(https), https);
    bool plain = r->url.size > strlen(http) && text_equals_word(url, strlen(http), http);
    if (!secure && !plain)
        return "the URL does not start with https://";
    const char *authority = url + strlen(secure ? https : http);
    size_t size = strcspn(authority, "/?#");
    if (size == 0)
        return "the URL has no host";
    if (memchr(authority, '@', size) != NULL || memchr(authority, '\\', size) != NULL)
        return "the URL holds credentials, or a backslash, before its path";
    if (plain && !r->http->allow_http && !is_loopback(url))
        return "plain http is for this machine itself only: use https, or set allow_http";
    return NULL;
}

static const char *credential_fault(const struct http_options *c)
{
    if (c->authentication == AUTH_NONE)
        return NULL;
    bool basic = c->authentication == AUTH_BASIC;
    if (c->password == NULL || (basic && c->user == NULL))
        return "a credential is missing";
    if (basic && strchr(c->user, ':') != NULL)
        return "the user name holds a ':'";
    if (basic && text_has_control(c->user, strlen(c->user)))
        return "the user name holds a control character";
    if (text_has_control(secret_bytes(c->password), secret_size(c->password)))
        return basic ? "the password holds a control character"
                     : "the token holds a control character";
    return NULL;
}

const char *request_fault(const struct request *r)
{
    if (!is_method(r->method))
        return "the method is not a word of capital letters";
    if (r->url.overflowed || r->body.overflowed)
        return "the request is larger than this side can hold";
    const char *fault = url_fault(r);
    return fault != NULL ? fault : credential_fault(r->http);
}

void response_refuse(struct response *r, enum fault fault, const char *message)
{
    r->fault = fault;
    r->sent = SENT_NO;
    snprintf(r->message, sizeof r->message, "%s", message);
}
