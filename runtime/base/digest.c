#include "base/digest.h"

#include <sha2.h>
#include <string.h>

_Static_assert(DIGEST_SIZE == SHA256_DIGEST_LENGTH, "a digest is one of SHA-256");

static void write_text(const uint8_t *digest, char *text)
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < DIGEST_SIZE; i++) {
        text[2 * i] = digits[digest[i] >> 4];
        text[2 * i + 1] = digits[digest[i] & 15];
    }
    text[2 * DIGEST_SIZE] = '\0';
}

/* libmd's functions must not be given NULL, not even for no bytes. */
static void add(SHA2_CTX *context, const void *bytes, size_t size)
{
    if (size > 0)
        SHA256Update(context, bytes, size);
}

void digest_sha256(const void *bytes, size_t size, char text[DIGEST_TEXT])
{
    SHA2_CTX context;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256Init(&context);
    add(&context, bytes, size);
    SHA256Final(digest, &context);
    write_text(digest, text);
    explicit_bzero(&context, sizeof context);
}

static void begin_keyed(SHA2_CTX *context, const unsigned char *key, unsigned char pad)
{
    uint8_t block[SHA256_BLOCK_LENGTH];
    memset(block, pad, sizeof block);
    for (int i = 0; i < DIGEST_SIZE; i++)
        block[i] = (uint8_t)(block[i] ^ key[i]);
    SHA256Init(context);
    SHA256Update(context, block, sizeof block);
    explicit_bzero(block, sizeof block);
}

void digest_hmac(const unsigned char *key, const void *bytes, size_t size, char text[DIGEST_TEXT])
{
    SHA2_CTX context;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    begin_keyed(&context, key, 0x36);
    add(&context, bytes, size);
    SHA256Final(digest, &context);
    begin_keyed(&context, key, 0x5c);
    SHA256Update(&context, digest, sizeof digest);
    SHA256Final(digest, &context);
    write_text(digest, text);
    explicit_bzero(&context, sizeof context);
}
