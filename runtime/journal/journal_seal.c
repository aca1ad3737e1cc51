#include "journal/journal_seal.h"

#include <string.h>

static inline uint64_t mix(uint64_t sum, uint64_t word)
{
    sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return sum ^ sum >> 32;
}

uint64_t journal_seal_add(uint64_t sum, int type, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    uint64_t word;
    sum = mix(sum, (uint64_t)size << 8 | (uint64_t)(unsigned char)(type + 1));
    for (; size >= sizeof word; size -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        sum = mix(sum, word);
    }
    if (size > 0) {
        word = 0;
        memcpy(&word, at, size);
        sum = mix(sum, word);
    }
    return sum;
}
