/* digest: SHA-256 in hexadecimal, and a quick hash. The algorithm is nettle's. */
#ifndef KELP_BASE_DIGEST_H
#define KELP_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

enum { DIGEST_SIZE = 32, DIGEST_TEXT = 65 };

/* Writes 64 lower-case digits and a NUL. */
void digest_sha256(const void *bytes, size_t size, char text[DIGEST_TEXT]);

/* A hash of 64 bits at a few instructions a byte; it does not withstand an attacker
 * who looks for two texts of one hash. */
uint64_t digest_quick(const void *bytes, size_t size);

#endif
