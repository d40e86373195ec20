/* units.h - sizes and times as people write them: 64K, 1.5G, 250ms, 30s, 5m, 1h. */
#ifndef MR_UNITS_H
#define MR_UNITS_H

#include <stdint.h>

#include "error.h"

/* Reads a size in bytes: a decimal number, a fraction allowed, then nothing or one of K M G T (powers of 1,024; a final B or
 * iB is accepted). `what` begins the error. Returns 0, or -1 and status USAGE. */
int mr_parse_size(const char *what, const char *text, uint64_t low, uint64_t high, uint64_t *size, mr_error_t *error);

/* Reads a time in milliseconds: a number, then ms, s (also when there is nothing), m, h or d. */
int mr_parse_time(const char *what, const char *text, uint64_t low, uint64_t high, uint64_t *ms, mr_error_t *error);

/* Reads a whole number. */
int mr_parse_count(const char *what, const char *text, uint64_t low, uint64_t high, uint64_t *count, mr_error_t *error);

/* "930 MB", "1.50 GB": three figures, powers of 1,000 (rates and amounts, as storage is sold). */
void mr_format_size(char text[32], double bytes);

/* "250ms", "30s", "5m": a time as it may be typed, in the largest unit that holds it whole. */
void mr_format_time(char text[32], uint64_t ms);

/* "0:03", "12:07", "1:02:09" */
void mr_format_duration(char text[32], double seconds);

#endif
