/* number: floats as text. */
#ifndef KELP_BASE_NUMBER_H
#define KELP_BASE_NUMBER_H

#include <stddef.h>

enum { NUMBER_TEXT = 64 };

/* Writes a finite number with the fewest of 14 or 17 digits that read back the same, and
 * a point whatever the locale says; returns the length. */
size_t number_write(double number, char text[NUMBER_TEXT]);

#endif
