/* words_avx512.c - the kernel of wordcount with 64-byte vectors. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "jobs/words_template.h"

/* 1 for each word byte below 0x80. */
static const char is_word[128]
    __attribute__((aligned(64))) = {['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['_'] = 1, ['a' ... 'z'] = 1};

static const char places[64] __attribute__((aligned(64))) = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
    22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
    44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};

ALWAYS_INLINE void classify(const char *text, size_t words, mr_word_index_t *index) {
    const __m512i low_table = _mm512_load_si512(is_word), high_table = _mm512_load_si512(is_word + 64);
    index->any_wide = index->beyond_ascii = 0;
    for (size_t word = 0; word < words; word++) {
        __m512i bytes = _mm512_loadu_si512(text + 64 * word);
        __m512i found = _mm512_permutex2var_epi8(low_table, bytes, high_table);
        __mmask64 high = _mm512_movepi8_mask(bytes);
        __m512i masked = _mm512_and_si512(bytes, _mm512_set1_epi8((char) 0xDE));
        index->word[word] = _mm512_test_epi8_mask(found, found) | high;
        index->wide[word] = _mm512_cmpeq_epi8_mask(masked, _mm512_set1_epi8((char) 0xC2));
        index->any_wide |= index->wide[word];
        index->beyond_ascii |= high;
    }
}

/* What is written past the last edge is written over. */
ALWAYS_INLINE unsigned find_edges(uint64_t bits, unsigned base, uint16_t *edges) {
    __m512i bytes = _mm512_maskz_compress_epi8(bits, _mm512_load_si512(places));
    __m512i bases = _mm512_set1_epi16((short) base);
    __m512i first = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(bytes));
    __m512i second = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(bytes, 1));
    _mm512_storeu_si512(edges, _mm512_add_epi16(first, bases));
    _mm512_storeu_si512(edges + 32, _mm512_add_epi16(second, bases));
    return (unsigned) _mm_popcnt_u64(bits);
}

ALWAYS_INLINE void lower_ascii(const char *text, size_t size, char *lowered) {
    for (size_t i = 0; i < size; i += 64) {
        __m512i bytes = _mm512_loadu_si512(text + i);
        __m512i from_a = _mm512_sub_epi8(bytes, _mm512_set1_epi8('A'));
        __mmask64 upper = _mm512_cmplt_epu8_mask(from_a, _mm512_set1_epi8(26));
        bytes = _mm512_mask_add_epi8(bytes, upper, bytes, _mm512_set1_epi8(0x20));
        _mm512_storeu_si512(lowered + i, bytes);
    }
}

ALWAYS_INLINE uint64_t count_newlines(const char *text, size_t size) {
    uint64_t count = 0;
    for (size_t i = 0; i < size; i += 64) {
        __mmask64 inside = size - i < 64 ? _bzhi_u64(UINT64_MAX, (unsigned) (size - i)) : UINT64_MAX;
        __m512i bytes = _mm512_loadu_si512(text + i);
        count += (uint64_t) _mm_popcnt_u64(_mm512_mask_cmpeq_epi8_mask(inside, bytes, _mm512_set1_epi8('\n')));
    }
    return count;
}

mr_tally_t mr_words_avx512(const mr_words_t *words, const char *data, size_t size, mr_out_t *out) {
    return map_text(words, data, size, out);
}
#endif
