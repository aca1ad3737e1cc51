#include "http/http_date.h"

#include <string.h>
#include <time.h>

struct cursor {
    const char *at, *end;
};

struct day {
    int year, month, day, hour, minute, second; /* month from 0 */
};

static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
static const char *const weekdays[] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
                                        "Thursday", "Friday", "Saturday" };

static bool take(struct cursor *c, const char *text)
{
    size_t size = strlen(text);
    if ((size_t)(c->end - c->at) < size || memcmp(c->at, text, size) != 0)
        return false;
    c->at += size;
    return true;
}

static bool take_digits(struct cursor *c, int count, int *number)
{
    *number = 0;
    if (c->end - c->at < count)
        return false;
    for (int i = 0; i < count; i++, c->at++) {
        if (*c->at < '0' || *c->at > '9')
            return false;
        *number = *number * 10 + (*c->at - '0');
    }
    return true;
}

static bool take_month(struct cursor *c, int *month)
{
    for (*month = 0; *month < 12; ++*month)
        if (take(c, months[*month]))
            return true;
    return false;
}

/* A day's name: whole, or its first three letters. Whether it is the right one is
 * not looked at: nothing here depends on it. */
static bool take_weekday(struct cursor *c, bool whole)
{
    for (size_t i = 0; i < sizeof weekdays / sizeof weekdays[0]; i++) {
        char brief[4] = { weekdays[i][0], weekdays[i][1], weekdays[i][2], '\0' };
        if (take(c, whole ? weekdays[i] : brief))
            return true;
    }
    return false;
}

static bool take_time(struct cursor *c, struct day *d)
{
    return take_digits(c, 2, &d->hour) && take(c, ":") && take_digits(c, 2, &d->minute) &&
           take(c, ":") && take_digits(c, 2, &d->second);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static bool take_fixdate(struct cursor c, struct day *d)
{
    return take_weekday(&c, false) && take(&c, ", ") && take_digits(&c, 2, &d->day) &&
           take(&c, " ") && take_month(&c, &d->month) && take(&c, " ") &&
           take_digits(&c, 4, &d->year) && take(&c, " ") && take_time(&c, d) &&
           take(&c, " GMT") && c.at == c.end;
}

static int year_of(double wall)
{
    struct tm tm;
    time_t seconds = (time_t)(wall > 0 && wall < 2e11 ? wall : 0);
    return gmtime_r(&seconds, &tm) != NULL ? tm.tm_year + 1900 : 1970;
}

/* "Sunday, 06-Nov-94 08:49:37 GMT" */
static bool take_rfc850(struct cursor c, struct day *d, double wall)
{
    int two;
    if (!(take_weekday(&c, true) && take(&c, ", ") && take_digits(&c, 2, &d->day) &&
          take(&c, "-") && take_month(&c, &d->month) && take(&c, "-") &&
          take_digits(&c, 2, &two) && take(&c, " ") && take_time(&c, d) && take(&c, " GMT") &&
          c.at == c.end))
        return false;
    int latest = year_of(wall) + 50;
    d->year = latest - (latest - two) % 100;
    return true;
}

/* "Sun Nov  6 08:49:37 1994" */
static bool take_asctime(struct cursor c, struct day *d)
{
    return take_weekday(&c, false) && take(&c, " ") && take_month(&c, &d->month) &&
           take(&c, " ") && take_digits(&c, take(&c, " ") ? 1 : 2, &d->day) && take(&c, " ") &&
           take_time(&c, d) && take(&c, " ") && take_digits(&c, 4, &d->year) && c.at == c.end;
}

static int days_of(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month] + (month == 1 && leap);
}

bool http_date_parse(const char *bytes, size_t size, double wall, double *seconds)
{
    struct cursor c = { bytes, bytes + size };
    struct day d;
    if (!take_fixdate(c, &d) && !take_rfc850(c, &d, wall) && !take_asctime(c, &d))
        return false;
    /* 60: a leap second, which the RFC allows. */
    if (d.day < 1 || d.day > days_of(d.year, d.month) || d.hour > 23 || d.minute > 59 ||
        d.second > 60)
        return false;
    struct tm tm = { .tm_year = d.year - 1900, .tm_mon = d.month, .tm_mday = d.day,
                     .tm_hour = d.hour, .tm_min = d.minute, .tm_sec = d.second };
    *seconds = (double)timegm(&tm);
    return true;
}
