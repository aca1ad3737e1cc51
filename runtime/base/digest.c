#include "base/digest.h"

#include <nettle/base16.h>
#include <nettle/sha2.h>
#include <string.h>

_Static_assert(DIGEST_SIZE == SHA256_DIGEST_SIZE, "a digest is one of SHA-256");

static void write_text(const uint8_t *digest, char *text)
{
    base16_encode_update(text, DIGEST_SIZE, digest);
    text[2 * DIGEST_SIZE] = '\0';
}

void digest_sha256(const void *bytes, size_t size, char text[DIGEST_TEXT])
{
    struct sha256_ctx context;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&context);
    if (size > 0)
        sha256_update(&context, size, bytes);
    sha256_digest(&context, sizeof digest, digest);
    write_text(digest, text);
    explicit_bzero(&context, sizeof context);
}

uint64_t digest_quick(const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    uint64_t sum = UINT64_C(0x9e3779b97f4a7c15) ^ size;
    while (size > 0) {
        uint64_t word = 0;
        size_t n = size < sizeof word ? size : sizeof word;
        memcpy(&word, at, n);
        sum = (sum ^ word) * UINT64_C(0xff51afd7ed558ccd);
        sum ^= sum >> 32;
        at += n;
        size -= n;
    }
    return sum;
}
