#include "base/glob.h"

#include <fnmatch.h>
#include <string.h>

bool glob_matches(const char *pattern, const char *name)
{
    return fnmatch(pattern, name, FNM_NOESCAPE) == 0;
}

const char *glob_fault(const char *pattern)
{
    if (*pattern == '\0')
        return "is empty";
    for (const char *at = pattern; (at = strchr(at, '[')) != NULL;) {
        at++;
        if (*at == '!' || *at == '^')
            at++;
        const char *end = *at != '\0' ? strchr(at + 1, ']') : NULL;
        if (end == NULL)
            return "has a '[' without its ']'";
        at = end + 1;
    }
    return NULL;
}

bool glob_is_pattern(const char *pattern)
{
    return strpbrk(pattern, "*?[") != NULL;
}
