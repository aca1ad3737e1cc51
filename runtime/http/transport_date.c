#include "http/transport.h"

#include <curl/curl.h>

#include <string.h>
#include <time.h>

/* libcurl reads dates of many more kinds; only those of RFC 9110, section 5.6.7, may
 * reach it. '0' is a digit, '_' one or a blank, 'A' and 'a' a letter, the rest itself. */
static bool has_form(const char *text, const char *form)
{
    for (; *form != '\0'; form++, text++) {
        bool digit = *text >= '0' && *text <= '9';
        bool fits = *form == '0'   ? digit
                    : *form == '_' ? digit || *text == ' '
                    : *form == 'A' ? *text >= 'A' && *text <= 'Z'
                    : *form == 'a' ? *text >= 'a' && *text <= 'z'
                                   : *text == *form;
        if (!fits)
            return false;
    }
    return *text == '\0';
}

/* Where the day of the month begins, or NULL when it is no HTTP date. */
static const char *find_day(const char *text, bool *two_digit_year)
{
    static const char *const days[] = { "Monday", "Tuesday", "Wednesday", "Thursday", "Friday",
                                        "Saturday", "Sunday" };
    const char *comma = strchr(text, ',');
    *two_digit_year = comma != NULL && comma - text > 3;
    for (size_t i = 0; i < sizeof days / sizeof days[0]; i++) {
        size_t size = *two_digit_year ? strlen(days[i]) : 3;
        if (strncmp(text, days[i], size) != 0)
            continue;
        const char *rest = text + size;
        if (has_form(rest, *two_digit_year ? ", 00-Aaa-00 00:00:00 GMT"
                                           : ", 00 Aaa 0000 00:00:00 GMT"))
            return rest + 2;
        return has_form(rest, " Aaa _0 00:00:00 0000") ? rest + 5 : NULL;
    }
    return NULL;
}

/* RFC 9110: two digits are the year that lies at most 50 years ahead. */
static void move_year(struct tm *date, double wall)
{
    struct tm now;
    time_t seconds = (time_t)wall;
    if (gmtime_r(&seconds, &now) == NULL)
        return;
    int latest = now.tm_year + 50;
    date->tm_year = latest - (latest - date->tm_year % 100) % 100;
}

bool transport_date(const char *bytes, size_t size, double wall, double *seconds)
{
    char text[40];
    bool two_digit_year;
    if (size >= sizeof text || memchr(bytes, '\0', size) != NULL)
        return false;
    memcpy(text, bytes, size);
    text[size] = '\0';
    const char *day = find_day(text, &two_digit_year);
    time_t date = day != NULL ? curl_getdate(text, NULL) : -1;
    bool leap_second = strstr(text, ":60") != NULL;
    time_t same_day = date - leap_second;
    struct tm tm;
    if (date == -1 || gmtime_r(&same_day, &tm) == NULL ||
        tm.tm_mday != (day[0] == ' ' ? 0 : day[0] - '0') * 10 + (day[1] - '0'))
        return false; /* libcurl takes the 31st of a shorter month for the next month's first */
    if (two_digit_year)
        move_year(&tm, wall);
    *seconds = (double)timegm(&tm) + leap_second;
    return true;
}
