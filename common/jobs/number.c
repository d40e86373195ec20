#include "number.h"

#include <stdbool.h>

const char *mr_number_parse(const char *text, size_t size, uint64_t *number) {
    if (size == 0)
        return "the value is empty";
    uint64_t value = 0;
    bool overflow = false;
    for (size_t i = 0; i < size; i++) {
        unsigned digit = (unsigned char) text[i] - (unsigned) '0';
        if (digit > 9)
            return text[0] == '-' ? "the value is negative" : "the value is not a whole number";
        overflow |= __builtin_mul_overflow(value, 10, &value);
        overflow |= __builtin_add_overflow(value, digit, &value);
    }
    if (overflow)
        return "the value is past 2^64-1";
    *number = value;
    return NULL;
}
