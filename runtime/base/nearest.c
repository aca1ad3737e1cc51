#include "base/nearest.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { LONGEST = 128, LEAST_PREFIX = 3 };

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int folded(const char *text, size_t at)
{
    return tolower((unsigned char)text[at]);
}

/* The distance of Damerau and Levenshtein, in which no part is edited twice. */
static int distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    int rows[3][LONGEST + 1];
    for (size_t j = 0; j <= b_size; j++)
        rows[0][j] = (int)j;
    for (size_t i = 1; i <= a_size; i++) {
        int *row = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        row[0] = (int)i;
        for (size_t j = 1; j <= b_size; j++) {
            int differs = folded(a, i - 1) != folded(b, j - 1);
            row[j] = least(least(above[j] + 1, row[j - 1] + 1), above[j - 1] + differs);
            if (i > 1 && j > 1 && folded(a, i - 1) == folded(b, j - 2)
                && folded(a, i - 2) == folded(b, j - 1))
                row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return rows[a_size % 3][b_size];
}

/* The only word that begins with `word`, or NULL. */
static const char *only_longer(const char *word, size_t size, const char *const *words,
                               size_t count)
{
    const char *found = NULL;
    for (size_t i = 0; size >= LEAST_PREFIX && i < count; i++) {
        if (strncasecmp(words[i], word, size) != 0)
            continue;
        if (found != NULL)
            return NULL;
        found = words[i];
    }
    return found;
}

const char *nearest_word(const char *word, const char *const *words, size_t count)
{
    size_t size = strlen(word);
    if (size == 0 || size > LONGEST)
        return NULL;
    const char *best = NULL;
    int best_distance = (int)(size < 3 ? 1 : size / 3) + 1;
    for (size_t i = 0; i < count; i++) {
        size_t other = strlen(words[i]);
        if (other > LONGEST)
            continue;
        int d = distance(word, size, words[i], other);
        if (d < best_distance) {
            best = words[i];
            best_distance = d;
        }
    }
    return best != NULL ? best : only_longer(word, size, words, count);
}
