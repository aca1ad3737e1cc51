#include "base/number.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The locale may have a decimal point of its own, of several bytes even. */
static size_t fix_point(char *text)
{
    size_t kept = 0;
    for (size_t i = 0; text[i] != '\0'; i++) {
        bool point = strchr("0123456789+-e", text[i]) == NULL;
        if (!point)
            text[kept++] = text[i];
        else if (kept == 0 || text[kept - 1] != '.')
            text[kept++] = '.';
    }
    text[kept] = '\0';
    return kept;
}

size_t number_write(double number, char text[NUMBER_TEXT])
{
    snprintf(text, NUMBER_TEXT, "%.14g", number);
    if (strtod(text, NULL) != number)
        snprintf(text, NUMBER_TEXT, "%.17g", number);
    return fix_point(text);
}
