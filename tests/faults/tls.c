/* tls: takes TLS off connections and hands their bytes to a port on loopback.
 *
 *   tls --to PORT --cert FILE --key FILE [--old] [--h2-first N] [--stall-first N]
 *       [--reset-first N] [--abrupt] [--next-cert FILE --next-key FILE]
 *
 * --old: TLS 1.0 and nothing newer; --h2-first: the first N connections agree to HTTP/2 (the bytes
 * are then frames), later ones to HTTP/1.1; --stall-first, --reset-first: so many connections get
 * no further than the handshake; --abrupt: closes without saying so within TLS; --next-…: from the
 * second connection on. The first line of output is the port; the end of input ends it. */
#define _GNU_SOURCE
#include "wire.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct front {
    int to, fd;
    const char *cert, *key, *next_cert, *next_key;
    bool old, abrupt;
    int h2_first, stall_first, reset_first;
    SSL_CTX *context, *next;
};

struct visit {
    const struct front *front;
    int fd, number;
};

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                           const unsigned char *in, unsigned in_size, void *data)
{
    (void)data;
    static const unsigned char h2[] = "\2h2", h1[] = "\10http/1.1";
    bool two = SSL_get_app_data(ssl) != NULL;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_size, two ? h2 : h1, two ? 3 : 9, in, in_size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static void fail_tls(const char *what)
{
    ERR_print_errors_fp(stderr);
    wire_fail(what);
}

static SSL_CTX *make_context(const struct front *f, const char *cert, const char *key)
{
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    if (c == NULL)
        fail_tls("TLS");
    if (f->old) {
        SSL_CTX_set_security_level(c, 0);
        SSL_CTX_set_min_proto_version(c, TLS1_VERSION);
        SSL_CTX_set_max_proto_version(c, TLS1_VERSION);
    }
    if (SSL_CTX_use_certificate_chain_file(c, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) != 1)
        fail_tls(cert);
    SSL_CTX_clear_mode(c, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_alpn_select_cb(c, choose_protocol, NULL);
    return c;
}

/* Bytes that came decrypted, to the backend. False at the end. */
static bool from_client(SSL *ssl, int backend)
{
    char bytes[16 * 1024];
    do {
        int n = SSL_read(ssl, bytes, sizeof bytes);
        if (n <= 0)
            return SSL_get_error(ssl, n) == SSL_ERROR_WANT_READ;
        if (!wire_write(backend, bytes, (size_t)n))
            return false;
    } while (SSL_pending(ssl) > 0);
    return true;
}

static bool from_backend(int backend, SSL *ssl)
{
    char bytes[16 * 1024];
    ssize_t n = recv(backend, bytes, sizeof bytes, 0);
    return n > 0 && SSL_write(ssl, bytes, (int)n) > 0;
}

static void relay(struct visit *v, SSL *ssl)
{
    int backend = wire_connect(v->front->to);
    if (backend < 0)
        return;
    struct pollfd p[] = { { .fd = v->fd, .events = POLLIN }, { .fd = backend, .events = POLLIN } };
    bool open = true;
    while (open && poll(p, 2, -1) > 0)
        open = (p[0].revents == 0 || from_client(ssl, backend)) &&
               (p[1].revents == 0 || from_backend(backend, ssl));
    close(backend);
    if (!v->front->abrupt)
        SSL_shutdown(ssl);
}

static void stall(int fd)
{
    char bytes[4096];
    while (recv(fd, bytes, sizeof bytes, 0) > 0)
        ;
}

static void reset(int fd)
{
    char byte;
    struct linger linger = { .l_onoff = 1, .l_linger = 0 };
    recv(fd, &byte, 1, 0);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static void *run(void *data)
{
    struct visit *v = data;
    const struct front *f = v->front;
    if (v->number <= f->stall_first) {
        stall(v->fd);
    } else if (v->number <= f->reset_first) {
        reset(v->fd);
    } else {
        SSL *ssl = SSL_new(v->number > 1 ? f->next : f->context);
        if (ssl == NULL)
            fail_tls("TLS");
        SSL_set_app_data(ssl, v->number <= f->h2_first ? v : NULL);
        if (SSL_set_fd(ssl, v->fd) == 1 && SSL_accept(ssl) == 1)
            relay(v, ssl);
        SSL_free(ssl);
    }
    close(v->fd);
    free(v);
    return NULL;
}

static void *accept_all(void *data)
{
    struct front *f = data;
    for (int number = 1;; number++) {
        struct visit *v = calloc(1, sizeof *v);
        pthread_t thread;
        if (v == NULL)
            wire_fail("memory");
        v->front = f;
        v->number = number;
        v->fd = accept4(f->fd, NULL, NULL, SOCK_CLOEXEC);
        if (v->fd < 0)
            wire_fail("accept");
        if (pthread_create(&thread, NULL, run, v) != 0)
            wire_fail("thread");
        pthread_detach(thread);
    }
}

int main(int argc, char **argv)
{
    struct front f = { .to = 0 };
    struct {
        const char *name;
        const char **text;
        int *number;
        bool *flag;
    } options[] = {
        { "--to", NULL, &f.to, NULL }, { "--cert", &f.cert, NULL, NULL },
        { "--key", &f.key, NULL, NULL }, { "--old", NULL, NULL, &f.old },
        { "--h2-first", NULL, &f.h2_first, NULL }, { "--stall-first", NULL, &f.stall_first, NULL },
        { "--reset-first", NULL, &f.reset_first, NULL }, { "--abrupt", NULL, NULL, &f.abrupt },
        { "--next-cert", &f.next_cert, NULL, NULL }, { "--next-key", &f.next_key, NULL, NULL },
    };
    for (int i = 1; i < argc; i++) {
        size_t k = 0;
        while (k < sizeof options / sizeof *options && strcmp(options[k].name, argv[i]) != 0)
            k++;
        if (k == sizeof options / sizeof *options || (options[k].flag == NULL && i + 1 == argc))
            return fprintf(stderr, "tls: no such option, or no value: %s\n", argv[i]), 2;
        if (options[k].flag != NULL)
            *options[k].flag = true;
        else if (options[k].number != NULL)
            *options[k].number = atoi(argv[++i]);
        else
            *options[k].text = argv[++i];
    }
    signal(SIGPIPE, SIG_IGN);
    int port;
    f.fd = wire_bind(&port);
    f.context = make_context(&f, f.cert, f.key);
    f.next = f.next_cert != NULL ? make_context(&f, f.next_cert, f.next_key) : f.context;
    pthread_t thread;
    if (listen(f.fd, 1024) < 0 || pthread_create(&thread, NULL, accept_all, &f) != 0)
        wire_fail("listen");
    printf("%d\n", port);
    fflush(stdout);
    char bytes[64];
    while (read(STDIN_FILENO, bytes, sizeof bytes) > 0)
        ;
    _exit(0);
}
