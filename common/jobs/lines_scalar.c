/* lines_scalar.c - the line kernels with 64-bit words only, for any processor. */
#include "jobs/bytes8.h"
#include "jobs/lines_template.h"

ALWAYS_INLINE void index_window(const char *text, size_t words, char delimiter, mr_index_t *index) {
    uint64_t newline = MR_BYTES8('\n'), delimiters = MR_BYTES8(delimiter);
    for (size_t word = 0; word < words; word++) {
        uint64_t found_newlines = 0, found_delimiters = 0;
        for (size_t i = 0; i < 64; i += 8) {
            uint64_t bytes = mr_load64(text + 64 * word + i);
            found_newlines |= mr_bytes8_bits(mr_bytes8_equal(bytes, newline)) << i;
            found_delimiters |= mr_bytes8_bits(mr_bytes8_equal(bytes, delimiters)) << i;
        }
        mr_store64(&index->newlines[word], found_newlines);
        mr_store64(&index->delimiters[word], found_delimiters);
    }
}

ALWAYS_INLINE bool short_keys_equal(const char *a, const char *b, size_t size) {
    for (; size >= 8; size -= 8, a += 8, b += 8)
        if (mr_load64(a) != mr_load64(b))
            return false;
    return ((mr_load64(a) ^ mr_load64(b)) & mr_key_mask(size)) == 0;
}

const mr_lines_kernels_t mr_lines_scalar = LINES_KERNELS;
