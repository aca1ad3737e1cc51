/* http_date: the dates of HTTP headers (RFC 9110, section 5.6.7). */
#ifndef KELP_HTTP_HTTP_DATE_H
#define KELP_HTTP_HTTP_DATE_H

#include <stdbool.h>
#include <stddef.h>

/* Reads a date in one of the three forms that the RFC names, without blanks
 * around it, into seconds since 1970-01-01T00:00:00Z. The year of the form that
 * has two digits is the one that lies at most 50 years after `wall`. False when
 * the bytes are anything else or no day of the calendar. */
bool http_date_parse(const char *bytes, size_t size, double wall, double *seconds);

#endif
