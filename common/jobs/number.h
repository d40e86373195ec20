/* jobs/number.h - decimal numbers as the jobs read them: one or more ASCII digits, at most 2^64-1, nothing else. */
#ifndef MR_NUMBER_H
#define MR_NUMBER_H

#include "key.h"

#define MR_DIGITS_ZERO 0x3030303030303030u

/* Nonzero when one of eight bytes is above 9. A byte's carry can only spoil bytes above one that is above 9 itself. */
static inline uint64_t mr_digits_bad(uint64_t digits) {
    return ((digits + 0x7676767676767676u) | digits) & 0x8080808080808080u;
}

/* The number that eight bytes of 0 to 9 make, the lowest byte first: pairs, then fours, then all. */
static inline uint64_t mr_digits_value(uint64_t digits) {
    digits = digits * 10 + (digits >> 8);
    return ((digits & 0x000000FF000000FFu) * 0x000F424000000064u +
            ((digits >> 16) & 0x000000FF000000FFu) * 0x0000271000000001u) >>
           32;
}

/* The number's digits, right-aligned in eight bytes, zeros before them. Means something for `size` 1 to 8 only; reads 8
 * bytes at `text`. */
static inline uint64_t mr_digits_load(const char *text, size_t size) {
    return (mr_load64(text) ^ MR_DIGITS_ZERO) << ((64 - 8 * size) & 63);
}

/* Reads a number of any length; nothing outside text[0..size) is touched. Returns NULL, or why it is none. */
const char *mr_number_parse(const char *text, size_t size, uint64_t *number);

#endif
