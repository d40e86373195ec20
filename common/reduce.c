#include "reduce.h"

#include <stdio.h>

#define SHOWN 200u /* bytes of a key; escaped, four times as many, they fit an error's text */

int mr_reduce_overflow(mr_error_t *error, const char *key, size_t key_size) {
    char text[4 * SHOWN + 1] = "";
    size_t shown = key_size < SHOWN ? key_size : SHOWN;
    FILE *stream = fmemopen(text, sizeof text, "w");
    if (stream) {
        mr_print_escaped(stream, key, shown);
        fclose(stream);
    }
    return mr_error_set(error, MR_STATUS_JOB, "key \"%s\"%s: the sum overflows 64 bits", text,
                        shown < key_size ? "..." : "");
}
