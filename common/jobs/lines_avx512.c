/* lines_avx512.c - the line kernels with 64-byte vectors. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "jobs/lines_template.h"

ALWAYS_INLINE void index_window(const char *text, size_t words, char delimiter, mr_index_t *index) {
    __m512i newline = _mm512_set1_epi8('\n'), delimiters = _mm512_set1_epi8(delimiter);
    for (size_t word = 0; word < words; word++) {
        __m512i bytes = _mm512_loadu_si512(text + 64 * word);
        index->newlines[word] = _mm512_cmpeq_epi8_mask(bytes, newline);
        index->delimiters[word] = _mm512_cmpeq_epi8_mask(bytes, delimiters);
    }
}

ALWAYS_INLINE bool short_keys_equal(const char *a, const char *b, size_t size) {
    __mmask64 mask = _bzhi_u64(UINT64_MAX, (unsigned) size);
    return _mm512_mask_cmpneq_epi8_mask(mask, _mm512_loadu_si512(a), _mm512_loadu_si512(b)) == 0;
}

const mr_lines_kernels_t mr_lines_avx512 = LINES_KERNELS;
#endif
