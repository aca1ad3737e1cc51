#include "lua/json_number.h"

#include <stdbool.h>
#include <stdint.h>

/* Beyond any number of digits that a text can hold. */
enum { MAX_EXPONENT = 1000000000 };

/* value * 10^(zeros + 1) + digit, or false when 64 bits do not hold it. */
static bool append_digit(uint64_t *value, size_t zeros, unsigned digit)
{
    for (size_t i = 0; i <= zeros; i++)
        if (__builtin_mul_overflow(*value, (uint64_t)10, value))
            return false;
    return !__builtin_add_overflow(*value, (uint64_t)digit, value);
}

static long read_exponent(const char *at, const char *end)
{
    bool negative = *at == '-';
    if (*at == '-' || *at == '+')
        at++;
    long exponent = 0;
    for (; at < end && exponent < MAX_EXPONENT; at++)
        exponent = exponent * 10 + (*at - '0');
    return negative ? -exponent : exponent;
}

enum json_number json_number_read(const char *token, size_t size, lua_Integer *value)
{
    const char *at = token, *end = token + size;
    bool negative = *at == '-';
    if (negative)
        at++;
    /* The number is magnitude * 10^(zeros + exponent - fraction). */
    uint64_t magnitude = 0;
    size_t zeros = 0;
    long exponent = 0, fraction = 0;
    bool in_fraction = false, plain = true, fits = true;
    for (; at < end; at++) {
        if (*at == '.') {
            in_fraction = true;
            plain = false;
            continue;
        }
        if (*at == 'e' || *at == 'E') {
            exponent = read_exponent(at + 1, end);
            plain = false;
            break;
        }
        fraction += in_fraction;
        if (*at == '0') {
            zeros++;
        } else if (fits) {
            fits = append_digit(&magnitude, zeros, (unsigned)(*at - '0'));
            zeros = 0;
        }
    }
    if (magnitude == 0 && fits) {
        *value = 0;
        return JSON_NUMBER_INTEGER;
    }
    enum json_number otherwise = plain ? JSON_NUMBER_TOO_LONG : JSON_NUMBER_FLOAT;
    long scale = (long)zeros + exponent - fraction;
    if (!fits || scale < 0)
        return otherwise;
    if (scale > 0 && !append_digit(&magnitude, (size_t)scale - 1, 0))
        return otherwise;
    if (magnitude > (uint64_t)LUA_MAXINTEGER + negative)
        return otherwise;
    *value = (lua_Integer)(negative ? -magnitude : magnitude);
    return JSON_NUMBER_INTEGER;
}
