/* lines_avx2.c - the line kernels with 32-byte vectors. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "jobs/lines_template.h"

ALWAYS_INLINE uint64_t match64(__m256i low, __m256i high, __m256i pattern) {
    uint32_t first = (uint32_t) _mm256_movemask_epi8(_mm256_cmpeq_epi8(low, pattern));
    uint32_t second = (uint32_t) _mm256_movemask_epi8(_mm256_cmpeq_epi8(high, pattern));
    return first | (uint64_t) second << 32;
}

ALWAYS_INLINE void index_window(const char *text, size_t words, char delimiter, mr_index_t *index) {
    __m256i newline = _mm256_set1_epi8('\n'), delimiters = _mm256_set1_epi8(delimiter);
    for (size_t word = 0; word < words; word++) {
        __m256i low = _mm256_loadu_si256((const __m256i *) (text + 64 * word));
        __m256i high = _mm256_loadu_si256((const __m256i *) (text + 64 * word + 32));
        index->newlines[word] = match64(low, high, newline);
        index->delimiters[word] = match64(low, high, delimiters);
    }
}

ALWAYS_INLINE bool short_keys_equal(const char *a, const char *b, size_t size) {
    __m256i first = _mm256_loadu_si256((const __m256i *) a), second = _mm256_loadu_si256((const __m256i *) b);
    uint32_t same = (uint32_t) _mm256_movemask_epi8(_mm256_cmpeq_epi8(first, second));
    if (size > 32) /* rare */
        return same == UINT32_MAX && memcmp(a + 32, b + 32, size - 32) == 0;
    return _bzhi_u64(~(uint64_t) same, (unsigned) size) == 0;
}

const mr_lines_kernels_t mr_lines_avx2 = LINES_KERNELS;
#endif
